"""TLS is verified, refusals are named, and no password is seen anywhere."""

import asyncio
import logging
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from structlog.testing import capture_logs

from consumer.broker import Problem, Properties
from deploy.local.broker_for_use import LocalBroker
from deploy.local.node import PrivateNode
from tests.fakes.wire import Wire
from tests.fixtures_tls import TestCertificates
from tests.integration.broking import broker
from tests.waiting import eventually


async def problem_of(url: str, ca_file: Path | None = None) -> Problem:
    """Why no connection comes about."""
    async with broker(url, connect=False, ca_file=ca_file, connect_timeout=5.0) as client:
        await eventually(lambda: client.problem is not None, 20.0)
        assert not client.connected
        assert client.problem is not None
        return client.problem


@pytest.fixture(scope="module")
def tls_node(tls: TestCertificates) -> Iterator[PrivateNode]:
    with PrivateNode(tls=tls.for_broker()) as node:
        yield node


async def test_tls_with_the_authority_given_works_beside_plain_nodes_in_one_list(
    tls_node: PrivateNode, tls: TestCertificates
) -> None:
    urls = (tls_node.amqps_url(), "amqp://127.0.0.1:9/")
    async with broker(*urls, ca_file=tls.ca_file) as client:
        await client.publish("amq.fanout", "", b"", Properties(), mandatory=False)
        assert client.connected


async def test_certificate_of_an_unknown_authority_is_refused(tls_node: PrivateNode) -> None:
    assert await problem_of(tls_node.amqps_url()) is Problem.TLS


async def test_certificate_for_another_name_is_refused(tls_node: PrivateNode, tls: TestCertificates) -> None:
    parts = urlsplit(tls_node.amqps_url())
    async with Wire("127.0.0.1", parts.port or 0, listen="127.0.0.2") as wire:
        elsewhere = parts._replace(netloc=f"{parts.username}:{parts.password}@127.0.0.2:{wire.port}").geturl()
        assert await problem_of(elsewhere, tls.ca_file) is Problem.TLS


async def test_query_of_the_url_cannot_switch_verification_off(tls_node: PrivateNode) -> None:
    url = f"{tls_node.amqps_url()}?ssl_options=%7B%27cert_reqs%27%3A0%7D&verify=verify_none"
    assert await problem_of(url) is Problem.TLS


async def test_tls_client_on_a_plain_port_and_plain_client_on_a_tls_port(
    tls_node: PrivateNode, tls: TestCertificates
) -> None:
    plain, secure = urlsplit(tls_node.amqp_url()), urlsplit(tls_node.amqps_url())
    swapped = plain._replace(scheme="amqps").geturl()
    assert await problem_of(swapped, tls.ca_file) is Problem.TLS
    assert await problem_of(secure._replace(scheme="amqp").geturl()) in (Problem.PROTOCOL, Problem.LOST)


@pytest.mark.parametrize(
    ("user", "password", "vhost", "expected"),
    [
        (None, "wrong-password-4711", None, Problem.AUTHENTICATION),
        ("stranger", "wrong-password-4711", None, Problem.AUTHENTICATION),
        (None, None, "/no-such-vhost", Problem.VHOST),
    ],
    ids=["password", "user", "vhost"],
)
async def test_refusal_is_named_tried_again_slowly_and_keeps_the_password_out_of_the_log(
    broker_node: LocalBroker,
    caplog: pytest.LogCaptureFixture,
    user: str | None,
    password: str | None,
    vhost: str | None,
    expected: Problem,
) -> None:
    parts = urlsplit(broker_node.amqp_url())
    secret = password or parts.password
    netloc = f"{user or parts.username}:{secret}@{parts.hostname}:{parts.port}"
    url = parts._replace(netloc=netloc, path=vhost or parts.path).geturl()
    caplog.set_level(logging.DEBUG)
    with capture_logs() as events:
        assert await problem_of(url) is expected
    # Of the two connections the one that is refused first names the problem; the other may not have got that far.
    refused, *others = [one for one in events if one["event"] == "broker connect failed"]
    assert len({one["link"] for one in (refused, *others)}) == 1 + len(others)
    assert refused["log_level"] == "error"
    assert refused["seconds"] >= 2.5
    assert secret
    assert secret not in repr(events)
    assert secret not in caplog.text


async def test_connection_goes_on_by_itself_when_the_vhost_appears(broker_node: LocalBroker) -> None:
    parts = urlsplit(broker_node.amqp_url())
    url = parts._replace(path="/appears-later").geturl()
    try:
        async with broker(url, connect=False) as client:
            await eventually(lambda: client.problem is Problem.VHOST)
            broker_node.add_vhost("appears-later")
            await asyncio.wait_for(client.wait_connected(), 20)
            assert client.problem is None
    finally:
        broker_node.delete_vhost("appears-later")
