"""The client of Entra ID: consents, refreshes and app tokens by msal, each in a thread, with a deadline."""

import hmac
import json
import re
import ssl
import time
from collections.abc import Callable, Mapping
from typing import Any, Final
from urllib.parse import parse_qsl, urlencode, urlsplit, urlunsplit

from config.oauth import consents, issuers, microsoft_codes
from config.oauth.microsoft_app import Entra, EntraApp, Got, Refused, claims, scopes
from config.oauth.microsoft_http import Documents
from config.oauth.microsoft_identity import identity
from config.oauth.provider import ConsentRefused
from config.oauth.replies import of_fields, parsed, seconds
from config.oauth.scopes import (
    has,
    microsoft_app,
    microsoft_asked,
    microsoft_consent,
    microsoft_needed,
    short,
)
from config.oauth.values import AppCredentials, Begun, Provider, TokenSet, Way
from config.oauth.wire import CALL_SECONDS, Calls, NoAnswer, Wire
from config.secrets import Secret
from transports.errors import AccountProblem, Code, PlatformProblem, Temporary

HOUR: Final = 3600.0
_SIGN_IN: Final = ("openid", "profile", "email", "offline_access")
"""What msal asks a person for beside the permissions; where only administrators consent, these need it as well."""
_TENANT: Final = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9.-]{0,251}[A-Za-z0-9])?")
_NO_TENANTS: Final = frozenset({"common", "organizations", "consumers"})


