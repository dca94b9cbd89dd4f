"""The main path, from the platform's link to the first notification that leaves by the organisation's own server.

All of it without JavaScript, with the real processes: ``mailroom web``, ``mailroom run``, a broker, a TLS server.
"""

from pathlib import Path

from playwright.async_api import expect

from tests.browser.conftest import Arrives, variables
from tests.browser.servers import USER, MailServers
from tests.browser.serving import Someone, WebProcess
from tests.browser.steps import ALIAS, SENDER, field, fill, link_in, mail_text, save_and_test, says, settings_of, stages
from tests.fixtures_browser import NewPage, Screenshot
from tests.fixtures_tls import TestCertificates
from tests.reading_mail import addresses
from tests.running import ConsumerProcess
from tests.running_broker import an_event, publish
from tests.waiting import eventually

STAGES = [
    "Address of the server",
    "Connection",
    "Encryption and certificate",
    "Sign-in",
    "Sender accepted",
    "Test mail handed off",
]
ADA = Someone("acme")


async def test_from_the_platforms_link_to_the_first_notification(
    vhost: str,
    tmp_path: Path,
    servers: MailServers,
    tls: TestCertificates,
    new_page: NewPage,
    screenshot: Screenshot,
) -> None:
    settings = variables(tmp_path, servers, tls, vhost)
    before = len(servers.good.mails)
    with WebProcess(settings, tmp_path) as web, ConsumerProcess(settings, tmp_path) as consumer:
        consumer.start(ready=False)
        page = await new_page(java_script_enabled=False, locale="en-GB", viewport={"width": 1280, "height": 800})

        await page.goto(web.door(ADA))
        assert "token" not in page.url
        await says(page, "Mail of acme leaves from the platform’s address, Platform <no-reply@platform.example>.")
        await says(page, "Not configured")
        await page.get_by_role("listitem").filter(has_text="Custom SMTP").get_by_role("link", name="Set up").click()
        await expect(field(page, "Port")).to_have_value("25")
        await fill(page, settings_of(servers.good))
        await save_and_test(page)

        assert await stages(page) == dict.fromkeys(STAGES, "passed")
        await says(page, "TLSv1.3")
        await says(page, "The settings are in use from now on.")
        await screenshot(page, "journey-test-passed")
        mail = servers.good.mails[before]
        assert mail.recipients == (ADA.email,)
        assert (mail.sender, mail.signed_in, mail.secure) == (SENDER, True, True)
        assert addresses(mail.content, "From") == [(ALIAS, SENDER)]
        assert "localhost" in mail_text(mail.content)
        await page.get_by_role("link", name="To the settings", exact=True).click()
        await says(page, f"Mail of acme leaves through localhost as {ALIAS} <{SENDER}>.")
        await says(page, "Connected, not yet verified")

        # The link only fills the code in: a scanner of mails that opens it confirms nothing.
        await page.goto(web.url + link_in(mail.content))
        await page.goto(web.url + "/settings")
        await says(page, "Connected, not yet verified")
        await page.goto(web.url + link_in(mail.content))
        await page.get_by_role("button", name="Confirm that it arrived").click()
        await says(page, "Confirmed: the test mail arrived")
        await expect(page.locator(".state .badge")).to_have_text("Verified")
        await screenshot(page, "journey-verified")

        consumer.await_ready()
        publish(vhost, [an_event(1, "acme", recipient="jo@example.org")])
        await eventually(lambda: len(servers.good.mails) == before + 2, 15, what="the notification arrives")
        notification = servers.good.mails[before + 1]
        assert notification.recipients == ("jo@example.org",)
        assert notification.sender == SENDER
        assert addresses(notification.content, "From") == [(ALIAS, SENDER)]
        assert servers.good.signed_in.count(USER) >= 2

        await page.get_by_role("button", name="Sign out").click()
        await says(page, "You are signed out")
        response = await page.goto(web.url + "/settings")
        assert response is not None
        assert response.status == 401
    assert ADA.email not in web.log.read_text()
    assert "the password of the tests" not in web.log.read_text() + consumer.text()


async def test_tls_from_the_first_byte(servers: MailServers, arrives: Arrives) -> None:
    page = await arrives(Someone("implicit"), java_script_enabled=False)
    await page.goto(page.url.replace("/settings", "/settings/smtp"))
    await fill(page, settings_of(servers.implicit), security="TLS")
    await save_and_test(page)
    assert await stages(page) == dict.fromkeys(STAGES, "passed")
