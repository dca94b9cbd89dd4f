"""A DNS that is written down, for tests. Not for production."""

from collections.abc import Mapping, Sequence

from config.dns.resolver import Answer, Kind, Unanswered

UNANSWERED = ("unanswered",)
"""Instead of records: the name servers stay silent about it."""


class ScriptedResolver:
    """Answers from ``records``: ``{"example.org TXT": ["v=spf1 -all"], "mail.example.org CNAME": ["host.example"]}``.

    A name exists if it, or one below it, has anything. ``asked`` has every question in order. The records may be
    changed at any time; a ``ttl`` holds for all of them.
    """

    def __init__(self, records: Mapping[str, Sequence[str]] | None = None, *, ttl: float = 300.0) -> None:
        self.records = dict(records or {})
        self.ttl = ttl
        self.asked: list[tuple[str, Kind]] = []

    async def query(self, name: str, kind: Kind) -> Answer:
        """See :meth:`config.dns.resolver.Resolver.query`."""
        self.asked.append((name, kind))
        aliases: list[str] = []
        while f"{name} CNAME" in self.records:
            name = self.records[f"{name} CNAME"][0]
            aliases.append(name)
        values = tuple(self.records.get(f"{name} {kind}", ()))
        if values == UNANSWERED:
            raise Unanswered("scripted")
        names = [key.partition(" ")[0] for key in self.records]
        exists = any(one == name or one.endswith(f".{name}") for one in names)
        return Answer(values, tuple(aliases), exists=exists, ttl=self.ttl)
