"""What shall go wrong in a scene, and when: a pure function of the seed.

A fault comes after so many more events were published; its ``step`` says where in the way of a mail, or how, its
``nth`` at which of those, and ``seconds`` how long it lasts.
"""

import random
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass

from consumer.steps import Step

PROGRAM_STEPS = tuple(step.value for step in Step if step is not Step.SENDING)
"""The program's own; SENDING is divided into the phases that the server sees."""

_SELDOM = {Step.PUBLISHED.value: 3, "GREETING": 2, "EHLO": 2}
"""Steps that not every mail reaches, and the most of them to wait for."""

_OFTEN = 25


@dataclass(frozen=True, slots=True)
class Plan:
    """So many faults of one kind at one step; ``seconds`` is how long each lasts, at least and at most."""

    kind: str
    step: str = ""
    count: int = 1
    seconds: tuple[float, float] = (0.0, 0.0)


@dataclass(frozen=True, slots=True)
class Fault:
    """One fault of the schedule; ``events`` are published right before it."""

    number: int
    kind: str
    step: str
    nth: int
    seconds: float
    events: int

    def __str__(self) -> str:
        where = f" {self.step}" if self.step else ""
        nth = f" no. {self.nth}" if self.step in PROGRAM_STEPS or self.step.isupper() else ""
        lasting = f", {self.seconds:.1f} s" if self.seconds else ""
        return f"{self.kind}{where}{nth}{lasting}"


def schedule(plans: Iterable[Plan], seed: int, events: int) -> tuple[Fault, ...]:
    """The faults of a scene in their order, with its events shared out among them."""
    chance = random.Random(f"{seed}/schedule")
    wanted = [plan for plan in plans for _ in range(plan.count)]
    chance.shuffle(wanted)
    shares = [0.5 + chance.random() for _ in wanted]
    found = []
    given = 0
    for number, (plan, share) in enumerate(zip(wanted, shares, strict=True), 1):
        last = number == len(wanted)
        mine = events - given if last else round(events * share / sum(shares))
        given += mine
        nth = chance.randint(1, _SELDOM.get(plan.step, _OFTEN))
        seconds = round(chance.uniform(*plan.seconds), 1)
        found.append(Fault(number, plan.kind, plan.step, nth, seconds, max(0, mine)))
    return tuple(found)


def scaled(plans: Iterable[Plan], factor: float) -> tuple[Plan, ...]:
    """Fewer or more of each, at least one."""
    return tuple(Plan(plan.kind, plan.step, max(1, round(plan.count * factor)), plan.seconds) for plan in plans)


def by_kind(faults: Iterable[Fault]) -> Counter[str]:
    """How many there are of each kind."""
    return Counter(fault.kind for fault in faults)
