"""Who comes in: sessions, changes from pages of ours only, the host's name, the size of bodies, and how often."""

import asyncio
from dataclasses import replace
from ipaddress import ip_network
from urllib.parse import urlencode

import pytest
from httpx import ASGITransport, AsyncClient

from config.errors import StoreUnavailable
from config.web.app import create_app
from config.web.cookies import NAME
from config.web.entrance import LARGEST_BODY, Entrance
from config.web.health import Readiness
from tests.settings_site import URL, settings_site

FORM = {"Content-Type": "application/x-www-form-urlencoded"}
LANGUAGE = "/language"
"""A change that a viewer may make, too, and that nothing else depends on."""


@pytest.fixture
async def site(tmp_path):
    async with settings_site(tmp_path) as opened:
        yield opened


async def change(site, visitor, *, csrf=None, path=LANGUAGE, **headers):
    """A form sent by a browser, by default the way one of our pages sends it."""
    fields = {"language": "fr", "csrf": visitor.session.csrf if csrf is None else csrf}
    sent = {**FORM, **visitor.cookie, "Origin": URL, "Sec-Fetch-Site": "same-origin", **headers}
    return await site.client.post(path, content=urlencode(fields), headers={k: v for k, v in sent.items() if v})


async def language(site, visitor):
    return (await site.services.sessions.get(visitor.token)).language


async def test_a_form_of_our_own_page_is_taken(site):
    ada = await site.visitor()
    assert (await change(site, ada)).status_code == 303
    assert await language(site, ada) == "fr"


async def test_a_form_without_the_session_s_token_changes_nothing(site):
    ada, eve = await site.visitor(), await site.visitor("other", email="eve@evil.example")
    for csrf in ("", "x", eve.session.csrf, ada.session.csrf[:-1], ada.session.csrf + "x", "é", ada.token):
        answer = await change(site, ada, csrf=csrf)
        assert (answer.status_code, "no longer valid" in answer.text) == (403, True)
    without = await site.client.post(LANGUAGE, content="language=fr", headers={**FORM, **ada.cookie})
    assert without.status_code == 403
    assert await language(site, ada) is None


async def test_a_header_counts_like_the_field_and_before_it(site):
    ada = await site.visitor()
    assert (await change(site, ada, csrf="x", **{"X-CSRF-Token": ada.session.csrf})).status_code == 303
    assert (await change(site, ada, **{"X-CSRF-Token": "x"})).status_code == 403


async def test_a_field_in_the_address_or_in_another_kind_of_body_does_not_count(site):
    ada = await site.visitor()
    token = urlencode({"csrf": ada.session.csrf, "language": "fr"})
    for kind in ("text/plain", "multipart/form-data; boundary=x", "application/json", ""):
        answer = await site.client.post(
            f"{LANGUAGE}?{token}", content=token, headers={**ada.cookie, **({"Content-Type": kind} if kind else {})}
        )
        assert answer.status_code == 403


@pytest.mark.parametrize(
    "headers",
    [
        {"Sec-Fetch-Site": "cross-site"},
        {"Sec-Fetch-Site": "same-site"},
        {"Sec-Fetch-Site": "cross-site", "Origin": ""},
        {"Origin": "https://evil.example"},
        {"Origin": "https://settings.platform.example.evil.example"},
        {"Origin": "http://settings.platform.example"},
        {"Origin": "https://settings.platform.example:444"},
        {"Origin": "null"},
        {"Origin": "http://localhost"},
    ],
)
async def test_a_change_from_another_site_is_refused_even_with_the_token(site, headers):
    ada = await site.visitor()
    assert (await change(site, ada, **headers)).status_code == 403
    assert await language(site, ada) is None


async def test_a_browser_that_says_nothing_about_itself_still_needs_the_token(site):
    ada = await site.visitor()
    silent = {"Origin": "", "Sec-Fetch-Site": ""}
    assert (await change(site, ada, csrf="x", **silent)).status_code == 403
    assert (await change(site, ada, **silent)).status_code == 303


async def test_every_method_that_changes_something_needs_the_token(site):
    ada = await site.visitor()
    for method, path in (("DELETE", "/api/v1/draft"), ("PUT", "/api/v1/draft"), ("PATCH", "/api/v1/settings")):
        refused = await site.client.request(method, path, headers={**ada.cookie, "Origin": URL})
        assert (refused.status_code, refused.json()["code"]) == (403, "csrf_failed")
    assert (await site.client.delete("/api/v1/draft", headers=ada.browser)).status_code == 204


