"""Parts of a mail: texts, attachments and the multiparts around them (RFC 2045, 2046, 2183, 2231, 2387).

A part is its header block and its body as chunks, so that a large attachment is copied once, at the very end.
"""

import re
import unicodedata
from binascii import b2a_base64, b2a_qp
from collections.abc import Sequence
from itertools import chain
from struct import Struct
from typing import NamedTuple
from urllib.parse import quote

from transports.headers import LINE, MAX_LINE, clean, fold, refused, without_surrogates
from transports.message import Attachment

_WORD = r"[A-Za-z0-9!#$%&'*+.^_`{|}~-]+"  # a token of RFC 2045 §5.1
_PARAMETER = rf' *; *({_WORD})=({_WORD}|"[ !#-\[\]-~]*")'
_CONTENT_TYPE = re.compile(rf"({_WORD}/{_WORD})((?:{_PARAMETER})*)")
_CONTENT_ID = re.compile(r"[!-;=?-~]{1,900}")
_SEVEN_BIT = bytes(range(0x20, 0x7F)) + b"\t\n"
_QP_PLAIN = _SEVEN_BIT.replace(b"=", b"")
_FROM_LINE = re.compile(rb"^From ", re.MULTILINE)
_OVERLONG = re.compile(rb"^([^\n]{74,75})(=20|=09)$", re.MULTILINE)
_UNQUOTABLE = re.compile(r'["\\;]|=\?')  # the semicolon, because some readers look for it without minding quotes
_LINES = Struct("76s" * 64)
_ATTRIBUTE_CHARACTERS = "!#$&+^`|"  # RFC 2231 §7, beside letters, digits and what quote() always keeps: _.-~
_PARAMETER_ROOM = LINE - 2  # a space before, a semicolon behind


class Part(NamedTuple):
    """A MIME part: ``headers`` are its *Content-* lines, each with CRLF; a line break after the body is not its own.

    ``plain`` holds the bodies in it that are sent as they are and could hold a boundary by chance or by intent.
    """

    headers: str
    body: tuple[bytes, ...]
    plain: tuple[bytes, ...] = ()


def text_part(subtype: str, text: str) -> Part:
    """A text body, as 7bit where that is safe and otherwise quoted-printable or base64, whichever is shorter.

    Line ends become CRLF; lone surrogates U+FFFD.
    """
    if "\r" in text:
        text = text.replace("\r\n", "\n").replace("\r", "\n")
    charset = "us-ascii" if text.isascii() else "utf-8"
    try:
        data = text.encode()
    except UnicodeEncodeError:
        data = without_surrogates(text).encode()
    if _is_seven_bit(data):
        body = data.replace(b"\n", b"\r\n")
        return Part(_text_headers(subtype, charset, "7bit"), (body,), (body,))
    size = len(data)
    if size + 2 * len(data.translate(None, _QP_PLAIN)) <= size * 4 * 78 // (3 * 76) + 4:
        return Part(_text_headers(subtype, charset, "quoted-printable"), (_quoted_printable(data),))
    return Part(_text_headers(subtype, charset, "base64"), (_base64(data.replace(b"\n", b"\r\n")),))


def _text_headers(subtype: str, charset: str, encoding: str) -> str:
    return f"Content-Type: text/{subtype}; charset={charset}\r\nContent-Transfer-Encoding: {encoding}\r\n"


def _is_seven_bit(data: bytes) -> bool:
    return (
        not data.translate(None, _SEVEN_BIT)
        # mail stores of the mbox kind put a ">" before such a line
        and not data.startswith(b"From ")
        and b"\nFrom " not in data
        and max(map(len, data.split(b"\n"))) <= MAX_LINE
    )


def _quoted_printable(data: bytes) -> bytes:
    encoded = b2a_qp(data)
    if b"From " in encoded:
        encoded = _FROM_LINE.sub(b"=46=\nrom ", encoded)  # broken softly, so that no line grows beyond 76
    if b"=20" in encoded or b"=09" in encoded:
        # the encoder counts a space before a line end as one column
        encoded = _OVERLONG.sub(rb"\1=\n\2", encoded)
    return encoded.replace(b"\n", b"\r\n")


def _base64(data: bytes) -> bytes:
    encoded = b2a_base64(data, newline=False)
    blocks = len(encoded) // _LINES.size * _LINES.size
    lines = list(chain.from_iterable(_LINES.iter_unpack(memoryview(encoded)[:blocks])))  # slices, cut in C
    lines += [encoded[start : start + 76] for start in range(blocks, len(encoded), 76)]
    return b"\r\n".join(lines)


