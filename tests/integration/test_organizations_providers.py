"""Settings with a connected account: in use at once or not at all, and what came before is retired with it."""

import asyncio
from typing import Any

import pytest
from sqlalchemy import update

from config.actors import OPERATOR, Actor, ActorKind
from config.choices import OrganizationSettings, Suspension, TransportKind
from config.errors import InvalidSettings, SettingsChanged, TrialEnded
from config.grants import GrantState
from config.history import Action, FieldChange
from config.limits import DayUnit, Limits
from config.oauth.values import AppCredentials, Method, Provider, Way
from config.organizations import Organizations, ProviderForm
from config.organizations_account import Server
from config.secrets import Secret
from config.store_schema import organizations
from config.testing import candidate_grant, provider_form, smtp_form, stores_in, token_set
from config.trial_values import TrialState, TrialSubject
from tests.builders import NOON
from transports.errors import Code
from transports.gmail.settings import GmailSettings
from transports.message import Mailbox
from transports.microsoft365.settings import Microsoft365Settings
from transports.smtp.settings import Security, SmtpSettings

pytest_plugins = ("tests.fixtures_store",)

ADA = Actor(ActorKind.ADMINISTRATOR, "Ada", "ada@acme.example")
BEN = Actor(ActorKind.ADMINISTRATOR, "Ben", "ben@acme.example")
APP = AppCredentials("client 1", "tenant 1", "mail@acme.example", Secret("of the app"))
SENDER = Mailbox("notifications@acme.example", "Acme")
GRAPH = Limits(4, per_day=10_000, day_unit=DayUnit.RECIPIENTS)


@pytest.fixture
async def here(tmp_path, wall_clock):
    """Stores on SQLite alone, for what no database has a part in."""
    async with stores_in(tmp_path, now=wall_clock) as found:
        yield found


async def verified(stores, version, code="0123456789"):
    trial = await begun(stores, code)
    await stores.trials.finish(trial.id, TrialState.PASSED, version=version)
    assert await stores.trials.confirm("acme", code, ADA)


async def begun(stores, code="0123456789"):
    about = {"subject": TrialSubject.CANDIDATE, "kind": "gmail", "server": "Gmail API", "sender": "a@b.example"}
    return await stores.trials.begin("acme", OPERATOR, **about, code=code)


async def status(stores):
    return (await stores.organizations.describe("acme")).status


async def state(stores, grant):
    return (await stores.grants.of(grant.id)).state


async def test_a_connected_account_becomes_the_transport(stores, others):
    grant = await candidate_grant(stores.grants)
    assert await stores.organizations.get("acme") is None
    version = await stores.organizations.configure_provider("acme", provider_form(grant), actor=ADA, expected=0)
    assert await others.organizations.get("acme") == OrganizationSettings(
        organization="acme",
        version=version,
        kind=TransportKind.MICROSOFT365,
        sender=SENDER,
        account=Microsoft365Settings(grant.id, "ada@acme.example"),
        suspension=None,
        limits=GRAPH,
    )
    assert await stores.grants.candidate("acme") is None
    assert (await stores.grants.active("acme")).id == grant.id
    summary = await others.organizations.describe("acme")
    assert (summary.grant_id, summary.way, summary.method) == (grant.id, Way.API, Method.PERSON)
    assert (summary.kind, summary.account_email, summary.account_name) == (
        "microsoft365",
        "ada@acme.example",
        "Ada Lovelace",
    )
    assert [found async for found in others.organizations.summaries()] == [summary]
    assert await stores.organizations.changes_since(version - 1) == (version, ("acme",))


@pytest.mark.parametrize(
    ("about", "account"),
    [
        ({}, Microsoft365Settings("g", "ada@acme.example")),
        ({"mailbox_known": False}, Microsoft365Settings("g", "")),
        (
            {"tokens": token_set(scopes=frozenset({"https://graph.microsoft.com/Mail.ReadWrite"}))},
            Microsoft365Settings("g", "ada@acme.example", large_mails=True),
        ),
        (
            {"tokens": APP, "email": "mail@acme.example"},
            Microsoft365Settings("g", "mail@acme.example", "mail@acme.example"),
        ),
        ({"provider": Provider.GOOGLE}, GmailSettings("g", "ada@acme.example")),
        ({"provider": Provider.GOOGLE, "tokens": APP}, GmailSettings("g", "ada@acme.example", own_app=True)),
        (
            {"way": Way.SMTP},
            SmtpSettings("o365.test", 1587, Security.STARTTLS, "ada@acme.example", grant="g", max_connections=3),
        ),
        (
            {"provider": Provider.GOOGLE, "way": Way.SMTP},
            SmtpSettings("gmail.test", 1465, Security.TLS, "ada@acme.example", grant="g"),
        ),
    ],
)
async def test_each_provider_and_way_has_its_settings(here, about, account):
    servers = {
        TransportKind.MICROSOFT365: Server("o365.test", 1587, Security.STARTTLS),
        TransportKind.GMAIL: Server("gmail.test", 1465, Security.TLS),
    }
    found: Any = Organizations(here.store, here.box, now=here.now, servers=servers)
    grant = await candidate_grant(here.grants, **about)
    candidate = await found.provider_candidate("acme", provider_form(grant))
    version = await found.configure_provider("acme", provider_form(grant))
    settings = await found.get("acme")
    assert (settings.version, settings.account) == (version, candidate.settings)
    assert settings.kind is candidate.kind
    assert settings.account == type(account)(**{**_fields(account), "grant": grant.id})


