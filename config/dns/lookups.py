"""All questions of one report: within a bound of number and time, whatever the records of strangers refer to."""

import asyncio
import ipaddress
from dataclasses import dataclass
from typing import Final

from config.dns.names import is_public, referred_name
from config.dns.resolver import Answer, Kind, Resolver, Unanswered
from transports.smtp.guard import Address

QUERIES: Final = 150
SECONDS: Final = 10.0


@dataclass(frozen=True, slots=True)
class Exchange:
    """An MX record; ``host`` is empty for the null MX (RFC 7505) and for what is no name."""

    preference: int
    host: str


class Lookups:
    """What a report asks. After ``queries`` questions or ``seconds`` since it was made, all others stay unanswered."""

    def __init__(self, resolver: Resolver, *, queries: int = QUERIES, seconds: float = SECONDS) -> None:
        self._resolver = resolver
        self._left = queries
        self._until = asyncio.get_running_loop().time() + seconds
        self.oldest = 0.0
        """Seconds since the oldest of the answers used was given."""

    async def ask(self, name: str, kind: Kind) -> Answer:
        """The answer of the resolver; names that are not public are not asked for.

        Raises:
            Unanswered: by the resolver, or beyond the bounds.
        """
        if self._left <= 0 or not is_public(name):
            raise Unanswered("not asked")
        self._left -= 1
        try:
            async with asyncio.timeout_at(self._until):
                answer = await self._resolver.query(name, kind)
        except TimeoutError as error:
            raise Unanswered("too late") from error
        self.oldest = max(self.oldest, answer.age)
        return answer

    async def txt(self, name: str) -> Answer:
        """TXT records, each as one text."""
        return await self.ask(name, Kind.TXT)

    async def mx(self, name: str) -> tuple[Answer, tuple[Exchange, ...]]:
        """MX records, the most preferred first."""
        answer = await self.ask(name, Kind.MX)
        return answer, tuple(map(_exchange, answer.values))

    async def addresses(self, name: str) -> tuple[Address, ...]:
        """IPv4 and IPv6 addresses; unanswered if either question is."""
        answers = await asyncio.gather(self.ask(name, Kind.A), self.ask(name, Kind.AAAA), return_exceptions=True)
        found: list[Address] = []
        for answer in answers:
            if isinstance(answer, BaseException):
                raise answer
            found += [ipaddress.ip_address(value) for value in answer.values]
        return tuple(found)


def _exchange(value: str) -> Exchange:
    preference, _, host = value.partition(" ")
    return Exchange(int(preference), referred_name(host) or "")
