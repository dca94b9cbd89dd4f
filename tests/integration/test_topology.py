"""The topology on a real broker: declared, compared, exported, and doing what it is for."""

import json
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from urllib.parse import quote, urlsplit, urlunsplit

import pytest
from amqp import Message
from amqp.exceptions import AccessRefused

from consumer import names
from consumer.publisher import Publisher, PublishRejected
from consumer.topology import (
    BrokerUnavailable,
    TopologyForbidden,
    TopologyMismatch,
    apply_topology,
    check_topology,
    ensure_partitions,
)
from consumer.topology_connection import CredentialsRefused
from consumer.topology_entities import topology
from consumer.topology_management import definitions
from deploy.rabbitmq import complete
from tests.integration.messages import await_depth, channel, depth, exists, put, take
from tests.malformed import full_event

pytestmark = pytest.mark.versions

PARTITIONS = 4


def told(report) -> list[str]:
    return [str(difference) for difference in report.differences]


@pytest.fixture
def laid(vhost):
    """The address of a virtual host with the topology."""
    apply_topology(vhost, PARTITIONS)
    return vhost


def test_what_apply_declares_is_what_check_and_the_management_api_find(laid, broker_node):
    apply_topology(laid, PARTITIONS)
    by_amqp = check_topology(laid, PARTITIONS)
    assert told(by_amqp) == []
    assert (by_amqp.arguments_verified, by_amqp.bindings_verified) == (True, False)
    complete_check = check_topology(laid, PARTITIONS, management_url=broker_node.management_url)
    assert told(complete_check) == []
    assert complete_check.bindings_verified


def test_check_declares_nothing(vhost):
    report = check_topology(vhost, PARTITIONS)
    wanted = topology(PARTITIONS)
    assert len(report.differences) == len(wanted.exchanges) + len(wanted.queues)
    assert all(difference.problem == "is missing" for difference in report.differences)
    assert not exists(vhost, names.DEAD)


def test_replicas_may_apply_at_the_same_time(vhost, broker_node):
    with ThreadPoolExecutor(4) as replicas:
        for applied in [replicas.submit(apply_topology, vhost, PARTITIONS) for _ in range(4)]:
            applied.result()
    assert told(check_topology(vhost, PARTITIONS, management_url=broker_node.management_url)) == []


def test_a_queue_with_another_argument_is_named_and_left_alone(laid):
    with channel(laid) as on:
        on.queue_delete(names.wait_queue(5))
        arguments = {**_queue(names.wait_queue(5)).queue_arguments, "x-message-ttl": 4000}
        on.queue_declare(names.wait_queue(5), durable=True, auto_delete=False, arguments=arguments)
    with pytest.raises(TopologyMismatch) as caught:
        apply_topology(laid, PARTITIONS)
    for text in (str(caught.value), *told(check_topology(laid, PARTITIONS))):
        assert "queue mailroom.wait.5 has another x-message-ttl: should be '5000' but is '4000'" in text
    assert "nothing was changed" in str(caught.value)


def test_an_exchange_of_another_type_is_named(vhost):
    with channel(vhost) as on:
        on.exchange_declare(names.NOTIFICATIONS, "fanout", durable=True, auto_delete=False)
    with pytest.raises(
        TopologyMismatch, match="exchange notifications has another type: should be 'topic' but is 'fanout'"
    ):
        apply_topology(vhost, PARTITIONS)


def test_check_names_everything_that_is_missing_or_too_much(laid, broker_node):
    with channel(laid) as on:
        on.queue_delete(names.parked_queue("02"))
        on.exchange_delete(names.EVENTS)
        on.queue_unbind(names.DEAD, names.DEAD, names.DEAD_KEY)
        on.queue_bind(names.wait_queue(1), names.LATER, "5")
        on.queue_declare("mailroom.old", durable=True, auto_delete=False)
    by_amqp = told(check_topology(laid, PARTITIONS))
    assert by_amqp == ["exchange mailroom.events is missing", "queue mailroom.parked.02 is missing"]
    assert sorted(told(check_topology(laid, PARTITIONS, management_url=broker_node.management_url))) == [
        "binding mailroom.dead → mailroom.dead by the key dead is missing",
        "binding mailroom.later → mailroom.wait.1 by the key 5 does not belong to the topology",
        "binding mailroom.parked → mailroom.parked.02 by the key 02 is missing",
        "exchange mailroom.events is missing",
        "queue mailroom.old does not belong to the topology",
        "queue mailroom.parked.02 is missing",
    ]
    with channel(laid) as on:
        on.queue_delete("mailroom.old")
        on.queue_unbind(names.wait_queue(1), names.LATER, "5")
    apply_topology(laid, PARTITIONS)
    assert told(check_topology(laid, PARTITIONS, management_url=broker_node.management_url)) == []


