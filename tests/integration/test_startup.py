"""What must hold before a consumer takes its first delivery, and what it says while it waits."""

import asyncio
import secrets
from urllib.parse import quote, urlsplit, urlunsplit

import aiohttp
import pytest

from config.process import Settings
from consumer import names, program, startup
from consumer.errors import OperatorError
from consumer.metrics import Metrics
from consumer.topology import TopologyMismatch, apply_topology
from tests.waiting import eventually

PARTITIONS = 2


@pytest.fixture
def worker_url(broker_node, management, vhost):
    """The address of a user who may work with the topology of ``vhost`` and declare nothing."""
    parts = urlsplit(vhost)
    name, password = f"worker-{secrets.token_hex(4)}", secrets.token_hex(8)
    management.call("PUT", f"users/{name}", {"password": password, "tags": ""})
    rights = {"configure": "^amq\\.gen-", "write": ".*", "read": ".*"}
    management.call("PUT", f"permissions/{quote(parts.path[1:], safe='')}/{name}", rights)
    yield urlunsplit(parts._replace(netloc=f"{name}:{password}@{parts.hostname}:{parts.port}"))
    management.call("DELETE", f"users/{name}")


def settings(url: str, **changes: object) -> Settings:
    return Settings.model_validate({"amqp_url": (url,), "partitions": PARTITIONS, "metrics_port": 0, **changes})


async def test_a_replica_that_may_declare_lays_the_topology(vhost):
    assert await startup.ensure_topology(settings(vhost))
    assert await startup.ensure_topology(settings(vhost))


async def test_a_replica_that_may_not_declare_verifies_the_topology(vhost, worker_url):
    await asyncio.to_thread(apply_topology, vhost, PARTITIONS)
    assert await startup.ensure_topology(settings(worker_url))


async def test_a_replica_that_may_not_declare_refuses_to_start_without_a_wait_queue(vhost, worker_url, management):
    await asyncio.to_thread(apply_topology, vhost, PARTITIONS)
    place = quote(urlsplit(vhost).path[1:], safe="")
    management.call("DELETE", f"queues/{place}/{names.wait_queue(15)}")
    with pytest.raises(TopologyMismatch, match=r"mailroom\.wait\.15 is missing"):
        await startup.ensure_topology(settings(worker_url))


async def test_a_broker_with_another_number_of_partitions_is_refused(vhost):
    await asyncio.to_thread(apply_topology, vhost, PARTITIONS + 1)
    with pytest.raises(TopologyMismatch, match="MAILROOM_PARTITIONS"):
        await startup.ensure_topology(settings(vhost))


async def test_waiting_for_a_broker_says_where_and_why_and_ends_when_told_to(capsys):
    stop = asyncio.Event()
    waiting = asyncio.create_task(
        startup.unless(stop, startup.ensure_topology(settings("amqp://user:hidden@127.0.0.1:1/")))
    )
    said: list[str] = []

    def has_said() -> bool:
        said.append(capsys.readouterr().err)
        return "127.0.0.1:1" in "".join(said)

    await eventually(has_said)
    stop.set()
    assert await waiting is None
    assert "hidden" not in "".join(said)


async def test_health_is_served_while_the_database_is_away():
    health = await program._serve_health(settings("amqp://127.0.0.1:1/"), Metrics("1"), program._Readiness())
    try:
        port = health._runner.addresses[0][1]
        async with aiohttp.ClientSession() as session:
            async with session.get(f"http://127.0.0.1:{port}/livez") as alive:
                assert alive.status == 200
            async with session.get(f"http://127.0.0.1:{port}/readyz") as ready:
                assert ready.status == 503
    finally:
        await health.aclose()


async def test_a_port_in_use_is_explained():
    taken = await asyncio.start_server(lambda *_: None, "127.0.0.1", 0)
    port = taken.sockets[0].getsockname()[1]
    async with taken:
        with pytest.raises(OperatorError, match=f"port {port} .*MAILROOM_METRICS_PORT"):
            await program._serve_health(
                settings("amqp://127.0.0.1:1/", metrics_port=port), Metrics("1"), program._Readiness()
            )
