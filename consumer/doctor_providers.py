"""What ``mailroom doctor`` looks at for Microsoft 365 and Google: the platform's app at each, and the way there.

Nothing is signed in and nothing sent; whether an organisation's own account works is said by ``organizations test``.
"""

import asyncio
import json
import ssl
from collections.abc import AsyncIterator
from datetime import datetime
from typing import Final

from config import key_pair
from config.errors import ConfigurationError
from config.oauth import clients
from config.oauth.provider import OAuthProvider
from config.oauth.values import Provider, Way
from config.process import Settings
from config.secrets import Secret
from consumer.doctor_check import Check
from transports.errors import AccountProblem, DeliveryError, PlatformProblem
from transports.http import Http, Reply

_SECONDS: Final = 15.0
_EXPIRES_SOON: Final = 30
"""A certificate that is valid for fewer days than this is worth a word."""

_NO_APP: Final = frozenset({"AADSTS700016", "AADSTS7000112", "AADSTS70001"})
"""Said of an app that is not in an organisation's directory, and in the same words of one that is nowhere."""

_NO_TOKEN: Final = Secret("no-token-of-anybody")
_MICROSOFT: Final = "microsoft 365 app"
_GOOGLE: Final = "google app"
_REACH: Final = "check the address, and that the network lets this machine out (TLS to port 443)"
_RENEW: Final = (
    "make a new certificate, add it to the app registration, and give it in MAILROOM_MICROSOFT_CERTIFICATE_FILE"
)


async def examine(settings: Settings, tls: ssl.SSLContext, now: datetime) -> AsyncIterator[Check]:
    """One check after the other; never raises for a finding."""
    http = Http(tls, connect_timeout=_SECONDS)
    try:
        known = clients.providers(settings, tls)
    except ConfigurationError as error:
        yield Check(_MICROSOFT, False, str(error))
        return
    try:
        async for check in _microsoft(settings, http, known[Provider.MICROSOFT], now):
            yield check
        async for check in _google(settings, http, known[Provider.GOOGLE]):
            yield check
    finally:
        for client in known.values():
            await client.aclose()
        await http.aclose()


async def _microsoft(settings: Settings, http: Http, client: OAuthProvider, now: datetime) -> AsyncIterator[Check]:
    if settings.microsoft_client_id is None:
        advice = "without MAILROOM_MICROSOFT_CLIENT_ID nobody can connect an account; an organisation's own app can"
        yield Check(_MICROSOFT, None, "not configured", advice)
        return
    if settings.microsoft_certificate_file is None:
        yield Check(_MICROSOFT, True, f"{settings.microsoft_client_id}, with a client secret")
    else:
        yield _certificate(settings, now)
    found = await _discovered(http, f"{settings.microsoft_authority}/v2.0/.well-known/openid-configuration")
    yield found
    if found.ok:
        yield await _accepted(f"{_MICROSOFT}: sign-in", client, "MAILROOM_MICROSOFT_CLIENT_ID and its secret")
    yield await _answers(http, f"{_MICROSOFT}: graph", settings.graph_url)


def _certificate(settings: Settings, now: datetime) -> Check:
    path = settings.microsoft_certificate_file
    try:
        expires = key_pair.check(path) if path is not None else now
    except ValueError as error:  # it was there when the settings were read
        return Check(_MICROSOFT, False, f"{path}: {error}")
    days = (expires - now).days
    found = f"{settings.microsoft_client_id}, with a certificate that expires on {expires:%Y-%m-%d}"
    if days < 0:
        return Check(_MICROSOFT, False, f"{found}: no mail leaves by Microsoft 365 any more", _RENEW)
    return Check(_MICROSOFT, True, found, f"{days} days left: {_RENEW}" if days < _EXPIRES_SOON else "")


async def _google(settings: Settings, http: Http, client: OAuthProvider) -> AsyncIterator[Check]:
    if settings.google_client_id is None:
        advice = "without MAILROOM_GOOGLE_CLIENT_ID nobody can connect an account; a service account still can"
        yield Check(_GOOGLE, None, "not configured", advice)
        return
    yield Check(_GOOGLE, True, f"{settings.google_client_id}, with a client secret")
    found = await _answers(http, f"{_GOOGLE}: tokens", settings.google_token_url)
    yield found
    if found.ok:
        yield await _accepted(f"{_GOOGLE}: sign-in", client, "MAILROOM_GOOGLE_CLIENT_ID and its secret")
    yield await _answers(http, f"{_GOOGLE}: gmail", settings.gmail_url)


async def _discovered(http: Http, url: str) -> Check:
    """Entra's description of itself (OpenID Connect Discovery 1.0 §4): without it no token can be asked for."""
    name = f"{_MICROSOFT}: authority"
    reply = await _get(http, url)
    if isinstance(reply, str):
        return Check(name, False, reply, f"MAILROOM_MICROSOFT_AUTHORITY: {_REACH}")
    try:
        known = json.loads(reply.body)
    except ValueError:
        known = None
    if reply.status != 200 or not isinstance(known, dict) or "token_endpoint" not in known:
        advice = "MAILROOM_MICROSOFT_AUTHORITY must be an authority of Entra ID, such as …/organizations"
        return Check(name, False, f"answers {reply.status}, and not with what an authority says of itself", advice)
    return Check(name, True, "reachable")


async def _answers(http: Http, name: str, url: str) -> Check:
    """Whether there is a server at all; what it says to a request without a token does not matter."""
    reply = await _get(http, url)
    return Check(name, False, reply, _REACH) if isinstance(reply, str) else Check(name, True, "reachable")


async def _accepted(name: str, client: OAuthProvider, what: str) -> Check:
    """Whether the app itself is refused. A refresh token that never was must be refused, for another reason."""
    try:
        await client.refresh(Way.API, _NO_TOKEN)
    except PlatformProblem as error:
        advice = f"check {what}, and that neither has expired: no account of this provider gets tokens until then"
        return Check(name, False, f"{error.code} {error.detail}".strip(), advice)
    except AccountProblem as error:
        if error.detail in _NO_APP:
            found = f"{error.detail}: Entra ID does not find this app, or found it disabled, at this authority"
            advice = f"check {what}: until then every account that is connected is told that its grant is refused"
            return Check(name, False, found, advice)
        return Check(name, True, "the app is not refused")
    except DeliveryError as error:
        return Check(name, None, f"{error.code} {error.detail}".strip(), "try again later")
    return Check(name, None, "answers what no provider answers")


async def _get(http: Http, url: str) -> Reply | str:
    deadline = asyncio.get_running_loop().time() + _SECONDS
    try:
        return await http.request("GET", url, deadline=deadline, headers={}, final=False, max_reply=1 << 20)
    except DeliveryError as error:
        return f"{error.code} {error.detail}".strip()
