"""One call of the Gmail API: authorised, with one new token after a refusal of the token itself."""

from transports.errors import DeliveryError, MessageRefused
from transports.gmail.replies import Refusal, classify
from transports.gmail.requests import NAME, Request, Requests
from transports.gmail.settings import GmailContext, GmailSettings
from transports.http import Reply
from transports.protocol import TokenSource
from transports.tokens import current_token

_UNAUTHORIZED = 401


class Calls:
    """The calls for one account."""

    def __init__(self, settings: GmailSettings, context: GmailContext) -> None:
        self._settings = settings
        self._context = context

    async def send(self, request: Request, deadline: float) -> None:
        """Hands a mail over, until ``deadline`` (loop time). Any success is final: Gmail has the mail then.

        Raises a ``DeliveryError``: ``OutcomeUnknown`` when it may have the mail all the same.
        """
        reply = await self._authorised(request, deadline, final=True)
        if not 200 <= reply.status <= 299:
            raise self._meaning(request, reply, final=True)

    async def try_out(self, requests: Requests, deadline: float) -> None:
        """Whether the API takes mails from this account: asks it to send none, which is refused for that reason alone.

        Every other call that would tell needs a permission to read mail.
        """
        request = requests.nothing()
        reply = await self._authorised(request, deadline, final=False)
        if not 200 <= reply.status <= 299:
            error = self._meaning(request, reply, final=False)
            if not isinstance(error, MessageRefused):
                raise error

    async def _authorised(self, request: Request, deadline: float, *, final: bool) -> Reply:
        source: TokenSource = self._context.tokens(self._settings.grant)
        token = await current_token(source, deadline, NAME)
        reply = await self._request(request, token, deadline, final=final)
        if reply.status == _UNAUTHORIZED:
            # It was not acted upon, so the same request may be made again.
            renewed = await current_token(source, deadline, NAME, refused=token)
            if renewed != token:
                reply = await self._request(request, renewed, deadline, final=final)
        return reply

    async def _request(self, request: Request, token: str, deadline: float, *, final: bool) -> Reply:
        return await self._context.http.request(
            request.method,
            request.url,
            deadline=deadline,
            headers={**request.headers, "Authorization": f"Bearer {token}"},
            body=request.body,
            final=final,
            name=NAME,
        )

    def _meaning(self, request: Request, reply: Reply, *, final: bool) -> DeliveryError:
        message, reasons = request.read_error(reply.status, reply.body)
        refusal = Refusal(reply.status, reply.headers, message, reasons)
        return classify(refusal, self._context.wall_clock(), own_app=self._settings.own_app, final=final)
