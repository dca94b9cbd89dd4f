"""Connected accounts that throttle, lose answers, or refuse the platform's own app: no mail too early, none twice, and
no organisation blamed for what is ours."""

import time
from datetime import UTC, datetime
from email.utils import formatdate
from functools import partial

import pytest

from config.oauth.values import Provider
from consumer import names
from deploy.local.providers.base_values import Fault
from tests.acceptance import connected
from tests.acceptance.connected import Customer
from tests.running import clock, command, environment
from tests.running_broker import an_event, dead_letters, publish, ready, wait_queues
from tests.waiting import eventually_blocking

WAIT = 4
"""Seconds the providers ask for."""
LATE = 1.0
"""Seconds after which a mail must be on its way again."""
SLACK = 1.5
"""For a machine that does other things as well."""
BACK_OFF = 2.0
"""Seconds for which nobody asks for tokens of a grant after a failure that is not the account's."""

SECONDS = Customer("seconds", Provider.MICROSOFT)
DATE = Customer("date", Provider.MICROSOFT)
TEXT = Customer("text", Provider.GOOGLE)
THROTTLED = (SECONDS, DATE, TEXT)
LOST = {
    on_unknown: [Customer(f"{on_unknown}-graph", Provider.MICROSOFT), Customer(f"{on_unknown}-gmail", Provider.GOOGLE)]
    for on_unknown in ("hold", "resend")
}
OURS = (Customer("ours-graph", Provider.MICROSOFT), Customer("ours-gmail", Provider.GOOGLE))


@pytest.fixture
def boxes(tls):
    with connected.running(tls) as both:
        yield both


def mails(boxes, customer):
    return [mail for mail in boxes.of(customer.provider).mails if mail.account == customer.account]


def attempts(consumer, customers):
    """At which attempt each mail of these customers was handed off."""
    wanted = {customer.organization for customer in customers}
    return [line["attempt"] for line in consumer.lines("handed off") if line["organization"] in wanted]


def has_sent(boxes, customer, count):
    return len(mails(boxes, customer)) == count


@pytest.mark.timeout(120)
def test_throttles_are_obeyed_answers_may_be_lost_and_an_app_that_is_refused_is_ours(
    vhost, tmp_path, sink, boxes, launch
):
    customers = [*THROTTLED, *LOST["hold"], *LOST["resend"]]
    connected.connect(tmp_path, boxes, *customers)
    consumer = launch(vhost, **boxes.variables, unknown_pause=1).start()

    # How long to wait is said in seconds, as a date, or within a sentence.
    until = int(time.time()) + WAIT + 1
    boxes.microsoft.fault("send", Fault.throttle(WAIT), account=SECONDS.account)
    boxes.microsoft.fault("send", Fault.throttle(formatdate(until, usegmt=True)), account=DATE.account)
    stamp = datetime.fromtimestamp(until, UTC).isoformat().replace("+00:00", ".000Z")
    boxes.google.fault("send", Fault.throttle(stamp), account=TEXT.account)
    # An answer is lost after the mail was taken.
    for customer in [*LOST["hold"], *LOST["resend"]]:
        boxes.of(customer.provider).fault("send", Fault.accept_and_cut(), account=customer.account)
    began = time.time()
    publish(vhost, [an_event(number, one.organization) for number, one in enumerate(THROTTLED * 3)])
    publish(
        vhost,
        [
            an_event(100 + number, one.organization, recipient=f"{one.organization}@example.org")
            | {"data": an_event(1, "x", recipient=f"{one.organization}@example.org")["data"] | {"on_unknown": word}}
            for word, lost in LOST.items()
            for number, one in enumerate(lost)
        ],
    )
    eventually_blocking(lambda: all(has_sent(boxes, one, 3) for one in THROTTLED), 30, what="all have left")
    for customer, earliest in ((SECONDS, began + WAIT), (DATE, until), (TEXT, until)):
        first = min(mail.at for mail in mails(boxes, customer))
        print(f"{customer.organization}: {first - earliest:+.2f} s after the time")
        assert 0 <= first - earliest < LATE + SLACK, customer
    eventually_blocking(lambda: len(attempts(consumer, THROTTLED)) == 9)
    assert set(attempts(consumer, THROTTLED)) == {1}, "waiting is no attempt"

    for customer in LOST["resend"]:
        eventually_blocking(partial(has_sent, boxes, customer, 2), what="one more, and no further one")
    for customer in LOST["hold"]:
        assert len(mails(boxes, customer)) == 1
    eventually_blocking(lambda: consumer.metric("mailroom_dead_letters") == 2, what="held ones are dead letters")
    assert {headers[names.H_REASON] for headers, _ in dead_letters(vhost)} == {"outcome_unknown"}
    assert consumer.metric("mailroom_outcomes", outcome="unknown") == 2

    # The platform's own app is refused: nobody is suspended, and mails flow again when it is mended.
    connected.connect(tmp_path, boxes, *OURS)
    boxes.microsoft.expire_secret()
    boxes.google.expire_secret()
    publish(vhost, [an_event(200 + number, one.organization) for number, one in enumerate(OURS)])
    eventually_blocking(lambda: consumer.metric("mailroom_outcomes", reason="platform_credentials") >= 2)
    listed = command(environment(vhost, tmp_path, **boxes.variables), "organizations", "list").stdout
    assert listed.count("needs attention") == 0
    assert ready(vhost, wait_queues()) >= 1
    assert consumer.metric("mailroom_token_refreshes", result="platform") >= 2
    boxes.microsoft.restore_secret()
    boxes.google.restore_secret()
    mended = clock()
    eventually_blocking(lambda: clock() - mended > BACK_OFF, what="tokens are asked for again")
    publish(vhost, [an_event(300 + number, one.organization) for number, one in enumerate(OURS)])
    eventually_blocking(lambda: all(mails(boxes, one) for one in OURS), what="mails flow again")
    for customer in LOST["hold"]:
        assert len(mails(boxes, customer)) == 1, "still"
    for customer in LOST["resend"]:
        assert len(mails(boxes, customer)) == 2, "still"
    assert not sink.taken
