"""Two thousand broken events: each is a dead letter that names the field, or a correct mail; nothing slips through."""

from collections import Counter

import pytest

from consumer import names
from consumer.events import InvalidEvent, parse
from tests.fakes.sink import Sink
from tests.malformed import INJECTION, malformed
from tests.reading_mail import fields
from tests.running_broker import dead_letters, publish_raw, ready, wait_queues, work_queues
from tests.waiting import eventually_blocking
from transports.mime_addresses import wire_address

COUNT = 2000
HEADERS = {
    "from", "to", "cc", "reply-to", "subject", "date", "message-id", "in-reply-to", "references", "mime-version",
    "auto-submitted", "x-auto-response-suppress", "list-unsubscribe", "list-unsubscribe-post", "content-language",
    "content-type", "content-transfer-encoding", "x-mailroom-event", "importance", "x-priority", "priority",
}  # fmt: skip


@pytest.fixture
def sink():
    with Sink(keep=True) as running:
        yield running


def readable(body, headers):
    try:
        return parse(body, headers, max_bytes=12 * 1024 * 1024)
    except InvalidEvent:
        return None


@pytest.mark.timeout(110)
def test_every_malformed_event_is_a_dead_letter_or_a_correct_mail(vhost, sink, launch):
    consumer = launch(vhost).start()
    messages = [(each.body, each.headers) for each in malformed(COUNT)]
    correct = [event for body, headers in messages if (event := readable(body, headers)) is not None]
    assert 0 < len(correct) < COUNT / 2
    assert publish_raw(vhost, messages) == COUNT

    def over():
        return (
            len(sink.taken) + ready(vhost, [names.DEAD]) >= COUNT
            and ready(vhost, [*work_queues(), *wait_queues()]) == 0
        )

    eventually_blocking(over, 60, what="every event has come to its end")
    dead = dead_letters(vhost)
    assert len(sink.taken) == len(correct)
    assert len(dead) == COUNT - len(correct)
    assert {headers[names.H_REASON] for headers, _ in dead} == {"invalid_event"}
    # The path is empty only where the event as a whole is no JSON object, or too large.
    assert all(headers.get(names.H_DETAIL) for headers, _ in dead)
    assert sum(names.H_FIELD in headers for headers, _ in dead) > COUNT / 3
    # The bytes of a dead letter are those that were published.
    assert not Counter(body for _, body in dead) - Counter(body for body, _ in messages)
    for mail in sink.taken:
        have = [name.lower() for name, _ in fields(mail.content)]
        assert INJECTION.lower() not in have
        assert set(have) <= HEADERS
        assert len(have) == len(set(have))
    assert Counter(recipients(event) for event in correct) == Counter(tuple(sorted(m.recipients)) for m in sink.taken)
    assert consumer.running
    assert consumer.metric("mailroom_dead_letters", reason="invalid_event") == len(dead)


def recipients(event):
    everyone = (*event.data.to, *event.data.cc, *event.data.bcc)
    return tuple(sorted(wire_address(each.address) for each in everyone))
