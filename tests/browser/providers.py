"""The sandboxes of Microsoft and Google for the settings pages, and what a person does on their pages."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass

from playwright.async_api import CDPSession, Page

from deploy.local.providers.google import GoogleSandbox
from deploy.local.providers.microsoft import MicrosoftSandbox
from tests.fixtures_tls import TestCertificates

CALLBACKS = ("/oauth/microsoft/callback", "/oauth/microsoft/admin-consent", "/oauth/google/callback")


@dataclass(frozen=True, slots=True)
class Sandboxes:
    """Both providers, with TLS that the processes trust."""

    microsoft: MicrosoftSandbox
    google: GoogleSandbox

    @property
    def settings(self) -> Mapping[str, str]:
        """What ``mailroom`` is told."""
        return {**self.microsoft.settings, **self.google.settings}

    def register(self, url: str) -> None:
        """Makes the pages at ``url`` known as those that people may come back to."""
        for box in (self.microsoft, self.google):
            box.redirect_uris.update(f"{url}{path}" for path in CALLBACKS)


@contextmanager
def sandboxes(tls: TestCertificates) -> Iterator[Sandboxes]:
    """Both, until the end."""
    context = tls.server.server_context()
    with (
        MicrosoftSandbox(tls=context, ca_file=tls.ca_file) as microsoft,
        GoogleSandbox(tls=context, ca_file=tls.ca_file) as google,
    ):
        yield Sandboxes(microsoft, google)


async def agree_at_microsoft(page: Page, address: str) -> None:
    """Picks the account and accepts."""
    await page.get_by_role("radio", name=address).check()
    await page.get_by_role("button", name="Accept").click()


async def agree_at_google(page: Page, address: str = "", *, ticked_off: str = "") -> None:
    """Picks the account if it was not suggested, and agrees to what is asked for, except for one permission."""
    if address:
        await page.get_by_role("radio", name=address).check()
        await page.get_by_role("button", name="Next").click()
    if ticked_off:
        await page.locator(f'input[type=checkbox][value$="{ticked_off}"]').uncheck()
    await page.get_by_role("button", name="Continue").click()


async def history_of(page: Page) -> list[str]:
    """The addresses that the browser keeps of a page's past."""
    session: CDPSession = await page.context.new_cdp_session(page)
    found = await session.send("Page.getNavigationHistory")
    await session.detach()
    return [entry["url"] for entry in found["entries"]]
