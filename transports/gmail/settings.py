"""What a Gmail transport is given: the account's settings and the process's context. No behaviour."""

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from transports.holds import Holds
from transports.protocol import Tokens

if TYPE_CHECKING:
    # Decisions read these values; they must not reach the HTTP client by them.
    from transports.http import Http


@dataclass(frozen=True, slots=True)
class GmailSettings:
    """One Gmail or Google Workspace mailbox. Equal settings mean the same transport can be kept.

    ``mailbox`` is the address of the account that the grant is for. ``own_app``: the grant rests on a service account
    of the organisation's own, not on the platform's app, so that what is wrong with the app is the organisation's.
    """

    grant: str
    mailbox: str
    own_app: bool = False
    max_connections: int = 4

    def __post_init__(self) -> None:
        if self.max_connections < 1:
            raise ValueError("max_connections must be at least 1")


@dataclass(frozen=True, slots=True)
class GmailContext:
    """What all Gmail transports of a process share; times in seconds.

    ``url`` is the API's, without path and final slash; ``clock`` is monotonic, ``wall_clock`` counts from 1970.
    ``refusal_pause`` is how long a refused grant is not tried again; ``holds`` are the waits asked for, by grant.
    """

    http: "Http"
    tokens: Tokens
    url: str = "https://gmail.googleapis.com"
    clock: Callable[[], float] = time.monotonic
    wall_clock: Callable[[], float] = time.time
    refusal_pause: float = 900.0
    holds: Holds = field(default_factory=Holds, repr=False, compare=False)
