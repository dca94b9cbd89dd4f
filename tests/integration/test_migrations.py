"""The schema goes up and down, once however many try, and is what the code believes it is."""

import asyncio
import sqlite3
import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import Connection, MetaData, create_engine, inspect, make_url, text

from config import store_migrations
from config.actors import OPERATOR
from config.choices import TransportKind
from config.errors import SchemaOutdated, SettingsUnreadable, StoreUnavailable
from config.history import History
from config.organizations import Organizations, ProviderForm
from config.secrets import SecretBox, generate_key
from config.sessions import Identity, Role
from config.store import Store
from config.store_keyring import open_keyring
from config.store_quarantine import QuarantineStore
from config.store_schema import metadata
from config.testing import KEY, smtp_form, sqlite_url, stores_over
from tests.builders import NOON
from tests.waiting import remains
from transports.errors import Code
from transports.smtp.settings import Security

pytest_plugins = ("tests.fixtures_store",)

RELEASED = {"organizations", "settings_version", "quarantine", "keyring"}
SETTINGS_PAGE = {"drafts", "trials", "wrong_codes", "history", "sessions", "used_tokens"}
TABLES = RELEASED | SETTINGS_PAGE | {"grants", "oauth_flows", "ledger", "lanes", "breakers"}


def on(url, action):
    """What ``action`` says with a plain connection to the database."""
    target = make_url(url)
    engine = create_engine(target.set(drivername="sqlite") if target.get_backend_name() == "sqlite" else target)
    try:
        with engine.begin() as connection:
            return action(connection)
    finally:
        engine.dispose()


def tables(url) -> set[str]:
    return on(url, lambda connection: set(inspect(connection).get_table_names()))


def set_revision(url, revision):
    on(
        url,
        lambda connection: connection.execute(text("UPDATE alembic_version SET version_num = :new"), {"new": revision}),
    )


def test_an_upgrade_makes_every_table_and_the_counter(empty_url):
    assert store_migrations.upgrade(empty_url) is None
    assert tables(empty_url) == TABLES | {"alembic_version"}
    assert on(empty_url, lambda connection: connection.scalar(text("SELECT version FROM settings_version"))) == 0


def test_a_second_upgrade_changes_nothing(store_url):
    assert store_migrations.upgrade(store_url) == store_migrations.head()
    assert on(store_url, lambda connection: connection.scalar(text("SELECT count(*) FROM settings_version"))) == 1


def test_every_step_goes_down_and_up_again(empty_url):
    script = store_migrations._scripts()
    steps = [step.revision for step in script.walk_revisions()][::-1]
    for revision in steps:
        store_migrations.upgrade(empty_url, revision)
        before = on(empty_url, lambda connection: repr(_shape(connection)))
        store_migrations.downgrade(empty_url, "-1")
        store_migrations.upgrade(empty_url, revision)
        assert on(empty_url, lambda connection: repr(_shape(connection))) == before
    store_migrations.downgrade(empty_url, "base")
    assert tables(empty_url) <= {"alembic_version"}
    store_migrations.upgrade(empty_url)
    assert tables(empty_url) >= TABLES


def _shape(connection: Connection):
    found = inspect(connection)
    return {
        table: (
            [(column["name"], str(column["type"]), column["nullable"]) for column in found.get_columns(table)],
            found.get_pk_constraint(table),
            sorted((index["name"], index["column_names"]) for index in found.get_indexes(table)),
            found.get_check_constraints(table),
        )
        for table in sorted(found.get_table_names())
    }


def test_the_migrations_make_exactly_the_tables_the_code_uses(store_url):
    def differences(connection):
        context = MigrationContext.configure(connection, opts={"compare_type": True, "compare_server_default": True})
        return compare_metadata(context, metadata)

    assert on(store_url, differences) == []


def test_names_of_constraints_are_the_same_in_code_and_database(store_url):
    assert on(store_url, lambda connection: inspect(connection).get_check_constraints("settings_version"))[0][
        "name"
    ] == ("ck_settings_version_single_row")
    assert on(store_url, lambda connection: inspect(connection).get_pk_constraint("organizations"))["name"] == (
        "pk_organizations"
    )


def test_of_many_upgrades_at_once_one_does_the_work_and_none_fails(empty_url):
    together = threading.Barrier(6)

    def upgrade():
        together.wait()
        return store_migrations.upgrade(empty_url)

    with ThreadPoolExecutor(6) as pool:
        had = [task.result() for task in [pool.submit(upgrade) for _ in range(6)]]
    assert sorted(found or "" for found in had) == ["", *[store_migrations.head()] * 5]
    assert on(empty_url, lambda connection: connection.scalar(text("SELECT count(*) FROM settings_version"))) == 1


