"""Fixtures for tests that talk to a real RabbitMQ."""

import secrets
from collections.abc import Iterator

import pytest

from deploy.local.broker_for_use import GivenBroker, LocalBroker, given_broker
from deploy.local.cluster import PrivateCluster
from deploy.local.installation import Installation, ServerMissing
from deploy.local.management import Management
from deploy.local.node import PrivateNode
from deploy.local.places import NEWER_RABBITMQ
from tests.environment import AT_START, absent

OLDER = "3.10"
NEWER = "4.x"
TEST_VARIABLE = "MAILROOM_TEST_AMQP_URL"
TEST_MANAGEMENT_VARIABLE = "MAILROOM_TEST_MANAGEMENT_URL"


def given_for_tests() -> GivenBroker | None:
    """The node that ``MAILROOM_TEST_AMQP_URL`` names, for every test that neither stops nor kills its broker."""
    url = AT_START.get(TEST_VARIABLE, "")
    return GivenBroker(url, AT_START.get(TEST_MANAGEMENT_VARIABLE, "")) if url else None


def newer_available() -> bool:
    """Whether tests marked ``versions`` can also run on RabbitMQ 4: unpacked here, or its address given."""
    return given_for_tests() is not None or (NEWER_RABBITMQ / "usr/lib/rabbitmq/bin").exists()


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Runs tests marked ``versions`` on every RabbitMQ there is."""
    if metafunc.definition.get_closest_marker("versions") is None or "broker_node" not in metafunc.fixturenames:
        return
    versions = [OLDER, NEWER] if newer_available() else [OLDER]
    metafunc.parametrize("broker_node", versions, indirect=True, scope="session")


def _newer() -> Iterator[LocalBroker]:
    given = given_for_tests()
    if given is not None:
        yield given
        return
    try:
        node = PrivateNode(installation=Installation(NEWER_RABBITMQ))
    except ServerMissing as error:
        absent(str(error))
    with node:
        yield node


@pytest.fixture(scope="session")
def broker_node(request: pytest.FixtureRequest) -> Iterator[LocalBroker]:
    """A broker for the whole session: the given one, or a private node. Never stop it: see ``own_node``.

    Tests marked ``versions`` get it twice when RabbitMQ 4 is at hand.
    """
    version = getattr(request, "param", None)
    if version == NEWER:
        yield from _newer()
        return
    given = given_broker(AT_START) or (given_for_tests() if version is None else None)
    if given is not None:
        yield given
        return
    try:
        node = PrivateNode()
    except ServerMissing as error:
        absent(str(error))
    with node:
        yield node


@pytest.fixture
def vhost(broker_node: LocalBroker) -> Iterator[str]:
    """The address of a fresh virtual host, which is dropped afterwards."""
    name = f"test-{secrets.token_hex(6)}"
    url = broker_node.add_vhost(name)
    yield url
    broker_node.delete_vhost(name)


@pytest.fixture
def management(broker_node: LocalBroker) -> Management:
    """The management API of ``broker_node``."""
    return broker_node.management


@pytest.fixture(scope="module")
def own_node() -> Iterator[PrivateNode]:
    """A node that only this module's tests use: they may stop, kill and freeze it, and leave it running."""
    if given_broker(AT_START) is not None:
        pytest.skip("stops and kills its broker: not run on the one that MAILROOM_AMQP_URL names")
    try:
        node = PrivateNode()
    except ServerMissing as error:
        absent(str(error))
    with node:
        yield node


@pytest.fixture(scope="module")
def cluster() -> Iterator[PrivateCluster]:
    """Three nodes that only this module's tests use. About half a minute to start: mark such tests ``slow``."""
    try:
        nodes = PrivateCluster()
    except ServerMissing as error:
        absent(str(error))
    with nodes:
        yield nodes
