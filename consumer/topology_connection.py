"""Blocking AMQP connections for people and platforms: one of several addresses, TLS always verified.

kombu could be given the list itself, but would try it for ever; here each address gets its turn once and the caller
decides what comes next. No text that leaves this module holds a password.
"""

import ssl
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final
from urllib.parse import unquote, urlsplit

from amqp.exceptions import AccessRefused, AMQPError, NotAllowed
from kombu.connection import Connection

from consumer.errors import OperatorError

CONNECT_TIMEOUT: Final = 5.0
_PORTS: Final = {"amqp": 5672, "amqps": 5671}


class BrokerUnavailable(OperatorError):
    """No address gave a usable broker; the text says which were tried and what each answered, without credentials."""


class CredentialsRefused(BrokerUnavailable):
    """A broker answered, and refused the user, the password or the virtual host: trying again does not help."""


def connect(
    urls: str | Sequence[str],
    *,
    ca_file: Path | None = None,
    timeout: float = CONNECT_TIMEOUT,
    name: str = "mailroom",
    write_timeout: float | None = None,
) -> Connection:
    """A connection to the first of ``urls`` that takes one; ``timeout`` seconds for each.

    ``ca_file`` is trusted in addition to the system's authorities. ``name`` is what the broker's pages show.

    Raises:
        CredentialsRefused: every broker that answered refused us.
        BrokerUnavailable: none answered.
    """
    failures: list[str] = []
    refused = False
    for url in (urls,) if isinstance(urls, str) else urls:
        options = _options(url, ca_file)
        place = f"{options['hostname']}:{options['port']}"
        connection = Connection(
            **options,
            transport="pyamqp",
            connect_timeout=timeout,
            heartbeat=0,  # nobody would send them between two calls
            transport_options={
                "client_properties": {"connection_name": name},
                "write_timeout": write_timeout,
                "read_timeout": timeout,
            },
        )
        try:
            connection.ensure_connection(max_retries=1, interval_start=0, reraise_as_library_errors=False)
        except (AccessRefused, NotAllowed) as error:
            refused = True
            failures.append(f"{place}: {_words(error)}")
        except (OSError, AMQPError) as error:
            failures.append(f"{place}: {_words(error)}")
        else:
            return connection
        connection.release()
    text = "no broker could be reached: " + "; ".join(failures)
    if refused:
        raise CredentialsRefused(
            "the broker refused the user, the password or the virtual host: " + "; ".join(failures)
        )
    raise BrokerUnavailable(text)


@contextmanager
def connected(
    urls: str | Sequence[str], *, ca_file: Path | None = None, name: str = "mailroom"
) -> Iterator[Connection]:
    """The same for a ``with`` block; a connection that breaks inside it ends as :class:`BrokerUnavailable`."""
    connection = connect(urls, ca_file=ca_file, name=name)
    try:
        yield connection
    except connection.connection_errors as error:
        raise BrokerUnavailable(f"the connection to the broker broke: {_words(error)}") from error
    finally:
        connection.release()


def _words(error: BaseException) -> str:
    return str(getattr(error, "reply_text", "") or error).strip() or type(error).__name__


def _options(url: str, ca_file: Path | None) -> dict[str, Any]:
    parts = urlsplit(url)
    host = parts.hostname or "127.0.0.1"
    options: dict[str, Any] = {
        "hostname": host,
        "port": parts.port or _PORTS[parts.scheme],
        "userid": unquote(parts.username or "guest"),
        "password": unquote(parts.password or "guest"),
        "virtual_host": unquote(parts.path[1:]) or "/",
    }
    if parts.scheme == "amqps":
        options["ssl"] = {"context": _trust(ca_file), "server_hostname": host}
    return options


def _trust(ca_file: Path | None) -> dict[str, Any]:
    """What py-amqp hands to ``ssl.create_default_context``: given any authority, that one drops the system's own."""
    trust: dict[str, Any] = {"check_hostname": True}
    if ca_file is not None:
        system = ssl.get_default_verify_paths()
        trust["cafile"] = str(ca_file)
        trust["capath"] = system.capath
        trust["cadata"] = Path(system.cafile).read_text(encoding="ascii", errors="ignore") if system.cafile else None
    return trust
