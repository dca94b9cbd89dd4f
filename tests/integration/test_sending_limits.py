"""Limits that an organisation chose: in force everywhere at once, noted, and without harm to anything else."""

import pytest
from sqlalchemy import update

from config.actors import Actor, ActorKind
from config.choices import Status
from config.errors import InvalidSettings, SettingsChanged, SettingsUnreadable, UnknownOrganization
from config.history import Action, FieldChange
from config.limits import DayUnit, Limits
from config.oauth.values import Provider, Way
from config.sending_limits import SendingLimits
from config.store_breakers import ACCOUNT, ENDPOINT, BreakerRows, key_of
from config.store_schema import organizations
from config.testing import candidate_grant, provider_form, smtp_form
from config.trial_values import TrialState, TrialSubject
from transports.errors import Code

pytest_plugins = ("tests.fixtures_store",)

ON_SQLITE = pytest.mark.parametrize("store_url", ["sqlite"], indirect=True)
"""For what is decided in Python; the statements are those of the tests that run on both databases."""

ADA = Actor(ActorKind.ADMINISTRATOR, "Ada", "ada@acme.example")
CODE = "0123456789"
ALL = {"connections": 9, "per_minute": 30, "per_day": 0}


@pytest.fixture
def limits(stores):
    return SendingLimits(stores.store, now=stores.now)


async def raw(stores, limits):
    async with stores.store.write() as connection:
        await connection.execute(update(organizations).values(limits=limits))


async def test_what_was_chosen_is_in_force_and_the_rest_is_usual(stores, limits):
    version = await stores.organizations.configure_smtp("acme", smtp_form())
    assert (await stores.organizations.get("acme")).limits == Limits(4)
    assert await limits.choose("acme", {"connections": 9, "per_minute": 30, "per_day": None}) == version
    settings = await stores.organizations.get("acme")
    assert settings.limits == Limits(9, 30)
    assert settings.account.max_connections == 9  # else the pool would hold back what the lane lets go
    described = (await stores.organizations.describe("acme")).limits
    assert (described.preset, described.chosen) == (Limits(4), {"connections": 9, "per_minute": 30})
    assert described.effective == settings.limits


@ON_SQLITE
async def test_zero_takes_a_usual_limit_away(stores, limits):
    await stores.connect(provider=Provider.MICROSOFT)
    assert (await stores.organizations.get("acme")).limits == Limits(4, None, 10_000, DayUnit.RECIPIENTS)
    await limits.choose("acme", {"per_day": 0, "per_minute": 0})
    assert (await stores.organizations.get("acme")).limits == Limits(4, None, None, DayUnit.RECIPIENTS)


@ON_SQLITE
async def test_a_provider_s_limits_are_its_own_wherever_its_smtp_server_stands(stores):
    await stores.connect(provider=Provider.MICROSOFT, way=Way.SMTP)
    settings = await stores.organizations.get("acme")
    assert settings.limits == Limits(3, 30, 10_000, DayUnit.RECIPIENTS)
    assert settings.account.max_connections == 3


@ON_SQLITE
async def test_what_is_out_of_bounds_is_refused_and_nothing_is_saved(stores, limits):
    await stores.organizations.configure_smtp("acme", smtp_form())
    with pytest.raises(InvalidSettings) as caught:
        await limits.choose("acme", {"connections": 101, "per_minute": 5, "per_day": 10_000_001})
    assert [field for field, _ in caught.value.problems] == ["connections", "per_day"]
    assert (await stores.organizations.get("acme")).limits == Limits(4)


@ON_SQLITE
async def test_the_bounds_themselves_are_allowed(stores, limits):
    await stores.organizations.configure_smtp("acme", smtp_form())
    await limits.choose("acme", {"connections": 100, "per_minute": 100_000, "per_day": 10_000_000})
    assert (await stores.organizations.get("acme")).limits == Limits(100, 100_000, 10_000_000)
    await limits.choose("acme", {"connections": 1, "per_minute": 1, "per_day": 1})
    assert (await stores.organizations.get("acme")).limits == Limits(1, 1, 1)


@ON_SQLITE
async def test_without_a_transport_of_its_own_there_is_nothing_to_limit(stores, limits):
    with pytest.raises(UnknownOrganization):
        await limits.choose("acme", ALL)
    await stores.organizations.configure_smtp("acme", smtp_form())
    await stores.organizations.disconnect("acme")
    with pytest.raises(UnknownOrganization):
        await limits.choose("acme", ALL)
    assert await stores.organizations.changes_since(None) == (2, ())


async def test_other_replicas_learn_of_it_and_the_version_stays(stores, others, limits):
    version = await stores.organizations.configure_smtp("acme", smtp_form())
    seen, _ = await others.organizations.changes_since(None)
    assert await limits.choose("acme", ALL) == version
    assert await others.organizations.changes_since(seen) == (seen + 1, ("acme",))
    settings = await others.organizations.get("acme")
    assert (settings.version, settings.limits) == (version, Limits(9, 30))
    assert await limits.choose("acme", ALL) == version
    assert await others.organizations.changes_since(seen + 1) == (seen + 1, ()), "nothing changed, so nothing is told"


async def test_a_suspension_and_that_settings_were_verified_stay(stores, limits):
    version = await stores.organizations.configure_smtp("acme", smtp_form())
    trial = await stores.trials.begin(
        "acme", ADA, subject=TrialSubject.ACTIVE, kind="smtp", server="s:587", sender="a@b.example", code=CODE
    )
    await stores.trials.finish(trial.id, TrialState.PASSED, version=version)
    await limits.choose("acme", {"connections": 2})
    assert await stores.trials.confirm("acme", CODE, ADA), "the code of a test before the change still counts"
    await limits.choose("acme", {"connections": 3})
    assert (await stores.organizations.describe("acme")).status is Status.VERIFIED
    await stores.organizations.suspend("acme", version, Code.SIGN_IN_REFUSED, None)
    await limits.choose("acme", {"connections": 4})
    assert (await stores.organizations.get("acme")).suspension is not None
    assert await stores.organizations.recover("acme", version)
    assert (await stores.organizations.describe("acme")).status is Status.VERIFIED


