"""The operations on what organisations chose: read, configure, disconnect, suspend. The store's only interpreter.

Every change has a number from one counter (:mod:`config.store_organizations`). An organisation that returned to the
platform default keeps an empty row, so that caches learn of it. A row that exists but makes no sense to this code is
an error and never "nothing configured" (R6).

Not here: caching (:mod:`config.directory`), what a form may contain (:mod:`config.smtp_form`), who is told.
"""

from collections.abc import AsyncIterator, Callable, Collection, Mapping
from dataclasses import replace
from datetime import UTC, datetime
from typing import Final

from config import smtp_form
from config.choices import OrganizationSettings, Summary, Suspension, TransportKind, valid_organization_id
from config.directory import Directory
from config.errors import InvalidSettings, SecretUnreadable, SettingsUnreadable, UnknownOrganization
from config.secrets import SecretBox
from config.smtp_form import SmtpForm
from config.store import Store
from config.store_organizations import OrganizationRows, Values
from transports.errors import Code
from transports.message import Mailbox
from transports.smtp.settings import Security, SmtpSettings

__all__ = [
    "SMTP_PORTS",
    "Directory",
    "OrganizationSettings",
    "Organizations",
    "SmtpForm",
    "Summary",
    "Suspension",
    "TransportKind",
    "valid_organization_id",
]

SMTP_PORTS: Final = (25, 465, 587, 2525)
SMTP_PASSWORD: Final = "password"  # noqa: S105 - the name of the field, which a sealed value is bound to
_PAGE: Final = 500
_SHOWN: Final = (
    *("organization", "version", "kind", "host", "port", "security", "username", "enabled_at"),
    *("suspended_code", "suspended_at", "retry_at"),
)


def _utc_now() -> datetime:
    return datetime.now(UTC)


