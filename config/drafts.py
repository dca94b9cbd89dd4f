"""Settings that somebody typed and has not put to use: one draft for an organisation, with its own sealed password.

It is about a server of their own (:class:`~config.smtp_form.SmtpForm`) or the sender for a connected account
(:class:`~config.provider_form.ProviderForm`), whose secrets are not here but with its grant.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from config import provider_form, smtp_form
from config.actor_columns import actor as actor_of
from config.actor_columns import columns
from config.actors import Actor
from config.choices import TransportKind
from config.errors import SecretUnreadable
from config.organizations_password import same_account
from config.organizations_rows import DRAFT_PASSWORD, smtp_columns
from config.provider_form import ProviderForm
from config.secrets import Secret, SecretBox
from config.smtp_form import SmtpForm
from config.store import Store
from config.store_drafts import DraftRows
from transports.smtp.settings import Security

Row = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Draft:
    """A draft as it may be shown: ``form`` never has the password, ``password_set`` says whether one is kept."""

    form: SmtpForm | ProviderForm
    password_set: bool
    saved_at: datetime
    by: Actor
    kind: TransportKind = TransportKind.SMTP


class Drafts:
    """All methods raise :class:`~config.errors.StoreUnavailable`; ``now`` is the wall clock with a time zone."""

    def __init__(self, store: Store, box: SecretBox, *, now: Callable[[], datetime]) -> None:
        self._rows = DraftRows(store)
        self._box = box
        self._now = now

    async def get(self, organization: str) -> Draft | None:
        """The organisation's draft; needs no key."""
        row = await self._rows.get(organization)
        return None if row is None else _draft(row)

    async def save(self, organization: str, form: SmtpForm, actor: Actor) -> Draft:
        """Keeps what was typed, right or wrong, instead of an earlier draft.

        A blank password leaves the earlier draft's in place, if host and user name are the same.

        Raises:
            InvalidSettings: a field has characters or a length that can be in no setting.
            ConfigurationError: there is a password and no key to seal it with.
        """
        clean = smtp_form.unfinished(form)
        sealed = None
        if clean.password is not None:
            sealed = self._box.seal(clean.password.reveal(), organization, DRAFT_PASSWORD)
        async with self._rows.changing(organization) as change:
            before, typed = change.before, smtp_columns(clean)
            if before is not None and _same(before, typed) and self._has_password(before, clean.password):
                # A form that was sent twice: what is kept of the first is what its test put to use, and nothing more.
                return _draft(before)
            if sealed is None and before is not None and same_account(before, clean):
                sealed = before["password_sealed"]
            values = self._values(typed, actor, password_sealed=sealed)
            await self._rows.put(change, values)
        return _draft(values)

    async def save_provider(self, organization: str, form: ProviderForm, kind: TransportKind, actor: Actor) -> Draft:
        """Keeps the sender that was typed for a connected account of this kind, right or wrong, like :meth:`save`.

        Raises:
            InvalidSettings: a field has characters or a length that can be in no setting.
        """
        clean = provider_form.unfinished(form)
        typed = {
            "kind": kind.value,
            "grant_id": clean.grant_id,
            "sender_address": clean.sender_address,
            "sender_alias": clean.sender_alias,
        }
        async with self._rows.changing(organization) as change:
            if change.before is not None and _same(change.before, typed):
                return _draft(change.before)
            values = self._values(typed, actor)
            await self._rows.put(change, values)
        return _draft(values)

    async def discard(self, organization: str) -> bool:
        """Forgets the draft; returns whether there was one."""
        return await self._rows.remove(organization)

    def _values(self, typed: Row, actor: Actor, password_sealed: str | None = None) -> dict[str, Any]:
        """All columns, so that nothing of an earlier draft of another kind stays."""
        empty = dict.fromkeys(("host", "port", "security", "username", "grant_id"))
        return {**empty, **typed, "password_sealed": password_sealed, "saved_at": self._now(), **columns(actor)}

    def _has_password(self, row: Row, password: Secret | None) -> bool:
        """Whether a row has the password, or none was typed."""
        if password is None:
            return True
        if row["password_sealed"] is None:
            return False
        try:
            return Secret(self._box.open(row["password_sealed"], row["organization"], DRAFT_PASSWORD)) == password
        except SecretUnreadable:
            return False


def _same(row: Row, typed: Row) -> bool:
    return all(row[name] == value for name, value in typed.items())


def _draft(row: Row) -> Draft:
    sender = {"sender_address": row["sender_address"], "sender_alias": row["sender_alias"]}
    kind = TransportKind(row["kind"])
    form: SmtpForm | ProviderForm
    if kind is TransportKind.SMTP:
        server = {"host": row["host"], "port": row["port"], "security": Security(row["security"])}
        form = SmtpForm(**server, **sender, username=row["username"])
    else:
        form = ProviderForm(**sender, grant_id=row["grant_id"] or "")
    return Draft(form, row["password_sealed"] is not None, row["saved_at"], actor_of(row), kind)
