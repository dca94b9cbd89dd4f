"""The way to token endpoints: verified, bounded, and with nothing of the environment."""

import asyncio
import socket
import ssl
import threading
import time
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress

import pytest

from config.oauth.microsoft_http import CallClient, Documents
from config.oauth.wire import MOST_BYTES, Calls, NoAnswer, Reply, Wire
from deploy.local.providers.base_values import Fault
from deploy.local.providers.google import GoogleSandbox
from tests.fixtures_tls import TestCertificates


@pytest.fixture
def box(tls: TestCertificates) -> Iterator[GoogleSandbox]:
    with GoogleSandbox(tls=tls.server.server_context(), ca_file=tls.ca_file) as made:
        yield made


@pytest.fixture
def wire(tls: TestCertificates) -> Wire:
    return Wire(tls.client_context(), clock=lambda: 0.0)


CANARY = "-".join(["canary", "1"])  # not as it is in the source, which a traceback shows


def post(wire: Wire, url: str) -> Reply:
    return wire.send("POST", url, deadline=10.0, data={"refresh_token": CANARY})


def test_tls_that_verifies_nothing_is_refused() -> None:
    careless = ssl.create_default_context()
    careless.check_hostname = False
    with pytest.raises(ValueError, match="verified"):
        Wire(careless)
    careless.verify_mode = ssl.CERT_NONE
    with pytest.raises(ValueError, match="verified"):
        Wire(careless)


def test_plain_http_is_not_spoken(wire: Wire) -> None:
    with pytest.raises(NoAnswer):
        post(wire, "http://localhost:1/token")


def test_nothing_is_tried_after_the_deadline(wire: Wire, box: GoogleSandbox) -> None:
    with pytest.raises(NoAnswer):
        wire.send("POST", box.token_url, deadline=0.0)
    assert not box.calls


def test_a_redirect_is_an_answer(wire: Wire, box: GoogleSandbox) -> None:
    box.fault("token", Fault.status(307, "", {"Location": f"{box.url}/revoke"}))
    assert post(wire, box.token_url).status == 307
    assert box.calls.total() == 1


def test_an_endless_answer_is_given_up(wire: Wire, box: GoogleSandbox) -> None:
    box.fault("token", Fault.status(200, b"x" * (MOST_BYTES + 1)))
    with pytest.raises(NoAnswer, match="too long"):
        post(wire, box.token_url)


def test_the_environment_does_not_matter(
    wire: Wire, box: GoogleSandbox, monkeypatch: pytest.MonkeyPatch, tls: TestCertificates
) -> None:
    for name in ("HTTPS_PROXY", "https_proxy", "ALL_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:1")
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(tls.unknown_ca.certificate))
    assert post(wire, box.token_url).status == 400


def test_an_error_says_nothing_of_what_was_sent(wire: Wire, box: GoogleSandbox) -> None:
    box.fault("token", Fault.cut_before())
    with pytest.raises(NoAnswer) as caught:
        post(wire, box.token_url)
    assert CANARY not in "".join(traceback.format_exception(caught.value))
    assert CANARY not in repr(Reply(200, {}, CANARY))


@contextmanager
def serving(talk: Callable[[socket.socket], None]) -> Iterator[int]:
    """A server on a port of its own that leaves each connection to ``talk``, in a thread."""

    def serve(connection: socket.socket) -> None:
        with connection, suppress(OSError):
            talk(connection)

    def accept() -> None:
        with suppress(OSError):
            while True:
                connection, _ = listening.accept()
                threads.append(threading.Thread(target=serve, args=(connection,)))
                threads[-1].start()

    with socket.create_server(("localhost", 0)) as listening:
        threads = [threading.Thread(target=accept)]
        threads[0].start()
        try:
            yield listening.getsockname()[1]
        finally:
            listening.shutdown(socket.SHUT_RDWR)
            for thread in threads:
                thread.join()


def drip(connection: socket.socket, first: bytes, more: bytes) -> None:
    """Sends a little now and then, until the other side has had enough."""
    connection.settimeout(0.05)
    connection.sendall(first)
    while True:
        connection.sendall(more)
        with suppress(TimeoutError):
            if not connection.recv(1):
                return


