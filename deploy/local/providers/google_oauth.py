"""Google's accounts over HTTP: the pages a person clicks through, revocation, and the keys of ID tokens."""

import secrets
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Final

from aiohttp import web

from deploy.local.providers import google_pages as pages
from deploy.local.providers.base_values import Account
from deploy.local.providers.google_consent import PATH, Asked, PageRefused, agreed, asked, must_ask
from deploy.local.providers.google_keys import key_set

if TYPE_CHECKING:
    from deploy.local.providers.google import GoogleSandbox

_ACCOUNT: Final = "/signin/oauth/account"
_CONSENT: Final = "/signin/oauth/consent"


class OAuthEndpoints:
    """The endpoints; what they know is the sandbox's."""

    def __init__(self, box: "GoogleSandbox") -> None:
        self._box = box
        self._pending: dict[str, Asked] = {}

    def routes(self) -> Iterable[web.AbstractRouteDef]:
        """All of them, where Google has them below its various host names."""
        return (
            web.get(PATH, self._authorize),
            web.post(_ACCOUNT, self._choose),
            web.post(_CONSENT, self._decide),
            web.post("/revoke", self._revoke),
            web.get("/oauth2/v3/certs", self._keys),
            web.get("/.well-known/openid-configuration", self._discovery),
        )

    def asked(self, query: Mapping[str, str]) -> Asked:
        """The valid request in a query, else ``PageRefused``."""
        box = self._box
        return asked(query, box.client_id, box.redirect_uris, require_pkce=box.require_pkce)

    def decided(self, request: Asked, account: Account, chosen: Iterable[str] | None) -> str:
        """Where the browser goes when the person has said yes to the ``chosen`` scopes, or no (``None``)."""
        if account.consent != "user":
            return request.back(error="admin_policy_enforced")
        if chosen is None:
            return request.back(error="access_denied")
        box = self._box
        return agreed(request, box.grants, account.address, list(chosen), issuer=box.issuer, domain=account.tenant)

    async def _authorize(self, request: web.Request) -> web.StreamResponse:
        async def work() -> web.StreamResponse:
            try:
                wanted = self.asked(request.query)
            except PageRefused as error:
                return pages.refused(error)
            offered = [one for one in self._box.accounts.values() if wanted.fits(one.tenant)]
            hinted = next((one for one in offered if _is(one, wanted.hint)), None)
            if "none" in wanted.prompts:
                silent = hinted is not None and not must_ask(wanted, self._box.grants, hinted.address)
                if hinted is None or not silent:
                    return _back(wanted.back(error="interaction_required"))
                return _back(self.decided(wanted, hinted, wanted.scopes))
            if hinted is not None and "select_account" not in wanted.prompts:
                return self._for(wanted, hinted)
            return pages.chooser(_ACCOUNT, self._kept(wanted), offered, wanted.hint)

        return await self._box.answer(request, "authorize", work)

    async def _choose(self, request: web.Request) -> web.StreamResponse:
        fields = await request.post()
        wanted = self._pending.get(str(fields.get("request", "")))
        account = self._box.accounts.get(str(fields.get("account", "")).lower())
        if wanted is None or account is None:
            return pages.refused(PageRefused("invalid_request", "This page is no longer valid."))
        return self._for(wanted, account)

    async def _decide(self, request: web.Request) -> web.StreamResponse:
        fields = await request.post()
        wanted = self._pending.pop(str(fields.get("request", "")), None)
        account = self._box.accounts.get(str(fields.get("account", "")).lower())
        if wanted is None or account is None:
            return pages.refused(PageRefused("invalid_request", "This page is no longer valid."))
        agrees = fields.get("decision") == "allow"
        chosen = [str(one) for one in fields.getall("scope", ())] if agrees else None
        return _back(self.decided(wanted, account, chosen))

    def _for(self, wanted: Asked, account: Account) -> web.StreamResponse:
        """What an account gets to see."""
        if not account.enabled:
            return pages.refused(PageRefused("account_disabled", f"The account {account.address} is disabled.", 403))
        if account.consent != "user":
            return _back(self.decided(wanted, account, None))
        if not must_ask(wanted, self._box.grants, account.address):
            return _back(self.decided(wanted, account, wanted.scopes))
        return pages.consent(_CONSENT, self._kept(wanted), account, wanted.scopes)

    def _kept(self, wanted: Asked) -> str:
        name = secrets.token_urlsafe(16)
        self._pending[name] = wanted
        return name

    async def _revoke(self, request: web.Request) -> web.StreamResponse:
        given = await request.post()
        token = str(given.get("token") or request.query.get("token", ""))
        box = self._box

        async def work() -> web.StreamResponse:
            if box.grants.revoke(token, whole_consent=box.revoke_whole_consent):
                return web.json_response({})
            said = {"error": "invalid_token", "error_description": "Token expired or revoked"}
            return web.json_response(said, status=400)

        return await box.answer(request, "revoke", work, account=box.grants.owner(token))

    async def _keys(self, _: web.Request) -> web.StreamResponse:
        return web.json_response(key_set(), headers={"Cache-Control": "public, max-age=3600"})

    async def _discovery(self, _: web.Request) -> web.StreamResponse:
        url = self._box.url
        return web.json_response(
            {
                "issuer": self._box.issuer,
                "authorization_endpoint": f"{url}{PATH}",
                "token_endpoint": f"{url}/token",
                "revocation_endpoint": f"{url}/revoke",
                "jwks_uri": f"{url}/oauth2/v3/certs",
                "response_types_supported": ["code"],
                "subject_types_supported": ["public"],
                "id_token_signing_alg_values_supported": ["RS256"],
                "code_challenge_methods_supported": ["plain", "S256"],
                "authorization_response_iss_parameter_supported": True,
            }
        )


def _is(account: Account, hint: str) -> bool:
    return bool(hint) and hint.lower() in {account.address.lower(), account.subject}


def _back(location: str) -> web.Response:
    return web.Response(status=302, headers={"Location": location, "Cache-Control": "no-store"})
