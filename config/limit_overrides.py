"""What an organisation chose instead of the preset of its account: bounds, what is entered, what is stored."""

from collections.abc import Mapping
from typing import Any, Final, TypeGuard

from config.errors import InvalidSettings
from config.languages import Sentence
from config.limits import CONNECTIONS, PER_DAY, PER_MINUTE, Limits, Overrides

MOST: Final[Mapping[str, int]] = {CONNECTIONS: 100, PER_MINUTE: 100_000, PER_DAY: 10_000_000}
"""The largest value of each, in the order of the form."""
LEAST: Final[Mapping[str, int]] = {CONNECTIONS: 1, PER_MINUTE: 0, PER_DAY: 0}
"""The smallest; 0 is "no such limit"."""


def checked(chosen: Mapping[str, int | None]) -> Overrides:
    """What was chosen, without what was not (``None``).

    Raises:
        InvalidSettings: with every value out of its bounds at once; none is repeated.
    """
    kept = {name: value for name, value in chosen.items() if value is not None}
    mistakes = [(name, _sentence(name)) for name, value in kept.items() if not _fits(name, value)]
    if mistakes:
        raise InvalidSettings(mistakes)
    return {name: kept[name] for name in MOST if name in kept}


def stored(limits: object) -> Overrides:
    """What the column says; names that this code does not know are left out.

    Raises:
        TypeError, ValueError: it makes no sense.
    """
    if limits is None:
        return {}
    if not isinstance(limits, dict):
        raise TypeError("limits are not an object")
    found = {name: limits[name] for name in MOST if limits.get(name) is not None}
    if not all(_fits(name, value) for name, value in found.items()):
        raise ValueError("a limit is out of its bounds")
    return found


def by_name(limits: Limits) -> dict[str, int | None]:
    """The values of limits by the names that they are chosen by; ``None``: no such limit."""
    return {CONNECTIONS: limits.concurrency, PER_MINUTE: limits.per_minute, PER_DAY: limits.per_day}


def shown(limits: object) -> dict[str, Any]:
    """The same for the history, every name in it, whatever the column holds."""
    return {name: limits.get(name) if isinstance(limits, dict) else None for name in MOST}


def _fits(name: str, value: object) -> TypeGuard[int]:
    return type(value) is int and LEAST[name] <= value <= MOST[name]


def _sentence(name: str) -> str:
    most = str(MOST[name])
    if LEAST[name] > 0:
        return Sentence.of("must be a whole number from 1 to {most}, or empty for the usual value", most=most)
    return Sentence.of(
        "must be a whole number from 1 to {most}, 0 for no such limit, or empty for the usual value", most=most
    )
