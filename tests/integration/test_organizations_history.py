"""Changes by persons: nobody's is overwritten unseen, each is noted with who and what, and none is half done."""

import asyncio
from datetime import timedelta

import pytest
from sqlalchemy import func, select

from config import store_schema
from config.actors import OPERATOR, Actor, ActorKind
from config.choices import Status
from config.errors import InvalidSettings, SettingsChanged, SettingsUnreadable, UnknownOrganization
from config.history import Action, Change, FieldChange
from config.oauth.flows import Purpose
from config.oauth.values import Begun, Provider, Way
from config.secrets import Secret, generate_key
from config.sessions import Identity, Role
from config.store_schema import metadata, organizations
from config.testing import candidate_grant, smtp_form, stores_over
from config.trial_values import TrialState, TrialSubject
from tests.builders import NOON
from transports.errors import Code
from transports.smtp.settings import Security

pytest_plugins = ("tests.fixtures_store",)

ADA = Actor(ActorKind.ADMINISTRATOR, "Ada", "ada@acme.example")
BEN = Actor(ActorKind.ADMINISTRATOR, "Ben", "ben@acme.example")
CODE = "0123456789"


async def tried(stores, version, *, code=CODE, organization="acme", passed=True):
    """A trial that has ended, about these settings."""
    trial = await stores.trials.begin(
        organization, ADA, subject=TrialSubject.ACTIVE, kind="smtp", server="s:587", sender="a@b.example", code=code
    )
    state = TrialState.PASSED if passed else TrialState.FAILED
    await stores.trials.finish(trial.id, state, version=version)
    return trial


async def verified(stores, version):
    """Verifies the settings in use by the code of a trial about them."""
    await tried(stores, version)
    assert await stores.trials.confirm("acme", CODE, BEN)


async def rows(store, table, organization="acme"):
    async with store.read() as connection:
        query = select(func.count()).select_from(table).where(table.c.organization == organization)
        return await connection.scalar(query)


async def test_the_history_tells_who_changed_which_field_when_and_no_secret(stores, wall_clock):
    await stores.organizations.configure_smtp("acme", smtp_form(), actor=ADA)
    wall_clock.forward(hours=1)
    form = smtp_form(sender_alias="Acme & Söhne", port=465, security=Security.TLS, password=Secret("canary"))
    await stores.organizations.configure_smtp("acme", form, actor=BEN)
    wall_clock.forward(hours=1)
    await stores.organizations.disconnect("acme", actor=ADA)
    assert await stores.history.of("bolt") == ()

    disconnected, changed, configured = await stores.history.of("acme")
    assert changed == Change(
        changed.id,
        NOON + timedelta(hours=1),
        BEN,
        Action.CONFIGURED,
        (
            FieldChange("port", "587", "465"),
            FieldChange("security", "starttls", "tls"),
            FieldChange("password", None, None),
            FieldChange("sender_alias", "Acme", "Acme & Söhne"),
        ),
    )
    assert configured.id < changed.id < disconnected.id
    assert (configured.actor, configured.at, configured.action) == (ADA, NOON, Action.CONFIGURED)
    names = ["kind", "host", "port", "security", "username", "password", "sender_address", "sender_alias"]
    assert [field.name for field in configured.fields] == [field.name for field in disconnected.fields] == names
    assert all(field.old is None for field in configured.fields)
    assert all(field.new is None for field in disconnected.fields)
    assert disconnected.action is Action.DISCONNECTED
    assert FieldChange("host", "mail.acme.example", None) in disconnected.fields
    assert "canary" not in repr(changed)


async def test_the_command_line_stands_in_the_history_as_the_operator(stores):
    await stores.organizations.configure_smtp("acme", smtp_form())
    assert (await stores.history.of("acme"))[0].actor == OPERATOR


async def test_saving_the_same_again_is_noted_without_fields_and_a_password_only_if_it_is_another(stores):
    await stores.organizations.configure_smtp("acme", smtp_form())
    for form in (
        smtp_form(),
        smtp_form(password=None),
        smtp_form(password=Secret("another")),
        smtp_form(username=None, password=None),
    ):
        await stores.organizations.configure_smtp("acme", form)
    found = [[field.name for field in change.fields] for change in await stores.history.of("acme")]
    assert found[:4] == [["username", "password"], ["password"], [], []]


async def test_the_history_is_read_page_by_page_and_the_newest_five_hundred_are_kept(stores):
    await stores.organizations.configure_smtp("bolt", smtp_form())
    await stores.organizations.configure_smtp("acme", smtp_form())
    async with stores.store.write() as connection:
        row = {"organization": "acme", "at": NOON, "action": "configured", "fields": []}
        who = {"actor_kind": "operator", "actor_name": "", "actor_email": ""}
        await connection.execute(store_schema.history.insert(), [{**row, **who} for _ in range(520)])
    await stores.organizations.disconnect("acme")
    pages, before = [], None
    while page := await stores.history.of("acme", before=before, limit=200):
        pages.append(page)
        before = page[-1].id
    assert [len(page) for page in pages] == [200, 200, 100]
    found = [change.id for page in pages for change in page]
    assert found == sorted(set(found), reverse=True)
    assert pages[0][0].action is Action.DISCONNECTED
    assert len(await stores.history.of("bolt")) == 1


