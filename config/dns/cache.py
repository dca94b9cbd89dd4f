"""Answers kept for as long as they may be, so that a page that is looked at twice asks once."""

from collections import OrderedDict
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from typing import Final

from config.dns.resolver import Answer, Kind, Resolver

SHORTEST: Final = 60.0
LONGEST: Final = 3600.0
LONGEST_NEGATIVE: Final = 900.0
"""Seconds. That something is missing is what an administrator is about to mend, so it is forgotten sooner."""


class AnswerCache:
    """A :class:`~config.dns.resolver.Resolver` that remembers; ``clock`` is monotonic, in seconds.

    An answer is kept for its TTL within the bounds above; that there was none is not kept at all. The answers used
    longest ago give way when there are more than ``most``.
    """

    def __init__(self, resolver: Resolver, *, clock: Callable[[], float], most: int = 2000) -> None:
        self._resolver = resolver
        self._clock = clock
        self._most = most
        self._kept: OrderedDict[tuple[str, Kind], tuple[Answer, float]] = OrderedDict()

    async def query(self, name: str, kind: Kind) -> Answer:
        """See :meth:`config.dns.resolver.Resolver.query`."""
        return await self._query(name, kind, float("-inf"))

    def since(self, moment: float) -> Resolver:
        """The same cache, but answers not younger than ``moment`` of the clock are asked for again."""
        return _Since(self._query, moment)

    async def _query(self, name: str, kind: Kind, since: float) -> Answer:
        key = (name, kind)
        if key in self._kept:
            answer, at = self._kept[key]
            age = self._clock() - at
            if at > since and age < _kept_for(answer):
                self._kept.move_to_end(key)
                return replace(answer, age=age)
        asked = self._clock()
        answer = await self._resolver.query(name, kind)
        self._kept[key] = (answer, asked)
        self._kept.move_to_end(key)
        while len(self._kept) > self._most:
            self._kept.popitem(last=False)
        return answer


@dataclass(frozen=True, slots=True)
class _Since:
    ask: Callable[[str, Kind, float], Awaitable[Answer]]
    moment: float

    async def query(self, name: str, kind: Kind) -> Answer:
        return await self.ask(name, kind, self.moment)


def _kept_for(answer: Answer) -> float:
    return min(max(answer.ttl, SHORTEST), LONGEST if answer.values else LONGEST_NEGATIVE)
