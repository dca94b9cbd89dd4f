"""The cache keeps one transport an account, and never closes one under somebody's hands."""

import asyncio

import pytest

from tests.fakes.smtpd_client import Clock, mail
from tests.waiting import eventually
from transports.cache import TransportCache
from transports.message import Mail, Receipt
from transports.testing import RecordingTransport, ScriptedTransport


class Factory:
    def __init__(self) -> None:
        self.made: list[tuple[str, RecordingTransport]] = []

    def __call__(self, settings: str) -> RecordingTransport:
        transport = RecordingTransport()
        self.made.append((settings, transport))
        return transport

    def open(self) -> list[str]:
        return [settings for settings, transport in self.made if not transport.closed]


async def test_equal_settings_give_the_same_transport() -> None:
    factory = Factory()
    cache = TransportCache(factory, 10, Clock())
    async with cache.use("acme", "a") as first:
        pass
    async with cache.use("acme", "a") as second, cache.use("other", "a") as third:
        assert first is second is not third
    await cache.aclose()
    assert factory.open() == []


@pytest.mark.parametrize("change", [("b", None), ("a", 2)])
async def test_other_settings_or_another_version_take_over_and_the_old_one_ends_after_its_last_use(
    change: tuple[str, object],
) -> None:
    factory = Factory()
    cache = TransportCache(factory, 10, Clock())
    async with cache.use("acme", "a") as old:
        async with cache.use("acme", *change) as new:
            assert new is not old
        await asyncio.sleep(0)
        assert len(factory.open()) == 2
        assert (await old.send(mail(), 1)).accepted == (0,)
    await eventually(lambda: len(factory.open()) == 1)
    async with cache.use("acme", *change) as again:
        assert again is new
    await cache.aclose()


async def test_the_least_recently_used_goes_first_and_never_one_in_use() -> None:
    factory = Factory()
    cache = TransportCache(factory, 2, Clock())
    async with cache.use("1", "one"):
        for key, settings in (("2", "two"), ("3", "three"), ("4", "four")):
            async with cache.use(key, settings):
                pass
        await eventually(lambda: factory.open() == ["one", "four"])
        assert len(cache) == 2
    await cache.aclose()


async def test_the_unused_are_closed_after_a_while() -> None:
    factory, clock = Factory(), Clock()
    cache = TransportCache(factory, 10, clock, max_unused=900)
    async with cache.use("1", "one"):
        pass
    clock.now += 901
    async with cache.use("2", "two"):
        pass
    await eventually(lambda: factory.open() == ["two"])
    await cache.aclose()


async def test_a_dropped_transport_is_built_anew() -> None:
    factory = Factory()
    cache = TransportCache(factory, 10, Clock())
    async with cache.use("1", "one") as old:
        cache.drop("1")
        cache.drop("1")
    async with cache.use("1", "one") as new:
        assert new is not old
    await cache.aclose()
    assert factory.open() == []


async def test_closing_waits_for_running_sends_and_ends_every_use() -> None:
    release = asyncio.Event()

    async def slow(sent: Mail) -> Receipt:
        await release.wait()
        return Receipt("smtp", sent.owed)

    cache: TransportCache[str] = TransportCache(lambda _: ScriptedTransport([slow]), 10, Clock())

    async def send() -> Receipt:
        async with cache.use("1", "one") as transport:
            return await transport.send(mail(), 10)

    sending = asyncio.create_task(send())
    await asyncio.sleep(0)
    closing = asyncio.create_task(cache.aclose())
    await asyncio.sleep(0)
    assert not closing.done()
    release.set()
    await closing
    assert (await sending).accepted == (0,)
    with pytest.raises(RuntimeError):
        async with cache.use("1", "one"):
            pass
    await cache.aclose()
