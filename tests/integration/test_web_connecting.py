"""What the pages of connected accounts say after something happened in between: it is true, and leads on."""

import re
import time
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from config import store_organizations
from config.actors import Actor, ActorKind
from config.oauth.values import Identity, Provider
from config.web.offers import GOOGLE, MICROSOFT
from tests.integration.access_table import APP
from tests.integration.connect_site import SENDER, connect, get, hidden, post, put_to_use
from tests.settings_site import Clock, Site, Visitor, settings_site
from tests.unit.test_app_form import service_account
from tests.unit.test_key_pair import mersenne
from transports.errors import Code

ADA = Actor(ActorKind.ADMINISTRATOR, "Ada", "ada@acme.example")
TEST_BUTTON = re.compile(r'action="/settings/test">.*?<button class="(\w+)">Send a test mail</button>')


@pytest.fixture
async def site(tmp_path: Path) -> AsyncIterator[Site]:
    async with settings_site(tmp_path, clock=Clock(step=1.0)) as opened:
        yield opened


@pytest.fixture
async def ada(site: Site) -> Visitor:
    return await site.visitor()


async def test_connected_again_promises_no_more_than_a_try_and_leads_to_a_test(site: Site, ada: Visitor) -> None:
    """A mailbox without a licence needs attention again within seconds."""
    await put_to_use(site, ada, MICROSOFT)
    assert await connect(site, ada, MICROSOFT, account="same") == "/settings?done=reconnected"
    page = (await get(site, ada, "/settings?done=reconnected")).text
    assert "is tried from now on" in page
    assert "If the account still has a problem, this page will say so" in page
    assert "leaves from now on" not in page
    assert TEST_BUTTON.findall(page) == ["primary"]
    summary = await site.services.organizations.describe("acme")
    assert summary is not None
    async with site.store.write() as connection:
        await store_organizations.verify(connection, "acme", summary.version, site.clock.now())
    assert TEST_BUTTON.findall((await get(site, ada, "/settings?done=reconnected")).text) == ["primary"]
    assert TEST_BUTTON.findall((await get(site, ada, "/settings")).text) == ["secondary"]


@pytest.mark.parametrize("after", ["another provider's", "another", "discarded"])
async def test_an_account_that_was_given_up_by_the_same_person_is_told_as_such(
    site: Site, ada: Visitor, after: str
) -> None:
    await connect(site, ada, GOOGLE)
    known = hidden((await get(site, ada, GOOGLE.sender)).text)
    if after == "discarded":
        await post(site, ada, f"{GOOGLE.path}/discard")
    else:
        other = GOOGLE if after == "another" else MICROSOFT
        site.providers[other.provider].outcome = Identity("subject-9", "t", "eve@acme.example", "Eve")
        await connect(site, ada, other)
    answer = await post(site, ada, GOOGLE.sender, **known, **SENDER)
    assert answer.status_code == 303
    page = await get(site, ada, answer.headers["location"])
    said = "was given up meanwhile" if after == "discarded" else "because another one was connected after it"
    assert said in page.text
    assert "Connect it again if it is the one that shall send" in page.text
    assert "omebody else" not in page.text
    assert f'action="{GOOGLE.path}/connect"' in page.text
    assert await site.services.organizations.describe("acme") is None


async def test_settings_that_were_changed_meanwhile_are_told_as_such(site: Site, ada: Visitor) -> None:
    await put_to_use(site, ada, GOOGLE)
    known = hidden((await get(site, ada, GOOGLE.sender)).text)
    version = int(known["version"])
    await site.services.organizations.disconnect("acme", actor=ADA, expected=version)
    answer = await post(site, ada, GOOGLE.sender, **known, **SENDER)
    assert answer.headers["location"] == f"{GOOGLE.path}?done=changed"
    assert "The settings were changed meanwhile" in (await get(site, ada, answer.headers["location"])).text


async def test_disconnecting_does_not_promise_an_end_that_another_organisation_keeps_from(
    site: Site, ada: Visitor
) -> None:
    await put_to_use(site, ada, GOOGLE)
    bob = await site.visitor("other")
    await connect(site, bob, GOOGLE)  # the same account
    page = (await get(site, ada, "/settings/disconnect")).text
    assert "unless the same account is connected here for another organisation, too" in page
    await post(site, ada, "/settings/disconnect", version=hidden_version(page), confirm="yes")
    await site.services.revoking.run()
    assert site.providers[Provider.GOOGLE].revoked == []


def hidden_version(page: str) -> str:
    return re.findall(r'name="version" value="(\d+)"', page)[0]


async def test_a_new_secret_needs_nothing_else_to_be_entered_again(site: Site, ada: Visitor) -> None:
    assert (await post(site, ada, MICROSOFT.app, **APP)).headers["location"] == MICROSOFT.sender
    grant = await site.services.grants.candidate("acme")
    assert grant is not None
    known = hidden((await get(site, ada, MICROSOFT.sender)).text)
    answer = await post(site, ada, MICROSOFT.sender, **known, **SENDER)
    async for _ in site.services.trials.follow("acme", answer.headers["location"].rpartition("/")[2]):
        pass
    summary = await site.services.organizations.describe("acme")
    assert summary is not None
    await site.services.organizations.suspend("acme", summary.version, Code.APP_CREDENTIALS, None)
    page = (await get(site, ada, f"{MICROSOFT.app}?way=api")).text
    shown = dict(re.findall(r'name="(mailbox|tenant|client_id|secret)"[^>]*? value="([^"]*)"', page))
    assert shown == {"secret": "", **{name: APP[name] for name in ("mailbox", "tenant", "client_id")}}
    assert APP["secret"] not in page


async def test_a_huge_key_holds_nobody_up(site: Site, ada: Visitor) -> None:
    key = service_account(private_key=mersenne(4423, 11213).decode())
    began = time.process_time()
    answer = await post(site, ada, GOOGLE.app, mailbox="ada@acme.example", key=key)
    assert answer.status_code == 422
    assert time.process_time() - began < 2
