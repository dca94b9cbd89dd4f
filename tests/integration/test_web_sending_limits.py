"""Limits on the pages and by the API: chosen, refused field by field, and told; and delivery that is held back."""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import httpx
import pytest
from sqlalchemy import update

from config.limits import Limits
from config.oauth.values import Provider
from config.store_breakers import ACCOUNT, ENDPOINT, BreakerRows, key_of
from config.store_schema import organizations
from config.testing import candidate_grant, provider_form, smtp_form
from tests.settings_site import URL, Site, Visitor, settings_site
from transports.errors import Code

USUAL = {"connections": 4, "per_minute": None, "per_day": None}
NOTHING = dict.fromkeys(USUAL)


@pytest.fixture
async def site(tmp_path: Path) -> AsyncIterator[Site]:
    async with settings_site(tmp_path) as opened:
        yield opened


@pytest.fixture
async def ada(site: Site) -> Visitor:
    await site.services.organizations.configure_smtp("acme", smtp_form())
    return await site.visitor()


async def limits_of(site: Site) -> Limits:
    settings = await site.services.organizations.get("acme")
    assert settings is not None
    return settings.limits


async def send(site: Site, visitor: Visitor, **fields: Any) -> httpx.Response:
    """Sends the form."""
    summary = await site.services.organizations.describe("acme")
    given = {"version": summary.version if summary else 0, "intent": "save", **fields, "csrf": visitor.session.csrf}
    headers = {**visitor.cookie, "Origin": URL, "Content-Type": "application/x-www-form-urlencoded"}
    return await site.client.post("/settings/limits", content=urlencode(given), headers=headers)


async def page(site: Site, visitor: Visitor, path: str, language: str = "en") -> str:
    """A page's text, in one line, without entities that a reader does not see."""
    answer = await site.client.get(path, headers={**visitor.cookie, "Accept-Language": language})
    assert answer.status_code == 200
    return " ".join(answer.text.split())


async def test_what_was_entered_is_in_force_and_shown(site: Site, ada: Visitor) -> None:
    assert "What is usual for this account." in await page(site, ada, "/settings")
    saved = await send(site, ada, connections="2", per_minute=" 1,000 ", per_day="20\u00a0000")
    assert (saved.status_code, saved.headers["location"]) == (303, "/settings?done=limits-saved")
    assert await limits_of(site) == Limits(2, 1_000, 20_000)
    assert site.announced[-1] == ("acme", 1)
    overview = await page(site, ada, "/settings?done=limits-saved")
    for text in ("The limits are saved", "Mails a minute: <strong>1,000</strong>", "Limits of your own are in force."):
        assert text in overview
    form = await page(site, ada, "/settings/limits")
    for text in ('value="1000"', "chosen; usual: no limit", "What your own server takes is known", "From 1 to 100,000"):
        assert text in form
    changed = await page(site, ada, "/settings/history")
    assert "Sending limits changed" in changed
    assert "Limit: mails a minute" in changed


async def test_the_usual_limits_come_back_at_a_press(site: Site, ada: Visitor) -> None:
    assert "Use the usual limits" not in await page(site, ada, "/settings/limits")
    await send(site, ada, connections="2", per_day="0")
    assert "Use the usual limits" in await page(site, ada, "/settings/limits")
    back = await send(site, ada, connections="77", intent="usual")
    assert back.headers["location"] == "/settings?done=limits-usual"
    assert await limits_of(site) == Limits(4)


async def test_each_mistake_stands_beside_its_field_and_what_was_typed_stays(site: Site, ada: Visitor) -> None:
    refused = await send(site, ada, connections="0", per_minute="many", per_day="1.5")
    assert refused.status_code == 422
    for name, most in (("connections", "100"), ("per_minute", "100000"), ("per_day", "10000000")):
        assert f'id="{name}-mistake"' in refused.text
        assert f"ust be a whole number from 1 to {most}" in refused.text
    for typed in ('value="0"', 'value="many"', 'value="1.5"'):
        assert typed in refused.text
    assert await limits_of(site) == Limits(4)


async def test_limits_for_settings_that_changed_meanwhile_are_not_saved(site: Site, ada: Visitor) -> None:
    await site.services.organizations.configure_smtp("acme", smtp_form(sender_alias="New"))
    refused = await send(site, ada, connections="2", version="1")
    assert refused.status_code == 409
    assert "Somebody else changed the settings" in refused.text
    assert 'value="2"' in refused.text
    await site.services.organizations.disconnect("acme")
    gone = await send(site, ada, connections="2")
    assert gone.headers["location"] == "/settings?done=changed"
    assert "whose limits the platform looks after" in await page(site, ada, "/settings/limits")
    assert 'href="/settings/limits"' not in await page(site, ada, "/settings")


async def test_a_viewer_sees_the_limits_and_no_form(site: Site, ada: Visitor) -> None:
    text = await page(site, await site.visitor(role="viewer"), "/settings/limits")
    assert "In force now" in text
    assert "Save the limits" not in text


@pytest.mark.parametrize(
    ("provider", "said"),
    [
        (Provider.MICROSOFT, ("Recipients in 24 hours", "10,000", "Microsoft limits")),
        (Provider.GOOGLE, ("Google", "60")),
    ],
)
async def test_a_provider_s_limits_are_explained(site: Site, provider: Provider, said: tuple[str, ...]) -> None:
    grant = await candidate_grant(site.services.grants, provider=provider)
    await site.services.organizations.configure_provider("acme", provider_form(grant))
    text = await page(site, await site.visitor(), "/settings/limits")
    assert [part for part in said if part not in text] == []
    french = await page(site, await site.visitor(), "/settings/limits", "fr")
    assert "Valeur habituelle" in french
    assert "Limites d’envoi" in french


