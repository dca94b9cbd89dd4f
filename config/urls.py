"""The URLs of the process settings: broker, database, default SMTP server, settings page; shown only redacted.

Every ``ValueError`` is half a sentence of ours that repeats nothing of the URL, because a mistyped URL is where a
password most easily ends up in the wrong part.
"""

import re
from dataclasses import dataclass
from typing import Final
from urllib.parse import SplitResult, parse_qsl, unquote, urlsplit

from config.addresses import has_control_characters, host_name
from config.secrets import Secret
from transports.smtp.settings import Security

_BROKEN_ESCAPE: Final = re.compile(r"%(?![0-9A-Fa-f]{2})")
_SCHEME: Final = re.compile(r"[A-Za-z][A-Za-z0-9+.-]{0,31}")
_SPECIAL: Final = "characters such as @ : / ? # % in a user name or password must be percent-encoded (%40 for @)"
LOOPBACK_NAMES: Final = frozenset({"localhost", "127.0.0.1", "::1"})
_DEFAULT_PORTS: Final = {Security.STARTTLS: 587, Security.TLS: 465, Security.NONE: 25}
_DATABASE_SCHEMES: Final = {
    "sqlite": "sqlite+aiosqlite",
    "sqlite+aiosqlite": "sqlite+aiosqlite",
    "postgres": "postgresql+psycopg",
    "postgresql": "postgresql+psycopg",
    "postgresql+psycopg": "postgresql+psycopg",
}


@dataclass(frozen=True, slots=True)
class DefaultSmtp:
    """The platform's own SMTP server, as ``MAILROOM_DEFAULT_SMTP_URL`` names it.

    ``host`` is a name with A-labels or an IP address without brackets. ``Security.NONE`` is the operator's word that
    the relay stands on a network of their own; only here is it allowed.
    """

    host: str
    port: int
    security: Security
    username: str | None = None
    password: Secret | None = None


def redact_url(url: str) -> str:
    """The URL for a person to read: no password, no query, no fragment; also for what is not a proper URL."""
    scheme, separator, rest = url.partition("://")
    if not separator or not _SCHEME.fullmatch(scheme):
        return "***"
    # An unescaped / ? # in a password moves the end of the authority, so the last @ counts, wherever it stands.
    credentials, at, place = rest.rpartition("@")
    place = re.split(r"[?#]", place, maxsplit=1)[0]
    if not at:
        try:
            parts = urlsplit(f"{scheme}://{place}")
            shown = f"{parts.hostname or ''}{f':{parts.port}' if parts.port is not None else ''}{parts.path}"
        except ValueError:
            return f"{scheme}://***"
        return f"{scheme}://{shown}"
    user, colon, _ = credentials.partition(":")
    return f"{scheme}://{user}{':***' if colon else ''}@{place}"


def _split(url: str, scheme: str) -> SplitResult:
    """The parts of a URL whose authority is sound, else ``ValueError``."""
    if has_control_characters(url) or " " in url:
        raise ValueError("has a blank or control character in it")
    if "://" not in url:
        raise ValueError(f"is not a URL with a scheme such as {scheme}://")
    try:
        parts = urlsplit(url)
        _ = parts.port
    except ValueError:
        raise ValueError(f"cannot be read; {_SPECIAL}, and a port is a number from 1 to 65535") from None
    if parts.fragment or "#" in url or "@" in parts.path or "@" in parts.query or parts.netloc.count("@") > 1:
        raise ValueError(f"cannot be read; {_SPECIAL}")
    if parts.port == 0:
        raise ValueError("has the port 0")
    if _BROKEN_ESCAPE.search(parts.netloc):
        raise ValueError(f"cannot be read; {_SPECIAL}")
    return parts


def _decoded(text: str | None) -> str | None:
    if text is None:
        return None
    try:
        plain = unquote(text, errors="strict")
    except UnicodeDecodeError:
        raise ValueError("has a percent-encoded part that is not UTF-8") from None
    if has_control_characters(plain):
        raise ValueError("has a control character in user name or password")
    return plain


def default_smtp(url: str) -> DefaultSmtp:
    """Reads ``smtp://user:password@host:port?security=starttls|tls|none``.

    Without ``security`` it is ``tls`` on port 465 and ``starttls`` elsewhere; without a port it is 587, 465 or 25 for
    ``starttls``, ``tls`` or ``none``.

    Raises:
        ValueError: see the module.
    """
    parts = _split(url, "smtp")
    if parts.scheme != "smtp":
        raise ValueError("does not begin with smtp:// (security is chosen by ?security=starttls|tls|none)")
    if parts.path not in ("", "/"):
        raise ValueError(f"has a path; {_SPECIAL}")
    if not parts.hostname:
        raise ValueError("has no host")
    security = _security(parts)
    username, password = _decoded(parts.username) or None, _decoded(parts.password) or None
    if (username is None) != (password is None):
        raise ValueError("has only one of user name and password")
    try:
        host = host_name(_decoded(parts.hostname) or "")
    except ValueError:
        raise ValueError("has a host that is neither a name nor an IP address") from None
    port = parts.port or _DEFAULT_PORTS[security]
    return DefaultSmtp(host, port, security, username, Secret(password) if password is not None else None)