class Organizations:
    """All methods raise :class:`~config.errors.StoreUnavailable`; ``now`` is the wall clock with a time zone."""

    def __init__(
        self,
        store: Store,
        box: SecretBox,
        *,
        ports: Collection[int] = SMTP_PORTS,
        now: Callable[[], datetime] = _utc_now,
    ) -> None:
        self._rows = OrganizationRows(store)
        self._box = box
        self._ports = ports
        self._now = now

    async def get(self, organization: str) -> OrganizationSettings | None:
        """How the organisation's mail leaves; ``None`` only when nothing is configured.

        Raises:
            SettingsUnreadable: something is, but it cannot be read.
        """
        try:
            row = await self._rows.get(organization)
            if row is None or (row["kind"] is None and _is_empty(row)):
                return None
            return self._settings(row)
        except (SecretUnreadable, ValueError, TypeError) as error:
            problem = str(error) if isinstance(error, SecretUnreadable) else "they are not those of a known transport"
            raise SettingsUnreadable(organization, problem) from error

    async def describe(self, organization: str) -> Summary | None:
        """What may be shown of the settings; needs no key."""
        row = await self._rows.get(organization)
        return None if row is None or row["kind"] is None else _summary(row)

    async def summaries(self) -> AsyncIterator[Summary]:
        """Every organisation with a transport, in the order of their ids, read page by page."""
        after = ""
        while page := await self._rows.page(after, _PAGE):
            for row in page:
                yield _summary(row)
            after = page[-1]["organization"]

    async def configure_smtp(self, organization: str, form: SmtpForm) -> int:
        """Makes this SMTP server the organisation's transport and lifts a suspension; returns the new version.

        A stored password is only kept for the same host and user name, so that nobody can have it sent elsewhere.

        Raises:
            InvalidSettings: the form has mistakes.
            ConfigurationError: there is a password and no key to seal it with.
        """
        if not valid_organization_id(organization):
            raise InvalidSettings([("organization", "must be 1 to 128 letters, digits or characters of . _ : -")])
        clean = smtp_form.checked(form, ports=self._ports)
        async with self._rows.changing(organization) as change:
            values = {
                "kind": TransportKind.SMTP.value,
                "host": clean.host,
                "port": clean.port,
                "security": clean.security.value,
                "username": clean.username,
                "password_sealed": self._password(organization, clean, change.before),
                "sender_address": clean.sender_address,
                "sender_alias": clean.sender_alias,
                "limits": change.before and change.before["limits"],
                "enabled_at": (change.before and change.before["enabled_at"]) or self._now(),
            }
            await self._rows.put(change, organization, values)
            return change.number

    async def disconnect(self, organization: str) -> int:
        """Returns the organisation to the platform default and forgets its settings; returns the new version.

        Raises:
            UnknownOrganization: it has no transport.
        """
        return await self._clear(organization, deleted=False)

    async def delete(self, organization: str) -> int:
        """Like ``disconnect``, and the last trace of the organisation goes after a day."""
        return await self._clear(organization, deleted=True)

    async def suspend(self, organization: str, version: int, code: Code, retry_at: datetime | None) -> bool:
        """Notes that the account needs a person, if the settings still have this version.

        Returns whether this call began a suspension; one that is there already gets the new code and ``retry_at``.
        """
        values = {"suspended_code": code.value, "retry_at": retry_at}
        begun = {**values, "suspended_at": self._now()}
        if await self._rows.set_suspension(organization, version, begun, suspended=False):
            return True
        await self._rows.set_suspension(organization, version, values, suspended=True)
        return False

    async def recover(self, organization: str, version: int) -> bool:
        """Lifts a suspension, if the settings still have this version; returns whether there was one to lift."""
        values = {"suspended_code": None, "suspended_at": None, "retry_at": None}
        return await self._rows.set_suspension(organization, version, values, suspended=True)

    async def suspended(self) -> Mapping[str, int]:
        """How many organisations are suspended, by reason code."""
        return await self._rows.suspended()

    async def changes_since(self, number: int | None) -> tuple[int, tuple[str, ...]]:
        """The number of the newest change, and the organisations changed after ``number`` (``None``: not asked).

        Changes of suspensions count, and so do disconnected and deleted organisations. A change may be told twice,
        but none with a number up to the returned one is missed.
        """
        return await self._rows.changes_since(number)

    async def _clear(self, organization: str, *, deleted: bool) -> int:
        async with self._rows.changing(organization) as change:
            if change.before is None or (change.before["kind"] is None and not deleted):
                raise UnknownOrganization(organization)
            await self._rows.clear(change, organization, deleted_at=self._now() if deleted else None)
            return change.number

    def _password(self, organization: str, form: SmtpForm, before: Values | None) -> str | None:
        if form.username is None:
            return None
        if form.password is not None:
            return self._box.seal(form.password.reveal(), organization, SMTP_PASSWORD)
        if before is None or before["password_sealed"] is None:
            raise InvalidSettings([("password", "must be given with a user name")])
        if (before["host"], before["username"]) != (form.host, form.username):
            raise InvalidSettings([("password", "must be given again for another host or user name")])
        return str(before["password_sealed"])

    def _settings(self, row: Values) -> OrganizationSettings:
        kind = TransportKind(row["kind"])
        smtp = self._smtp(row) if kind is TransportKind.SMTP else None
        if not row["sender_address"]:
            raise ValueError("no sender")
        sender = Mailbox(row["sender_address"], row["sender_alias"] or "")
        return OrganizationSettings(row["organization"], row["version"], kind, sender, smtp, _suspension(row))

    def _smtp(self, row: Values) -> SmtpSettings:
        security = Security(row["security"])
        if not row["host"] or not row["port"] or security is Security.NONE:
            raise ValueError("no place, or one without TLS")
        sealed, password = row["password_sealed"], None
        if sealed is not None:
            password = self._box.open(sealed, row["organization"], SMTP_PASSWORD)
        settings = SmtpSettings(row["host"], row["port"], security, row["username"], password)
        limits = row["limits"] or {}
        if not isinstance(limits, dict):
            raise TypeError("limits are not an object")
        connections = limits.get("connections")
        return replace(settings, max_connections=int(connections)) if connections else settings


def _is_empty(row: Values) -> bool:
    """Whether a row without a transport is what ``disconnect`` leaves behind."""
    return not any(row[name] for name in ("host", "password_sealed", "sender_address"))


def _suspension(row: Values) -> Suspension | None:
    if row["suspended_code"] is None:
        return None
    if row["suspended_at"] is None:
        raise ValueError("a suspension without a beginning")
    return Suspension(Code(row["suspended_code"]), row["suspended_at"], row["retry_at"])


def _summary(row: Values) -> Summary:
    return Summary(
        **{name: row[name] for name in _SHOWN},
        sender=Mailbox(row["sender_address"] or "", row["sender_alias"] or ""),
        password_set=row["password_sealed"] is not None,
    )
