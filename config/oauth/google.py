"""The client of Google's tokens: consents by google-auth-oauthlib, the rest by google-auth, each in a thread."""

import hmac
import json
import secrets
import ssl
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from google.oauth2.credentials import Credentials
from google_auth_oauthlib.flow import Flow

from config.oauth import consents, google_codes, issuers
from config.oauth.google_app import service_account_of
from config.oauth.google_http import CallRequest, Google, Refused
from config.oauth.google_identity import identity
from config.oauth.provider import ConsentRefused
from config.oauth.replies import of_fields, parsed, refusal, seconds
from config.oauth.scopes import google_asked, google_needed, has
from config.oauth.values import AppCredentials, Begun, Provider, TokenSet, Way
from config.oauth.wire import CALL_SECONDS, Calls, NoAnswer, Wire
from config.secrets import Secret
from transports.errors import AccountProblem, Code, PlatformProblem, Temporary

HOUR: Final = 3600.0
_GONE_ALREADY: Final = 400
_FORM: Final = {"Content-Type": "application/x-www-form-urlencoded"}


@dataclass(frozen=True, slots=True)
class GoogleClient:
    """The platform's OAuth client."""

    client_id: str
    secret: Secret = field(repr=False)


@dataclass(frozen=True, slots=True)
class GoogleUrls:
    """Where Google is: the consent page, the token endpoint and the one that takes grants back."""

    auth: str = "https://accounts.google.com/o/oauth2/v2/auth"
    token: str = "https://oauth2.googleapis.com/token"  # noqa: S105 - an address
    revoke: str = "https://oauth2.googleapis.com/revoke"