def _fields(settings):
    return {name: getattr(settings, name) for name in settings.__slots__}


async def test_a_chosen_limit_holds_for_an_account_and_not_for_the_next_kind(here):
    grant = await here.connect()
    async with here.store.write() as connection:
        await connection.execute(update(organizations).values(limits={"connections": 2}))
    assert (await here.organizations.get("acme")).account.max_connections == 2
    await here.organizations.configure_provider("acme", provider_form(grant, sender_alias="New"))
    assert (await here.organizations.get("acme")).account.max_connections == 2
    await here.connect(provider=Provider.GOOGLE)
    assert (await here.organizations.get("acme")).account.max_connections == 4


async def test_the_form_is_checked_and_says_what_is_wrong(here):
    grant = await candidate_grant(here.grants)
    for changes, fields in (
        ({"sender_address": "", "sender_alias": " "}, ["sender_address", "sender_alias"]),
        ({"sender_address": "ada"}, ["sender_address"]),
        ({"sender_address": "ada@gmail.com"}, ["sender_address"]),
        ({"sender_alias": "x\ny"}, ["sender_alias"]),
    ):
        for attempt in (here.organizations.provider_candidate, here.organizations.configure_provider):
            with pytest.raises(InvalidSettings) as caught:
                await attempt("acme", provider_form(grant, **changes))
            assert [field for field, _ in caught.value.problems] == fields
    assert await state(here, grant) is GrantState.CANDIDATE
    clean = await here.organizations.provider_candidate("acme", provider_form(grant, sender_alias=" Acme "))
    assert clean.form.sender_alias == "Acme"


async def test_an_address_of_the_provider_for_private_people_is_fine_with_an_account_of_it(here):
    grant = await candidate_grant(here.grants, "acme", Provider.GOOGLE, email="club.acme@gmail.com")
    form = provider_form(grant, sender_address="club.acme+news@Gmail.com")
    await here.organizations.configure_provider("acme", form)
    assert (await here.organizations.get("acme")).sender.address == "club.acme+news@Gmail.com"
    with pytest.raises(InvalidSettings):
        await here.organizations.configure_provider("acme", provider_form(grant, sender_address="acme@hotmail.com"))


async def test_an_account_without_an_address_cannot_sign_in_by_smtp(here):
    grant = await candidate_grant(here.grants, way=Way.SMTP, email="")
    with pytest.raises(InvalidSettings, match="grant_id"):
        await here.organizations.provider_candidate("acme", provider_form(grant))


async def test_an_account_of_another_organisation_or_of_the_past_is_not_used(here):
    other = await candidate_grant(here.grants, "bolt")
    retired = await candidate_grant(here.grants)
    await candidate_grant(here.grants)
    for grant_id in (other.id, retired.id, "unknown"):
        form = ProviderForm("notifications@acme.example", "Acme", grant_id)
        for attempt in (here.organizations.provider_candidate, here.organizations.configure_provider):
            with pytest.raises(SettingsChanged):
                await attempt("acme", form)
    assert await here.organizations.describe("acme") is None
    assert await here.organizations.changes_since(None) == (0, ()), "a refused change counts nothing"


async def test_settings_that_somebody_else_changed_meanwhile_are_left_alone(stores):
    grant = await candidate_grant(stores.grants)
    version = await stores.organizations.configure_smtp("acme", smtp_form())
    for expected in (0, version - 1, version + 1):
        with pytest.raises(SettingsChanged):
            await stores.organizations.configure_provider("acme", provider_form(grant), expected=expected)
    assert await state(stores, grant) is GrantState.CANDIDATE
    await stores.organizations.configure_provider("acme", provider_form(grant), expected=version)
    assert await state(stores, grant) is GrantState.ACTIVE


