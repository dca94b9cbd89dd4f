"""Connecting an account by its pages: to the provider and back, what comes of it, and that it is nobody else's."""

import asyncio
import re
from collections.abc import AsyncIterator
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

from config.choices import Status
from config.errors import StoreUnavailable
from config.grants import Grant
from config.history import Action
from config.oauth.flows import Flow, Flows
from config.oauth.provider import ConsentRefused
from config.oauth.values import Identity, Provider, Way
from config.secrets import SecretBox
from config.testing import KEY
from config.web.offers import GOOGLE, MICROSOFT, OFFERS, Offer
from config.web.reports import Reports
from tests.consenting import ScriptedProvider
from tests.integration.connect_site import (
    SENDER,
    come_back,
    connect,
    ended,
    get,
    hidden,
    leading_to,
    leave,
    post,
    put_to_use,
)
from tests.settings_site import URL, Clock, Site, Visitor, settings_site
from tests.waiting import eventually
from transports.errors import Code, PlatformProblem, Temporary

OTHER = Identity("subject-2", "tenant-1", "ada@acme.example", "Ada Lovelace")


@pytest.fixture
async def site(tmp_path: Path) -> AsyncIterator[Site]:
    async with settings_site(tmp_path, clock=Clock(step=1.0)) as opened:
        yield opened


@pytest.fixture
async def ada(site: Site) -> Visitor:
    return await site.visitor()


async def candidate(site: Site) -> Grant | None:
    return await site.services.grants.candidate("acme")


def revoked(provider: ScriptedProvider) -> bool:
    return provider.revoked == ["mark-of-a-secret refresh 1"]


@pytest.mark.parametrize("offer", OFFERS, ids=lambda one: one.name)
async def test_there_and_back_the_account_waits_for_its_sender(site: Site, ada: Visitor, offer: Offer) -> None:
    assert await connect(site, ada, offer, way="smtp") == offer.sender
    assert site.providers[offer.provider].begun == [(Way.SMTP, f"{URL}{offer.callback}", "", True)]
    found = await candidate(site)
    assert found is not None
    assert (found.provider, found.way, found.identity.email) == (
        offer.provider,
        Way.SMTP,
        "notifications@acme.example",
    )
    assert await site.services.organizations.describe("acme") is None
    page = await get(site, ada, offer.sender)
    for told in ("notifications@acme.example", "Acme Notifications", "tenant-1"):
        assert told in page.text
    assert 'id="sender_address" name="sender_address" type="email" value="notifications@acme.example"' in page.text


@pytest.mark.parametrize("offer", OFFERS, ids=lambda one: one.name)
async def test_what_comes_back_stands_in_no_header_page_or_address(site: Site, ada: Visitor, offer: Offer) -> None:
    answer = await come_back(site, ada, offer, await leave(site, ada, offer), code="the-code-itself")
    assert answer.headers["referrer-policy"] == "no-referrer"
    assert answer.headers["cache-control"] == "no-store"
    assert "the-code-itself" not in f"{answer.headers}{answer.text}"
    assert "?" not in answer.headers["location"]


async def test_a_state_counts_once(site: Site, ada: Visitor) -> None:
    state = await leave(site, ada, MICROSOFT)
    assert (await come_back(site, ada, MICROSOFT, state)).headers["location"] == MICROSOFT.sender
    again = await come_back(site, ada, MICROSOFT, state)
    assert "refused=expired" in again.headers["location"]
    assert len(site.providers[Provider.MICROSOFT].finished) == 1


async def test_a_state_counts_for_ten_minutes(site: Site, ada: Visitor) -> None:
    state = await leave(site, ada, GOOGLE)
    site.clock.pass_(600)
    assert "refused=expired" in (await come_back(site, ada, GOOGLE, state)).headers["location"]
    assert site.providers[Provider.GOOGLE].finished == []


