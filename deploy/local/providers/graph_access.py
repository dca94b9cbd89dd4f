"""Who is calling Microsoft Graph, for which mailbox, with which right, and how fast."""

from collections import Counter, defaultdict, deque
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from aiohttp import web

from deploy.local.providers.entra_directory import MicrosoftAccount
from deploy.local.providers.entra_grants import Access
from deploy.local.providers.entra_scopes import GRAPH
from deploy.local.providers.graph_errors import Problem
from deploy.local.providers.graph_mail import Sender
from deploy.local.providers.graph_values import Mailbox

if TYPE_CHECKING:
    from deploy.local.providers.microsoft import MicrosoftSandbox

REQUEST_ID: Final = web.RequestKey("request_id", str)
_CHALLENGE: Final = {
    "WWW-Authenticate": 'Bearer realm="", authorization_uri="https://login.microsoftonline.com/common/oauth2/authorize"'
}
_DENIED: Final = "The user account which was used to submit this request does not have the right to send mail on behalf of the specified sending account."  # noqa: E501


@dataclass(frozen=True, slots=True)
class Caller:
    """An app with its token, for one mailbox; ``user`` is the person who signed in, if one did."""

    access: Access
    mailbox: MicrosoftAccount
    user: MicrosoftAccount | None


@dataclass(slots=True)
class Limits:
    """Ceilings; ``None`` switches one off. ``concurrency`` counts per app and mailbox, or per app alone."""

    concurrency: int | None = 4
    concurrency_per_app: bool = False
    concurrency_retry_after: int = 1
    requests: int | None = 10_000
    requests_window: float = 600.0
    upload_bytes: int | None = 150 * 1024 * 1024
    upload_window: float = 300.0
    request_bytes: int = 4 * 1024 * 1024
    message_bytes: int = 35 * 1024 * 1024


class Traffic:
    """Counts what is under way and what was, per app and mailbox."""

    def __init__(self, box: "MicrosoftSandbox") -> None:
        self.limits = Limits()
        self.highest = 0
        self._box = box
        self._now: Counter[tuple[str, str]] = Counter()
        self._requests: dict[tuple[str, str], deque[float]] = defaultdict(deque)
        self._uploads: dict[tuple[str, str], deque[tuple[float, int]]] = defaultdict(deque)

    def enter(self, access: Access, mailbox: str) -> None:
        """A request begins; ``highest`` is the most there were at once.

        Raises:
            Problem: there are too many.
        """
        limits, key = self.limits, self._key(access, mailbox)
        if limits.requests is not None:
            at, seen = self._box.clock(), self._requests[key]
            while seen and seen[0] <= at - limits.requests_window:
                seen.popleft()
            if len(seen) >= limits.requests:
                wait = max(1, round(seen[0] + limits.requests_window - at))
                raise Problem(429, "TooManyRequests", "Too many requests.", {"Retry-After": str(wait)})
            seen.append(at)
        if limits.concurrency is not None and self._now[key] >= limits.concurrency:
            raise Problem(429, headers={"Retry-After": str(limits.concurrency_retry_after)})
        self._now[key] += 1
        self.highest = max(self.highest, self._now[key])

    def leave(self, access: Access, mailbox: str) -> None:
        """It is over."""
        self._now[self._key(access, mailbox)] -= 1

    def upload(self, owner: tuple[str, str], size: int) -> None:
        """So many bytes come in.

        Raises:
            Problem: it is too much within the time.
        """
        if self.limits.upload_bytes is None:
            return
        at, seen = self._box.clock(), self._uploads[owner]
        while seen and seen[0][0] <= at - self.limits.upload_window:
            seen.popleft()
        if sum(one for _, one in seen) + size > self.limits.upload_bytes:
            raise Problem(429, "TooManyRequests", "Too many bytes.", {"Retry-After": "60"})
        seen.append((at, size))

    def _key(self, access: Access, mailbox: str) -> tuple[str, str]:
        return access.client_id, "" if self.limits.concurrency_per_app else mailbox.lower()


def bearer(request: web.Request) -> str:
    """The token of a request."""
    kind, _, token = request.headers.get("Authorization", "").partition(" ")
    return token.strip() if kind.lower() == "bearer" else ""


