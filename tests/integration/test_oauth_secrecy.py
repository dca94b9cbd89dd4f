"""No token, code or secret gets into a log, not even at debug, nor into an exception: both clients, all they do."""

import io
import logging
import re
import sys
import threading
import traceback
import warnings
from collections.abc import Awaitable, Callable, Coroutine, Iterator
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import pytest

from config import logs
from config.oauth.google import GoogleClient, GoogleProvider, GoogleUrls
from config.oauth.microsoft import MicrosoftProvider
from config.oauth.microsoft_app import EntraApp
from config.oauth.provider import ConsentRefused, OAuthProvider
from config.oauth.values import AppCredentials, TokenSet, Way
from config.secrets import Secret
from deploy.local.providers.base_values import Fault
from deploy.local.providers.google import GoogleSandbox
from deploy.local.providers.microsoft import MicrosoftSandbox
from tests.consent_pages import decide
from tests.fixtures_tls import TestCertificates
from transports.errors import DeliveryError

BACK = "https://mail.example.org/oauth/callback"
WHO = "ada@hooli.example"
APP = "0b1c2d3e-0000-4000-8000-000000000001"


class Trouble:
    """Collects what was logged and raised, and looks for secrets in it."""

    def __init__(self) -> None:
        self.stream = io.StringIO()
        self.raised: list[str] = []
        self.secrets: list[str] = []

    async def of(self, work: Coroutine[Any, Any, Any]) -> Any:
        """The result of the work, or nothing if it failed."""
        try:
            found = await work
        except (DeliveryError, ConsentRefused) as error:
            self.raised += [*traceback.format_exception(error), repr(error)]
            return None
        if isinstance(found, TokenSet):
            self.secrets += [found.access_token.reveal(), found.refresh_token.reveal() if found.refresh_token else ""]
            self.raised.append(repr(found))
        return found

    def check(self) -> None:
        """Nothing was told."""
        text = self.stream.getvalue() + "".join(self.raised)
        known = [secret for secret in self.secrets if secret]
        assert len(known) > 5
        assert "library message" in self.stream.getvalue()
        assert [secret for secret in known if secret in text] == []
        assert WHO not in self.stream.getvalue()


@pytest.fixture
def trouble() -> Iterator[Trouble]:
    """Logging as in a process at debug, on a stream of its own."""
    root = logging.getLogger()
    kept = (list(root.handlers), root.level, warnings.showwarning, sys.excepthook, sys.unraisablehook)
    thread_hook, raising = threading.excepthook, logging.raiseExceptions
    found = Trouble()
    logs.configure("debug", "json", stream=found.stream)
    yield found
    logs.configure()
    root.handlers[:], root.level = kept[0], kept[1]
    _, _, warnings.showwarning, sys.excepthook, sys.unraisablehook = kept
    threading.excepthook, logging.raiseExceptions = thread_hook, raising


async def play(
    trouble: Trouble,
    client: OAuthProvider,
    consent: Callable[[str], Awaitable[dict[str, str]]],
    app: AppCredentials,
    fault: Callable[[Fault], None],
) -> None:
    """A consent, refreshes, an app's token, and each of them refused in every way."""
    begun = await client.begin(Way.API, BACK)
    back = await consent(begun.url)
    verifier = re.search(r'"code_verifier": "([^"]+)"', begun.flow.reveal())
    assert verifier is not None
    trouble.secrets += [begun.state, verifier.group(1), back["code"], app.secret.reveal()]
    await trouble.of(client.finish(Way.API, begun.flow, {**back, "state": "forged"}))
    tokens = await trouble.of(client.finish(Way.API, begun.flow, back))
    await trouble.of(client.finish(Way.API, begun.flow, back))
    tokens = await trouble.of(client.refresh(Way.API, tokens.refresh_token)) or tokens
    refresh = tokens.refresh_token or Secret("gone")
    await trouble.of(client.app_token(Way.API, app))
    echo = f'{{"error":"invalid_grant","error_description":"{refresh.reveal()} {WHO}","suberror":"{WHO}"}}'
    for one in (
        Fault.status(400, echo),
        Fault.status(200, echo),
        Fault.status(200, f'{{"access_token":{{"odd":"{refresh.reveal()}"}}}}'),
        Fault.status(503, echo),
        Fault.status(200, refresh.reveal()),
        Fault.cut_before(),
        Fault.accept_and_cut(),
    ):
        fault(one)
        await trouble.of(client.refresh(Way.API, refresh))
        fault(one)
        await trouble.of(client.app_token(Way.API, app))
    await trouble.of(client.revoke(refresh))
    await client.aclose()


async def test_nothing_of_google_is_told(trouble: Trouble, tls: TestCertificates) -> None:
    with GoogleSandbox(tls=tls.server.server_context(), ca_file=tls.ca_file) as box:
        box.redirect_uris.add(BACK)
        box.add_account(WHO, "Ada")
        _, key = box.add_service_account()
        client = GoogleProvider(
            GoogleClient(box.client_id, Secret(box.client_secret)),
            tls=tls.client_context(),
            urls=GoogleUrls(box.auth_url, box.token_url, f"{box.url}/revoke"),
        )
        trouble.secrets.append(box.client_secret)
        app = AppCredentials("1", "customer", WHO, Secret(key))

        async def consent(url: str) -> dict[str, str]:
            return dict(parse_qsl(urlsplit(box.consent(url, WHO)).query))

        await play(trouble, client, consent, app, lambda one: box.fault("token", one))
    trouble.check()


async def test_nothing_of_microsoft_is_told(trouble: Trouble, tls: TestCertificates) -> None:
    with MicrosoftSandbox(tls=tls.server.server_context(), ca_file=tls.ca_file) as box:
        box.redirect_uris.add(BACK)
        box.add_account(WHO, "Ada")
        box.add_app("hooli.example", APP, "own-s3cret")
        client = MicrosoftProvider(
            EntraApp(box.client_id, Secret(box.client_secret)),
            authority=box.authority,
            graph_url=box.url,
            tls=tls.client_context(),
        )
        trouble.secrets.append(box.client_secret)
        app = AppCredentials(APP, "hooli.example", WHO, Secret("own-s3cret"))
        await play(trouble, client, lambda url: decide(box, url, WHO), app, lambda one: box.fault("token", one))
    trouble.check()
