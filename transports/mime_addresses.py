"""E-mail addresses as they stand in header fields and on the envelope.

Domains always become A-labels (IDNA, UTS 46 without transitional mappings): every server understands those. A local
part outside ASCII can only be expressed where SMTPUTF8 is used (RFC 6531); elsewhere a header field shows such a
mailbox as an empty group (RFC 6857 §3.1), so that the other recipients still get the mail.
"""

import re
import unicodedata
from collections.abc import Sequence
from functools import lru_cache

import idna

from transports.errors import Code, MessageRefused
from transports.headers import PHRASE_WORD, clean, encoded_words, fold, phrase, refused
from transports.message import Mailbox

_ATEXT = r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]"
_LABEL = r"[A-Za-z0-9_](?:[A-Za-z0-9_-]{0,61}[A-Za-z0-9_])?"  # with underscores: not host names, but they get mail
_DOMAIN = re.compile(rf"(?:{_LABEL}\.)*{_LABEL}")
_LITERAL = re.compile(r"\[(?:[0-9]{1,3}(?:\.[0-9]{1,3}){3}|IPv6:[0-9A-Fa-f:.]{2,45})\]")
_PLAIN = re.compile(rf"{_ATEXT}+(?:\.{_ATEXT}+)*@(?:{_LABEL}\.)*{_LABEL}")
_SPECIALS = re.compile(r'[\x00-\x20()<>\[\]:;@\\,"\x7f]')
_QUOTED = re.compile(r'"(?:[ !#-;=?-\[\]-~\x80-\U0010ffff]|\\["\\])*"')  # without angle brackets, for safety
_MAX_OCTETS = 320  # 64 + @ + 255 (RFC 5321 §4.5.3.1); reply addresses with local parts above 64 do exist
_MAX_DOMAIN = 253


def wire_address(address: str) -> str:
    """The address with its domain in A-labels and its local part in NFC, quoted where it must be.

    The result is ASCII unless the local part is not; then it needs SMTPUTF8.

    Raises:
        MessageRefused: it is no address (code ``message_refused``).
    """
    local, at, domain = address.rpartition("@")
    # Nobody has an address like an encoded word, but readers that decode it there show, and answer to, another one.
    if not (local and at and domain) or len(address) > _MAX_OCTETS or "=?" in address:
        raise refused("address")
    if len(domain) <= _MAX_DOMAIN and _PLAIN.fullmatch(address):
        return address
    wire = f"{_local_part(local)}@{a_labels(domain)}"
    if len(wire.encode()) > _MAX_OCTETS:
        raise refused("address")
    return wire


def _local_part(local: str) -> str:
    # normalised first: NFC turns U+037E into a semicolon
    local = unicodedata.normalize("NFC", local)
    if not local.isprintable():
        raise refused("address")
    if _QUOTED.fullmatch(local):
        return local
    if _SPECIALS.search(local):
        raise refused("address")
    if ".." in local or local[0] == "." or local[-1] == ".":
        return f'"{local}"'  # not a dot-atom, but some providers have given out such addresses
    return local


@lru_cache(maxsize=4096)
def a_labels(domain: str) -> str:
    """The domain, or address literal, in ASCII.

    Raises:
        MessageRefused: it is neither (code ``message_refused``).
    """
    if _LITERAL.fullmatch(domain):
        return domain
    if not domain.isascii() and len(domain) <= _MAX_DOMAIN:
        try:
            domain = idna.encode(domain, uts46=True, transitional=False).decode()
        except UnicodeError as error:
            raise refused("domain") from error
    if len(domain) > _MAX_DOMAIN or not _DOMAIN.fullmatch(domain):
        raise refused("domain")
    return domain


def needs_utf8(address: str) -> bool:
    """Whether the address can only be expressed with SMTPUTF8: its local part is not ASCII. Never raises."""
    return not address.isascii() and not unicodedata.normalize("NFC", address.rpartition("@")[0]).isascii()


def envelope_address(address: str, utf8: bool) -> str:
    """The address for MAIL FROM and RCPT TO, without angle brackets; ``utf8`` says that SMTPUTF8 is used.

    Raises:
        MessageRefused: it is no address (``message_refused``) or needs SMTPUTF8 (``smtputf8_unsupported``).
    """
    wire = wire_address(address)
    if not utf8 and not wire.isascii():
        raise MessageRefused(Code.SMTPUTF8_UNSUPPORTED, "the local part of an address is not ASCII")
    return wire


def sender_field(sender: Mailbox, utf8: bool) -> str:
    """The *From* field.

    Raises:
        MessageRefused: as :func:`envelope_address`; a mail needs a sender that can be expressed.
    """
    envelope_address(sender.address, utf8)
    return fold("From", _tokens(sender, utf8))


def address_field(name: str, mailboxes: Sequence[Mailbox], utf8: bool) -> str:
    """A field of mailboxes, folded between words and addresses, never within one.

    Without ``utf8`` a mailbox that cannot be expressed becomes an empty group with its name and address as text.

    Raises:
        MessageRefused: one of them is no address (code ``message_refused``).
    """
    tokens: list[str] = []
    for mailbox in mailboxes:
        if tokens:
            tokens[-1] += ","
        tokens += _tokens(mailbox, utf8)
    return fold(name, tokens)


def _tokens(mailbox: Mailbox, utf8: bool) -> list[str]:
    address = wire_address(mailbox.address)
    if not utf8 and not address.isascii():
        label = f"{clean(mailbox.name).strip()} {mailbox.address}".lstrip()
        return [*encoded_words(label, PHRASE_WORD, PHRASE_WORD), ":;"]
    words = phrase(mailbox.name)
    if not words:
        return [address]
    words.append(f"<{address}>")
    return words
