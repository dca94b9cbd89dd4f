"""The forms without JavaScript: what is kept, what is refused, what a viewer may not do, and what needs a word more."""

from datetime import UTC, datetime

from playwright.async_api import expect

from config.actors import OPERATOR
from config.choices import AccountLimits
from config.organizations import Organizations
from config.secrets import SecretBox
from config.store import Store
from config.testing import KEY, smtp_form
from tests.browser.conftest import Arrives
from tests.browser.servers import PASSWORD, MailServers
from tests.browser.serving import Someone, WebProcess
from tests.browser.steps import ended, field, fill, save_and_test, says, settings_of, stages
from tests.fixtures_browser import NewPage, Screenshot

NO_SCRIPT = {"java_script_enabled": False}


def organizations_of(store: Store) -> Organizations:
    return Organizations(store, SecretBox([KEY]), now=lambda: datetime.now(UTC))


async def test_mistakes_stand_beside_the_fields_and_nothing_typed_is_lost(arrives: Arrives) -> None:
    page = await arrives(Someone("mistakes"))
    await page.goto(page.url + "/smtp")
    await fill(page, settings_of(26, **{"Host name": "not a host", "Sender e-mail": "someone@gmail.com"}))
    await page.get_by_role("button", name="Save and test").click()
    summary = page.locator(".summary")
    await expect(summary).to_be_focused()
    await expect(page).to_have_title("Mistake: Custom SMTP · mistakes · Mailroom")
    for label in ("Host name", "Port", "Sender e-mail"):
        found = field(page, label)
        await expect(found).to_have_attribute("aria-invalid", "true")
        described = str(await found.get_attribute("aria-describedby")).split()[0]
        await expect(page.locator(f"#{described}")).to_be_visible()
    await summary.get_by_role("link").first.click()
    await expect(field(page, "Host name")).to_be_focused()
    await expect(field(page, "Host name")).to_have_value("not a host")
    await expect(field(page, "Sender alias")).to_have_value(settings_of(26)["Sender alias"])
    await expect(field(page, "Password")).to_have_value("")
    assert PASSWORD not in await page.content()


async def test_a_draft_is_kept_tested_and_discarded(servers: MailServers, arrives: Arrives) -> None:
    page = await arrives(Someone("drafts"), **NO_SCRIPT)
    await page.goto(page.url + "/smtp")
    await fill(page, settings_of(servers.good))
    await page.get_by_role("button", name="Save as draft").click()
    await says(page, "The draft is saved. It is not in use")
    await page.get_by_role("link", name="Edit the draft").click()
    await says(page, "A password is stored.")
    await page.get_by_role("link", name="Cancel").click()
    await page.get_by_role("button", name="Test the draft").click()
    await ended(page)
    assert set((await stages(page)).values()) == {"passed"}
    await page.get_by_role("link", name="To the settings", exact=True).click()
    await expect(page.get_by_text("A draft is waiting")).to_have_count(0)

    await page.get_by_role("link", name="Change the settings").first.click()
    await field(page, "Sender alias").fill("Another")
    await page.get_by_role("button", name="Save as draft").click()
    await page.get_by_role("button", name="Discard the draft").click()
    await says(page, "The draft is discarded.")

    # A change of settings in use; the password is left blank, which means unchanged.
    await page.get_by_role("link", name="Change the settings").first.click()
    await field(page, "Sender alias").fill("Third")
    await save_and_test(page)
    assert set((await stages(page)).values()) == {"passed"}
    await page.get_by_role("link", name="To the settings", exact=True).click()
    await says(page, "Mail of drafts leaves through localhost as Third <notifications@acme.example>.")


async def test_going_back_to_the_platform_default_needs_an_explicit_word(store: Store, arrives: Arrives) -> None:
    organizations = organizations_of(store)
    await organizations.configure_smtp("leaving", smtp_form(), actor=OPERATOR)
    page = await arrives(Someone("leaving"), **NO_SCRIPT)
    await page.get_by_role("link", name="Return to this…").click()
    await says(page, "Platform <no-reply@platform.example>")
    await page.get_by_role("button", name="Disconnect mail.acme.example").click()
    await says(page, "Must be ticked: without it nothing is disconnected.")
    assert await organizations.describe("leaving") is not None
    await page.get_by_role("checkbox").check()
    await page.get_by_role("button", name="Disconnect mail.acme.example").click()
    await says(page, "Disconnected: mail leaves from the platform’s address again.")
    assert await organizations.describe("leaving") is None
    await page.get_by_role("link", name="See the whole history").click()
    row = page.get_by_role("row").nth(1)
    await expect(row).to_contain_text("Ada Lovelace")
    await expect(row).to_contain_text("Returned to the platform default")


