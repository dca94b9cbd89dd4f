"""The demo's browser: follows where a page leads by itself at once, as it follows a redirection."""

import httpx
import pytest

from deploy.local.demo_browser import Browser, Stuck

URL = "http://pages.example"
PAGES = {
    "/start": '<form action="/connect"><input name="way" value="api"></form>',
    "/connect": '<meta http-equiv="refresh" content="0; url=http://provider.example/authorize?a=1&amp;b=url=2">',
    "/authorize": "<form action='/consent'></form>",
    "/later": '<meta http-equiv="refresh" content="300; url=/start">',
    "/circle": '<meta http-equiv="refresh" content="0; url=/circle">',
}


def serve(request: httpx.Request) -> httpx.Response:
    return httpx.Response(200, text=f"<html>{PAGES[request.url.path]}</html>")


def test_a_page_that_leads_on_at_once_is_followed_and_others_are_not() -> None:
    with httpx.Client(transport=httpx.MockTransport(serve)) as client:
        browser = Browser(client)
        arrived = browser.send(browser.open(f"{URL}/start"), "/connect")
        assert arrived.url == "http://provider.example/authorize?a=1&b=url=2"
        assert arrived.form("/consent") is not None
        assert browser.open(f"{URL}/later").url == f"{URL}/later"
        with pytest.raises(Stuck, match="leads on and on"):
            browser.open(f"{URL}/circle")
