"""What organisations chose: every change counted once and seen by all, and unreadable never taken for nothing (R6)."""

import asyncio
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import insert, select, update

from config.choices import OrganizationSettings, Suspension, TransportKind, valid_organization_id
from config.errors import ConfigurationError, InvalidSettings, SettingsChanged, SettingsUnreadable, UnknownOrganization
from config.organizations import Organizations
from config.secrets import Secret, SecretBox, generate_key
from config.store import Store
from config.store_schema import organizations as table
from config.testing import KEY, smtp_form
from transports.errors import Code
from transports.message import Mailbox
from transports.smtp.settings import Security, SmtpSettings

pytest_plugins = ("tests.fixtures_store",)

NOW = datetime(2026, 11, 21, 12, 0, tzinfo=UTC)
LATER = NOW + timedelta(hours=1)


class Clock:
    """A wall clock that is moved by hand."""

    def __init__(self) -> None:
        self.now = NOW

    def __call__(self) -> datetime:
        return self.now


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def organizations(store, box, clock):
    return Organizations(store, box, now=clock)


async def change(store, organization, **values):
    """Changes columns behind the back of the operations."""
    async with store.write() as connection:
        await connection.execute(update(table).where(table.c.organization == organization).values(**values))


async def row(store, organization):
    async with store.read() as connection:
        found = (await connection.execute(select(table).where(table.c.organization == organization))).first()
        return None if found is None else dict(found._mapping)


async def test_what_was_configured_is_what_the_consumer_gets(organizations):
    assert await organizations.get("acme") is None
    version = await organizations.configure_smtp(
        "acme", smtp_form(host="Mail.Acme.Example", sender_alias=" Acme & Söhne ")
    )
    assert await organizations.get("acme") == OrganizationSettings(
        organization="acme",
        version=version,
        kind=TransportKind.SMTP,
        sender=Mailbox("notifications@acme.example", "Acme & Söhne"),
        account=SmtpSettings("mail.acme.example", 587, Security.STARTTLS, "acme", "correct horse"),
        suspension=None,
    )


async def test_a_server_without_sign_in_needs_no_password(organizations):
    await organizations.configure_smtp("acme", smtp_form(username=None, password=None))
    settings = await organizations.get("acme")
    assert (settings.account.username, settings.account.password) == (None, None)


async def test_versions_grow_with_every_change_of_any_organisation(organizations):
    versions = [
        await organizations.configure_smtp("acme", smtp_form()),
        await organizations.configure_smtp("bolt", smtp_form()),
        await organizations.configure_smtp("acme", smtp_form(port=465, security=Security.TLS)),
        await organizations.disconnect("acme"),
        await organizations.delete("bolt"),
    ]
    assert versions == sorted(set(versions))
    assert await organizations.changes_since(versions[1]) == (versions[-1], ("acme", "bolt"))
    assert await organizations.changes_since(versions[-1]) == (versions[-1], ())
    assert await organizations.changes_since(None) == (versions[-1], ())


async def test_a_refused_change_counts_nothing(organizations):
    await organizations.configure_smtp("acme", smtp_form())
    before = await organizations.changes_since(None)
    with pytest.raises(InvalidSettings):
        await organizations.configure_smtp("acme", smtp_form(host="elsewhere.example", password=None))
    with pytest.raises(UnknownOrganization):
        await organizations.disconnect("bolt")
    assert await organizations.changes_since(None) == before


async def test_changes_of_many_processes_get_numbers_in_the_order_they_become_visible(store_url, box):
    stores = [await Store.open(store_url) for _ in range(3)]
    writers = [Organizations(store, box) for store in stores]
    reader, seen = writers[2], 0
    told: set[str] = set()

    async def watch():
        nonlocal seen
        while len(told) < 40:
            seen, changed = await reader.changes_since(seen)
            told.update(changed or ())

    watching = asyncio.create_task(watch())
    numbers = await asyncio.gather(
        *(writers[turn % 2].configure_smtp(f"org-{turn}", smtp_form(password=Secret("x"))) for turn in range(40))
    )
    async with asyncio.timeout(20):
        await watching
    assert sorted(numbers) == list(range(1, 41))
    assert told == {f"org-{turn}" for turn in range(40)}
    for store in stores:
        await store.close()


