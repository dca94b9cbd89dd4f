"""The broker that demo, run, tests and benchmark work with: the one that is named, or a private node."""

import contextlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Protocol
from urllib.parse import unquote, urlsplit

from deploy.local.management import Management
from deploy.local.node import PrivateNode

VARIABLE = "MAILROOM_AMQP_URL"
MANAGEMENT_VARIABLE = "MAILROOM_MANAGEMENT_URL"
_MANAGEMENT_PORTS = {"amqp": 15672, "amqps": 15671}


class LocalBroker(Protocol):
    """What a private node and a broker given from outside have in common."""

    def amqp_url(self, vhost: str = "/") -> str:
        """The address with credentials, for one virtual host."""
        ...

    @property
    def management(self) -> Management:
        """The management API."""
        ...

    @property
    def management_url(self) -> str:
        """The management page, without credentials."""
        ...

    def add_vhost(self, name: str) -> str:
        """Makes a virtual host and returns its address."""
        ...

    def delete_vhost(self, name: str) -> None:
        """Removes a virtual host."""
        ...


@dataclass(frozen=True, slots=True)
class GivenBroker:
    """A broker that somebody else runs; ``url`` is the first address of the list that was given.

    Virtual hosts need its management API: at the usual port of the same host, or where ``management_address`` says.
    """

    url: str = field(repr=False)
    management_address: str = ""

    def amqp_url(self, vhost: str = "/") -> str:
        """The given address; with ``vhost`` other than ``/`` the same one for that virtual host."""
        parts = urlsplit(self.url)
        return self.url if vhost == "/" else parts._replace(path=f"/{vhost}").geturl()

    @property
    def management_url(self) -> str:
        """The management page, without credentials."""
        parts = urlsplit(self.url)
        return self.management_address or f"http://{parts.hostname}:{_MANAGEMENT_PORTS.get(parts.scheme, 15672)}"

    @property
    def management(self) -> Management:
        """The management API with the credentials of the address."""
        parts, api = urlsplit(self.url), urlsplit(self.management_url)
        return Management(
            api.hostname or "127.0.0.1",
            api.port or 15672,
            unquote(parts.username or "guest"),
            unquote(parts.password or "guest"),
        )

    def add_vhost(self, name: str) -> str:
        """Makes a virtual host through the management API."""
        self.management.add_vhost(name)
        return self.amqp_url(name)

    def delete_vhost(self, name: str) -> None:
        """Removes a virtual host through the management API."""
        self.management.delete_vhost(name)


def given_broker(environment: Mapping[str, str]) -> GivenBroker | None:
    """The broker named by ``MAILROOM_AMQP_URL``, if any."""
    urls = [part.strip() for part in environment.get(VARIABLE, "").split(",") if part.strip()]
    return GivenBroker(urls[0], environment.get(MANAGEMENT_VARIABLE, "")) if urls else None


@contextlib.contextmanager
def broker_for_use(environment: Mapping[str, str]) -> Iterator[LocalBroker]:
    """The given broker, left as it is afterwards, or a private node that ends with the block.

    Raises:
        ServerMissing: none is given and RabbitMQ is not installed.
        NodeFailed: the private node did not start.
    """
    given = given_broker(environment)
    if given is not None:
        yield given
        return
    with PrivateNode() as node:
        yield node
