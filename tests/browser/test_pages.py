"""Every page in every language and colour scheme: accessible by axe's rules, and no wider than a small phone."""

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Literal

import pytest
import pytest_asyncio
from axe_playwright_python.async_playwright import Axe
from playwright.async_api import Page, ViewportSize

from config.actors import Actor, ActorKind
from config.drafts import Drafts
from config.organizations import Organizations
from config.secrets import Secret, SecretBox
from config.sending_limits import SendingLimits
from config.store import Store
from config.store_breakers import ACCOUNT, BreakerRows, key_of
from config.testing import KEY, smtp_form
from tests.browser.conftest import Arrives
from tests.browser.servers import PASSWORD, USER, MailServers
from tests.browser.serving import Someone, WebProcess
from tests.browser.steps import ended, settings_of
from tests.fixtures_browser import NewPage, Screenshot
from transports.errors import Code

ADA = Actor(ActorKind.ADMINISTRATOR, "Ada Lovelace", "ada@acme.example")
Scheme = Literal["light", "dark"]
PHONE: ViewportSize = {"width": 320, "height": 640}
DESK: ViewportSize = {"width": 1280, "height": 800}


@dataclass(frozen=True, slots=True)
class Shown:
    """A page and how to get there; ``organization`` decides what is on it."""

    name: str
    organization: str
    path: str
    role: str = "admin"


PAGES = [
    Shown("settings-default", "pages-fresh", "/settings"),
    Shown("settings-connected", "pages-connected", "/settings?done=draft-saved"),
    Shown("settings-attention", "pages-attention", "/settings"),
    Shown("settings-held", "pages-held", "/settings"),
    Shown("settings-viewer", "pages-connected", "/settings", "viewer"),
    Shown("smtp-fresh", "pages-fresh", "/settings/smtp"),
    Shown("smtp-filled", "pages-connected", "/settings/smtp"),
    Shown("smtp-viewer", "pages-connected", "/settings/smtp", "viewer"),
    Shown("limits", "pages-held", "/settings/limits"),
    Shown("limits-viewer", "pages-connected", "/settings/limits", "viewer"),
    Shown("verify", "pages-connected", "/settings/verify?code=ABCDE-12345"),
    Shown("disconnect", "pages-connected", "/settings/disconnect"),
    Shown("domain", "pages-connected", "/settings/domain"),
    Shown("history", "pages-connected", "/settings/history"),
    Shown("not-found", "pages-connected", "/settings/nowhere"),
]
LOOKS = [("en-GB", "light", "dark"), ("fr-FR", "dark", "light")]
"""Language, the colours on a desk, and those on a phone."""


@pytest_asyncio.fixture(loop_scope="session")
async def furnished(store: Store) -> None:
    """Organisations in every state."""
    box, now = SecretBox([KEY]), lambda: datetime.now(UTC)
    organizations, drafts = Organizations(store, box), Drafts(store, box, now=now)
    form = smtp_form(username=USER, password=Secret(PASSWORD))
    await organizations.configure_smtp("pages-connected", form, actor=ADA)
    await drafts.save("pages-connected", smtp_form(host="mail.new.example"), ADA)
    version = await organizations.configure_smtp("pages-attention", form, actor=ADA)
    await organizations.suspend("pages-attention", version, Code.SIGN_IN_REFUSED, now())
    await organizations.configure_smtp("pages-held", form, actor=ADA)
    await SendingLimits(store, now=now).choose("pages-held", {"per_minute": 1200, "per_day": 20_000}, actor=ADA)
    await BreakerRows(store).open(key_of(ACCOUNT, "pages-held"), Code.CONNECT_TIMEOUT, 900.0, 5)


async def serious(page: Page) -> list[str]:
    """What axe finds serious or critical, with the places."""
    results = await Axe().run(page)
    return [
        f"{found['id']}: {[node['target'] for node in found['nodes']]}"
        for found in results.response["violations"]
        if found["impact"] in ("serious", "critical")
    ]


async def fits(page: Page) -> bool:
    """Whether nothing makes the page scroll sideways."""
    width: int = await page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth")
    return width <= 0


@pytest.mark.usefixtures("furnished")
@pytest.mark.parametrize(("locale", "scheme", "other"), LOOKS, ids=lambda one: one)
async def test_pages_are_accessible_and_fit_a_phone(
    locale: str, scheme: Scheme, other: Scheme, arrives: Arrives, screenshot: Screenshot
) -> None:
    problems: list[str] = []
    opened: dict[tuple[str, str], Page] = {}
    for shown in PAGES:
        who = (shown.organization, shown.role)
        if who not in opened:
            opened[who] = await arrives(Someone(shown.organization, role=shown.role), locale=locale)
        page = opened[who]
        await page.emulate_media(color_scheme=scheme)
        await page.goto(page.url.split("/settings")[0] + shown.path)
        assert await page.locator("html").get_attribute("lang") == locale[:2]
        found = await serious(page)
        await screenshot(page, f"{shown.name}-{locale[:2]}-{scheme}")
        await page.emulate_media(color_scheme=other)
        await page.set_viewport_size(PHONE)
        if not await fits(page):
            found.append("wider than a phone")
        await screenshot(page, f"{shown.name}-{locale[:2]}-{other}-phone")
        await page.set_viewport_size(DESK)
        problems += [f"{shown.name}: {one}" for one in found]
    assert problems == []


@pytest.mark.parametrize(("locale", "scheme"), [("en-GB", "light"), ("fr-FR", "dark")], ids=lambda one: one)
async def test_pages_that_follow_from_a_form_are_accessible_too(
    locale: str, scheme: Scheme, servers: MailServers, arrives: Arrives, screenshot: Screenshot
) -> None:
    """A form with mistakes, a test that failed, one that passed."""
    organization = f"after-{locale}"
    page = await arrives(Someone(organization), locale=locale, color_scheme=scheme, viewport=PHONE)
    base = page.url.split("/settings")[0]

    async def look(name: str) -> None:
        await ended(page)
        assert await serious(page) == []
        assert await fits(page)
        await screenshot(page, f"{name}-{locale[:2]}-{scheme}-phone")

    await page.goto(f"{base}/settings/smtp")
    await page.locator("button[name=intent][value=test]").click()
    await look("smtp-mistakes")
    for name, server in (("trial-failed", servers.expired), ("trial-passed", servers.good)):
        await page.goto(f"{base}/settings/smtp")
        for field, value in zip(
            ("host", "port", "username", "password", "sender_address", "sender_alias"),
            settings_of(server).values(),
            strict=True,
        ):
            await page.locator(f"#{field}").fill(value)
        await page.locator("button[name=intent][value=test]").click()
        await look(name)


async def test_strangers_see_a_page_of_ours(new_page: NewPage, web: WebProcess, screenshot: Screenshot) -> None:
    page = await new_page(locale="fr-FR", viewport=PHONE)
    response = await page.goto(f"{web.url}/settings")
    assert response is not None
    assert response.status == 401
    assert await serious(page) == []
    await screenshot(page, "signed-out-fr-phone")
