"""What a person does on the pages, in their words; by labels and roles, as assistive technology finds things."""

import re
from collections.abc import Mapping
from urllib.parse import urlsplit

from playwright.async_api import Locator, Page, expect

from tests.browser.servers import PASSWORD, USER
from tests.fakes.smtpd import FakeSmtpd
from tests.fixtures_browser import PATIENCE
from tests.reading_mail import parse, text_of

SENDER, ALIAS = "notifications@acme.example", "Acme Notifications"


def settings_of(server: FakeSmtpd | int, **changes: str) -> dict[str, str]:
    """What to type for a server: label to text."""
    port = server if isinstance(server, int) else server.port
    return {
        "Host name": "localhost",
        "Port": str(port),
        "User name": USER,
        "Password": PASSWORD,
        "Sender e-mail": SENDER,
        "Sender alias": ALIAS,
        **changes,
    }


def field(page: Page, label: str) -> Locator:
    """The field with this label; a remark in brackets may follow."""
    return page.get_by_label(re.compile(rf"^{re.escape(label)}(\s+\(.*\))?$"))


async def fill(page: Page, values: Mapping[str, str], *, security: str = "STARTTLS") -> None:
    """Types into the form that is open."""
    for label, value in values.items():
        await field(page, label).fill(value)
    await page.get_by_role("radio", name=re.compile(f"^{security}\\b")).check()


async def save_and_test(page: Page) -> None:
    """Presses the button and waits until the page, which grows meanwhile, has ended."""
    await page.get_by_role("button", name="Save and test").click()
    await ended(page)


async def ended(page: Page) -> None:
    """Waits for what stands at the end of such a page, or for the form if it came back."""
    await expect(page.locator(".result, .summary, .notice").first).to_be_visible(timeout=PATIENCE * 1000)


async def stages(page: Page) -> dict[str, str]:
    """Stage to outcome, as the page shows them once it has ended: nothing is under way any more."""
    await expect(page.locator(".stage.running").filter(visible=True)).to_have_count(0)
    found = {}
    for line in await page.locator(".stage:not(.running)").all():
        found[await line.get_by_role("heading").inner_text()] = await line.locator(".outcome").inner_text()
    return found


async def says(page: Page, text: str) -> None:
    """The page has this text, visible."""
    await expect(page.get_by_text(text).first).to_be_visible()


def mail_text(content: bytes) -> str:
    """The plain text of a mail."""
    body = parse(content).get_body(("plain",))
    assert body is not None
    return text_of(body)


def link_in(content: bytes) -> str:
    """The confirmation link of a test mail, as a path with query."""
    found = re.search(r"https?://\S+/settings/verify\?code=\S+", mail_text(content))
    assert found is not None, mail_text(content)
    address = urlsplit(found[0])
    return f"{address.path}?{address.query}"