async def test_limits_that_make_no_sense_are_told_and_can_be_mended(site: Site, ada: Visitor) -> None:
    async with site.store.write() as connection:
        await connection.execute(update(organizations).values(limits={"connections": "many"}))
    assert "cannot be read, so mail waits" in await page(site, ada, "/settings/limits")
    answer = await site.client.get("/api/v1/limits", headers=ada.bearer)
    assert (answer.status_code, answer.json()["code"]) == (503, "settings_unreadable")
    await send(site, ada, intent="usual")
    assert await limits_of(site) == Limits(4)


async def test_the_api_replaces_all_limits_and_tells_what_is_in_force(site: Site, ada: Visitor) -> None:
    put = {"connections": 9, "per_day": 0, "version": 1}
    chosen = await site.client.put("/api/v1/limits", json=put, headers=ada.bearer)
    expected = {
        "preset": USUAL,
        "chosen": {**NOTHING, "connections": 9, "per_day": 0},
        "effective": {**USUAL, "connections": 9},
        "day_unit": "mails",
        "version": 1,
    }
    assert (chosen.status_code, chosen.json()) == (200, expected)
    assert site.announced[-1] == ("acme", 1)
    assert (await site.client.get("/api/v1/limits", headers=ada.bearer)).json() == expected
    usual = (await site.client.put("/api/v1/limits", json={}, headers=ada.bearer)).json()
    assert (usual["chosen"], usual["effective"]) == (NOTHING, USUAL)


@pytest.mark.parametrize(
    ("body", "status", "code"),
    [
        ({"connections": 0}, 422, "invalid_request"),
        ({"per_minute": -1}, 422, "invalid_request"),
        ({"per_day": 10_000_001}, 422, "invalid_request"),
        ({"per_day": "5"}, 422, "invalid_request"),
        ({"connection": 5}, 422, "invalid_request"),
        ({"connections": 5, "version": 2}, 409, "settings_changed"),
        ({"connections": 5, "version": 0}, 409, "settings_changed"),
    ],
    ids=str,
)
async def test_the_api_refuses_what_is_wrong(site: Site, ada: Visitor, body: Any, status: int, code: str) -> None:
    answer = await site.client.put("/api/v1/limits", json=body, headers=ada.bearer)
    assert (answer.status_code, answer.json()["code"]) == (status, code)
    assert await limits_of(site) == Limits(4)


async def test_the_platform_s_limits_are_nobody_else_s(site: Site) -> None:
    visitor = await site.visitor()
    for answer in (
        await site.client.get("/api/v1/limits", headers=visitor.bearer),
        await site.client.put("/api/v1/limits", json={"connections": 2}, headers=visitor.bearer),
    ):
        assert (answer.status_code, answer.json()["code"]) == (409, "not_configured")


async def settings_by_api(site: Site, visitor: Visitor) -> Any:
    return (await site.client.get("/api/v1/settings", headers=visitor.bearer)).json()


@pytest.mark.parametrize("key", [key_of(ACCOUNT, "acme"), key_of(ENDPOINT, "mail.acme.example:587")])
async def test_delivery_that_is_held_back_is_told_with_what_to_check(site: Site, ada: Visitor, key: str) -> None:
    assert (await settings_by_api(site, ada))["held_back"] is None
    await BreakerRows(site.store).open(key, Code.CONNECT_TIMEOUT, 60.0, 5)
    text = await page(site, ada, "/settings")
    for said in ("Delivery is held back since", "Check host name and port", "The next try is at", "by themselves"):
        assert said in text
    held = (await settings_by_api(site, ada))["held_back"]
    assert held["code"] == "connect_failed"  # whether a place is silent or closed is not for tenants
    assert held["since"] < held["next_try_at"]
    assert held["next_step"].startswith("Check host name and port")
    await BreakerRows(site.store).close(key)
    assert "held back" not in await page(site, ada, "/settings")


async def test_what_a_person_must_mend_comes_before_what_passes_by_itself(site: Site, ada: Visitor) -> None:
    await BreakerRows(site.store).open(key_of(ACCOUNT, "acme"), "a reason of a newer version", 60.0, 5)
    assert "The server stopped answering." in await page(site, ada, "/settings")
    await site.services.organizations.suspend("acme", 1, Code.SIGN_IN_REFUSED, None)
    assert "held back" not in await page(site, ada, "/settings")
    settings = await settings_by_api(site, ada)
    assert (settings["attention"]["code"], settings["held_back"]) == ("sign_in_refused", None)


async def test_others_are_not_told_of_it(site: Site, ada: Visitor) -> None:
    await site.services.organizations.configure_smtp("bolt", smtp_form(host="mail.bolt.example"))
    await BreakerRows(site.store).open(key_of(ACCOUNT, "bolt"), Code.REPLY_TIMEOUT, 60.0, 5)
    await BreakerRows(site.store).open(key_of(ENDPOINT, "mail.bolt.example:587"), Code.REPLY_TIMEOUT, 60.0, 5)
    assert "held back" not in await page(site, ada, "/settings")