async def test_limits_are_refused_chosen_and_given_up(store: Store, arrives: Arrives, screenshot: Screenshot) -> None:
    organizations = organizations_of(store)
    await organizations.configure_smtp("limits", smtp_form(host="smtp.office365.com"), actor=OPERATOR)
    page = await arrives(Someone("limits"), **NO_SCRIPT)
    await page.get_by_role("link", name="See and change the limits").click()
    await says(page, "Usual: 30. From 1 to 100,000, or 0 for no limit.")
    await field(page, "Mails at once").fill("0")
    await field(page, "Recipients in 24 hours").fill("20,000")
    await page.get_by_role("button", name="Save the limits").click()
    await expect(page.locator(".summary")).to_be_focused()
    await expect(field(page, "Mails at once")).to_have_attribute("aria-invalid", "true")
    await expect(field(page, "Recipients in 24 hours")).to_have_value("20,000")
    await screenshot(page, "limits-mistake")
    await field(page, "Mails at once").fill("2")
    await page.get_by_role("button", name="Save the limits").click()
    await says(page, "The limits are saved")
    assert (await limits_of(organizations)).chosen == {"connections": 2, "per_day": 20_000}
    await page.get_by_role("link", name="See and change the limits").click()
    await screenshot(page, "limits-chosen")
    await page.get_by_role("button", name="Use the usual limits").click()
    await says(page, "The usual limits hold again")
    assert (await limits_of(organizations)).chosen == {}


async def limits_of(organizations: Organizations) -> AccountLimits:
    summary = await organizations.describe("limits")
    assert summary is not None
    assert summary.limits is not None
    return summary.limits


async def test_two_people_at_the_same_form_do_not_overwrite_each_other(
    store: Store, servers: MailServers, arrives: Arrives
) -> None:
    page = await arrives(Someone("two"), **NO_SCRIPT)
    await page.goto(page.url + "/smtp")
    await organizations_of(store).configure_smtp("two", smtp_form(host="mail.other.example"), actor=OPERATOR)
    await fill(page, settings_of(servers.good))
    await save_and_test(page)
    await says(page, "Somebody else changed the settings while you were at this form")
    await expect(field(page, "Port")).to_have_value(str(servers.good.port))
    summary = await organizations_of(store).describe("two")
    assert summary is not None
    assert summary.host == "mail.other.example"


async def test_a_wrong_code_confirms_nothing(store: Store, arrives: Arrives) -> None:
    await organizations_of(store).configure_smtp("codes", smtp_form(), actor=OPERATOR)
    page = await arrives(Someone("codes"), **NO_SCRIPT)
    await page.get_by_role("link", name="Enter the code").click()
    await field(page, "Code from the mail").fill("AAAAA-AAAAA")
    await page.get_by_role("button", name="Confirm that it arrived").click()
    await says(page, "Is not the code of a test mail")
    await expect(field(page, "Code from the mail")).to_have_value("AAAAA-AAAAA")
    await page.goto(page.url.replace("/verify", ""))
    await says(page, "Connected, not yet verified")


async def test_a_test_mails_link_is_gone_on_with_after_the_sign_in(
    new_page: NewPage, web: WebProcess, screenshot: Screenshot
) -> None:
    page = await new_page(locale="en-GB", java_script_enabled=False)
    await page.goto(f"{web.url}/settings/verify?code=ABCDE-12345")
    await says(page, "it signs you in, and the code is filled in.")
    await screenshot(page, "verify-signed-out")
    await page.goto(web.door(Someone("forms-link")))
    await expect(field(page, "Code from the mail")).to_have_value("ABCDE-12345")
    # Once, and not at every look at the settings.
    await page.goto(f"{web.url}/settings")
    assert page.url == f"{web.url}/settings"


async def test_a_viewer_sees_everything_and_can_press_nothing(store: Store, arrives: Arrives) -> None:
    await organizations_of(store).configure_smtp("looking", smtp_form(), actor=OPERATOR)
    page = await arrives(Someone("looking", name="Vic", role="viewer"), **NO_SCRIPT)
    base = page.url
    await says(page, "Mail of looking leaves through mail.acme.example as Acme <notifications@acme.example>.")
    for path in ("", "/smtp", "/verify", "/disconnect", "/domain", "/history"):
        await page.goto(base + path)
        buttons = [await one.inner_text() for one in await page.get_by_role("button").all()]
        assert buttons == ["Français", "Sign out"], path
        assert await page.locator("input:not([type=hidden])").count() == 0, path


async def test_the_language_can_be_changed_where_one_is(arrives: Arrives) -> None:
    page = await arrives(Someone("langues"), **NO_SCRIPT)
    await page.get_by_role("link", name="History").click()
    await page.get_by_role("button", name="Français").click()
    await expect(page.get_by_role("heading", level=1)).to_have_text("Historique des modifications")
    assert page.url.endswith("/settings/history")
    await page.get_by_role("button", name="English").click()
    await expect(page.get_by_role("heading", level=1)).to_have_text("History of changes")


async def test_an_address_cannot_make_a_page_say_something(arrives: Arrives) -> None:
    page = await arrives(Someone("notices"), **NO_SCRIPT)
    await page.goto(page.url + "?done=<b>You have won</b>")
    assert "You have won" not in await page.inner_text("body")


async def test_the_keyboard_is_enough(arrives: Arrives) -> None:
    """The first stop leads past the head of the page, and every stop can be seen."""
    page = await arrives(Someone("keys"))
    await page.goto(page.url + "/smtp")
    await page.keyboard.press("Tab")
    await expect(page.get_by_role("link", name="Skip to the content")).to_be_focused()
    await expect(page.get_by_role("link", name="Skip to the content")).to_be_in_viewport()
    await page.keyboard.press("Enter")
    await page.keyboard.press("Tab")
    await expect(page.get_by_role("link", name="Back to the settings")).to_be_focused()
    outline = await page.evaluate("getComputedStyle(document.activeElement).outlineWidth")
    assert outline == "3px"