def _security(parts: SplitResult) -> Security:
    try:
        query = parse_qsl(parts.query, keep_blank_values=True, strict_parsing=bool(parts.query))
    except ValueError:
        raise ValueError("has a query other than security=starttls|tls|none") from None
    if len(query) > 1 or any(name != "security" for name, _ in query):
        raise ValueError("has a query other than security=starttls|tls|none")
    if not query:
        return Security.TLS if parts.port == _DEFAULT_PORTS[Security.TLS] else Security.STARTTLS
    try:
        return Security(query[0][1].lower())
    except ValueError:
        raise ValueError("has a security other than starttls, tls or none") from None


def amqp_urls(text: str) -> tuple[str, ...]:
    """A comma-separated list of ``amqp://`` and ``amqps://`` URLs, in order of preference, as they were written.

    Raises:
        ValueError: see the module.
    """
    urls = tuple(part.strip() for part in text.split(",") if part.strip())
    if not urls:
        raise ValueError("names no broker")
    for place, url in enumerate(urls, start=1):
        which = f"URL {place} of {len(urls)} " if len(urls) > 1 else ""
        try:
            parts = _split(url, "amqp")
            if parts.scheme not in ("amqp", "amqps"):
                raise ValueError("does not begin with amqp:// or amqps://")
            if not parts.hostname:
                raise ValueError("has no host")
            if "/" in parts.path.removeprefix("/"):
                raise ValueError("has a virtual host with / in it; write %2F")
            if parts.query:
                raise ValueError("has a query (?…), and nothing can be set by one; TLS is chosen by amqps://")
        except ValueError as error:
            raise ValueError(f"{which}{error}") from None
    return urls


def database_url(text: str) -> str:
    """The SQLAlchemy URL with its driver: ``sqlite+aiosqlite:///file`` or ``postgresql+psycopg://…``.

    Raises:
        ValueError: see the module.
    """
    url = text.strip()
    scheme, separator, rest = url.partition("://")
    driver = _DATABASE_SCHEMES.get(scheme) if separator else None
    if driver is None:
        raise ValueError("does not begin with sqlite+aiosqlite:/// or postgresql+psycopg://")
    if driver.startswith("sqlite"):
        path = rest.split("?", 1)[0].removeprefix("/")
        if not rest.startswith("/") or not path or path == ":memory:" or path.startswith("file:"):
            raise ValueError("names no database file (a database in memory is not shared between processes)")
    else:
        _split(url, "postgresql")
    return f"{driver}://{rest}"


def web_url(text: str) -> str:
    """The address browsers reach the settings page at: scheme and host, the port if it is not the usual one, no slash.

    Clear text is for a browser on the same machine only, because the session's cookie is never sent over it.

    Raises:
        ValueError: see the module.
    """
    parts = _split(text.strip(), "https")
    if parts.scheme not in ("https", "http"):
        raise ValueError("does not begin with https://")
    if not parts.hostname or parts.username is not None:
        raise ValueError("has no host" if not parts.hostname else "has a user name in it")
    if parts.path not in ("", "/") or parts.query or parts.fragment:
        raise ValueError("has something behind the host; the settings page has a host name of its own")
    host = host_name(parts.hostname)
    if parts.scheme == "http" and host not in LOOPBACK_NAMES:
        raise ValueError("begins with http://, which is for this machine alone (localhost); write https://")
    usual = {"https": 443, "http": 80}[parts.scheme]
    shown = f"[{host}]" if ":" in host else host
    return f"{parts.scheme}://{shown}" + (f":{parts.port}" if parts.port not in (None, usual) else "")


def https_url(text: str, *, segments: int | None = None) -> str:
    """An ``https://`` URL without user name, query and fragment, and without a final slash.

    With ``segments`` its path has just as many parts (``/organizations`` has one); without, at least one.

    Raises:
        ValueError: see the module.
    """
    parts = _split(text.strip(), "https")
    if parts.scheme != "https":
        raise ValueError("does not begin with https://")
    if not parts.hostname or parts.username is not None:
        raise ValueError("has a user name in it" if parts.hostname else "has no host")
    if "?" in text:
        raise ValueError("has a query (?…)")
    path = [part for part in parts.path.split("/") if part]
    if segments == 0 and path:
        raise ValueError("has something behind the host")
    if (len(path) != segments) if segments is not None else not path:
        raise ValueError("has no path, or not such a one")
    host = host_name(parts.hostname)
    shown = f"[{host}]" if ":" in host else host
    return (
        f"https://{shown}"
        + (f":{parts.port}" if parts.port not in (None, 443) else "")
        + "".join(f"/{part}" for part in path)
    )


def host_and_port(text: str) -> tuple[str, int]:
    """Host and port of ``host:port``; an IPv6 address stands in brackets.

    Raises:
        ValueError: see the module.
    """
    host, colon, port = text.strip().rpartition(":")
    if not colon or not port.isascii() or not port.isdigit() or not 0 < int(port[:6]) < 65_536:
        raise ValueError("is not host:port with a port from 1 to 65535")
    if ":" in host and not host.startswith("["):
        raise ValueError("has an IPv6 address without brackets")
    return host_name(host), int(port)