async def test_an_older_change_cannot_become_visible_after_a_newer_one(store_url, box):
    """The first to take a number holds the counter's row until it commits; the second waits for it."""
    slow, fast = await Store.open(store_url), await Store.open(store_url)
    first, second = Organizations(slow, box), Organizations(fast, box)
    taken, go_on = asyncio.Event(), asyncio.Event()

    async def slowly():
        async with first._rows.changing("slow") as one:
            taken.set()
            await go_on.wait()
            await first._rows.put(one, "slow", {"kind": "smtp"})

    task = asyncio.create_task(slowly())
    await taken.wait()
    other = asyncio.create_task(second.configure_smtp("fast", smtp_form()))
    assert await second.changes_since(0) == (0, ())
    go_on.set()
    await task
    assert await other == 2
    assert await second.changes_since(0) == (2, ("slow", "fast"))
    await slow.close()
    await fast.close()


async def test_disconnecting_returns_to_the_default_and_forgets_everything(organizations, store):
    await organizations.configure_smtp("acme", smtp_form())
    version = await organizations.disconnect("acme")
    assert await organizations.get("acme") is None
    assert await organizations.describe("acme") is None
    left = {name: value for name, value in (await row(store, "acme")).items() if value is not None}
    assert left == {"organization": "acme", "version": version, "changed": version}
    with pytest.raises(UnknownOrganization):
        await organizations.disconnect("acme")


async def test_only_what_was_looked_at_is_disconnected(organizations):
    seen = await organizations.configure_smtp("acme", smtp_form())
    await organizations.configure_smtp("acme", smtp_form(host="other.acme.example"))
    with pytest.raises(SettingsChanged):
        await organizations.disconnect("acme", expected=seen)
    assert await organizations.get("acme") is not None


async def test_after_disconnecting_it_can_be_configured_again_but_not_with_the_old_password(organizations):
    await organizations.configure_smtp("acme", smtp_form())
    disconnected = await organizations.disconnect("acme")
    with pytest.raises(InvalidSettings, match="password"):
        await organizations.configure_smtp("acme", smtp_form(password=None))
    assert await organizations.configure_smtp("acme", smtp_form()) > disconnected
    assert (await organizations.get("acme")).account.password == "correct horse"


async def test_a_deleted_organisation_is_told_to_caches_and_gone_a_day_later(organizations, store, clock):
    await organizations.configure_smtp("acme", smtp_form())
    version = await organizations.delete("acme")
    assert await organizations.get("acme") is None
    assert await organizations.changes_since(version - 1) == (version, ("acme",))
    await organizations.configure_smtp("bolt", smtp_form())
    clock.now += timedelta(days=1)
    assert await organizations.purge() == 0
    clock.now += timedelta(seconds=1)
    await organizations.delete("bolt")
    assert await organizations.purge() == 1
    assert await row(store, "acme") is None
    assert await row(store, "bolt") is not None


async def test_a_disconnected_organisation_can_be_deleted(organizations):
    await organizations.configure_smtp("acme", smtp_form())
    await organizations.disconnect("acme")
    await organizations.delete("acme")
    with pytest.raises(UnknownOrganization):
        await organizations.delete("bolt")


async def test_a_suspension_leaves_the_version_and_is_seen_by_other_replicas(organizations):
    version = await organizations.configure_smtp("acme", smtp_form())
    assert await organizations.suspend("acme", version, Code.SIGN_IN_REFUSED, LATER) is True
    settings = await organizations.get("acme")
    assert settings.version == version
    assert settings.suspension == Suspension(Code.SIGN_IN_REFUSED, NOW, LATER)
    counter, changed = await organizations.changes_since(version)
    assert (counter > version, changed) == (True, ("acme",))
    assert await organizations.suspended() == {"sign_in_refused": 1}


async def test_only_the_first_of_several_failures_begins_the_suspension(organizations, clock):
    version = await organizations.configure_smtp("acme", smtp_form())
    begun = await asyncio.gather(
        *(organizations.suspend("acme", version, Code.SIGN_IN_REFUSED, LATER) for _ in range(8))
    )
    assert sorted(begun) == [False] * 7 + [True]
    clock.now += timedelta(minutes=5)
    assert await organizations.suspend("acme", version, Code.QUOTA_EXHAUSTED, None) is False
    assert (await organizations.get("acme")).suspension == Suspension(Code.QUOTA_EXHAUSTED, NOW, None)


async def test_a_late_failure_of_old_settings_does_not_suspend_the_new_ones(organizations):
    old = await organizations.configure_smtp("acme", smtp_form())
    await organizations.configure_smtp("acme", smtp_form(password=Secret("the right one")))
    assert await organizations.suspend("acme", old, Code.SIGN_IN_REFUSED, LATER) is False
    assert (await organizations.get("acme")).suspension is None
    assert await organizations.suspended() == {}