async def test_a_bearer_needs_no_token_and_a_cookie_beside_it_is_not_looked_at(site):
    ada, eve = await site.visitor(), await site.visitor("other", email="eve@evil.example")
    assert (await site.client.delete("/api/v1/draft", headers=ada.bearer)).status_code == 204
    both = {**ada.bearer, **eve.cookie}
    assert (await site.client.get("/api/v1/session", headers=both)).json()["organization"] == "acme"
    for wrong in ("Bearer nonsense", "Bearer", "Basic YTpi", ada.token):
        refused = await site.client.get("/api/v1/session", headers={**ada.cookie, "Authorization": wrong})
        assert (refused.status_code, refused.headers["www-authenticate"]) == (401, "Bearer")


async def test_a_bearer_opens_no_page(site):
    ada = await site.visitor()
    assert (await site.client.get("/settings", headers=ada.bearer)).status_code == 401


@pytest.mark.parametrize(
    "path", ["/", "/settings", "/settings/smtp", "/nowhere", "/api/v1/settings", "/api/v1/nowhere"]
)
async def test_strangers_learn_nothing_not_even_what_exists(site, path):
    ended = await site.visitor()
    await site.services.sessions.close(ended.token)
    cookies = ("", ended.token, "x", "a" * 43, "é", "a" * 5000, f'"{ended.token}"')
    for cookie in cookies:
        answer = await site.client.get(path, headers={"Cookie": f"{NAME}={cookie}".encode()} if cookie else {})
        assert answer.status_code == 401


async def test_a_session_ends_by_itself(site):
    ada = await site.visitor()
    site.clock.pass_(59 * 60)
    assert (await site.client.get("/settings", headers=ada.cookie)).status_code == 200
    site.clock.pass_(61 * 60)
    assert (await site.client.get("/settings", headers=ada.cookie)).status_code == 401


async def test_cookies_of_neighbours_do_not_matter(site):
    ada = await site.visitor()
    many = f'odd="; x, =; other=1; mailroom=y; {NAME}={ada.token}; {NAME}x=z'
    assert (await site.client.get("/settings", headers={"Cookie": many})).status_code == 200


@pytest.mark.parametrize(
    ("host", "status"),
    [
        ("settings.platform.example", 200),
        ("SETTINGS.platform.example", 200),
        ("localhost:8080", 200),
        ("127.0.0.1", 200),
        ("[::1]:8080", 200),
        ("settings.platform.example:444", 421),
        ("evil.example", 421),
        ("settings.platform.example.evil.example", 421),
        ("127.0.0.1.evil.example", 421),
        ("evil.example@localhost", 421),
        ("localhost:8080/evil.example", 421),
        ("[", 421),
        ("", 421),
    ],
)
async def test_only_names_of_ours_are_answered(site, host, status):
    ada = await site.visitor()
    answer = await site.client.get("/settings", headers={**ada.cookie, "Host": host})
    assert answer.status_code == status
    assert "evil" not in answer.text


async def test_a_probe_may_call_us_by_any_name(site):
    for path in ("/livez", "/readyz"):
        answer = await site.client.get(path, headers={"Host": "10.1.2.3:8080"})
        assert answer.status_code == 200


async def test_a_page_on_this_machine_may_change_something_too(site):
    ada = await site.visitor()
    host = {"Host": "localhost:8080"}
    assert (await change(site, ada, **host, Origin="http://localhost:8080")).status_code == 303
    assert (await change(site, ada, **host, Origin="http://localhost:9090")).status_code == 403


async def in_pieces(*pieces):
    for piece in pieces:
        yield piece


async def test_a_body_has_a_largest_size_however_it_comes(site):
    ada = await site.visitor()
    for body in (b"x" * (LARGEST_BODY + 1), in_pieces(*[b"x" * 1024] * 65)):
        answer = await site.client.post(LANGUAGE, content=body, headers={**FORM, **ada.browser})
        assert answer.status_code == 413
    lied = await site.client.post(LANGUAGE, content=b"x", headers={**FORM, **ada.browser, "Content-Length": "9" * 30})
    assert lied.status_code == 413
    filled = urlencode({"language": "fr", "csrf": ada.session.csrf, "x": ""})
    largest = filled.encode().ljust(LARGEST_BODY, b"x")
    assert (await site.client.post(LANGUAGE, content=largest, headers={**FORM, **ada.cookie})).status_code == 303


async def test_the_largest_body_holds_for_strangers_too(site):
    for path in ("/handover", "/api/v1/sessions", "/settings/smtp"):
        assert (await site.client.post(path, content=b"x" * (LARGEST_BODY + 1), headers=FORM)).status_code == 413


@pytest.mark.parametrize(
    ("method", "path", "kind"),
    [
        ("POST", "/api/v1/sessions", "text/plain"),
        ("POST", "/api/v1/sessions", "application/x-www-form-urlencoded"),
        ("PUT", "/api/v1/draft", "text/plain"),
        ("POST", "/handover", "multipart/form-data; boundary=x"),
        ("POST", "/handover", "application/json"),
    ],
)
async def test_a_body_has_the_type_of_its_address(site, method, path, kind):
    ada = await site.visitor()
    headers = {**ada.bearer, "Content-Type": kind}
    answer = await site.client.request(method, path, content=b'{"token": "x"}', headers=headers)
    assert answer.status_code == 415


