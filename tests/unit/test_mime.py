"""The whole message: its shape, its fields, and the cases that have broken composers before."""

import os

import pytest

from tests import builders
from tests.reading_mail import (
    address_header,
    addresses,
    fields,
    filename,
    header_lines,
    line_ends,
    lines_of,
    parse,
    text_of,
)
from transports.errors import Code, MessageRefused
from transports.message import Attachment, Mailbox
from transports.mime import render

FILE = Attachment("report.pdf", "application/pdf", b"%PDF-")
PICTURE = Attachment("logo.png", "image/png", b"\x89PNG", "logo")


def shape(part):
    """The tree of content types, as nested lists."""
    subtype = part.get_content_type().removeprefix("multipart/")
    return [subtype, *map(shape, part.iter_parts())] if part.is_multipart() else part.get_content_type()


@pytest.mark.parametrize(
    ("changes", "tree"),
    [
        ({"text": "t"}, "text/plain"),
        ({"text": None, "html": "h"}, "text/html"),
        ({"text": None}, "text/plain"),
        ({"text": ""}, "text/plain"),
        ({"html": "h"}, ["alternative", "text/plain", "text/html"]),
        ({"attachments": (FILE,)}, ["mixed", "text/plain", "application/pdf"]),
        ({"text": None, "attachments": (FILE,)}, ["mixed", "application/pdf"]),
        ({"text": None, "html": "h", "attachments": (PICTURE,)}, ["related", "text/html", "image/png"]),
        (
            {"html": "h", "attachments": (PICTURE,)},
            ["alternative", "text/plain", ["related", "text/html", "image/png"]],
        ),
        ({"attachments": (PICTURE,)}, ["mixed", "text/plain", "image/png"]),
        (
            {"html": "h", "attachments": (FILE, PICTURE, FILE)},
            [
                "mixed",
                ["alternative", "text/plain", ["related", "text/html", "image/png"]],
                "application/pdf",
                "application/pdf",
            ],
        ),
    ],
)
def test_parts_are_nested_as_mail_programs_expect(changes, tree):
    raw = render(builders.mail(**changes), utf8=False)
    lines_of(raw)
    message = parse(raw)
    assert shape(message) == tree
    assert message["MIME-Version"] == "1.0"
    assert not any(part.defects for part in message.walk())


def test_blind_recipients_are_in_no_field():
    secret = Mailbox("secret@example.org", "Secret")
    raw = render(builders.mail(bcc=(secret,)), utf8=False)
    assert b"ecret" not in raw
    assert "Bcc" not in parse(raw)


def test_a_mail_to_blind_recipients_only_says_so():
    raw = render(builders.mail(to=(), bcc=(builders.JO,)), utf8=False)
    assert parse(raw)["To"] == "undisclosed-recipients:;"
    assert address_header(raw, "To").addresses == ()


def test_recipients_that_are_owed_no_more_still_stand_in_the_fields():
    other = Mailbox("al@example.org", "Al")
    once = render(builders.mail(to=(builders.JO, other)), utf8=False)
    assert render(builders.mail(to=(builders.JO, other), owed=(1,)), utf8=False) == once


@pytest.mark.parametrize(
    "text",
    [
        "no end",
        "end\n",
        "two\n\n",
        "\r",
        "a\rb\nc\r\nd",
        "a\0b",
        ".\n..\n.x\n",
        "x" * 10_000,
        "é" * 10_000,
        "From me\nFrom you",
        "=\n=3D\n=",
        "\u2028\u2029\x85",
        "--=_a\n--",
        "tail \t\nnext",
    ],
)
@pytest.mark.parametrize("html", [None, "<p>é</p>"])
def test_texts_that_have_broken_composers_are_read_back(text, html):
    raw = render(builders.mail(text=text, html=html), utf8=False)
    lines_of(raw)
    raw.decode("ascii")
    message = parse(raw)
    plain = next(part for part in message.walk() if part.get_content_type() == "text/plain")
    content = line_ends(text_of(plain))
    wanted = line_ends(text)
    # the last line of a mail ends; within a multipart the text stays as it was
    assert content == (wanted if html or wanted.endswith("\n") or "base64" in str(plain) else f"{wanted}\n")


@pytest.mark.parametrize(
    "name",
    [
        "Jo 😀 Smith",
        "שלום עולם",
        "\u202eevil",
        'O\'Brien, Jo "JB" \\ Co.',
        "=?utf-8?q?x?=",
        "=?iso-8859-1?q?=E9?= and more",
        "a" * 250,
        "é" * 250,
        "<jo@evil.example>",
        "Jo (home)",
        "undisclosed-recipients:;",
        "名前 " * 60 + "終",
    ],
)
def test_names_that_have_broken_composers_are_read_back(name):
    raw = render(
        builders.mail(sender=Mailbox("a@acme.example", name), to=(Mailbox("b@acme.example", name),)), utf8=False
    )
    assert max(map(len, header_lines(raw))) <= 78
    assert addresses(raw, "From") == [(name, "a@acme.example")]
    assert addresses(raw, "To") == [(name, "b@acme.example")]
    assert not address_header(raw, "To").defects