async def test_nobody_else_finishes_what_somebody_began(site: Site, ada: Visitor) -> None:
    """Not a stranger, a viewer, another session of the same person, another organisation, nor at another provider."""
    for who, place in (
        (None, "/connection-ended"),
        (await site.visitor(role="viewer"), f"{MICROSOFT.path}?refused=not_allowed"),
        (await site.visitor(), f"{MICROSOFT.path}?refused=expired&way=api"),
        (await site.visitor("other"), f"{MICROSOFT.path}?refused=expired&way=api"),
    ):
        state = await leave(site, ada, MICROSOFT)
        headers = who.cookie if who else {}
        answer = await site.client.get(MICROSOFT.callback, headers=headers, params={"code": "c", "state": state})
        assert (answer.status_code, answer.headers["location"]) == (303, place)
    state = await leave(site, ada, MICROSOFT)
    assert "refused=expired" in (await come_back(site, ada, GOOGLE, state)).headers["location"]
    assert [one.finished for one in site.providers.values()] == [[], []]
    assert await candidate(site) is None


async def test_a_query_that_no_provider_makes_is_refused(site: Site, ada: Visitor) -> None:
    state = await leave(site, ada, MICROSOFT)
    for query in ("", "?", "?code=c", "?state=", f"?code=a&code=b&state={state}", "?state=" + "x" * 5000):
        answer = await get(site, ada, f"{MICROSOFT.callback}{query}")
        assert answer.status_code == 303
        assert urlsplit(answer.headers["location"]).path == MICROSOFT.path
    assert site.providers[Provider.MICROSOFT].finished == []


REFUSED = [
    (MICROSOFT, ConsentRefused("declined", "AADSTS65004"), "left without agreeing", "65004"),
    (MICROSOFT, ConsentRefused("admin_consent_needed", "AADSTS90094"), "Agree as an administrator", "90094"),
    (MICROSOFT, ConsentRefused("access_policy", "AADSTS53003"), "Conditional Access", "53003"),
    (GOOGLE, ConsentRefused("scope_missing"), "was unticked", ""),
    (GOOGLE, ConsentRefused("access_policy"), "Manage app access", ""),
    (GOOGLE, ConsentRefused("expired"), "ten minutes", ""),
    (GOOGLE, ConsentRefused("invalid"), "does not belong to a connection", ""),
    (GOOGLE, ConsentRefused("unavailable"), "could not be reached", ""),
    (GOOGLE, ConsentRefused("of a newer version"), "does not belong to a connection", ""),
    (GOOGLE, Temporary(Code.SIGN_IN_UNAVAILABLE), "could not be reached", ""),
    (MICROSOFT, PlatformProblem(Code.PLATFORM_CREDENTIALS), "You did nothing wrong", ""),
]


@pytest.mark.parametrize(("offer", "outcome", "said", "number"), REFUSED)
async def test_each_refusal_leads_to_a_clean_page_with_advice(
    site: Site, ada: Visitor, offer: Offer, outcome: Any, said: str, number: str
) -> None:
    site.providers[offer.provider].outcome = outcome
    where = await connect(site, ada, offer, way="smtp")
    assert urlsplit(where).path == offer.path
    assert set(parse_qs(urlsplit(where).query)) <= {"refused", "way", "number"}
    page = await get(site, ada, where)
    assert page.status_code == 200
    assert said in page.text
    assert number in page.text
    assert ("number" in parse_qs(urlsplit(where).query)) == bool(number)
    assert 'value="smtp" checked' in page.text
    assert await candidate(site) is None


async def test_an_address_makes_the_page_say_only_what_it_knows(site: Site, ada: Visitor) -> None:
    for query in ("refused=<b>", "refused=declined&number=<b>", "refused=declined&number=" + "9" * 40, "way=<b>"):
        page = await get(site, ada, f"{GOOGLE.path}?{query}")
        assert page.status_code == 200
        assert "<b>" not in page.text
        assert "9" * 40 not in page.text


