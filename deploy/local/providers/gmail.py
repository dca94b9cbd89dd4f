"""The Gmail API's endpoints: sending in JSON and by media upload, and the few others that a sender may not use."""

import base64
import binascii
import json
import re
import secrets
from collections.abc import Awaitable, Callable, Iterable
from typing import TYPE_CHECKING, Any, Final

from aiohttp import web

from deploy.local.providers import gmail_errors as errors
from deploy.local.providers.base_values import Account, Mail
from deploy.local.providers.gmail_errors import ApiError, bad_request
from deploy.local.providers.gmail_mail import Senders, deliver
from deploy.local.providers.google_grants import FULL_MAIL, GMAIL_SEND, Access

if TYPE_CHECKING:
    from deploy.local.providers.google import GoogleSandbox

MAX_JSON: Final = 5 * 1024 * 1024
MAX_MEDIA: Final = 36_700_160
_ROOT: Final = "https://www.googleapis.com/auth/gmail."
_MAY_SEND: Final = frozenset({FULL_MAIL, GMAIL_SEND, f"{_ROOT}compose", f"{_ROOT}modify"})
_MAY_READ: Final = frozenset({FULL_MAIL, f"{_ROOT}modify", f"{_ROOT}readonly"})
_MAY_SEE_PROFILE: Final = frozenset({*_MAY_READ, f"{_ROOT}compose", f"{_ROOT}metadata"})
_MAY_SEE_ALIASES: Final = frozenset({*_MAY_READ, f"{_ROOT}settings.basic"})
_RAW: Final = re.compile(r"[A-Za-z0-9_-]*={0,2}")

Take = Callable[[bytes], tuple[bytes, str]]
"""Makes of a request's body the message, and the thread it shall belong to."""


