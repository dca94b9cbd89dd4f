"""The values of the mail catcher: an account, a rule, and what became of a mail."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

Security = Literal["starttls", "tls"]
Stage = Literal["RCPT", "DATA"]


@dataclass(frozen=True, slots=True)
class Account:
    """One mail server and the one account on it; it may send as ``senders`` only."""

    server: str
    security: Security
    username: str
    password: str = field(repr=False)
    senders: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Rule:
    """What is answered instead of yes: at RCPT for that recipient, or after the final dot of a mail to it.

    ``times`` bounds how often, 0 means always.
    """

    recipient: str
    at: Stage
    reply: str
    times: int = 0


@dataclass(frozen=True, slots=True)
class Envelope:
    """All a server knows about a mail: ``content`` are the bytes as they were sent, without dot-stuffing."""

    greeting: str
    sender: str
    recipients: tuple[str, ...]
    content: bytes
    tls: str
    cipher: str
    user: str
    mechanism: str


@dataclass(frozen=True, slots=True)
class Taken:
    """A mail a server took; ``file`` has it below the trace fields a server adds."""

    server: str
    envelope: Envelope
    file: Path


@dataclass(frozen=True, slots=True)
class Refused:
    """Recipients, or a mail, that a server did not take; ``content`` is empty when it did not come that far."""

    server: str
    recipients: tuple[str, ...]
    reply: str
    content: bytes = b""
