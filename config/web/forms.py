"""What a person entered in a form: bytes into values, and values back into the form with what is wrong beside them.

A password is taken in and never put back.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Final
from urllib.parse import parse_qsl

from config.languages import N_
from config.secrets import Secret
from config.smtp_form import SmtpForm
from config.web.views import Notice, Person
from transports.smtp.settings import Security

DEFAULT_PORT: Final = 25
_MOST_FIELDS: Final = 40

LABELS: Final[Mapping[str, str]] = {
    "host": N_("Host name"),
    "port": N_("Port"),
    "security": N_("Encryption"),
    "username": N_("User name"),
    "password": N_("Password"),
    "mailbox": N_("Mailbox"),
    "tenant": N_("Directory (tenant) ID"),
    "client_id": N_("Application (client) ID"),
    "secret": N_("Client secret"),
    "certificate": N_("Certificate"),
    "key": N_("Key of the service account"),
    "sender_address": N_("Sender e-mail"),
    "sender_alias": N_("Sender alias"),
    "connections": N_("Mails at once"),
    "per_minute": N_("Mails a minute"),
    "per_day": N_("Mails in 24 hours"),
    "code": N_("Code from the mail"),
    "confirm": N_("Confirmation"),
    "selector": N_("DKIM selector"),
}
"""How fields are called where a sentence names them; also the order in which mistakes are listed."""


@dataclass(frozen=True, slots=True)
class Field:
    """One field of a form: what it holds, and what is wrong with it."""

    name: str
    value: str = ""
    mistakes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Problem:
    """A mistake in the list at the top, which leads to the field."""

    target: str
    label: str
    sentence: str


@dataclass(frozen=True, slots=True)
class Saved:
    """When and by whom the draft in a form was saved."""

    saved_at: datetime
    by: Person


@dataclass(frozen=True, slots=True)
class SmtpView:
    """The form for an SMTP server. ``version`` is that of the settings it was made from."""

    host: Field
    port: Field
    security: Field
    username: Field
    password: Field
    sender_address: Field
    sender_alias: Field
    version: int
    password_stored: bool
    problems: tuple[Problem, ...] = ()
    conflict: Notice | None = None
    draft: Saved | None = None


_AGAIN: Final = N_("is not shown again, for your safety: enter it once more")
SMTP_FIELDS: Final = ("host", "port", "security", "username", "password", "sender_address", "sender_alias")
EMPTY: Final = {"port": str(DEFAULT_PORT), "security": Security.STARTTLS.value}


def entered(body: bytes) -> dict[str, str]:
    """The fields of an ``application/x-www-form-urlencoded`` body; the last of equal names counts.

    Raises:
        ValueError: more fields than any form here has.
    """
    text = body.decode("ascii", "replace")
    return dict(parse_qsl(text, keep_blank_values=True, errors="replace", max_num_fields=_MOST_FIELDS))


def smtp_form(fields: Mapping[str, str]) -> SmtpForm:
    """The settings that were entered. What is no port or no kind of encryption becomes a value that is refused."""
    port, security = fields.get("port", "").strip(), fields.get("security", "")
    password = fields.get("password", "")
    return SmtpForm(
        host=fields.get("host", ""),
        port=int(port) if port.isascii() and port.isdigit() and len(port) <= 5 else 0,
        security=Security(security) if security in (Security.STARTTLS, Security.TLS) else Security.NONE,
        sender_address=fields.get("sender_address", ""),
        sender_alias=fields.get("sender_alias", ""),
        username=fields.get("username") or None,
        password=Secret(password) if password else None,
    )


def form_fields(form: SmtpForm) -> dict[str, str]:
    """The fields that give this form back, its password left out."""
    return {
        "host": form.host,
        "port": str(form.port),
        "security": form.security.value,
        "username": form.username or "",
        "sender_address": form.sender_address,
        "sender_alias": form.sender_alias,
    }


def version(fields: Mapping[str, str]) -> int:
    """The version of the settings a form was made from; 0, which means none, if it does not say so properly."""
    text = fields.get("version", "")
    return int(text) if text.isascii() and text.isdigit() and len(text) <= 18 else 0


def smtp_view(
    values: Mapping[str, str],
    *,
    version: int,
    password_stored: bool,
    problems: Iterable[tuple[str, str]] = (),
    conflict: Notice | None = None,
    draft: Saved | None = None,
    password_dropped: bool = False,
) -> SmtpView:
    """The form as it is shown: what was typed, except the password, and the mistakes beside their fields.

    ``password_dropped``: one was typed and must be typed again, which is said beside its field.
    """
    found = tuple(problems)
    if password_dropped and not any(name == "password" for name, _ in found):
        found += (("password", _AGAIN),)
    fields = {name: with_mistakes(name, values.get(name, ""), found) for name in SMTP_FIELDS if name != "password"}
    return SmtpView(
        **fields,
        password=with_mistakes("password", "", found),
        version=version,
        password_stored=password_stored,
        problems=listed(found),
        conflict=conflict,
        draft=draft,
    )


def with_mistakes(name: str, value: str, problems: Iterable[tuple[str, str]]) -> Field:
    """A field with those of the problems that are about it."""
    return Field(name, value, tuple(sentence for field, sentence in problems if field == name))


def listed(problems: Iterable[tuple[str, str]]) -> tuple[Problem, ...]:
    """The problems in the order of the fields, each with the field's label."""
    order = list(LABELS)
    known = [(name, sentence) for name, sentence in problems if name in LABELS]
    return tuple(
        Problem(name, LABELS[name], sentence) for name, sentence in sorted(known, key=lambda one: order.index(one[0]))
    )
