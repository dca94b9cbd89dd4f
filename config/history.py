"""What was changed in an organisation's settings: when, by whom, which fields. Values of secrets never get here."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any, Final

from config.actor_columns import actor as actor_of
from config.actor_columns import columns
from config.actors import Actor
from config.limit_overrides import MOST
from config.store import Store
from config.store_history import HistoryRows

_SERVER: Final = ("host", "port", "security", "username")
_FIELDS: Final = ("kind", "account", "method", "way", *_SERVER, "sender_address", "sender_alias", *MOST)
"""What is shown of settings, in the order of the forms; the password stands behind the user name, limits at the end.

``account`` is the address of a connected account, ``method`` whose consent it rests on, ``way`` how mail leaves by it.
"""
_PASSWORD: Final = "password"  # noqa: S105 - the name of a field


class Action(StrEnum):
    """What was done. ``CONFIGURED`` without fields: the same settings were saved again."""

    CONFIGURED = "configured"
    LIMITED = "limited"
    RECONNECTED = "reconnected"
    DISCONNECTED = "disconnected"
    VERIFIED = "verified"
    DELETED = "deleted"


@dataclass(frozen=True, slots=True)
class FieldChange:
    """A field that changed; ``None`` is "empty". Of a secret (``password``) both are ``None``: it only changed."""

    name: str
    old: str | None
    new: str | None


@dataclass(frozen=True, slots=True)
class Change:
    """One change. ``id`` grows with time; ``fields`` are in the order of the form."""

    id: int
    at: datetime
    actor: Actor
    action: Action
    fields: tuple[FieldChange, ...] = ()


class History:
    """Reads what :class:`config.organizations.Organizations` wrote in the transactions of the changes."""

    def __init__(self, store: Store) -> None:
        self._rows = HistoryRows(store)

    async def of(self, organization: str, *, before: int | None = None, limit: int = 50) -> tuple[Change, ...]:
        """Up to ``limit`` changes, newest first; ``before`` is the ``id`` that an earlier page ended with.

        The newest 500 of an organisation are kept. Raises :class:`~config.errors.StoreUnavailable`.
        """
        return tuple(map(_change, await self._rows.page(organization, before, limit)))


def differences(
    before: Mapping[str, Any] | None, after: Mapping[str, Any] | None, *, password: bool
) -> tuple[FieldChange, ...]:
    """The fields in which two rows of settings differ; ``password`` says whether that changed."""
    found = []
    for name in _FIELDS:
        old, new = (_text(row and row.get(name)) for row in (before, after))
        if old != new:
            found.append(FieldChange(name, old, new))
        if name == "username" and password:
            found.append(FieldChange(_PASSWORD, None, None))
    return tuple(found)


def entry(at: datetime, actor: Actor, action: Action, fields: Iterable[FieldChange] = ()) -> dict[str, Any]:
    """A change as the columns of its row; its ``id`` is given by the database."""
    listed = [[field.name, field.old, field.new] for field in fields]
    return {"at": at, **columns(actor), "action": action.value, "fields": listed}


def _change(row: Mapping[str, Any]) -> Change:
    fields = tuple(FieldChange(*field) for field in row["fields"])
    return Change(row["id"], row["at"], actor_of(row), Action(row["action"]), fields)


def _text(value: object) -> str | None:
    return None if value is None else str(value)
