"""The mails that are near or under way, of which in a shared lane no organisation has all. Pure; every step is O(1)."""

from collections import OrderedDict
from dataclasses import dataclass, field
from typing import Final

from consumer.lane_line import Place, Rank


@dataclass(slots=True, eq=False)
class _Part:
    """What one organisation has. ``held`` are its mails that are ready while as many are under way as it may have."""

    near: int = 0
    under_way: int = 0
    held: OrderedDict[Place, None] = field(default_factory=OrderedDict)


_NOTHING: Final = _Part()
_WIDE: Final = 4
"""Connections of a shared lane from which on one organisation does not get all of them."""


def most_of(agreed: int, concurrency: int) -> int | None:
    """How many of the mails that may be under way now may be one organisation's: three quarters."""
    return None if agreed < _WIDE else -(-3 * concurrency // 4)


class Near:
    """Who has asked what it must, and who may start next.

    ``most`` is everywhere how many mails one organisation may have under way, and as many near; ``None``: all of them.
    Only in a ``shared`` lane organisations are told apart.
    """

    def __init__(self, *, shared: bool = False) -> None:
        self.shared = shared
        self._places: dict[Place, None] = {}
        self._ready: OrderedDict[Place, None] = OrderedDict()
        self._parts: dict[str, _Part] = {}
        self._held = 0

    def __len__(self) -> int:
        """Mails that are near."""
        return len(self._places)

    def __contains__(self, place: Place) -> bool:
        """Whether a mail is near."""
        return place in self._places

    @property
    def before(self) -> int:
        """Mails that start before one that comes near now."""
        return len(self._places) - self._held

    @property
    def pending(self) -> bool:
        """Whether mail waits for nothing but its start, so that it is worth asking for the :meth:`first`."""
        return bool(self._ready)

    def ready(self) -> list[Place]:
        """All that have asked."""
        return [place for place in self._places if place in self._ready or self._is_held(place)]

    def full(self, organization: str, most: int | None) -> bool:
        """Whether no more of an organisation's mails may come near."""
        return most is not None and self._parts.get(organization, _NOTHING).near >= most

    def own(self, organization: str) -> int:
        """How many mails of an organisation are near or under way, in a shared lane."""
        part = self._parts.get(organization, _NOTHING)
        return part.near + part.under_way

    def add(self, place: Place) -> None:
        """A mail comes near."""
        self._places[place] = None
        if self.shared:
            self._parts.setdefault(place.organization, _Part()).near += 1

    def asked(self, place: Place, most: int | None) -> None:
        """A mail that is near has asked what it must."""
        self._ready[place] = None
        if place.rank <= Rank.HIGH:
            self._ready.move_to_end(place, last=False)
        self.first(most)

    def first(self, most: int | None) -> Place | None:
        """The mail that may start next."""
        while self._ready:
            place = next(iter(self._ready))
            if not self.busy(place, most):
                return place
            del self._ready[place]
            part = self._parts[place.organization]
            part.held[place] = None
            if place.rank <= Rank.HIGH:
                part.held.move_to_end(place, last=False)
            self._held += 1
        return None

    def busy(self, place: Place, most: int | None) -> bool:
        """Whether so many of its organisation's mails are under way that this one may not start."""
        return most is not None and self.shared and self._parts[place.organization].under_way >= most

    def remove(self, place: Place) -> None:
        """A mail is near no more."""
        del self._places[place]
        self._ready.pop(place, None)
        if self.shared:
            part = self._parts[place.organization]
            part.near -= 1
            if place in part.held:
                del part.held[place]
                self._held -= 1
            self._tidy(place.organization, part)

    def started(self, place: Place) -> None:
        """A mail that was near is under way."""
        if self.shared:
            self._parts.setdefault(place.organization, _Part()).under_way += 1

    def ended(self, place: Place) -> None:
        """A mail is under way no more: the next of its organisation may start."""
        if not self.shared:
            return
        part = self._parts[place.organization]
        part.under_way -= 1
        if part.held:
            following = part.held.popitem(last=False)[0]
            self._held -= 1
            self._ready[following] = None
            self._ready.move_to_end(following, last=False)
        self._tidy(place.organization, part)

    def _is_held(self, place: Place) -> bool:
        return self.shared and place in self._parts[place.organization].held

    def _tidy(self, organization: str, part: _Part) -> None:
        if not part.near and not part.under_way:
            del self._parts[organization]
