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

from transports import api_check
from transports.account_gate import AccountGate
from transports.addressed import Share, shares
from transports.errors import DeliveryError
from transports.gmail.calls import Calls
from transports.gmail.requests import LARGEST_FILES, NAME, Request, requests_for, too_large
from transports.gmail.settings import GmailContext, GmailSettings
from transports.message import Mail, Receipt
from transports.mime import needs_smtputf8, render
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
        """See :class:`transports.protocol.Transport`, and ``transports.api_check``."""
        deadline = asyncio.get_running_loop().time() + timeout

        async def try_out() -> None:
            await self._calls.try_out(await requests_for(self._context.url), deadline)

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
