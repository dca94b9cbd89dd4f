"""Header fields of a mail: what may stand in them, how it is encoded and where a line is folded.

The one place that keeps control characters out of a header. Free text (subject, display name, file name) has them
replaced by a space; a structural value (message identifier, further field) that holds one is refused. Nothing here
knows a whole mail, addresses (``mime_addresses``) or bodies (``mime_bodies``).
"""

import re
from binascii import b2a_base64
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime

from transports.errors import Code, MessageRefused

LINE = 76
"""Columns of a folded line: RFC 2047 §2 allows no more where an encoded word stands (RFC 5322 §2.1.1: 78)."""

MAX_LINE = 998
"""Octets of a line without its CRLF (RFC 5322 §2.1.1)."""

PHRASE_WORD = 63
"""Longest encoded word of a display name: it fits behind the longest name of an address field."""

_CONTROLS = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029]+")
_SURROGATES = re.compile("[\ud800-\udfff]")
_ATOMS = re.compile(r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+(?: [A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+)*")
_MESSAGE_ID = re.compile(r"<[!-;=?-~]{1,900}>")
_FIELD_NAME = re.compile(r"[!-9;-~]{1,76}")
_TOKEN_WITH_SPACES = re.compile(r" *[^ ]+")
_Q_PLAIN = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789!*+-/"  # RFC 2047 §5 (3), good everywhere
_Q = {chr(octet): chr(octet) for octet in _Q_PLAIN} | {" ": "_"}
_WORD_FRAME = len("=?utf-8?q??=")
_OURS = frozenset(
    {"date", "from", "sender", "reply-to", "to", "cc", "bcc", "message-id", "in-reply-to", "references", "subject"}
    | {"mime-version", "return-path", "received"}
)
_DAYS = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")


def clean(text: str) -> str:
    """Text that is safe in a header: a run of control or line separating characters becomes one space.

    Lone surrogates, which no charset can express, become U+FFFD.
    """
    if text.isprintable():
        return text
    return without_surrogates(_CONTROLS.sub(" ", text))


def without_surrogates(text: str) -> str:
    """The text with every lone surrogate replaced by U+FFFD."""
    return _SURROGATES.sub("\ufffd", text)


def refused(what: str) -> MessageRefused:
    """The error for a structural value that cannot stand in a header; ``what`` names the field, never its value."""
    return MessageRefused(Code.MESSAGE_REFUSED, f"invalid {what}")


def encoded_words(text: str, first: int = LINE - 1, room: int = LINE - 1) -> list[str]:
    """Encoded words of RFC 2047 for clean text, *B* or *Q* whichever is shorter, each of whole characters.

    The first word has at most ``first`` characters, each other ``room`` (at most 75). White space between encoded
    words is no part of the text, so the whole text is in them and every space of it is preserved.
    """
    data = text.encode()
    shortest = _WORD_FRAME + 12  # an octet sequence of four, in Q
    first = max(first, shortest)
    if len(data) + 2 * len(data.translate(None, _Q_PLAIN + b" ")) <= (len(data) + 2) // 3 * 4:
        return _q_words(text, first - _WORD_FRAME, room - _WORD_FRAME)
    return _b_words(data, (first - _WORD_FRAME) // 4 * 3, (room - _WORD_FRAME) // 4 * 3)


def _b_words(data: bytes, limit: int, later: int) -> list[str]:
    words = []
    start = 0
    while start < len(data):
        end = start + limit
        while end < len(data) and data[end] & 0xC0 == 0x80:
            end -= 1
        words.append(f"=?utf-8?b?{b2a_base64(data[start:end], newline=False).decode()}?=")
        start, limit = end, later
    return words


def _q_words(text: str, limit: int, later: int) -> list[str]:
    words: list[str] = []
    word: list[str] = []
    used = 0
    for character in text:
        piece = _Q.get(character) or "".join([f"={octet:02X}" for octet in character.encode()])
        if used + len(piece) > limit:
            words.append(f"=?utf-8?q?{''.join(word)}?=")
            word, used, limit = [], 0, later
        word.append(piece)
        used += len(piece)
    words.append(f"=?utf-8?q?{''.join(word)}?=")
    return words


def fold(name: str, tokens: Iterable[str], *, keep_first: bool = False) -> str:
    """One field without its final CRLF: the tokens with a space between them, folded only there.

    The first token goes to a line of its own only where that brings it within the limit, and never with
    ``keep_first`` (unless it would break the limit of 998 octets).
    """
    lines = []
    line = f"{name}:"
    first = True
    for token in tokens:
        width = len(line) + 1 + len(token)
        if width <= LINE or (first and width <= MAX_LINE and (keep_first or len(token) >= LINE)):
            line = f"{line} {token}"
        else:
            lines.append(line)
            line = f" {token}"
        first = False
    lines.append(line)
    return "\r\n".join(lines)


def unstructured(name: str, text: str) -> str:
    """A field of free text, such as *Subject*; the text is the same, space for space, once it was read.

    What only looks like an encoded word, begins or ends with a space or cannot be folded is encoded. Nothing is
    folded right behind the field name: some readers then find a space at the beginning of the text.
    """
    text = clean(text)
    if text.isascii() and "=?" not in text and text == text.strip(" "):
        if len(name) + 2 + len(text) <= LINE:
            return f"{name}: {text}"
        tokens = _spaced_tokens(text)
        if len(name) + 2 + len(tokens[0]) <= LINE and max(map(len, tokens)) < LINE:
            return fold(name, tokens)
    return fold(name, encoded_words(text, LINE - 2 - len(name)))


def _spaced_tokens(text: str) -> list[str]:
    # all but one space before a token belong to it, so that folding keeps runs of spaces
    tokens = _TOKEN_WITH_SPACES.findall(text)
    return [tokens[0], *(token[1:] for token in tokens[1:])]


def phrase(name: str) -> list[str]:
    """A display name as tokens: bare words, one quoted string (RFC 5322 §3.2.4) or encoded words; none for no name."""
    name = clean(name).strip()
    if not name:
        return []
    if name.isascii() and "=?" not in name and len(name) < PHRASE_WORD:
        if _ATOMS.fullmatch(name):
            return name.split(" ")
        quoted = name.replace("\\", "\\\\").replace('"', '\\"')
        if len(quoted) < PHRASE_WORD:
            return [f'"{quoted}"']
    return encoded_words(name, PHRASE_WORD, PHRASE_WORD)


def message_ids(name: str, identifiers: Sequence[str]) -> str:
    """A field of message identifiers in their angle brackets, folded between them.

    Raises:
        MessageRefused: one of them holds anything but printable ASCII without spaces and brackets.
    """
    for identifier in identifiers:
        if not _MESSAGE_ID.fullmatch(identifier):
            raise refused(name)
    return fold(name, identifiers, keep_first=True)  # some receivers do not find a Message-ID on the second line


def is_message_id(value: str) -> bool:
    """Whether the value, brackets included, may stand in *References* (looser than RFC 5322 §3.6.4, as mail is)."""
    return _MESSAGE_ID.fullmatch(value) is not None


def further(name: str, value: str) -> str:
    """A further field. ASCII is never encoded, since it may be structured; folded only at its spaces.

    Raises:
        MessageRefused: the name is malformed or one the composer writes itself, or the value holds a control
            character or cannot be folded to lines of 998 octets.
    """
    lowered = name.lower()
    ours = lowered in _OURS or lowered.startswith(("content-", "resent-"))
    if not _FIELD_NAME.fullmatch(name) or (ours and lowered != "content-language"):
        raise refused("further field name")
    if not value.isprintable() and (_CONTROLS.search(value) or _SURROGATES.search(value)):
        raise refused("further field value")
    value = value.strip(" ")
    if not value.isascii():
        return fold(name, encoded_words(value, LINE - 2 - len(name)))
    if len(name) + 2 + len(value) <= LINE:
        return f"{name}: {value}"
    tokens = _spaced_tokens(value)
    if max(map(len, tokens)) > MAX_LINE - 1:
        raise refused("further field value")
    return fold(name, tokens, keep_first=True)


def date(when: datetime) -> str:
    """A *Date* field (RFC 5322 §3.3), in UTC; a value without time zone is taken for UTC."""
    when = when.replace(tzinfo=UTC) if when.tzinfo is None else when.astimezone(UTC)
    return (
        f"Date: {_DAYS[when.weekday()]}, {when.day:02d} {_MONTHS[when.month - 1]} {when.year:04d} "
        f"{when.hour:02d}:{when.minute:02d}:{when.second:02d} +0000"
    )
