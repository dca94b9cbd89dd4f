"""The demo's administrator: configures an organisation by *Save and test*, as the platform's own page could do.

Everything goes over HTTP to the real ``mailroom web``: the platform's hand-over token opens a session, the form is
sent, the test runs stage by stage, its mail arrives, and the code in it verifies the settings. Then a viewer opens the
page. What was seen is given back, and judged by others.
"""

import http.client
import json
import re
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import urlencode

from deploy.local.demo_commands import CommandFailed
from deploy.local.demo_parts import Organization
from deploy.local.demo_reading import read
from deploy.local.platform_page import Person, PlatformPage
from deploy.local.ports import LOOPBACK
from deploy.local.sandbox import HOST, MailServer
from deploy.local.sandbox_mail import Taken

STAGES: Final = ("address", "connect", "tls", "sign_in", "sender", "test_mail")
_PATIENCE = 30.0
_CODE = re.compile(r"/settings/verify\?code=([A-Za-z0-9%-]+)")


@dataclass(frozen=True, slots=True)
class Saved:
    """What was seen of one *Save and test*: its stages (name, passed, seconds), its mail, the status after each step.

    ``page`` is the settings page as a viewer then sees it.
    """

    organization: Organization
    administrator: Person
    state: str
    stages: tuple[tuple[str, bool, float], ...]
    connected: str
    verified: str
    mails: tuple[Taken, ...]
    page: str

    @property
    def happened(self) -> str:
        """The stages in a line."""
        return ", ".join(f"{name} {seconds:.2f} s" if ok else f"{name} failed" for name, ok, seconds in self.stages)


@dataclass(frozen=True, slots=True)
class Answer:
    """A reply of the settings page; a status of 0 means that there was none."""

    status: int
    headers: Mapping[str, str]
    text: str

    @property
    def json(self) -> Any:
        """The body as JSON."""
        return json.loads(self.text)


@dataclass(slots=True)
class SettingsPage:
    """The process of ``mailroom web`` and where it listens."""

    process: "subprocess.Popen[bytes]"
    port: int

    @property
    def url(self) -> str:
        """Where browsers reach it."""
        return f"http://{LOOPBACK}:{self.port}"

    def call(self, method: str, path: str, body: object = None, **headers: str) -> Answer:
        """One request; ``body`` is sent as JSON."""
        connection = http.client.HTTPConnection(LOOPBACK, self.port, timeout=20)
        content = None if body is None else json.dumps(body)
        kind = {} if content is None else {"Content-Type": "application/json"}
        try:
            connection.request(method, path, body=content, headers={**kind, **headers})
            reply = connection.getresponse()
            return Answer(reply.status, dict(reply.getheaders()), reply.read().decode("utf-8", "replace"))
        except (OSError, http.client.HTTPException):
            return Answer(0, {}, "")
        finally:
            connection.close()

    def await_ready(self, require_running: Callable[[], None]) -> None:
        """Waits until it takes requests.

        Raises:
            CommandFailed: it was not ready in time.
        """
        until = time.monotonic() + _PATIENCE
        while (answer := self.call("GET", "/readyz")).status != 200:
            require_running()
            if time.monotonic() > until:
                raise CommandFailed(f"`mailroom web` was not ready after {_PATIENCE:g} s: {answer.text or 'no answer'}")
            time.sleep(0.05)


def save_and_test(
    page: SettingsPage, platform: PlatformPage, one: Organization, server: MailServer, taken: Sequence[Taken]
) -> Saved:
    """Configures ``one`` to send by ``server``; ``taken`` are all mails that have arrived, and grows.

    Raises:
        CommandFailed: the settings page answered otherwise than it should; the text has its answer.
    """
    person = platform.people[one.id]
    bearer = session_of(page, platform, one)
    form = {
        "host": HOST,
        "port": server.port,
        "security": one.security,
        "username": one.username,
        "password": server.account.password,
        "sender_address": one.address,
        "sender_alias": one.alias,
    }
    started = page.call("POST", "/api/v1/tests", form, **bearer)
    expected(started, 202)
    where = next((value for name, value in started.headers.items() if name.lower() == "location"), "")
    ended = await_ended(page, where, bearer)
    connected = expected(page.call("GET", "/api/v1/settings", **bearer), 200)["status"]
    mails = tuple(mail for mail in taken if mail.envelope.recipients == (person.email,))
    for code in codes_of(mails):
        expected(page.call("POST", "/api/v1/verification", {"code": code}, **bearer), 200)
    return Saved(
        organization=one,
        administrator=person,
        state=ended["state"],
        stages=tuple((stage["name"], stage["ok"], stage["seconds"]) for stage in ended["stages"]),
        connected=connected,
        verified=expected(page.call("GET", "/api/v1/settings", **bearer), 200)["status"],
        mails=mails,
        page=seen_by_a_viewer(page, platform, one),
    )


def session_of(page: SettingsPage, platform: PlatformPage, one: Organization) -> Mapping[str, str]:
    """The header by which the administrator of ``one`` uses the API."""
    session = expected(page.call("POST", "/api/v1/sessions", {"token": platform.token(one.id)}), 200, 201)
    return {"Authorization": f"Bearer {session['access_token']}"}


def await_ended(page: SettingsPage, where: str, bearer: Mapping[str, str]) -> Any:
    """The test at that address of the API, when it has ended.

    Raises:
        CommandFailed: it does not end.
    """
    until = time.monotonic() + _PATIENCE
    while (test := expected(page.call("GET", where, **bearer), 200))["state"] == "running":
        if time.monotonic() > until:
            raise CommandFailed(f"the test of the settings did not end within {_PATIENCE:g} s")
        time.sleep(0.02)
    return test


def codes_of(mails: Sequence[Taken]) -> Iterator[str]:
    """The codes in the links of test mails."""
    for mail in mails:
        found = _CODE.search(read(mail.envelope.content).text or "")
        if found is not None:
            yield found[1]


def seen_by_a_viewer(page: SettingsPage, platform: PlatformPage, one: Organization) -> str:
    """What a browser shows: the hand-over sets a cookie and leads on, the page needs it."""
    query = urlencode({"token": platform.token(one.id, "viewer")})
    opened = page.call("GET", f"/handover?{query}")
    cookie = next((value for name, value in opened.headers.items() if name.lower() == "set-cookie"), "")
    return page.call("GET", "/settings", Cookie=cookie.partition(";")[0]).text if opened.status == 303 else ""


def expected(answer: Answer, *statuses: int) -> Any:
    """The body of an answer with one of these statuses.

    Raises:
        CommandFailed: it has another; the text has the answer.
    """
    if answer.status not in statuses:
        raise CommandFailed(f"the settings page answered with {answer.status}:\n{answer.text[:1000]}")
    return answer.json