async def test_a_suspension_that_changes_nothing_counts_nothing(organizations):
    version = await organizations.configure_smtp("acme", smtp_form())
    await organizations.suspend("acme", version - 1, Code.SIGN_IN_REFUSED, LATER)
    await organizations.recover("acme", version)
    assert await organizations.changes_since(None) == (version, ())


async def test_a_late_failure_does_not_bring_a_disconnected_organisation_back(organizations):
    version = await organizations.configure_smtp("acme", smtp_form())
    disconnected = await organizations.disconnect("acme")
    assert await organizations.suspend("acme", version, Code.SIGN_IN_REFUSED, LATER) is False
    assert await organizations.suspend("acme", disconnected, Code.SIGN_IN_REFUSED, LATER) is False
    assert await organizations.suspend("never seen", 1, Code.SIGN_IN_REFUSED, LATER) is False
    assert await organizations.get("acme") is None


async def test_a_recovery_lifts_the_suspension_of_its_own_version_only(organizations):
    version = await organizations.configure_smtp("acme", smtp_form())
    assert await organizations.recover("acme", version) is False
    await organizations.suspend("acme", version, Code.SIGN_IN_REFUSED, LATER)
    assert await organizations.recover("acme", version + 1) is False
    assert await organizations.recover("acme", version) is True
    assert (await organizations.get("acme")).suspension is None
    assert await organizations.suspended() == {}


async def test_configuring_lifts_a_suspension(organizations):
    version = await organizations.configure_smtp("acme", smtp_form())
    await organizations.suspend("acme", version, Code.SIGN_IN_REFUSED, LATER)
    await organizations.configure_smtp("acme", smtp_form())
    assert (await organizations.get("acme")).suspension is None


@pytest.mark.parametrize(
    "broken",
    [
        {"kind": "carrier_pigeon"},
        {"kind": None},
        {"kind": ""},
        {"host": None},
        {"host": ""},
        {"port": None},
        {"port": 0},
        {"security": "none"},
        {"security": "maybe"},
        {"security": None},
        {"sender_address": None},
        {"sender_address": ""},
        {"password_sealed": "v1:00000000:AAAA"},
        {"password_sealed": "rubbish"},
        {"password_sealed": None},
        {"suspended_code": "no such code"},
        {"suspended_code": "sign_in_refused"},
        {"limits": {"connections": "many"}},
        {"limits": {"connections": -1}},
        {"limits": ["x"]},
    ],
    ids=str,
)
async def test_a_row_that_makes_no_sense_is_unreadable_and_never_nothing(organizations, store, broken):
    await organizations.configure_smtp("acme", smtp_form())
    await change(store, "acme", **broken)
    assert [summary.organization async for summary in organizations.summaries()] == (
        [] if broken == {"kind": None} else ["acme"]
    )
    with pytest.raises(SettingsUnreadable) as caught:
        await organizations.get("acme")
    assert caught.value.organization == "acme"
    assert "correct horse" not in str(caught.value)


async def test_a_secret_copied_to_another_organisation_does_not_open(organizations, store):
    await organizations.configure_smtp("acme", smtp_form())
    await organizations.configure_smtp("bolt", smtp_form(password=Secret("another")))
    await change(store, "bolt", password_sealed=(await row(store, "acme"))["password_sealed"])
    with pytest.raises(SettingsUnreadable):
        await organizations.get("bolt")


async def test_without_the_key_settings_are_unreadable_but_can_be_listed(organizations, store):
    await organizations.configure_smtp("acme", smtp_form())
    for keys in ([], [Secret(generate_key())]):
        keyless = Organizations(store, SecretBox(keys))
        with pytest.raises(SettingsUnreadable):
            await keyless.get("acme")
        shown = await keyless.describe("acme")
        assert shown is not None
        assert shown.password_set
        assert [summary.organization async for summary in keyless.summaries()] == ["acme"]
        assert await keyless.configure_smtp("acme", smtp_form(sender_alias="New", password=None))
    with pytest.raises(ConfigurationError, match="MAILROOM_SECRET_KEYS"):
        await Organizations(store, SecretBox([])).configure_smtp("acme", smtp_form())


