"""From the text of a variable to the value of a setting; what is not text is taken as it is.

Each raises ``ValueError`` with half a sentence that fits behind the variable's name and repeats nothing of the value.
"""

import ipaddress
import ssl
from pathlib import Path

from config import addresses, key_pair, platform_key, urls
from config.categories import categories
from config.secrets import Secret, decode_key


def _items(value: str) -> list[str]:
    return [part.strip() for part in value.split(",") if part.strip()]


def amqp(value: object) -> object:
    """A list of broker URLs."""
    return urls.amqp_urls(value) if isinstance(value, str) else value


def database(value: object) -> object:
    """A database URL with its driver."""
    return urls.database_url(value) if isinstance(value, str) else value


def smtp(value: object) -> object:
    """The default SMTP server."""
    return urls.default_smtp(value) if isinstance(value, str) else value


def mailbox(value: object) -> object:
    """A sender with or without name."""
    return addresses.mailbox(value) if isinstance(value, str) else value


def host(value: object) -> object:
    """A host name or IP address."""
    return addresses.host_name(value) if isinstance(value, str) else value


def keys(value: object) -> object:
    """A list of secret keys."""
    if not isinstance(value, str):
        return value
    for place, text in enumerate(_items(value), start=1):
        try:
            decode_key(text)
        except ValueError as error:
            raise ValueError(f"key {place} is not a key: {error}") from None
    return tuple(Secret(text) for text in _items(value))


def token_key(value: object) -> object:
    """The key that verifies the platform's hand-over tokens; kept as it was written."""
    if not isinstance(value, str):
        return value
    platform_key.parse(value)
    return Secret(value)


def web_url(value: object) -> object:
    """The address of the settings page, without a final slash."""
    return urls.web_url(value) if isinstance(value, str) else value


def networks(value: object) -> object:
    """A list of networks."""
    if not isinstance(value, str):
        return value
    try:
        return tuple(ipaddress.ip_network(text) for text in _items(value))
    except ValueError:
        raise ValueError("has an entry that is not a network (or has bits set behind its prefix)") from None


def numbers(value: object) -> object:
    """A list whose items are checked as numbers afterwards."""
    return tuple(_items(value)) if isinstance(value, str) else value


def words_of_categories(value: object) -> object:
    """A list of categories of events."""
    return categories(value) if isinstance(value, str) else value


def lower(value: object) -> object:
    """A word without regard to case."""
    return value.strip().lower() if isinstance(value, str) else value


def word(value: object) -> object:
    """An identifier of one word, such as a client id."""
    if not isinstance(value, str):
        return value
    if not value.isascii() or not value.isprintable() or " " in value.strip():
        raise ValueError("is not one word of ASCII characters")
    return value.strip()


def client_secret(value: object) -> object:
    """A secret of an app."""
    return Secret(str(word(value))) if isinstance(value, str) else value


def certificate_file(value: object) -> object:
    """The path of a file with a private key and the certificate that belongs to it."""
    if not isinstance(value, str):
        return value
    key_pair.check(Path(value))
    return Path(value)


def authority(value: object) -> object:
    """The URL of an authority of Entra ID."""
    return urls.https_url(value, segments=1) if isinstance(value, str) else value


def service_url(value: object) -> object:
    """The URL of an API: nothing behind the host."""
    return urls.https_url(value, segments=0) if isinstance(value, str) else value


def endpoint_url(value: object) -> object:
    """The URL of one endpoint."""
    return urls.https_url(value) if isinstance(value, str) else value


def host_and_port(value: object) -> object:
    """The place of a server, kept as ``host:port``."""
    if not isinstance(value, str):
        return value
    host, port = urls.host_and_port(value)
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def ca_file(value: object) -> object:
    """The path of a file with certificates."""
    if not isinstance(value, str):
        return value
    try:
        ssl.create_default_context(cafile=value)
    except OSError:  # covers ssl.SSLError: not there, not readable, not PEM
        raise ValueError("is not a readable file with certificates in PEM form") from None
    return Path(value)
