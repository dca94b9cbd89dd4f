"""The news of a change reaches every replica that listens, and a broker that cannot take it costs nothing else."""

import json
import socket

import pytest
from kombu.connection import Connection
from kombu.entity import Exchange, Queue

from consumer import names
from consumer.notify import BrokerNotifier


@pytest.fixture
def listening(vhost):
    """Two queues bound to the exchange as two replicas would; gives a function that reads one message from each."""
    with Connection(vhost) as connection:
        channel = connection.channel()
        exchange = Exchange(names.CONFIG, type="fanout", channel=channel)
        exchange.declare()
        queues = [Queue(f"replica-{number}", exchange, exclusive=True, channel=channel) for number in range(2)]
        for queue in queues:
            queue.declare()
        yield lambda: [queue.get(no_ack=True) for queue in queues]


def test_every_replica_gets_the_organisation_and_its_version(vhost, listening):
    assert BrokerNotifier([vhost]).notify("acme", 7) is True
    messages = listening()
    assert [json.loads(message.body) for message in messages] == [{"organization": "acme", "version": 7}] * 2
    assert {message.content_type for message in messages} == {"application/json"}


def test_the_next_broker_of_the_list_is_used_when_the_first_is_away(vhost, listening):
    with socket.create_server(("127.0.0.1", 0)) as listener:
        closed = listener.getsockname()[1]
    assert BrokerNotifier([f"amqp://127.0.0.1:{closed}/", vhost]).notify("acme", 7) is True
    assert None not in listening()


def test_an_exchange_that_is_not_there_is_noticed(vhost):
    assert BrokerNotifier([vhost]).notify("acme", 7) is False


def test_a_broker_that_is_away_or_refuses_is_no_exception(vhost):
    with socket.create_server(("127.0.0.1", 0)) as listener:
        closed = listener.getsockname()[1]
    assert BrokerNotifier([f"amqp://127.0.0.1:{closed}/"]).notify("acme", 7) is False
    assert BrokerNotifier([vhost.replace("://", "://nobody:")]).notify("acme", 7) is False


def test_a_broker_that_accepts_and_says_nothing_is_given_up():
    with socket.create_server(("127.0.0.1", 0)) as listener:
        url = f"amqp://127.0.0.1:{listener.getsockname()[1]}/"
        assert BrokerNotifier([url]).notify("acme", 7) is False
