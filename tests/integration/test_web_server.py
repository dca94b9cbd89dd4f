"""The server itself, on a real socket: what it adds, what it bounds, and how it ends."""

import asyncio
import contextlib
import logging
import socket

import httpx
import pytest
from fastapi import Request
from fastapi.responses import StreamingResponse

from config.testing import smtp_form
from config.trial_values import TrialState
from config.web import server
from tests.settings_site import settings_site
from tests.waiting import eventually
from transports.message import Receipt
from transports.testing import ScriptedTransport


class Served:
    """A site that is listened for; ``stop`` ends it, ``seconds`` is how long that took."""

    def __init__(self, site, drain_seconds, **bounds):
        self.site, self.stop = site, asyncio.Event()
        self.listener = server.listen("127.0.0.1", 0)
        self.port = self.listener.getsockname()[1]
        self.url = f"http://127.0.0.1:{self.port}"
        self.task = asyncio.create_task(
            server.serve(site.app, self.listener, stop=self.stop, drain_seconds=drain_seconds, **bounds)
        )

    async def end(self):
        self.stop.set()
        async with asyncio.timeout(10):
            return await self.task


@pytest.fixture
async def serve(tmp_path):
    async with settings_site(tmp_path) as site:
        running = []

        async def start(drain_seconds=5.0, **bounds):
            running.append(Served(site, drain_seconds, **bounds))
            return running[-1]

        yield start
        for one in running:
            await one.end()


async def raw(port, data):
    """What comes back for bytes that no client library would send."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(data)
    async with asyncio.timeout(10):
        answer = await reader.read(65_536)
    writer.close()
    return answer


async def test_it_answers_without_saying_what_it_is_and_writes_no_line_of_its_own(serve, capfd, caplog):
    caplog.set_level(logging.INFO)
    served = await serve()
    async with httpx.AsyncClient(base_url=served.url) as client:
        token = served.site.handover()
        answer = await client.get("/handover", params={"token": token}, headers={"User-Agent": "canary/1"})
    assert answer.status_code == 303
    assert "server" not in answer.headers
    written = capfd.readouterr().err
    assert [line.count('"event":"request"') for line in written.splitlines()] == [1]
    assert token not in written
    assert "canary" not in written
    assert [record for record in caplog.records if record.name == "uvicorn.access"] == []


async def test_headers_that_a_proxy_would_set_count_for_nothing_by_themselves(serve):
    served = await serve()
    forwarded = {"X-Forwarded-Proto": "https", "X-Forwarded-Host": "evil.example"}
    async with httpx.AsyncClient(base_url=served.url, headers=forwarded) as client:
        codes = [
            (await client.get("/settings", headers={"X-Forwarded-For": f"198.51.100.{number}"})).status_code
            for number in range(121)
        ]
    assert codes[-1] == 429
    assert 421 not in codes


async def test_a_body_is_bounded_on_the_wire(serve):
    served = await serve()
    head = b"POST /handover HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/x-www-form-urlencoded\r\n"
    announced = await raw(served.port, head + b"Content-Length: 99999999\r\n\r\n")
    assert announced.startswith(b"HTTP/1.1 413 ")
    chunk = b"4000\r\n" + b"x" * 0x4000 + b"\r\n"
    chunked = await raw(served.port, head + b"Transfer-Encoding: chunked\r\n\r\n" + chunk * 5)
    assert chunked.startswith(b"HTTP/1.1 413 ")


@pytest.mark.parametrize("sent", [b"", b"GET /livez HTTP/1.1\r\nHost: x"])
async def test_whoever_sends_no_head_of_a_request_is_sent_away(serve, sent):
    served = await serve(head_seconds=0.2)
    assert await raw(served.port, sent) == b""


async def test_more_connections_than_allowed_are_refused(serve):
    served = await serve(most_connections=2)
    silent = [await asyncio.open_connection("127.0.0.1", served.port) for _ in range(2)]
    with contextlib.suppress(ConnectionError):
        assert await raw(served.port, b"GET /livez HTTP/1.1\r\nHost: x\r\n\r\n") == b""
    for _, writer in silent:
        writer.close()


async def test_what_is_no_http_ends_there(serve):
    served = await serve()
    assert (await raw(served.port, b"EHLO mail.example\r\n\r\n")).startswith(b"HTTP/1.1 400")
    assert (await raw(served.port, b"GET / HTTP/1.1\r\nHost: x\r\nA: " + b"x" * 70_000)).startswith(b"HTTP/1.1 4")
    upgrade = b"GET /settings HTTP/1.1\r\nHost: localhost\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n"
    assert (await raw(served.port, upgrade)).startswith(b"HTTP/1.1 401")


async def test_a_taken_port_is_an_error_at_once():
    with server.listen("127.0.0.1", 0) as taken, pytest.raises(OSError, match="in use"):
        server.listen("127.0.0.1", taken.getsockname()[1])


async def test_an_address_of_another_machine_is_an_error_at_once():
    with pytest.raises(OSError, match="assign"):
        server.listen("192.0.2.1", 0)


async def test_a_running_answer_may_end_and_nothing_new_begins(serve):
    served = await serve()
    began, go = asyncio.Event(), asyncio.Event()

    async def slow(_: Request) -> StreamingResponse:
        async def pieces():
            yield "<p>one"
            began.set()
            await go.wait()
            yield "<p>two"

        return StreamingResponse(pieces(), media_type="text/html")

    served.site.app.add_api_route("/static/slow/answer", slow)
    async with httpx.AsyncClient(base_url=served.url) as client:
        asked = asyncio.create_task(client.get("/static/slow/answer"))
        await began.wait()
        served.stop.set()
        await eventually(lambda: not _listens(served.port))
        go.set()
        assert (await asked).text == "<p>one<p>two"
    await served.end()


async def test_an_answer_that_does_not_end_is_broken_off_in_time(serve):
    served = await serve(drain_seconds=0.0)
    began = asyncio.Event()

    async def endless(_: Request) -> StreamingResponse:
        async def pieces():
            yield "<p>one"
            began.set()
            await asyncio.Event().wait()

        return StreamingResponse(pieces(), media_type="text/html")

    served.site.app.add_api_route("/static/endless/answer", endless)
    async with httpx.AsyncClient(base_url=served.url) as client:
        asked = asyncio.create_task(client.get("/static/endless/answer"))
        await began.wait()
        assert await served.end() < 5
        with pytest.raises(httpx.RemoteProtocolError):
            await asked


def _listens(port):
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


@pytest.mark.parametrize(("grace", "state"), [(10.0, TrialState.PASSED), (0.0, TrialState.INTERRUPTED)])
async def test_a_running_trial_has_its_time_to_end(tmp_path, grace, state):
    reached, go = asyncio.Event(), asyncio.Event()

    async def send(mail):
        reached.set()
        await go.wait()
        return Receipt("smtp", mail.owed)

    async with settings_site(tmp_path, make_transport=lambda _: ScriptedTransport([send])) as site:
        ada = await site.visitor()
        answer = await site.client.post("/api/v1/tests", json=form(), headers=ada.bearer)
        await reached.wait()
        closing = asyncio.create_task(site.services.trials.aclose(grace=grace))
        asyncio.get_running_loop().call_later(0.05, go.set)
        await closing
        trial = await site.services.trial_rows.get("acme", answer.json()["id"])
    assert trial is not None
    assert trial.state is state


def form():
    given = smtp_form()
    names = ("host", "port", "username", "sender_address", "sender_alias")
    return {name: getattr(given, name) for name in names} | {"password": "correct horse"}
