"""The first stages of a check of an API transport: what cannot be reached, and why."""

import asyncio
import socket
from collections.abc import Sequence

import pytest

from tests.fakes.scripted_https import ScriptedHttps, http
from tests.fakes.smtpd_client import Clock
from tests.fakes.wire import Direction, Wire
from tests.fixtures_tls import Certificate, TestCertificates
from transports.errors import Code, DeliveryError
from transports.http_reach import reach
from transports.protocol import Stage
from transports.stages import Stages


async def gone_through(url: str, tls: TestCertificates, timeout: float = 5.0) -> Sequence[Stage]:
    stages = Stages(Clock())
    client = http(tls.client_context())
    try:
        await reach(url, client, asyncio.get_running_loop().time() + timeout, stages, "microsoft365")
    except DeliveryError as error:
        return stages.failed(error)
    finally:
        await client.aclose()
    return stages.passed()


async def test_a_server_that_can_be_reached(tls: TestCertificates) -> None:
    async with ScriptedHttps(tls.server.server_context()) as server:
        stages = await gone_through(server.url, tls)
        assert [(stage.name, stage.ok) for stage in stages] == [("address", True), ("connect", True), ("tls", True)]
        assert dict(stages[-1].facts)["protocol"] == "TLSv1.3"
        assert not server.asked


@pytest.mark.parametrize(
    ("kind", "code"),
    [
        ("expired", Code.CERTIFICATE_EXPIRED),
        ("wrong_name", Code.CERTIFICATE_NAME_MISMATCH),
        ("self_signed", Code.CERTIFICATE_SELF_SIGNED),
        ("unknown_ca", Code.CERTIFICATE_INVALID),
    ],
)
async def test_a_certificate_that_cannot_be_trusted(tls: TestCertificates, kind: str, code: Code) -> None:
    certificate: Certificate = getattr(tls, kind)
    async with ScriptedHttps(certificate.server_context()) as impostor:
        last = (await gone_through(impostor.url, tls))[-1]
        assert (last.name, last.code) == ("tls", code)


async def test_names_and_ports_that_are_not_there(tls: TestCertificates) -> None:
    last = (await gone_through("https://nowhere.invalid", tls))[-1]
    assert (last.name, last.code) == ("address", Code.NAME_NOT_FOUND)
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        last = (await gone_through(f"https://localhost:{taken.getsockname()[1]}", tls))[-1]
        assert (last.name, last.code) == ("connect", Code.CONNECT_FAILED)


async def test_a_handshake_that_ends_or_never_comes(tls: TestCertificates) -> None:
    async with ScriptedHttps(tls.server.server_context()) as server, Wire("127.0.0.1", server.port) as wire:
        wire.black_hole()
        last = (await gone_through(f"https://localhost:{wire.port}", tls, 0.3))[-1]
        assert (last.name, last.code) == ("tls", Code.TLS_FAILED)
        await wire.accept()
        wire.cut_after(100, Direction.DOWN, new_too=True)
        last = (await gone_through(f"https://localhost:{wire.port}", tls))[-1]
        assert (last.name, last.code) == ("tls", Code.TLS_FAILED)
