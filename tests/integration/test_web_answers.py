"""What every answer has, and what none of them and no log line ever tells."""

import asyncio
import json
from dataclasses import replace
from urllib.parse import urlencode

import pytest
from fastapi.responses import StreamingResponse
from httpx import ASGITransport, AsyncClient

from config.web.app import create_app
from config.web.cookies import NAME
from config.web.errors import INVALID_REQUEST, PROBLEMS, STORE_UNAVAILABLE, PageProblem, WebProblem
from config.web.incidents import route_of
from config.web.services import WebSettings
from tests.settings_site import URL, settings_site

CANARY = "Tr0ub4dor&3-canary"
FORM = {"Content-Type": "application/x-www-form-urlencoded"}


@pytest.fixture
async def site(tmp_path):
    async with settings_site(tmp_path) as opened:

        async def fail() -> None:
            raise RuntimeError(CANARY)

        async def refuse(code: int) -> None:
            raise PageProblem(code)

        async def break_off() -> StreamingResponse:
            async def pieces():
                yield "<p>the beginning"
                raise RuntimeError(CANARY)

            return StreamingResponse(pieces(), media_type="text/html")

        for prefix in ("/settings", "/api/v1"):
            opened.app.add_api_route(f"{prefix}/mistake", fail)
            opened.app.add_api_route(f"{prefix}/refusal/{{code}}", refuse)
        opened.app.add_api_route("/settings/broken-off", break_off)
        yield opened


async def all_kinds(site):
    """An answer of every kind there is."""
    ada, form = await site.visitor(), {**FORM, "Origin": URL}
    ask, cookie = site.client.request, ada.cookie
    static = (await ask("GET", "/settings", headers=cookie)).text.split('href="/static/')[1].split('"')[0]
    return [
        await ask("GET", "/settings", headers=cookie),
        await ask("GET", "/", headers=cookie),
        await ask("GET", "/handover", params={"token": site.handover()}),
        await ask("GET", "/handover", params={"token": "x"}),
        await ask("GET", "/settings"),
        await ask("GET", "/settings", headers={**cookie, "Host": "evil.example"}),
        await ask("POST", "/language", content="", headers={**form, **cookie}),
        await ask("GET", "/nowhere", headers=cookie),
        await ask("DELETE", "/settings", headers=ada.browser),
        await ask("POST", "/language", content=b"x" * 70_000, headers={**form, **cookie}),
        await ask("POST", "/handover", content=b"x", headers={"Content-Type": "text/plain"}),
        await ask("GET", "/settings/history?before=x", headers=cookie),
        await ask("GET", "/settings/mistake", headers=cookie),
        await ask("GET", "/settings/refusal/503", headers=cookie),
        await ask("GET", f"/static/{static}"),
        await ask("GET", "/static/nothing.css"),
        await ask("GET", "/livez"),
        await ask("GET", "/readyz"),
        await ask("GET", "/api/v1/openapi.json"),
        await ask("GET", "/api/v1/settings", headers=ada.bearer),
        await ask("DELETE", "/api/v1/draft", headers=ada.bearer),
        await ask("GET", "/api/v1/settings"),
        await ask("GET", "/api/v1/nowhere", headers=ada.bearer),
        await ask("GET", "/api/v1/mistake", headers=ada.bearer),
        await ask("POST", "/sign-out", content=urlencode({"csrf": ada.session.csrf}), headers={**form, **cookie}),
    ]