def attachment_part(attachment: Attachment) -> Part:
    """An attachment, or with a content id an inline part, always in base64.

    A content type that is malformed or composite (``message/…`` and ``multipart/…`` must not be encoded, RFC 2045
    §6.4) becomes ``application/octet-stream``. Path separators in the file name become ``_``. A file name outside
    ASCII is given by RFC 2231; readers that do not know that find an ASCII one in the *name* of the content type.

    Raises:
        MessageRefused: the content id holds anything but printable ASCII without spaces and brackets.
    """
    filename = file_name(attachment.filename)
    content_type = _content_type(attachment.content_type)
    disposition = ["attachment" if attachment.content_id is None else "inline"]
    if filename:
        content_type += _parameter("name", _ascii_fallback(filename))
        disposition += _parameter("filename", filename)
    fields = [
        fold("Content-Type", _with_semicolons(content_type)),
        "Content-Transfer-Encoding: base64",
        fold("Content-Disposition", _with_semicolons(disposition)),
    ]
    if attachment.content_id is not None:
        fields.append(f"Content-ID: <{checked_content_id(attachment.content_id)}>")
    return Part("\r\n".join([*fields, ""]), (_base64(attachment.content),))


def file_name(value: str) -> str:
    """The name of a file as it may be shown: without control characters and path separators; nothing for dots alone."""
    name = clean(value).replace("/", "_").replace("\\", "_").strip()
    return name if name.strip(".") else ""


def media_type(value: str) -> str:
    """``type/subtype`` of a content type, by the rules of :func:`attachment_part`."""
    return _content_type(value)[0]


def checked_content_id(value: str) -> str:
    """The content id, without angle brackets.

    Raises:
        MessageRefused: it holds anything but printable ASCII without spaces and brackets.
    """
    if not _CONTENT_ID.fullmatch(value):
        raise refused("Content-ID")
    return value


def _with_semicolons(values: Sequence[str]) -> list[str]:
    return [*(f"{value};" for value in values[:-1]), values[-1]]


def _content_type(value: str) -> list[str]:
    match = _CONTENT_TYPE.fullmatch(value) if len(value) <= 256 else None
    if match is None or match[1].lower().startswith(("message/", "multipart/")):
        return ["application/octet-stream"]
    given = [(name, value) for name, value in re.findall(_PARAMETER, match[2]) if name.lower().split("*")[0] != "name"]
    return [match[1].lower(), *(f"{name}={value}" for name, value in given)]


def _ascii_fallback(filename: str) -> str:
    folded = "".join(
        [
            character if character.isascii() else "_"
            for character in unicodedata.normalize("NFKD", filename)
            if not unicodedata.combining(character)
        ]
    )
    folded = _UNQUOTABLE.sub("_", clean(folded)).replace("/", "_")
    stem, dot, extension = folded.rpartition(".")
    if len(folded) <= 60 or not dot or len(extension) > 16:
        return folded[:60]
    return f"{stem[: 59 - len(extension)]}.{extension}"


def _parameter(name: str, value: str) -> list[str]:
    """A parameter, by RFC 2231 and in several sections where it must; sections hold whole characters."""
    if value.isascii() and len(name) + 3 + len(value) <= _PARAMETER_ROOM and not _UNQUOTABLE.search(value):
        return [f'{name}="{value}"']
    encoded = f"utf-8''{quote(value, safe=_ATTRIBUTE_CHARACTERS)}"
    if len(name) + 2 + len(encoded) <= _PARAMETER_ROOM:
        return [f"{name}*={encoded}"]
    sections: list[str] = []
    section = f"{name}*0*=utf-8''"
    for character in value:
        piece = quote(character, safe=_ATTRIBUTE_CHARACTERS)
        if len(section) + len(piece) > _PARAMETER_ROOM:
            sections.append(section)
            section = f"{name}*{len(sections)}*="
        section += piece
    return [*sections, section]


def multipart(subtype: str, parts: Sequence[Part], boundary: str, parameter: str = "") -> Part:
    """The parts as one ``multipart/…``; the boundary must occur in none of their ``plain`` bodies."""
    chunks = []
    for part in parts:
        chunks.append(f"--{boundary}\r\n{part.headers}\r\n".encode())
        chunks += part.body
        chunks.append(b"\r\n")
    chunks.append(f"--{boundary}--".encode())
    headers = f'Content-Type: multipart/{subtype};{parameter}\r\n boundary="{boundary}"\r\n'
    return Part(headers, tuple(chunks))
