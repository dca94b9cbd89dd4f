"""The scenes of ``make chaos``: each publishes a backlog, does its damage at random moments, and accounts for all."""

import json
import threading
from collections.abc import Callable
from contextlib import ExitStack

import psutil

from consumer import names
from tests.accounting import account, duplicates_explained, settled
from tests.chaos.stage import CONNECTIONS, PATIENCE, Outcome, Stage, judged
from tests.fakes.sink import Later, Wire
from tests.poisoning import PREFETCH, convict
from tests.running import ConsumerProcess, clock
from tests.running_broker import an_event, dead_letters, publish
from tests.waiting import eventually_blocking

PHASES = ("GREETING", "EHLO", "MAIL", "RCPT", "DATA", "UPLOAD")


def killed(stage: Stage) -> Outcome:
    """The consumer is killed five times."""
    with stage.consumer() as consumer:
        consumer.start()
        expected = stage.backlog()
        for moment in stage.moments(5):
            stage.reached(moment)
            consumer.kill()
            stage.ends.append(clock())
            stage.say(f"killed at {moment:,} mails")
            consumer.start(ready=False)
        found = stage.end(expected)
    explained = duplicates_explained(found, stage.ends)
    return judged("consumer killed", "5 × SIGKILL", found, 5 * CONNECTIONS, explained=explained)


def broker_ended(stage: Stage) -> Outcome:
    """The broker's node is stopped twice and killed twice."""
    with stage.consumer() as consumer:
        consumer.start()
        expected = stage.backlog()
        for number, moment in enumerate(stage.moments(4)):
            stage.reached(moment)
            graceful = number % 2 == 0
            stage.node.restart(graceful=graceful)
            stage.say(f"broker {'stopped' if graceful else 'killed'} and started at {moment:,} mails")
            consumer.await_ready(90)
        found = stage.end(expected)
        assert not consumer.exit_codes, "the consumer ended"
        counted = consumer.metric("mailroom_handoffs")
    outcome = judged("broker ended", "2 × stop, 2 × SIGKILL", found, 0)
    assert counted == stage.events, f"{counted:.0f} hand-offs counted"
    return outcome


def wires_cut(stage: Stage) -> Outcome:
    """The SMTP server cuts the connection in every phase, about once in two hundred mails each."""
    lock = threading.Lock()
    taken_and_cut: set[str] = set()
    cuts = dict.fromkeys((*PHASES, "BODY"), 0)

    def behave(phase: str, argument: str) -> Wire | None:
        with lock:
            share = 0.1 if phase in ("GREETING", "EHLO") else 0.005  # connections are few: they are kept
            if phase not in cuts or stage.chance.random() > share:
                return None
            if phase == "BODY" and argument in taken_and_cut:
                return None
            cuts[phase] += 1
            if phase != "BODY":
                return Wire.CUT
            if stage.chance.random() < 0.5:
                taken_and_cut.add(argument)
                return Wire.TAKE_AND_CUT
            taken_and_cut.add(argument)
            return Wire.CUT

    stage.sink.behave = behave
    with stage.consumer() as consumer:
        consumer.start()
        expected = stage.backlog()
        stage.say("waiting for the end of the drain")
        eventually_blocking(lambda: settled(stage.url, stage.sink, expected), PATIENCE, what="everything is settled")
        unanswered = sum(not mail.answered for mail in stage.sink.taken)
        answered = len(stage.sink.taken) - unanswered
        counted = consumer.metric("mailroom_handoffs")
    assert counted == answered, f"{counted:.0f} hand-offs counted, {answered} answered"
    # A second unknown outcome of one event is a dead letter, by policy: never a second resend.
    dead = dead_letters(stage.url)
    unknown = [json.loads(body) for headers, body in dead if headers[names.H_REASON] == "outcome_unknown"]
    assert len(unknown) == len(dead), "dead for another reason"
    found = account(stage.sink, expected, [event["data"]["to"][0]["address"] for event in unknown])
    note = f"cuts: {', '.join(f'{phase} {count}' for phase, count in cuts.items())}"
    return judged("SMTP cut", "in 7 phases", found, unanswered, note=note)


