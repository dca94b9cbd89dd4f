"""The Gmail transport: sends by the Gmail API, as base64url in JSON or as an upload (``requests``), and checks.

The mail is the same as on SMTP, with its *Bcc* field, which Gmail takes out: there is no envelope, so a mail names
those who are owed it and nobody else (``transports.addressed``). Threads are made by *References* alone, with
identifiers of ours; Gmail's ``threadId`` would have to be kept for each thread, and can be learnt only by sending.

What an administrator searches for in Google's own records:

* *Email Log Search* in the Admin console finds a mail by its *Message-ID*. Gmail writes its own in the place of ours,
  and a grant that may only send never learns it: search by sender, recipient and time, or see the recipient's copy;
* the field ``X-Mailroom-Event`` is in the mail itself, in the sender's *Sent* folder and in the recipient's copy (*Show
  original*, or *Investigation tool*, Gmail messages);
* the *Sent* folder has every mail. The identifier that the API answers is Gmail's own and found nowhere else.

Gmail writes the account's address in the place of a *From* address that the account may not use, and says nothing:
only a mail that arrived tells.
"""

import asyncio
from collections.abc import Sequence
from functools import partial

from transports.account_gate import AccountGate
from transports.addressed import Share, shares
from transports.errors import DeliveryError
from transports.gmail.calls import Calls
from transports.gmail.requests import LARGEST_FILES, NAME, Request, requests_for, too_large
from transports.gmail.settings import GmailContext, GmailSettings
from transports.http_reach import reach
from transports.message import Mail, Receipt
from transports.mime import needs_smtputf8, render
from transports.mime_addresses import wire_address
from transports.protocol import OnStage, Probe, Stage
from transports.sharing import send_shares
from transports.stages import Stages

MOST_RECIPIENTS = 100
"""Of one mail by the API or SMTP (support.google.com/a/answer/166852); the web page allows more."""


class GmailTransport:
    """Hands mails to one mailbox; see :class:`transports.protocol.Transport`.

    There are no verdicts for single recipients: Gmail takes a mail for all of them or for none, and what becomes of it
    later comes back as a mail to the sender.
    """

    def __init__(self, settings: GmailSettings, *, context: GmailContext) -> None:
        self._context = context
        self._calls = Calls(settings, context)
        self._gate = AccountGate(
            NAME,
            settings.max_connections,
            context.clock,
            context.refusal_pause,
            holds=context.holds,
            account=settings.grant,
            platform=not settings.own_app,
        )

    @property
    def name(self) -> str:
        """``gmail``."""
        return NAME

    async def send(self, mail: Mail, timeout: float) -> Receipt:
        """See :class:`transports.protocol.Transport`.

        For more recipients than Gmail takes at once there are several shares of the mail (``sharing``).
        """
        deadline = asyncio.get_running_loop().time() + timeout

        async def hand_over(share: Share) -> None:
            request = await self._request(share)
            await self._gate.run(partial(self._calls.send, request, deadline), deadline)

        return await send_shares(mail, shares(mail, MOST_RECIPIENTS, NAME), hand_over, NAME)

    async def check(
        self, timeout: float, *, probe: Probe | None = None, on_stage: OnStage | None = None
    ) -> Sequence[Stage]:
        """See :class:`transports.protocol.Transport`.

        The sign-in is tried by a request to send nothing, also while a refusal is remembered: a person asked for it.
        It is not tried while Gmail wants to be left alone. Whether the account may send as ``probe.sender`` cannot be
        asked: the stage ``sender`` has the fact ``proof`` with what will tell.
        """
        deadline = asyncio.get_running_loop().time() + timeout
        stages = Stages(self._context.clock, on_stage)
        try:
            await reach(self._context.url, self._context.http, deadline, stages, NAME)
            stages.enter("sign_in")
            stages.learn("sign_in", (("mechanism", "OAuth 2.0"),))
            await self._sign_in(deadline)
            if probe is not None:
                stages.enter("sender")
                stages.learn("sender", (("proof", "test mail"),))
                wire_address(probe.sender)
                wire_address(probe.recipient or probe.sender)
        except DeliveryError as error:
            return stages.failed(error)
        return stages.passed()

    async def aclose(self) -> None:
        """Lets running sends finish. Idempotent; later sends are ``Unreachable``."""
        await self._gate.aclose()

    async def _request(self, share: Share) -> Request:
        requests = await requests_for(self._context.url)
        try:
            files = sum(len(attachment.content) for attachment in share.mail.attachments)
            if files > LARGEST_FILES:
                raise too_large(files, LARGEST_FILES)
            return requests.send(render(share.mail, utf8=needs_smtputf8(share.mail), bcc=True))
        except DeliveryError as error:
            error.transport = NAME
            raise

    async def _sign_in(self, deadline: float) -> None:
        if (held := self._gate.held()) is not None:
            raise held
        requests = await requests_for(self._context.url)
        try:
            await self._calls.try_out(requests, deadline)
        except DeliveryError as error:
            self._gate.learn(error)
            raise
        self._gate.approve()
