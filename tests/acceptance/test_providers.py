"""Connected accounts in the whole program: mails leave by them, and a grant that dies costs no mail."""

from collections import Counter
from functools import partial

import pytest

from config.oauth.values import Provider, Way
from tests.acceptance import connected
from tests.acceptance.connected import Customer, Heard
from tests.running import command, environment
from tests.running_broker import an_event, parked_queues, publish, ready
from tests.waiting import eventually_blocking

GRAPH = Customer("graph", Provider.MICROSOFT)
GMAIL = Customer("gmail", Provider.GOOGLE)
BOTH = (GRAPH, GMAIL)
BY_SMTP = (
    Customer("exchange-smtp", Provider.MICROSOFT, Way.SMTP),
    Customer("google-smtp", Provider.GOOGLE, Way.SMTP),
)
ALL = (*BOTH, *BY_SMTP)

AT_ONCE = 8
"""Mails of a partition that are in hand together."""


@pytest.fixture(scope="module")
def boxes(tls):
    with connected.running(tls) as both:
        yield both


@pytest.fixture
def variables(vhost, tmp_path, sink, boxes):
    """For commands."""
    return environment(vhost, tmp_path, smtp_port=sink.port, **boxes.variables)


def events(first, *organizations, count=1, **data):
    return [
        an_event(first + 100 * place + number, organization, **data)
        for number in range(count)
        for place, organization in enumerate(organizations)
    ]


def wanted(first, place=0, count=1):
    return [f"e{first + 100 * place + number}@example.org" for number in range(count)]


def told(heard):
    """What was said on ``mailroom.events``, counted."""
    return Counter(what for what, _ in heard.said)


def has_sent(box, customer, owed):
    """Whether a mail left for each of these recipients, once, and for nobody else."""
    return Counter(connected.recipients(box, customer.account)) == Counter(owed)


@pytest.mark.timeout(120)
def test_mails_leave_by_connected_accounts_and_wait_for_a_new_connection_when_a_grant_is_revoked(
    vhost, tmp_path, sink, boxes, launch, variables
):
    tokens = connected.connect(tmp_path, boxes, *ALL)
    # What is paced goes aside, and comes back in the order of promises.
    command(variables, "organizations", "limits", "gmail", "--per-minute", "0")
    consumer = launch(vhost, **boxes.variables, prefetch=AT_ONCE, log_level="debug").start()
    with Heard(vhost) as heard:
        publish(vhost, events(1, *(customer.organization for customer in ALL)))
        for place, customer in enumerate(ALL):
            box = boxes.of(customer.provider)
            eventually_blocking(partial(has_sent, box, customer, wanted(1, place)), what="by the provider")
            (mail,) = [mail for mail in box.mails if mail.account == customer.account]
            assert (mail.form == "smtp") == (customer.way is Way.SMTP)
            sender = connected.parsed(mail)["From"].addresses[0]
            assert (sender.addr_spec, sender.display_name) == (customer.sender, customer.alias)
        assert [box.calls["token:refresh_token"] for box in (boxes.microsoft, boxes.google)] == [2, 2]

        # Revoked at the provider: the first event finds it out, and all of them wait.
        calls = {customer: Counter(boxes.of(customer.provider).calls) for customer in BOTH}
        for customer in BOTH:
            boxes.of(customer.provider).revoke(customer.account)
        publish(vhost, events(1000, "graph", "gmail"))
        eventually_blocking(lambda: ready(vhost, parked_queues()) == 2, what="the first event of each is parked")
        publish(vhost, events(2000, "graph", "gmail", count=30))
        eventually_blocking(lambda: ready(vhost, parked_queues()) == 62, what="all are parked")
        for customer in BOTH:
            spent = boxes.of(customer.provider).calls - calls[customer]
            assert spent["send"] <= 1, spent
            assert spent["token:refresh_token"] <= 2, "the refusal is confirmed once"
        assert told(heard) == {"organization.transport.suspended": 2}
        assert b"@" not in b"".join(body for _, body in heard.said)
        listed = command(variables, "organizations", "list").stdout
        assert listed.count("needs attention: reconnection_needed") == 2

        # Connected again: everything leaves, in the order it came, none twice.
        tokens |= {f"{name} again": token for name, token in connected.reconnect(tmp_path, boxes, *BOTH).items()}
        for place, customer in enumerate(BOTH):
            box = boxes.of(customer.provider)
            everything = wanted(1, place) + wanted(1000, place) + wanted(2000, place, 30)
            eventually_blocking(partial(has_sent, box, customer, everything), 60, what="the parked mails arrive")
            left = connected.recipients(box, customer.account)
            places = [abs(left.index(one) - everything.index(one)) for one in everything]
            assert max(places) <= AT_ONCE, "oldest first, as far as several are under way at once"
        eventually_blocking(lambda: told(heard)["organization.transport.recovered"] == 2, what="the platform is told")
        assert told(heard)["organization.transport.suspended"] == 2, "once each"
    eventually_blocking(lambda: ready(vhost, parked_queues()) == 0)
    assert "needs attention" not in command(variables, "organizations", "list").stdout
    assert not sink.taken, "never by the platform's own server"
    assert_nowhere(boxes.secrets | set(tokens.values()), tmp_path, consumer)


def assert_nowhere(secrets, folder, consumer):
    """No token and no secret is in the database, a log or the metrics."""
    assert len(secrets) > 6
    written = [path.read_bytes() for path in folder.iterdir() if path.is_file()]
    written += [repr(consumer.metrics()).encode()]
    assert not [secret for secret in secrets for content in written if secret.encode() in content]
