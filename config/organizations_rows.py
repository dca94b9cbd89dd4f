"""What an organisation's row means: settings to send by, or a summary to show. The only interpreter of the columns."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any, Final

from config.choices import OrganizationSettings, Summary, Suspension, TransportKind
from config.secrets import SecretBox
from config.smtp_form import SmtpForm
from transports.errors import Code
from transports.message import Mailbox
from transports.smtp.settings import Security, SmtpSettings

SMTP_PASSWORD: Final = "password"  # noqa: S105 - the name of the field
DRAFT_PASSWORD: Final = "draft_password"  # noqa: S105 - the name of the field
"""What sealed passwords are bound to, so that one copied from a draft to settings, or back, does not open."""

_SHOWN: Final = (
    *("organization", "version", "kind", "host", "port", "security", "username", "enabled_at", "verified_at"),
    *("suspended_code", "suspended_at", "retry_at"),
)

Row = Mapping[str, Any]


def smtp_columns(form: SmtpForm) -> dict[str, Any]:
    """The columns a form fills, in settings as in a draft; not that of the password."""
    return {
        "kind": TransportKind.SMTP.value,
        "host": form.host,
        "port": form.port,
        "security": form.security.value,
        "username": form.username,
        "sender_address": form.sender_address,
        "sender_alias": form.sender_alias,
    }


def is_nothing(row: Row) -> bool:
    """Whether a row is what ``disconnect`` leaves behind."""
    return row["kind"] is None and not any(row[name] for name in ("host", "password_sealed", "sender_address"))


def settings_of(row: Row, box: SecretBox) -> OrganizationSettings:
    """The settings in a row.

    Raises:
        ValueError, TypeError: it makes no sense to this code.
        SecretUnreadable: its password cannot be opened.
    """
    kind = TransportKind(row["kind"])
    smtp = _smtp(row, box) if kind is TransportKind.SMTP else None
    if not row["sender_address"]:
        raise ValueError("no sender")
    sender = Mailbox(row["sender_address"], row["sender_alias"] or "")
    return OrganizationSettings(row["organization"], row["version"], kind, sender, smtp, _suspension(row))


def summary_of(row: Row) -> Summary:
    """What may be shown of a row with a transport, even if it makes no sense."""
    return Summary(
        **{name: row[name] for name in _SHOWN},
        sender=Mailbox(row["sender_address"] or "", row["sender_alias"] or ""),
        password_set=row["password_sealed"] is not None,
    )


def _smtp(row: Row, box: SecretBox) -> SmtpSettings:
    security = Security(row["security"])
    if not row["host"] or not row["port"] or security is Security.NONE:
        raise ValueError("no place, or one without TLS")
    sealed, password = row["password_sealed"], None
    if sealed is not None:
        password = box.open(sealed, row["organization"], SMTP_PASSWORD)
    found = SmtpSettings(row["host"], row["port"], security, row["username"], password)
    limits = row["limits"] or {}
    if not isinstance(limits, dict):
        raise TypeError("limits are not an object")
    connections = limits.get("connections")
    return replace(found, max_connections=int(connections)) if connections else found


def _suspension(row: Row) -> Suspension | None:
    if row["suspended_code"] is None:
        return None
    if row["suspended_at"] is None:
        raise ValueError("a suspension without a beginning")
    return Suspension(Code(row["suspended_code"]), row["suspended_at"], row["retry_at"])
