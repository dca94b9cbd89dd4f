"""Connecting accounts as a person does, with the stand-ins for Microsoft and Google behind TLS, and real processes."""

from collections.abc import Iterable, Iterator
from typing import Any
from urllib.parse import quote

import pytest
from playwright.async_api import Page, Route, expect

from deploy.local.providers.base_values import Fault
from deploy.local.providers.google_grants import GMAIL_SEND
from tests.browser.conftest import variables
from tests.browser.providers import Sandboxes, agree_at_google, agree_at_microsoft, history_of, sandboxes
from tests.browser.servers import MailServers
from tests.browser.serving import Someone, WebProcess
from tests.browser.steps import ended, field, link_in, save_and_test, says, stages
from tests.browser.test_pages import DESK, PHONE, fits, serious
from tests.fixtures_browser import NewPage, Screenshot
from tests.fixtures_tls import TestCertificates
from tests.reading_mail import addresses
from tests.waiting import eventually

ALIAS = "Acme Notifications"


@pytest.fixture(scope="module")
def boxes(tls: TestCertificates) -> Iterator[Sandboxes]:
    """Both providers."""
    with sandboxes(tls) as running:
        for domain in ("contoso.example", "fabrikam.example"):
            for name in ("notifications", "ada"):
                running.microsoft.add_account(f"{name}@{domain}", f"{name.title()} of {domain}")
                running.google.add_account(f"{name}@{domain}", f"{name.title()} of {domain}")
        yield running


@pytest.fixture(scope="module")
def pages(
    tmp_path_factory: pytest.TempPathFactory, boxes: Sandboxes, servers: MailServers, tls: TestCertificates
) -> Iterator[WebProcess]:
    """The settings pages of a platform that has an app at both."""
    folder = tmp_path_factory.mktemp("connect")
    with WebProcess({**variables(folder, servers, tls), **boxes.settings}, folder) as running:
        boxes.register(running.url)
        yield running


def found_in(text: str, secrets: Iterable[str]) -> list[str]:
    """Those of the secrets that a text has, as they are or as they stand in an address."""
    return [one for one in secrets if one in text or quote(one, safe="") in text]


async def arrive(new_page: NewPage, pages: WebProcess, someone: Someone, **options: Any) -> Page:
    plain = {"locale": "en-GB", "viewport": DESK, "ignore_https_errors": True, "java_script_enabled": False}
    page = await new_page(**{**plain, **options})
    await page.goto(pages.door(someone))
    return page


async def test_microsoft_from_the_card_to_the_confirmed_mail(
    new_page: NewPage, pages: WebProcess, boxes: Sandboxes, screenshot: Screenshot
) -> None:
    page = await arrive(new_page, pages, Someone("ms-acme"))
    await page.get_by_role("listitem").filter(has_text="Microsoft 365").get_by_role("link", name="Set up").click()
    await page.get_by_role("button", name="Connect with Microsoft").click()
    await page.wait_for_url(f"{boxes.microsoft.url}/**")
    await agree_at_microsoft(page, "notifications@contoso.example")

    assert page.url == f"{pages.url}/settings/microsoft365/sender"
    await says(page, "Notifications of contoso.example")
    await expect(field(page, "Sender e-mail")).to_have_value("notifications@contoso.example")
    await screenshot(page, "connect-microsoft-sender")
    await field(page, "Sender alias").fill(ALIAS)
    await save_and_test(page)
    assert set((await stages(page)).values()) == {"passed"}
    await screenshot(page, "connect-microsoft-test")

    mail = boxes.microsoft.mails[-1]
    assert mail.account == "notifications@contoso.example"
    assert addresses(mail.content, "To")[0][1] == Someone("ms-acme").email
    await page.goto(pages.url + link_in(mail.content))
    await page.get_by_role("button", name="Confirm that it arrived").click()
    await expect(page.locator(".state .badge")).to_have_text("Verified")
    await says(page, "Mail of ms-acme leaves through Microsoft 365 as Acme Notifications")
    await screenshot(page, "connect-microsoft-verified")


