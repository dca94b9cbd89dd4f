"""What is written as a message is a message: CRLF, dots doubled, nothing smuggled."""

import re

from hypothesis import given
from hypothesis import strategies as st

from transports.smtp.auth import token_status
from transports.smtp.wire import dot_stuffed


def transmitted(message: bytes) -> bytes:
    """What an RFC 5321 server makes of it (§4.5.2): read to the lone dot, first dot of each line taken away."""
    wire = dot_stuffed(message) + b".\r\n"
    lines = wire.split(b"\r\n")
    end = lines.index(b".")
    assert end == len(lines) - 2, "the message ends at its own dot, no earlier"
    return b"".join((line[1:] if line.startswith(b".") else line) + b"\r\n" for line in lines[:end])


pieces = st.lists(st.sampled_from([b".", b"..", b"\r\n", b"\n", b"\r", b"a", b"\r\n.\r\n", b"\n.\n", b"QUIT"])).map(
    b"".join
)


@given(st.one_of(pieces, st.binary(max_size=200)))
def test_any_bytes_arrive_with_crlf_line_ends_and_cannot_end_the_message(message: bytes) -> None:
    arrived = transmitted(message)
    assert not re.search(rb"(?<!\r)\n|\r(?!\n)", arrived)
    expected = re.sub(rb"\r\n|\r|\n", b"\r\n", message)
    assert arrived == (expected if expected.endswith(b"\r\n") else expected + b"\r\n")


def test_a_clean_message_is_not_changed() -> None:
    assert dot_stuffed(b"Subject: x\r\n\r\ntext\r\n") == b"Subject: x\r\n\r\ntext\r\n"


def test_the_status_in_a_token_refusal_is_read_and_nothing_else() -> None:
    assert token_status("eyJzdGF0dXMiOiI0MDEiLCJzY2hlbWVzIjoiQmVhcmVyIn0=") == "(token 401)"
    assert token_status("eyJzdGF0dXMiOiJqb0BleGFtcGxlLm9yZyJ9") == ""
    for junk in ("", "!!", "W10=", "bnVsbA==", "/w=="):
        assert token_status(junk) == ""