async def test_a_change_that_fails_is_not_noted(stores):
    await stores.organizations.configure_smtp("acme", smtp_form())
    with pytest.raises(InvalidSettings):
        await stores.organizations.configure_smtp("acme", smtp_form(host="elsewhere.example", password=None))
    with pytest.raises(SettingsChanged):
        await stores.organizations.configure_smtp("acme", smtp_form(), expected=0)
    assert len(await stores.history.of("acme")) == 1


async def test_what_was_changed_meanwhile_is_not_overwritten(stores):
    version = await stores.organizations.configure_smtp("acme", smtp_form(), expected=0)
    for expected in (0, version - 1, version + 1):
        with pytest.raises(SettingsChanged) as caught:
            await stores.organizations.configure_smtp("acme", smtp_form(sender_alias="New"), expected=expected)
        assert caught.value.organization == "acme"
    version = await stores.organizations.configure_smtp("acme", smtp_form(sender_alias="New"), expected=version)
    disconnected = await stores.organizations.disconnect("acme")
    for expected in (version, disconnected):
        with pytest.raises(SettingsChanged):
            await stores.organizations.configure_smtp("acme", smtp_form(), expected=expected)
    await stores.organizations.configure_smtp("acme", smtp_form(), expected=0)


async def test_of_changes_that_start_from_the_same_settings_one_is_made(stores, others):
    version = await stores.organizations.configure_smtp("acme", smtp_form())
    done = await asyncio.gather(
        *(
            (stores, others)[turn % 2].organizations.configure_smtp(
                "acme", smtp_form(sender_alias=f"Acme {turn}"), expected=version
            )
            for turn in range(6)
        ),
        return_exceptions=True,
    )
    assert sorted(map(type, done), key=str) == sorted([int, *[SettingsChanged] * 5], key=str)
    assert len(await stores.history.of("acme")) == 2


async def test_a_suspension_is_no_change_that_a_form_has_to_know(stores):
    version = await stores.organizations.configure_smtp("acme", smtp_form())
    await stores.organizations.suspend("acme", version, Code.SIGN_IN_REFUSED, None)
    assert await stores.organizations.configure_smtp("acme", smtp_form(), expected=version) > version


async def test_the_status_of_an_organisation(stores):
    version = await stores.organizations.configure_smtp("acme", smtp_form())
    assert (await stores.organizations.describe("acme")).status is Status.CONNECTED
    await verified(stores, version)
    summary = await stores.organizations.describe("acme")
    assert (summary.status, summary.verified_at) == (Status.VERIFIED, NOON)
    await stores.organizations.suspend("acme", version, Code.SIGN_IN_REFUSED, None)
    assert (await stores.organizations.describe("acme")).status is Status.NEEDS_ATTENTION
    await stores.organizations.recover("acme", version)
    assert (await stores.organizations.describe("acme")).status is Status.VERIFIED


async def test_settings_stay_verified_only_as_long_as_nothing_in_them_changes(stores):
    version = await stores.organizations.configure_smtp("acme", smtp_form())
    await verified(stores, version)
    assert [change.action for change in await stores.history.of("acme", limit=1)] == [Action.VERIFIED]
    for same in (smtp_form(), smtp_form(password=None), smtp_form(host=" MAIL.acme.example.")):
        await stores.organizations.configure_smtp("acme", same)
        assert (await stores.organizations.describe("acme")).verified_at == NOON
    await stores.organizations.configure_smtp("acme", smtp_form(password=Secret("another")))
    assert (await stores.organizations.describe("acme")).verified_at is None


async def test_verifying_leaves_the_version_and_tells_no_cache(stores):
    version = await stores.organizations.configure_smtp("acme", smtp_form())
    await verified(stores, version)
    assert (await stores.organizations.get("acme")).version == version
    assert await stores.organizations.changes_since(None) == (version, ())


async def test_disconnecting_forgets_the_draft_and_its_password_too(stores):
    await stores.organizations.configure_smtp("acme", smtp_form())
    await stores.drafts.save("acme", smtp_form(), ADA)
    await stores.drafts.save("bolt", smtp_form(), ADA)
    await stores.organizations.disconnect("acme")
    assert await stores.drafts.get("acme") is None
    assert await stores.drafts.get("bolt")