async def test_a_provider_may_send_people_on_to_a_sign_in_elsewhere(
    new_page: NewPage, pages: WebProcess, boxes: Sandboxes
) -> None:
    """As Entra and Google do at once, without a page of theirs, when the account's sign-in is at its organisation."""
    page = await arrive(new_page, pages, Someone("ms-elsewhere"))
    opened: list[str] = []
    page.on("request", lambda request: opened.append(request.url))
    for button in ("Connect with Microsoft", "Agree as an administrator"):
        elsewhere = f"{boxes.google.url}/sign-in-of-contoso"
        for endpoint in ("authorize", "adminconsent"):
            boxes.microsoft.fault(endpoint, Fault.status(302, headers={"Location": elsewhere}), times=1)
        await page.goto(f"{pages.url}/settings/microsoft365")
        await page.get_by_role("button", name=button).click()
        await page.wait_for_url(elsewhere)
        boxes.microsoft.clear_faults()
    asked = next(url for url in opened if "/authorize?" in url)
    await page.goto(asked)
    await agree_at_microsoft(page, "notifications@contoso.example")
    assert page.url == f"{pages.url}/settings/microsoft365/sender"


async def test_the_way_back_from_the_provider_is_no_circle(
    new_page: NewPage, pages: WebProcess, boxes: Sandboxes
) -> None:
    page = await arrive(new_page, pages, Someone("ms-back"))
    start = f"{pages.url}/settings/microsoft365"
    await page.goto(start)
    for turn in range(2):
        await page.get_by_role("button", name="Connect with Microsoft").click()
        await page.wait_for_url(f"{boxes.microsoft.url}/**")
        assert f"{start}/connect" not in await history_of(page)
        if not turn:
            await page.go_back()
            assert page.url == start
    await agree_at_microsoft(page, "notifications@contoso.example")
    assert page.url == f"{start}/sender"


@pytest.mark.parametrize(("locale", "button"), [("en-GB", "Go on to Google"), ("fr-FR", "Continuer vers Google")])
async def test_the_page_that_leads_to_a_provider_is_accessible_and_has_a_button(
    locale: str, button: str, new_page: NewPage, pages: WebProcess, boxes: Sandboxes, screenshot: Screenshot
) -> None:
    """Seen where the browser does not go on by itself."""
    page = await arrive(new_page, pages, Someone(f"leaving-{locale}"), locale=locale, java_script_enabled=True)

    async def stay(route: Route) -> None:
        await route.fulfill(status=204)

    await page.route(f"{boxes.google.url}/**", stay)
    await page.goto(f"{pages.url}/settings/google")
    async with page.expect_request(f"{boxes.google.url}/**"):
        await page.locator("form[action='/settings/google/connect'] button").last.click()
    link = page.get_by_role("link", name=button)
    await expect(link).to_be_visible()
    assert await serious(page) == []
    await page.set_viewport_size(PHONE)
    assert await fits(page)
    await screenshot(page, f"connect-leaving-{locale[:2]}-phone")
    await page.unroute(f"{boxes.google.url}/**")
    await link.click()
    await agree_at_google(page, "notifications@contoso.example")
    assert page.url == f"{pages.url}/settings/google/sender"


async def test_google_with_a_permission_ticked_off_and_then_not(
    new_page: NewPage, pages: WebProcess, boxes: Sandboxes, screenshot: Screenshot
) -> None:
    page = await arrive(new_page, pages, Someone("g-acme"))
    await page.get_by_role("listitem").filter(has_text="Gmail").get_by_role("link", name="Set up").click()
    await page.get_by_role("button", name="Connect with Google").click()
    await agree_at_google(page, "notifications@contoso.example", ticked_off="gmail.send")
    assert page.url.startswith(f"{pages.url}/settings/google?refused=scope_missing")
    await says(page, "the permission to send mail was unticked")
    await says(page, "Connect again and leave every box ticked")
    await screenshot(page, "connect-google-ticked-off")

    await page.get_by_role("button", name="Connect with Google").click()
    await agree_at_google(page, "notifications@contoso.example")
    assert page.url == f"{pages.url}/settings/google/sender"
    await field(page, "Sender alias").fill(ALIAS)
    await save_and_test(page)
    assert set((await stages(page)).values()) == {"passed"}
    mail = boxes.google.mails[-1]
    assert addresses(mail.content, "From") == [(ALIAS, "notifications@contoso.example")]
    await page.goto(pages.url + link_in(mail.content))
    await page.get_by_role("button", name="Confirm that it arrived").click()
    await expect(page.locator(".state .badge")).to_have_text("Verified")

    kept = await history_of(page)
    assert f"{pages.url}/settings/google/sender" in kept
    assert [address for address in kept if address.startswith(f"{pages.url}/oauth/")] == []
    assert found_in("\n".join(kept), boxes.google.grants.given) == []


