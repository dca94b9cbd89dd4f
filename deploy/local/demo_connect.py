"""The demo's administrator at Microsoft and Google: connects an account by clicking through the pages of both sides.

Every page is opened over HTTP as a browser would, from the platform's link to the confirmation of the test mail: the
provider's page in *Settings*, its consent page, the way back, the sender, *Save and test*, the link in the mail.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

from deploy.local.demo_browser import Browser, Page, Stuck, browser, words
from deploy.local.demo_commands import CommandFailed
from deploy.local.demo_parts import Organization
from deploy.local.demo_settings import (
    Saved,
    SettingsPage,
    await_ended,
    codes_of,
    expected,
    seen_by_a_viewer,
    session_of,
)
from deploy.local.platform_page import PlatformPage
from deploy.local.sandbox_mail import Taken

PATHS: Final = {"microsoft": "/settings/microsoft365", "google": "/settings/google"}


class Administrator:
    """The administrator of ``one`` with a browser of their own. ``ca_file``: who vouches for the providers.

    Everything raises ``CommandFailed`` when a page is not what it should be; the text has what it shows.
    """

    def __init__(self, page: SettingsPage, platform: PlatformPage, one: Organization, ca_file: Path) -> None:
        self._page, self._platform, self._one, self._ca_file = page, platform, one, ca_file
        self._path = PATHS[one.provider]

    def connect_and_test(self, taken: Sequence[Taken]) -> Saved:
        """Connects the account, enters the sender, tests and verifies it; ``taken`` are all mails, and grows."""
        one, person = self._one, self._platform.people[self._one.id]
        bearer = session_of(self._page, self._platform, one)
        try:
            with browser(self._ca_file) as window:
                sender = self._connected(window)
                entered: dict[str, str | list[str]] = {"sender_address": one.address, "sender_alias": one.alias}
                tested = window.send(_at(sender, f"{self._path}/sender"), f"{self._path}/sender", entered)
                number = _at(tested, "/settings/tests/").url.rpartition("/")[2]
                ended = await_ended(self._page, f"/api/v1/tests/{number}", bearer)
                connected = self._status(bearer)
                mails = tuple(mail for mail in taken if mail.envelope.recipients == (person.email,))
                for code in codes_of(mails):
                    question = window.open(f"{self._page.url}/settings/verify?code={code}")
                    _at(window.send(question, "/settings/verify"), "/settings?done=verified")
        except Stuck as error:
            raise CommandFailed(f"{one.id} could not be connected: {error}") from error
        return Saved(
            organization=one,
            administrator=person,
            state=ended["state"],
            stages=tuple((stage["name"], stage["ok"], stage["seconds"]) for stage in ended["stages"]),
            connected=connected,
            verified=self._status(bearer),
            mails=mails,
            page=seen_by_a_viewer(self._page, self._platform, one),
        )

    def connect_again(self) -> str:
        """Connects the same account once more, as the page advises; what the settings page then says."""
        try:
            with browser(self._ca_file) as window:
                return words(_at(self._connected(window, again=True), "/settings?done=reconnected").text)
        except Stuck as error:
            raise CommandFailed(f"{self._one.id} could not be connected again: {error}") from error

    def status(self) -> str:
        """How the settings stand, by the API."""
        return self._status(session_of(self._page, self._platform, self._one))

    def _status(self, bearer: Mapping[str, str]) -> str:
        return str(expected(self._page.call("GET", "/api/v1/settings", **bearer), 200)["status"])

    def _connected(self, window: Browser, *, again: bool = False) -> Page:
        """Where the browser is after the consent; the first form of the page says which account is meant."""
        window.open(self._platform.target(self._one.id, "admin"))
        offer = _at(window.open(f"{self._page.url}{self._path}"), self._path)
        if again and "account" not in offer.forms[_index(offer, f"{self._path}/connect")].fields:
            raise Stuck(f"{offer.url} does not offer to connect the same account again")
        consent = window.send(offer, f"{self._path}/connect")
        return (
            self._agreed_at_google(window, consent) if self._one.provider == "google" else self._agreed(window, consent)
        )

    def _agreed(self, window: Browser, page: Page) -> Page:
        return window.send(page, "/consent", {"account": self._one.username, "choice": "accept"})

    def _agreed_at_google(self, window: Browser, page: Page) -> Page:
        if page.form("/signin/oauth/account") is not None:
            page = window.send(page, "/signin/oauth/account", {"account": self._one.username})
        return window.send(page, "/signin/oauth/consent", {"decision": "allow"})


def _index(page: Page, action: str) -> int:
    return next((number for number, form in enumerate(page.forms) if form.action.endswith(action)), 0)


def _at(page: Page, where: str) -> Page:
    """The page, if its address has ``where`` in it and it is no error.

    Raises:
        Stuck: it is another.
    """
    if where not in page.url or page.status >= 400:
        raise Stuck(f"expected …{where}, came to {page.url.partition('?')[0]} ({page.status}):\n{words(page.text)}")
    return page
