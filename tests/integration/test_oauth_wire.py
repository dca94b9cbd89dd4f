"""The way to token endpoints: verified, bounded, and with nothing of the environment."""

import asyncio
import ssl
import threading
import traceback
from collections.abc import Iterator

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
def wire(tls: TestCertificates) -> Iterator[Wire]:
    made = Wire(tls.client_context(), clock=lambda: 0.0)
    yield made
    made.close()


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
