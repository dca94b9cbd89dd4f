"""Header fields: what may stand in them, how it is encoded, where a line is folded."""

import re
from datetime import UTC, datetime, timedelta, timezone
from email.header import decode_header, make_header
from email.utils import format_datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.texts import texts
from transports import headers
from transports.errors import Code, MessageRefused

CONTROLS = [chr(code) for code in (*range(0x20), *range(0x7F, 0xA0), 0x2028, 0x2029)]
WORD = re.compile(r"=\?utf-8\?([bq])\?([!->@-~]+)\?=")


@pytest.mark.parametrize("control", CONTROLS)
def test_no_control_character_survives_in_free_text(control):
    assert headers.clean(f"a{control}b") == "a b"
    assert headers.unstructured("Subject", f"a{control}Bcc: x@y.example") == "Subject: a Bcc: x@y.example"
    assert headers.phrase(f"a{control}b") == ["a", "b"]


@pytest.mark.parametrize("control", CONTROLS)
def test_a_structural_value_with_a_control_character_is_refused(control):
    with pytest.raises(MessageRefused) as refusal:
        headers.further("X-Trace", f"a{control}b")
    assert refusal.value.code == Code.MESSAGE_REFUSED
    with pytest.raises(MessageRefused):
        headers.further(f"X-{control}", "a")
    with pytest.raises(MessageRefused):
        headers.message_ids("References", ("<a@b>", f"<a{control}@b>"))
    assert not headers.is_message_id(f"<a@b>{control}")


def test_a_run_of_line_breaks_becomes_one_space_and_half_characters_are_replaced():
    assert headers.clean("a\r\n\r\n b") == "a  b"
    assert headers.clean("a\ud800b") == "a\ufffdb"


def test_invisible_characters_that_scripts_and_emoji_need_are_kept():
    family = "👨\u200d👩\u200d👧 \u200f\u05e9\u05dc\u05d5\u05dd"
    assert headers.clean(family) == family


@given(texts().map(headers.clean).filter(bool), st.integers(0, 75))
def test_encoded_words_are_short_whole_and_hold_the_text(text, first):
    words = headers.encoded_words(text, first)
    assert len(words[0]) <= max(first, 24)
    for word in words:
        assert WORD.fullmatch(word)
        assert len(word) <= 75
        (data, charset), *more = decode_header(word)
        assert isinstance(data, bytes)
        assert not more
        assert charset == "utf-8"
        data.decode()  # each word holds whole characters (RFC 2047 §5)
    assert str(make_header(decode_header(" ".join(words)))) == text


@pytest.mark.parametrize("text", ["é" * 200, "a subject that is mostly ASCII, but for é, " * 8])
def test_encoded_words_fill_their_lines(text):
    lines = headers.unstructured("Subject", text).split("\r\n")
    assert len(lines) > 3
    assert all(70 <= len(line) <= 76 for line in lines[:-1])


@pytest.mark.parametrize(
    ("text", "encoding"),
    [("Müller und Söhne, Buchhandlung", "q"), ("例え話をする", "b"), ("é", "b"), ("é, for short", "q")],
)
def test_the_shorter_encoding_is_chosen(text, encoding):
    (word,) = headers.encoded_words(text)
    match = WORD.fullmatch(word)
    assert match is not None
    assert match[1] == encoding


def test_what_only_looks_like_an_encoded_word_is_encoded():
    assert headers.unstructured("Subject", "=?utf-8?q?x?=") == "Subject: =?utf-8?b?PT91dGYtOD9xP3g/PQ==?="
    assert headers.phrase("=?utf-8?q?x?=") == ["=?utf-8?b?PT91dGYtOD9xP3g/PQ==?="]


def test_a_long_ascii_subject_is_folded_at_spaces_and_keeps_their_number():
    text = "one  two   three " * 12 + "end"
    field = headers.unstructured("Subject", text)
    lines = field.split("\r\n")
    assert len(lines) > 1
    assert max(map(len, lines)) <= 76
    assert all(line.startswith(" ") and line.strip() for line in lines[1:])
    assert field.replace("\r\n", "") == f"Subject: {text}"


@pytest.mark.parametrize("text", ["a" * 68, "a" * 75 + " b", "b " + "a" * 76])
def test_a_subject_that_cannot_begin_on_its_first_line_or_be_folded_is_encoded(text):
    lines = headers.unstructured("Subject", text).split("\r\n")
    assert lines[0].startswith("Subject: =?utf-8?q?")
    assert max(map(len, lines)) <= 76


