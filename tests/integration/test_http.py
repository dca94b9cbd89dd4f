"""The shared HTTP session against servers that cut, hang and lie: what was handed over is told to the octet."""

import asyncio
import contextlib
import socket
import ssl
import threading
import time
from collections.abc import AsyncIterator
from functools import partial
from typing import Any

import pytest

from tests.fakes.scripted_https import Early, ScriptedHttps, Trouble, answer, http
from tests.fakes.wire import Wire
from tests.fixtures_tls import Certificate, TestCertificates
from tests.waiting import eventually
from transports.errors import Code, DeliveryError, OutcomeUnknown, Unreachable
from transports.http import Http, Reply

LARGE = b"x" * 30_000_000
"""More than any socket buffer of loopback."""


@pytest.fixture
async def server(tls: TestCertificates) -> AsyncIterator[ScriptedHttps]:
    async with ScriptedHttps(tls.server.server_context()) as found:
        yield found


@pytest.fixture
async def client(tls: TestCertificates) -> AsyncIterator[Http]:
    found = http(tls.client_context())
    yield found
    await found.aclose()


def connected(server: ScriptedHttps, count: int) -> bool:
    return server.connections == count


async def ask(
    client: Http, url: str, body: bytes = b"body", timeout: float = 10.0, method: str = "POST", **options: Any
) -> Reply:
    deadline = asyncio.get_running_loop().time() + timeout
    return await client.request(method, url, deadline=deadline, headers={}, body=body, name="microsoft365", **options)


async def failure(
    client: Http, url: str, body: bytes = b"body", timeout: float = 10.0, **options: Any
) -> DeliveryError:
    with pytest.raises(DeliveryError) as caught:
        await ask(client, url, body, timeout, **options)
    assert caught.value.transport == "microsoft365"
    return caught.value


async def test_a_request_and_its_reply(server: ScriptedHttps, client: Http) -> None:
    server.script = lambda _: answer(400, b'{"a": 1}', {"Retry-After": "3"})
    reply = await ask(client, f"{server.url}/a/path")
    assert (reply.status, reply.headers["retry-after"], reply.body) == (400, "3", b'{"a": 1}')
    assert [(one.method, one.path, one.body) for one in server.asked] == [("POST", "/a/path", b"body")]
    assert server.asked[0].headers["user-agent"] == "Mailroom"


async def test_connections_are_kept_and_cookies_are_not(server: ScriptedHttps, client: Http) -> None:
    server.script = lambda _: answer(202, headers={"Set-Cookie": "a=b"})
    for _ in range(3):
        await ask(client, server.url)
    assert server.connections == 1
    assert not any("cookie" in one.headers for one in server.asked)


async def test_a_redirect_is_a_reply(server: ScriptedHttps, client: Http) -> None:
    server.script = lambda _: answer(307, headers={"Location": "/elsewhere"})
    assert (await ask(client, server.url)).status == 307
    assert len(server.asked) == 1


async def test_proxies_of_the_environment_are_not_used(
    server: ScriptedHttps, client: Http, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("HTTPS_PROXY", "https_proxy", "ALL_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:1")
    assert (await ask(client, server.url)).status == 202


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "GET"])
async def test_nothing_is_ever_sent_twice(server: ScriptedHttps, client: Http, method: str) -> None:
    await ask(client, server.url, method=method)
    server.script = lambda _: Trouble.CUT
    with pytest.raises(OutcomeUnknown):
        await ask(client, server.url, method=method)
    assert len(server.asked) == 2
    assert server.connections == 1, "on the kept connection"


@pytest.mark.parametrize("body", [b"", b"body", b"x" * 200_000])
@pytest.mark.parametrize("trouble", [Trouble.CUT, Trouble.HANG])
async def test_after_the_last_octet_the_outcome_is_unknown(
    server: ScriptedHttps, client: Http, body: bytes, trouble: Trouble
) -> None:
    server.script = lambda _: trouble
    error = await failure(client, server.url, body, 0.3 if trouble is Trouble.HANG else 10)
    assert isinstance(error, OutcomeUnknown)
    assert error.detail == ("connection lost" if trouble is Trouble.CUT else "no reply")
    await eventually(lambda: not server.open)


async def test_what_hands_nothing_over_is_unreachable(server: ScriptedHttps, client: Http) -> None:
    server.script = lambda _: Trouble.CUT
    assert (await failure(client, server.url, final=False)).code is Code.CONNECTION_LOST
    server.script = lambda _: Trouble.HANG
    error = await failure(client, server.url, timeout=0.3, final=False)
    assert (type(error), error.code) == (Unreachable, Code.REPLY_TIMEOUT)