class GmailEndpoints:
    """The endpoints below ``/gmail/v1`` and ``/upload/gmail/v1``; what they know is the sandbox's."""

    def __init__(self, box: "GoogleSandbox") -> None:
        self._box = box
        self._threads: dict[str, str] = {}

    def routes(self) -> Iterable[web.AbstractRouteDef]:
        """All that a program with few permissions may come across."""
        return (
            web.post("/gmail/v1/users/{user}/messages/send", self._send_json),
            web.post("/upload/gmail/v1/users/{user}/messages/send", self._send_media),
            web.get("/gmail/v1/users/{user}/profile", self._profile),
            web.get("/gmail/v1/users/{user}/settings/sendAs", self._aliases),
        )

    async def _send_json(self, request: web.Request) -> web.StreamResponse:
        def take(body: bytes) -> tuple[bytes, str]:
            if len(body) > MAX_JSON:
                raise errors.too_large(MAX_JSON)
            if request.content_type != "application/json":
                raise bad_request(f"Media type '{request.content_type}' is not supported.", "badContent")
            return _unpacked(body)

        return await self._send(request, "raw", take)

    async def _send_media(self, request: web.Request) -> web.StreamResponse:
        def take(body: bytes) -> tuple[bytes, str]:
            if len(body) > MAX_MEDIA:
                raise errors.too_large(MAX_MEDIA)
            if request.query.get("uploadType") != "media":
                raise bad_request("Only uploadType=media is supported here.", "invalidParameter")
            if request.content_type != "message/rfc822":
                raise bad_request(f"Media type '{request.content_type}' is not supported.", "badContent")
            return body, ""

        return await self._send(request, "media", take)

    async def _send(self, request: web.Request, form: str, take: Take) -> web.StreamResponse:
        async def work(access: Access | None) -> dict[str, Any]:
            account = self._permitted(access, request, _MAY_SEND, "SendMessage")
            content, thread = take(await request.read())
            return self._taken(account, content, thread, form)

        self._box.calls[f"send:{form}"] += 1
        return await self._answer(request, "send", work)

    def _taken(self, account: Account, content: bytes, thread: str, form: str) -> dict[str, Any]:
        box, now = self._box, self._box.clock()
        if thread and self._threads.get(thread) != account.address:
            raise errors.not_found()
        if len(content) > MAX_MEDIA:
            raise errors.too_large(MAX_MEDIA)
        senders = Senders(account.address, account.name, frozenset(account.send_as))
        box.quotas.allow(account.address, now)
        mail = deliver(content, senders, now)
        box.quotas.count(account.address, now)
        name = secrets.token_hex(8)
        self._threads[thread or name] = account.address
        box.keep(Mail(account.address, mail.sender, mail.recipients, mail.content, now, form, name))
        return {"id": name, "threadId": thread or name, "labelIds": ["SENT"]}

    async def _profile(self, request: web.Request) -> web.StreamResponse:
        async def work(access: Access | None) -> dict[str, Any]:
            account = self._permitted(access, request, _MAY_SEE_PROFILE, "GetProfile")
            sent = sum(mail.account == account.address for mail in self._box.mails)
            return {"emailAddress": account.address, "messagesTotal": sent, "threadsTotal": sent, "historyId": "1"}

        return await self._answer(request, "profile", work)

    async def _aliases(self, request: web.Request) -> web.StreamResponse:
        async def work(access: Access | None) -> dict[str, Any]:
            account = self._permitted(access, request, _MAY_SEE_ALIASES, "ListSendAs")
            primary = {"sendAsEmail": account.address, "displayName": account.name, "isPrimary": True}
            accepted = [{"sendAsEmail": one, "verificationStatus": "accepted"} for one in account.send_as]
            pending = [{"sendAsEmail": one, "verificationStatus": "pending"} for one in account.aliases]
            return {"sendAs": [primary, *accepted, *pending]}

        return await self._answer(request, "send_as", work)

    async def _answer(
        self, request: web.Request, endpoint: str, work: Callable[[Access | None], Awaitable[dict[str, Any]]]
    ) -> web.StreamResponse:
        token = _bearer(request)
        access = self._box.grants.access(token)

        async def answered() -> web.StreamResponse:
            try:
                if not token:
                    raise errors.unauthorized(missing=True)
                return web.json_response(await work(access))
            except ApiError as error:
                return error_response(error)

        return await self._box.answer(request, endpoint, answered, account=self._box.grants.owner(token))

    def _permitted(self, access: Access | None, request: web.Request, scopes: frozenset[str], method: str) -> Account:
        """The account a request is for, when the token allows it.

        Raises:
            ApiError: it does not.
        """
        box = self._box
        if access is None:
            raise errors.unauthorized()
        if not box.api_enabled:
            raise errors.not_configured()
        if not access.scopes & scopes:
            raise errors.scope_missing(method)
        account = box.accounts.get(access.account.lower())
        if account is None:
            raise errors.no_mailbox()
        user = request.match_info["user"]
        if user not in ("me", account.address):
            raise errors.not_yours(user)
        if account.consent != "user":
            raise errors.domain_policy()
        if not account.licensed:
            raise errors.mail_service_off()
        return account


def error_response(error: ApiError) -> web.Response:
    """An error as it goes out."""
    return web.Response(
        status=error.code,
        text=error.text,
        content_type="application/json",
        charset="utf-8",
        headers=dict(error.headers),
    )


def _bearer(request: web.Request) -> str:
    scheme, _, token = request.headers.get("Authorization", "").partition(" ")
    return token.strip() if scheme.lower() == "bearer" else ""


def _unpacked(body: bytes) -> tuple[bytes, str]:
    """Message and thread of a JSON body; ``raw`` must be base64 in the URL-safe alphabet (RFC 4648 §5)."""
    try:
        given = json.loads(body)
    except ValueError:
        raise bad_request("Invalid JSON payload received.", "parseError") from None
    if not isinstance(given, dict):
        raise bad_request("Invalid JSON payload received.", "parseError")
    raw, thread = given.get("raw", ""), given.get("threadId", "")
    bare = raw.rstrip("=") if isinstance(raw, str) else ""
    padded = bare + "=" * (-len(bare) % 4)
    whole = isinstance(raw, str) and _RAW.fullmatch(raw) is not None and raw in (bare, padded)
    if not whole or not isinstance(thread, str):
        raise bad_request("Invalid value at 'message.raw' (TYPE_BYTES), Base64 decoding failed for the value given")
    try:
        return base64.urlsafe_b64decode(padded), thread
    except binascii.Error:
        raise bad_request("Invalid value at 'message.raw' (TYPE_BYTES), Base64 decoding failed") from None
