"""The window of unconfirmed events when the link breaks: none is forgotten, none that was never sent is unknown."""

from contextlib import contextmanager
from typing import Any

import pytest

from consumer.publisher_batch import publish_all
from consumer.publisher_errors import PublishUnavailable
from consumer.publisher_link import LinkLost, Outgoing


def prepared(event: str) -> Outgoing:
    return Outgoing(event.encode(), event, "key", {})


class BreakingPool:
    """Lends one link that takes events and breaks before the first verdict; afterwards there is none."""

    def __init__(self) -> None:
        self.sent: list[str] = []
        self.used = False

    @contextmanager
    def link(self, _timeout):
        if self.used:
            raise LinkLost("gone")
        self.used = True
        yield self

    def send(self, outgoing: Outgoing) -> int:
        self.sent.append(outgoing.message_id)
        return len(self.sent)

    def verdict(self, _timeout):
        raise LinkLost("broke")


def test_no_event_is_forgotten_when_the_link_breaks_with_a_full_window():
    pool: Any = BreakingPool()
    delivered: list[str] = []

    def deliver(outgoing: Outgoing) -> None:
        delivered.append(outgoing.message_id)

    settled = list(publish_all("abcde", prepared, pool, deliver, window=2, timeout=1))
    assert pool.sent == ["a", "b"]
    assert delivered == ["a", "b", "c", "d", "e"]
    assert [each.position for each in settled] == [0, 1, 2, 3, 4]


def test_only_what_was_sent_is_unknown_when_the_broker_stays_away():
    def deliver(outgoing: Outgoing) -> None:
        if outgoing.message_id != "a":
            raise PublishUnavailable("away", sent=False)

    pool: Any = BreakingPool()
    publishing = publish_all("abcde", prepared, pool, deliver, window=3, timeout=1)
    assert next(publishing).position == 0
    with pytest.raises(PublishUnavailable) as caught:
        next(publishing)
    assert caught.value.unknown == {1, 2}
