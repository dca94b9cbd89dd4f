"""The code of a test mail: taken once, told as taken the second time, and not forgotten when a sign-in is missing."""

from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import pytest

from config.testing import smtp_form
from config.web.cookies import CODE_NAME, forgetting_code, keeping_code
from config.web.rendering import iso
from tests.integration.access_site import furnish
from tests.settings_site import URL, Clock, Site, Visitor, settings_site

CODE, LINK = "1234567890", "/settings/verify?code=12345-67890"
ALREADY, WRONG = "These settings are verified already", "is not the code of a test mail"


@pytest.fixture
async def site(tmp_path: Path) -> AsyncIterator[Site]:
    async with settings_site(tmp_path, clock=Clock(step=1.0)) as opened:
        await furnish(opened, "acme", code=CODE)
        yield opened


@pytest.fixture
async def ada(site: Site) -> Visitor:
    return await site.visitor()


async def confirm(site: Site, who: Visitor, code: str = CODE) -> httpx.Response:
    headers = {**who.cookie, "Origin": URL}
    return await site.client.post("/settings/verify", headers=headers, data={"csrf": who.session.csrf, "code": code})


async def look(site: Site, who: Visitor, path: str) -> httpx.Response:
    return await site.client.get(path, headers=who.cookie)


# ------------------------------------------------------------------------------------------------------ a second time


async def test_a_code_that_was_taken_before_is_told_as_such_with_the_moment(site: Site, ada: Visitor) -> None:
    assert (await confirm(site, ada)).headers["location"] == "/settings?done=verified"
    trial = await site.services.trial_rows.latest("acme")
    assert trial is not None
    assert trial.confirmed_at is not None
    when = f'<time datetime="{iso(trial.confirmed_at)}">'
    site.clock.pass_(3600)
    ada, ben = await site.visitor(), await site.visitor(role="viewer")
    for answer in (await confirm(site, ada, " 1234567890 "), await look(site, ada, LINK), await look(site, ben, LINK)):
        assert answer.status_code == 200
        assert ALREADY in answer.text
        assert when in answer.text
        assert WRONG not in answer.text
        assert 'name="code"' not in answer.text


async def test_a_wrong_code_is_still_wrong(site: Site, ada: Visitor) -> None:
    await confirm(site, ada)
    for code in ("0987654321", "12345-67891", "", "no code"):
        answer = await confirm(site, ada, code)
        assert answer.status_code == 422
        assert WRONG in answer.text
        assert ALREADY not in answer.text
    # Nor is it one for others, or once other settings are in use.
    await furnish(site, "other", code="0000000000")
    eve = await site.visitor("other")
    assert WRONG in (await confirm(site, eve)).text
    assert ALREADY not in (await look(site, eve, LINK)).text
    await site.services.organizations.configure_smtp("acme", smtp_form())
    assert WRONG in (await confirm(site, ada)).text
    assert ALREADY not in (await look(site, ada, LINK)).text


async def test_a_code_that_was_not_taken_yet_waits_for_its_button(site: Site, ada: Visitor) -> None:
    for _ in range(2):
        page = await look(site, ada, LINK)
        assert 'value="12345-67890"' in page.text
        assert ALREADY not in page.text
    assert (await confirm(site, ada)).status_code == 303


# ------------------------------------------------------------------------------------------------- without a session


@pytest.mark.parametrize("how", ["GET", "POST"])
async def test_a_link_opened_without_a_session_is_gone_on_with_after_the_sign_in(site: Site, how: str) -> None:
    stranger = await site.client.get(LINK)
    assert stranger.status_code == 401
    assert "and the code is filled in" in stranger.text
    assert stranger.headers["set-cookie"] == (
        f"{CODE_NAME}=12345-67890; Path=/; Secure; HttpOnly; SameSite=Lax; Max-Age=1800"
    )
    token = {"token": site.handover()}
    if how == "GET":
        arrived = await site.client.get("/handover", params=token)
    else:
        # From the platform's page, so that the code's cookie comes with the next request only.
        site.client.cookies.clear()
        arrived = await site.client.post("/handover", data=token)
    assert arrived.headers["location"] == "/settings"
    session = arrived.headers["set-cookie"].partition(";")[0]
    first = await site.client.get("/settings", headers={"Cookie": f"{session}; {CODE_NAME}=12345-67890"})
    assert (first.status_code, first.headers["location"]) == (303, LINK)
    assert first.headers["set-cookie"] == forgetting_code()
    page = await site.client.get(LINK, headers={"Cookie": session})
    assert 'value="12345-67890"' in page.text


@pytest.mark.parametrize(
    "path",
    [
        "/settings/verify",
        "/settings/verify?code=",
        "/settings/verify?code=//evil.example",
        "/settings/verify?code=12345-6789U",
        "/settings?code=12345-67890",
        "/api/v1/settings?code=12345-67890",
    ],
)
async def test_nothing_but_a_code_on_its_page_is_kept(site: Site, path: str) -> None:
    answer = await site.client.get(path)
    assert answer.status_code == 401
    assert "set-cookie" not in answer.headers
    assert "filled in" not in answer.text


@pytest.mark.parametrize("kept", ["//evil.example", "https://evil.example", "12345-6789", '"', "", "12345-67890/.."])
async def test_a_cookie_that_is_no_code_leads_nowhere(site: Site, ada: Visitor, kept: str) -> None:
    answer = await site.client.get("/settings", headers={"Cookie": f"{ada.cookie['Cookie']}; {CODE_NAME}={kept}"})
    assert answer.status_code == 200
    assert keeping_code(kept) == ""
