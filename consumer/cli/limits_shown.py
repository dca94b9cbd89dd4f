"""How an account's limits are told: for people, in a table or a line, and as JSON."""

from collections.abc import Mapping
from typing import Any, Final

from config.choices import AccountLimits
from config.limit_overrides import by_name
from config.limits import CONNECTIONS, PER_DAY, PER_MINUTE, DayUnit

COLUMNS: Final = ("limit", "usual", "chosen", "in force")
_NAMES: Final[Mapping[str, str]] = {
    CONNECTIONS: "mails at once",
    PER_MINUTE: "mails a minute",
    PER_DAY: "mails a day",
}
_NO_LIMIT: Final = "no limit"


def rows(limits: AccountLimits) -> list[tuple[str, ...]]:
    """A row for each limit, the cells as in :data:`COLUMNS`."""
    usual, effective = by_name(limits.preset), by_name(limits.effective)
    return [
        (_name(name, limits), _count(usual[name]), _chosen(limits.chosen.get(name)), _count(effective[name]))
        for name in _NAMES
    ]


def line(limits: AccountLimits) -> str:
    """What is in force, and what of it was chosen."""
    effective = by_name(limits.effective)
    told = ", ".join(f"{_name(name, limits)}: {_count(effective[name])}" for name in _NAMES)
    return f"{told} (chosen: {chosen(limits)})" if limits.chosen else told


def chosen(limits: AccountLimits | None) -> str:
    """What was chosen instead of the usual; empty for nothing."""
    if limits is None:
        return ""
    return ", ".join(f"{_name(name, limits)} {_chosen(value)}" for name, value in limits.chosen.items())


def plain(limits: AccountLimits) -> dict[str, Any]:
    """The same as JSON; ``null`` in what was chosen is "the usual", anywhere else "no limit"."""
    return {
        "preset": by_name(limits.preset),
        "chosen": {name: limits.chosen.get(name) for name in _NAMES},
        "effective": by_name(limits.effective),
        "day_unit": str(limits.effective.day_unit),
    }


def _name(name: str, limits: AccountLimits) -> str:
    recipients = name == PER_DAY and limits.effective.day_unit is DayUnit.RECIPIENTS
    return "recipients a day" if recipients else _NAMES[name]


def _count(value: int | None) -> str:
    return _NO_LIMIT if value is None else str(value)


def _chosen(value: int | None) -> str:
    return "-" if value is None else _count(value or None)