async def test_every_kind_of_answer_has_the_headers(site):
    answers = await all_kinds(site)
    assert {answer.status_code for answer in answers} >= {
        200,
        204,
        303,
        401,
        403,
        404,
        405,
        413,
        415,
        421,
        422,
        500,
        503,
    }
    for answer in answers:
        headers, path = answer.headers, answer.request.url.path
        policy = headers["content-security-policy"]
        assert "default-src 'none'" in policy
        assert "frame-ancestors 'none'" in policy
        assert "unsafe" not in policy
        assert "script-src" not in policy  # so that default-src holds for scripts
        assert headers["x-content-type-options"] == "nosniff"
        assert headers["x-frame-options"] == "DENY"
        assert headers["strict-transport-security"] == "max-age=31536000"
        assert headers["referrer-policy"] == ("no-referrer" if path == "/handover" else "same-origin")
        assert headers["cross-origin-opener-policy"] == headers["cross-origin-resource-policy"] == "same-origin"
        assert "camera=()" in headers["permissions-policy"]
        assert "server" not in headers
        assert "access-control-allow-origin" not in headers
        static = path.startswith("/static/") and answer.status_code == 200
        assert headers["cache-control"] == ("public, max-age=31536000, immutable" if static else "no-store")


async def test_a_page_on_this_machine_is_not_forced_to_tls(site):
    app = create_app(replace(site.services, settings=WebSettings("http://localhost:8080")))
    async with AsyncClient(transport=ASGITransport(app), base_url="http://localhost:8080") as client:
        answer = await client.get("/settings")
    assert answer.status_code == 401
    assert "strict-transport-security" not in answer.headers


async def test_a_mistake_of_ours_has_a_number_in_the_answer_and_in_the_log_and_nothing_else(site, capfd):
    ada = await site.visitor()
    page = await site.client.get("/settings/mistake", headers=ada.cookie)
    api = await site.client.get("/api/v1/mistake", headers=ada.bearer)
    assert (page.status_code, api.status_code) == (500, 500)
    lines = [json.loads(line) for line in capfd.readouterr().err.splitlines()]
    first, second = [line["incident"] for line in lines if line["event"] == "a request failed"]
    assert first in page.text
    assert second == api.json()["incident"]
    assert first != second
    for told in (page.text, api.text, json.dumps(lines)):
        assert CANARY not in told
        assert "Traceback" not in told
    assert "RuntimeError" not in page.text + api.text


async def test_an_answer_that_breaks_off_is_never_taken_for_a_whole_one(site, capfd):
    """The beginning has gone out, so all that is left is to end the connection before the end of the body."""
    ada, sent = await site.visitor(), []

    async def receive():
        await asyncio.Event().wait()

    async def send(message):
        sent.append(message)

    headers = [(b"host", b"localhost"), (b"cookie", f"{NAME}={ada.token}".encode())]
    scope: dict[str, object] = {
        "type": "http",
        "method": "GET",
        "path": "/settings/broken-off",
        "raw_path": b"",
        "query_string": b"",
    }
    scope |= {"headers": headers, "client": None, "server": None, "scheme": "http", "root_path": ""}
    scope |= {"http_version": "1.1", "asgi": {"version": "3.0"}}
    await site.app(scope, receive, send)
    assert sent[-1].get("more_body") is True
    lines = [json.loads(line) for line in capfd.readouterr().err.splitlines()]
    assert lines[-1]["status"] == 499
    assert lines[-2]["event"] == "a request failed"


async def test_a_problem_of_the_api_is_what_the_rfc_says(site):
    ada = await site.visitor(locale="fr")
    answer = await site.client.get("/api/v1/nowhere", headers=ada.bearer)
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.json() == {
        "type": "urn:mailroom:problem:not_found",
        "title": "Cette page n’existe pas",
        "status": 404,
        "detail": answer.json()["detail"],
        "code": "not_found",
    }


@pytest.mark.parametrize("wish", ["fr", "fr-CA, en;q=0.5"])
async def test_an_error_page_is_in_the_reader_s_language(site, wish):
    answer = await site.client.get("/settings", headers={"Accept-Language": wish})
    assert '<html lang="fr">' in answer.text
    assert "You are not signed in" not in answer.text


async def test_who_is_signed_in_finds_the_way_back_from_an_error_page(site):
    ada = await site.visitor()
    answer = await site.client.get("/nowhere", headers=ada.cookie)
    assert 'href="/settings"' in answer.text
    assert "acme" in answer.text


