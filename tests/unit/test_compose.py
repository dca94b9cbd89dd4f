"""From an event to a mail: identifiers, dates, threads and the fields a notification carries."""

import base64
from datetime import timedelta

import pytest

from consumer.compose import compose
from tests import builders
from tests.builders import NOON, SENDER
from tests.reading_mail import parse
from transports.errors import Code, MessageRefused
from transports.message import Attachment, Mailbox
from transports.mime import render


def composed(data=None, *, sender=SENDER, owed=None, first_seen=NOON, **attributes):
    return compose(builders.event(data, **attributes), sender, owed=owed, first_seen=first_seen)


def test_everything_in_the_event_is_in_the_mail():
    mail = composed(
        {
            "to": [{"address": "jo@example.org", "name": "Jo"}, {"address": "al@example.org"}],
            "cc": [{"address": "cy@example.org"}],
            "bcc": [{"address": "di@example.org", "name": "Di"}],
            "reply_to": {"address": "thread-7@acme.example"},
            "subject": "Grüße",
            "html": '<img src="cid:logo">',
            "attachments": [
                {"name": "a.pdf", "type": "application/pdf", "content": base64.b64encode(b"%PDF").decode()},
                {"name": "l.png", "type": "image/png", "content": "eA==", "cid": "logo"},
            ],
        }
    )
    assert mail.sender == SENDER
    assert mail.to == (Mailbox("jo@example.org", "Jo"), Mailbox("al@example.org"))
    assert mail.cc == (Mailbox("cy@example.org"),)
    assert mail.bcc == (Mailbox("di@example.org", "Di"),)
    assert mail.reply_to == (Mailbox("thread-7@acme.example"),)
    assert mail.owed == (0, 1, 2, 3)
    assert (mail.subject, mail.text, mail.html) == ("Grüße", "Please have a look.\n", '<img src="cid:logo">')
    assert mail.attachments == (
        Attachment("a.pdf", "application/pdf", b"%PDF"),
        Attachment("l.png", "image/png", b"x", "logo"),
    )
    assert mail.in_reply_to is None
    assert mail.references == ()


def test_the_same_event_is_the_same_bytes_at_every_attempt():
    first = composed({"html": "<p>é</p>", "thread": {"id": "t"}})
    again = composed({"html": "<p>é</p>", "thread": {"id": "t"}})
    assert render(first, utf8=False) == render(again, utf8=False)


def test_the_identifier_of_a_mail_is_its_events_and_of_the_senders_domain():
    identifier = composed().message_id
    assert identifier.endswith("@acme.example>")
    assert "event-1" not in identifier
    others = [
        composed(id="event-2"),
        composed(source="/platform/other"),
        composed(organizationid="other"),
        composed(id="1", source="/platform/tasksevent-"),
    ]
    assert len({identifier, *(mail.message_id for mail in others)}) == 5
    assert composed({"subject": "Another"}, owed=(0,)).message_id == identifier


def test_a_sender_of_a_domain_beyond_ascii_gives_an_ascii_identifier():
    mail = composed({"thread": {"id": "t"}}, sender=Mailbox("a@bücher.example"))
    assert mail.message_id.endswith("@xn--bcher-kva.example>")
    assert mail.references[0].endswith("@xn--bcher-kva.example>")


@pytest.mark.parametrize("address", ["nobody", "a@exa mple", "a@x\r\nBcc: b@c.example", "a@"])
def test_a_sender_that_is_no_address_refuses_the_mail(address):
    with pytest.raises(MessageRefused) as refusal:
        composed(sender=Mailbox(address))
    assert refusal.value.code == Code.MESSAGE_REFUSED


@pytest.mark.parametrize(
    ("time", "date"),
    [
        (None, NOON),
        ("2026-11-21T11:59:00Z", NOON - timedelta(minutes=1)),
        ("2026-11-21T12:05:00Z", NOON + timedelta(minutes=5)),
        ("2026-11-14T12:00:00Z", NOON - timedelta(days=7)),
        ("2026-11-14T11:59:59Z", NOON),
        ("2026-11-21T12:10:01Z", NOON),
        ("1970-01-01T00:00:00Z", NOON),
        ("9998-12-31T23:59:59Z", NOON),
    ],
)
def test_the_date_is_the_events_time_unless_that_is_implausible(time, date):
    assert composed(time=time).date == date


