"""Addresses: what is one, how it looks on the wire, and what happens to one that cannot be expressed."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests import builders
from tests.texts import texts
from transports.errors import Code, MessageRefused
from transports.message import Mailbox
from transports.mime import envelope_address, needs_smtputf8
from transports.mime_addresses import a_labels, address_field, sender_field, wire_address

ODD = "ünï@bücher.example"


@pytest.mark.parametrize(
    ("address", "wire"),
    [
        ("jo@example.org", "jo@example.org"),
        ("Jo+tag@Example.ORG", "Jo+tag@Example.ORG"),
        ("jo@localhost", "jo@localhost"),
        ("jo@under_score.example", "jo@under_score.example"),
        ("jo@[192.0.2.1]", "jo@[192.0.2.1]"),
        ("jo@[IPv6:2001:db8::1]", "jo@[IPv6:2001:db8::1]"),
        ('"jo smith"@example.org', '"jo smith"@example.org'),
        ('"jo@home"@example.org', '"jo@home"@example.org'),
        ("jo..smith.@example.org", '"jo..smith."@example.org'),
        ("jo@bücher.example", "jo@xn--bcher-kva.example"),
        ("jo@BÜCHER.example", "jo@xn--bcher-kva.example"),
        ("jo@straße.example", "jo@xn--strae-oqa.example"),  # not "strasse": UTS 46 without transitional mappings
        ("jo@例え。jp", "jo@xn--r8jz45g.jp"),
        ("ü..nï@example.org", '"ü..nï"@example.org'),
        ('"ü nï"@example.org', '"ü nï"@example.org'),
        (ODD, "ünï@xn--bcher-kva.example"),
        ("u\u0308ni\u0308@example.org", "ünï@example.org"),
        ("\u212aelvin@example.org", "Kelvin@example.org"),  # the Kelvin sign is a K in NFC
    ],
)
def test_an_address_on_the_wire(address, wire):
    assert wire_address(address) == wire


@pytest.mark.parametrize(
    "address",
    [
        "",
        "@",
        "jo",
        "@example.org",
        "jo@",
        "jo @example.org",
        "jo@example.org ",
        "jo@exam ple.org",
        "jo@example..org",
        "jo@example.org.",
        "jo@-example.org",
        "jo@exa_mple.é",
        "jo@" + "a" * 64 + ".example",
        "jo@" + "a." * 130 + "example",
        "a" * 330 + "@example.org",
        "é" * 160 + "@example.org",
        "jo@[192.0.2.1",
        "<jo@example.org>",
        "jo@a@example.org",
        "jo,x@example.org",
        "jo;x@example.org",
        "jo\u037ex@example.org",  # the Greek question mark is a semicolon in NFC
        '"jo"x"@example.org',
        '"jo\\"@example.org',
        '"é\u00a0"@example.org',
        "jo(x)@example.org",
        '"jo>x"@example.org',
        '"jo\\>x"@example.org',
        "=?utf-8?q?victim=40example.com?=@example.org",
        "jo\u00a0x@example.org",
        "jo\u200bx@é.example",
        "jo@☕.example",
        "jo@xn--\u200bé.example",
        *[f"jo{control}@example.org" for control in "\0\r\n\t\x7f\x85\u2028\ud800"],
        *[f"jo@example{control}.org" for control in "\0\r\n\t\x7f\x85\u2028\ud800"],
        "jo@example.org\r\nRCPT TO:<x@y.example>",
    ],
)
def test_what_is_no_address_is_refused(address):
    with pytest.raises(MessageRefused) as refusal:
        wire_address(address)
    assert refusal.value.code == Code.MESSAGE_REFUSED
    assert address.strip() in ("", "@") or address not in str(refusal.value)


@given(texts(8) | st.tuples(texts(3), texts(3)).map("@".join))
def test_any_text_is_an_address_without_control_characters_or_is_refused(text):
    try:
        wire = wire_address(text)
    except MessageRefused:
        return
    assert wire.isprintable()
    assert wire.rpartition("@")[2].isascii()
    assert not set(wire) & set("<>\r\n\0")
    assert wire_address(wire) == wire


def test_an_envelope_address_beyond_ascii_needs_smtputf8():
    assert envelope_address(ODD, utf8=True) == "ünï@xn--bcher-kva.example"
    assert envelope_address("jo@bücher.example", utf8=False) == "jo@xn--bcher-kva.example"
    with pytest.raises(MessageRefused) as refusal:
        envelope_address(ODD, utf8=False)
    assert refusal.value.code == Code.SMTPUTF8_UNSUPPORTED
    assert "ünï" not in str(refusal.value)


def test_a_sender_must_be_expressible():
    assert sender_field(Mailbox(ODD, "Ünï"), utf8=True) == "From: =?utf-8?b?w5xuw68=?= <ünï@xn--bcher-kva.example>"
    with pytest.raises(MessageRefused) as refusal:
        sender_field(Mailbox(ODD), utf8=False)
    assert refusal.value.code == Code.SMTPUTF8_UNSUPPORTED


def test_a_mailbox_that_cannot_be_expressed_becomes_an_empty_group():
    mailboxes = (builders.JO, Mailbox(ODD, "Ünï"), Mailbox("al@example.org"))
    assert address_field("To", mailboxes, utf8=False) == (
        "To: Jo <jo@example.org>, =?utf-8?b?w5xuw68gw7xuw69AYsO8Y2hlci5leGFtcGxl?=\r\n :;, al@example.org"
    )


def test_two_hundred_recipients_are_folded_between_mailboxes():
    mailboxes = [Mailbox(f"somebody.{number}@example.org", f"Person {number}") for number in range(200)]
    field = address_field("To", mailboxes, utf8=False)
    assert max(map(len, field.split("\r\n"))) <= 76
    flat = field.removeprefix("To: ").replace("\r\n", "")
    assert flat == ", ".join(f"{each.name} <{each.address}>" for each in mailboxes)


def test_the_longest_address_stays_in_one_piece():
    address = "a" * 300 + "@example.org"
    assert address_field("Reply-To", [Mailbox(address, "Jo")], utf8=False) == f"Reply-To: Jo\r\n <{address}>"


@pytest.mark.parametrize(
    ("changes", "needs"),
    [
        ({}, False),
        ({"subject": "é", "text": "é", "sender": Mailbox("a@bücher.example", "é")}, False),
        ({"sender": Mailbox(ODD)}, True),
        ({"to": (Mailbox(ODD),)}, True),
        ({"to": (builders.JO, Mailbox(ODD)), "owed": (0,)}, True),
        ({"cc": (Mailbox(ODD),)}, True),
        ({"reply_to": (Mailbox(ODD),)}, True),
        ({"bcc": (Mailbox(ODD),)}, True),
        ({"bcc": (Mailbox(ODD),), "owed": (0,)}, False),
        ({"to": (Mailbox("\u212a@example.org"),)}, False),
    ],
)
def test_smtputf8_is_needed_for_local_parts_shown_or_owed_only(changes, needs):
    assert needs_smtputf8(builders.mail(**changes)) is needs


def test_a_domain_label_is_checked_to_its_last_letter():
    assert a_labels("a" * 63 + ".example") == "a" * 63 + ".example"
    with pytest.raises(MessageRefused):
        a_labels("exa mple.org")