async def test_the_draft_that_came_into_use_goes_with_it_but_not_a_newer_one(stores, wall_clock):
    draft = await stores.drafts.save("acme", smtp_form(), ADA)
    wall_clock.forward(seconds=1)
    newer = await stores.drafts.save("acme", smtp_form(sender_alias="New"), BEN)
    await stores.organizations.configure_smtp("acme", smtp_form(), draft_saved_at=draft.saved_at)
    assert await stores.drafts.get("acme") == newer
    await stores.organizations.configure_smtp("acme", smtp_form(), draft_saved_at=newer.saved_at)
    assert await stores.drafts.get("acme") is None
    await stores.drafts.save("acme", smtp_form(), ADA)
    await stores.organizations.configure_smtp("acme", smtp_form())
    assert await stores.drafts.get("acme"), "settings from elsewhere leave it alone"


async def test_a_deleted_organisation_leaves_nothing_but_that_it_was_deleted_and_that_goes_a_day_later(
    stores, wall_clock
):
    for name in ("acme", "bolt"):
        version = await stores.organizations.configure_smtp(name, smtp_form(), actor=ADA)
        await stores.drafts.save(name, smtp_form(), ADA)
        await tried(stores, version, organization=name)
        assert await stores.trials.confirm(name, "9999999999", ADA) is None
        await stores.sessions.open(Identity(name, Role.ADMIN, "ada@acme.example", "Ada"))
        begun = Begun("https://login.example", f"state of {name}", Secret("verifier"))
        await stores.flows.begin(name, Provider.GOOGLE, Way.API, "session", begun, Purpose.CONNECT, ADA)
        await candidate_grant(stores.grants, name, subject=name, actor=ADA)
    await stores.organizations.delete("acme")
    belongings = [table for table in metadata.sorted_tables if "organization" in table.c and table is not organizations]
    assert len(belongings) == 7
    for table in belongings:
        # What is to be revoked has no name of a person any more, and is forgotten once it is.
        expected = 1 if table in (store_schema.history, store_schema.grants) else 0
        assert await rows(stores.store, table) == expected, table.name
        assert await rows(stores.store, table, "bolt") > 0, table.name
    assert [revocation.refresh_token for revocation in await stores.grants.to_revoke()] == [Secret("refresh 1")]
    (left,) = await stores.history.of("acme")
    assert (left.action, left.actor, left.fields) == (Action.DELETED, OPERATOR, ())
    await stores.organizations.delete("bolt")
    wall_clock.forward(days=1, seconds=1)
    await stores.organizations.configure_smtp("bolt", smtp_form())
    assert await stores.organizations.purge() == 1
    assert await stores.history.of("acme") == ()
    assert await rows(stores.store, organizations) == 0
    assert [change.action for change in await stores.history.of("bolt")] == [Action.CONFIGURED, Action.DELETED]


async def test_an_organisation_that_was_never_configured_can_be_deleted_with_what_there_is_of_it(stores):
    await stores.drafts.save("acme", smtp_form(), ADA)
    version = await stores.organizations.delete("acme")
    assert await stores.drafts.get("acme") is None
    assert await stores.organizations.get("acme") is None
    with pytest.raises(UnknownOrganization):
        await stores.organizations.delete("bolt")
    assert await stores.organizations.changes_since(version) == (version, ()), "a refused change counts nothing"


async def test_a_blank_password_of_a_candidate_is_the_drafts_or_the_one_in_use_of_the_same_account_only(stores):
    candidate = stores.organizations.smtp_candidate
    await stores.organizations.configure_smtp("acme", smtp_form(password=Secret("in use")))
    assert (await candidate("acme", smtp_form(password=None, port=465))).password == Secret("in use")
    await stores.drafts.save("acme", smtp_form(password=Secret("of the draft")), ADA)
    assert (await candidate("acme", smtp_form(password=None))).password == Secret("of the draft")
    assert (await candidate("acme", smtp_form(password=Secret("typed")))).password == Secret("typed")
    await stores.drafts.save("acme", smtp_form(host="new.acme.example", password=Secret("of the draft")), ADA)
    assert (await candidate("acme", smtp_form(password=None))).password == Secret("in use")
    assert (await candidate("acme", smtp_form(username=None, password=None))).password is None
    for elsewhere in ({"host": "thief.example"}, {"username": "thief"}):
        with pytest.raises(InvalidSettings) as caught:
            await candidate("acme", smtp_form(password=None, **elsewhere))
        assert [field for field, _ in caught.value.problems] == ["password"]
    with pytest.raises(InvalidSettings):
        await candidate("bolt", smtp_form(password=None))
    with pytest.raises(InvalidSettings):
        await candidate("no id", smtp_form())
    settings = stores.organizations.smtp_settings(await candidate("acme", smtp_form(password=None)))
    assert (settings.host, settings.password) == ("mail.acme.example", "in use")


async def test_a_candidate_whose_stored_password_cannot_be_opened_says_so(stores):
    await stores.organizations.configure_smtp("acme", smtp_form())
    keyless = stores_over(stores.store, keys=[Secret(generate_key())]).organizations
    with pytest.raises(SettingsUnreadable):
        await keyless.smtp_candidate("acme", smtp_form(password=None))
    assert (await keyless.smtp_candidate("acme", smtp_form())).password == Secret("correct horse")
