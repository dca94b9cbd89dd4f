"""Google's token endpoint: codes, refresh tokens and the assertions of service accounts against access tokens."""

import base64
import hashlib
import secrets
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any, Final

from aiohttp import web

from deploy.local.providers.base_values import Account
from deploy.local.providers.google_grants import EMAIL, PROFILE, SIGN_IN, Access, Code, TokenRefused, dead_grant
from deploy.local.providers.google_keys import JWT_BEARER, checked, id_token

if TYPE_CHECKING:
    from deploy.local.providers.google import GoogleSandbox

_FORM: Final = "application/x-www-form-urlencoded"


class TokenEndpoint:
    """``POST /token`` (RFC 6749 §3.2), strict about the client, the code, its verifier, and who may get what."""

    def __init__(self, box: "GoogleSandbox") -> None:
        self._box = box

    def routes(self) -> Iterable[web.AbstractRouteDef]:
        """The one endpoint."""
        return (web.post("/token", self._token),)

    async def _token(self, request: web.Request) -> web.StreamResponse:
        given = {name: str(value) for name, value in (await request.post()).items()}
        kind = given.get("grant_type", "")
        owner = self._box.grants.owner(given.get("refresh_token", "") or given.get("code", ""))

        async def work() -> web.StreamResponse:
            try:
                return web.json_response(self._given(kind, given, request), headers={"Cache-Control": "no-store"})
            except TokenRefused as refused:
                return web.json_response(refused.body, status=refused.status)

        short = "jwt_bearer" if kind == JWT_BEARER else kind
        return await self._box.answer(request, f"token:{short}", work, account=owner)

    def _given(self, kind: str, given: Mapping[str, str], request: web.Request) -> dict[str, Any]:
        if request.content_type != _FORM:
            raise TokenRefused("invalid_request", f"The content type must be {_FORM}.")
        match kind:
            case "authorization_code":
                self._require_client(given, request)
                return self._by_code(given)
            case "refresh_token":
                self._require_client(given, request)
                return self._by_refresh(given)
            case _ if kind == JWT_BEARER:
                return self._by_assertion(given.get("assertion", ""))
            case _:
                raise TokenRefused("unsupported_grant_type", f"Invalid grant_type: {kind}")

    def _require_client(self, given: Mapping[str, str], request: web.Request) -> None:
        box = self._box
        name, secret = given.get("client_id", ""), given.get("client_secret", "")
        scheme, _, encoded = request.headers.get("Authorization", "").partition(" ")
        if scheme.lower() == "basic" and not name:
            name, _, secret = base64.b64decode(encoded + "==").decode("utf-8", "replace").partition(":")
        if box.client_deleted:
            raise TokenRefused("deleted_client", "The OAuth client was deleted.", 401)
        if name != box.client_id:
            raise TokenRefused("invalid_client", "The OAuth client was not found.", 401)
        if not secret:
            raise TokenRefused("invalid_request", "client_secret is missing.")
        if box.secret_expired or not secrets.compare_digest(secret.encode(), box.client_secret.encode()):
            raise TokenRefused("invalid_client", "The provided client secret is invalid.", 401)

    def _by_code(self, given: Mapping[str, str]) -> dict[str, Any]:
        code = self._box.grants.take_code(given.get("code", ""))
        if given.get("redirect_uri") != code.redirect_uri:
            raise TokenRefused("redirect_uri_mismatch", "Bad Request")
        _check_verifier(code, given.get("code_verifier", ""))
        account = self._usable(code.account)
        grants = self._box.grants
        grant = grants.add_grant(account.address, code.scopes) if code.offline else None
        access = grants.add_access(account.address, code.scopes, grant=grant)
        answer = self._answer(access, code.scopes, account, code.nonce)
        if grant is not None:
            answer["refresh_token"] = grant.token
            if grant.dies is not None:
                answer["refresh_token_expires_in"] = int(grant.dies - grants.clock())
        return answer

    def _by_refresh(self, given: Mapping[str, str]) -> dict[str, Any]:
        if not given.get("refresh_token"):
            raise TokenRefused("invalid_request", "Missing required parameter: refresh_token")
        grants = self._box.grants
        grant = grants.refresh(given["refresh_token"])
        account = self._usable(grant.account)
        wanted = tuple(given.get("scope", "").split()) or grant.scopes
        if not set(wanted) <= set(grant.scopes):
            raise TokenRefused("invalid_scope", "Some requested scopes were invalid.")
        return self._answer(grants.add_access(account.address, wanted, grant=grant), wanted, account)

    def _by_assertion(self, assertion: str) -> dict[str, Any]:
        box = self._box
        claims = checked(assertion, box.service_accounts, audience=f"{box.url}/token", now=box.clock())
        if not claims.subject:
            return self._answer(box.grants.add_access("", claims.scopes), claims.scopes, None)
        account = box.accounts.get(claims.subject.lower())
        if account is None or not account.enabled:
            raise dead_grant("Invalid email or User ID")
        if set(claims.scopes) & {*SIGN_IN, "email", "profile"}:
            raise TokenRefused("invalid_scope", "Invalid OAuth scope or ID token audience provided.")
        allowed = claims.service_account.delegated.get(account.tenant, frozenset()) if account.tenant else frozenset()
        if not set(claims.scopes) <= allowed:
            raise TokenRefused(
                "unauthorized_client",
                "Client is unauthorized to retrieve access tokens using this method, or client not authorized for any "
                "of the scopes requested.",
                401,
            )
        return self._answer(box.grants.add_access(account.address, claims.scopes), claims.scopes, None)

    def _usable(self, address: str) -> Account:
        account = self._box.accounts.get(address.lower())
        if account is None:
            raise dead_grant("Account has been deleted")
        if not account.enabled:
            raise dead_grant("Account disabled")
        if account.refused:
            raise TokenRefused(account.refused, "Bad Request")
        return account

    def _answer(
        self, access: Access, scopes: Iterable[str], account: Account | None, nonce: str = ""
    ) -> dict[str, Any]:
        names = tuple(scopes)
        seconds = max(0, int(access.expires - self._box.grants.clock()))
        answer: dict[str, Any] = {
            "access_token": access.token,
            "expires_in": seconds,
            "scope": " ".join(names),
            "token_type": "Bearer",
        }
        if account is None or "openid" not in names:
            return answer
        claims: dict[str, Any] = {"sub": account.subject, "hd": account.tenant, "nonce": nonce}
        if EMAIL in names:
            claims |= {"email": account.address, "email_verified": True}
        if PROFILE in names:
            claims |= {"name": account.name}
        now = self._box.clock()
        signed = id_token(self._box.issuer, self._box.client_id, claims, access_token=access.token, now=now)
        return {**answer, "id_token": signed}


def _check_verifier(code: Code, verifier: str) -> None:
    if not code.challenge:
        return
    if not verifier:
        raise dead_grant("Missing code verifier.")
    digest = hashlib.sha256(verifier.encode()).digest()
    made = base64.urlsafe_b64encode(digest).rstrip(b"=").decode() if code.challenge_method == "S256" else verifier
    if not secrets.compare_digest(made, code.challenge):
        raise dead_grant("Invalid code verifier.")