async def test_a_summary_never_has_the_password_and_the_list_is_complete(organizations, store):
    rows = [{"organization": f"org-{number:04}", "kind": "smtp", "version": 1, "changed": 1} for number in range(1201)]
    async with store.write() as connection:
        await connection.execute(insert(table), rows)
    await organizations.configure_smtp("acme", smtp_form())
    await organizations.disconnect("org-0007")
    found = [summary async for summary in organizations.summaries()]
    names = [summary.organization for summary in found]
    assert len(names) == len(set(names)) == 1201
    assert "org-0007" not in names
    assert "correct horse" not in repr(found)


async def test_the_same_place_keeps_the_stored_password_and_another_place_does_not_get_it(organizations):
    await organizations.configure_smtp("acme", smtp_form())
    await organizations.configure_smtp(
        "acme", smtp_form(sender_alias="New", port=465, security=Security.TLS, password=None)
    )
    settings = await organizations.get("acme")
    assert (settings.sender.name, settings.account.password) == ("New", "correct horse")
    await organizations.configure_smtp("acme", smtp_form(password=Secret("")))
    for elsewhere in ({"host": "thief.example"}, {"username": "thief"}):
        with pytest.raises(InvalidSettings) as caught:
            await organizations.configure_smtp("acme", smtp_form(password=None, **elsewhere))
        assert [field for field, _ in caught.value.problems] == ["password"]
    assert (await organizations.get("acme")).account.host == "mail.acme.example"


async def test_taking_the_user_name_away_forgets_the_password(organizations, store):
    await organizations.configure_smtp("acme", smtp_form())
    await organizations.configure_smtp("acme", smtp_form(username=None, password=None))
    assert (await row(store, "acme"))["password_sealed"] is None


@pytest.mark.parametrize(
    ("changes", "fields"),
    [
        ({"host": "no host"}, ["host"]),
        ({"host": "127.1"}, ["host"]),
        ({"port": 26}, ["port"]),
        ({"port": 0}, ["port"]),
        ({"security": Security.NONE}, ["security"]),
        ({"sender_address": "canary"}, ["sender_address"]),
        ({"sender_address": "a@b.example\r\nBcc: x@y.example"}, ["sender_address"]),
        ({"sender_alias": ""}, ["sender_alias"]),
        ({"sender_alias": "a\nb"}, ["sender_alias"]),
        ({"sender_alias": "a" * 201}, ["sender_alias"]),
        ({"username": None}, ["username"]),
        ({"username": "a\0b"}, ["username"]),
        ({"password": Secret("canary\r\nQUIT")}, ["password"]),
        ({"password": None}, ["password"]),
        (
            {"host": "", "port": 1, "sender_address": "", "sender_alias": ""},
            ["host", "sender_address", "sender_alias", "port"],
        ),
    ],
    ids=str,
)
async def test_every_mistake_of_a_form_is_named_by_its_field_and_not_repeated(organizations, changes, fields):
    with pytest.raises(InvalidSettings) as caught:
        await organizations.configure_smtp("acme", smtp_form(**changes))
    assert [field for field, _ in caught.value.problems] == fields
    assert "canary" not in str(caught.value)
    assert await organizations.get("acme") is None


@pytest.mark.parametrize("text", ["", "a b", "a/b", "é", "a" * 129, "a\n", "a@b"])
async def test_an_organisation_id_is_checked(organizations, text):
    assert not valid_organization_id(text)
    with pytest.raises(InvalidSettings):
        await organizations.configure_smtp(text, smtp_form())


async def test_chosen_limits_are_used_and_survive_a_change_of_the_form(organizations, store):
    await organizations.configure_smtp("acme", smtp_form())
    await change(store, "acme", limits={"connections": 2})
    await organizations.configure_smtp("acme", smtp_form())
    assert (await organizations.get("acme")).account.max_connections == 2


async def test_the_password_is_in_no_file_of_the_database_and_in_no_representation(tmp_path):
    store = await Store.open(f"sqlite+aiosqlite:///{tmp_path}/mailroom.db")
    organizations = Organizations(store, SecretBox([KEY]))
    form = smtp_form(password=Secret("canary-password"))
    await organizations.configure_smtp("acme", form)
    settings = await organizations.get("acme")
    files = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    await store.close()
    files |= {f"closed {path.name}": path.read_bytes() for path in tmp_path.iterdir()}
    assert any(b"notifications@acme.example" in content for content in files.values())
    assert not any(b"canary-password" in content for content in files.values())
    for shown in (repr(form), repr(settings), str(settings)):
        assert "canary-password" not in shown
