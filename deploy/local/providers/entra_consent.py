"""What a person sees at Entra: which account, what the app asks for, yes or no; and an administrator's yes for all."""

import re
import secrets
import uuid
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final
from urllib.parse import urlencode

from aiohttp import web

from deploy.local.providers import base_pages as pages
from deploy.local.providers.base_pages import Option
from deploy.local.providers.entra_directory import App, MicrosoftAccount
from deploy.local.providers.entra_errors import REASONS, Refused, description
from deploy.local.providers.entra_grants import Code, client_info
from deploy.local.providers.entra_scopes import Wanted, parse

if TYPE_CHECKING:
    from deploy.local.providers.microsoft import MicrosoftSandbox

BRAND: Final = "Microsoft 365 (sandbox)"
_CHALLENGE: Final = re.compile(r"[A-Za-z0-9_-]{43}")
_BACK: Final = Option("back", "Return to the application without granting consent")
_MEANING: Final = {
    "Mail.Send": "Send mail as you",
    "Mail.Send.Shared": "Send mail on behalf of others or yourself",
    "Mail.ReadWrite": "Read and write access to your mail",
    "SMTP.Send": "Send emails from your mailbox using SMTP AUTH",
    "User.Read": "Sign you in and read your profile",
}


@dataclass(frozen=True, slots=True)
class Asked:
    """An authorisation request that passed the checks and waits for the person."""

    app: App
    tenant: str
    wanted: Wanted
    query: Mapping[str, str]

    @property
    def redirect_uri(self) -> str:
        """Where the person goes afterwards."""
        return self.query["redirect_uri"]