INJECTIONS = [
    f"x{end}Bcc: victim@example.org{end}{end}<b>" for end in ("\r\n", "\n", "\r", "\x85", "\u2028", "\0\r\n", "\x0b\n")
]


@pytest.mark.parametrize("attack", INJECTIONS)
def test_no_free_text_can_add_a_field_or_end_the_header(attack):
    mail = builders.mail(
        subject=attack,
        sender=Mailbox("a@acme.example", attack),
        to=(Mailbox("b@acme.example", attack),),
        cc=(Mailbox("c@acme.example", attack),),
        reply_to=(Mailbox("ünï@acme.example", attack),),
        html="<p>x</p>",
        attachments=(Attachment(attack, attack, b"x", "id"), Attachment(attack, attack, b"x")),
    )
    raw = render(mail, utf8=False)
    lines_of(raw)
    names = [name for name, _ in fields(raw)]
    assert names == ["Date", "From", "To", "Cc", "Reply-To", "Subject", "Message-ID", "MIME-Version", "Content-Type"]
    message = parse(raw)
    allowed = {"Content-Type", "Content-Transfer-Encoding", "Content-Disposition", "Content-ID"}
    for part in list(message.walk())[1:]:
        assert set(part.keys()) <= allowed
        assert not part.defects


@pytest.mark.parametrize("attack", INJECTIONS)
@pytest.mark.parametrize(
    "change",
    [
        lambda attack: {"message_id": f"<{attack}@x>"},
        lambda attack: {"in_reply_to": f"<{attack}@x>"},
        lambda attack: {"references": ("<a@b>", f"<{attack}@x>")},
        lambda attack: {"headers": (("X-Trace", attack),)},
        lambda attack: {"headers": ((attack, "x"),)},
        lambda attack: {"sender": Mailbox(f"{attack}@acme.example")},
        lambda attack: {"to": (Mailbox(f"jo@{attack}.example"),)},
        lambda attack: {"reply_to": (Mailbox(f"{attack}@acme.example"),)},
        lambda attack: {"html": "x", "attachments": (Attachment("x", "image/png", b"", attack),)},
    ],
)
def test_a_structural_value_with_a_line_break_refuses_the_mail(change, attack):
    for utf8 in (False, True):
        with pytest.raises(MessageRefused) as refusal:
            render(builders.mail(**change(attack)), utf8=utf8)
        assert refusal.value.code == Code.MESSAGE_REFUSED
        assert "victim" not in str(refusal.value)


def test_a_sender_beyond_ascii_refuses_the_mail_without_smtputf8_a_recipient_does_not():
    odd = Mailbox("ünï@bücher.example", "Ünï")
    with pytest.raises(MessageRefused) as refusal:
        render(builders.mail(sender=odd), utf8=False)
    assert refusal.value.code == Code.SMTPUTF8_UNSUPPORTED
    raw = render(builders.mail(to=(odd, builders.JO)), utf8=False)
    assert addresses(raw, "To") == [("Jo", "jo@example.org")]
    assert "ünï@xn--bcher-kva.example".encode() in render(builders.mail(to=(odd,)), utf8=True)


def test_with_smtputf8_only_addresses_are_raw_utf8():
    odd = Mailbox("ünï@bücher.example", "Ünï")
    mail = builders.mail(sender=odd, subject="Grüße", text="é", attachments=(Attachment("é.txt", "text/plain", b""),))
    raw = render(mail, utf8=True).decode()
    assert [line for line in raw.split("\r\n") if not line.isascii()] == [
        "From: =?utf-8?b?w5xuw68=?= <ünï@xn--bcher-kva.example>"
    ]


def test_a_boundary_that_stands_in_a_body_is_not_used():
    def boundary_of(**changes):
        return parse(render(builders.mail(html="<p>é</p>", **changes), utf8=False)).get_boundary()

    first = boundary_of()
    hostile = f"--{first}\r\nContent-Type: text/html\r\n\r\nevil\r\n--{first}--\r\n"
    second = boundary_of(text=hostile)
    assert second not in (None, first)
    message = parse(render(builders.mail(html="<p>é</p>", text=hostile), utf8=False))
    assert shape(message) == ["alternative", "text/plain", "text/html"]
    assert boundary_of(text=f"{first} {second}") not in (None, first, second)


@pytest.mark.parametrize("size", [0, 5 * 1024 * 1024])
def test_small_and_large_attachments_arrive_whole(size):
    content = os.urandom(size)
    raw = render(builders.mail(attachments=(Attachment("data.bin", "application/x-data", content),)), utf8=False)
    (part,) = parse(raw).iter_attachments()
    assert part.get_payload(decode=True) == content
    assert filename(part) == "data.bin"


def test_two_hundred_recipients_and_a_long_thread_are_read_back():
    people = tuple(Mailbox(f"p{number}@bücher.example", f"Përson, {number}") for number in range(200))
    references = tuple(f"<{number}.{'x' * 60}@acme.example>" for number in range(100))
    raw = render(builders.mail(to=people, references=references, in_reply_to=references[-1]), utf8=False)
    lines_of(raw)
    header_lines(raw)
    assert addresses(raw, "To") == [(each.name, f"p{n}@xn--bcher-kva.example") for n, each in enumerate(people)]
    assert parse(raw)["References"].split() == list(references)