async def test_a_provider_that_does_not_answer_is_told_before_anybody_leaves(site: Site, ada: Visitor) -> None:
    site.providers[Provider.MICROSOFT].unreachable = Temporary(Code.SIGN_IN_UNAVAILABLE)
    answer = await post(site, ada, f"{MICROSOFT.path}/connect")
    assert answer.headers["location"] == f"{MICROSOFT.path}?refused=unavailable&way=api"


@pytest.mark.parametrize("offer", OFFERS, ids=lambda one: one.name)
async def test_forms_lead_to_pages_of_ours_alone(site: Site, ada: Visitor, offer: Offer) -> None:
    answers = [await get(site, ada, path) for path in ("/settings", offer.path, offer.sender, offer.app)]
    answers += [await post(site, ada, f"{offer.path}/connect"), await get(site, ada, "/settings/nowhere")]
    policies = [answer.headers["content-security-policy"] for answer in answers]
    assert {tuple(re.findall(r"form-action ([^;]*)", policy)) for policy in policies} == {("'self'",)}


async def test_without_an_app_of_the_platforms_only_ones_own_is_offered(site: Site, ada: Visitor) -> None:
    site.providers[Provider.MICROSOFT].configured = False
    settings = (await get(site, ada, "/settings")).text
    assert f'href="{MICROSOFT.app}"' in settings
    assert f'href="{GOOGLE.path}"' in settings
    page = (await get(site, ada, MICROSOFT.path)).text
    assert "Connect with Microsoft" not in page
    assert f'href="{MICROSOFT.app}"' in page
    for path in ("connect", "administrator"):
        assert (await post(site, ada, f"{MICROSOFT.path}/{path}")).status_code == 404


# ---------------------------------------------------------------------------------------- an administrator's consent


async def test_an_administrators_consent_is_no_connection(site: Site, ada: Visitor) -> None:
    sent = leading_to(await post(site, ada, f"{MICROSOFT.path}/administrator"))
    state = parse_qs(urlsplit(sent).query)["state"][0]
    assert "refused=expired" in (await come_back(site, ada, MICROSOFT, state)).headers["location"]
    for extra, said in (
        ({"tenant": "a-tenant-of-nobody"}, "done=administrator-agreed"),
        ({"error": "access_denied"}, "not_agreed"),
    ):
        answer = await post(site, ada, f"{MICROSOFT.path}/administrator", way="api")
        asked = urlsplit(leading_to(answer))
        assert asked.path == "/adminconsent"
        state = parse_qs(asked.query)["state"][0]
        query = {"state": state, "admin_consent": "True", **extra}
        back = await site.client.get(MICROSOFT.admin_callback, headers=ada.cookie, params=query)
        assert said in back.headers["location"]
        page = await get(site, ada, back.headers["location"])
        assert "a-tenant-of-nobody" not in page.text
        # Neither twice, nor as a connection.
        assert "refused=expired" in (await come_back(site, ada, MICROSOFT, state)).headers["location"]
    assert await candidate(site) is None
    assert site.providers[Provider.MICROSOFT].finished == []
    assert (await site.client.post("/settings/google/administrator", headers=ada.browser)).status_code == 404


# ------------------------------------------------------------------------------------------------ sender, and again


@pytest.mark.parametrize("offer", OFFERS, ids=lambda one: one.name)
async def test_the_sender_is_tried_and_the_account_put_to_use(site: Site, ada: Visitor, offer: Offer) -> None:
    await put_to_use(site, ada, offer)
    summary = await site.services.organizations.describe("acme")
    assert summary is not None
    assert (summary.kind, summary.sender.address) == (offer.kind, "notifications@acme.example")
    assert (summary.status, summary.account_email) == (Status.CONNECTED, "notifications@acme.example")
    assert await candidate(site) is None
    page = (await get(site, ada, "/settings")).text
    assert f"{offer.name}</strong> as <strong" in page
    assert "notifications@acme.example" in (await get(site, ada, offer.path)).text
    viewer = await site.visitor(role="viewer")
    seen = (await get(site, viewer, offer.path)).text
    assert "notifications@acme.example" in seen
    assert f'action="{offer.path}' not in seen


