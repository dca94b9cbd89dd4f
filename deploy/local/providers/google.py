"""A stand-in for Google: accounts, consents, tokens and the Gmail API, as strict as the real one where it is known."""

import json
import re
import secrets
import ssl
import time
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any, Final
from urllib.parse import parse_qsl, urlsplit

from aiohttp import web

from deploy.local.providers import gmail_errors
from deploy.local.providers.base import ProviderSandbox
from deploy.local.providers.base_values import Account, Consent, Mail
from deploy.local.providers.gmail import GmailEndpoints, error_response
from deploy.local.providers.gmail_errors import ApiError
from deploy.local.providers.gmail_quotas import Quotas
from deploy.local.providers.google_consent import PATH
from deploy.local.providers.google_grants import EMAIL, GMAIL_SEND, Grants, full_scopes
from deploy.local.providers.google_keys import ServiceAccount
from deploy.local.providers.google_oauth import OAuthEndpoints
from deploy.local.providers.google_oauth_tokens import TokenEndpoint

HOSTS: Final = ("accounts.google.com", "oauth2.googleapis.com", "www.googleapis.com", "gmail.googleapis.com")
SCOPES: Final = ("openid", EMAIL, GMAIL_SEND)
_TIMESTAMP: Final = re.compile(r"\d{4}-\d\d-\d\dT\S+Z")


