"""The JSON API about connected accounts: what is told of them, their test, and the way back."""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from config.actors import OPERATOR
from config.choices import TransportSettings
from config.oauth.values import Method, Provider, Way
from config.provider_form import ProviderForm
from config.testing import candidate_grant, provider_form
from config.web.services import Services
from tests.settings_site import Site, settings_site
from transports.errors import Code
from transports.gmail.settings import GmailSettings
from transports.protocol import Transport
from transports.testing import RecordingTransport

ADDRESS = "ada@acme.example"


class Made:
    """Makes recording transports and notes what of."""

    def __init__(self) -> None:
        self.settings: list[TransportSettings] = []

    def __call__(self, settings: TransportSettings) -> Transport:
        self.settings.append(settings)
        return RecordingTransport("gmail")


@pytest.fixture
def made() -> Made:
    return Made()


@pytest.fixture
async def site(tmp_path: Path, made: Made) -> AsyncIterator[Site]:
    async with settings_site(tmp_path, make_transport=made) as opened:
        yield opened


async def connect(services: Services, provider: Provider = Provider.GOOGLE, way: Way = Way.API) -> ProviderForm:
    """An account in use."""
    grant = await candidate_grant(services.grants, "acme", provider, way=way, email=ADDRESS)
    form = provider_form(grant)
    await services.organizations.configure_provider("acme", form)
    return form


@pytest.fixture
async def ask(site: Site) -> Any:
    visitor = await site.visitor()

    async def asked(method: str, path: str, **options: Any) -> Any:
        answer = await site.client.request(method, f"/api/v1{path}", headers=visitor.bearer, **options)
        assert answer.status_code < 300, answer.text
        return answer.json()

    return asked


@pytest.mark.parametrize(("provider", "kind"), [(Provider.MICROSOFT, "microsoft365"), (Provider.GOOGLE, "gmail")])
@pytest.mark.parametrize("way", Way)
async def test_an_account_in_use_is_told_with_how_it_was_connected_and_without_any_token(
    site: Site, ask: Any, provider: Provider, kind: str, way: Way
) -> None:
    await connect(site.services, provider, way)
    settings = await ask("GET", "/settings")
    transport = settings["transport"]
    assert (settings["status"], transport["kind"], transport["smtp"]) == ("connected", kind, None)
    account = {"email": ADDRESS, "name": "Ada Lovelace", "method": Method.PERSON.value, "way": way.value}
    assert transport["account"] == account
    assert "refresh 1" not in str(settings)
    assert "access 1" not in str(settings)


async def test_an_account_that_needs_attention_says_what_to_do(site: Site, ask: Any) -> None:
    await connect(site.services)
    summary = await site.services.organizations.describe("acme")
    assert summary is not None
    await site.services.organizations.suspend("acme", summary.version, Code.RECONNECTION_NEEDED, None)
    attention = (await ask("GET", "/settings"))["attention"]
    assert attention["code"] == "reconnection_needed"
    assert "Google" in attention["meaning"]
    assert "Connect again" in attention["next_step"]


async def test_the_account_in_use_is_tested_and_a_passed_test_lifts_what_kept_its_mail(
    site: Site, ask: Any, made: Made
) -> None:
    form = await connect(site.services)
    summary = await site.services.organizations.describe("acme")
    assert summary is not None
    await site.services.organizations.suspend("acme", summary.version, Code.MAILBOX_UNAVAILABLE, None)
    trial = await ask("POST", "/tests")
    assert (trial["kind"], trial["subject"], trial["sender"]) == ("gmail", "active", form.sender_address)
    async for _ in site.services.trials.follow("acme", trial["id"]):
        pass
    assert (await ask("GET", f"/tests/{trial['id']}"))["state"] == "passed"
    assert made.settings == [GmailSettings(form.grant_id, ADDRESS)]
    assert (await ask("GET", "/settings"))["status"] == "connected"


async def test_a_sender_that_was_saved_for_an_account_is_a_draft_of_its_kind(site: Site, ask: Any) -> None:
    services = site.services
    grant = await candidate_grant(services.grants, "acme", Provider.MICROSOFT, email=ADDRESS)
    kind = (await services.organizations.provider_candidate("acme", provider_form(grant))).kind
    await services.drafts.save_provider("acme", provider_form(grant, sender_alias="Soon"), kind, OPERATOR)
    draft = (await ask("GET", "/settings"))["draft"]
    assert (draft["kind"], draft["sender"]["alias"]) == ("microsoft365", "Soon")
    assert draft.keys() == {"kind", "sender", "saved_at", "saved_by"}


async def test_a_disconnected_account_is_forgotten_and_taken_back_at_its_provider(site: Site, ask: Any) -> None:
    form = await connect(site.services)
    settings = await ask("POST", "/disconnection", json={"confirm": "acme"})
    assert (settings["status"], settings["transport"]) == ("not_configured", None)
    grant = await site.services.grants.of(form.grant_id)
    assert grant is None or grant.identity.email == ""
