"""Accounts that die and are connected again: what waited leaves, none lost, none twice. All of it in a browser."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path

from playwright.async_api import Page

from deploy.local.providers.google import GoogleSandbox
from deploy.local.providers.microsoft import MicrosoftSandbox
from tests.browser.conftest import variables
from tests.browser.providers import agree_at_google, agree_at_microsoft, sandboxes
from tests.browser.servers import MailServers
from tests.browser.serving import Someone, WebProcess
from tests.browser.steps import field, save_and_test, says, stages
from tests.browser.test_pages import DESK
from tests.fixtures_browser import NewPage, Screenshot
from tests.fixtures_tls import TestCertificates
from tests.reading_mail import addresses
from tests.running import ConsumerProcess
from tests.running_broker import an_event, publish
from tests.waiting import eventually

ADDRESS = "notifications@contoso.example"
WITHIN = 60.0
"""Seconds from the re-connection until all that waited has left."""


@dataclass(frozen=True, slots=True)
class Side:
    """One provider, and the organisation whose account is there."""

    company: str
    path: str
    organization: str
    box: MicrosoftSandbox | GoogleSandbox

    def recipient(self, number: int) -> str:
        """Whom an event is for."""
        return f"e{number}@{self.organization}.recipient.example"

    def events(self, *numbers: int) -> list[dict[str, object]]:
        """Events of the organisation."""
        return [an_event(one, self.organization, recipient=self.recipient(one)) for one in numbers]

    def told(self) -> list[str]:
        """To whom the provider took notifications; the test mails of the settings pages go elsewhere."""
        everybody = [address for mail in self.box.mails for address in mail.recipients]
        return sorted(address for address in everybody if address.endswith(".recipient.example"))

    async def agree(self, page: Page, *, again: bool = False) -> None:
        """On the provider's page; when it is done again, the account is suggested."""
        if isinstance(self.box, MicrosoftSandbox):
            await agree_at_microsoft(page, ADDRESS)
        else:
            await agree_at_google(page, "" if again else ADDRESS)


async def test_a_revoked_account_is_connected_again_and_what_waited_leaves(
    vhost: str,
    tmp_path: Path,
    servers: MailServers,
    tls: TestCertificates,
    new_page: NewPage,
    screenshot: Screenshot,
) -> None:
    with sandboxes(tls) as boxes:
        settings = {**variables(tmp_path, servers, tls, vhost), **boxes.settings}
        with WebProcess(settings, tmp_path) as web, ConsumerProcess(settings, tmp_path) as consumer:
            consumer.start(ready=False)
            boxes.register(web.url)
            page = await new_page(locale="en-GB", viewport=DESK, ignore_https_errors=True, java_script_enabled=False)
            for side in (
                Side("Microsoft", "/settings/microsoft365", "at-microsoft", boxes.microsoft),
                Side("Google", "/settings/google", "at-google", boxes.google),
            ):
                await _through_death(side, page, web, consumer, vhost, screenshot)
            log = web.log.read_text() + consumer.text()
    assert "@" not in log


async def _through_death(
    side: Side, page: Page, web: WebProcess, consumer: ConsumerProcess, vhost: str, screenshot: Screenshot
) -> None:
    side.box.add_account(ADDRESS, "Notifications")
    await page.goto(web.door(Someone(side.organization)))
    await page.goto(web.url + side.path)
    await page.get_by_role("button", name=f"Connect with {side.company}").click()
    await side.agree(page)
    await field(page, "Sender alias").fill("Acme")
    await save_and_test(page)
    assert set((await stages(page)).values()) == {"passed"}

    consumer.await_ready()
    publish(vhost, side.events(1))
    await eventually(lambda: side.told() == [side.recipient(1)], 20, what="a notification arrives")
    assert addresses(side.box.mails[-1].content, "From") == [("Acme", ADDRESS)]

    side.box.revoke(ADDRESS)
    publish(vhost, side.events(*range(2, 7)))

    async def state() -> str:
        await page.goto(f"{web.url}/settings")
        return (await page.locator(".state .badge").inner_text()).replace("Connected, not yet verified", "")

    asked: Callable[[], Awaitable[str]] = state
    _: str = await eventually(asked, 20, what="the page says that the account needs attention")
    await says(page, f"{side.company} no longer accepts the connection")
    await screenshot(page, f"reconnect-{side.company.lower()}-attention")
    await page.get_by_role("link", name="Connect again").click()
    await page.get_by_role("button", name="Connect again").click()
    await side.agree(page, again=True)
    await says(page, "Connected again")
    everybody = [side.recipient(number) for number in range(1, 7)]
    await eventually(lambda: side.told() == everybody, WITHIN, what="what waited has left")
