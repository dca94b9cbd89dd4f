"""The secret of the platform's own app expires: nobody is suspended, and mail flows again when it is mended."""

from collections import Counter

import pytest

from config.oauth.values import Provider
from tests.acceptance import connected
from tests.acceptance.connected import Customer
from tests.replica import program
from tests.running import command, environment
from tests.running_broker import an_event, parked_queues, publish, ready
from tests.waiting import eventually_blocking

CUSTOMERS = [Customer(f"customer-{number}", Provider.MICROSOFT) for number in range(5)]
EACH = 10


@pytest.fixture
def boxes(tls):
    with connected.running(tls) as both:
        yield both


def events(*customers, first=0):
    return [
        an_event(number, one.organization, recipient=f"{one.organization}-{number}@example.org")
        | {"id": f"{one.organization}-{number}"}
        for one in customers
        for number in range(first, first + EACH)
    ]


@pytest.mark.timeout(120)
def test_an_expired_secret_of_ours_is_one_alert_and_suspends_nobody(vhost, tmp_path, sink, boxes, launch):
    connected.connect(tmp_path, boxes, *CUSTOMERS)
    boxes.microsoft.expire_secret()
    consumer = launch(vhost, program=program("quick-breakers"), **boxes.variables).start()

    def samples(metric):
        return [dict(labels) for (name, labels), value in consumer.metrics().items() if name == metric and value]

    def tried():
        return int(consumer.metric("mailroom_outcomes", reason="platform_credentials"))

    publish(vhost, events(CUSTOMERS[0])[:1])
    eventually_blocking(lambda: samples("mailroom_platform_hold"), what="our app's mail is on hold")
    publish(vhost, events(*CUSTOMERS, first=100))
    eventually_blocking(lambda: consumer.metric("mailroom_probes", scope="platform") >= 2, 40, what="probed twice")
    assert samples("mailroom_platform_problem") == [{"transport": "microsoft365", "reason": "platform_credentials"}]
    listed = command(environment(vhost, tmp_path, **boxes.variables), "organizations", "list").stdout
    assert "needs attention" not in listed
    assert consumer.metric("mailroom_parked_organizations") == consumer.metric("mailroom_breaker_open") == 0
    assert ready(vhost, parked_queues()) == 0
    assert not boxes.microsoft.mails
    assert tried() < EACH, "one mail asks for all, and the others wait for its answer"

    boxes.microsoft.restore_secret()
    owed = {event["data"]["to"][0]["address"] for event in events(*CUSTOMERS, first=100)}

    def missing():
        return owed - {mail.recipients[0] for mail in list(boxes.microsoft.mails)}

    # Those that met the fault themselves come back a minute later.
    eventually_blocking(lambda: len(missing()) <= tried(), 40, what="the others leave by themselves")
    sent = Counter(mail.recipients[0] for mail in boxes.microsoft.mails)
    assert sent.total() == len(sent), "each once"
    eventually_blocking(lambda: not samples("mailroom_platform_problem"), what="the alert ends")
    assert {line["attempt"] for line in consumer.lines("handed off")} == {1}, "what is ours to mend is no attempt"
    assert ready(vhost, parked_queues()) == 0
    assert not sink.taken
