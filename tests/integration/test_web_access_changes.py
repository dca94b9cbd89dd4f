"""Changes: refused to viewers, to other sites and to forms of others; and nobody reaches into another organisation."""

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping
from pathlib import Path

import pytest

from tests.integration.access_site import MARK, NO_SUCH_TEST, ask, furnish, state, told
from tests.integration.access_table import Route, Who, rows
from tests.settings_site import URL, Clock, Site, Visitor, settings_site

SIGNED_IN = (Who.VIEWER, Who.ADMINISTRATOR)
Refused = Callable[[Visitor, Visitor], Mapping[str, str]]


@pytest.fixture
async def site(tmp_path: Path) -> AsyncIterator[Site]:
    async with settings_site(tmp_path, clock=Clock(step=1.0)) as opened:
        yield opened


def _changing() -> list[Route]:
    return [row for row in rows(*SIGNED_IN) if row.changes]


NOT_OF_OUR_PAGES: dict[str, Refused] = {
    "without the token": lambda me, other: {**me.cookie, "Origin": URL},
    "with an empty token": lambda me, other: {**me.browser, "X-CSRF-Token": ""},
    "with a wrong token": lambda me, other: {**me.browser, "X-CSRF-Token": me.session.csrf[:-1] + "~"},
    "with the token of another session": lambda me, other: {**me.browser, "X-CSRF-Token": other.session.csrf},
    "from another site": lambda me, other: {**me.browser, "Origin": "https://evil.example"},
    "from a neighbour": lambda me, other: {**me.browser, "Origin": "https://other.platform.example"},
    "from nowhere that has a name": lambda me, other: {**me.browser, "Origin": "null"},
    "from another scheme": lambda me, other: {**me.browser, "Origin": URL.replace("https", "http")},
    "from another site, says the browser": lambda me, other: {**me.browser, "Sec-Fetch-Site": "cross-site"},
    "from a neighbour, says the browser": lambda me, other: {**me.browser, "Sec-Fetch-Site": "same-site"},
}


@pytest.mark.parametrize("how", NOT_OF_OUR_PAGES)
async def test_a_change_that_is_not_of_our_pages_is_refused(site: Site, how: str) -> None:
    acme = await furnish(site, "acme")
    me, other = await site.visitor(), await site.visitor()
    before = await state(site, "acme")
    answers = {row.name: await ask(site, row, NOT_OF_OUR_PAGES[how](me, other), me, **acme) for row in _changing()}
    assert {name: answer.status_code for name, answer in answers.items() if answer.status_code != 403} == {}
    assert await state(site, "acme") == before
    assert await site.services.sessions.get(me.token) is not None


async def test_the_token_in_a_form_counts_on_pages(site: Site) -> None:
    me = await site.visitor()
    headers = {**me.cookie, "Origin": URL}
    for token, status in (("", 403), (me.session.csrf[::-1], 403), (me.session.csrf, 303)):
        answer = await site.client.post("/settings/draft/discard", headers=headers, data={"csrf": token})
        assert answer.status_code == status


async def test_a_viewer_looks_and_changes_nothing(site: Site) -> None:
    acme = await furnish(site, "acme")
    viewer = await site.visitor(role="viewer")
    before = await state(site, "acme")
    wrong = {}
    for row in rows(Who.ADMINISTRATOR):
        for headers in (viewer.browser, viewer.bearer) if row.api else (viewer.browser,):
            answer = told(await ask(site, row, headers, viewer, **acme))
            if answer != row.refused(403):
                wrong[row.name, "bearer" if headers is viewer.bearer else "cookie"] = answer
    assert wrong == {}
    assert await state(site, "acme") == before
    seen = {
        row.name: (await ask(site, row, viewer.cookie, viewer, **acme)).status_code in row.ok
        for row in rows(Who.VIEWER)
        if not row.changes
    }
    assert [name for name, fine in seen.items() if not fine] == []


@pytest.mark.parametrize("by", ["cookie", "bearer"])
async def test_an_administrator_may_do_everything(site: Site, by: str) -> None:
    acme = await furnish(site, "acme")
    me = await site.visitor()
    asked = [row for row in rows(*SIGNED_IN) if row.api or by == "cookie"]
    # Whatever ends the session comes last.
    asked.sort(key=lambda row: row.name in ("POST /sign-out", "DELETE /api/v1/session"))
    wrong = {}
    for row in asked:
        if row.name == "DELETE /api/v1/session" and by == "cookie":
            me = await site.visitor()
        answer = await ask(site, row, me.browser if by == "cookie" else me.bearer, me, **acme)
        if answer.status_code not in row.ok:
            wrong[row.name] = answer.status_code, answer.text[:200]
    assert wrong == {}


async def test_anybody_may_ask_what_is_open(site: Site) -> None:
    statuses = {row.name: (await ask(site, row, {})).status_code in row.ok for row in rows(Who.ANYBODY)}
    assert [name for name, fine in statuses.items() if not fine] == []


@pytest.mark.parametrize("role", ["admin", "viewer"])
async def test_another_organization_does_not_exist(site: Site, role: str) -> None:
    """Nothing of it is read or changed by any route, and its test answers as one that never was."""
    acme = await furnish(site, "acme")
    stranger = await site.visitor("other", email="eve@other.example", role=role)
    before = await state(site, "acme")
    told = []
    for row in rows(*SIGNED_IN):
        if "session" in row.path or "sign-out" in row.path:
            continue
        for headers in (stranger.browser, stranger.bearer) if row.api else (stranger.browser,):
            answer = await ask(site, row, headers, stranger, **acme)
            told += [row.name] if MARK in answer.text or MARK in str(answer.headers) else []
            if "{id}" in row.path:
                unknown = await ask(site, row, headers, stranger, id=NO_SUCH_TEST)
                assert (answer.status_code, unknown.status_code) == (404, 404)
                assert answer.text.replace(acme["id"], NO_SUCH_TEST) == unknown.text
    assert told == []
    assert await state(site, "acme") == before


async def test_a_name_of_another_organization_confirms_nothing(site: Site) -> None:
    await furnish(site, "acme")
    await furnish(site, "other")
    before = await state(site, "acme"), await state(site, "other")
    stranger = await site.visitor("other")
    for confirm in ("acme", "", "OTHER", "other "):
        answer = await site.client.post("/api/v1/disconnection", headers=stranger.bearer, json={"confirm": confirm})
        assert (answer.status_code, answer.json()["code"]) == (422, "not_confirmed")
    assert (await state(site, "acme"), await state(site, "other")) == before


async def test_a_code_of_another_organization_confirms_nothing(site: Site) -> None:
    await furnish(site, "acme", code="1234567890")
    await furnish(site, "other", code="0987654321")
    stranger = await site.visitor("other")
    answer = await site.client.post("/api/v1/verification", headers=stranger.bearer, json={"code": "1234567890"})
    assert (answer.status_code, answer.json()["code"]) == (422, "wrong_code")
    summary = await site.services.organizations.describe("acme")
    assert summary is not None
    assert summary.verified_at is None
    me = await site.visitor()
    answer = await site.client.post("/api/v1/verification", headers=me.bearer, json={"code": "12345-67890"})
    assert answer.status_code == 200, answer.text


async def test_two_sessions_at_once_are_not_mixed_up(site: Site) -> None:
    await furnish(site, "acme")
    acme, other = await site.visitor(), await site.visitor("other")
    answers = await asyncio.gather(
        *(site.client.get("/api/v1/settings", headers=one.bearer) for one in (acme, other) * 20)
    )
    assert [answer.json()["organization"] for answer in answers] == ["acme", "other"] * 20
