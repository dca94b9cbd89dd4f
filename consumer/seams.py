"""What tests and benchmarks may put in place of the ordinary parts of a consumer; operators have no such switches."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime

from consumer.breaker import Rules
from consumer.breaker_verdicts import rules_of
from consumer.ledger import Ledger
from consumer.steps import Watch, nobody
from consumer.turns import Turns


def utc_now() -> datetime:
    """The wall clock."""
    return datetime.now(UTC)


@dataclass(frozen=True, slots=True)
class Seams:
    """``watch`` is told of every step, ``now`` is the wall clock; ``turns`` and ``ledger`` may replace theirs.

    ``rules`` are those of a breaker, by its key.
    """

    watch: Watch = nobody
    now: Callable[[], datetime] = utc_now
    turns: Callable[[Turns], Turns] = lambda ordinary: ordinary
    ledger: Callable[[Ledger], Ledger] = lambda ordinary: ordinary
    rules: Callable[[str], Rules] = rules_of


ORDINARY = Seams()