async def test_who_changed_which_limit_is_in_the_history(stores, limits):
    await stores.organizations.configure_smtp("acme", smtp_form())
    await limits.choose("acme", {"connections": 9, "per_day": 0}, actor=ADA)
    await limits.choose("acme", {"per_minute": 30}, actor=ADA)
    second, first, _ = await stores.history.of("acme")
    assert (first.action, first.actor, first.at) == (Action.LIMITED, ADA, stores.now())
    assert first.fields == (FieldChange("connections", None, "9"), FieldChange("per_day", None, "0"))
    assert second.fields == (
        FieldChange("connections", "9", None),
        FieldChange("per_minute", None, "30"),
        FieldChange("per_day", "0", None),
    )


@ON_SQLITE
async def test_only_what_is_named_can_be_changed(stores, limits):
    await stores.organizations.configure_smtp("acme", smtp_form())
    await limits.choose("acme", {"connections": 9, "per_day": 5})
    await limits.choose("acme", {"per_minute": 7, "per_day": None}, only_named=True)
    assert (await stores.organizations.get("acme")).limits == Limits(9, 7)


async def test_limits_for_other_settings_than_those_looked_at_are_refused(stores, limits):
    seen = await stores.organizations.configure_smtp("acme", smtp_form())
    now = await stores.organizations.configure_smtp("acme", smtp_form(sender_alias="New"))
    with pytest.raises(SettingsChanged):
        await limits.choose("acme", ALL, expected=seen)
    await limits.choose("acme", ALL, expected=now)


async def test_they_outlive_a_change_of_the_form_and_a_fresh_consent(stores, limits):
    await stores.connect(provider=Provider.MICROSOFT)
    await limits.choose("acme", ALL)
    await candidate_grant(stores.grants)
    assert await stores.organizations.reconnect("acme") is not None
    newest, *_ = await stores.history.of("acme")
    assert (newest.action, newest.fields) == (Action.RECONNECTED, ())
    again = await candidate_grant(stores.grants, way=Way.SMTP)
    await stores.organizations.configure_provider("acme", provider_form(again, sender_alias="New"))
    assert (await stores.organizations.get("acme")).limits == Limits(
        9, 30, None, DayUnit.RECIPIENTS
    )  # the same kind still


async def test_another_kind_of_transport_begins_with_the_usual_ones_and_the_history_says_so(stores, limits):
    await stores.organizations.configure_smtp("acme", smtp_form())
    await limits.choose("acme", {"connections": 9})
    await stores.connect(provider=Provider.GOOGLE)
    assert (await stores.organizations.get("acme")).limits == Limits(4, 60, 2_000)
    newest, *_ = await stores.history.of("acme")
    assert FieldChange("connections", "9", None) in newest.fields
    await limits.choose("acme", {"per_day": 500})
    await stores.organizations.disconnect("acme")
    newest, *_ = await stores.history.of("acme")
    assert FieldChange("per_day", "500", None) in newest.fields


@ON_SQLITE
async def test_the_same_form_again_stays_verified_with_limits_chosen(stores, limits):
    await stores.organizations.configure_smtp("acme", smtp_form())
    await limits.choose("acme", ALL)
    await stores.organizations.configure_smtp("acme", smtp_form())
    newest, *_ = await stores.history.of("acme")
    assert (newest.action, newest.fields) == (Action.CONFIGURED, ())


async def test_limits_that_make_no_sense_hold_mail_and_going_back_to_the_usual_mends_it(stores, limits):
    await stores.organizations.configure_smtp("acme", smtp_form())
    for nonsense in (["x"], {"connections": "many"}, {"per_day": -1}, {"connections": 0}):
        await raw(stores, nonsense)
        with pytest.raises(SettingsUnreadable):
            await stores.organizations.get("acme")
        assert (await stores.organizations.describe("acme")).limits is None
        await limits.choose("acme", {})
        assert (await stores.organizations.get("acme")).limits == Limits(4)


@ON_SQLITE
async def test_a_limit_that_only_a_newer_version_knows_does_no_harm(stores):
    await stores.organizations.configure_smtp("acme", smtp_form())
    await raw(stores, {"connections": 2, "per_hour": 7})
    assert (await stores.organizations.get("acme")).limits == Limits(2)


async def test_new_settings_and_an_account_that_works_again_are_not_held_back(stores):
    rows, mine, server = BreakerRows(stores.store), key_of(ACCOUNT, "acme"), key_of(ENDPOINT, "mail.acme.example:587")
    version = await stores.organizations.configure_smtp("acme", smtp_form())
    for done in (
        lambda: stores.organizations.configure_smtp("acme", smtp_form()),
        lambda: stores.organizations.recover("acme", version),
        lambda: stores.organizations.disconnect("acme"),
    ):
        await rows.open(mine, Code.CONNECT_TIMEOUT, 60.0, 5)
        await rows.open(server, Code.CONNECT_TIMEOUT, 60.0, 5)
        await rows.open(key_of(ACCOUNT, "bolt"), Code.CONNECT_TIMEOUT, 60.0, 5)
        await done()
        assert {row.key for row in await rows.all()} == {server, key_of(ACCOUNT, "bolt")}
