"""Parts of a mail: transfer encodings, attachments and their names, boundaries."""

import quopri
from base64 import b64decode
from itertools import pairwise

import pytest
from hypothesis import given

from tests.reading_mail import line_ends
from tests.texts import texts
from transports.errors import Code, MessageRefused
from transports.message import Attachment
from transports.mime_bodies import attachment_part, multipart, text_part


def encoding(part):
    return part.headers.partition("Content-Transfer-Encoding: ")[2].partition("\r\n")[0]


def decoded(part):
    body = b"".join(part.body)
    match encoding(part):
        case "base64":
            return b64decode(body)
        case "quoted-printable":
            return quopri.decodestring(body.replace(b"\r\n", b"\n")).replace(b"\n", b"\r\n")
        case _:
            return body


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("", "7bit"),
        ("Hello\n\tJo\n", "7bit"),
        ("a" * 998, "7bit"),
        ("a" * 999, "quoted-printable"),
        ("a" * 10_000 + "\n", "quoted-printable"),
        ("Hello\nFrom here\n", "quoted-printable"),
        ("From here\n", "quoted-printable"),
        ("a\0b", "quoted-printable"),
        ("a\x1bb", "quoted-printable"),
        ("a\x7fb", "quoted-printable"),
        ("Grüße aus Köln und ein langer deutscher Satz dazu\n", "quoted-printable"),
        ("ご確認をお願いします\n", "base64"),
        ("😀" * 100, "base64"),
    ],
)
def test_the_transfer_encoding_is_the_plainest_that_is_safe_and_else_the_shorter(text, wanted):
    part = text_part("plain", text)
    assert encoding(part) == wanted
    assert decoded(part).decode() == text.replace("\n", "\r\n")


@pytest.mark.parametrize(("text", "charset"), [("Hello", "us-ascii"), ("a" * 999, "us-ascii"), ("é", "utf-8")])
def test_the_charset_is_the_smallest(text, charset):
    assert f"Content-Type: text/html; charset={charset}\r\n" in text_part("html", text).headers


@given(texts(200))
def test_any_text_is_in_the_body_with_line_ends_as_on_the_wire(text):
    assert decoded(text_part("plain", text)).decode() == line_ends(text).replace("\n", "\r\n")


@given(texts(200))
def test_quoted_printable_and_base64_lines_have_at_most_76_characters(text):
    part = text_part("plain", f"é{text}")
    for line in b"".join(part.body).split(b"\r\n"):
        assert len(line) <= 76
        assert not line.startswith(b"From ")
        assert not line.endswith((b" ", b"\t"))


@pytest.mark.parametrize("rest", ["", "here", "x" * 71, "x" * 80, "x" * 70 + " "])
def test_no_line_begins_as_the_separator_of_a_mailbox_file(rest):
    text = f"From {rest}\né\nFrom {rest}"
    part = text_part("plain", text)
    assert encoding(part) == "quoted-printable"
    assert decoded(part).decode() == text.replace("\n", "\r\n")
    lines = b"".join(part.body).split(b"\r\n")
    assert not any(line.startswith(b"From ") for line in lines)
    assert max(map(len, lines)) <= 76


@pytest.mark.parametrize("end", [" ", "\t", " \n", "\t\nx"])
@pytest.mark.parametrize("length", range(70, 80))
def test_a_space_at_the_end_of_a_full_line_does_not_make_it_too_long(length, end):
    part = text_part("plain", f"é\n{'a' * length}{end}")
    assert decoded(part).decode() == f"é\n{'a' * length}{end}".replace("\n", "\r\n")
    assert max(map(len, b"".join(part.body).split(b"\r\n"))) <= 76


@pytest.mark.parametrize("size", [0, 1, 56, 57, 58, 114, 57 * 64, 57 * 64 + 1, 57 * 200, 100_000])
def test_an_attachment_is_in_base64_of_76_columns(size):
    content = bytes(number % 256 for number in range(size))
    part = attachment_part(Attachment("a.bin", "application/pdf", content))
    lines = b"".join(part.body).split(b"\r\n")
    assert all(len(line) == 76 for line, _ in pairwise(lines))
    assert len(lines[-1]) <= 76
    assert decoded(part) == content


@pytest.mark.parametrize(
    ("given_type", "field"),
    [
        ("application/pdf", "application/pdf"),
        ("Image/PNG", "image/png"),
        ("text/calendar; method=REQUEST;charset=utf-8", "text/calendar; method=REQUEST; charset=utf-8"),
        ("text/x; a=\"b c\"; name=evil.exe; NAME*=utf-8''e", 'text/x; a="b c"'),
        ("message/rfc822", "application/octet-stream"),
        ("Message/Partial; id=x", "application/octet-stream"),
        ("multipart/mixed; boundary=x", "application/octet-stream"),
        ("", "application/octet-stream"),
        ("pdf", "application/octet-stream"),
        ("application/pdf\r\nBcc: x@y.example", "application/octet-stream"),
        ("text/plain;\r\n x=y", "application/octet-stream"),
        ("application/pdf; x", "application/octet-stream"),
        ("application/é", "application/octet-stream"),
        ("a/" + "b" * 300, "application/octet-stream"),
    ],
)
def test_a_content_type_is_kept_only_when_well_formed_and_not_composite(given_type, field):
    part = attachment_part(Attachment("", given_type, b"x"))
    assert part.headers.replace("\r\n ", " ").startswith(f"Content-Type: {field}\r\n")


