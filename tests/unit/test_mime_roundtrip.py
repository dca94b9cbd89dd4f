"""Whatever a mail holds, reading its bytes gives it back: part for part, header for header (standard library)."""

import email.policy
import string

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from tests import builders
from tests.reading_mail import (
    address_header,
    addresses,
    fields,
    filename,
    harmless,
    header_lines,
    line_ends,
    lines_of,
    parse,
    single_spaced,
    text_of,
)
from tests.texts import texts
from transports.message import Attachment, Mailbox
from transports.mime import needs_smtputf8, render

LINE = texts()
BODY = st.lists(LINE | st.sampled_from([".", "", "x" * 999, "é" * 3000]), max_size=6).map("\n".join)
# an address like an encoded word is refused (test_mime_addresses)
LOCAL = st.text(string.ascii_letters + string.digits + "!#$%&'*+/=?^_`{|}~-", min_size=1, max_size=30).filter(
    lambda local: "=?" not in local
)
DOMAIN = st.sampled_from(
    ["example.org", "bücher.example", "xn--bcher-kva.example", "例え.jp", "a.b.c.d.example", "localhost"]
)
A_LABELS = {"bücher.example": "xn--bcher-kva.example", "例え.jp": "xn--r8jz45g.jp"}
MAILBOX = st.builds(lambda local, domain, name: Mailbox(f"{local}@{domain}", name), LOCAL, DOMAIN, LINE)
CONTENT_ID = st.text(string.ascii_letters + string.digits + "@._-", min_size=1, max_size=20)
ATTACHMENT = st.builds(
    Attachment, LINE, st.sampled_from(["application/pdf", "image/png", "text/csv"]), st.binary(max_size=300)
)
INLINE = st.builds(Attachment, LINE, st.just("image/png"), st.binary(max_size=300), CONTENT_ID)


def ascii_domain(address):
    local, _, domain = address.rpartition("@")
    return f"{local}@{A_LABELS.get(domain, domain)}"


@given(LINE)
@example("  leading and trailing  ")
@example("=?utf-8?q?looks_encoded?=")
@example("word " * 60)
@example("a" * 68)
@example("a" * 5000)
@example("\r\nBcc: victim@example.org")
def test_any_subject_is_read_back_as_it_was_but_for_control_characters(subject):
    raw = render(builders.mail(subject=subject), utf8=False)
    lines_of(raw)
    assert max(map(len, header_lines(raw))) <= 78
    assert parse(raw)["Subject"] == harmless(subject)
    assert [name for name, _ in fields(raw)].count("Subject") == 1
    assert "Bcc" not in parse(raw)


@given(MAILBOX, st.lists(MAILBOX, min_size=1, max_size=5), st.lists(MAILBOX, max_size=3), st.booleans())
def test_any_names_and_addresses_are_read_back(sender, to, cc, utf8):
    raw = render(builders.mail(sender=sender, to=tuple(to), cc=tuple(cc), reply_to=tuple(cc)), utf8=utf8)
    lines_of(raw)
    assert max(map(len, header_lines(raw))) <= 78
    raw.decode("ascii")
    message = parse(raw)
    for name, mailboxes in (("From", [sender]), ("To", to), ("Cc", cc), ("Reply-To", cc)):
        if not mailboxes:
            assert name not in message
            continue
        assert not address_header(raw, name).defects
        wanted = [(single_spaced(harmless(each.name).strip()), ascii_domain(each.address)) for each in mailboxes]
        assert addresses(raw, name) == wanted


def body_text(part):
    # a text that is the whole message ends with the message's last line end
    return line_ends(text_of(part)).removesuffix("\n")


@given(BODY, st.sampled_from(["text", "html"]))
def test_any_single_text_is_read_back(body, kind):
    raw = render(builders.mail(**{"text": None, kind: body}), utf8=False)
    lines_of(raw)
    raw.decode("ascii")
    part = parse(raw)
    assert part.get_content_type() == {"text": "text/plain", "html": "text/html"}[kind]
    assert body_text(part) == line_ends(body).removesuffix("\n")