async def test_an_upgrade_of_a_fresh_file_waits_for_one_who_is_at_it(tmp_path):
    """Until the file is in WAL mode, SQLite does not wait for others by itself."""
    with closing(sqlite3.connect(tmp_path / "mailroom.db")) as other:
        other.execute("BEGIN IMMEDIATE")
        upgrade = asyncio.create_task(asyncio.to_thread(store_migrations.upgrade, sqlite_url(tmp_path)))
        await remains(lambda: not upgrade.done(), 0.3)
        other.rollback()
    assert await upgrade is None


def test_an_upgrade_that_fails_leaves_the_database_as_it_was(empty_url):
    on(empty_url, lambda connection: connection.execute(text("CREATE TABLE keyring (x integer)")))
    with pytest.raises(StoreUnavailable):
        store_migrations.upgrade(empty_url)
    assert tables(empty_url) == {"keyring"}


def filled_at_0001(url):
    """A database as the release with schema 0001 left it, with something in every table."""
    box = SecretBox([KEY])
    store_migrations.upgrade(url, "0001")
    rows = {
        "organizations": [
            {
                "organization": "acme",
                "kind": "smtp",
                "host": "mail.acme.example",
                "port": 587,
                "security": "starttls",
                "username": "acme",
                "password_sealed": box.seal("correct horse", "acme", "password"),
                "sender_address": "notifications@acme.example",
                "sender_alias": "Acme",
                "limits": {"connections": 2},
                "version": 3,
                "changed": 4,
                "enabled_at": NOON,
                "suspended_code": "sign_in_refused",
                "suspended_at": NOON,
            },
            {"organization": "gone", "version": 2, "changed": 2, "deleted_at": NOON},
        ],
        "quarantine": [{"key": b"k" * 16, "tries": 2, "at": NOON}],
        "keyring": [{"name": "hash", "sealed": box.seal(generate_key(), "", "hash"), "made_at": NOON}],
    }

    def fill(connection):
        found = MetaData()
        found.reflect(connection)
        for name, values in rows.items():
            for row in values:
                connection.execute(found.tables[name].insert(), row)
        connection.execute(text("UPDATE settings_version SET version = 4"))

    on(url, fill)


def filled_at_0002(url):
    """A database as the release with schema 0002 left it, with a draft as well."""
    filled_at_0001(url)
    store_migrations.upgrade(url, "0002")
    draft = {
        "organization": "corp",
        "kind": "smtp",
        "host": "half",
        "port": 25,
        "security": "tls",
        "password_sealed": SecretBox([KEY]).seal("typed", "corp", "draft_password"),
        "sender_address": "",
        "sender_alias": "Corp",
        "saved_at": NOON,
        "actor_kind": "operator",
        "actor_name": "",
        "actor_email": "",
    }

    def fill(connection):
        found = MetaData()
        found.reflect(connection)
        connection.execute(found.tables["drafts"].insert(), draft)

    on(url, fill)


def filled_at_0003(url):
    """A database as the release with schema 0003 left it; nothing of what 0004 adds has to do with what was there."""
    filled_at_0002(url)
    store_migrations.upgrade(url, "0003")


RELEASES = {"0001": filled_at_0001, "0002": filled_at_0002, "0003": filled_at_0003}
"""Every schema that a release had, but the newest: add to it, never take away."""


async def check_what_was_kept(url, box):
    store = await Store.open(url)
    try:
        organizations: Any = Organizations(store, box)
        acme = await organizations.get("acme")
        assert (acme.version, acme.account.password, acme.account.max_connections) == (3, "correct horse", 2)
        assert (acme.suspension.code, acme.suspension.since) == (Code.SIGN_IN_REFUSED, NOON)
        assert (await organizations.describe("acme")).verified_at is None
        assert await organizations.get("gone") is None
        assert await organizations.changes_since(2) == (4, ("acme",))
        assert await QuarantineStore(store).tries(b"k" * 16) == 2
        await open_keyring(store, box)
        # What is new can be used, and what was there can be changed.
        assert await organizations.configure_smtp("acme", smtp_form(sender_alias="New", password=None)) == 5
        assert [change.action for change in await History(store).of("acme")] == ["configured"]
        assert await organizations.delete("acme") == 6
    finally:
        await store.close()


@pytest.mark.parametrize("release", RELEASES)
async def test_every_released_schema_is_brought_up_to_date_with_its_data(empty_url, release, box):
    RELEASES[release](empty_url)
    assert store_migrations.upgrade(empty_url) == release
    await check_what_was_kept(empty_url, box)


