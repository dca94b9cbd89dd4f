"""Two replicas on one broker: one leaves in order, is killed, or stands still; the other goes on with its work."""

import pytest

from config import store_migrations
from consumer import names
from tests.accounting import account, duplicates_explained, per_recipient, settled
from tests.fakes.sink import Later
from tests.running import clock
from tests.running_broker import an_event, publish, ready
from tests.waiting import eventually_blocking

CONNECTIONS = 8
EVENTS = 180


def slowly(phase, argument):
    """A server that takes a third of a second for each mail, so that some are always under way."""
    return Later(0.3) if phase == "BODY" else None


@pytest.fixture
def expected():
    return [f"e{number}@example.org" for number in range(EVENTS)]


@pytest.fixture
def pair(vhost, sink, launch, postgres_url):
    """A replica that holds every partition and one that stands by (before RabbitMQ 4, by the order they started).

    On PostgreSQL, because one that is frozen in the middle of a write has SQLite to itself until it goes on.
    """
    sink.behave = slowly
    store_migrations.upgrade(postgres_url)
    settings = {"default_smtp_connections": CONNECTIONS, "drain_seconds": 12, "database_url": postgres_url}
    first = launch(vhost, name="first", **settings).start()
    second = launch(vhost, name="second", **settings).start()
    publish(vhost, (an_event(number, f"org-{number}") for number in range(EVENTS)))
    eventually_blocking(lambda: len(sink.taken) >= 20, 20, what="mails are under way")
    return first, second


@pytest.mark.timeout(90)
def test_a_drained_replica_hands_over_and_no_mail_is_sent_by_both(vhost, sink, pair, expected):
    first, _ = pair
    asked = clock()
    assert first.stop(20) == 0
    assert clock() - asked < 12
    taken_by_first = len(sink.taken)
    eventually_blocking(lambda: settled(vhost, sink, expected), 60, what="everything is settled")
    found = account(sink, expected)
    assert taken_by_first < EVENTS, "the other had nothing to do"
    assert not found.lost, found
    assert not found.duplicates, found
    assert ready(vhost, [names.DEAD]) == 0
    assert not [line for line in first.lines() if line.get("reason") == "outcome_unknown"]


@pytest.mark.timeout(90)
def test_the_other_replica_goes_on_for_one_that_was_killed(vhost, sink, pair, expected):
    first, _ = pair
    first.kill()
    killed = clock()
    eventually_blocking(lambda: settled(vhost, sink, expected), 60, what="everything is settled")
    found = account(sink, expected)
    assert not found.lost, found
    assert len(found.duplicates) <= CONNECTIONS, found
    assert duplicates_explained(found, [killed]), found
    assert ready(vhost, [names.DEAD]) == 0


@pytest.mark.slow
@pytest.mark.timeout(120)
def test_a_frozen_replica_starts_no_mail_of_which_the_other_has_taken_charge(vhost, sink, pair, expected):
    first, _ = pair
    first.freeze()
    frozen = clock()
    peers = {session.peer for session in list(sink.open)}
    under_way = set(sink.in_data)
    before = set(sink.recipients())
    eventually_blocking(
        lambda: len(sink.recipients().keys() | under_way) == EVENTS, 70, what="the other has sent all the rest"
    )
    first.thaw()
    first.await_ready()
    eventually_blocking(lambda: settled(vhost, sink, expected), 60, what="everything is settled")
    found = account(sink, expected)
    assert not found.lost, found
    # On a busy machine some replies have been read, and not yet what the broker is told of them.
    assert len(found.duplicates) <= 2 * CONNECTIONS, per_recipient(sink)
    # What it had begun when it was frozen it finishes, on new connections if its own are too old by then: as many
    # mails as it has slots, one a connection. None begins after that, though it holds many more.
    late = [mail for mail in found.duplicates if mail.at > frozen and not set(mail.recipients) & (under_way | before)]
    finished = {mail.peer for mail in late}
    assert len(finished) == len(late) <= CONNECTIONS, (late, peers)
