"""The events of a chaos run: a mixture of all that an event can meet, each known by its recipient's address.

What an event is follows from the seed and its number alone. The unit of the account is one recipient of one event: a
mail to two, one of whom is refused, has two ends.
"""

import random
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from types import MappingProxyType
from typing import Any

from tests.running_broker import an_event

DOMAIN = "example.org"
WEIGHTS: Mapping[str, float] = MappingProxyType(
    {
        "ok": 80.0,  # nothing happens to it
        "soft": 4.0,  # put off once
        "both": 3.0,  # three recipients: one is taken, one put off once, one refused
        "hard": 3.0,  # refused
        "odd": 1.0,  # a reply that nobody knows, each time
        "lost": 1.0,  # taken, and the answer is lost, once
        "cut": 1.0,  # cut off after the final dot and not taken, once
        "hold": 2.0,  # like ok, and may not be sent twice: its publisher says so
        "late": 1.5,  # expired when it is published
        "short": 1.0,  # put off each time, and expires meanwhile
        "twin": 1.5,  # published twice
        "bad": 1.0,  # breaks the contract
    }
)

SPECIAL: Mapping[str, float] = MappingProxyType({"own": 0.04, "graph": 0.02, "gmail": 0.02, "locked": 0.01})
"""Shares of the events that are for organisations of their own: an SMTP account, a connected one, a refused one."""

OWN = ("own-0", "own-1", "own-2")
GRAPH, GMAIL, LOCKED = "graph", "gmail", "locked"


@dataclass(frozen=True, slots=True)
class Unit:
    """One recipient of one event; ``kind`` is a key of :data:`WEIGHTS`, or what it is within a ``both``."""

    address: str
    event: str
    kind: str
    organization: str


@dataclass(slots=True)
class Mix:
    """Makes the events of one scene. ``accounts``: there are organisations with accounts of their own."""

    seed: int
    accounts: bool = True
    short_seconds: float = 4.0
    units: dict[str, Unit] = field(default_factory=dict)
    numbers: int = 0

    def next(self, count: int, organization: str = "") -> Iterator[dict[str, Any]]:
        """So many more events, noted down as they are taken; the second copies of twins come on top.

        With ``organization`` all are its.
        """
        for number in range(self.numbers, self.numbers + count):
            self.numbers += 1
            yield from self._one(number, organization)

    def _one(self, number: int, organization: str) -> Iterator[dict[str, Any]]:
        chance = random.Random(f"{self.seed}/{number}")
        kind = chance.choices(list(WEIGHTS), list(WEIGHTS.values()))[0]
        organization = organization or self._organization(number, chance)
        if organization.startswith(("graph", "gmail", "own", "locked")) and kind not in ("twin", "late", "hold"):
            kind = "ok"
        places = ("ok", "soft", "refused") if kind == "both" else (kind,)
        mine = [
            Unit(f"{kind}-{number}.{place}.{what}@{DOMAIN}", f"event-{number}", what, organization)
            for place, what in enumerate(places)
        ]
        for unit in mine:
            self.units[unit.address] = unit
        data: dict[str, Any] = {
            "to": [{"address": unit.address} for unit in mine],
            "subject": f"Event {number}",
            "text": "A few words.\n" * 8,
        }
        attributes: dict[str, Any] = {}
        if kind == "hold":
            data["on_unknown"] = "hold"
        if kind == "bad":
            data["subject"] = "two\nlines"
        if kind in ("late", "short"):
            seconds = self.short_seconds if kind == "short" else -60.0
            attributes["expirytime"] = (datetime.now(UTC) + timedelta(seconds=seconds)).isoformat()
        event = an_event(number, organization, **attributes)
        event["data"] = data
        yield event
        if kind == "twin":
            yield event

    def _organization(self, number: int, chance: random.Random) -> str:
        if not self.accounts:
            return f"org-{number % 97}"
        which = chance.choices(["", *SPECIAL], [1 - sum(SPECIAL.values()), *SPECIAL.values()])[0]
        if which == "own":
            return chance.choice(OWN)
        return which or f"org-{number % 97}"


def first_word(address: str) -> str:
    """What the server shall do with a recipient: the last word before the at sign."""
    return address.partition("@")[0].rpartition(".")[2]
