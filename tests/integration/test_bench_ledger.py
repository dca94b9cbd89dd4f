"""``make bench ARGS=ledger`` works; what it measures is for people."""

from pathlib import Path

from config import store_migrations
from config.testing import sqlite_url
from consumer.ledger import Record, State
from tests.bench.ledger import Nothing, alone


async def test_the_account_is_measured_alone(tmp_path: Path) -> None:
    url = sqlite_url(tmp_path)
    store_migrations.upgrade(url)
    found = await alone(url, events=40, at_once=8)
    assert set(found) == {"rate", "cpu", "batch", "commit"}
    assert 1 < found["batch"] <= 8


async def test_a_consumer_without_an_account_begins_everything() -> None:
    nothing = Nothing(None)
    assert (await nothing.begin(b"", b"", resend=False)).began
    assert await nothing.end(b"", b"", Record(State.DONE)) is State.DONE
