"""The Microsoft 365 transport: sends by Graph, as MIME or as JSON (``bodies``), and checks.

What an administrator searches for in Microsoft's own records:

* *message trace* in the Exchange admin center finds a mail by its *Message-ID*. Exchange keeps ours in most cases, but
  promises it nowhere; where it wrote its own, the recipient's copy shows that one;
* the field ``X-Mailroom-Event`` is in the mail itself (content search, or the recipient's copy). In a mailbox from
  which no mail with that field was ever sent as JSON, Exchange may drop it from one sent as MIME;
* ``client-request-id`` stands in *Microsoft Graph activity logs*. It is the name-based UUID (version 5, name space
  URL) of ``mid:`` and the *Message-ID* without brackets, so it can be computed from a Message-ID, and says nothing.
"""

import asyncio
import math
from collections.abc import Sequence
from contextlib import suppress
from functools import partial

from transports import api_check
from transports.account_gate import AccountGate
from transports.addressed import Share, shares
from transports.errors import DeliveryError, OutcomeUnknown
from transports.message import Mail, Receipt
from transports.microsoft365.calls import Calls, trace_id
from transports.microsoft365.drafts import DraftFlow
from transports.microsoft365.replies import NAME
from transports.microsoft365.settings import GraphContext, Microsoft365Settings
from transports.microsoft365.sizes import Draft, Whole, plan
from transports.protocol import OnStage, Probe, Stage
from transports.sharing import send_shares
from transports.stages import Stages

MOST_RECIPIENTS = 500
"""Of one mail: what a mailbox of Exchange Online allows unless its administrator changed it (*RecipientLimits*)."""
_WITHOUT_PROPERTIES = 3600.0  # seconds for which extended properties are left out after they were refused
_CLEANING = 10.0  # seconds for the deletion of a draft that is not sent


class Microsoft365Transport:
    """Hands mails to one mailbox; see :class:`transports.protocol.Transport`.

    There are no verdicts for single recipients: Graph takes a mail for all of them or for none, and what becomes of it
    later comes back as a mail to the sender.
    """

    def __init__(self, settings: Microsoft365Settings, *, context: GraphContext) -> None:
        self._settings = settings
        self._context = context
        self._source = context.tokens(settings.grant)
        self._gate = AccountGate(
            NAME,
            settings.max_connections,
            context.clock,
            context.refusal_pause,
            holds=context.holds,
            account=settings.grant,
        )
        self._plain_until = -math.inf
        self._cleaning: set[asyncio.Task[None]] = set()

    @property
    def name(self) -> str:
        """``microsoft365``."""
        return NAME

    async def send(self, mail: Mail, timeout: float) -> Receipt:
        """See :class:`transports.protocol.Transport`.

        For more recipients than Exchange takes at once there are several shares of the mail (``sharing``).
        """
        deadline = asyncio.get_running_loop().time() + timeout

        async def hand_over(share: Share) -> None:
            way = self._plan(share.mail)
            await self._gate.run(partial(self._hand_over, way, share.mail, deadline), deadline)

        return await send_shares(mail, shares(mail, MOST_RECIPIENTS, NAME), hand_over, NAME)

    async def check(
        self, timeout: float, *, probe: Probe | None = None, on_stage: OnStage | None = None
    ) -> Sequence[Stage]:
        """See :class:`transports.protocol.Transport`, and ``transports.api_check``."""
        deadline = asyncio.get_running_loop().time() + timeout

        async def try_out() -> None:
            await self._calls("", deadline).try_out()

        stages = Stages(self._context.clock, on_stage)
        return await api_check.check(
            self._context.url,
            self._context.http,
            stages,
            name=NAME,
            deadline=deadline,
            gate=self._gate,
            try_out=try_out,
            probe=probe,
        )

    async def aclose(self) -> None:
        """Lets running sends and the deletion of drafts finish. Idempotent; later sends are ``Unreachable``."""
        await self._gate.aclose()
        while self._cleaning:
            await asyncio.wait(self._cleaning)

    def _plan(self, mail: Mail) -> Whole | Draft:
        properties = self._context.clock() >= self._plain_until
        settings = self._settings
        try:
            return plan(mail, settings.mailbox, large_mails=settings.large_mails, properties=properties)
        except DeliveryError as error:
            error.transport = NAME
            raise

    def _calls(self, message_id: str, deadline: float) -> Calls:
        return Calls(self._settings, self._context, self._source, deadline, trace_id(message_id))

    async def _hand_over(self, way: Whole | Draft, mail: Mail, deadline: float) -> None:
        calls = self._calls(mail.message_id, deadline)
        try:
            if isinstance(way, Whole):
                await calls.post("/sendMail", way.body, way.content_type, final=True, plain=way.plain)
            else:
                await self._by_draft(way, mail, calls)
        finally:
            if calls.properties_refused:
                self._plain_until = self._context.clock() + _WITHOUT_PROPERTIES

    async def _by_draft(self, way: Draft, mail: Mail, calls: Calls) -> None:
        flow = DraftFlow(calls)
        try:
            await flow.send(way, mail)
        except OutcomeUnknown:
            raise
        except DeliveryError:
            self._clean_up(flow, calls)
            raise
        except BaseException:
            if not flow.handed_over:
                self._clean_up(flow, calls)
            raise

    def _clean_up(self, flow: DraftFlow, calls: Calls) -> None:
        """Deletes the draft beside everything else: the send it belongs to may have no time left."""
        if not flow.path:
            return
        deleting = asyncio.ensure_future(_delete(flow, calls))
        self._cleaning.add(deleting)
        deleting.add_done_callback(self._cleaning.discard)


async def _delete(flow: DraftFlow, calls: Calls) -> None:
    with suppress(DeliveryError):
        await calls.delete(flow.path, asyncio.get_running_loop().time() + _CLEANING)