@pytest.mark.parametrize(
    ("secured", "first", "more"),
    [
        (False, b"\x16\x03\x03\x40\x00", b"\x02"),
        (True, b"HTTP/1.1 200 OK\r\n", b"X-More: y\r\n"),
        (True, b"HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n", b" "),
        (True, b"HTTP/1.1 200 OK\r\n\r\n{}", b" "),
        (True, b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", b"1\r\n \r\n"),
    ],
    ids=["handshake", "header fields", "body", "body without a length", "chunks"],
)
def test_a_server_that_drips_is_given_up_at_the_deadline(
    wire: Wire, tls: TestCertificates, *, secured: bool, first: bytes, more: bytes
) -> None:
    context = tls.server.server_context()

    def talk(connection: socket.socket) -> None:
        if not secured:
            drip(connection, first, more)
            return
        with context.wrap_socket(connection, server_side=True) as inside:
            inside.recv(4096)
            drip(inside, first, more)

    with serving(talk) as port:
        began = time.monotonic()
        with pytest.raises(NoAnswer, match="timeout"):
            wire.send("POST", f"https://localhost:{port}/token", deadline=0.4, data="a")
        assert time.monotonic() - began < 5


def test_every_request_has_a_connection_of_its_own(wire: Wire, tls: TestCertificates) -> None:
    context = tls.server.server_context()

    def talk(connection: socket.socket) -> None:
        with context.wrap_socket(connection, server_side=True) as inside:
            inside.recv(4096)
            inside.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}")
            met.append(inside.recv(4096))

    met: list[bytes] = []
    with serving(talk) as port:
        for _ in range(3):
            assert wire.send("GET", f"https://localhost:{port}/token", deadline=10.0).status == 200
    assert met == [b""] * 3, "the client ended it, and sent nothing more by it"


async def test_calls_beyond_the_line_are_refused_at_once() -> None:
    calls, go = Calls("test", threads=1, waiting=2), threading.Event()
    waiting = [asyncio.create_task(calls.run(lambda _: go.wait(10))) for _ in range(2)]
    await asyncio.sleep(0)
    with pytest.raises(NoAnswer, match="too many"):
        await calls.run(lambda _: True)
    go.set()
    assert await asyncio.gather(*waiting) == [True, True]
    calls.close()
    with pytest.raises(NoAnswer):
        await calls.run(lambda _: True)


async def test_a_call_in_the_line_ends_when_the_client_is_closed() -> None:
    calls, go = Calls("test", threads=1), threading.Event()
    first = asyncio.create_task(calls.run(lambda _: go.wait(10)))
    second = asyncio.create_task(calls.run(lambda _: True))
    third = asyncio.create_task(calls.run(lambda _: True))
    await asyncio.sleep(0)
    third.cancel()
    await asyncio.sleep(0)
    calls.close()
    with pytest.raises(NoAnswer, match="closed"):
        await second
    with pytest.raises(asyncio.CancelledError):
        await third
    go.set()
    assert await first


async def test_a_call_that_finds_no_thread_in_time_is_not_begun() -> None:
    now = 0.0
    calls, go = Calls("test", threads=1, clock=lambda: now), threading.Event()
    begun: list[float] = []
    first = asyncio.create_task(calls.run(lambda _: go.wait(10)))
    second = asyncio.create_task(calls.run(begun.append))
    await asyncio.sleep(0)
    now = 100.0
    go.set()
    assert await first
    with pytest.raises(NoAnswer):
        await second
    assert begun == []
    calls.close()


def test_discovery_documents_are_kept_for_a_day_and_not_without_end() -> None:
    now = 0.0
    documents = Documents(clock=lambda: now, most=3)
    for number in range(5):
        documents.put(f"u{number}", Reply(200, {}, str(number)))
    assert [documents.get(f"u{number}") is not None for number in range(5)] == [False, False, True, True, True]
    now = 86_401.0
    assert documents.get("u4") is None


def test_only_discovery_documents_are_kept(wire: Wire, box: GoogleSandbox) -> None:
    documents = Documents()
    http = CallClient(wire, documents, 10.0)
    http.get(f"{box.url}/elsewhere")
    http.get(f"{box.url}/x/.well-known/openid-configuration")
    assert documents.get(f"{box.url}/elsewhere") is None
    assert documents.get(f"{box.url}/x/.well-known/openid-configuration") is None
    assert http.failed is not None
