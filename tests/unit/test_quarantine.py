"""Marks of redelivered events: only the deaths of other lives of the process convict."""

import asyncio

import pytest

from config.errors import StoreUnavailable
from consumer.gate import Gate
from consumer.quarantine import TRIES, Entry, Quarantine
from tests.builders import NOON
from tests.doubles import Marks
from tests.unit.test_gate import turns

BODY = b"an event"


def quarantine(marks):
    return Quarantine(marks, Gate(asyncio.get_running_loop().time, proved=0.01), now=lambda: NOON, digest=bytes)


async def test_a_store_that_commits_without_answering_convicts_nobody():
    marks = Marks()
    kept = quarantine(marks)
    marks.mute = True
    for _ in range(TRIES):
        with pytest.raises(StoreUnavailable):
            async with kept.redelivered(BODY):
                raise AssertionError("it must not run unmarked")
    assert marks.counts[BODY] == TRIES
    marks.mute = False
    async with kept.redelivered(BODY) as entry:
        assert entry is Entry.RUN
    assert marks.counts[BODY] == 0


async def test_marks_that_another_life_of_the_process_left_still_convict():
    marks = Marks()
    marks.counts[BODY] = TRIES
    async with quarantine(marks).redelivered(BODY) as entry:
        assert entry is Entry.POISON


def happened():
    event = asyncio.Event()
    event.set()
    return event


class Slow(Marks):
    """Looks when it may, tells what it saw when it may, and says only when it may that a mark is cleared."""

    def __init__(self):
        super().__init__()
        self.look, self.tell, self.confirm = happened(), happened(), happened()

    async def tries(self, key):
        look, tell = self.look, self.tell
        await look.wait()
        seen = await super().tries(key)
        await tell.wait()
        return seen

    async def clear(self, key):
        await super().clear(key)
        await self.confirm.wait()


class Copies:
    """Copies of one event in a quarantine whose marks are slow, until ``end``."""

    def __init__(self, group):
        self.marks, self.end = Slow(), asyncio.Event()
        self._group, self._kept = group, quarantine(self.marks)
        self.tasks = []

    async def begin(self, count, end=None):
        self.tasks += [self._group.create_task(self._hold(end or self.end)) for _ in range(count)]
        await turns()

    async def _hold(self, end):
        async with self._kept.redelivered(BODY) as entry:
            await end.wait()
            return entry

    def entries(self):
        return {task.result() for task in self.tasks}


async def test_copies_that_begin_while_another_ends_convict_nobody():
    async with asyncio.TaskGroup() as group:
        c = Copies(group)
        c.marks.confirm.clear()
        await c.begin(1, happened())
        await c.begin(TRIES)
        assert c.marks.counts[BODY] == TRIES
        c.marks.confirm.set()
        await turns()
        await c.begin(1)
        c.end.set()
    assert c.entries() == {Entry.RUN}
    assert c.marks.counts[BODY] == 0


async def test_copies_that_end_while_another_is_looked_up_convict_nobody():
    async with asyncio.TaskGroup() as group:
        c = Copies(group)
        await c.begin(TRIES)
        c.marks.tell.clear()
        await c.begin(1)
        c.end.set()
        await turns()
        assert c.marks.counts[BODY] == 0
        c.marks.tell.set()
    assert c.entries() == {Entry.RUN}


async def test_copies_that_begin_while_another_is_looked_up_convict_nobody():
    async with asyncio.TaskGroup() as group:
        c = Copies(group)
        c.marks.look = late = asyncio.Event()
        await c.begin(1)
        c.marks.look = happened()
        c.marks.confirm.clear()
        await c.begin(1, happened())
        await c.begin(TRIES)
        c.marks.confirm.set()
        await turns()
        assert c.marks.counts[BODY] == TRIES
        late.set()
        await turns()
        c.end.set()
    assert c.entries() == {Entry.RUN}