async def test_mistakes_in_the_sender_stand_beside_their_fields(site: Site, ada: Visitor) -> None:
    await connect(site, ada, GOOGLE)
    known = hidden((await get(site, ada, GOOGLE.sender)).text)
    answer = await post(site, ada, GOOGLE.sender, **known, sender_address="nobody", sender_alias="")
    assert answer.status_code == 422
    assert answer.text.count('aria-invalid="true"') == 2
    assert 'value="nobody"' in answer.text


async def test_a_form_that_is_out_of_date_changes_nothing(site: Site, ada: Visitor) -> None:
    """The settings were changed meanwhile, by whomever."""
    await connect(site, ada, GOOGLE)
    known = {**hidden((await get(site, ada, GOOGLE.sender)).text), "version": "7"}
    answer = await post(site, ada, GOOGLE.sender, **known, **SENDER)
    assert answer.status_code == 409
    assert "The settings in use were changed while you were at this form" in answer.text
    assert await site.services.organizations.describe("acme") is None


async def test_the_same_account_connected_again_is_put_to_use_at_once(site: Site, ada: Visitor) -> None:
    """Sender and history stay, what waits leaves, and the account is suggested to the provider."""
    await put_to_use(site, ada, MICROSOFT)
    before = await site.services.organizations.describe("acme")
    assert before is not None
    await site.services.organizations.suspend("acme", before.version, Code.RECONNECTION_NEEDED, None)
    attention = (await get(site, ada, "/settings")).text
    assert "Connect again…" in attention
    assert "no longer accepts the connection" in attention
    page = (await get(site, ada, MICROSOFT.path)).text
    assert 'name="account" value="same"' in page
    site.announced.clear()

    assert await connect(site, ada, MICROSOFT, account="same", way="api") == "/settings?done=reconnected"
    assert site.providers[Provider.MICROSOFT].begun[-1][2:] == ("notifications@acme.example", False)
    after = await site.services.organizations.describe("acme")
    assert after is not None
    assert (after.sender, after.status) == (before.sender, Status.CONNECTED)
    assert site.announced == [("acme", after.version)]
    assert after.grant_id != before.grant_id
    newest, first = await site.services.history.of("acme")
    assert (newest.action, first.action) == (Action.RECONNECTED, Action.CONFIGURED)
    assert "Account connected again" in (await get(site, ada, "/settings/history")).text


async def test_another_account_is_asked_about_before_anything_changes(site: Site, ada: Visitor) -> None:
    await put_to_use(site, ada, GOOGLE)
    site.providers[Provider.GOOGLE].outcome = OTHER
    assert await connect(site, ada, GOOGLE, account="same") == GOOGLE.sender
    page = (await get(site, ada, GOOGLE.sender)).text
    assert "This is another account" in page
    for account in ("notifications@acme.example", "ada@acme.example"):
        assert account in page
    assert "sender_address" not in page

    form = (await get(site, ada, f"{GOOGLE.sender}?account=new")).text
    assert 'value="ada@acme.example"' in form
    assert (await post(site, ada, f"{GOOGLE.path}/discard")).headers["location"].startswith(GOOGLE.path)
    assert await candidate(site) is None
    summary = await site.services.organizations.describe("acme")
    assert summary is not None
    assert summary.account_email == "notifications@acme.example"
    await eventually(lambda: site.providers[Provider.GOOGLE].revoked == ["mark-of-a-secret refresh 2"])


