"""One run of the demo: publishes the sample events, waits for what they become, and gathers all that can be checked."""

import json
import time
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from consumer import names
from deploy.local.demo_broker import channel, dead_letters, depth, depths, publish_raw
from deploy.local.demo_checks import Mail, Row, judge, mails_of
from deploy.local.demo_events import samples
from deploy.local.demo_overall import (
    Check,
    Metrics,
    counted,
    discreet,
    empty,
    nothing_extra,
    own_servers,
    saved_and_tested,
    threads,
)
from deploy.local.demo_parts import Sample
from deploy.local.demo_revocation import Revocation, revoke_and_connect_again, seen
from deploy.local.demo_settings import Saved
from deploy.local.demo_stage import Say, Stage

_PATIENCE = 30.0
_SETTLED = 10.0


@dataclass(frozen=True, slots=True)
class Result:
    """All findings of a run."""

    rows: tuple[Row, ...]
    checks: tuple[Check, ...]
    mails: tuple[Mail, ...]
    metrics: Metrics
    saved: tuple[Saved, ...]
    revocations: tuple[Revocation, ...]

    @property
    def differences(self) -> tuple[str, ...]:
        """What was not as expected, a sentence each."""
        of_rows = [f"{row.sample.what}: {problem}" for row in self.rows for problem in row.problems]
        return (*of_rows, *(f"{check.what}: {check.problem}" for check in self.checks if check.problem))

    @property
    def good(self) -> bool:
        """Whether everything was as expected."""
        return not self.differences


def perform(stage: Stage, say: Say, *, stay: bool) -> Result:
    """Publishes, waits and checks; the consumer is drained at the end unless it shall stay.

    Raises:
        CommandFailed: a command of Mailroom failed.
    """
    events = samples(datetime.now(UTC))
    at_once = [one for one in events if not one.parks]
    published, refusal = _publish(stage, at_once, say)
    _await_outcomes(stage, at_once, say)
    settled = _settle(stage)
    scenes = tuple(revoke_and_connect_again(stage, one, say) for one in events if one.parks)
    settled = _settle(stage) if scenes else settled
    page = stage.get("/metrics")[1]
    metrics = Metrics(page)
    checks = [refusal, settled, *(check for scene in scenes for check in seen(scene))]
    checks.append(_published_twice(stage, at_once[0], say))
    if not stay:
        say("SIGTERM to `mailroom run`, which drains, and to `mailroom web`")
        codes = stage.drain()
        ended = "" if codes == (0, 0) else f"they ended with {codes[0]} and {codes[1]}"
        checks.append(Check("the consumer drained, the settings page stopped, both ended with 0", ended))
    with channel(stage.url, stage.ca_file) as there:
        letters = dead_letters(there)
        left = depths(there)
    tests = [mail for saved in stage.saved for mail in saved.mails]
    mails = mails_of([mail for mail in stage.sandbox.taken if mail not in tests])
    rows = tuple(
        judge(sample, mails, tuple(stage.sandbox.refused), letters, published.get(sample.id, b"")) for sample in events
    )
    checks += [check for saved in stage.saved for check in saved_and_tested(saved)]
    checks += [
        own_servers((*mails, *mails_of(tests))),
        nothing_extra(events, mails, letters),
        threads(events, mails),
        empty(left),
    ]
    checks += counted(events, metrics)
    checks += _discretion(stage, events, page)
    return Result(rows, tuple(checks), mails, metrics, stage.saved, scenes)


