"""The SMTP transport: sends through the pool, repeats where nothing of the mail can have been accepted, and checks."""

import asyncio
from collections.abc import Sequence

from transports.errors import AccountProblem, Code, DeliveryError
from transports.message import Mail, Receipt
from transports.protocol import OnStage, Probe, Stage
from transports.smtp.connection import Connection
from transports.smtp.failures import NAME
from transports.smtp.opening import open_connection
from transports.smtp.phases import Phase
from transports.smtp.pool import SIGN_IN_FAILURES, Pool
from transports.smtp.probing import offer
from transports.smtp.settings import SmtpContext, SmtpSettings
from transports.smtp.stages import Stages
from transports.smtp.token_rules import SIGNED_IN
from transports.smtp.transaction import deliver


def _stale(connection: Connection, error: DeliveryError) -> bool:
    """Whether the first command of a mail met what a server leaves behind that closed a kept connection."""
    lost = error.code is Code.CONNECTION_LOST or error.detail.startswith("421")
    return lost and connection.phase is Phase.MAIL


class SmtpTransport:
    """Hands mails to one account at one submission server; see :class:`transports.protocol.Transport`."""

    def __init__(self, settings: SmtpSettings, *, context: SmtpContext) -> None:
        if settings.grant is not None and context.tokens is None:
            raise ValueError("settings with a grant need a context with tokens")
        self._settings = settings
        self._context = context
        self._pool = Pool(self._open, settings.max_connections, context)

    @property
    def name(self) -> str:
        """``smtp``."""
        return NAME

    async def send(self, mail: Mail, timeout: float) -> Receipt:
        """See :class:`transports.protocol.Transport`.

        A mail is offered again within ``timeout`` in two cases, in both of which nothing of it was accepted: a *kept*
        connection turns out to be closed at its first command (once), and the server has too many connections of
        ours while others are open (until one of them is free, with a smaller pool).
        """
        deadline = asyncio.get_running_loop().time() + timeout
        fresh = False
        while True:
            async with self._pool.lease(deadline, fresh=fresh) as connection:
                mails = connection.mails
                try:
                    return await deliver(connection, mail, deadline)
                except DeliveryError as error:
                    if error.code is Code.TOO_MANY_CONNECTIONS:
                        if not self._pool.crowd():
                            raise
                    elif mails and not fresh and connection.mails == mails + 1 and _stale(connection, error):
                        fresh = True
                    elif (problem := self._not_allowed(error)) is not None:
                        raise problem from error
                    else:
                        raise

    async def check(
        self, timeout: float, *, probe: Probe | None = None, on_stage: OnStage | None = None
    ) -> Sequence[Stage]:
        """See :class:`transports.protocol.Transport`.

        Uses a connection of its own, and signs in once even while the pool remembers a refusal: a person asked for
        it. What it learns about the sign-in the pool learns too. There is no stage ``tls`` without TLS and no stage
        ``sign_in`` without a user name.
        """
        begun = asyncio.get_running_loop().time()
        deadline = begun + timeout
        stages = Stages(self._context.clock, on_stage)
        connection: Connection | None = None
        try:
            connection = await open_connection(self._settings, self._context, deadline, stages)
            self._pool.approve()
            if probe is not None:
                stages.entered(Phase.MAIL)
                stages.learnt(Phase.MAIL, await offer(connection, probe, deadline))
            ended = stages.passed()
            if not connection.clean:
                await connection.reset(deadline)
        except DeliveryError as error:
            if connection is None and isinstance(error, AccountProblem) and error.code in SIGN_IN_FAILURES:
                self._pool.refuse(error)
            if stages.current == "address":
                await self._conceal(begun, deadline)
            return stages.failed((connection and self._not_allowed(error)) or error)
        finally:
            if connection is not None:
                await connection.quit()
        return ended

    def _not_allowed(self, error: DeliveryError) -> AccountProblem | None:
        """What an error means that a mail met although a token was taken; None for any other."""
        code = SIGNED_IN.get(error.code) if self._settings.grant is not None else None
        return None if code is None else AccountProblem(code, error.detail, transport=NAME)

    async def _conceal(self, begun: float, deadline: float) -> None:
        # How quickly a name was found or refused would tell a tenant which names exist in our network.
        if self._context.guard is not None:
            until = min(begun + self._context.address_pause, deadline)
            await asyncio.sleep(max(0.0, until - asyncio.get_running_loop().time()))

    async def aclose(self) -> None:
        """Closes every connection after running sends have finished. Idempotent; later sends are ``Unreachable``."""
        await self._pool.aclose()

    async def _open(self, deadline: float) -> Connection:
        return await open_connection(self._settings, self._context, deadline)