def replicas(stage: Stage) -> Outcome:
    """Three replicas; one after the other is drained, killed or frozen for longer than the broker waits."""
    stage.sink.behave = lambda phase, argument: Later(0.01) if phase == "BODY" else None
    allowed = 0
    with ExitStack() as stack:
        fleet = [stack.enter_context(stage.consumer(name)) for name in ("one", "two", "three")]
        for consumer in fleet:
            consumer.start(ready=False)
        for consumer in fleet:
            consumer.await_ready()
        expected = stage.backlog()
        for moment in stage.moments(6):
            stage.reached(moment)
            victim = stage.chance.choice(fleet)
            damage = stage.chance.choice((drained, killed_and_started, frozen))
            stage.say(f"{victim.name}: {damage.__name__.replace('_', ' ')} at {moment:,} mails")
            allowed += damage(victim, stage)
        found = stage.end(expected)
    return judged("three replicas", "6 × drain, SIGKILL or SIGSTOP", found, allowed)


def drained(victim: ConsumerProcess, stage: Stage) -> int:
    """SIGTERM and a new start: no duplicate is allowed."""
    victim.await_ready()  # before it is, SIGTERM may find it without its handler
    assert victim.stop() == 0, "a drain did not end with 0"
    victim.start(ready=False)
    return 0


def killed_and_started(victim: ConsumerProcess, stage: Stage) -> int:
    """SIGKILL and a new start: what was in flight may come twice."""
    victim.kill()
    victim.start(ready=False)
    return CONNECTIONS


def frozen(victim: ConsumerProcess, stage: Stage) -> int:
    """SIGSTOP for longer than two heartbeats, and SIGCONT: as a kill, but it comes back with what it believed."""
    victim.freeze()
    began = clock()
    eventually_blocking(lambda: clock() - began > 35.0, 60)
    victim.thaw()
    return CONNECTIONS


def remembered(stage: Stage) -> Outcome:
    """Ten times the events, in waves: the memory of the consumer stays where it was after the first waves."""
    wave, sizes = max(1, stage.events // 20), []
    with stage.consumer() as consumer:
        consumer.start()
        process = psutil.Process(consumer.pid)
        for number in range(20):
            first = number * wave
            publish(stage.url, (an_event(n, f"org-{n % 997}", size=2048) for n in range(first, first + wave)))
            stage.reached(first + wave)
            sizes.append(process.memory_info().rss / 2**20)
            stage.say(f"{first + wave:,} mails, {sizes[-1]:.0f} MiB")
        expected = [f"e{number}@example.org" for number in range(20 * wave)]
        found = stage.end(expected)
    note = f"MiB after each twentieth: {' '.join(f'{size:.0f}' for size in sizes)}"
    outcome = judged("memory", "none", found, 0, note=note)
    grown = sizes[-1] - sizes[9]
    return outcome if grown < 15 else Outcome("memory", "none", found, 0, f"grew by {grown:.0f} MiB", note)


def poisoned(stage: Stage) -> Outcome:
    """Three mails that kill the process, sixty innocent ones around them."""
    with stage.consumer(default_smtp_connections=4, prefetch=PREFETCH) as consumer:
        found = convict(stage.url, stage.sink, consumer, poisonous=3, innocents=60)
    stage.say(f"{found.deaths} deaths, dead letters: {', '.join(found.reasons)}")
    assert found.reasons == ["poison"] * 3, "other dead letters than the poison"
    assert not found.wrongly, "an innocent is dead"
    everyone = [*stage.sink.recipients(), *found.missing]
    counted = account(stage.sink, everyone)
    note = f"{found.deaths} deaths, 3 dead letters"
    return judged("poison", "3 mails that kill", counted, 4 * found.deaths, note=note)


SCENES: dict[str, tuple[Callable[[Stage], Outcome], int]] = {
    "kill": (killed, 1),
    "broker": (broker_ended, 1),
    "smtp": (wires_cut, 1),
    "replicas": (replicas, 1),
    "poison": (poisoned, 1),
    "memory": (remembered, 10),
}
"""By name, with the multiple of the number of events that the scene wants."""