async def test_a_session_may_ask_so_often_and_change_less_often(site):
    ada, eve = await site.visitor(), await site.visitor("other")
    changes = [(await change(site, ada)).status_code for _ in range(31)]
    assert changes == [303] * 30 + [429]
    assert (await change(site, eve)).status_code == 303
    looks = [(await site.client.get("/api/v1/session", headers=ada.bearer)).status_code for _ in range(90)]
    assert looks == [200] * 89 + [429]
    site.clock.pass_(2)
    late = await change(site, ada)
    assert (late.status_code, late.headers["location"]) == (303, "/settings")


async def test_too_often_is_said_in_both_forms(site):
    ada = await site.visitor()
    for _ in range(120):
        await site.client.get("/api/v1/session", headers=ada.bearer)
    page = await site.client.get("/settings", headers=ada.cookie)
    assert (page.status_code, page.headers["retry-after"]) == (429, "1")
    assert "Too many requests" in page.text
    api = await site.client.get("/api/v1/settings", headers=ada.bearer)
    assert (api.status_code, api.headers["retry-after"], api.json()["code"]) == (429, "1", "too_many_requests")


async def test_a_site_that_makes_a_browser_ask_does_not_use_up_what_its_owner_may(site):
    ada = await site.visitor()
    for _ in range(40):
        assert (await change(site, ada, **{"Sec-Fetch-Site": "cross-site"})).status_code == 403
    assert (await change(site, ada)).status_code == 303


async def test_strangers_are_slowed_down_by_address_and_nobody_else_with_them(site):
    ada = await site.visitor()
    codes = [(await site.client.get("/settings")).status_code for _ in range(121)]
    assert codes == [401] * 120 + [429]
    assert (await site.client.get("/settings", headers=ada.cookie)).status_code == 200


async def test_without_a_trusted_proxy_a_client_cannot_call_itself_somebody_else(site):
    codes = [
        (await site.client.get("/settings", headers={"X-Forwarded-For": f"198.51.100.{number}"})).status_code
        for number in range(121)
    ]
    assert codes[-1] == 429


async def test_behind_a_trusted_proxy_each_client_has_limits_of_its_own(site):
    settings = replace(site.services.settings, trusted_proxies=(ip_network("192.0.2.0/24"),))
    app = create_app(replace(site.services, settings=settings))
    async with AsyncClient(transport=ASGITransport(app, client=("192.0.2.1", 1)), base_url=URL) as client:
        codes = [
            (await client.get("/settings", headers={"X-Forwarded-For": f"203.0.113.9, 198.51.100.{last}"})).status_code
            for last in [7] * 121 + [8]
        ]
    assert codes[-2:] == [429, 401]


async def test_a_body_that_does_not_come_is_given_up(site):
    async def inner(scope, receive, send):
        raise AssertionError("nothing gets here")

    async def trickle():
        yield b"token="
        await asyncio.Event().wait()

    entrance = Entrance(inner, site.services, body_seconds=0.05)
    async with AsyncClient(transport=ASGITransport(entrance), base_url=URL) as client, asyncio.timeout(5):
        answer = await client.post("/handover", content=trickle(), headers=FORM)
    assert (answer.status_code, answer.headers["connection"]) == (408, "close")


async def test_readiness_is_asked_of_the_store_once_in_a_while(site):
    asked: list[float] = []

    async def look():
        asked.append(site.clock.seconds)
        if len(asked) > 1:
            raise StoreUnavailable("away")

    ready = Readiness(look, clock=site.clock.monotonic)
    assert [await ready() for _ in range(20)] == [True] * 20
    site.clock.pass_(1)
    assert [await ready() for _ in range(20)] == [False] * 20
    assert len(asked) == 2
    app = create_app(replace(site.services, ready=ready))
    async with AsyncClient(transport=ASGITransport(app), base_url=URL) as client:
        answer = await client.get("/readyz")
    assert (answer.status_code, answer.json()) == (503, {"ready": False, "checks": {"store": False}})


async def test_a_store_that_does_not_answer_is_said_to_be_away(site, tmp_path):
    ada = await site.visitor()
    await site.store.close()
    (tmp_path / "mailroom.db").write_bytes(b"no database " * 1000)
    page = await site.client.get("/settings", headers=ada.cookie)
    assert (page.status_code, page.headers["retry-after"]) == (503, "5")
    assert "mailroom.db" not in page.text
    api = await site.client.get("/api/v1/settings", headers=ada.bearer)
    assert (api.status_code, api.json()["code"]) == (503, "store_unavailable")
