"""Drafts: what somebody typed is kept as it was, and its password goes nowhere but to the same account."""

import pytest

from config.actors import OPERATOR, Actor, ActorKind
from config.choices import TransportKind
from config.drafts import Draft
from config.errors import ConfigurationError, InvalidSettings, SettingsUnreadable
from config.provider_form import ProviderForm
from config.secrets import Secret
from config.store_schema import drafts, organizations
from config.testing import smtp_form, stores_in, stores_over
from tests.builders import NOON
from transports.smtp.settings import Security

pytest_plugins = ("tests.fixtures_store",)

ADA = Actor(ActorKind.ADMINISTRATOR, "Ada", "ada@acme.example")


async def test_a_draft_is_what_was_typed_without_its_password(stores, others):
    assert await stores.drafts.get("acme") is None
    form = smtp_form(host="no host", port=0, security=Security.NONE, sender_address="half@")
    saved = await stores.drafts.save("acme", form, ADA)
    assert saved == Draft(smtp_form(**{**_fields(form), "password": None}), True, NOON, ADA)
    assert await others.drafts.get("acme") == saved
    assert await stores.drafts.get("bolt") is None
    assert await stores.organizations.describe("acme") is None, "a draft is not in use"
    assert await stores.drafts.discard("acme") is True
    assert await stores.drafts.discard("acme") is False
    assert await stores.drafts.get("acme") is None


def _fields(form):
    return {name: getattr(form, name) for name in form.__slots__}


async def test_a_blank_password_keeps_the_drafts_for_the_same_account_only(stores):
    async def password():
        return (await stores.organizations.smtp_candidate("acme", smtp_form(password=None))).password

    await stores.drafts.save("acme", smtp_form(password=Secret("of the draft")), ADA)
    saved = await stores.drafts.save(
        "acme", smtp_form(host="Mail.Acme.Example", port=465, password=Secret("")), OPERATOR
    )
    assert (saved.password_set, saved.form.port, saved.by) == (True, 465, OPERATOR)
    assert await password() == Secret("of the draft")
    for elsewhere in ({"host": "thief.example"}, {"username": "thief"}, {"username": None}):
        await stores.drafts.save("acme", smtp_form(password=Secret("of the draft")), ADA)
        assert not (await stores.drafts.save("acme", smtp_form(password=None, **elsewhere), ADA)).password_set
        # Neither does it come back with the old account.
        assert not (await stores.drafts.save("acme", smtp_form(password=None), ADA)).password_set
    with pytest.raises(InvalidSettings):
        await password()


async def test_the_same_form_sent_twice_is_one_draft(stores, wall_clock):
    first = await stores.drafts.save("acme", smtp_form(), ADA)
    wall_clock.forward(seconds=5)
    assert await stores.drafts.save("acme", smtp_form(), ADA) == first, "so the test that runs still takes it away"
    assert await stores.drafts.save("acme", smtp_form(password=None), ADA) == first
    for change in ({"password": Secret("another")}, {"sender_alias": "Other"}):
        assert (await stores.drafts.save("acme", smtp_form(**change), ADA)).saved_at > first.saved_at


async def test_what_no_field_can_hold_is_refused_and_the_draft_before_it_stays(stores):
    saved = await stores.drafts.save("acme", smtp_form(), ADA)
    for bad in ({"host": "a\0b"}, {"sender_alias": "\ud800"}, {"username": "x" * 1001}):
        with pytest.raises(InvalidSettings):
            await stores.drafts.save("acme", smtp_form(**bad), ADA)
    with pytest.raises(ConfigurationError, match="MAILROOM_SECRET_KEYS"):
        await stores_over(stores.store, keys=[]).drafts.save("acme", smtp_form(), ADA)
    assert await stores_over(stores.store, keys=[]).drafts.get("acme") == saved


