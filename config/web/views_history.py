"""Changes of the settings as they are shown: who, when, what field. Secrets have no values here."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from config.history import Action, Change, FieldChange
from config.languages import N_
from config.web.views import ENCRYPTION, Person, person

PAGE: Final = 50

_TITLES: Final[Mapping[str, str]] = {
    "configured": N_("Settings came into use"),
    "disconnected": N_("Returned to the platform default"),
    "verified": N_("Arrival of the test mail confirmed"),
    "deleted": N_("Organisation removed"),
    "limited": N_("Sending limits changed"),
    "reconnected": N_("Account connected again"),
}
_LABELS: Final[Mapping[str, str]] = {
    "kind": N_("Way to send"),
    "account": N_("Connected account"),
    "method": N_("Connected by"),
    "way": N_("How mail leaves"),
    "host": N_("Host name"),
    "port": N_("Port"),
    "security": N_("Encryption"),
    "username": N_("User name"),
    "password": N_("Password"),
    "sender_address": N_("Sender e-mail"),
    "sender_alias": N_("Sender alias"),
    "connections": N_("Limit: mails at once"),
    "per_minute": N_("Limit: mails a minute"),
    "per_day": N_("Limit: in 24 hours"),
}
_SECRET: Final = ("password",)
_SAME: Final = N_("Settings saved again, without a change")
_VALUES: Final[Mapping[str, Mapping[str, str]]] = {
    "security": ENCRYPTION,
    "kind": {"smtp": "SMTP", "microsoft365": "Microsoft 365", "gmail": "Google"},
    "method": {"person": N_("a person’s consent"), "app": N_("an app of your own")},
    "connections": {"": N_("usual")},
    "per_minute": {"": N_("usual"), "0": N_("no limit")},
    "per_day": {"": N_("usual"), "0": N_("no limit")},
    "way": {"api": N_("by the provider’s interface"), "smtp": N_("by SMTP")},
}


@dataclass(frozen=True, slots=True)
class FieldView:
    """One field before and after; of a ``secret`` only that it changed."""

    label: str
    old: str
    new: str
    secret: bool


@dataclass(frozen=True, slots=True)
class ChangeView:
    """One change."""

    at: datetime
    by: Person
    title: str
    fields: tuple[FieldView, ...]


@dataclass(frozen=True, slots=True)
class HistoryView:
    """A page of changes, newest first; ``older`` is where the next page begins, 0 if there is none."""

    changes: tuple[ChangeView, ...]
    older: int = 0


def change_view(change: Change) -> ChangeView:
    """What there is to say about a change."""
    return ChangeView(
        at=change.at,
        by=person(change.actor),
        title=_title(change),
        fields=tuple(_field(one) for one in change.fields),
    )


def history_view(changes: Sequence[Change], *, limit: int = PAGE) -> HistoryView:
    """A page of at most ``limit`` changes; one more than that says that there is another page."""
    shown = changes[:limit]
    return HistoryView(tuple(map(change_view, shown)), shown[-1].id if len(changes) > limit else 0)


def _title(change: Change) -> str:
    if change.action is Action.CONFIGURED and not change.fields:
        return _SAME
    return _TITLES.get(change.action, str(change.action))


def _field(one: FieldChange) -> FieldView:
    secret = one.name in _SECRET
    return FieldView(
        _LABELS.get(one.name, one.name),
        "" if secret else _value(one.name, one.old),
        "" if secret else _value(one.name, one.new),
        secret=secret,
    )


def _value(name: str, value: str | None) -> str:
    return _VALUES.get(name, {}).get(value or "", value or "")
