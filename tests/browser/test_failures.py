"""What an administrator sees when something is wrong: the failed stage, what it means, and that nothing changed."""

from collections.abc import Callable
from dataclasses import dataclass

import pytest

from config.advice import advise
from config.languages import texts
from tests.browser.conftest import Arrives
from tests.browser.servers import MailServers
from tests.browser.serving import Someone
from tests.browser.steps import ended, field, fill, save_and_test, says, settings_of, stages
from tests.fakes.smtpd import FakeSmtpd
from tests.fixtures_browser import Screenshot
from transports.errors import Code


@dataclass(frozen=True, slots=True)
class Wrong:
    """One mistake: the server it is made with, and what the page must say."""

    name: str
    server: Callable[[MailServers], FakeSmtpd | int]
    stage: str
    code: Code
    security: str = "STARTTLS"
    password: str = ""
    words: str = ""


WRONG = [
    Wrong(
        "password", lambda those: those.good, "Sign-in", Code.SIGN_IN_REFUSED, password="not this one", words="password"
    ),
    Wrong("port", lambda those: those.closed, "Connection", Code.CONNECT_FAILED, words="port"),
    Wrong(
        "expired", lambda those: those.expired, "Encryption and certificate", Code.CERTIFICATE_EXPIRED, words="expired"
    ),
    Wrong(
        "self-signed",
        lambda those: those.self_signed,
        "Encryption and certificate",
        Code.CERTIFICATE_SELF_SIGNED,
        words="signed it themselves",
    ),
    Wrong(
        "name",
        lambda those: those.wrong_name,
        "Encryption and certificate",
        Code.CERTIFICATE_NAME_MISMATCH,
        words="name",
    ),
    Wrong("no-tls", lambda those: those.plain, "Encryption and certificate", Code.TLS_NOT_OFFERED, words="TLS"),
    Wrong("sender", lambda those: those.strict, "Sender accepted", Code.SENDER_REFUSED, words="sender"),
]


@pytest.mark.parametrize("wrong", WRONG, ids=lambda one: one.name)
async def test_the_right_stage_fails_with_the_right_advice(
    wrong: Wrong, servers: MailServers, arrives: Arrives, screenshot: Screenshot
) -> None:
    page = await arrives(Someone(f"wrong-{wrong.name}"), java_script_enabled=False)
    await page.goto(page.url.replace("/settings", "/settings/smtp"))
    changes = {"Password": wrong.password} if wrong.password else {}
    await fill(page, settings_of(wrong.server(servers), **changes), security=wrong.security)
    await save_and_test(page)
    await screenshot(page, f"failure-{wrong.name}")

    outcomes = await stages(page)
    assert list(outcomes.items())[-1] == (wrong.stage, "failed")
    assert set(list(outcomes.values())[:-1]) <= {"passed"}
    failed = page.locator(".stage.failed")
    told = await failed.locator(".explained").inner_text()
    assert wrong.code in told
    assert "What to do:" in told
    assert wrong.words in told
    assert advise(wrong.code, host="localhost").meaning in told or wrong.code in (
        Code.SENDER_REFUSED,
        Code.TLS_NOT_OFFERED,
    )
    await says(page, "Nothing has changed: mail leaves as before. What you entered is kept as a draft.")

    # Back in the form everything is still there, except the password.
    await page.get_by_role("link", name="Correct the settings").click()
    assert await field(page, "Sender alias").input_value() == settings_of(servers.good)["Sender alias"]
    assert await field(page, "Password").input_value() == ""
    await page.get_by_role("link", name="Back to the settings").click()
    await says(page, "A draft is waiting, not in use")
    await says(page, "Not configured")
    assert "not this one" not in await page.content()


async def test_advice_is_given_in_the_readers_language(servers: MailServers, arrives: Arrives) -> None:
    page = await arrives(Someone("mauvais"), java_script_enabled=False, locale="fr-FR")
    await page.goto(page.url.replace("/settings", "/settings/smtp"))
    french = texts("fr")
    values = {french.gettext(label): text for label, text in settings_of(servers.expired).items()}
    await fill(page, values)
    await page.get_by_role("button", name="Enregistrer et tester").click()
    await ended(page)
    told = await page.locator(".stage.failed .explained").inner_text()
    advice = advise(Code.CERTIFICATE_EXPIRED)
    assert french.gettext(advice.meaning) in told
    assert french.gettext(advice.next_step) in told
    assert advice.meaning not in told