def test_an_empty_subject_is_an_empty_field():
    assert headers.unstructured("Subject", "") == "Subject: "


@pytest.mark.parametrize(
    ("name", "tokens"),
    [
        ("", []),
        (" \t ", []),
        ("Jo Smith-Miller", ["Jo", "Smith-Miller"]),
        ("Smith, Jo", ['"Smith, Jo"']),
        ('Jo "the \\ man"', ['"Jo \\"the \\\\ man\\""']),
        ("Jo Q. Public", ['"Jo Q. Public"']),
        ("jo@example.org", ['"jo@example.org"']),
        ("two  spaces", ['"two  spaces"']),
        ("Ünï", ["=?utf-8?b?w5xuw68=?="]),
    ],
)
def test_a_display_name_is_atoms_or_quoted_or_encoded(name, tokens):
    assert headers.phrase(name) == tokens


def test_a_value_longer_than_a_line_stands_alone_only_where_that_helps():
    long = "a" * 70
    assert headers.fold("Reply-To", [long]) == f"Reply-To:\r\n {long}"
    longest = "a" * 200
    assert headers.fold("X", [longest, longest]) == f"X: {longest}\r\n {longest}"
    assert headers.fold("X", ["a" * 997]) == "X:\r\n " + "a" * 997


def test_an_identifier_stays_on_the_line_of_its_field_name():
    for length in (55, 200):
        identifier = f"<{'a' * length}@example.org>"
        assert headers.message_ids("Message-ID", [identifier]) == f"Message-ID: {identifier}"


def test_a_long_chain_of_references_is_folded_between_identifiers():
    identifiers = [f"<{number:04d}.{'x' * (number % 50)}@host.example>" for number in range(200)]
    field = headers.message_ids("References", identifiers)
    assert max(map(len, field.split("\r\n"))) <= 76
    assert field.removeprefix("References: ").replace("\r\n", "").split(" ") == identifiers


@pytest.mark.parametrize(
    "value", ["", "a@b", "<a@b", "<a b@c>", "<a@b> <c@d>", "<<a@b>>", "<é@b>", "<" + "a" * 901 + ">"]
)
def test_what_is_no_message_identifier_is_refused(value):
    assert not headers.is_message_id(value)
    with pytest.raises(MessageRefused):
        headers.message_ids("In-Reply-To", (value,))


@pytest.mark.parametrize(
    "name",
    ["", "X Trace", "X:Trace", "X-Ü", "Bcc", "bcc", "FROM", "Content-Type", "Resent-To", "MIME-Version", "X" * 77],
)
def test_a_further_field_cannot_take_the_place_of_one_of_the_composer(name):
    with pytest.raises(MessageRefused):
        headers.further(name, "value")


def test_a_further_field_in_ascii_is_never_encoded_only_folded():
    assert headers.further("Content-Language", "de-CH") == "Content-Language: de-CH"
    uri = f"<https://example.org/{'a' * 300}?=utf-8?q?x?=>"
    value = f"{uri}, <mailto:leave@example.org>"
    assert headers.further("List-Unsubscribe", value) == f"List-Unsubscribe: {uri},\r\n <mailto:leave@example.org>"
    with pytest.raises(MessageRefused):
        headers.further("List-Unsubscribe", "<https://example.org/" + "a" * 1000 + ">")


def test_a_further_field_beyond_ascii_is_encoded_and_half_characters_are_refused():
    field = headers.further("X-Workspace", "Zürich " * 20)
    assert field.isascii()
    value = field.removeprefix("X-Workspace: ").replace("\r\n", "")
    assert str(make_header(decode_header(value))) == ("Zürich " * 20).strip()
    with pytest.raises(MessageRefused):
        headers.further("X-Workspace", "a\ud800")


@given(st.datetimes(datetime(1970, 1, 2), datetime(9998, 1, 1)), st.integers(-14 * 60, 14 * 60))  # noqa: DTZ001
def test_a_date_is_that_of_the_standard_library_in_utc(moment, minutes):
    moment = moment.replace(tzinfo=timezone(timedelta(minutes=minutes)))
    assert headers.date(moment) == f"Date: {format_datetime(moment.astimezone(UTC))}"


def test_a_date_without_zone_is_taken_for_utc():
    assert headers.date(datetime(2026, 3, 1, 7, 5, 9)) == "Date: Sun, 01 Mar 2026 07:05:09 +0000"  # noqa: DTZ001
