"""What every transport is: one verb, one check and a close."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

from transports.errors import Code
from transports.message import Mail, Receipt

Facts = tuple[tuple[str, str], ...]
"""Pairs of name and value, safe to show: of printable characters, and never a secret or a resolved address."""


@dataclass(frozen=True, slots=True)
class Stage:
    """One stage of a check, in the order it was gone through; the first failure is the last stage.

    ``name`` is one of ``address``, ``connect``, ``tls``, ``sign_in``, ``sender``; ``code`` and ``detail`` are set
    for a failure and follow the rules of :class:`~transports.errors.DeliveryError`. ``seconds`` is how long it took.
    ``facts`` were learnt on the way, such as the certificate's expiry; a failed stage may have some as well.
    """

    name: str
    ok: bool
    seconds: float
    code: Code | None = None
    detail: str = ""
    facts: Facts = ()


@dataclass(frozen=True, slots=True)
class Probe:
    """What a check offers in its ``sender`` stage: a sender and, if given, one recipient. No mail is sent.

    A recipient who is put off for a reason of their own (greylisted, mailbox full) is no failure of the stage: it then
    has the fact ``recipient`` with the code, and handing over a mail would meet the same.
    """

    sender: str
    recipient: str | None = None


OnStage = Callable[[Stage], None]
"""Told of each stage of a check as it ends, from within the event loop; must neither block nor raise."""


class Transport(Protocol):
    """Hands mails to one provider account. Safe to call concurrently; owns its connections.

    ``send`` returns a receipt that has a verdict for every owed recipient, or raises a
    :class:`~transports.errors.DeliveryError` that holds for the whole mail. It ends within ``timeout`` seconds,
    connect to final reply; after the mail was handed over and before the provider answered, that end is
    :class:`~transports.errors.OutcomeUnknown`, earlier it is ``Unreachable``. When it is cancelled it gives up its
    connection and re-raises; the caller must then take the outcome for unknown.

    ``check`` goes through the stages without sending a mail and never raises for a failed stage; the ``sender`` stage
    takes place only with a ``probe``. ``on_stage`` is told of each stage as it ends, the failed one too.
    """

    @property
    def name(self) -> str:
        """``smtp``, ``microsoft365`` or ``gmail``: the metric label."""
        ...

    async def send(self, mail: Mail, timeout: float) -> Receipt: ...

    async def check(
        self, timeout: float, *, probe: Probe | None = None, on_stage: OnStage | None = None
    ) -> Sequence[Stage]: ...

    async def aclose(self) -> None:
        """Closes every connection; running sends may finish first. Idempotent."""
        ...


class TokenSource(Protocol):
    """Gives a current OAuth access token of one grant. Safe to call concurrently; one refresh serves all who wait.

    Raises :class:`~transports.errors.AccountProblem` when a person must consent again,
    ``PlatformProblem`` when our own app credentials fail, ``Temporary`` when the token service is away.
    """

    async def token(self, *, refused: str | None = None) -> str:
        """A token; never ``refused``, one that a provider has just turned down although it looked valid (a 401)."""
        ...


Tokens = Callable[[str], TokenSource]
"""The token source of a grant, by the grant's id; settings name a grant and never hold a token."""