class ConsentPages:
    """The authorisation endpoint, for the sandbox that owns it."""

    def __init__(self, box: "MicrosoftSandbox") -> None:
        self._box = box
        self._waiting: dict[str, Asked] = {}

    def routes(self) -> Iterable[web.RouteDef]:
        """Below the authority."""
        yield web.get("/{tenant}/oauth2/v2.0/authorize", self._authorize)
        yield web.post("/{tenant}/oauth2/v2.0/consent", self._decide)

    async def _authorize(self, request: web.Request) -> web.StreamResponse:
        async def work() -> web.Response:
            query = dict(request.query)
            try:
                app, tenant = checked(self._box, query, request.match_info["tenant"])
            except Refused as refused:
                return sorry(self._box, refused)
            try:
                asked = Asked(app, tenant, self._checked(app, query), query)
            except Refused as refused:
                return self._redirect(query, self._error(refused))
            number = secrets.token_urlsafe(16)
            self._waiting[number] = asked
            return self._page(number, asked)

        hint = request.query.get("login_hint", "")
        return await self._box.answer(request, "authorize", work, account=hint)

    def _checked(self, app: App, query: Mapping[str, str]) -> Wanted:
        if query.get("response_type") != "code":
            raise Refused(900144, "response_type")
        if query.get("response_mode", "query") not in ("query", "form_post"):
            raise Refused(900144, "response_mode")
        if not _CHALLENGE.fullmatch(query.get("code_challenge", "")) or query.get("code_challenge_method") != "S256":
            raise Refused(9002325)
        if query.get("prompt") == "none":
            raise Refused(50058)
        return parse(query.get("scope", ""), app.delegated, self._box.resource_aliases)

    def _page(self, number: str, asked: Asked, problem: str = "") -> web.Response:
        accounts = [
            one
            for one in list(self._box.accounts.values())
            if asked.tenant in ("", one.tenant) and asked.app.tenant in ("", one.tenant)
        ]
        options = [
            Option(one.address.lower(), f"{one.name} ({one.address})", self._box.directory.domain(one.tenant))
            for one in accounts
        ]
        hint = asked.query.get("login_hint", "").lower()
        asks = [_MEANING.get(one.rpartition("/")[2], one) for one in sorted(asked.wanted.permissions)]
        if "offline_access" in asked.wanted.oidc:
            asks.append("Maintain access to data you have given it access to")
        return pages.page(
            BRAND,
            "Permissions requested",
            f'<p role="alert">{problem}</p>' if problem else "",
            pages.form(
                f"/{asked.tenant or 'organizations'}/oauth2/v2.0/consent",
                {"request": number},
                pages.radios("Pick an account", "account", options, hint),
                pages.paragraph(f"{asked.app.name} would like to:"),
                pages.bullets(asks),
                pages.buttons("choice", Option("accept", "Accept"), Option("decline", "Cancel")),
            ),
        )

    async def _decide(self, request: web.Request) -> web.StreamResponse:
        form = await request.post()
        number, name, choice = (str(form.get(field, "")) for field in ("request", "account", "choice"))

        async def work() -> web.Response:
            asked = self._waiting.get(number)
            if asked is None:
                return sorry(self._box, Refused(50089))
            if choice == "accept":
                return self._accepted(number, asked, name)
            del self._waiting[number]
            refused = Refused(int(choice.removeprefix("back:"))) if choice.startswith("back:") else Refused(65004)
            return self._redirect(asked.query, self._error(refused))

        return await self._box.answer(request, "consent", work, account=name)

    def _accepted(self, number: str, asked: Asked, name: str) -> web.Response:
        account = self._box.accounts.get(name.lower())
        if account is None:
            return self._page(number, asked, "Pick an account.")
        if not account.enabled:
            return self._stopped(number, asked, Refused(50057), "Your account has been locked")
        if account.consent == "blocked":
            return self._stopped(number, asked, Refused(53003), "You cannot access this right now")
        if self._box.directory.needs_admin(account, asked.app, asked.wanted.permissions):
            return self._stopped(number, asked, Refused(90094), "Need admin approval")
        del self._waiting[number]
        self._box.directory.consent(account, asked.app, asked.wanted.permissions)
        return self._redirect(asked.query, self._code(asked, account))

    def _stopped(self, number: str, asked: Asked, refused: Refused, title: str) -> web.Response:
        return pages.page(
            BRAND,
            title,
            pages.paragraph(f"AADSTS{refused.number}: {REASONS[refused.number].text}"),
            pages.form(
                f"/{asked.tenant or 'organizations'}/oauth2/v2.0/consent",
                {"request": number},
                pages.buttons("choice", Option(f"back:{refused.number}", _BACK.label)),
            ),
        )

    def _code(self, asked: Asked, account: MicrosoftAccount) -> dict[str, str]:
        grants = self._box.grants
        code = grants.new_code(
            Code(
                account=account.address,
                client_id=asked.app.client_id,
                tenant=account.tenant,
                redirect_uri=asked.redirect_uri,
                challenge=asked.query["code_challenge"],
                nonce=asked.query.get("nonce", ""),
                wanted=asked.wanted,
                expires=self._box.clock() + grants.code_lifetime,
            )
        )
        answer = {"code": code, "session_state": str(uuid.uuid4())}
        if asked.query.get("client_info") == "1":
            answer["client_info"] = client_info(account)
        return answer

    def _error(self, refused: Refused) -> dict[str, str]:
        error = {"error": REASONS[refused.number].error, "error_description": told(self._box, refused)}
        return error | ({"error_subcode": "cancel"} if refused.number == 65004 else {})

    def _redirect(self, query: Mapping[str, str], answer: Mapping[str, str]) -> web.Response:
        fields = dict(answer) | ({"state": query["state"]} if "state" in query else {})
        if query.get("response_mode") == "form_post":
            button = pages.buttons("continue", Option("1", "Continue"))
            return pages.page(BRAND, "Working…", pages.form(query["redirect_uri"], fields, button))
        return to(query["redirect_uri"], fields)


def checked(box: "MicrosoftSandbox", query: Mapping[str, str], authority: str) -> tuple[App, str]:
    """The app and the tenant of a request that may be answered by redirecting.

    Raises:
        Refused: nobody is redirected; the person stays on a page that says why.
    """
    tenant = box.directory.tenant(authority)
    app = box.directory.apps.get(query.get("client_id", ""))
    if app is None:
        raise Refused(700016, query.get("client_id", ""))
    if app.tenant and app.tenant != tenant:
        raise Refused(50194 if not tenant else 700016)
    if query.get("redirect_uri", "") not in box.redirect_uris:
        raise Refused(50011, query.get("redirect_uri", ""))
    return app, tenant


def told(box: "MicrosoftSandbox", refused: Refused) -> str:
    """An ``error_description``."""
    trace, correlation = str(uuid.uuid4()), str(uuid.uuid4())
    return description(refused.number, box.clock(), trace=trace, correlation=correlation, detail=refused.detail)


def sorry(box: "MicrosoftSandbox", refused: Refused) -> web.Response:
    """A page that leads nowhere."""
    return pages.page(
        BRAND, "Sorry, but we’re having trouble signing you in", pages.paragraph(told(box, refused)), status=400
    )


def to(address: str, fields: Mapping[str, str]) -> web.Response:
    """Sends the browser on; an address may have a query of its own."""
    joint = "&" if "?" in address else "?"
    headers = {"Location": f"{address}{joint}{urlencode(fields)}", "Cache-Control": "no-store"}
    return web.Response(status=302, headers=headers)
