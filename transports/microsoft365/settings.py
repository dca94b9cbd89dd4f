"""What a Microsoft 365 transport is given: the account's settings and the process's context. No behaviour."""

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from transports.holds import Holds
from transports.protocol import Tokens

if TYPE_CHECKING:
    from transports.http import Http


@dataclass(frozen=True, slots=True)
class Microsoft365Settings:
    """One mailbox. Equal settings mean the same transport can be kept.

    ``mailbox`` is the address of the mailbox that the grant is for; empty where it is not known, as the name that an
    account signs in with may be another: then Exchange decides about every sender. ``user`` is empty for a person's
    consent (the mailbox that signed in) and names the mailbox, by object id or user principal name, for an app's.
    ``large_mails``: the grant allows drafts and upload sessions (``Mail.ReadWrite``).
    """

    grant: str
    mailbox: str
    user: str = ""
    large_mails: bool = False
    max_connections: int = 4

    def __post_init__(self) -> None:
        if self.max_connections < 1:
            raise ValueError("max_connections must be at least 1")


@dataclass(frozen=True, slots=True)
class GraphContext:
    """What all Microsoft 365 transports of a process share; times in seconds.

    ``url`` is Graph's, without path and final slash; ``clock`` is monotonic, ``wall_clock`` counts from 1970.
    ``refusal_pause`` is how long a refused grant is not tried again; ``holds`` are the waits asked for, by grant.
    """

    http: "Http"
    tokens: Tokens
    url: str = "https://graph.microsoft.com"
    clock: Callable[[], float] = time.monotonic
    wall_clock: Callable[[], float] = time.time
    refusal_pause: float = 900.0
    holds: Holds = field(default_factory=Holds, repr=False, compare=False)
