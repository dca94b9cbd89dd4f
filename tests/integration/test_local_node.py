"""The private RabbitMQ node that demo, tests and benchmark stand on."""

import contextlib
import os
import socket
import ssl
import stat
from pathlib import Path

import psutil
import pytest

from deploy.local.broker_for_use import GivenBroker, LocalBroker, broker_for_use, given_broker
from deploy.local.cluster import PrivateCluster
from deploy.local.management import ManagementError
from deploy.local.node import NodeFailed, PrivateNode
from deploy.local.places import CLONE, NODES
from deploy.local.ports import LOOPBACK, free_block
from tests.fixtures_broker import NEWER
from tests.fixtures_tls import TestCertificates
from tests.waiting import eventually_blocking


def _version(broker: LocalBroker) -> str:
    overview = broker.management.call("GET", "overview")
    assert isinstance(overview, dict)
    return str(overview["rabbitmq_version"])


def _has_queue(node: PrivateNode, name: str) -> bool:
    queues = node.management.call("GET", "queues/%2F")
    assert isinstance(queues, list)
    return name in [queue["name"] for queue in queues]


@pytest.mark.versions
def test_a_test_gets_a_virtual_host_of_its_own(
    request: pytest.FixtureRequest, broker_node: LocalBroker, vhost: str
) -> None:
    """It is empty, and the broker is of the series that the test's name says."""
    assert broker_node.management.call("GET", f"queues/{vhost.rpartition('/')[2]}") == []
    if not isinstance(broker_node, GivenBroker):
        assert _version(broker_node).startswith("4." if NEWER in request.node.name else "3.")


def test_it_stands_beside_another_node(own_node: PrivateNode, broker_node: LocalBroker) -> None:
    """Both answer, each at ports of its own."""
    assert own_node.management_url != broker_node.management_url
    assert _version(own_node)
    assert _version(broker_node)


def test_only_this_machine_can_reach_it(own_node: PrivateNode) -> None:
    """Broker, management, metrics, distribution and epmd listen on the loopback address, below the ephemeral ports."""
    listening = [
        connection.laddr
        for pid in own_node.pids
        for connection in psutil.Process(pid).net_connections("inet")
        if connection.status == psutil.CONN_LISTEN
    ]
    assert len(listening) >= 5
    assert {place.ip for place in listening} <= {LOOPBACK, "::1"}
    assert max(place.port for place in listening) < 32768


def test_its_password_is_in_no_argument_list_and_no_readable_file(own_node: PrivateNode) -> None:
    """Configuration and cookie are for the owner only."""
    password = own_node.management.password
    for pid in own_node.pids:
        assert password not in " ".join(psutil.Process(pid).cmdline())
    folder = NODES / own_node.name.partition("@")[0]
    modes = {name: stat.S_IMODE((folder / name).stat().st_mode) for name in ("rabbitmq.conf", "home/.erlang.cookie")}
    assert modes == {"rabbitmq.conf": 0o600, "home/.erlang.cookie": 0o400}
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700


def test_data_and_ports_outlive_stop_and_kill(own_node: PrivateNode) -> None:
    """What was declared is still there after an orderly end and after a hard one.

    In this order: RabbitMQ itself keeps a declaration for a moment before it is safe from a kill.
    """
    url = own_node.amqp_url()
    own_node.management.call("PUT", "queues/%2F/kept", {"durable": True})
    own_node.restart(graceful=True)
    assert _has_queue(own_node, "kept")
    own_node.kill()
    assert own_node.pids != ()  # its epmd goes on
    with pytest.raises(OSError, match="refused"):
        socket.create_connection((LOOPBACK, own_node.ports.amqp), timeout=1).close()
    own_node.start()
    assert (_has_queue(own_node, "kept"), own_node.amqp_url()) == (True, url)


def test_the_broker_inside_can_be_stopped_and_started(own_node: PrivateNode) -> None:
    """The node stays, the listener goes and comes back."""
    own_node.stop_app()
    assert not own_node.management.ready()
    own_node.start_app()
    assert own_node.management.ready()


