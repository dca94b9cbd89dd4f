"""The consumer's view of organisations: fast, bounded, and never older than it may be (R6)."""

import asyncio
from datetime import UTC, datetime

import pytest

from config.directory import Directory
from config.errors import SettingsUnreadable, StoreUnavailable
from config.organizations import Organizations
from config.testing import organizations_in, smtp_form
from transports.errors import Code


class Reader:
    """The real organisations behind a store that can be away, or slow to hand over what it has read."""

    def __init__(self, organizations: Organizations) -> None:
        self._organizations = organizations
        self.away = False
        self.reads: list[str] = []
        self.checks = 0
        self.hold: asyncio.Event | None = None
        self.held = asyncio.Event()

    async def get(self, organization):
        self.reads.append(organization)
        self._answer()
        found = await self._organizations.get(organization)
        await self._held()
        return found

    async def changes_since(self, number):
        self.checks += 1
        self._answer()
        found = await self._organizations.changes_since(number)
        await self._held()
        return found

    def _answer(self):
        if self.away:
            raise StoreUnavailable("the database is away")

    async def _held(self):
        if self.hold is not None:
            self.held.set()
            await self.hold.wait()


class Clock:
    """A monotonic clock that is moved by hand."""

    now = 1000.0

    def __call__(self):
        return self.now


@pytest.fixture
async def organizations(tmp_path):
    async with organizations_in(tmp_path, acme=smtp_form()) as found:
        yield found


@pytest.fixture
def reader(organizations):
    return Reader(organizations)


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def directory(reader, clock):
    return Directory(reader, clock=clock)


async def test_an_organisation_is_read_once_and_then_remembered(directory, reader):
    for _ in range(3):
        assert (await directory.get("acme")).account.host == "mail.acme.example"
    assert reader.reads == ["acme"]


async def test_having_nothing_configured_is_remembered_too(directory, reader):
    for _ in range(3):
        assert await directory.get("bolt") is None
    assert reader.reads == ["bolt"]


async def test_a_change_is_seen_at_the_next_check_and_reported_once(directory, organizations):
    await directory.get("acme")
    assert await directory.get("bolt") is None
    assert await directory.refresh() == ()
    await organizations.configure_smtp("acme", smtp_form(host="new.acme.example"))
    await organizations.configure_smtp("bolt", smtp_form())
    assert await directory.refresh() == ("acme", "bolt")
    assert (await directory.get("acme")).account.host == "new.acme.example"
    assert (await directory.get("bolt")) is not None
    assert await directory.refresh() == ()


async def test_disconnecting_and_suspending_are_changes_too(directory, organizations):
    version = (await directory.get("acme")).version
    await organizations.suspend("acme", version, Code.SIGN_IN_REFUSED, datetime(2026, 11, 21, tzinfo=UTC))
    assert await directory.refresh() == ("acme",)
    assert (await directory.get("acme")).suspension is not None
    await organizations.disconnect("acme")
    assert await directory.refresh() == ("acme",)
    assert await directory.get("acme") is None


async def test_the_first_check_reports_nothing_because_nothing_was_known(directory):
    assert await directory.refresh() == ()


async def test_a_change_found_by_a_mail_is_still_reported_to_the_next_refresh(directory, organizations, clock):
    await directory.get("acme")
    await organizations.configure_smtp("acme", smtp_form(host="new.acme.example"))
    clock.now += 10.1
    assert (await directory.get("acme")).account.host == "new.acme.example"
    assert await directory.refresh() == ("acme",)


async def test_a_short_absence_of_the_store_is_bridged_for_what_is_known(directory, reader, clock):
    await directory.get("acme")
    reader.away = True
    clock.now += 9.9
    assert await directory.get("acme") is not None
    with pytest.raises(StoreUnavailable):
        await directory.get("bolt")


async def test_after_a_long_absence_there_is_no_answer_not_even_for_what_is_known(directory, reader, clock):
    await directory.get("acme")
    assert await directory.get("bolt") is None
    reader.away = True
    clock.now += 10.1
    for organization in ("acme", "bolt", "corp"):
        with pytest.raises(StoreUnavailable):
            await directory.get(organization)
    reader.away = False
    assert await directory.get("acme") is not None
    assert await directory.get("bolt") is None