@pytest.mark.parametrize("trouble", [Trouble.CUT_UPLOAD, Trouble.HANG_UPLOAD])
async def test_before_the_last_octet_nothing_was_handed_over(
    server: ScriptedHttps, client: Http, trouble: Trouble
) -> None:
    server.script = lambda _: trouble
    error = await failure(client, server.url, LARGE, 1.0)
    code = Code.CONNECTION_LOST if trouble is Trouble.CUT_UPLOAD else Code.REPLY_TIMEOUT
    assert (type(error), error.code) == (Unreachable, code)


async def test_an_early_answer_is_taken_and_costs_the_connection(server: ScriptedHttps, client: Http) -> None:
    server.script = lambda _: Early(answer(413))
    for number in (1, 2):
        assert (await ask(client, server.url, LARGE, 5.0)).status == 413
        assert server.connections == number
    await eventually(lambda: not server.open)


async def test_a_success_before_the_mail_was_there_is_none(server: ScriptedHttps, client: Http) -> None:
    server.script = lambda _: Early(answer(202))
    error = await failure(client, server.url, LARGE, 5.0)
    assert (type(error), error.detail) == (OutcomeUnknown, "early reply")
    assert (await ask(client, server.url, LARGE, 5.0, final=False)).status == 202
    await eventually(lambda: not server.open)


async def test_an_unreadable_answer_leaves_the_outcome_unknown(server: ScriptedHttps, client: Http) -> None:
    server.script = lambda _: b"550 5.1.1 canary\r\n\r\n"
    error = await failure(client, server.url)
    assert isinstance(error, OutcomeUnknown)
    assert error.detail == "unreadable reply"


@pytest.mark.parametrize(
    "cut_short",
    [
        b"HTTP/1.1 202 Yes\r\nContent-Length: 1000\r\n\r\nabc",
        b"HTTP/1.1 202 Yes\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nab",
    ],
)
async def test_a_status_that_came_is_final_whatever_becomes_of_the_rest(
    server: ScriptedHttps, client: Http, cut_short: bytes
) -> None:
    server.script = lambda _: cut_short
    assert (await ask(client, server.url, timeout=0.5)).status == 202
    await eventually(lambda: not server.open)


async def test_a_long_answer_is_cut(server: ScriptedHttps, client: Http) -> None:
    server.script = lambda _: answer(500, b"x" * 5_000_000)
    reply = await ask(client, server.url, max_reply=1000)
    assert (reply.status, reply.body) == (500, b"x" * 1000)


async def test_a_cancelled_request_closes_its_connection(server: ScriptedHttps, client: Http) -> None:
    server.script = lambda _: Trouble.HANG
    asking = asyncio.create_task(ask(client, server.url))
    await eventually(lambda: server.asked)
    asking.cancel()
    with pytest.raises(asyncio.CancelledError):
        await asking
    await eventually(lambda: not server.open)


async def test_nobody_listens(client: Http) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        assert (await failure(client, f"https://localhost:{taken.getsockname()[1]}")).code is Code.CONNECT_FAILED


async def test_a_name_that_does_not_exist(client: Http) -> None:
    assert (await failure(client, "https://nowhere.invalid")).code is Code.NAME_NOT_FOUND


async def test_a_server_that_never_shakes_hands(server: ScriptedHttps, client: Http) -> None:
    async with Wire("127.0.0.1", server.port) as wire:
        wire.black_hole()
        begun = time.monotonic()
        error = await failure(client, f"https://localhost:{wire.port}", timeout=0.5)
        assert (type(error), error.code) == (Unreachable, Code.CONNECT_TIMEOUT)
        assert (await failure(client, f"https://localhost:{wire.port}", timeout=20)).code is Code.CONNECT_TIMEOUT
        assert time.monotonic() - begun < 5


@pytest.mark.parametrize(
    ("kind", "code"),
    [
        ("expired", Code.CERTIFICATE_EXPIRED),
        ("wrong_name", Code.CERTIFICATE_NAME_MISMATCH),
        ("self_signed", Code.CERTIFICATE_SELF_SIGNED),
        ("unknown_ca", Code.CERTIFICATE_INVALID),
    ],
)
async def test_a_certificate_that_cannot_be_trusted(tls: TestCertificates, client: Http, kind: str, code: Code) -> None:
    certificate: Certificate = getattr(tls, kind)
    async with ScriptedHttps(certificate.server_context()) as impostor:
        error = await failure(client, impostor.url)
        assert (type(error), error.code) == (Unreachable, code)
        assert not impostor.asked


