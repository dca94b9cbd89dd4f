"""What an administrator may enter for an organisation's own SMTP server, checked field by field. No store.

Whether the server can be reached and accepts the sign-in is for a test through the transport to say.
"""

from collections.abc import Collection
from dataclasses import dataclass, replace

from config import addresses
from config.errors import InvalidSettings
from config.secrets import Secret
from transports.errors import AccountProblem
from transports.smtp.guard import Guard, Network, literal_address
from transports.smtp.settings import Security


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


def checked(form: SmtpForm, *, ports: Collection[int]) -> SmtpForm:
    """The form in the shape it is kept in: host with A-labels, blanks trimmed, empty fields ``None``.

    Raises:
        InvalidSettings: with every problem at once; no value is repeated.
    """
    problems: list[tuple[str, str]] = []

    def field(name: str, check: object) -> str:
        try:
            return str(check(getattr(form, name).strip()))  # type: ignore[operator]  # see the calls below
        except ValueError as error:
            problems.append((name, str(error)))
            return ""

    clean = replace(
        form,
        host=field("host", addresses.host_name),
        sender_address=field("sender_address", addresses.sender_address),
        sender_alias=field("sender_alias", addresses.sender_alias),
        username=(form.username or "").strip() or None,
        password=form.password or None,
    )
    if not clean.sender_alias and "sender_alias" not in dict(problems):
        problems.append(("sender_alias", "must be given: it is the name recipients see"))
    if form.port not in ports:
        problems.append(("port", f"must be one of {', '.join(map(str, sorted(ports)))}"))
    if form.security is Security.NONE:
        problems.append(("security", "must be starttls or tls: mail is never sent in clear text"))
    for name, text in (("username", clean.username), ("password", clean.password and clean.password.reveal())):
        if text and (addresses.has_control_characters(text) or len(text) > 1000):
            problems.append((name, "must not have control characters or more than 1000 characters"))
    if clean.password and not clean.username:
        problems.append(("username", "must be given with a password"))
    if problems:
        raise InvalidSettings(problems)
    return clean


def refuse_guarded_address(host: str, port: int, *, allow_networks: Collection[Network]) -> None:
    """Refuses a host written as an IP address that the transport's guard would never let a mail go to.

    Names pass: where they lead is for the guard to see, at every connection. So does what is no host at all, which
    :func:`checked` refuses.

    Raises:
        InvalidSettings: for an address of no public network that is not among ``allow_networks`` either.
    """
    try:
        address = literal_address(host.strip())
    except AccountProblem:
        return
    if address is None:
        return
    try:
        Guard(ports=(port,), allow_networks=tuple(allow_networks)).check([address], port)
    except AccountProblem:
        sentence = "is not an address of the public Internet; an operator can allow it in MAILROOM_ALLOW_NETWORKS"
        raise InvalidSettings([("host", sentence)]) from None