class GoogleSandbox(ProviderSandbox[Account]):
    """Google's servers; a context manager. An account's ``tenant`` is its Workspace domain, empty for gmail.com.

    ``quotas`` has the sending limits. ``grants.testing``: refresh tokens live for seven days. With
    ``revoke_whole_consent`` (as at Google) one revoked token ends all of that account for this client. ``issuer`` is
    that of ID tokens.
    """

    def __init__(
        self,
        *,
        tls: ssl.SSLContext | None = None,
        ca_file: Path | None = None,
        clock: Callable[[], float] = time.time,
        arrived: Callable[[Mail], None] = lambda _: None,
        issuer: str | None = None,
    ) -> None:
        super().__init__(names=HOSTS, tls=tls, ca_file=ca_file, clock=clock, arrived=arrived)
        self.client_id = f"{secrets.randbelow(10**12):012d}-{secrets.token_hex(16)}.apps.googleusercontent.com"
        self.client_secret = f"GOCSPX-{secrets.token_urlsafe(21)}"
        self.client_deleted = self.secret_expired = False
        self.api_enabled = True
        self.require_pkce = True
        self.revoke_whole_consent = True
        self.grants = Grants(self._now)
        self.quotas = Quotas()
        self.service_accounts: dict[str, ServiceAccount] = {}
        self._issuer = issuer
        self._oauth = OAuthEndpoints(self)
        self._gmail = GmailEndpoints(self)
        self._tokens = TokenEndpoint(self)

    def _now(self) -> float:
        return self.clock()  # whichever it is by then

    @property
    def issuer(self) -> str:
        """The ``iss`` of ID tokens."""
        return self._issuer or self.url

    @property
    def auth_url(self) -> str:
        """Where a person consents."""
        return f"{self.url}{PATH}"

    @property
    def token_url(self) -> str:
        """Where tokens are given."""
        return f"{self.url}/token"

    @property
    def settings(self) -> dict[str, str]:
        """What Mailroom must be told."""
        return {
            "MAILROOM_GOOGLE_CLIENT_ID": self.client_id,
            "MAILROOM_GOOGLE_CLIENT_SECRET": self.client_secret,
            "MAILROOM_GOOGLE_AUTH_URL": self.auth_url,
            "MAILROOM_GOOGLE_TOKEN_URL": self.token_url,
            "MAILROOM_GOOGLE_REVOKE_URL": f"{self.url}/revoke",
            "MAILROOM_GMAIL_URL": self.url,
        }

    def routes(self) -> Iterable[web.AbstractRouteDef]:
        """Those of all of Google's hosts at one address."""
        return (*self._oauth.routes(), *self._tokens.routes(), *self._gmail.routes())

    def add_account(
        self,
        address: str,
        name: str = "",
        *,
        hd: str | None = None,
        aliases: Iterable[str] = (),
        send_as: Iterable[str] = (),
        licensed: bool = True,
        consent: Consent = "user",
    ) -> Account:
        """A new account; ``hd`` is the domain of the address unless given (empty for gmail.com).

        ``send_as`` are accepted send-as addresses, ``aliases`` those that are not verified yet.
        """
        local, _, domain = address.rpartition("@")
        tenant = ("" if domain == "gmail.com" else domain) if hd is None else hd
        made = Account(
            address,
            name or local.capitalize(),
            str(secrets.randbelow(9 * 10**20) + 10**20),
            tenant,
            tuple(aliases),
            tuple(send_as),
            licensed=licensed,
            consent=consent,
        )
        self.accounts[address.lower()] = made
        return made

    def add_service_account(self, name: str = "mailer", project: str = "customer") -> tuple[ServiceAccount, str]:
        """A service account of a customer, and its first key as a JSON text; it may act for nobody yet.

        ``account.delegated["example.org"] = frozenset({scope})`` is what that domain's administrator does.
        """
        email = f"{name}@{project}.iam.gserviceaccount.com"
        made = ServiceAccount(email, str(secrets.randbelow(9 * 10**20) + 10**20), project)
        self.service_accounts[email] = made
        return made, json.dumps(made.add_key(self.token_url))

    def grant(self, address: str, *, scopes: Iterable[str] = SCOPES) -> str:
        """A refresh token, as after a consent."""
        names, account = full_scopes(scopes), self.account(address)
        self.grants.consents[account.address] = names
        return self.grants.add_grant(account.address, names).token

    def token(self, address: str, *, scopes: Iterable[str] = SCOPES, expires_in: float | None = None) -> str:
        """An access token that is good for ``expires_in`` seconds."""
        account = self.account(address)
        return self.grants.add_access(account.address, full_scopes(scopes), expires_in=expires_in).token

    def consent(self, url: str, address: str, *, scopes: Iterable[str] | None = None, decline: bool = False) -> str:
        """What a person does with the page at ``url``: where the browser goes next.

        ``scopes`` are those left ticked, all that are asked for unless given.
        """
        request = self._oauth.asked(dict(parse_qsl(urlsplit(url).query)))
        chosen = request.scopes if scopes is None else full_scopes(scopes)
        return self._oauth.decided(request, self.account(address), None if decline else chosen)

    def revoke(self, address: str) -> None:
        """The person takes the consent back in the account's settings: all tokens end, of either kind."""
        self.grants.end(self.account(address).address, "revoked")
        self.expire_access(address)

    def change_password(self, address: str) -> None:
        """Grants that have to do with mail end, and their access tokens."""
        self.grants.end(self.account(address).address, "password", only_gmail=True)

    def require_sign_in(self, address: str) -> None:
        """The Workspace's session control: refreshing is refused until the person signs in again."""
        self.grants.end(self.account(address).address, "session")

    def expire_access(self, address: str) -> None:
        """All access tokens of the account have expired."""
        self.grants.expire_access(self.account(address).address)

    def expire_secret(self) -> None:
        """The client secret is no longer taken."""
        self.secret_expired = True

    def restore_secret(self) -> None:
        """Undoes that."""
        self.secret_expired = False

    def lock_sending(self, address: str, seconds: float) -> None:
        """The mailbox has reached its daily limit: no sending for ``seconds``, and longer for whoever tries before."""
        self.quotas.lock_sending(self.account(address).address, self.clock() + seconds, seconds)

    def actions(self) -> Mapping[str, Callable[[dict[str, Any]], object]]:
        """Further steps by HTTP."""
        return {
            "change_password": lambda given: self.change_password(str(given["account"])),
            "require_sign_in": lambda given: self.require_sign_in(str(given["account"])),
            "lock_sending": lambda given: self.lock_sending(str(given["account"]), float(given["seconds"])),
            "restore_secret": lambda _: self.restore_secret(),
        }

    def refusal(self, endpoint: str, status: int, retry_after: int | str | None = None) -> web.Response:
        """What Google says when it throttles or fails."""
        headers = {} if retry_after is None else {"Retry-After": str(retry_after)}
        if endpoint.startswith(("token", "revoke", "authorize")):
            known: Mapping[int, str] = {
                429: "rate_limit_exceeded",
                500: "internal_failure",
                503: "temporarily_unavailable",
            }
            body = {"error": known.get(status, "server_error" if status >= 500 else "invalid_request")}
            return web.json_response(body, status=status, headers=headers)
        error = _worded(status, str(retry_after or ""))
        response = error_response(error)
        if not _TIMESTAMP.fullmatch(str(retry_after or "")):
            response.headers.update(headers)
        return response


def _worded(status: int, retry_after: str) -> ApiError:
    if _TIMESTAMP.fullmatch(retry_after):
        text = f"User-rate limit exceeded.  Retry after {retry_after} (Mail sending)"
        return ApiError(status, "userRateLimitExceeded", text, domain="usageLimits")
    match status:
        case 401:
            return gmail_errors.unauthorized()
        case 403 | 429:
            return gmail_errors.too_fast(status)
        case 413:
            return gmail_errors.too_large(0)
        case _ if status >= 500:
            return ApiError(status, "backendError", "Backend Error")
        case _:
            return ApiError(status, "badRequest", "Bad Request")
