"""What the test beds of all API transports share: a sandbox behind a wire that can be cut, and tokens."""

import asyncio
import json
import ssl
from typing import Generic, TypeVar

from deploy.local.providers.base import ProviderSandbox
from deploy.local.providers.base_values import Account, Fault
from tests.contract.harness import CANARY
from tests.fakes.wire import Direction, Wire
from transports.errors import AccountProblem, Code
from transports.http import Http

TLS_OPENING = 100
"""Octets from the server that end within the handshake; by then it has accepted the connection."""


class RefusedGrant:
    """A token source whose grant is dead; ``asked`` counts who wanted a token."""

    def __init__(self) -> None:
        self.asked = 0

    async def token(self, *, refused: str | None = None) -> str:
        self.asked += 1
        raise AccountProblem(Code.RECONNECTION_NEEDED, "invalid_grant")

    def __call__(self, grant: str) -> "RefusedGrant":
        """Itself as the token source of any grant."""
        return self


A = TypeVar("A", bound=Account)


class HttpHarness(Generic[A]):
    """Subclasses start ``box`` and make transports for :attr:`url` with :meth:`http`; ``sending`` is the endpoint."""

    envelope = False

    def __init__(self, box: ProviderSandbox[A], trust: ssl.SSLContext, sending: str = "send") -> None:
        self.box = box
        self.refused = RefusedGrant()
        self._trust = trust
        self._sending = sending
        self._wire: Wire | None = None
        self._sessions: list[Http] = []

    async def start(self) -> None:
        """Connects the wire; transports are made afterwards."""
        self._wire = Wire("127.0.0.1", self.box.port)
        await self._wire.__aenter__()

    @property
    def wire(self) -> Wire:
        assert self._wire is not None
        return self._wire

    @property
    def url(self) -> str:
        """The provider's, by way of the wire."""
        return f"https://localhost:{self.wire.port}"

    def http(self) -> Http:
        """A session of its own for a transport."""
        self._sessions.append(Http(self._trust, connect_timeout=5.0))
        return self._sessions[-1]

    def delivered(self) -> list[tuple[str, bytes]]:
        return [(recipient, mail.content) for mail in tuple(self.box.mails) for recipient in mail.recipients]

    def sign_ins(self) -> int:
        return self.refused.asked

    def defer_recipient(self, address: str) -> None:
        raise AssertionError("there is no envelope")

    def fault(self, fault: Fault) -> None:
        """At every mail, until all is well again."""
        self.box.fault(self._sending, fault, times=None)

    def refuse(self, status: int, body: object) -> None:
        """Every mail with this answer."""
        self.fault(Fault.status(status, json.dumps(body), {"X-Words": CANARY}))

    def hang_before_hand_over(self) -> None:
        self.wire.cut()
        self.wire.black_hole()

    def cut_before_hand_over(self) -> None:
        self.wire.cut()
        self.wire.cut_after(TLS_OPENING, Direction.DOWN, new_too=True)

    def hang_after_hand_over(self) -> None:
        self.fault(Fault.accept_and_hang())

    def cut_after_hand_over(self) -> None:
        self.fault(Fault.accept_and_cut())

    def behave(self) -> None:
        self.box.clear_faults()
        self.wire.heal()
        self.wire._dark = False

    async def close(self) -> None:
        for session in self._sessions:
            await session.aclose()
        await self.wire.__aexit__()
        for _ in range(3):
            await asyncio.sleep(0)  # what was cut is closed now, so that the box sees it before it ends
        self.box.close()
