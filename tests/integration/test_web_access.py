"""Every route against everybody who must not get in, and everybody who must."""

import asyncio
import base64
import json
import secrets
from collections.abc import AsyncIterator, Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import jwt
import pytest

from tests.integration.access_site import MARK, Headers, ask, furnish, state, told
from tests.integration.access_table import TABLE, Who, routes_of, rows
from tests.settings_site import PLATFORM_KEY, URL, Clock, Site, settings_site

SIGNED_IN = (Who.VIEWER, Who.ADMINISTRATOR)


@pytest.fixture
async def site(tmp_path: Path) -> AsyncIterator[Site]:
    # A second passes at every look at the clock, so that the limits of requests do not hide what is asked here.
    async with settings_site(tmp_path, clock=Clock(step=1.0)) as opened:
        yield opened


@pytest.fixture
async def acme(site: Site) -> dict[str, Any]:
    """An organisation with settings, a draft, a test and a history."""
    return await furnish(site, "acme")


def test_no_row_stands_twice() -> None:
    names = [row.name for row in TABLE]
    assert len(names) == len(set(names))


async def test_no_route_is_without_a_row(site: Site) -> None:
    assert routes_of(site.app) == {row.name for row in TABLE}, "put the route into tests/integration/access_table.py"


# ------------------------------------------------------------------------------------------------- without a session


async def _nobody(site: Site) -> list[Headers]:
    return [{}]


async def _forged(site: Site) -> list[Headers]:
    token = secrets.token_urlsafe(32)
    someone = await site.visitor()
    changed = someone.token[:-1] + ("A" if someone.token[-1] != "A" else "B")
    return [_cookie(token), _bearer(token), _cookie(changed), _bearer(changed), _bearer(""), _cookie("'--")]


async def _other_tokens(site: Site) -> list[Headers]:
    """What is no session's token, though it was signed by the platform or belongs to a session."""
    someone = await site.visitor()
    handover = site.handover()
    return [
        *(_cookie(one) for one in (handover, someone.session.csrf)),
        _bearer(handover),
        _bearer(someone.session.csrf),
    ]


async def _expired(site: Site) -> list[Headers]:
    someone = await site.visitor()
    for _ in range(16):  # it is used all the time, and ends after eight hours all the same
        site.clock.pass_(1750)
        await site.services.sessions.get(someone.token)
    site.clock.pass_(1750)
    return [someone.browser, someone.bearer]


async def _idle(site: Site) -> list[Headers]:
    someone = await site.visitor()
    site.clock.pass_(timedelta(minutes=61).total_seconds())
    return [someone.browser, someone.bearer]


async def _closed(site: Site) -> list[Headers]:
    browser, program = await site.visitor(), await site.visitor()
    left = await site.client.post("/sign-out", headers=browser.browser)
    ended = await site.client.delete("/api/v1/session", headers=program.bearer)
    assert (left.status_code, ended.status_code) == (200, 204)
    return [browser.browser, browser.bearer, program.browser, program.bearer]


def _cookie(token: str) -> Headers:
    return {"Cookie": f"__Host-mailroom={token}", "Origin": URL}


def _bearer(token: str) -> Headers:
    return {"Authorization": f"Bearer {token}"}


@pytest.mark.parametrize("strangers", [_nobody, _forged, _other_tokens, _expired, _idle, _closed])
async def test_nobody_gets_in_without_a_session(
    site: Site, acme: dict[str, Any], strangers: Callable[..., Any]
) -> None:
    before = await state(site, "acme")
    answers = [
        (row, await ask(site, row, headers, **acme)) for headers in await strangers(site) for row in rows(*SIGNED_IN)
    ]
    assert {row.name: told(answer) for row, answer in answers if told(answer) != row.refused(401)} == {}
    assert not [row.name for row, answer in answers if MARK in answer.text]
    assert await state(site, "acme") == before


async def test_a_token_of_a_program_opens_no_page(site: Site, acme: dict[str, Any]) -> None:
    """Otherwise the check of where a form comes from could be avoided with a header."""
    someone = await site.visitor()
    wrong = {
        row.name: found
        for row in rows(*SIGNED_IN)
        if not row.api and (found := told(await ask(site, row, someone.bearer, someone, **acme))) != row.refused(401)
    }
    assert wrong == {}


# ------------------------------------------------------------------------------------------------- hand-over tokens


def _encoded(part: object) -> str:
    return base64.urlsafe_b64encode(json.dumps(part).encode()).rstrip(b"=").decode()


BAD_TOKENS: dict[str, Callable[[Site], str]] = {
    "nothing": lambda site: "",
    "no token": lambda site: "a.b.c",
    "another key": lambda site: site.handover(key="another key that is long enough, too"),
    "unsigned": lambda site: f"{_encoded({'alg': 'none', 'typ': 'JWT'})}.{_encoded(site.claims())}.",
    "another algorithm": lambda site: jwt.encode(site.claims(), PLATFORM_KEY * 2, algorithm="HS512"),
    "changed": lambda site: _changed(site.handover()),
    "expired": lambda site: site.handover(exp=int((site.clock.at - timedelta(seconds=30)).timestamp())),
    "for too long": lambda site: site.handover(exp=int((site.clock.at + timedelta(hours=1)).timestamp())),
    "not yet": lambda site: site.handover(nbf=int((site.clock.at + timedelta(seconds=60)).timestamp())),
    "for somebody else": lambda site: site.handover(aud="other"),
    "another role": lambda site: site.handover(role="owner"),
    "an impossible organisation": lambda site: site.handover(organization="a b"),
    "without an audience": lambda site: site.handover(aud=None),
    "without a name of its own": lambda site: site.handover(jti=None),
    "without an end": lambda site: site.handover(exp=None),
    "without a role": lambda site: site.handover(role=None),
    "without a person": lambda site: site.handover(email=None),
}


def _changed(token: str) -> str:
    head, claims, signature = token.split(".")
    other = json.loads(base64.urlsafe_b64decode(claims + "==")) | {"organization": "another"}
    return f"{head}.{_encoded(other)}.{signature}"


@pytest.mark.parametrize("kind", BAD_TOKENS)
async def test_a_token_that_the_platform_did_not_make_like_this_opens_nothing(site: Site, kind: str) -> None:
    for row in rows(Who.PLATFORM):
        token = BAD_TOKENS[kind](site)
        answer = await ask(site, row, {}, body={"token": token} if row.body else None, token=token or " ")
        assert (answer.status_code, answer.headers.get("set-cookie")) == (401, None), row.name
        assert not token or token not in answer.text


async def test_a_token_opens_once_wherever_it_is_shown(site: Site) -> None:
    for first in rows(Who.PLATFORM):
        token = site.handover()
        opened = await ask(site, first, {}, body={"token": token} if first.body else None, token=token)
        assert opened.status_code in first.ok
        for again in rows(Who.PLATFORM):
            answer = await ask(site, again, {}, body={"token": token} if again.body else None, token=token)
            assert (answer.status_code, answer.headers.get("set-cookie")) == (401, None)


async def test_a_token_shown_twenty_times_at_once_opens_once(site: Site) -> None:
    token = site.handover()
    answers = await asyncio.gather(*(site.client.post("/api/v1/sessions", json={"token": token}) for _ in range(20)))
    assert sorted(answer.status_code for answer in answers) == [201, *[401] * 19]
