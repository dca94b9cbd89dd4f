"""Host names, sender addresses and sender names: what is accepted as such, in one place, by pure functions.

Each returns the value in the form it is kept in, or raises ``ValueError`` with half a sentence of ours, a msgid, that
does not repeat the value. Whether a host may be connected to is the transport's guard's business.
"""

import ipaddress
import re
import unicodedata
from typing import Final

import email_validator
import idna

from config.languages import N_, Sentence
from transports.message import Mailbox

ALIAS_LENGTH: Final = 200
INVISIBLE: Final = N_(
    "must not have invisible characters, such as a zero-width space: type it anew instead of pasting it"
)

_NOT_A_HOST: Final = N_("is not a host name or an IP address: write it like smtp.example.org")
_NOT_AN_ADDRESS: Final = N_("is not an e-mail address: write it like notifications@example.org")
_LABEL: Final = re.compile(r"(?!-)[a-z0-9_-]{1,63}(?<!-)")
_NUMERIC: Final = re.compile(r"\d+|0x[0-9a-f]*")
# C0, DEL and C1, the line and paragraph separators, and the marks that reorder what a reader sees.
_CONTROL: Final = re.compile(
    "[\x00-\x1f\x7f-\x9f\u2028\u2029\u200e\u200f\u202a-\u202e\u2066-\u2069\ud800-\udfff\ufeff]"
)
# Letters and marks that are not seen either, without being of category Cf.
_BLANK: Final = frozenset("\u034f\u115f\u1160\u17b4\u17b5\u2800\u3164\uffa0")
# Of category Cf, but seen: signs that stand around digits.
_SEEN: Final = frozenset("\u0600\u0601\u0602\u0603\u0604\u0605\u06dd\u070f\u0890\u0891\u08e2\U000110bd\U000110cd")
_JOINERS: Final = frozenset("\u180e\u200c\u200d")
# Where words are not spelt right without them (Unicode Standard Annex 31, section 2.3); each is the first word of the
# names of a script's letters.
_JOINING: Final = re.compile(
    "(ARABIC|SYRIAC|MANDAIC|NKO|MONGOLIAN|DEVANAGARI|BENGALI|GURMUKHI|GUJARATI|ORIYA|TAMIL|TELUGU|KANNADA|MALAYALAM|"
    "SINHALA|KHMER|MYANMAR|TIBETAN|BALINESE|JAVANESE|SUNDANESE|MEETEI|CHAKMA|NEWA|TIRHUTA|GRANTHA) "
)
_NAMED: Final = re.compile(r"\s*(?P<name>[^<>]*?)\s*<(?P<address>[^<>]+)>\s*")


def has_control_characters(text: str) -> bool:
    """Whether the text has a character that could end a line, be invisible or reorder the text around it."""
    return _CONTROL.search(text) is not None


def has_invisible_characters(text: str) -> bool:
    """Whether the text has a character that is not seen (category Cf, above all), so that it looks like another text.

    The zero-width joiner and non-joiner are spelling in some scripts and pass between their letters, and after a virama
    at the end of a word.
    """
    return any(
        character in _BLANK
        or (unicodedata.category(character) == "Cf" and character not in _SEEN and not _spells(text, place))
        for place, character in enumerate(text)
    )


def _spells(text: str, place: int) -> bool:
    """Whether a joiner or non-joiner at this place belongs to a word."""
    if text[place] not in _JOINERS:
        return False
    before, after = text[max(place - 1, 0) : place], text[place + 1 : place + 2]
    virama = 9
    return _joins(before) and (_joins(after) or unicodedata.combining(before) == virama)


def _joins(character: str) -> bool:
    """Whether it is a letter, or a mark on one, of a script that has joiners."""
    kind = unicodedata.category(character)[0] if character else ""
    return kind in ("L", "M") and _JOINING.match(unicodedata.name(character, "")) is not None


def host_name(text: str) -> str:
    """A DNS name in lower case with A-labels (RFC 1123 §2.1, RFC 5891), or an IP address literal without brackets.

    Raises:
        ValueError: neither. Numbers in other notations (``0x7f.1``, ``2130706433``) are not addresses here.
    """
    if has_control_characters(text) or text != text.strip() or not text:
        raise ValueError(_NOT_A_HOST)
    try:
        return str(ipaddress.ip_address(text[1:-1] if text[0] == "[" and text[-1] == "]" else text))
    except ValueError:
        pass
    name = text.removesuffix(".").lower()
    if not name.isascii():
        try:
            name = idna.encode(name, uts46=True).decode()
        except idna.IDNAError:
            raise ValueError(_NOT_A_HOST) from None
    labels = name.split(".")
    if len(name) > 253 or not all(_LABEL.fullmatch(label) for label in labels) or _NUMERIC.fullmatch(labels[-1]):
        raise ValueError(_NOT_A_HOST)
    return name


def sender_address(text: str) -> str:
    """An address that can stand in From (RFC 5322 §3.4.1, RFC 6531): without display name, comments or quotes.

    Raises:
        ValueError: it is not one.
    """
    if has_invisible_characters(text):
        raise ValueError(INVISIBLE)
    if has_control_characters(text):
        raise ValueError(N_("must not have control characters: type it anew"))
    local, _, domain = text.rpartition("@")
    try:
        if host_name(domain)[-1] in "0123456789:":
            raise ValueError("an IP address")
        # The library refuses names of RFC 2606 and intranets, which a server of one's own may well know, so it is
        # asked about the local part only.
        kept = email_validator.validate_email(f"{local}@example.org", check_deliverability=False).local_part
    except ValueError:  # covers EmailNotValidError
        raise ValueError(_NOT_AN_ADDRESS) from None
    if len(text.encode()) > 254:
        raise ValueError(N_("must not be longer than 254 bytes"))
    return f"{kept}@{unicodedata.normalize('NFC', domain)}"


def sender_alias(text: str) -> str:
    """A display name for From: one line, at most 200 characters, outer blanks removed; may be empty.

    Raises:
        ValueError: it is not one.
    """
    if has_invisible_characters(text):
        raise ValueError(INVISIBLE)
    if has_control_characters(text):
        raise ValueError(N_("must not have control characters or line breaks: type it anew"))
    alias = text.strip()
    if len(alias) > ALIAS_LENGTH:
        raise ValueError(Sentence.of("must not be longer than {length} characters", length=ALIAS_LENGTH))
    return alias


def mailbox(text: str) -> Mailbox:
    """``Name <address>``, ``"Name" <address>`` or an address alone.

    Raises:
        ValueError: it is none of these.
    """
    match = _NAMED.fullmatch(text)
    name, address = (match["name"], match["address"]) if match else ("", text.strip())
    if len(name) >= 2 and name[0] == name[-1] == '"':
        name = re.sub(r"\\(.)", r"\1", name[1:-1])
    return Mailbox(sender_address(address), sender_alias(name))