async def test_of_an_activation_and_a_new_candidate_at_once_both_or_one_hold(stores, others):
    for round_ in range(5):
        grant = await candidate_grant(stores.grants, subject=f"{round_}")
        done = await asyncio.gather(
            stores.organizations.configure_provider("acme", provider_form(grant)),
            candidate_grant(others.grants, subject="late"),
            return_exceptions=True,
        )
        assert not isinstance(done[1], BaseException)
        assert (await stores.grants.candidate("acme")).id == done[1].id
        if isinstance(done[0], SettingsChanged):
            assert await state(stores, grant) is GrantState.RETIRED
        else:
            assert (await stores.grants.active("acme")).id == grant.id


async def test_every_way_out_of_an_account_retires_it(stores):
    first = await stores.connect(subject="first")
    second = await stores.connect(subject="second")
    assert await state(stores, first) is GrantState.RETIRED
    await stores.organizations.configure_smtp("acme", smtp_form())
    assert await state(stores, second) is GrantState.RETIRED
    third, candidate = await stores.connect(subject="third"), await candidate_grant(stores.grants, subject="fourth")
    await stores.organizations.disconnect("acme")
    assert await state(stores, third) is await state(stores, candidate) is GrantState.RETIRED
    assert await stores.organizations.get("acme") is None
    fifth = await stores.connect(subject="fifth")
    await stores.organizations.delete("acme")
    assert await state(stores, fifth) is GrantState.RETIRED
    assert {one.id for one in await stores.grants.to_revoke()} == {
        grant.id for grant in (first, second, third, candidate, fifth)
    }


async def test_a_password_in_use_goes_with_its_server(here):
    await here.organizations.configure_smtp("acme", smtp_form())
    grant = await candidate_grant(here.grants)
    await here.organizations.configure_provider("acme", provider_form(grant), actor=BEN)
    summary = await here.organizations.describe("acme")
    assert (summary.password_set, summary.host, summary.username) == (False, None, None)
    (change, _) = await here.history.of("acme")
    assert (change.action, change.actor) == (Action.CONFIGURED, BEN)
    assert change.fields == (
        FieldChange("kind", "smtp", "microsoft365"),
        FieldChange("account", None, "ada@acme.example"),
        FieldChange("method", None, "person"),
        FieldChange("way", None, "api"),
        FieldChange("host", "mail.acme.example", None),
        FieldChange("port", "587", None),
        FieldChange("security", "starttls", None),
        FieldChange("username", "acme", None),
        FieldChange("password", None, None),
    )
    await here.organizations.configure_smtp("acme", smtp_form())
    back = (await here.history.of("acme"))[0].fields
    assert back[1] == FieldChange("account", "ada@acme.example", None)
    assert (await here.organizations.get("acme")).kind is TransportKind.SMTP


async def test_the_history_of_one_account_after_another_has_both_and_no_secret(here):
    await here.connect()
    await here.connect(subject="grace", email="grace@acme.example", tokens=APP, way=Way.SMTP)
    await here.organizations.disconnect("acme", actor=BEN)
    gone, changed, _ = await here.history.of("acme")
    assert changed.fields == (
        FieldChange("account", "ada@acme.example", "grace@acme.example"),
        FieldChange("method", "person", "app"),
        FieldChange("way", "api", "smtp"),
    )
    assert (gone.action, gone.fields[1]) == (
        Action.DISCONNECTED,
        FieldChange("account", "grace@acme.example", None),
    )
    assert "of the app" not in repr((gone, changed))


async def test_a_reconnection_keeps_sender_history_and_the_verification_and_lifts_the_suspension(stores, wall_clock):
    old = await stores.connect()
    version = (await stores.organizations.get("acme")).version
    await verified(stores, version)
    await stores.grants.mark_dead(old.id, 1, "here", Code.RECONNECTION_NEEDED, "")
    await stores.organizations.suspend("acme", version, Code.RECONNECTION_NEEDED, None)
    assert (await stores.organizations.get("acme")).suspension == Suspension(Code.RECONNECTION_NEEDED, NOON, None)
    wall_clock.forward(minutes=5)
    fresh = await candidate_grant(stores.grants, email="ada.lovelace@acme.example", actor=BEN)
    newer = await stores.organizations.reconnect("acme", actor=BEN, expected=version)
    settings = await stores.organizations.get("acme")
    assert settings == OrganizationSettings(
        "acme", newer, TransportKind.MICROSOFT365, SENDER, settings.account, suspension=None, limits=GRAPH
    )
    assert settings.account == Microsoft365Settings(fresh.id, "ada.lovelace@acme.example")
    assert await status(stores) == "verified"
    assert (await stores.grants.get(fresh.id)).dead is None
    assert await state(stores, old) is GrantState.RETIRED
    latest = (await stores.history.of("acme"))[0]
    assert (latest.actor, latest.fields) == (
        BEN,
        (FieldChange("account", "ada@acme.example", "ada.lovelace@acme.example"),),
    )
    assert await stores.grants.to_revoke() == (), "its end would be that of the new one"
    assert await stores.organizations.changes_since(version) == (newer, ("acme",))


