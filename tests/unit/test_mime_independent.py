"""What a parser that shares no code with Python's makes of our mails: ``mailparse``, written in Rust."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests import builders
from tests.reading_mail import harmless, line_ends
from tests.unit.test_mime_roundtrip import ATTACHMENT, BODY, INLINE, LINE, LOCAL, sent_name
from transports.message import Mailbox
from transports.mime import render

fast_mail_parser = pytest.importorskip("fast_mail_parser", reason="the Python package fast-mail-parser is missing")


def read(mail):
    message = fast_mail_parser.parse_email(render(mail, utf8=False))
    assert not message.warnings
    return message


@given(LINE, st.lists(LINE, min_size=1, max_size=4), LOCAL)
def test_subject_and_mailboxes(subject, names, local):
    mailboxes = tuple(Mailbox(f"{local}{number}@example.org", name) for number, name in enumerate(names))
    message = read(builders.mail(subject=subject, sender=mailboxes[0], to=mailboxes))
    assert message.subject == harmless(subject)
    assert [each.address for each in message.to] == [each.address for each in mailboxes]
    assert [each.display_name for each in message.to] == [harmless(name).strip() or None for name in names]


def without_mark(text):
    # it takes a first U+FEFF for a byte order mark
    return line_ends(text).removeprefix("\ufeff")


@given(BODY, BODY, st.lists(ATTACHMENT, max_size=3), st.lists(INLINE, max_size=2))
def test_texts_and_attachments(text, html, files, pictures):
    message = read(builders.mail(text=text, html=html, attachments=(*pictures, *files)))
    assert [line_ends(each) for each in message.text_plain] == [without_mark(text)]
    assert [line_ends(each) for each in message.text_html] == [without_mark(html)]
    assert len(message.attachments) == len(files) + len(pictures)
    for found, made in zip(message.attachments, (*pictures, *files), strict=True):
        assert found.content == made.content
        assert found.mimetype == made.content_type
        assert (found.filename or None) == sent_name(made.filename)