async def test_the_sender_for_a_connected_account_is_a_draft_too(stores, others, wall_clock):
    form = ProviderForm(" half@ ", "", "grant 1")
    saved = await stores.drafts.save_provider("acme", form, TransportKind.GMAIL, ADA)
    assert saved == Draft(ProviderForm("half@", "", "grant 1"), False, NOON, ADA, TransportKind.GMAIL)
    assert await others.drafts.get("acme") == saved
    wall_clock.forward(seconds=5)
    assert await stores.drafts.save_provider("acme", form, TransportKind.GMAIL, ADA) == saved, "sent twice"
    for other in (("half@", "Acme", "grant 1"), ("half@", "Acme", "grant 2")):
        wall_clock.forward(seconds=5)
        newer = await stores.drafts.save_provider("acme", ProviderForm(*other), TransportKind.GMAIL, ADA)
        assert newer.saved_at == wall_clock.now
    for bad in (ProviderForm("a\0b", "", ""), ProviderForm("", "x" * 1001, "")):
        with pytest.raises(InvalidSettings):
            await stores.drafts.save_provider("acme", bad, TransportKind.GMAIL, ADA)


async def test_a_draft_of_one_kind_leaves_nothing_in_one_of_another(stores):
    await stores.drafts.save("acme", smtp_form(), ADA)
    await stores.drafts.save_provider("acme", ProviderForm("a@acme.example", "", "g"), TransportKind.MICROSOFT365, ADA)
    with pytest.raises(InvalidSettings):
        await stores.organizations.smtp_candidate("acme", smtp_form(password=None))
    assert not (await stores.drafts.save("acme", smtp_form(password=None), ADA)).password_set
    assert (await stores.drafts.get("acme")).kind is TransportKind.SMTP
    async with stores.store.read() as connection:
        assert await connection.scalar(drafts.select().with_only_columns(drafts.c.grant_id)) is None


async def test_a_sealed_password_opens_in_its_own_row_and_column_only(stores):
    await stores.organizations.configure_smtp("acme", smtp_form(password=Secret("in use")))
    await stores.drafts.save("acme", smtp_form(password=Secret("of the draft")), ADA)
    await stores.drafts.save("bolt", smtp_form(password=Secret("of bolt")), ADA)
    async with stores.store.write() as connection:
        sealed = {row.organization: row.password_sealed for row in await connection.execute(drafts.select())}
        own = drafts.c.organization == "acme"
        await connection.execute(drafts.update().where(own).values(password_sealed=sealed["bolt"]))
    blank = smtp_form(password=None)
    with pytest.raises(SettingsUnreadable):  # another organisation's draft
        await stores.organizations.smtp_candidate("acme", blank)
    async with stores.store.write() as connection:
        in_use = await connection.scalar(organizations.select().with_only_columns(organizations.c.password_sealed))
        await connection.execute(drafts.update().where(own).values(password_sealed=in_use))
        await connection.execute(organizations.update().values(password_sealed=sealed["acme"]))
    with pytest.raises(SettingsUnreadable):  # from the settings to the draft
        await stores.organizations.smtp_candidate("acme", blank)
    with pytest.raises(SettingsUnreadable):  # from the draft to the settings
        await stores.organizations.get("acme")


async def test_no_password_is_in_any_file_of_the_database(tmp_path):
    async with stores_in(tmp_path) as stores:
        await stores.organizations.configure_smtp("acme", smtp_form(password=Secret("canary-in-use")), actor=ADA)
        await stores.organizations.configure_smtp("acme", smtp_form(password=Secret("canary-changed")), actor=ADA)
        await stores.drafts.save("acme", smtp_form(password=Secret("canary-of-the-draft")), ADA)
        await stores.drafts.save("acme", smtp_form(password=Secret("canary-of-the-next")), ADA)
        await stores.organizations.disconnect("acme")
        # Open, so that what is only in the WAL is looked at too.
        files = sorted(tmp_path.iterdir())
        assert {file.name for file in files} >= {"mailroom.db", "mailroom.db-wal"}
        assert any(b"notifications@acme.example" in file.read_bytes() for file in files)
        assert not [file.name for file in files if b"canary" in file.read_bytes()]