@pytest.mark.parametrize("other", [PARTITIONS - 1, PARTITIONS + 1, PARTITIONS * 2])
def test_another_number_of_partitions_is_refused_everywhere(laid, other):
    sentence = f"the topology has {PARTITIONS} partitions, not {other}"
    with pytest.raises(TopologyMismatch, match=sentence):
        ensure_partitions(laid, other)
    with pytest.raises(TopologyMismatch, match=sentence):
        apply_topology(laid, other)
    assert any(sentence in text for text in told(check_topology(laid, other)))
    ensure_partitions(laid, PARTITIONS)
    assert not exists(laid, names.work_queue("04"))


def test_no_topology_at_all_is_a_mismatch_for_a_replica(vhost):
    with pytest.raises(TopologyMismatch, match=r"mailroom\.work\.00 is missing"):
        ensure_partitions(vhost, PARTITIONS)


def test_an_interrupted_apply_is_completed(laid, broker_node):
    with channel(laid) as on:
        # Work queues are declared from the highest down.
        on.queue_delete(names.work_queue("00"))
        on.queue_delete(names.work_queue("01"))
    with pytest.raises(TopologyMismatch):
        ensure_partitions(laid, PARTITIONS)
    apply_topology(laid, PARTITIONS)
    assert told(check_topology(laid, PARTITIONS, management_url=broker_node.management_url)) == []


def test_the_export_can_be_imported(vhost, broker_node, management):
    place = urlsplit(vhost).path.lstrip("/")
    management.call("POST", "definitions", definitions(topology(PARTITIONS), place))
    assert told(check_topology(vhost, PARTITIONS, management_url=broker_node.management_url)) == []
    assert told(check_topology(vhost, PARTITIONS)) == []
    apply_topology(vhost, PARTITIONS)


def test_the_definitions_for_deployment_are_the_export():
    stored = json.loads((Path(complete.__file__).parent / "definitions.json").read_text(encoding="utf-8"))
    assert stored == definitions(topology(32), "mailroom"), (
        "renew it: mailroom topology export --vhost mailroom > deploy/rabbitmq/definitions.json"
    )


def test_refused_credentials_and_absent_brokers_are_told_apart_without_passwords(vhost):
    parts = urlsplit(vhost)
    wrong = urlunsplit(parts._replace(netloc=f"nobody:s3cret@{parts.hostname}:{parts.port}"))
    with pytest.raises(CredentialsRefused) as caught:
        check_topology(wrong, PARTITIONS)
    assert "s3cret" not in str(caught.value)
    with pytest.raises(BrokerUnavailable) as caught_too:
        check_topology("amqp://u:s3cret@127.0.0.1:1/", PARTITIONS)
    assert "127.0.0.1:1" in str(caught_too.value)
    assert "s3cret" not in str(caught_too.value)
    assert check_topology(["amqp://u:p@127.0.0.1:1/", vhost], PARTITIONS).differences


# -- what the topology does ------------------------------------------------------------------------------------------


def test_an_event_with_its_partition_goes_straight_to_its_queue(laid):
    for number in range(PARTITIONS):
        put(laid, names.NOTIFICATIONS, "any.key", {names.H_PARTITION: f"0{number}"})
    for number in range(PARTITIONS):
        await_depth(laid, names.work_queue(f"0{number}"), 1)


@pytest.mark.parametrize("headers", [{}, {names.H_PARTITION: 1}, {names.H_PARTITION: "1"}, {names.H_PARTITION: "99"}])
def test_an_event_without_a_usable_partition_is_kept_for_sorting(laid, headers):
    put(laid, names.NOTIFICATIONS, "any.key", headers)
    found = take(laid, names.UNSORTED)
    assert found is not None
    put(laid, names.SORT, "", {**found.headers, names.H_PARTITION: "02"}, found.body)
    await_depth(laid, names.work_queue("02"), 1)


def test_a_waiting_message_comes_back_to_its_partition_in_time(laid):
    put(laid, names.LATER, "1", {names.H_PARTITION: "03", names.H_ATTEMPT: 2})
    assert depth(laid, names.work_queue("03")) == 0
    await_depth(laid, names.work_queue("03"), 1, timeout=3)
    found = take(laid, names.work_queue("03"))
    assert found is not None
    assert found.headers[names.H_ATTEMPT] == 2
    assert found.headers["x-death"][0]["reason"] == "expired"


def test_a_message_may_wait_many_times(laid):
    """On RabbitMQ 3.10 only because the broker's own headers are taken off each time."""
    put(laid, names.LATER, "1", {names.H_PARTITION: "00"})
    for _ in range(3):
        await_depth(laid, names.work_queue("00"), 1, timeout=4)
        found = take(laid, names.work_queue("00"))
        assert found is not None
        put(laid, names.LATER, "1", names.without_broker_headers(found.headers))
    await_depth(laid, names.work_queue("00"), 1, timeout=4)


def test_every_wait_parked_and_dead_queue_is_reached_by_its_key(laid):
    for seconds in names.WAIT_TIERS[1:]:
        put(laid, names.LATER, str(seconds))
        await_depth(laid, names.wait_queue(seconds), 1)
    for number in names.partitions(PARTITIONS):
        put(laid, names.PARKED, number)
        await_depth(laid, names.parked_queue(number), 1)
    put(laid, names.DEAD, names.DEAD_KEY)
    await_depth(laid, names.DEAD, 1)