def test_the_memory_alarm_can_be_raised(own_node: PrivateNode) -> None:
    """It is what blocks publishers' connections."""

    def alarm() -> bool:
        try:
            own_node.management.call("GET", "health/checks/local-alarms")
        except ManagementError:
            return True
        return False

    assert not alarm()
    own_node.set_alarm(True)
    eventually_blocking(alarm, what="the alarm")
    own_node.set_alarm(False)
    eventually_blocking(lambda: not alarm(), what="the end of the alarm")


def test_it_takes_another_block_when_a_port_is_taken() -> None:
    """Somebody was faster: the node says so and the next block is tried."""
    with socket.socket() as faster:
        faster.bind((LOOPBACK, 0))
        faster.listen()
        taken = faster.getsockname()[1]
        # The port of the distribution is the one whose loss shows first.
        offered = iter([taken - 1, free_block(20), free_block(20)])
        with PrivateNode(choose_ports=lambda _size: next(offered)) as node:
            assert node.ports.distribution != taken
            assert _version(node)


def test_a_failed_start_says_why_and_leaves_nothing() -> None:
    """The text has the node's own words; processes and data are gone."""
    node = PrivateNode(settings=("no.such.setting = 1",))
    with pytest.raises(NodeFailed, match=r"(?s)ended while it started.*no\.such\.setting"), node:
        pass
    assert node.pids == ()
    assert not (NODES / node.name.partition("@")[0]).exists()


def test_it_speaks_tls_with_the_certificate_it_is_given(tls: TestCertificates) -> None:
    """A client that trusts the authority gets through, any other does not."""
    with PrivateNode(tls=tls.for_broker()) as node:
        assert node.amqps_url("x").endswith(f":{node.ports.amqps}/x")
        for context, fails in ((tls.client_context(), False), (ssl.create_default_context(), True)):
            expected = pytest.raises(ssl.SSLCertVerificationError) if fails else contextlib.nullcontext()
            with socket.create_connection((LOOPBACK, node.ports.amqps), timeout=10) as wire, expected:
                context.wrap_socket(wire, server_hostname=LOOPBACK).close()


def test_a_broker_that_is_named_is_used_and_left_as_it_is(own_node: PrivateNode) -> None:
    """MAILROOM_AMQP_URL: the first of the list; nothing is started and nothing ends."""
    variables = {
        "MAILROOM_AMQP_URL": f"{own_node.amqp_url()}, amqp://other.example/",
        "MAILROOM_MANAGEMENT_URL": own_node.management_url,
    }
    running = own_node.pids
    with broker_for_use(variables) as broker:
        assert broker.amqp_url() == own_node.amqp_url()
        assert broker.add_vhost("given").endswith("/given")
        broker.delete_vhost("given")
    assert own_node.pids == running


def test_without_a_name_there_is_no_given_broker() -> None:
    """Then a private one is started."""
    assert given_broker({"MAILROOM_AMQP_URL": " "}) is None


def test_a_given_broker_is_administered_at_its_usual_port() -> None:
    """Credentials and host come from the address, percent-decoded."""
    management = GivenBroker("amqps://me:p%40ss@broker.example:5671/%2F").management
    assert (management.host, management.port, management.username, management.password) == (
        *("broker.example", 15671),
        *("me", "p@ss"),
    )


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_a_cluster_goes_on_without_one_of_its_nodes(cluster: PrivateCluster) -> None:
    """Two of three answer, and the third comes back."""
    urls = cluster.add_vhost("shared")
    assert len(set(urls)) == 3
    first, second, _ = cluster.nodes
    first.kill()
    eventually_blocking(lambda: _running(second) == 2, what="two running nodes")
    first.start()
    eventually_blocking(lambda: _running(second) == 3, what="three running nodes")


def _running(node: PrivateNode) -> int:
    nodes = node.management.call("GET", "nodes")
    assert isinstance(nodes, list)
    return sum(bool(one["running"]) for one in nodes)


def test_the_clone_is_the_only_place_it_writes_to(own_node: PrivateNode) -> None:
    """Every file that the node has open lies below the clone, the machine's own programs aside."""
    files = {Path(file.path) for pid in own_node.pids for file in psutil.Process(pid).open_files()}
    written = [file for file in files if os.access(file, os.W_OK) and not str(file).startswith(("/usr/", "/lib/"))]
    assert written
    assert [file for file in written if not file.is_relative_to(CLONE)] == []
