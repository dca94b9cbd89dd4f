"""How long to wait before connecting or consuming again: pure, with the random source as an argument."""

import random
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, TypeVar

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Backoff:
    """Doubling pauses between ``first`` and ``longest`` seconds, of which the upper half is left to chance.

    Chance keeps a hundred replicas from knocking at a restarted broker at the same instant; the fixed lower half
    keeps one of them from hammering it.
    """

    first: float
    longest: float

    def delay(self, failures: int, source: random.Random) -> float:
        """Seconds to wait after this many failures in a row (1 = the first)."""
        # The exponent is clamped before it is used: 2.0 ** 1100 overflows, after a week without a broker.
        ceiling = min(self.longest, self.first * 2.0 ** min(max(failures - 1, 0), 30))
        return ceiling * (0.5 + 0.5 * source.random())


# A restart of the broker takes seconds, and mail waits for us: quick at first, and never slow.
CONNECT: Final = Backoff(first=0.25, longest=5.0)
# A wrong password or vhost needs a person. Not slower than a minute: a vhost is also refused while a node boots.
REFUSED: Final = Backoff(first=5.0, longest=60.0)
# A channel closed by the broker: the first time at once for practical purposes.
CHANNEL: Final = Backoff(first=0.05, longest=20.0)


def shuffled(items: Sequence[T], source: random.Random) -> tuple[T, ...]:
    """All items in random order, so that replicas spread over the nodes of a cluster."""
    return tuple(source.sample(items, len(items)))