@pytest.mark.parametrize(
    ("filename", "disposition", "name"),
    [
        ("report.pdf", 'attachment; filename="report.pdf"', 'name="report.pdf"'),
        ("a report.pdf", 'attachment; filename="a report.pdf"', 'name="a report.pdf"'),
        ("../../etc/passwd", 'attachment; filename=".._.._etc_passwd"', 'name=".._.._etc_passwd"'),
        ("C:\\x.exe", 'attachment; filename="C:_x.exe"', 'name="C:_x.exe"'),
        ('a"b.txt', "attachment; filename*=utf-8''a%22b.txt", 'name="a_b.txt"'),
        ("a\r\nBcc: x.txt", 'attachment; filename="a Bcc: x.txt"', 'name="a Bcc: x.txt"'),
        ("a\uff0fb.txt", "attachment; filename*=utf-8''a%EF%BC%8Fb.txt", 'name="a_b.txt"'),  # NFKD makes it a slash
        ("a;b.txt", "attachment; filename*=utf-8''a%3Bb.txt", 'name="a_b.txt"'),
        ("Résumé.pdf", "attachment; filename*=utf-8''R%C3%A9sum%C3%A9.pdf", 'name="Resume.pdf"'),
        ("报告.pdf", "attachment; filename*=utf-8''%E6%8A%A5%E5%91%8A.pdf", 'name="__.pdf"'),
        ("=?utf-8?q?x?=", "attachment; filename*=utf-8''%3D%3Futf-8%3Fq%3Fx%3F%3D", 'name="_utf-8?q?x?="'),
        ("\ud800.txt", "attachment; filename*=utf-8''%EF%BF%BD.txt", 'name="_.txt"'),
        ("", "attachment", ""),
        ("..", "attachment", ""),
        (" \r\n ", "attachment", ""),
    ],
)
def test_a_file_name_is_safe_and_understood_by_old_readers_too(filename, disposition, name):
    headers = attachment_part(Attachment(filename, "text/plain", b"")).headers.replace("\r\n ", " ")
    assert f"Content-Disposition: {disposition}\r\n" in headers
    assert headers.startswith(f"Content-Type: text/plain; {name}\r\n" if name else "Content-Type: text/plain\r\n")


@pytest.mark.parametrize("filename", ["a" * 250 + ".pdf", "é" * 100 + ".pdf", "名" * 200, "😀" * 60, "a." + "é" * 90])
def test_a_long_file_name_comes_in_sections_of_whole_characters(filename):
    headers = attachment_part(Attachment(filename, "application/pdf", b"")).headers
    lines = headers.split("\r\n")
    assert max(map(len, lines)) <= 78
    sections = [line.strip().rstrip(";") for line in lines if line.startswith(" filename*")]
    values = []
    for number, section in enumerate(sections):
        name, _, value = section.partition("=")
        assert name == f"filename*{number}*"
        data = quopri.decodestring(value.removeprefix("utf-8''").replace("%", "=").encode())
        values.append(data.decode())  # each section holds whole characters
    assert len(values) > 1
    assert "".join(values) == filename


def test_the_ascii_name_of_a_long_file_keeps_its_ending():
    headers = attachment_part(Attachment("é" * 100 + ".pdf", "application/pdf", b"")).headers
    assert f'name="{"e" * 56}.pdf"' in headers


def test_a_picture_has_its_content_id_in_angle_brackets_and_is_inline():
    headers = attachment_part(Attachment("logo.png", "image/png", b"x", "logo@acme")).headers
    assert 'Content-Disposition: inline; filename="logo.png"\r\n' in headers
    assert "Content-ID: <logo@acme>\r\n" in headers


@pytest.mark.parametrize("content_id", ["", "a b", "<a>", "a\r\nBcc: x", "é", "a\0"])
def test_an_unsafe_content_id_is_refused(content_id):
    with pytest.raises(MessageRefused) as refusal:
        attachment_part(Attachment("logo.png", "image/png", b"x", content_id))
    assert refusal.value.code == Code.MESSAGE_REFUSED


def test_a_multipart_is_delimited_as_rfc_2046_says():
    part = multipart("mixed", [text_part("plain", "a\n"), text_part("html", "b")], "=_m1")
    body = b"".join(part.body).decode()
    header = "Content-Type: text/{}; charset=us-ascii\r\nContent-Transfer-Encoding: 7bit\r\n\r\n"
    assert body == f"--=_m1\r\n{header.format('plain')}a\r\n\r\n--=_m1\r\n{header.format('html')}b\r\n--=_m1--"
    assert part.headers == 'Content-Type: multipart/mixed;\r\n boundary="=_m1"\r\n'