def token_of(box: "MicrosoftSandbox", request: web.Request) -> Access:
    """The token's record.

    Raises:
        Problem: it is missing, unknown, for another resource, or has expired.
    """
    text = bearer(request)
    if not text:
        raise _unauthorized("Access token is empty.")
    found = box.grants.accesses.get(text)
    if found is None:
        raise _unauthorized("CompactToken parsing failed with error code: 80049217")
    if found.resource != GRAPH:
        raise _unauthorized("Access token validation failure. Invalid audience.")
    if box.clock() >= found.expires:
        raise _unauthorized("Lifetime validation failed, the token is expired.")
    return found


def mailbox_named(box: "MicrosoftSandbox", request: web.Request, access: Access) -> MicrosoftAccount | None:
    """The mailbox that the path names, if the tenant has it."""
    name = request.match_info.get("user")
    if name is None:
        return box.accounts.get(access.account.lower())
    found = box.directory.find(name)
    return found if found is not None and found.tenant == access.tenant else None


def caller(box: "MicrosoftSandbox", request: web.Request, permission: str) -> Caller:
    """Checks token, mailbox and permission (``Mail.Send``, ``Mail.ReadWrite``).

    Raises:
        Problem: one of them is not right.
    """
    access = token_of(box, request)
    if not access.account and "user" not in request.match_info:
        raise Problem(400, "BadRequest", "/me request is only valid with delegated authentication flow.")
    mailbox = mailbox_named(box, request, access)
    if mailbox is None:
        raise Problem(404, "ErrorInvalidUser", f"The requested user '{request.match_info.get('user')}' is invalid.")
    user = box.accounts.get(access.account.lower()) if access.account else None
    _permitted(box, access, mailbox, user, permission)
    if not mailbox.licensed:
        raise Problem(
            404,
            "MailboxNotEnabledForRESTAPI",
            "The mailbox is either inactive, soft-deleted, or is hosted on-premise.",
        )
    return Caller(access, mailbox, user)


def _permitted(
    box: "MicrosoftSandbox", access: Access, mailbox: MicrosoftAccount, user: MicrosoftAccount | None, permission: str
) -> None:
    full = f"{GRAPH}/{permission}"
    if user is None:
        limited = box.directory.apps[access.client_id].mailboxes
        if limited is not None and mailbox.address.lower() not in limited:
            raise Problem(403, "ErrorAccessDenied", "Access to OData is disabled.")
    elif user is not mailbox:
        full = f"{full}.Shared"
        if mailbox.address.lower() not in {one.lower() for one in user.full_access}:
            raise Problem(403)
    if full not in access.permissions:
        raise Problem(403)


def sender(who: Caller, asked: Mailbox | None, *, aliases: bool, directory_names: bool) -> Sender:
    """From whom a mail goes out that asks for that author; ``aliases``: the tenant has ``SendFromAliasEnabled``.

    Raises:
        Problem: the mailbox may not send as that one.
    """
    mailbox = who.mailbox
    if asked is None or mailbox.owns(asked.address):
        behind = _behind(who)
        kept = asked is not None and aliases and asked.address.lower() in {one.lower() for one in mailbox.aliases}
        name = asked.name if asked is not None and asked.name and not directory_names else mailbox.name
        return Sender(Mailbox(asked.address if kept and asked is not None else mailbox.address, name), behind)
    actor = who.user or mailbox
    wanted = asked.address.lower()
    shared = who.user is None or f"{GRAPH}/Mail.Send.Shared" in who.access.permissions
    if shared and wanted in {one.lower() for one in actor.send_as}:
        return Sender(asked)
    if shared and wanted in {one.lower() for one in actor.on_behalf}:
        return Sender(asked, Mailbox(mailbox.address, mailbox.name))
    raise Problem(403, "ErrorSendAsDenied", _DENIED)


def _behind(who: Caller) -> Mailbox | None:
    """Who acts for a mailbox of somebody else; full access alone does not allow to send from it."""
    user, wanted = who.user, who.mailbox.address.lower()
    if user is None or user is who.mailbox or wanted in {one.lower() for one in user.send_as}:
        return None
    if wanted in {one.lower() for one in user.on_behalf}:
        return Mailbox(user.address, user.name)
    raise Problem(403, "ErrorSendAsDenied", _DENIED)


def _unauthorized(message: str) -> Problem:
    return Problem(401, "InvalidAuthenticationToken", message, _CHALLENGE)
