"""What an organisation's row means: settings to send by, or a summary to show. The only interpreter of the columns."""

from collections.abc import Mapping
from contextlib import suppress
from dataclasses import replace
from typing import Any, Final

from config import limit_overrides
from config.choices import AccountLimits, OrganizationSettings, Summary, Suspension, TransportKind, TransportSettings
from config.endpoints import endpoint_of
from config.limits import limits_for
from config.organizations_account import PROVIDER_SERVERS, Account, Server, account_in_use
from config.provider_form import ProviderForm
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
    *("suspended_code", "suspended_at", "retry_at", "grant_id"),
)

Row = Mapping[str, Any]
"""A row of organisations, with the columns of the grant in use as ``grant_…`` (all ``None`` without one)."""


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


def provider_columns(form: ProviderForm, account: Account) -> dict[str, Any]:
    """The columns that settings with a connected account have of the form and the account."""
    return {
        "kind": account.kind.value,
        "grant_id": account.grant,
        "way": account.way.value,
        "sender_address": form.sender_address,
        "sender_alias": form.sender_alias,
    }


def is_nothing(row: Row) -> bool:
    """Whether a row is what ``disconnect`` leaves behind."""
    left = ("host", "password_sealed", "sender_address", "grant_id")
    return row["kind"] is None and not any(row[name] for name in left)


def settings_of(row: Row, box: SecretBox, servers: Mapping[TransportKind, Server]) -> OrganizationSettings:
    """The settings in a row.

    Raises:
        ValueError, TypeError: it makes no sense to this code.
        SecretUnreadable: its password cannot be opened.
    """
    kind = TransportKind(row["kind"])
    account = _smtp(row, box) if kind is TransportKind.SMTP else _connected(row).settings(servers)
    if not row["sender_address"]:
        raise ValueError("no sender")
    limits = limits_of(row).effective
    return OrganizationSettings(
        row["organization"],
        row["version"],
        kind,
        Mailbox(row["sender_address"], row["sender_alias"] or ""),
        # As many connections as mails may be under way at once.
        replace(account, max_connections=limits.concurrency),
        _suspension(row),
        limits,
    )


def limits_of(row: Row) -> AccountLimits:
    """How fast the account in a row may be used; needs no key.

    Raises:
        ValueError, TypeError: the row makes no sense to this code.
    """
    # A provider's limits are its own, wherever its server stands.
    account = _bare(row, PROVIDER_SERVERS)
    chosen = limit_overrides.stored(row["limits"])
    return AccountLimits(limits_for(account, {}), chosen, limits_for(account, chosen))


def summary_of(row: Row, servers: Mapping[TransportKind, Server]) -> Summary:
    """What may be shown of a row with a transport, even if it makes no sense."""
    account = account_in_use(row)
    limits, endpoint = None, ""
    with suppress(ValueError, TypeError):
        endpoint = endpoint_of(_bare(row, servers))
        limits = limits_of(row)
    return Summary(
        **{name: row[name] for name in _SHOWN},
        sender=Mailbox(row["sender_address"] or "", row["sender_alias"] or ""),
        password_set=row["password_sealed"] is not None,
        way=account.way if account else None,
        method=account.method if account else None,
        account_email=account.identity.email if account else "",
        account_name=account.identity.name if account else "",
        limits=limits,
        endpoint=endpoint,
    )


def shown_of(row: Row | None, account: Account | None = None) -> Row | None:
    """The columns of a row by the names that the history has for them; ``account``, if they are not in a row yet."""
    if row is None:
        return None
    used = account if account or "grant_id" not in row else account_in_use(row)
    chosen = limit_overrides.shown(row["limits"])
    return {**row, **chosen, "account": used and used.identity.email, "method": used and used.method.value}


def with_limits(values: Row, before: Row | None) -> dict[str, Any]:
    """Columns of new settings, with the limits that were chosen for the same kind of account before."""
    same_kind = before is not None and before["kind"] == values["kind"]
    return {**values, "limits": before["limits"] if before is not None and same_kind else None}


def _connected(row: Row) -> Account:
    account = account_in_use(row)
    if account is None:
        raise ValueError("no account")
    return account


def _bare(row: Row, servers: Mapping[TransportKind, Server]) -> TransportSettings:
    """The account of a row without its secret: not to send by."""
    if TransportKind(row["kind"]) is not TransportKind.SMTP:
        return _connected(row).settings(servers)
    name = row["username"]
    return SmtpSettings(*_place(row), name, None if name is None else "")


def _place(row: Row) -> tuple[str, int, Security]:
    security = Security(row["security"])
    if not row["host"] or not row["port"] or security is Security.NONE:
        raise ValueError("no place, or one without TLS")
    return row["host"], row["port"], security


def _smtp(row: Row, box: SecretBox) -> TransportSettings:
    sealed, password = row["password_sealed"], None
    if sealed is not None:
        password = box.open(sealed, row["organization"], SMTP_PASSWORD)
    return SmtpSettings(*_place(row), row["username"], password)


def _suspension(row: Row) -> Suspension | None:
    if row["suspended_code"] is None:
        return None
    if row["suspended_at"] is None:
        raise ValueError("a suspension without a beginning")
    return Suspension(Code(row["suspended_code"]), row["suspended_at"], row["retry_at"])
