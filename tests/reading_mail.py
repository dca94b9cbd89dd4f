"""Reading a composed mail back, with the standard library's parser, and what must hold for the bytes of any mail."""

import base64
import email
import email.policy
import re
import unicodedata
from email.header import decode_header, make_header
from email.headerregistry import Address
from email.message import EmailMessage, MIMEPart
from typing import Any

_ENCODED_WORDS = re.compile(r"=\?utf-8\?[bq]\?[!->@-~]+\?=(?: =\?utf-8\?[bq]\?[!->@-~]+\?=)+")
_UTF8 = email.policy.default.clone(utf8=True)


def parse(raw: bytes) -> EmailMessage:
    """The mail, read. By way of text, because the parser does not read raw UTF-8 in header fields (RFC 6532)."""
    return email.message_from_string(raw.decode(), policy=_UTF8)


def address_header(raw: bytes, name: str) -> Any:
    """An address field, read; with ``.addresses``, ``.groups`` and ``.defects``.

    Neighbouring encoded words are made one before: CPython up to 3.11 keeps the space between them in a phrase,
    against RFC 2047 §6.2.
    """
    value = dict(fields(raw))[name]
    return _UTF8.header_factory(name, _ENCODED_WORDS.sub(_joined, value))


def _joined(match: re.Match[str]) -> str:
    text = "".join(str(make_header(decode_header(word))) for word in match[0].split(" "))
    return f"=?utf-8?b?{base64.b64encode(text.encode()).decode()}?="


def addresses(raw: bytes, name: str) -> list[tuple[str, str]]:
    """Display name and address of every mailbox of a field; see :func:`single_spaced`."""
    found: tuple[Address, ...] = address_header(raw, name).addresses
    return [(single_spaced(each.display_name), each.addr_spec) for each in found]


def single_spaced(text: str) -> str:
    """With one space for every run of white space: so the parser gives a name, no-break spaces included."""
    return re.sub(r"\s+", " ", text)


def text_of(part: MIMEPart) -> str:
    """A text part, decoded by the charset it names."""
    data = part.get_payload(decode=True)
    assert isinstance(data, bytes)
    return data.decode(part.get_content_charset("us-ascii"))


def filename(part: MIMEPart) -> str | None:
    """The file name of a part; ``get_filename`` would take quotes and angle brackets at its ends for syntax."""
    name: str | None = part["Content-Disposition"].params.get("filename")
    return name


def lines_of(raw: bytes, limit: int = 998) -> list[bytes]:
    """The lines of a message, after the checks that no message may fail (RFC 5322 §2.1.1 and §2.3)."""
    assert raw.endswith(b"\r\n")
    lines = raw.split(b"\r\n")
    assert not any(b"\r" in line or b"\n" in line for line in lines), "a bare CR or LF"
    assert b"\0" not in raw
    assert max(map(len, lines)) <= limit
    return lines


def header_lines(raw: bytes) -> list[bytes]:
    """The physical lines of the header block, after a check that none of them is blank but for spaces."""
    lines = raw.partition(b"\r\n\r\n")[0].split(b"\r\n")
    assert all(line.strip() for line in lines), "a header line of white space only"
    return lines


def fields(raw: bytes) -> list[tuple[str, str]]:
    """Name and unfolded value of every header field, read by the plain rule of RFC 5322 §2.2.3."""
    unfolded = re.sub(r"\r\n(?=[ \t])", "", raw.partition(b"\r\n\r\n")[0].decode())
    pairs = [line.partition(":") for line in unfolded.split("\r\n")]
    return [(name, value.removeprefix(" ")) for name, _, value in pairs]


def harmless(text: str) -> str:
    """What free text must look like in a header: control characters are gone, written independently of the product."""
    out = ""
    for character in text:
        if unicodedata.category(character) in {"Cc", "Zl", "Zp"}:
            out += "\0"
        else:
            out += "\ufffd" if unicodedata.category(character) == "Cs" else character
    return re.sub("\0+", " ", out)


def line_ends(text: str) -> str:
    """The text with plain line feeds, lone surrogates as U+FFFD."""
    text = text.replace("\r\n", "\n").replace("\r", "\n")
    return "".join("\ufffd" if "\ud800" <= character <= "\udfff" else character for character in text)
