"""The browser tests' own tool: Chromium starts, is separate for each test, draws accents, and reports what is wrong."""

import asyncio
import http.server
import threading
from collections.abc import Iterator

import pytest
from playwright.async_api import Error, expect

from tests.waiting import eventually

_PAGE = """<!doctype html><meta charset="utf-8"><title>Essai</title><link rel=icon href="data:,">
<h1>Réglages d’envoi : vérifié à l’été – Łódź, Größe, 10 €</h1>"""


class _Answers(http.server.BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        body = _PAGE.encode()
        self.send_response(200)
        self.send_header("Content-Type", "text/html; charset=utf-8")
        self.send_header("Set-Cookie", "__Host-seen=1; Secure; HttpOnly; SameSite=Lax; Path=/")
        self.send_header("Content-Security-Policy", "default-src 'none'; img-src data:")
        self.send_header("X-Cookie", self.headers.get("Cookie", ""))
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None: ...


@pytest.fixture
def address() -> Iterator[str]:
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), _Answers) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}/"
        server.shutdown()
        thread.join()


async def test_a_page_is_drawn_with_accents(page, address, screenshot):
    await page.goto(address)
    await expect(page).to_have_title("Essai")
    picture = await screenshot(page, "browser-itself")
    assert picture.read_bytes().startswith(b"\x89PNG")


async def test_secure_cookies_work_on_loopback_and_stay_in_their_context(new_page, address):
    first, second = await new_page(), await new_page()
    answers = [await one.goto(address) for one in (first, first, second)]
    assert [answer.headers["x-cookie"] for answer in answers] == ["", "__Host-seen=1", ""]


async def test_nothing_but_loopback_is_reached(page):
    with pytest.raises(Error, match="ERR_NAME_NOT_RESOLVED"):
        await page.goto("http://mailroom.example/")


async def test_what_a_page_may_not_do_is_complained_of(page, address, complaints):
    await page.goto(address)
    assert complaints == []
    await page.evaluate("document.body.insertAdjacentHTML('beforeend', '<img src=http://127.0.0.1/other.png>')")
    await page.evaluate("setTimeout(() => { throw new Error('broken') })")
    await eventually(lambda: len(complaints) >= 2)
    told = "\n".join(complaints)
    assert "Content Security Policy" in told
    assert "broken" in told
    complaints.clear()


async def test_the_sessions_loop_and_a_tests_own_go_together(page, address):
    await page.goto(address)
    assert await page.locator("h1").count() == 1


async def test_a_test_without_the_browser_has_a_loop_of_its_own():
    await asyncio.sleep(0)
