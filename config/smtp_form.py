"""What an administrator may enter for an organisation's own SMTP server, checked field by field. No store.

Whether the server can be reached and accepts the sign-in is for a test through the transport to say. Every sentence is
the second half of one that begins with the field's name, a msgid or a :class:`~config.languages.Sentence`.
"""

from collections.abc import Collection, Iterable
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import Final

from config import addresses
from config.consumer_domains import is_consumer_domain
from config.errors import InvalidSettings
from config.form_fields import FormFields
from config.languages import N_, Sentence
from config.secrets import Secret
from transports.errors import AccountProblem
from transports.smtp.guard import Guard, Network, literal_address
from transports.smtp.settings import Security, SmtpSettings

TEXT_LENGTH: Final = 1000
"""The most characters of a user name or password."""

MISSING: Final = {
    "host": N_("must be given: the name of your mail server, such as smtp.example.org"),
    "sender_address": N_("must be given: the address that recipients see, such as notifications@example.org"),
    "sender_alias": N_("must be given: it is the name that recipients see"),
}
_NO_DOT: Final = N_("must have a domain with a dot, as in notifications@example.org")
NOT_PUBLIC: Final = N_(
    "is no address of the public Internet: write the name of your mail server, such as smtp.example.org, or ask the "
    "platform’s operator"
)
# A message from elsewhere is aligned neither by SPF nor by DKIM with the domain in From (RFC 7489 §3.1).
_CONSUMER: Final = N_(
    "belongs to a mail provider whose DMARC policy lets only its own servers send such addresses, so recipients would "
    "refuse mail from yours: use an address of your own domain"
)
UNFIT_TEXT: Final = N_("must not have control characters or more than 1000 characters")


@dataclass(frozen=True, slots=True)
class SmtpForm:
    """Settings as they were entered. ``password`` ``None`` or empty means: as it is stored."""

    host: str
    port: int
    security: Security
    sender_address: str
    sender_alias: str
    username: str | None = None
    password: Secret | None = None


def checked(form: SmtpForm, *, ports: Collection[int], allow_networks: Iterable[Network] = ()) -> SmtpForm:
    """The form in the shape it is kept in: host with A-labels, blanks trimmed, empty fields ``None``.

    Names pass whatever they lead to: that is for the transport's guard to see, at every connection. An IP address must
    be one that the guard lets through, of the public Internet or among ``allow_networks``.

    Raises:
        InvalidSettings: with every problem at once; no value is repeated.
    """
    fields = FormFields(form, MISSING)
    clean = replace(
        form,
        host=fields.read("host", addresses.host_name, lambda host: _reachable(host, form.port, allow_networks)),
        sender_address=fields.read("sender_address", addresses.sender_address, of_its_own_domain),
        sender_alias=fields.read("sender_alias", addresses.sender_alias),
        username=(form.username or "").strip() or None,
        password=form.password or None,
    )
    problems = fields.problems
    if form.port not in ports:
        choice = ", ".join(map(str, sorted(ports)))
        problems.append(("port", Sentence.of("must be one of {ports}", ports=choice)))
    if form.security is Security.NONE:
        problems.append(("security", N_("must be starttls or tls: mail is never sent in clear text")))
    problems += _bad_texts(clean)
    if clean.password and not clean.username:
        problems.append(("username", N_("must be given with a password")))
    if problems:
        raise InvalidSettings(problems)
    return clean


def unfinished(form: SmtpForm) -> SmtpForm:
    """A form as it may be kept for later, right or wrong: blanks trimmed, empty fields ``None``, the host in one form.

    Raises:
        InvalidSettings: a text is longer than any that is right, or has control characters or invisible ones.
    """
    host = form.host.strip()
    with suppress(ValueError):  # it is told when it is tested
        host = addresses.host_name(host)
    clean = replace(
        form,
        host=host,
        sender_address=form.sender_address.strip(),
        sender_alias=form.sender_alias.strip(),
        username=(form.username or "").strip() or None,
        password=form.password or None,
    )
    problems = _bad_texts(clean, "host", "sender_address", "sender_alias")
    if problems:
        raise InvalidSettings(problems)
    return clean


def bad_text(text: str) -> str:
    """What is wrong with a text that a person typed, whatever it is for; empty if nothing is."""
    if addresses.has_invisible_characters(text):
        return addresses.INVISIBLE
    return UNFIT_TEXT if addresses.has_control_characters(text) or len(text) > TEXT_LENGTH else ""


def smtp_settings(form: SmtpForm) -> SmtpSettings:
    """What a transport is built from, for a form whose password is the one to use."""
    password = form.password.reveal() if form.password is not None else None
    return SmtpSettings(form.host, form.port, form.security, form.username, password)


def _bad_texts(form: SmtpForm, *more: str) -> list[tuple[str, str]]:
    found = [(name, problem) for name in (*more, "username") if (problem := bad_text(getattr(form, name) or ""))]
    password = form.password.reveal() if form.password else ""
    # What a server takes for a password is its own affair, as long as it is one line.
    if addresses.has_control_characters(password) or len(password) > TEXT_LENGTH:
        found.append(("password", UNFIT_TEXT))
    return found


def _reachable(host: str, port: int, allow_networks: Iterable[Network]) -> str:
    try:
        address = literal_address(host)
        if address is not None:
            # Which ports there are is said for the port's own field.
            Guard(ports=(port,), allow_networks=tuple(allow_networks)).check([address], port)
    except AccountProblem:
        raise ValueError(NOT_PUBLIC) from None
    return host


def of_its_own_domain(sender: str) -> str:
    """The address, unless it is one that a mail provider gives to private people, or has no real domain.

    Raises:
        ValueError: with the sentence that says so.
    """
    domain = addresses.host_name(sender.rpartition("@")[2])
    if "." not in domain:
        raise ValueError(_NO_DOT)
    if is_consumer_domain(domain):
        raise ValueError(_CONSUMER)
    return sender
