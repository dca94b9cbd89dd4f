"""Host names, sender addresses and names: what is let through and in which form."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from config.addresses import host_name, mailbox, sender_address, sender_alias
from transports.message import Mailbox

CONTROL = st.sampled_from(["\0", "\r", "\n", "\t", "\x1b", "\x7f", "\x85", "\u2028", "\u2029", "\u202e", "\u2066"])


@pytest.mark.parametrize(
    ("text", "kept"),
    [
        ("Mail.Example.ORG", "mail.example.org"),
        ("mail.example.org.", "mail.example.org"),
        ("localhost", "localhost"),
        ("mail_catcher", "mail_catcher"),
        ("BÜCHER.example", "xn--bcher-kva.example"),
        ("192.0.2.1", "192.0.2.1"),
        ("[2001:DB8::0:1]", "2001:db8::1"),
        ("2001:db8::1", "2001:db8::1"),
    ],
)
def test_a_host_is_kept_in_one_form(text, kept):
    assert host_name(text) == kept


@pytest.mark.parametrize(
    "text",
    [
        *(
            "",
            " ",
            "a b",
            "-a.example",
            "a-.example",
            "a..example",
            ".example",
            "a" * 64 + ".example",
            "a." * 127 + "ab",
        ),
        *("127.1", "0177.0.0.1", "0x7f.1", "0x7f000001", "2130706433", "1.2.3.4.5", "999.1.1.1", "1.1.1.0x1"),
        *("host:25", "user@host", "http://host", "host/", "[::1", "fe80::1%eth0%", "host\n", "\u2100.example"),
    ],
)
def test_what_is_not_plainly_a_host_is_refused(text):
    with pytest.raises(ValueError, match="is not a host name"):
        host_name(text)


@given(st.text())
def test_a_host_that_is_let_through_is_ascii_and_stays_as_it_is(text):
    try:
        kept = host_name(text)
    except ValueError:
        return
    assert kept.isascii()
    assert host_name(kept) == kept


@given(before=st.text(max_size=5), control=CONTROL, after=st.text(max_size=5))
def test_no_control_character_is_let_through_anywhere(before, control, after):
    text = f"a{before}{control}{after}b"
    for check in (host_name, sender_alias, sender_address, mailbox):
        for given_text in (
            text,
            f"{text}@example.org",
            f"a@{text}",
            f"{text} <a@example.org>",
            f"x <{text}@b.example>",
        ):
            with pytest.raises(ValueError, match=r"must not|is not"):
                check(given_text)


@pytest.mark.parametrize("text", ["a@example.org", "notifications@acme.test", "jörg@bücher.example", "a+b@localhost"])
def test_usual_senders_are_let_through(text):
    assert sender_address(text) == text


@pytest.mark.parametrize(
    "text", ["", "a", "a@", "@b", "a@b@c", "a b@c.example", "A <a@b.example>", "a@b..c", "a,b@c.example"]
)
def test_what_is_not_an_address_is_refused_without_repeating_it(text):
    with pytest.raises(ValueError, match="like notifications@"):
        sender_address(text)


def test_an_alias_may_have_two_hundred_characters():
    assert sender_alias(" " + "é" * 200 + " ") == "é" * 200
    with pytest.raises(ValueError, match="200"):
        sender_alias("é" * 201)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Example <a@b.example>", Mailbox("a@b.example", "Example")),
        ("<a@b.example>", Mailbox("a@b.example")),
        ("a@b.example", Mailbox("a@b.example")),
        ('"Example \\"X\\", Inc." <a@b.example>', Mailbox("a@b.example", 'Example "X", Inc.')),
        ("Example, Inc. <a@b.example>", Mailbox("a@b.example", "Example, Inc.")),
    ],
)
def test_a_sender_is_a_name_and_an_address(text, expected):
    assert mailbox(text) == expected