@given(BODY, BODY)
def test_any_text_and_html_are_read_back_to_the_last_line_end(text, html):
    raw = render(builders.mail(text=text, html=html), utf8=False)
    lines_of(raw)
    message = parse(raw)
    assert message.get_content_type() == "multipart/alternative"
    parts = list(message.iter_parts())
    assert [part.get_content_type() for part in parts] == ["text/plain", "text/html"]
    assert [line_ends(text_of(part)) for part in parts] == [line_ends(text), line_ends(html)]
    assert not message.defects


def sent_name(given):
    name = harmless(given).replace("/", "_").replace("\\", "_").strip()
    return name if name.strip(".") else None


@given(BODY, BODY, st.lists(ATTACHMENT, min_size=1, max_size=3), st.lists(INLINE, max_size=2))
def test_any_attachments_and_pictures_are_read_back(text, html, files, pictures):
    raw = render(builders.mail(text=text, html=html, attachments=(*pictures, *files)), utf8=False)
    lines_of(raw)
    raw.decode("ascii")
    message = parse(raw)
    assert message.get_content_type() == "multipart/mixed"
    alternative, *attached = message.iter_parts()
    for part, file in zip(attached, files, strict=True):
        assert part.get_content_type() == file.content_type
        assert part.get_content_disposition() == "attachment"
        assert filename(part) == sent_name(file.filename)
        assert part.get_payload(decode=True) == file.content
        assert max(map(len, header_lines(part.as_bytes(policy=email.policy.SMTP)))) <= 998
    plain, shown = alternative.iter_parts()
    assert line_ends(text_of(plain)) == line_ends(text)
    if pictures:
        assert shown.get_content_type() == "multipart/related"
        assert shown["Content-Type"].params["type"] == "text/html"
        shown, *inline = shown.iter_parts()
        for part, picture in zip(inline, pictures, strict=True):
            assert part.get_content_disposition() == "inline"
            assert part["Content-ID"] == f"<{picture.content_id}>"
            assert part.get_payload(decode=True) == picture.content
    assert line_ends(text_of(shown)) == line_ends(html)
    assert not any(part.defects for part in message.walk())


@given(st.builds(lambda first, local: f"{first}{local}", st.sampled_from("üéñ例я"), LOCAL), LINE)
def test_a_non_ascii_local_part_is_raw_with_smtputf8_and_only_a_text_without(local, name):
    odd = Mailbox(f"{local}@bücher.example", name)
    mail = builders.mail(to=(builders.JO, odd))
    assert needs_smtputf8(mail)
    assert addresses(render(mail, utf8=True), "To")[1] == (
        single_spaced(harmless(name).strip()),
        f"{local}@xn--bcher-kva.example",
    )
    plain = render(mail, utf8=False)
    plain.decode("ascii")
    field = address_header(plain, "To")
    assert not field.defects
    assert [each.addr_spec for each in field.addresses] == [builders.JO.address]
    assert single_spaced(field.groups[1].display_name) == single_spaced(
        f"{harmless(name).strip()} {odd.address}".strip()
    )


@given(LINE, LINE, BODY)
def test_the_same_mail_gives_the_same_bytes(subject, name, body):
    def make():
        picture = Attachment(subject, "image/png", b"x", "p")
        return builders.mail(subject=subject, to=(Mailbox("a@b.example", name),), html=body, attachments=(picture,))

    assert render(make(), utf8=False) == render(make(), utf8=False)


@pytest.mark.parametrize("utf8", [False, True])
def test_a_plain_mail_looks_as_a_person_would_write_it(utf8):
    mail = builders.mail(
        headers=(("Auto-Submitted", "auto-generated"),), references=("<a@b>", "<c@d>"), in_reply_to="<c@d>"
    )
    assert render(mail, utf8=utf8).decode().split("\r\n") == [
        "Date: Sat, 21 Nov 2026 12:00:00 +0000",
        "From: Acme <notifications@acme.example>",
        "To: Jo <jo@example.org>",
        "Subject: A task was assigned to you",
        "Message-ID: <one@acme.example>",
        "In-Reply-To: <c@d>",
        "References: <a@b> <c@d>",
        "Auto-Submitted: auto-generated",
        "MIME-Version: 1.0",
        "Content-Type: text/plain; charset=us-ascii",
        "Content-Transfer-Encoding: 7bit",
        "",
        "Please have a look.",
        "",
    ]