async def test_a_session_that_ends_during_the_consent_leaves_no_code_in_the_history(
    new_page: NewPage, pages: WebProcess, boxes: Sandboxes, screenshot: Screenshot
) -> None:
    page = await arrive(new_page, pages, Someone("ms-signed-out"))
    await page.goto(f"{pages.url}/settings/microsoft365")
    await page.get_by_role("button", name="Connect with Microsoft").click()
    await page.wait_for_url(f"{boxes.microsoft.url}/**")
    other = await page.context.new_page()
    await other.goto(f"{pages.url}/settings")
    await other.get_by_role("button", name="Sign out").click()
    came: list[str] = []
    page.on("request", lambda request: came.append(request.url))
    await agree_at_microsoft(page, "notifications@contoso.example")
    assert page.url == f"{pages.url}/connection-ended"
    await says(page, "Then connect the account once more.")
    await screenshot(page, "connect-signed-out")

    assert [address for address in came if "/oauth/microsoft/callback?code=" in address], "a code came back"
    kept = await history_of(page)
    assert [address for address in kept if "/oauth/" in address or "code=" in address.split("/authorize?")[0]] == []


async def test_another_account_is_refused_or_taken_and_the_old_grant_is_ended(
    new_page: NewPage, pages: WebProcess, boxes: Sandboxes, screenshot: Screenshot
) -> None:
    page = await arrive(new_page, pages, Someone("g-other"))

    async def connect(address: str) -> None:
        await page.goto(f"{pages.url}/settings/google")
        await page.get_by_role("button", name="Connect with Google").click()
        await agree_at_google(page, address)

    await connect("notifications@fabrikam.example")
    await field(page, "Sender alias").fill("Fabrikam")
    await save_and_test(page)
    revoked = boxes.google.calls["revoke"]
    await connect("ada@fabrikam.example")
    await says(page, "This is another account")
    await says(page, "ada@fabrikam.example signed in, but mail leaves by notifications@fabrikam.example.")
    await screenshot(page, "connect-google-other-account")
    await page.get_by_role("button", name="Stay with this account").click()
    await says(page, "The account was given up")
    await eventually(lambda: boxes.google.calls["revoke"] == revoked + 1)

    await connect("ada@fabrikam.example")
    await page.get_by_role("link", name="Use this account instead").click()
    await expect(field(page, "Sender e-mail")).to_have_value("ada@fabrikam.example")
    await save_and_test(page)
    await eventually(lambda: boxes.google.calls["revoke"] >= revoked + 2, 60)

    await page.goto(f"{pages.url}/settings/google")
    await page.get_by_role("button", name="Connect again").click()
    await says(page, "ada@fabrikam.example")
    await agree_at_google(page)
    await says(page, "Connected again: mail that waited is tried from now on.")
    await page.goto(f"{pages.url}/settings/disconnect")
    await page.get_by_role("checkbox").check()
    await page.get_by_role("button", name="Disconnect Google").click()
    await eventually(lambda: boxes.google.calls["revoke"] >= revoked + 3, 60)


async def test_where_only_an_administrator_may_agree(
    new_page: NewPage, pages: WebProcess, boxes: Sandboxes, screenshot: Screenshot
) -> None:
    boxes.microsoft.add_account("hr@strict.example", "HR", consent="admin")
    page = await arrive(new_page, pages, Someone("ms-strict"))

    async def connect() -> None:
        await page.goto(f"{pages.url}/settings/microsoft365")
        await page.get_by_role("button", name="Connect with Microsoft").click()
        await agree_at_microsoft(page, "hr@strict.example")

    await connect()
    await page.get_by_role("button", name="Return to the application").click()
    await says(page, "An administrator must agree first")
    await says(page, "90094")
    await screenshot(page, "connect-microsoft-administrator")
    await page.get_by_role("button", name="Agree as an administrator").first.click()
    await page.get_by_role("radio", name="strict.example").check()
    await page.get_by_role("button", name="Accept").click()
    assert page.url.startswith(f"{pages.url}/settings/microsoft365?done=administrator-agreed")
    await connect()
    assert page.url == f"{pages.url}/settings/microsoft365/sender"


async def test_an_app_of_ones_own(new_page: NewPage, pages: WebProcess, boxes: Sandboxes) -> None:
    client = "0f8fad5b-d9cb-469f-a165-70867728950e"
    app = boxes.microsoft.add_app("contoso.example", client, "the~secret.of~contoso")
    page = await arrive(new_page, pages, Someone("ms-app"))
    await page.goto(f"{pages.url}/settings/microsoft365/app")
    await page.get_by_role("button", name="Go on to the sender").click()
    await says(page, "There are problems with 4 fields")
    for label, value in {
        "Mailbox": "notifications@contoso.example",
        "Directory (tenant) ID": "contoso.example",
        "Application (client) ID": app.client_id,
        "Client secret": "the~secret.of~contoso",
    }.items():
        await field(page, label).fill(value)
    await page.get_by_role("button", name="Go on to the sender").click()
    await field(page, "Sender alias").fill("Contoso")
    await save_and_test(page)
    assert set((await stages(page)).values()) == {"passed"}


