"""Settings that somebody typed and has not put to use: one draft for an organisation, with its own sealed password."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from config import smtp_form
from config.actor_columns import actor as actor_of
from config.actor_columns import columns
from config.actors import Actor
from config.errors import SecretUnreadable
from config.organizations_password import same_account
from config.organizations_rows import DRAFT_PASSWORD, smtp_columns
from config.secrets import Secret, SecretBox
from config.smtp_form import SmtpForm
from config.store import Store
from config.store_drafts import DraftRows
from transports.smtp.settings import Security


@dataclass(frozen=True, slots=True)
class Draft:
    """A draft as it may be shown: ``form`` never has the password, ``password_set`` says whether one is kept."""

    form: SmtpForm
    password_set: bool
    saved_at: datetime
    by: Actor


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
            if change.before is not None and self._is_in(change.before, clean):
                # A form that was sent twice: what is kept of the first is what its test put to use, and nothing more.
                return _draft(change.before)
            if sealed is None and change.before is not None and same_account(change.before, clean):
                sealed = change.before["password_sealed"]
            values = {
                **smtp_columns(clean),
                "password_sealed": sealed,
                "saved_at": self._now(),
                **columns(actor),
            }
            await self._rows.put(change, values)
        return _draft(values)

    def _is_in(self, row: Mapping[str, Any], form: SmtpForm) -> bool:
        """Whether a row has all of the form, its password included."""
        if any(row[name] != value for name, value in smtp_columns(form).items()):
            return False
        if form.password is None:
            return True
        if row["password_sealed"] is None:
            return False
        try:
            kept = self._box.open(row["password_sealed"], row["organization"], DRAFT_PASSWORD)
        except SecretUnreadable:
            return False
        return Secret(kept) == form.password

    async def discard(self, organization: str) -> bool:
        """Forgets the draft; returns whether there was one."""
        return await self._rows.remove(organization)


def _draft(row: Mapping[str, Any]) -> Draft:
    form = SmtpForm(
        host=row["host"],
        port=row["port"],
        security=Security(row["security"]),
        sender_address=row["sender_address"],
        sender_alias=row["sender_alias"],
        username=row["username"],
    )
    return Draft(form, row["password_sealed"] is not None, row["saved_at"], actor_of(row))
