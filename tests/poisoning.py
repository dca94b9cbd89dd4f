"""Mails that kill the consumer when it sends them, among innocent ones: for the acceptance test and ``make chaos``."""

import os
import signal
from dataclasses import dataclass

from consumer import names
from tests.accounting import settled
from tests.fakes.sink import Later, Sink
from tests.running import ConsumerProcess, Supervisor
from tests.running_broker import an_event, dead_letters, publish, ready
from tests.waiting import eventually_blocking

PREFETCH = 64


@dataclass(frozen=True, slots=True)
class Convicted:
    """How it ended: reasons of the dead letters, those among them that were innocent, innocents without a mail."""

    deaths: int
    reasons: list[str]
    wrongly: list[bytes]
    missing: set[str]


def convict(amqp_url: str, sink: Sink, consumer: ConsumerProcess, *, poisonous: int, innocents: int) -> Convicted:
    """Publishes them into one partition, so that all are prefetched together, and supervises until all is over."""

    def kill_for_poison(phase: str, argument: str) -> Later | None:
        if phase == "DATA" and argument.startswith("poison"):
            os.kill(consumer.pid, signal.SIGKILL)
        return Later(1.5) if phase == "BODY" and argument.startswith("slow") else None

    sink.behave = kill_for_poison
    good = [f"{'slow' if number % 20 == 7 else 'e'}{number}@example.org" for number in range(innocents)]
    addresses = list(good)
    for number in range(poisonous):
        addresses.insert(18 * number + 10, f"poison{number}@example.org")
    consumer.start()
    publish(amqp_url, (an_event(number, "acme", recipient=address) for number, address in enumerate(addresses)))
    supervisor = Supervisor(consumer, limit=5 + 4 * poisonous)

    def over() -> bool:
        supervisor.look()
        return ready(amqp_url, [names.DEAD]) >= poisonous and settled(amqp_url, sink, addresses)

    eventually_blocking(over, 60 + 40 * poisonous, what="the poison is dead and everything else is sent")
    dead = dead_letters(amqp_url)
    return Convicted(
        supervisor.deaths,
        [headers[names.H_REASON] for headers, _ in dead],
        [body for _, body in dead if b"poison" not in body],
        set(good) - sink.recipients().keys(),
    )