async def test_a_draft_survives_that_there_are_accounts_now_and_are_no_more(empty_url, box):
    filled_at_0002(empty_url)
    for _ in range(2):
        store_migrations.upgrade(empty_url)
        store = await Store.open(empty_url)
        drafts = stores_over(store).drafts
        draft: Any = await drafts.get("corp")
        assert (draft.form.host, draft.form.port, draft.form.security) == ("half", 25, Security.TLS)
        assert (draft.password_set, draft.form.sender_alias) == (True, "Corp")
        await drafts.save_provider("bolt", ProviderForm("a@bolt.example", "", "g"), TransportKind.GMAIL, OPERATOR)
        await store.close()
        store_migrations.downgrade(empty_url, "0002")


async def test_an_organisation_with_an_account_is_held_once_its_connection_was_dropped(empty_url, box):
    """Going back takes the connections away, but what had one does not leave by the platform's default (R6)."""
    store_migrations.upgrade(empty_url)
    store = await Store.open(empty_url)
    await stores_over(store).connect()
    await store.close()
    store_migrations.downgrade(empty_url, "0002")
    kind = text("SELECT kind FROM organizations WHERE organization = 'acme'")
    assert on(empty_url, lambda connection: connection.scalar(kind)) == "microsoft365"
    store_migrations.upgrade(empty_url)
    store = await Store.open(empty_url)
    with pytest.raises(SettingsUnreadable):
        await Organizations(store, box).get("acme")
    again: Any = stores_over(store)
    await again.connect()
    assert (await again.organizations.get("acme")).sender.address == "notifications@acme.example"
    await store.close()


@pytest.mark.parametrize("release", RELEASES)
async def test_going_back_to_a_release_and_forth_again_keeps_its_data(empty_url, release, box):
    RELEASES[release](empty_url)
    shape = on(empty_url, lambda connection: repr(_shape(connection)))
    store_migrations.upgrade(empty_url)
    store = await Store.open(empty_url)
    # Rows in the new tables and columns are in nobody's way.
    await stores_over(store).drafts.save("acme", smtp_form(), OPERATOR)
    await stores_over(store).sessions.open(Identity("acme", Role.ADMIN, "jo@acme.example", "Jo"))
    await store.close()
    assert store_migrations.downgrade(empty_url, release) == store_migrations.head()
    assert on(empty_url, lambda connection: repr(_shape(connection))) == shape
    store_migrations.upgrade(empty_url)
    await check_what_was_kept(empty_url, box)


def test_the_releases_tested_are_all_but_the_newest():
    steps = [step.revision for step in store_migrations._scripts().walk_revisions()]
    assert set(RELEASES) == set(steps) - {store_migrations.head()}


@pytest.mark.parametrize("release", RELEASES)
async def test_new_code_does_not_run_on_an_old_schema(postgres_url, tmp_path, release):
    store_migrations.upgrade(postgres_url, release)
    with pytest.raises(SchemaOutdated, match=f"has schema {release} .*mailroom database upgrade") as caught:
        await Store.open(postgres_url)
    assert not caught.value.newer
    # SQLite is upgraded when it is opened for use, and only refused where nothing may be written.
    store_migrations.upgrade(sqlite_url(tmp_path), release)
    with pytest.raises(SchemaOutdated, match="mailroom database upgrade"):
        await Store.look(sqlite_url(tmp_path))
    assert tables(sqlite_url(tmp_path)) < TABLES | {"alembic_version"}


async def test_sqlite_is_upgraded_when_it_is_opened(tmp_path):
    store = await Store.open(sqlite_url(tmp_path))
    await store.check_schema()
    await store.close()
    assert tables(sqlite_url(tmp_path)) >= TABLES


async def test_postgresql_without_tables_is_not_touched_and_the_reader_told_what_to_do(postgres_url):
    with pytest.raises(SchemaOutdated, match="mailroom database upgrade") as caught:
        await Store.open(postgres_url)
    assert not caught.value.newer
    assert tables(postgres_url) == set()


async def test_a_database_newer_than_the_code_is_refused_and_left_alone(store_url):
    set_revision(store_url, "9999")
    with pytest.raises(SchemaOutdated, match="newer") as caught:
        await Store.open(store_url)
    assert caught.value.newer
    with pytest.raises(SchemaOutdated, match="newer"):
        store_migrations.upgrade(store_url)
    assert (
        on(store_url, lambda connection: connection.scalar(text("SELECT version_num FROM alembic_version"))) == "9999"
    )


async def test_a_change_of_the_schema_under_a_running_process_is_noticed(store_url):
    store = await Store.open(store_url)
    try:
        set_revision(store_url, "9999")
        with pytest.raises(SchemaOutdated):
            await store.check_schema()
    finally:
        await store.close()


def test_a_path_with_percent_signs_is_no_trouble(tmp_path: Path):
    folder = tmp_path / "100%s"
    folder.mkdir()
    store_migrations.upgrade(sqlite_url(folder))
    with sqlite3.connect(folder / "mailroom.db") as connection:
        assert connection.execute("SELECT count(*) FROM settings_version").fetchone() == (1,)
    connection.close()
