"""What a Gmail transport is given: the account's settings and the process's context. No behaviour."""

import time
from collections.abc import Callable
from dataclasses import dataclass

from transports.http import Http
from transports.protocol import Tokens


@dataclass(frozen=True, slots=True)
class GmailSettings:
    """One Gmail or Google Workspace mailbox. Equal settings mean the same transport can be kept.

    ``mailbox`` is the address of the account that the grant is for.
    """

    grant: str
    mailbox: str
    max_connections: int = 4

    def __post_init__(self) -> None:
        if self.max_connections < 1:
            raise ValueError("max_connections must be at least 1")


@dataclass(frozen=True, slots=True)
class GmailContext:
    """What all Gmail transports of a process share.

    ``url`` is the API's, without path and final slash; ``clock`` is monotonic, in seconds.
    """

    http: Http
    tokens: Tokens
    url: str = "https://gmail.googleapis.com"
    clock: Callable[[], float] = time.monotonic
