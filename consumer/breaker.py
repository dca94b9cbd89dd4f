"""One circuit breaker: pure values, with the clock and the randomness as arguments.

Closed, it counts failures in a row. Open, it lets nothing through until a probe is due; then exactly one mail, which
closes it, or puts the next probe off for longer.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace


@dataclass(frozen=True, slots=True)
class Rules:
    """When a breaker opens, and how its pauses grow. All times in seconds.

    ``failures`` in a row open it, or ``slow`` ones of a kind that takes long to be met; after ``forgotten`` without
    another one the count begins anew. Quick ones within ``together`` count once: all who waited for one connection fail
    with it. The first pause is ``first``, each further one ``growth`` times as long up to
    ``longest``, and every one is spread by ``jitter`` of it to either side. One that
    opens again within its last pause, or ``again``, after it closed goes on with the pauses it had.
    """

    failures: int = 5
    slow: int = 3
    first: float = 15.0
    growth: float = 2.0
    longest: float = 900.0
    jitter: float = 0.1
    forgotten: float = 600.0
    together: float = 0.25
    again: float = 0.0


@dataclass(frozen=True, slots=True)
class Breaker:
    """The state at one moment. ``due`` is when the next probe may go, while open.

    ``probing``: a probe is under way, and taken for lost at ``due``. ``pause`` stays for a while after the breaker
    has closed (at ``closed``), because one that opens again soon had not been mended.
    """

    is_open: bool = False
    failures: int = 0
    slow: int = 0
    pause: float = 0.0
    due: float = 0.0
    probing: bool = False
    failed: float = float("-inf")
    counted: float = float("-inf")
    closed: float = float("-inf")

    def may_probe(self, now: float) -> bool:
        """Whether a probe may go now."""
        return self.is_open and now >= self.due

    def remaining(self, now: float) -> float:
        """Seconds until it is worth another look."""
        left = max(0.0, self.due - now)
        return min(left, self.pause) if self.probing else left

    def idle(self, now: float, rules: Rules) -> bool:
        """Whether nothing of it is worth remembering."""
        return not self.is_open and now - max(self.failed, self.closed + self.pause) > rules.forgotten


def failed(breaker: Breaker, now: float, rules: Rules, *, slow: bool, apart: bool = False) -> Breaker:
    """A mail met no answer while the breaker was closed; it stays closed, see :func:`worn_out`.

    ``apart``: it cannot have waited for the connection of the one before, being another account's.
    """
    if breaker.is_open:
        return breaker
    fresh = now - breaker.failed > rules.forgotten
    if not (fresh or slow or apart) and now - breaker.counted < rules.together:
        return replace(breaker, failed=now)
    return replace(
        breaker,
        failures=1 if fresh else breaker.failures + 1,
        slow=int(slow) if fresh else breaker.slow + slow,
        failed=now,
        counted=now,
    )


def worn_out(breaker: Breaker, rules: Rules) -> bool:
    """Whether its failures in a row are enough to open it."""
    return breaker.failures >= rules.failures or breaker.slow >= rules.slow


def opened(breaker: Breaker, now: float, rules: Rules, random: Callable[[], float]) -> Breaker:
    """The breaker, open. One that closed a moment ago goes on with the pauses it had."""
    if breaker.is_open:
        return breaker
    again = breaker.pause > 0 and now - breaker.closed <= max(breaker.pause, rules.again)
    pause = min(breaker.pause * rules.growth, rules.longest) if again else rules.first
    return replace(breaker, is_open=True, pause=pause, due=now + spread(pause, rules, random), probing=False)


def probing(breaker: Breaker, until: float) -> Breaker:
    """The breaker while a probe is under way that is taken for lost at ``until``."""
    return replace(breaker, probing=True, due=until)


def probe_failed(breaker: Breaker, now: float, rules: Rules, random: Callable[[], float]) -> Breaker:
    """The probe met no answer: the next one comes after a longer pause."""
    pause = min(breaker.pause * rules.growth, rules.longest)
    due = now + spread(pause, rules, random)
    return replace(breaker, pause=pause, due=due, probing=False, failures=breaker.failures + 1)


def probe_unclear(breaker: Breaker, now: float, rules: Rules, random: Callable[[], float]) -> Breaker:
    """The probe said nothing about this breaker: another one, after the same pause."""
    return replace(breaker, due=now + spread(breaker.pause, rules, random), probing=False)


def probe_given_up(breaker: Breaker, now: float) -> Breaker:
    """The probe was not sent: another mail may be it at once."""
    return replace(breaker, due=now, probing=False)


def answered(breaker: Breaker, now: float) -> Breaker:
    """Somebody answered: nothing counts any more, and it is closed."""
    if not breaker.is_open:
        return replace(breaker, failures=0, slow=0) if breaker.failures else breaker
    return Breaker(pause=breaker.pause, closed=now)


def spread(seconds: float, rules: Rules, random: Callable[[], float]) -> float:
    """``seconds``, or a little more or less; ``random`` gives a number in [0, 1)."""
    return seconds * (1 + rules.jitter * (2 * random() - 1))