async def test_after_a_long_absence_everything_is_read_again(directory, reader, clock):
    await directory.get("acme")
    clock.now += 10.1
    await directory.get("acme")
    assert reader.reads == ["acme", "acme"]


async def test_a_failed_check_does_not_make_answers_younger(directory, reader, clock):
    await directory.get("acme")
    reader.away = True
    clock.now += 9
    with pytest.raises(StoreUnavailable):
        await directory.refresh()
    clock.now += 2
    with pytest.raises(StoreUnavailable):
        await directory.get("acme")


async def test_many_mails_at_once_cause_one_read_and_one_check(directory, reader):
    found = await asyncio.gather(*(directory.get("acme") for _ in range(50)))
    assert len({settings.version for settings in found}) == 1
    assert (reader.reads, reader.checks) == (["acme"], 1)


async def test_a_change_during_a_read_is_not_covered_up_by_what_was_read_before_it(directory, reader, organizations):
    await directory.refresh()
    reader.hold = asyncio.Event()
    old = asyncio.create_task(directory.get("acme"))
    await reader.held.wait()
    release, reader.hold = reader.hold, None
    await organizations.configure_smtp("acme", smtp_form(host="new.acme.example"))
    assert await directory.refresh() == ("acme",)
    release.set()
    await old
    assert (await directory.get("acme")).account.host == "new.acme.example"


async def test_a_read_after_an_invalidation_does_not_join_an_older_read(directory, reader, organizations):
    await directory.refresh()
    reader.hold = asyncio.Event()
    old = asyncio.create_task(directory.get("acme"))
    await reader.held.wait()
    release, reader.hold = reader.hold, None
    await organizations.configure_smtp("acme", smtp_form(host="new.acme.example"))
    directory.invalidate("acme")
    assert (await directory.get("acme")).account.host == "new.acme.example"
    release.set()
    assert (await old).account.host == "mail.acme.example"
    assert (await directory.get("acme")).account.host == "new.acme.example"


async def test_a_refresh_does_not_make_do_with_a_check_that_began_before_it(directory, reader, organizations):
    await directory.get("acme")
    reader.hold = asyncio.Event()
    earlier = asyncio.create_task(directory.refresh())
    await reader.held.wait()
    release, reader.hold = reader.hold, None
    await organizations.configure_smtp("acme", smtp_form(host="new.acme.example"))
    later = asyncio.create_task(directory.refresh())
    await asyncio.sleep(0)
    release.set()
    assert {*await earlier, *await later} == {"acme"}
    assert (await directory.get("acme")).account.host == "new.acme.example"


async def test_one_who_gives_up_waiting_does_not_take_the_answer_from_the_others(directory, reader):
    await directory.refresh()
    reader.hold = asyncio.Event()
    first, second = asyncio.create_task(directory.get("acme")), asyncio.create_task(directory.get("acme"))
    await reader.held.wait()
    first.cancel()
    reader.hold.set()
    assert await second is not None
    assert reader.reads == ["acme"]
    assert first.cancelled()


async def test_an_unreadable_row_is_an_error_each_time_and_is_readable_once_mended(directory, organizations, reader):
    await organizations.configure_smtp("acme", smtp_form())
    box, organizations._box = organizations._box, type(organizations._box)([])
    for _ in range(2):
        with pytest.raises(SettingsUnreadable):
            await directory.get("acme")
    assert reader.reads == ["acme", "acme"]
    organizations._box = box
    assert await directory.get("acme") is not None


async def test_the_memory_is_bounded_and_keeps_what_is_used(reader, clock):
    directory = Directory(reader, clock=clock, capacity=3)
    for organization in ("acme", "b", "c", "acme", "d", "acme"):
        await directory.get(organization)
    assert reader.reads == ["acme", "b", "c", "d"]
    await directory.get("b")
    assert reader.reads == ["acme", "b", "c", "d", "b"]


async def test_invalidating_all_forgets_all(directory, reader):
    await directory.get("acme")
    directory.invalidate()
    await directory.get("acme")
    assert reader.reads == ["acme", "acme"]