class GoogleProvider:
    """An :class:`~config.oauth.provider.OAuthProvider`. Without ``client`` only service accounts get tokens.

    ``wall`` is seconds since the epoch.
    """

    def __init__(
        self,
        client: GoogleClient | None,
        *,
        tls: ssl.SSLContext,
        urls: GoogleUrls | None = None,
        call_seconds: float = CALL_SECONDS,
        wall: Callable[[], float] = time.time,
    ) -> None:
        self._client = client
        self._urls = urls or GoogleUrls()
        self._wall = wall
        self._wire = Wire(tls)
        self._calls = Calls("google", seconds=call_seconds)
        self._google = Google(self._wire, wall=wall)

    @property
    def provider(self) -> Provider:
        """Google."""
        return Provider.GOOGLE

    @property
    def configured(self) -> bool:
        """Whether there is an OAuth client of ours."""
        return self._client is not None

    async def begin(self, way: Way, redirect_uri: str, *, login_hint: str = "", select_account: bool = False) -> Begun:
        """Prepares a consent. Nothing is asked of the network."""
        flow = self._flow(way, redirect_uri)
        nonce = secrets.token_urlsafe(24)
        # Without "consent" there is no refresh token for somebody who consented before.
        prompt = "select_account consent" if select_account else "consent"
        extra = {"login_hint": login_hint} if login_hint else {}
        state = secrets.token_urlsafe(24)
        url, _ = flow.authorization_url(access_type="offline", prompt=prompt, nonce=nonce, state=state, **extra)
        kept = {
            "way": way.value,
            "redirect_uri": redirect_uri,
            "state": state,
            "nonce": nonce,
            "code_verifier": flow.code_verifier,
        }
        return Begun(url, state, Secret(json.dumps(kept)))

    async def finish(self, way: Way, flow: Secret, query: Mapping[str, str]) -> TokenSet:
        """Redeems a code; see :class:`~config.oauth.provider.OAuthProvider`."""
        kept = parsed(flow.reveal())
        if kept.get("way") != way.value:
            raise ConsentRefused("invalid", "another way")
        if not hmac.compare_digest(str(kept.get("state", "")).encode(), query.get("state", "").encode()):
            raise ConsentRefused("invalid", "state")
        issuers.google(query, self._urls.auth)
        code = query.get("code")
        if not code:
            raise _came_back(query)
        client = self._ours()
        began = self._flow(way, str(kept["redirect_uri"]), verifier=str(kept["code_verifier"]))
        try:
            fields = await self._calls.run(lambda deadline: self._google.redeem(began, code, deadline))
        except Refused as error:
            raise consents.at_the_code(error.verdict) from None
        except NoAnswer as error:
            raise ConsentRefused("unavailable", str(error)) from error
        tokens = _tokens(fields, google_asked(way))
        if not has(tokens.scopes, google_needed(way)):
            # Not given back: that would end every grant of this account, the one in use included.
            raise ConsentRefused("scope_missing", google_needed(way))
        if tokens.refresh_token is None:
            raise ConsentRefused("invalid", "no refresh token")
        who = identity(
            fields.get("id_token"),
            client_id=client.client_id,
            nonce=str(kept["nonce"]),
            auth_url=self._urls.auth,
            now=self._wall(),
        )
        return TokenSet(tokens.access_token, tokens.expires_in, tokens.scopes, tokens.refresh_token, who)

    async def refresh(self, way: Way, refresh_token: Secret, *, tenant: str = "") -> TokenSet:
        """A new access token; the refresh token stays, as a rule."""
        client = self._ours()
        make: Any = Credentials
        credentials = make(
            None,
            refresh_token=refresh_token.reveal(),
            token_uri=self._urls.token,
            client_id=client.client_id,
            client_secret=client.secret.reveal(),
        )
        return _tokens(await self._ask(credentials.refresh), (google_needed(way),), used=refresh_token)

    async def app_token(self, way: Way, credentials: AppCredentials) -> TokenSet:
        """A token of a service account of the organisation, for its mailbox."""
        needed = google_needed(way)
        try:
            account = service_account_of(credentials, needed, self._urls.token)
        except ValueError:
            raise AccountProblem(Code.APP_CREDENTIALS, "the key cannot be used") from None
        return _tokens(await self._ask(account.refresh, own_app=True), (needed,))

    async def revoke(self, refresh_token: Secret) -> bool:
        """Ends a grant; one that Google does not know any more has ended as well."""
        try:
            reply = await self._calls.run(
                lambda deadline: self._wire.send(
                    "POST",
                    self._urls.revoke,
                    deadline=deadline,
                    data={"token": refresh_token.reveal()},
                    headers=_FORM,
                )
            )
        except NoAnswer as error:
            raise Temporary(Code.SIGN_IN_UNAVAILABLE, str(error)) from error
        if reply.status < _GONE_ALREADY:
            return True
        found = refusal(reply, now=self._wall())
        if found.error in ("invalid_token", "invalid_grant"):
            return True
        raise Temporary(Code.SIGN_IN_UNAVAILABLE, f"revocation {reply.status}", retry_after=found.retry_after)

    def admin_consent_url(self, way: Way, redirect_uri: str, state: str) -> str:
        """Empty: a Workspace administrator allows an app in the Admin console."""
        return ""

    async def aclose(self) -> None:
        """Begins no more calls."""
        self._calls.close()

    def _ours(self) -> GoogleClient:
        if self._client is None:
            raise PlatformProblem(Code.PLATFORM_SETTINGS, "no OAuth client at Google")
        return self._client

    def _flow(self, way: Way, redirect_uri: str, *, verifier: str | None = None) -> Any:
        client = self._ours()
        web = {
            "client_id": client.client_id,
            "client_secret": client.secret.reveal(),
            "auth_uri": self._urls.auth,
            "token_uri": self._urls.token,
        }
        return Flow.from_client_config(
            {"web": web}, list(google_asked(way)), redirect_uri=redirect_uri, code_verifier=verifier
        )

    async def _ask(self, what: Callable[[CallRequest], object], *, own_app: bool = False) -> Mapping[str, Any]:
        try:
            return await self._calls.run(lambda deadline: self._google.ask(deadline, what, own_app=own_app))
        except Refused as error:
            raise error.verdict.exception() from None
        except NoAnswer as error:
            raise Temporary(Code.SIGN_IN_UNAVAILABLE, str(error)) from error


def _came_back(query: Mapping[str, str]) -> Exception:
    if not query.get("error"):
        return ConsentRefused("invalid", "neither code nor error")
    found = of_fields(query)
    return consents.at_the_browser(found, google_codes.classify(found))


def _tokens(fields: Mapping[str, Any], asked: tuple[str, ...], *, used: Secret | None = None) -> TokenSet:
    granted, fresh = fields.get("scope"), fields.get("refresh_token")
    rotated = Secret(fresh) if isinstance(fresh, str) and fresh else None
    return TokenSet(
        Secret(str(fields["access_token"])),
        seconds(fields.get("expires_in"), HOUR),
        frozenset(granted.split()) if isinstance(granted, str) and granted else frozenset(asked),
        None if rotated == used else rotated,
    )