def _publish(stage: Stage, events: Sequence[Sample], say: Say) -> tuple[dict[str, bytes], Check]:
    """Publishes everything; the bytes by event id, and whether ``mailroom publish`` refuses an invalid event."""
    lines = {sample.id: json.dumps(sample.event, ensure_ascii=False) for sample in events}
    ordinary = [sample.id for sample in events if sample.headers is None]
    broken = [one.id for one in events if one.dead and one.dead.field.startswith("data.")]
    say(f"mailroom publish: {len(ordinary)} events and an invalid one; {len(events) - len(ordinary)} by another client")
    file = stage.folder / "events.jsonl"
    file.write_text("".join(f"{lines[name]}\n" for name in (*ordinary, *broken)), encoding="utf-8")
    running = stage.mailroom.begin("publish", "--json", file.name)
    with channel(stage.url, stage.ca_file) as there:
        there.confirm_delivery()
        for sample in events:
            if sample.headers is not None:
                publish_raw(there, sample.event["type"], sample.id, lines[sample.id].encode(), sample.headers)
    counts = {name: count for name, count in json.loads(running.finish(expected=1)).items() if count}
    wanted = {"accepted": len(ordinary), "invalid": len(broken)}
    check = Check("mailroom publish refuses an invalid event", "" if counts == wanted else f"{counts}")
    return {name: line.encode() for name, line in lines.items()}, check


def _published_twice(stage: Stage, sample: Sample, say: Say) -> Check:
    """Publishes an event again whose mail has left; that no second mail came is checked with all the others."""
    say(f"mailroom publish: “{sample.what}” once more, as a platform does that did not hear of its first success")
    file = stage.folder / "again.jsonl"
    file.write_text(json.dumps(sample.event, ensure_ascii=False) + "\n", encoding="utf-8")
    stage.mailroom.begin("publish", "--json", file.name).finish(expected=0)
    until = time.monotonic() + _SETTLED
    while True:
        found = Metrics(stage.get("/metrics")[1]).total("mailroom_outcomes_total", outcome="duplicate")
        if found or time.monotonic() > until:
            break
        time.sleep(0.05)
    return Check("an event that is published twice is sent once, and counted", "" if found == 1 else f"{found:g}")


def _await_outcomes(stage: Stage, events: Sequence[Sample], say: Say) -> None:
    """Waits until as many mails and dead letters are there as are expected, or for half a minute at most."""
    mails, dead = sum(len(one.mails) for one in events), sum(one.dead is not None for one in events)
    retries, tests = sum(one.retries for one in events), sum(len(saved.mails) for saved in stage.saved)
    say(f"waiting for {mails} mails and {dead} dead letters; {retries} mails need a second attempt")
    until = time.monotonic() + _PATIENCE
    with channel(stage.url, stage.ca_file) as there:
        while time.monotonic() < until:
            stage.require_running()
            if len(stage.sandbox.taken) >= mails + tests and depth(there, names.DEAD) >= dead:
                return
            time.sleep(0.05)


def _settle(stage: Stage) -> Check:
    """Waits until the consumer has nothing in hand: what is not in a queue then is done with.

    Organisations in trouble are counted every few seconds only, so that is waited for, too; whether it must be none is
    for others to say.
    """
    until = time.monotonic() + _SETTLED
    while True:
        metrics = Metrics(stage.get("/metrics")[1])
        age, sending = metrics.total("mailroom_oldest_event_seconds"), metrics.total("mailroom_in_flight")
        counted_late = metrics.total("mailroom_parked_organizations") and time.monotonic() < until
        if not age and not sending and not counted_late:
            return Check("the consumer has nothing in hand any more")
        if time.monotonic() > until:
            return Check("the consumer has nothing in hand any more", f"{sending:g} mails are still being sent")
        time.sleep(0.05)


def _discretion(stage: Stage, events: Sequence[Sample], page: str) -> list[Check]:
    passwords = [*(server.account.password for server in stage.sandbox.servers.values()), *stage.providers.secrets]
    files = sorted(stage.folder.glob("mailroom.db*"))
    places = {
        "log": stage.log.read_bytes(),
        "settings page's log": stage.web_log.read_bytes(),
        "metrics": page.encode(),
        "database": b"".join(file.read_bytes() for file in files),
    }
    return list(discreet(events, passwords, places))
