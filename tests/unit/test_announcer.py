"""Telling the replicas of a change: nobody waits for a broker, and nobody hears of it more than once."""

import asyncio
import threading

import pytest

from consumer.notify import Announcer
from tests.waiting import eventually


class Broker:
    """Takes news; ``answers`` are what it says to each, the last one for ever. ``gate`` holds it back."""

    def __init__(self, *answers: bool) -> None:
        self.answers = list(answers)
        self.told: list[tuple[str, int]] = []
        self.gate = threading.Event()
        self.gate.set()

    def notify(self, organization: str, version: int) -> bool:
        self.gate.wait(10)
        self.told.append((organization, version))
        return self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]


@pytest.fixture
def announcer():
    made = []

    def make(broker, **options):
        made.append((broker, Announcer(broker, **options)))
        return made[-1][1]

    yield make
    for broker, one in made:
        broker.gate.set()
        one.close()


async def test_the_news_goes_out(announcer):
    broker = Broker(True)
    await announcer(broker)("acme", 7)
    assert broker.told == [("acme", 7)]


async def test_a_broker_that_does_not_answer_is_not_waited_for(announcer):
    broker = Broker(True)
    announce = announcer(broker, patience=0.05)
    broker.gate.clear()
    async with asyncio.timeout(5):
        await announce("acme", 1)
    assert broker.told == []
    broker.gate.set()
    await eventually(lambda: broker.told == [("acme", 1)])


async def test_a_broker_that_is_away_is_said_once_and_that_it_is_back_too(announcer, capfd):
    announce = announcer(Broker(False, False, True, True, False))
    for version in range(5):
        await announce("acme", version)
    log = capfd.readouterr().err
    assert log.count("cannot be told of changes") == 2
    assert log.count("is told of changes again") == 1


async def test_news_do_not_pile_up(announcer):
    broker = Broker(True)
    announce = announcer(broker, patience=0.0, most_waiting=3)
    broker.gate.clear()
    for version in range(10):
        await announce("acme", version)
    broker.gate.set()
    await eventually(lambda: len(broker.told) == 3)
    assert [version for _, version in broker.told] == [0, 1, 2]


async def test_a_notifier_that_breaks_breaks_nothing_else(announcer, capfd):
    class Broken(Broker):
        def notify(self, organization, version):
            raise RuntimeError("Tr0ub4dor")

    await announcer(Broken(True))("acme", 1)
    log = capfd.readouterr().err
    assert "could not be told of a change" in log
    assert "Tr0ub4dor" not in log