async def test_a_service_account_of_ones_own(new_page: NewPage, pages: WebProcess, boxes: Sandboxes) -> None:
    account, key = boxes.google.add_service_account()
    account.delegated["contoso.example"] = frozenset({GMAIL_SEND})
    page = await arrive(new_page, pages, Someone("g-app"))
    await page.goto(f"{pages.url}/settings/google/app")
    await field(page, "Mailbox").fill("notifications@contoso.example")
    await field(page, "Key of the service account").fill(key)
    await page.get_by_role("button", name="Go on to the sender").click()
    await field(page, "Sender alias").fill("Contoso")
    await save_and_test(page)
    assert set((await stages(page)).values()) == {"passed"}
    await page.goto(f"{pages.url}/settings/google/app")
    await expect(field(page, "Key of the service account")).to_have_value("")
    # Another one, which its administrator has not allowed yet.
    await field(page, "Key of the service account").fill(boxes.google.add_service_account("new")[1])
    await page.get_by_role("button", name="Go on to the sender").click()
    await says(page, "This is another account")
    await page.get_by_role("link", name="Use this account instead").click()
    await save_and_test(page)
    assert (await stages(page))["Sign-in"] == "failed"
    await says(page, "An administrator of Google Workspace has not allowed this yet.")


LOOKS = [("en-GB", "light"), ("fr-FR", "dark")]
PATHS = {
    "microsoft": "/settings/microsoft365",
    "microsoft-refused": "/settings/microsoft365?refused=admin_consent_needed&number=90094",
    "microsoft-app": "/settings/microsoft365/app",
    "google": "/settings/google",
    "google-app": "/settings/google/app",
}


@pytest.mark.parametrize(("locale", "scheme"), LOOKS, ids=lambda one: one)
async def test_the_pages_are_accessible_and_fit_a_phone(
    locale: str, scheme: str, new_page: NewPage, pages: WebProcess, screenshot: Screenshot
) -> None:
    looks = {"locale": locale, "color_scheme": scheme, "java_script_enabled": True}
    page = await arrive(new_page, pages, Someone(f"looks-{locale}"), **looks)
    problems: list[str] = []

    async def look(name: str) -> None:
        problems.extend(f"{name}: {found}" for found in await serious(page))
        if scheme == "light":
            await screenshot(page, f"connect-{name}-{locale[:2]}-{scheme}")
        await page.set_viewport_size(PHONE)
        if not await fits(page):
            problems.append(f"{name}: wider than a phone")
        if scheme == "dark":
            await screenshot(page, f"connect-{name}-{locale[:2]}-{scheme}-phone")
        await page.set_viewport_size(DESK)

    for name, path in PATHS.items():
        await page.goto(pages.url + path)
        await look(name)
    for turn, address in enumerate(("notifications@contoso.example", "ada@contoso.example")):
        await page.goto(f"{pages.url}/settings/google")
        await page.locator("form[action='/settings/google/connect'] button").last.click()
        await agree_at_google(page, address)
        await look("other-account" if turn else "sender")
        if not turn:
            await page.locator("#sender_alias").fill(ALIAS)
            await page.locator("button[name=intent]").click()
            await ended(page)
            await look("test")
            for name, path in {"in-use": "/settings/google", "disconnect": "/settings/disconnect"}.items():
                await page.goto(pages.url + path)
                await look(name)
    assert problems == []


async def test_no_secret_of_all_this_is_in_the_log_or_the_database(pages: WebProcess, boxes: Sandboxes) -> None:
    """Stands last: it looks at what the others left."""
    grants = boxes.microsoft.grants
    given = {*boxes.google.grants.given, *grants.codes, *grants.refreshes, *grants.accesses}
    given |= {boxes.microsoft.client_secret, boxes.google.client_secret, "the~secret.of~contoso"}
    assert len(given) > 10
    log = pages.log.read_text()
    assert found_in(log, given) == []
    assert "@" not in log
    assert "state=" not in log
    kept = b"".join(file.read_bytes() for file in pages.log.parent.iterdir() if file.is_file())
    assert b"notifications@contoso.example" in kept
    assert found_in(kept.decode("latin-1"), given) == []