@pytest.mark.parametrize(
    "about",
    [
        {"subject": "grace"},
        {"way": Way.SMTP},
        {"provider": Provider.GOOGLE},
        {"tokens": APP},
    ],
    ids=str,
)
async def test_what_is_not_the_account_in_use_is_to_be_tried_first(here, about):
    used = await here.connect()
    before = await here.organizations.get("acme")
    other = await candidate_grant(here.grants, **about)
    assert await here.organizations.reconnect("acme", expected=before.version) is None
    assert await here.organizations.get("acme") == before
    assert await here.organizations.changes_since(None) == (before.version, ())
    assert (await state(here, used), await state(here, other)) == (GrantState.ACTIVE, GrantState.CANDIDATE)


async def test_an_account_that_has_lost_its_address_is_to_be_looked_at_first(here):
    used = await here.connect(way=Way.SMTP)
    before = await here.organizations.get("acme")
    fresh = await candidate_grant(here.grants, way=Way.SMTP, email="")
    assert await here.organizations.reconnect("acme") is None
    with pytest.raises(InvalidSettings, match="address"):
        await here.organizations.configure_provider("acme", provider_form(fresh))
    assert await here.organizations.get("acme") == before
    assert (await state(here, used), await state(here, fresh)) == (GrantState.ACTIVE, GrantState.CANDIDATE)


async def test_without_a_candidate_or_an_account_in_use_there_is_nothing_to_reconnect(here):
    await candidate_grant(here.grants)
    assert await here.organizations.reconnect("acme") is None
    await here.organizations.configure_smtp("acme", smtp_form())
    assert await here.organizations.reconnect("acme") is None
    await here.connect("bolt")
    assert await here.organizations.reconnect("bolt") is None
    with pytest.raises(SettingsChanged):
        await here.organizations.reconnect("bolt", expected=1)


async def test_settings_stay_verified_only_with_the_same_account_way_and_sender(here):
    grant = await here.connect()
    await verified(here, (await here.organizations.get("acme")).version)
    await here.organizations.configure_provider("acme", provider_form(grant))
    assert await status(here) == "verified"
    await here.connect(email="ada.king@acme.example")
    assert await status(here) == "verified", "the same account by another name"
    changes: Any = ({"subject": "grace", "email": "ada.king@acme.example"}, {"way": Way.SMTP}, {"tokens": APP})
    for number, about in enumerate(changes):
        await here.connect()
        await verified(here, (await here.organizations.get("acme")).version, f"000000000{number}")
        await here.connect(**about)
        assert await status(here) == "connected", about
    grant = await here.connect()
    await verified(here, (await here.organizations.get("acme")).version, "0000000009")
    await here.organizations.configure_provider("acme", provider_form(grant, sender_alias="New"))
    assert await status(here) == "connected"
    assert await state(here, grant) is GrantState.ACTIVE


@pytest.mark.parametrize("kind", ["smtp", "provider"])
async def test_settings_of_a_trial_that_has_ended_do_not_come_into_use(stores, wall_clock, kind):
    grant = await candidate_grant(stores.grants)
    configure, form = {
        "smtp": (stores.organizations.configure_smtp, smtp_form()),
        "provider": (stores.organizations.configure_provider, provider_form(grant)),
    }[kind]
    trial = await begun(stores)
    await stores.trials.finish(trial.id, TrialState.INTERRUPTED)
    for trial_id in (trial.id, "no such trial"):
        with pytest.raises(TrialEnded):
            await configure("acme", form, trial_id=trial_id)
    assert await stores.organizations.describe("acme") is None
    assert await state(stores, grant) is GrantState.CANDIDATE
    stuck = await begun(stores)
    wall_clock.forward(seconds=180)
    with pytest.raises(TrialEnded):
        await configure("acme", form, trial_id=stuck.id)
    running = await begun(stores)
    await stores.organizations.delete("acme")
    with pytest.raises((TrialEnded, SettingsChanged)):
        await configure("acme", form, trial_id=running.id)
    assert await stores.organizations.describe("acme") is None, "what was deleted does not come back by a test"


async def test_a_row_of_another_kind_than_its_account_is_summed_up_without_it(here):
    await here.connect()
    async with here.store.write() as connection:
        await connection.execute(update(organizations).values(kind="gmail"))
    summary = await here.organizations.describe("acme")
    assert (summary.kind, summary.account_email, summary.way) == ("gmail", "", None)