def test_owed_positions_are_taken_over_and_nonsense_counts_as_absent():
    data = {"cc": [{"address": "al@example.org"}]}
    assert composed(data, owed=(1,)).owed == (1,)
    assert composed(data, owed=(1,)).recipients() == ((1, Mailbox("al@example.org")),)
    assert composed(data, owed=(1, 2)).owed == (0, 1)


def test_mails_of_one_thread_share_a_root_that_tells_nothing():
    first = composed({"thread": {"id": "incident-7"}})
    second = composed({"thread": {"id": "incident-7"}}, id="event-2")
    assert first.references == second.references == (first.in_reply_to,)
    assert "incident" not in first.references[0]
    assert first.references[0] != first.message_id
    for other in (
        composed({"thread": {"id": "incident-8"}}),
        composed({"thread": {"id": "incident-7"}}, organizationid="other"),
    ):
        assert other.references != first.references


def test_given_identifiers_follow_the_root_and_the_parent_is_last():
    root = composed({"thread": {"id": "t"}}).references[0]
    mail = composed({"thread": {"id": "t", "in_reply_to": "<b@x>", "references": ["<a@x>", "<b@x>", "<c@x>", "<a@x>"]}})
    assert mail.references == (root, "<a@x>", "<c@x>", "<b@x>")
    assert mail.in_reply_to == "<b@x>"
    assert composed({"thread": {"id": "t", "in_reply_to": root}}).references == (root,)


def test_a_long_thread_keeps_its_root_and_its_latest_mails():
    given = [f"<{number}@x>" for number in range(100)]
    mail = composed({"thread": {"id": "t", "references": given}})
    assert mail.references[1:] == tuple(given[-30:])


def test_every_mail_says_that_a_machine_sent_it_and_for_which_event():
    headers = dict(composed().headers)
    assert headers == {
        "Auto-Submitted": "auto-generated",
        "X-Auto-Response-Suppress": "All",
        "X-Mailroom-Event": "event-1",
    }


@pytest.mark.parametrize("id", ["événement", "two words"])
def test_an_event_id_that_is_no_plain_word_is_left_out(id):
    assert "X-Mailroom-Event" not in dict(composed(id=id).headers)


@pytest.mark.parametrize(
    ("uris", "value", "one_click"),
    [
        ("https://acme.example/u?t=1", "<https://acme.example/u?t=1>", True),
        ("mailto:leave@acme.example", "<mailto:leave@acme.example>", False),
        (
            ["mailto:leave@acme.example", "https://acme.example/u", "https://acme.example/other"],
            "<https://acme.example/u>, <mailto:leave@acme.example>",
            True,
        ),
    ],
)
def test_unsubscribing_is_offered_by_one_click_only_where_a_web_address_is_given(uris, value, one_click):
    headers = dict(composed({"list_unsubscribe": uris}).headers)
    assert headers["List-Unsubscribe"] == value
    assert headers.get("List-Unsubscribe-Post") == ("List-Unsubscribe=One-Click" if one_click else None)


def test_the_language_of_a_mail_is_told():
    raw = render(composed({"locale": "de-CH"}), utf8=False)
    assert parse(raw)["Content-Language"] == "de-CH"


def test_an_empty_text_beside_html_is_no_alternative():
    mail = composed({"text": "", "html": "<p>x</p>"})
    assert mail.text is None
    assert parse(render(mail, utf8=False)).get_content_type() == "text/html"


def test_a_full_mail_can_be_rendered():
    raw = render(
        composed(
            {
                "to": [{"address": "jo@bücher.example", "name": "Jö"}],
                "thread": {"id": "t", "references": [f"<{'r' * 100}{number}@x>" for number in range(100)]},
                "list_unsubscribe": ["https://acme.example/" + "u" * 870, "mailto:leave@acme.example"],
                "locale": "fr",
                "html": "<p>é</p>",
            }
        ),
        utf8=False,
    )
    assert max(map(len, raw.split(b"\r\n"))) <= 998
    assert not any(part.defects for part in parse(raw).walk())