class MicrosoftProvider:
    """An :class:`~config.oauth.provider.OAuthProvider`. Without ``app`` only apps of organisations get tokens.

    ``authority`` is where persons sign in, ``https://login.microsoftonline.com/organizations`` or that of another
    cloud; ``graph_url`` tells which cloud it is. ``large_mails`` asks for drafts and upload sessions as well
    (``Mail.ReadWrite``, which most tenants leave to an administrator). ``wall`` is seconds since the epoch.
    """

    def __init__(
        self,
        app: EntraApp | None,
        *,
        authority: str,
        graph_url: str,
        tls: ssl.SSLContext,
        large_mails: bool = False,
        call_seconds: float = CALL_SECONDS,
        wall: Callable[[], float] = time.time,
    ) -> None:
        self._our_app = app
        self._authority = authority.rstrip("/")
        self._graph_url = graph_url
        self._large_mails = large_mails
        self._wall = wall
        self._wire = Wire(tls)
        self._calls = Calls("entra", seconds=call_seconds)
        self._entra = Entra(self._wire, Documents(), wall=wall)

    @property
    def provider(self) -> Provider:
        """Microsoft."""
        return Provider.MICROSOFT

    @property
    def configured(self) -> bool:
        """Whether there is an app of ours."""
        return self._our_app is not None

    async def begin(self, way: Way, redirect_uri: str, *, login_hint: str = "", select_account: bool = False) -> Begun:
        """Prepares a consent; the provider's discovery document may have to be fetched for it."""
        asked = microsoft_consent(way, self._graph_url, large_mails=self._large_mails)

        def prepare(app: Any) -> Mapping[str, Any]:
            # With another mode msal complains about its weakness; the mode is exchanged below.
            return dict(
                app.initiate_auth_code_flow(
                    list(asked),
                    redirect_uri=redirect_uri,
                    login_hint=login_hint or None,
                    prompt="select_account" if select_account else None,
                    response_mode="form_post",
                )
            )

        flow = dict((await self._ask(self._ours(), self._authority, prepare)).fields)
        # The way back is a GET of the top window: the only one that brings a SameSite=Lax cookie along.
        flow["auth_uri"] = _with(str(flow["auth_uri"]), response_mode="query")
        kept = json.dumps({"way": way.value, "flow": flow})
        return Begun(flow["auth_uri"], str(flow["state"]), Secret(kept))

    async def finish(self, way: Way, flow: Secret, query: Mapping[str, str]) -> TokenSet:
        """Redeems a code; see :class:`~config.oauth.provider.OAuthProvider`."""
        told = parsed(flow.reveal())
        began = told.get("flow")
        if told.get("way") != way.value or not isinstance(began, dict):
            raise ConsentRefused("invalid", "another way")
        if not hmac.compare_digest(str(began.get("state", "")).encode(), query.get("state", "").encode()):
            raise ConsentRefused("invalid", "state")
        issuers.microsoft(query, self._authority)
        if not query.get("code"):
            raise self._came_back(query)
        asked = self._asked(way)
        app = self._ours()
        try:
            got = await self._call(
                app, self._authority, lambda it: it.acquire_token_by_auth_code_flow(began, query), consent=True
            )
        except Refused as error:
            raise consents.at_the_code(error.verdict) from None
        except NoAnswer as error:
            raise ConsentRefused("unavailable", str(error)) from error
        tokens = self._tokens(got, asked)
        if tokens.refresh_token is None:
            raise ConsentRefused("invalid", "no refresh token")
        if not has(tokens.scopes, microsoft_needed(way)):
            raise ConsentRefused("scope_missing", microsoft_needed(way))
        who = identity(claims(got), client_id=app.client_id, issuer=got.issuer, now=self._wall())
        return TokenSet(tokens.access_token, tokens.expires_in, tokens.scopes, tokens.refresh_token, who)

    async def refresh(self, way: Way, refresh_token: Secret, *, tenant: str = "") -> TokenSet:
        """A new access token, and nearly always a new refresh token."""
        asked = self._asked(way)
        authority = self._of_tenant(tenant) if tenant else self._authority
        got = await self._ask(
            self._ours(),
            authority,
            lambda app: app.acquire_token_by_refresh_token(refresh_token.reveal(), scopes=list(asked)),
        )
        return self._tokens(got, asked)

    async def app_token(self, way: Way, credentials: AppCredentials) -> TokenSet:
        """A token of an app that the organisation registered in its own tenant."""
        app = EntraApp(credentials.client_id, credentials.secret, credentials.certificate)
        try:
            app.credential()
        except ValueError:
            raise AccountProblem(Code.APP_CREDENTIALS, "the certificate cannot be used") from None
        if not _TENANT.fullmatch(credentials.tenant) or credentials.tenant.lower() in _NO_TENANTS:
            raise AccountProblem(Code.APP_CREDENTIALS, "the tenant is not one")
        asked = microsoft_app(way, self._graph_url)
        got = await self._ask(
            app,
            self._of_tenant(credentials.tenant),
            lambda it: it.acquire_token_for_client(scopes=[asked]),
            own_app=True,
        )
        return self._tokens(got, (asked,))

    async def revoke(self, refresh_token: Secret) -> bool:
        """Entra ID has no such thing: a person or an administrator takes a consent back there."""
        return False

    def admin_consent_url(self, way: Way, redirect_uri: str, state: str) -> str:
        """Where an administrator consents for the tenant; the ``tenant`` that comes back must not be believed."""
        if self._our_app is None:
            return ""
        fields = {
            "client_id": self._our_app.client_id,
            "scope": " ".join((*self._asked(way), *_SIGN_IN)),
            "redirect_uri": redirect_uri,
            "state": state,
        }
        return f"{self._of_tenant('organizations')}/v2.0/adminconsent?{urlencode(fields)}"

    async def aclose(self) -> None:
        """Begins no more calls."""
        self._calls.close()

    def _asked(self, way: Way) -> tuple[str, ...]:
        return microsoft_asked(way, self._graph_url, large_mails=self._large_mails)

    def _ours(self) -> EntraApp:
        if self._our_app is None:
            raise PlatformProblem(Code.PLATFORM_SETTINGS, "no app at Microsoft")
        return self._our_app

    def _of_tenant(self, tenant: str) -> str:
        return f"{self._authority.rpartition('/')[0]}/{tenant}"

    def _came_back(self, query: Mapping[str, str]) -> Exception:
        if not query.get("error"):
            return ConsentRefused("invalid", "neither code nor error")
        refusal = of_fields(query)
        return consents.at_the_browser(refusal, microsoft_codes.classify(refusal))

    async def _call(
        self,
        app: EntraApp,
        authority: str,
        what: Callable[[Any], Mapping[str, Any]],
        *,
        own_app: bool = False,
        consent: bool = False,
    ) -> Got:
        return await self._calls.run(
            lambda deadline: self._entra.ask(app, authority, deadline, what, own_app=own_app, consent=consent)
        )

    async def _ask(
        self, app: EntraApp, authority: str, what: Callable[[Any], Mapping[str, Any]], *, own_app: bool = False
    ) -> Got:
        try:
            return await self._call(app, authority, what, own_app=own_app)
        except Refused as error:
            raise error.verdict.exception() from None
        except NoAnswer as error:
            raise Temporary(Code.SIGN_IN_UNAVAILABLE, str(error)) from error

    def _tokens(self, got: Got, asked: tuple[str, ...]) -> TokenSet:
        fresh = got.fields.get("refresh_token")
        return TokenSet(
            Secret(str(got.fields["access_token"])),
            seconds(got.fields.get("expires_in"), HOUR),
            short(scopes(got, asked)),
            Secret(fresh) if isinstance(fresh, str) and fresh else None,
        )


def _with(url: str, **changed: str) -> str:
    parts = urlsplit(url)
    fields = {**dict(parse_qsl(parts.query, keep_blank_values=True)), **changed}
    return urlunsplit(parts._replace(query=urlencode(fields)))
