"""How often somebody may ask: token buckets in memory, of which there are never more than a fixed number.

Each process counts for itself, so behind several replicas a visitor has several buckets; what must hold for all
together (trials, wrong codes) is counted in the database instead.
"""

import ipaddress
import math
from collections import OrderedDict
from collections.abc import Callable
from typing import Final

MOST_KEYS: Final = 20_000


class Limit:
    """``per_minute`` on average, ``burst`` at once, for each key. ``clock`` is monotonic, in seconds.

    When there are too many keys the one that was quiet longest is forgotten, which gives it a full bucket again.
    """

    def __init__(
        self, per_minute: float, *, clock: Callable[[], float], burst: int | None = None, most_keys: int = MOST_KEYS
    ) -> None:
        self._rate = per_minute / 60
        self._burst = float(burst if burst is not None else per_minute)
        self._clock = clock
        self._most_keys = most_keys
        self._buckets: OrderedDict[str, tuple[float, float]] = OrderedDict()

    def take(self, key: str) -> int:
        """Takes one from the key's bucket: 0, or in how many whole seconds it may be tried again (at least 1)."""
        now = self._clock()
        level, since = self._buckets.pop(key, (self._burst, now))
        level = min(self._burst, level + (now - since) * self._rate)
        allowed = level >= 1
        self._buckets[key] = (level - 1 if allowed else level, now)
        if len(self._buckets) > self._most_keys:
            self._buckets.popitem(last=False)
        return 0 if allowed else max(1, math.ceil((1 - level) / self._rate))

    def __len__(self) -> int:
        return len(self._buckets)


class Limits:
    """The limits of one process; see each for what its keys are."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self.handovers = Limit(120, clock=clock)
        """Hand-over tokens, by address: the platform's own servers may be the only address there is."""
        self.strangers = Limit(120, clock=clock)
        """Requests that need a session and have none, by address."""
        self.requests = Limit(120, clock=clock)
        """All requests of a session."""
        self.changes = Limit(30, clock=clock)
        """Those of a session that change something."""


def address_key(address: str) -> str:
    """The key for a client's address: an IPv6 network of 64 bits is one client, because it is given out whole."""
    try:
        found = ipaddress.ip_address(address)
    except ValueError:
        return address
    if found.version == 4:
        return str(found)
    mapped = found.ipv4_mapped
    return str(mapped) if mapped else str(ipaddress.ip_network((int(found), 64), strict=False))
