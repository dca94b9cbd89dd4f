"""Sessions and hand-over tokens: known by hashes, ended in time, and a token taken once by all replicas together."""

import asyncio
import os
from datetime import timedelta

from sqlalchemy import func, select

from config.sessions import Identity, Role, Session, Sessions
from config.store_schema import sessions, used_tokens
from tests.builders import NOON

pytest_plugins = ("tests.fixtures_store",)

ADA = Identity("acme", Role.ADMIN, "ada@acme.example", "Ada", "fr")
VIEWER = Identity("bolt", Role.VIEWER, "vic@bolt.example", "Vic")


async def count(store, table):
    async with store.read() as connection:
        return await connection.scalar(select(func.count()).select_from(table))


async def test_a_session_is_found_by_its_token_on_every_replica_until_it_is_closed(stores, others):
    token, session = await stores.sessions.open(ADA)
    assert session == Session(
        "acme", Role.ADMIN, "ada@acme.example", "Ada", "fr", session.csrf, NOON, NOON + timedelta(hours=8)
    )
    assert await others.sessions.get(token) == session
    other_token, other = await stores.sessions.open(VIEWER)
    assert (other.role, other.language) == (Role.VIEWER, None)
    assert len({token, other_token, session.csrf, other.csrf}) == 4
    await stores.sessions.set_language(token, "en")
    assert (await others.sessions.get(token)).language == "en"
    await others.sessions.close(token)
    assert await stores.sessions.get(token) is None
    assert await stores.sessions.get(other_token) == other
    await stores.sessions.close(token)


async def test_what_is_no_token_opens_nothing(stores):
    await stores.sessions.open(ADA)
    for token in ("", "x", "\0", "\ud800", "x" * 10_000):
        assert await stores.sessions.get(token) is None


async def test_a_token_has_256_unpredictable_bits_and_is_not_in_the_database(store):
    drawn = []

    def random(size):
        drawn.append(os.urandom(size))
        return drawn[-1]

    token, session = await Sessions(store, now=lambda: NOON, random=random).open(ADA)
    assert [len(part) for part in drawn] == [32, 32]
    assert len(token) == len(session.csrf) == 43
    async with store.read() as connection:
        rows = repr((await connection.execute(select(sessions))).all())
    assert token not in rows
    assert str(drawn[0]) not in rows


async def test_a_session_ends_after_an_hour_of_nothing_and_after_eight_whatever_happens(stores, wall_clock):
    idle, _ = await stores.sessions.open(ADA)
    used, _ = await stores.sessions.open(ADA)
    wall_clock.forward(minutes=59, seconds=59)
    assert await stores.sessions.get(used)
    wall_clock.forward(seconds=1)
    assert await stores.sessions.get(idle) is None
    for _ in range(7):
        assert await stores.sessions.get(used)
        wall_clock.forward(minutes=59)
    assert await stores.sessions.get(used)
    wall_clock.now = NOON + timedelta(hours=8)
    assert await stores.sessions.get(used) is None


async def test_looking_at_pages_writes_once_a_minute_at_most(stores, wall_clock):
    token, _ = await stores.sessions.open(ADA)

    async def seen():
        async with stores.store.read() as connection:
            return await connection.scalar(select(sessions.c.seen_at))

    wall_clock.forward(seconds=59)
    await stores.sessions.get(token)
    assert await seen() == NOON
    wall_clock.forward(seconds=1)
    await stores.sessions.get(token)
    assert await seen() == NOON + timedelta(seconds=60)


async def test_what_has_ended_is_removed_with_the_names_in_it(stores, wall_clock):
    await stores.sessions.open(ADA)
    await stores.sessions.use_once("one", NOON + timedelta(minutes=5))
    wall_clock.forward(minutes=30)
    kept, _ = await stores.sessions.open(VIEWER)
    await stores.sessions.use_once("two", wall_clock.now + timedelta(minutes=50))
    wall_clock.forward(minutes=30)
    await stores.sessions.open(VIEWER)
    assert (await count(stores.store, sessions), await count(stores.store, used_tokens)) == (2, 1)
    assert await stores.sessions.get(kept)
    wall_clock.forward(hours=9)
    await stores.sessions.open(VIEWER)
    assert (await count(stores.store, sessions), await count(stores.store, used_tokens)) == (1, 0)


async def test_a_handover_token_is_taken_once_even_if_replicas_see_it_at_the_same_instant(stores, others):
    expires = NOON + timedelta(minutes=5)
    taken = await asyncio.gather(
        *((stores, others)[turn % 2].sessions.use_once("the token", expires) for turn in range(12))
    )
    assert sorted(taken) == [False] * 11 + [True]
    assert await stores.sessions.use_once("another", expires) is True
    assert await others.sessions.use_once("the token", expires) is False


async def test_a_used_token_is_remembered_until_no_clock_takes_it_any_more(stores, wall_clock):
    expires = NOON + timedelta(minutes=5)
    await stores.sessions.use_once("the token", expires)
    wall_clock.now = expires + timedelta(minutes=9)
    await stores.sessions.open(ADA)
    assert await stores.sessions.use_once("the token", expires) is False