def test_what_is_delivered_too_often_becomes_a_dead_letter(laid):
    queue = names.work_queue("01")
    put(laid, names.NOTIFICATIONS, "k", {names.H_PARTITION: "01"})
    with channel(laid) as on:
        deliveries: list[int] = []

        def reject(message) -> None:
            deliveries.append(message.delivery_tag)
            on.basic_reject(message.delivery_tag, requeue=True)

        on.basic_consume(queue=queue, callback=reject)
        while len(deliveries) < 51:
            on.connection.drain_events(timeout=10)
    await_depth(laid, names.DEAD, 1)
    found = take(laid, names.DEAD)
    assert found is not None
    assert found.headers["x-death"][0]["reason"] == "delivery_limit"
    assert found.headers["x-death"][0]["queue"] == queue


# -- who may do what -------------------------------------------------------------------------------------------------


@pytest.fixture
def users(broker_node, management):
    """Addresses of the deployment's users, on its virtual host, with its definitions."""
    passwords = {f"RABBITMQ_{name}_PASSWORD": f"secret-{name}" for name in ("PLATFORM", "MAILROOM", "OPERATOR")}
    management.add_vhost("mailroom")
    management.call("POST", "definitions", complete.complete(passwords))
    parts = urlsplit(broker_node.amqp_url("mailroom"))
    yield {
        name: urlunsplit(parts._replace(netloc=f"{name}:secret-{name.upper()}@{parts.hostname}:{parts.port}"))
        for name in ("platform", "mailroom", "operator")
    }
    for name in ("platform", "mailroom", "operator"):
        management.call("DELETE", f"users/{quote(name)}")
    management.delete_vhost("mailroom")


def test_the_platform_may_publish_and_nothing_else(users):
    with Publisher(users["platform"]) as publisher:
        publisher.publish(full_event())
    with pytest.raises(TopologyForbidden, match=r"may not declare exchange mailroom\.dead"):
        apply_topology(users["platform"], 32)
    for exchange in (names.SORT, names.DEAD, names.CONFIG, ""):
        assert not _may_publish(users["platform"], exchange)
    assert not _may_consume(users["platform"], names.DEAD)


def test_mailroom_may_work_but_not_change_the_topology(users):
    url = users["mailroom"]
    ensure_partitions(url, 32)
    report = check_topology(url, 32)
    assert not report.arguments_verified
    with pytest.raises(TopologyForbidden):
        apply_topology(url, 32)
    for exchange in (names.SORT, names.LATER, names.PARKED, names.DEAD, names.EVENTS, names.CONFIG):
        assert _may_publish(url, exchange)
    assert not _may_publish(url, "")
    with Publisher(url) as publisher, pytest.raises(PublishRejected, match="may not publish"):
        publisher.publish(full_event())
    for queue in (names.work_queue("31"), names.parked_queue("00"), names.UNSORTED, names.DEAD):
        assert _may_consume(url, queue)
    with channel(url) as on:
        temporary = on.queue_declare(exclusive=True).queue
        on.queue_bind(temporary, names.CONFIG)


def test_the_operator_may_lay_the_topology_and_replay(users, broker_node):
    with channel(users["operator"]) as on:
        on.queue_delete(names.wait_queue(5))
    apply_topology(users["operator"], 32)
    report = check_topology(users["operator"], 32, management_url=broker_node.management_url)
    assert told(report) == []
    assert _may_publish(users["operator"], names.SORT)
    assert _may_consume(users["operator"], names.DEAD)


def test_the_definitions_hold_no_password_and_need_each(tmp_path, capsys):
    target = tmp_path / "definitions.json"
    with pytest.raises(ValueError, match="RABBITMQ_OPERATOR_PASSWORD"):
        complete.complete({"RABBITMQ_PLATFORM_PASSWORD": "a", "RABBITMQ_MAILROOM_PASSWORD": "b"})
    assert complete.main([]) == 2
    assert complete.main([str(target)]) == 1
    assert "no value for RABBITMQ_PLATFORM_PASSWORD" in capsys.readouterr().err


def _queue(name: str):
    return next(queue for queue in topology(PARTITIONS).queues if queue.name == name)


def _may_publish(url: str, exchange: str) -> bool:
    """Whether publishing is allowed: unroutable messages are confirmed, forbidden ones close the channel."""
    with channel(url) as on:
        on.confirm_select()
        acked: list[int] = []
        on.events["basic_ack"].add(lambda tag, _multiple: acked.append(tag))
        on.basic_publish(Message(b"x"), exchange=exchange, routing_key="nowhere")
        try:
            while not acked:
                on.connection.drain_events(timeout=10)
        except AccessRefused:
            return False
        return True


def _may_consume(url: str, queue: str) -> bool:
    with channel(url) as on:
        try:
            on.basic_consume(queue=queue, callback=lambda _message: None)
        except AccessRefused:
            return False
        return True