@pytest.mark.parametrize("status", [401, 403, 404, 405, 413, 415, 421, 422, 429, 500, 503])
async def test_every_refusal_can_be_shown_in_both_forms(site, status):
    ada = await site.visitor()
    page = await site.client.get(f"/settings/refusal/{status}", headers=ada.cookie)
    api = await site.client.get(f"/api/v1/refusal/{status}", headers=ada.bearer)
    assert (page.status_code, api.status_code, api.json()["status"]) == (status, status, status)
    assert page.text.count("<h1>") == 1


def test_codes_are_unique_and_for_programs():
    codes = [problem.code for problem in PROBLEMS]
    assert len(set(codes)) == len(codes)
    assert all(code.replace("_", "").isalpha() and code.islower() for code in codes)
    assert WebProblem(STORE_UNAVAILABLE).problem.status == 503
    assert PageProblem(418).problem is INVALID_REQUEST


@pytest.mark.parametrize(
    "body",
    [
        {"host": CANARY, "port": CANARY, "security": CANARY, "password": [CANARY]},
        {"host": "mail.acme.example", "password": {"value": CANARY}},
        {CANARY: "a name that is not known"},
        {"canary_in_small_letters": "the same"},
        {"kind": CANARY, "version": -1, "password": CANARY * 100},
        [CANARY],
        CANARY,
    ],
)
async def test_what_was_sent_is_never_repeated(site, body, capfd):
    ada = await site.visitor()
    for method, path in (("PUT", "/api/v1/draft"), ("POST", "/api/v1/tests")):
        answer = await site.client.request(method, path, json=body, headers=ada.bearer)
        assert answer.status_code == 422
        assert "canary" not in answer.text
        assert all(set(error) == {"field", "message"} for error in answer.json()["errors"])
    assert CANARY not in capfd.readouterr().err


@pytest.mark.parametrize(
    "body", [b'{"password": "Tr0ub4dor&3-canary", ', b"\xff\xfe", b"[" * 20_000, b"NaN", b"1e999999"]
)
async def test_what_is_no_json_is_refused_without_a_word_of_it(site, body, capfd):
    ada = await site.visitor()
    headers = {**ada.bearer, "Content-Type": "application/json"}
    answer = await site.client.put("/api/v1/draft", content=body, headers=headers)
    assert answer.status_code == 422
    assert CANARY not in answer.text + capfd.readouterr().err


async def test_a_request_is_one_line_that_tells_nothing_about_anybody(site, capfd):
    ada = await site.visitor("acme")
    secret = {"User-Agent": CANARY, "Referer": f"https://x.example/{CANARY}", "X-Forwarded-For": "198.51.100.77"}
    capfd.readouterr()
    await site.client.get(f"/settings/tests/{ada.session.csrf}?code={CANARY}", headers={**ada.cookie, **secret})
    await site.client.get(f"/settings/{CANARY}", headers={**ada.cookie, **secret})
    await site.client.request(CANARY, f"/api/v1/tests/{ada.session.csrf}", headers={**ada.bearer, **secret})
    written = capfd.readouterr().err
    first, second, third = map(json.loads, written.splitlines())
    for line in (first, second, third):
        assert set(line) == {
            *("timestamp", "level", "logger", "event", "method", "route", "status", "milliseconds", "code")
        }
    assert (first["method"], first["route"], first["status"]) == ("GET", "/settings/tests/{id}", 404)
    assert (second["route"], second["status"], third["method"]) == ("", 404, "other")
    for told in (CANARY, ada.session.csrf, ada.token, "192.0.2.1", "198.51.100.77", "acme", "ada", "Lovelace"):
        assert told not in written


def test_the_route_of_an_included_router_has_its_beginning():
    class Route:
        path = "/tests/{id}"

    scope = {"path": "/api/v1/tests/abc", "path_params": {"id": "abc"}, "route": Route}
    assert route_of(scope) == "/api/v1/tests/{id}"
    assert route_of({**scope, "path": "/ada@acme.example/tests/abc"}) == "/tests/{id}"
    assert route_of({"path": "/settings"}) == ""