async def test_plain_text_is_no_tls(client: Http) -> None:
    async def talk(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(answer(400))
        await writer.drain()
        writer.close()

    plain = await asyncio.start_server(talk, "127.0.0.1", 0)
    error = await failure(client, f"https://localhost:{plain.sockets[0].getsockname()[1]}")
    assert (type(error), error.code) == (Unreachable, Code.TLS_FAILED)
    plain.close()


async def test_no_more_connections_than_allowed(tls: TestCertificates, server: ScriptedHttps) -> None:
    for limits in ({"connections": 2}, {"per_host": 2}, {"hosts": {f"localhost:{server.port}": 2}}):
        narrow = http(tls.client_context(), **limits)
        server.script = lambda _: Trouble.HANG
        waiting = [asyncio.create_task(ask(narrow, server.url, timeout=30)) for _ in range(2)]
        wanted = server.connections + 2
        await eventually(partial(connected, server, wanted))
        error = await failure(narrow, server.url, timeout=0.3)
        assert (type(error), error.code) == (Unreachable, Code.NO_CONNECTION_FREE)
        for task in waiting:
            task.cancel()
        await asyncio.gather(*waiting, return_exceptions=True)
        server.script = lambda _: answer(202)
        assert (await ask(narrow, server.url)).status == 202
        await narrow.aclose()


async def test_a_kept_connection_that_the_server_closed_is_not_used(server: ScriptedHttps, client: Http) -> None:
    async with Wire("127.0.0.1", server.port) as wire:
        url = f"https://localhost:{wire.port}"
        await ask(client, url)
        wire.cut()
        await eventually(lambda: not server.open)
        await asyncio.sleep(0)
        assert (await ask(client, url)).status == 202
        assert server.connections == 2


async def test_after_closing_nothing_is_sent(server: ScriptedHttps, client: Http) -> None:
    await ask(client, server.url)
    await client.aclose()
    await client.aclose()
    error = await failure(client, server.url)
    assert (type(error), error.code) == (Unreachable, Code.NO_CONNECTION_FREE)
    assert len(server.asked) == 1


class Deaf:
    """A server in a thread that answers each request with 202 and, once told to, closes the connection of the first."""

    def __init__(self, tls: ssl.SSLContext) -> None:
        self.bodies: list[bytes] = []
        self.close_now, self.closed = threading.Event(), threading.Event()
        self._tls = tls
        self.listening = socket.create_server(("127.0.0.1", 0))
        self.url = f"https://localhost:{self.listening.getsockname()[1]}"
        self._thread = threading.Thread(target=self._serve)

    def __enter__(self) -> "Deaf":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.close_now.set()
        self.listening.close()
        self._thread.join()

    def _serve(self) -> None:
        with contextlib.suppress(OSError):
            first = self._answer()
            self.close_now.wait(10)
            with contextlib.suppress(OSError):
                first.settimeout(0)
                first.unwrap()  # an orderly end
            first.close()
            self.closed.set()
            self._answer().close()

    def _answer(self) -> ssl.SSLSocket:
        self.listening.settimeout(10)
        taken = self._tls.wrap_socket(self.listening.accept()[0], server_side=True)
        taken.settimeout(10)
        received = b""
        while not received.endswith(b"body"):
            received += taken.recv(65_536)
        self.bodies.append(received.partition(b"\r\n\r\n")[2])
        taken.sendall(answer(202))
        return taken


@pytest.mark.parametrize("body", [b"body", b"x" * 200_000 + b"body"])
async def test_what_the_server_closed_while_the_loop_was_busy_costs_nothing(
    tls: TestCertificates, client: Http, body: bytes
) -> None:
    with Deaf(tls.server.server_context()) as deaf:
        await ask(client, deaf.url)
        deaf.close_now.set()
        assert deaf.closed.wait(10), "the loop stands still meanwhile"
        assert (await ask(client, deaf.url, body)).status == 202
        assert deaf.bodies == [b"body", body]


def test_a_context_that_verifies_nothing_is_refused() -> None:
    with pytest.raises(ValueError, match="verify"):
        Http(ssl._create_unverified_context())
