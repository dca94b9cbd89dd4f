"""Entra's token endpoint: codes with PKCE, refresh tokens that rotate, and apps on their own."""

import base64
import hashlib
import secrets
import uuid
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from aiohttp import web

from deploy.local.providers.entra_clients import authenticated
from deploy.local.providers.entra_directory import App, MicrosoftAccount
from deploy.local.providers.entra_errors import REASONS, Refused, body
from deploy.local.providers.entra_grants import Access, client_info, public_keys
from deploy.local.providers.entra_scopes import OIDC, Wanted, parse

if TYPE_CHECKING:
    from deploy.local.providers.microsoft import MicrosoftSandbox

Form = dict[str, str]


class TokenEndpoint:
    """Discovery, keys and tokens of every tenant, for the sandbox that owns it."""

    def __init__(self, box: "MicrosoftSandbox") -> None:
        self._box = box

    def routes(self) -> Iterable[web.RouteDef]:
        """Below the authority."""
        yield web.get("/{tenant}/v2.0/.well-known/openid-configuration", self._discovery)
        yield web.get("/{tenant}/discovery/v2.0/keys", self._keys)
        yield web.post("/{tenant}/oauth2/v2.0/token", self._token)

    async def _discovery(self, request: web.Request) -> web.StreamResponse:
        async def work() -> web.Response:
            name = request.match_info["tenant"]
            try:
                tenant = self._box.directory.tenant(name)
            except Refused as refused:
                return self.refused(request, refused, error="invalid_tenant")
            return web.json_response(self._document(name, tenant))

        return await self._box.answer(request, "discovery", work)

    async def _keys(self, request: web.Request) -> web.StreamResponse:
        async def work() -> web.Response:
            return web.json_response(public_keys())

        return await self._box.answer(request, "keys", work)

    def _document(self, name: str, tenant: str) -> dict[str, Any]:
        base = f"{self._box.url}/{tenant or name}"
        return {
            "token_endpoint": f"{base}/oauth2/v2.0/token",
            "token_endpoint_auth_methods_supported": ["client_secret_post", "private_key_jwt", "client_secret_basic"],
            "jwks_uri": f"{base}/discovery/v2.0/keys",
            "response_modes_supported": ["query", "fragment", "form_post"],
            "subject_types_supported": ["pairwise"],
            "id_token_signing_alg_values_supported": ["RS256"],
            "response_types_supported": ["code"],
            "scopes_supported": sorted(OIDC),
            "issuer": f"{self._box.url}/{tenant or '{tenantid}'}/v2.0",
            "authorization_endpoint": f"{base}/oauth2/v2.0/authorize",
            "claims_supported": ["sub", "iss", "aud", "exp", "iat", "nonce", "preferred_username", "name", "tid"],
        }

    async def _token(self, request: web.Request) -> web.StreamResponse:
        form, twice = await _form(request)
        kind = form.get("grant_type", "")

        async def work() -> web.Response:
            try:
                if twice:
                    raise Refused(900144, f"duplicate parameter {twice}")
                answer = self._given(request, kind, form)
            except Refused as refused:
                return self.refused(request, refused)
            return web.json_response(answer, headers=_headers())

        return await self._box.answer(request, f"token:{kind or 'none'}", work, account=self._concerned(form))

    def refused(self, request: web.Request, refused: Refused, error: str = "") -> web.Response:
        """A refusal in Entra's words."""
        correlation = request.headers.get("client-request-id", "")
        answer = body(refused.number, self._box.clock(), correlation=correlation, detail=refused.detail)
        if error:
            answer["error"] = error
        return web.json_response(answer, status=REASONS[refused.number].status, headers=_headers())

    def _concerned(self, form: Form) -> str:
        """Whose grant it is, as far as anybody can tell before it is checked; an app goes by its id."""
        grants = self._box.grants
        refresh, code = grants.refreshes.get(form.get("refresh_token", "")), grants.codes.get(form.get("code", ""))
        found = refresh or code
        return found.account if found else form.get("client_id", "")

    def _given(self, request: web.Request, kind: str, form: Form) -> dict[str, Any]:
        name = request.match_info["tenant"]
        tenant = self._box.directory.tenant(name)
        base = f"{self._box.url}/{name}"
        app = authenticated(
            self._box.directory,
            form,
            request.headers.get("Authorization", ""),
            (f"{base}/oauth2/v2.0/token", f"{base}/v2.0", f"{self._box.url}/{tenant}/oauth2/v2.0/token"),
            self._box.clock(),
        )
        if app.tenant and app.tenant != tenant:
            if not tenant:
                raise Refused(50194 if kind != "client_credentials" else 50059)
            raise Refused(700016, app.client_id)
        if kind == "authorization_code":
            return self._by_code(app, tenant, form)
        if kind == "refresh_token":
            return self._by_refresh(app, tenant, form)
        if kind == "client_credentials":
            return self._by_itself(app, tenant, form)
        raise Refused(70003, kind) if kind else Refused(900144, "grant_type")

    def _by_code(self, app: App, tenant: str, form: Form) -> dict[str, Any]:
        for name in ("code", "redirect_uri"):
            if not form.get(name):
                raise Refused(900144, name)
        grants, now = self._box.grants, self._box.clock()
        code = grants.codes.get(form["code"])
        if code is None or code.client_id != app.client_id:
            raise Refused(70000)
        if code.used:
            raise Refused(54005)
        if now >= code.expires:
            raise Refused(70008)
        if form["redirect_uri"] != code.redirect_uri:
            raise Refused(500112)
        if code.challenge and not _proves(form.get("code_verifier", ""), code.challenge):
            raise Refused(501481)
        account = grants.account(code.account)
        if tenant and tenant != account.tenant:
            raise Refused(700005)
        if form.get("scope"):
            self._parsed(app, form["scope"])
        code.used = True
        return self._tokens(app, account, code.wanted, code.wanted, form, nonce=code.nonce)

    def _by_refresh(self, app: App, tenant: str, form: Form) -> dict[str, Any]:
        if not form.get("refresh_token"):
            raise Refused(900144, "refresh_token")
        grants = self._box.grants
        refresh = grants.refreshes.get(form["refresh_token"])
        if refresh is None or refresh.client_id != app.client_id:
            raise Refused(70000)
        account = grants.account(refresh.account)
        if refresh.dead:
            raise Refused(refresh.dead)
        if self._box.clock() >= refresh.expires:
            raise Refused(700082)
        if tenant and tenant != account.tenant:
            raise Refused(50020, tenant)
        wanted = self._parsed(app, form["scope"]) if form.get("scope") else refresh.wanted
        answer = self._tokens(app, account, wanted, refresh.wanted, form)
        if grants.rotation_kills:
            refresh.dead = 70000
        return answer

    def _by_itself(self, app: App, tenant: str, form: Form) -> dict[str, Any]:
        if not tenant:
            raise Refused(50059)
        scope = form.get("scope", "")
        if scope.split() and not all(one.endswith("/.default") for one in scope.split()):
            raise Refused(1002012, scope)
        wanted = self._parsed(app, scope)
        if not app.tenant:
            raise Refused(700016, app.client_id)
        access = self._box.grants.new_access(app, tenant, wanted.resource, app.roles)
        return self._answer(access)

    def _tokens(
        self,
        app: App,
        account: MicrosoftAccount,
        wanted: Wanted,
        original: Wanted,
        form: Form,
        *,
        nonce: str = "",
    ) -> dict[str, Any]:
        granted = self._box.directory.granted(account, app)
        if not wanted.permissions <= granted:
            raise Refused(65001, f"'{app.client_id}'")
        access = self._box.grants.new_access(app, account.tenant, wanted.resource, granted, account)
        oidc = wanted.oidc | original.oidc
        answer = {**self._answer(access), "scope": wanted.told(access.permissions)}
        if "offline_access" in oidc:
            answer["refresh_token"] = self._box.grants.new_refresh(account, app, original)
        if "openid" in oidc:
            answer["id_token"] = self._box.grants.id_token(account, app, oidc, nonce)
        if form.get("client_info") == "1":
            answer["client_info"] = client_info(account)
        return answer

    def _answer(self, access: Access) -> dict[str, Any]:
        seconds = int(access.expires - self._box.clock())
        return {
            "token_type": "Bearer",
            "expires_in": seconds,
            "ext_expires_in": seconds,
            "access_token": access.token,
        }

    def _parsed(self, app: App, scope: str) -> Wanted:
        return parse(scope, app.delegated, self._box.resource_aliases)


async def _form(request: web.Request) -> tuple[Form, str]:
    """The fields, and the name of one that came twice (RFC 6749 §3.2: none may)."""
    if request.content_type != "application/x-www-form-urlencoded":
        return {}, ""
    given = await request.post()
    twice = next((name for name in given if len(given.getall(name)) > 1), "")
    return {name: value for name, value in given.items() if isinstance(value, str)}, twice


def _proves(verifier: str, challenge: str) -> bool:
    """Whether the verifier is the one the challenge was made from (RFC 7636 §4.6), and long enough (§4.1)."""
    made = base64.urlsafe_b64encode(hashlib.sha256(verifier.encode()).digest()).rstrip(b"=")
    return 43 <= len(verifier) <= 128 and secrets.compare_digest(made, challenge.encode())


def _headers() -> dict[str, str]:
    return {"Cache-Control": "no-store, no-cache", "Pragma": "no-cache", "x-ms-request-id": str(uuid.uuid4())}