async def test_disconnecting_ends_the_grant_at_google_and_says_what_it_does_at_microsoft(
    site: Site, ada: Visitor
) -> None:
    for offer, said in ((GOOGLE, "ended at Google"), (MICROSOFT, "Enterprise applications")):
        await put_to_use(site, ada, offer)
        page = (await get(site, ada, "/settings/disconnect")).text
        assert said in page
        version = re.findall(r'name="version" value="(\d+)"', page)[0]
        answer = await post(site, ada, "/settings/disconnect", version=version, confirm="yes")
        assert answer.headers["location"] == "/settings?done=disconnected"
        provider = site.providers[offer.provider]
        await eventually(partial(revoked, provider))
    newest, *_ = await site.services.history.of("acme")
    assert newest.action is Action.DISCONNECTED


async def test_a_revocation_that_fails_is_tried_again_later(site: Site, ada: Visitor) -> None:
    google = site.providers[Provider.GOOGLE]
    await connect(site, ada, GOOGLE)
    await site.services.revoking.aclose()  # the round that connecting began
    google.unreachable = Temporary(Code.SIGN_IN_UNAVAILABLE)
    await site.services.grants.discard_candidate("acme")
    assert await site.services.revoking.run() == 0
    google.unreachable = None
    assert await site.services.revoking.run() == 0
    site.clock.pass_(120)
    assert await site.services.revoking.run() == 1
    assert google.revoked == ["mark-of-a-secret refresh 1"]


async def test_rounds_asked_for_at_once_are_one_after_the_other(site: Site, ada: Visitor) -> None:
    for _ in range(3):
        site.services.revoking.soon()
    await connect(site, ada, GOOGLE)
    await asyncio.gather(*(post(site, ada, f"{GOOGLE.path}/discard") for _ in range(3)))
    await eventually(lambda: site.providers[Provider.GOOGLE].revoked == ["mark-of-a-secret refresh 1"])


class Away(Flows):
    """A database that does not answer."""

    async def take(self, state: str, session_token: str) -> Flow | None:
        raise StoreUnavailable("the database does not answer")


async def test_a_database_that_is_away_leaves_no_code_in_the_address(site: Site, ada: Visitor) -> None:
    away = Away(site.store, SecretBox([KEY]), now=site.clock.now)
    site.app.state.services = replace(site.services, flows=away)
    ways_back = [(offer, path) for offer in OFFERS for path in (offer.callback, offer.admin_callback) if path]
    for offer, path in ways_back:
        answer = await site.client.get(path, headers=ada.cookie, params={"code": "a-code", "state": "a-state"})
        assert answer.headers["location"] == f"{offer.path}?refused=interrupted"


async def test_the_domain_is_compared_with_the_providers_servers(site: Site, ada: Visitor) -> None:
    """Whatever the mail is handed over by, it leaves by those that SPF must name."""
    asked = []

    async def checks(domain: str, **options: Any) -> Any:
        asked.append((domain, options["server"]))
        return await site.services.domains(domain, **options)

    for offer, server in ((MICROSOFT, "smtp.office365.com"), (GOOGLE, "smtp.gmail.com")):
        await put_to_use(site, ada, offer)
        site.app.state.domain_reports = Reports(checks)
        assert (await get(site, ada, "/settings/domain")).status_code == 200
        assert asked[-1] == ("acme.example", server)


async def test_too_many_tests_keep_what_was_entered(site: Site, ada: Visitor) -> None:
    await connect(site, ada, GOOGLE)
    known = hidden((await get(site, ada, GOOGLE.sender)).text)
    for number in range(20):
        answer = await post(site, ada, GOOGLE.sender, **{**known, **SENDER, "sender_alias": f"Acme {number}"})
        if answer.status_code == 429:
            break
        await ended(site, answer.headers["location"])
        known = hidden((await get(site, ada, GOOGLE.sender)).text)
    assert answer.status_code == 429
    minutes = -(-int(answer.headers["retry-after"]) // 60)
    assert 1 < minutes <= 10
    assert f"You can test again in {minutes} minutes." in answer.text
    assert f'value="Acme {number}"' in answer.text
    assert f'value="Acme {number}"' in (await get(site, ada, GOOGLE.sender)).text
