"""Google's authorisation endpoint, without its pages: what is asked for, who may say yes, and what the yes gives.

Rules of *Using OAuth 2.0 for Web Server Applications* and of *OpenID Connect* in Google's identity documents.
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final
from urllib.parse import urlencode

from deploy.local.providers.google_grants import (
    CODE_SECONDS,
    FULL_MAIL,
    GMAIL_SEND,
    SIGN_IN,
    Code,
    Grants,
    full_scopes,
)

PATH: Final = "/o/oauth2/v2/auth"
SCOPES: Final[Mapping[str, str]] = {
    "openid": "Associate you with your personal info on Google",
    SIGN_IN[1]: "See your primary Google Account email address",
    SIGN_IN[2]: "See your personal info, including any personal info you've made publicly available",
    GMAIL_SEND: "Send email on your behalf",
    FULL_MAIL: "Read, compose, send, and permanently delete all your email from Gmail",
    "https://www.googleapis.com/auth/gmail.compose": "Manage drafts and send emails",
    "https://www.googleapis.com/auth/gmail.modify": "Read, compose, and send emails from your Gmail account",
    "https://www.googleapis.com/auth/gmail.readonly": "View your email messages and settings",
    "https://www.googleapis.com/auth/gmail.metadata": "View your email message metadata",
    "https://www.googleapis.com/auth/gmail.settings.basic": "See, edit, create, or change your email settings",
}
_CHALLENGE: Final = re.compile(r"[A-Za-z0-9._~-]{43,128}")


class PageRefused(Exception):
    """An error that Google shows to the person, and never sends back to the app."""

    def __init__(self, error: str, text: str, status: int = 400) -> None:
        super().__init__(f"{error}: {text}")
        self.error, self.text, self.status = error, text, status


@dataclass(frozen=True, slots=True)
class Asked:
    """A valid request for a consent."""

    redirect_uri: str
    scopes: tuple[str, ...]
    state: str
    nonce: str
    challenge: str
    challenge_method: str
    offline: bool
    prompts: frozenset[str]
    hint: str
    domain: str
    together: bool

    def back(self, **parameters: str) -> str:
        """The way back to the app, with these parameters and the state."""
        kept = {name: value for name, value in {"state": self.state, **parameters}.items() if value}
        return f"{self.redirect_uri}{'&' if '?' in self.redirect_uri else '?'}{urlencode(kept)}"

    def fits(self, domain: str) -> bool:
        """Whether the chooser offers accounts of this Workspace domain (empty: gmail.com); ``*`` asks for any."""
        return not self.domain or (bool(domain) if self.domain == "*" else domain == self.domain)


def asked(query: Mapping[str, str], client_id: str, redirect_uris: Iterable[str], *, require_pkce: bool) -> Asked:
    """The request in a query.

    Raises:
        PageRefused: it is not valid.
    """
    if query.get("client_id") != client_id:
        raise PageRefused("invalid_client", "The OAuth client was not found.", 401)
    redirect_uri = query.get("redirect_uri", "")
    if redirect_uri not in set(redirect_uris):
        raise PageRefused("redirect_uri_mismatch", "The redirect URI is not among those registered for this client.")
    if query.get("response_type") != "code":
        raise PageRefused("invalid_request", "Required parameter is missing or not supported: response_type")
    scopes = full_scopes(query.get("scope", "").split())
    if not scopes:
        raise PageRefused("invalid_request", "Missing required parameter: scope")
    unknown = [scope for scope in scopes if scope not in SCOPES]
    if unknown:
        raise PageRefused("invalid_scope", f"Some requested scopes were invalid: {unknown}")
    challenge, method = query.get("code_challenge", ""), query.get("code_challenge_method", "plain")
    if require_pkce and (method != "S256" or not challenge):
        raise PageRefused("invalid_request", "Missing required parameter: code_challenge, by the method S256")
    if challenge and (method not in ("S256", "plain") or _CHALLENGE.fullmatch(challenge) is None):
        raise PageRefused("invalid_request", "Invalid parameter value for code_challenge")
    access_type = query.get("access_type", "online")
    prompts = frozenset(query.get("prompt", "").split())
    if access_type not in ("online", "offline"):
        raise PageRefused("invalid_request", "Invalid parameter value for access_type")
    if not prompts <= {"none", "consent", "select_account"} or ("none" in prompts and len(prompts) > 1):
        raise PageRefused("invalid_request", "Invalid parameter value for prompt")
    return Asked(
        redirect_uri,
        scopes,
        query.get("state", ""),
        query.get("nonce", ""),
        challenge,
        method,
        access_type == "offline",
        prompts,
        query.get("login_hint", ""),
        query.get("hd", ""),
        query.get("include_granted_scopes") == "true",
    )


def must_ask(request: Asked, grants: Grants, account: str) -> bool:
    """Whether the consent page is shown: always on demand, else only when something new is asked for."""
    given = grants.consents.get(account, ())
    return "consent" in request.prompts or not set(request.scopes) <= set(given)


def agreed(request: Asked, grants: Grants, account: str, chosen: Sequence[str], *, issuer: str, domain: str) -> str:
    """The way back after a yes to ``chosen`` (the scopes left ticked).

    A refresh token will come with the code only for offline access, and only the first time or when the page was
    shown on demand.
    """
    before = grants.consents.get(account, ())
    scopes = tuple(scope for scope in request.scopes if scope in chosen)
    if not scopes:
        return request.back(error="access_denied")
    first, prompt = account not in grants.consents, "consent" if must_ask(request, grants, account) else "none"
    grants.consents[account] = tuple(dict.fromkeys((*before, *scopes)))
    if request.together:
        scopes = grants.consents[account]
    code = grants.add_code(
        Code(
            account,
            scopes,
            request.redirect_uri,
            request.challenge,
            request.challenge_method,
            request.nonce,
            request.offline and (first or "consent" in request.prompts),
            grants.clock() + CODE_SECONDS,
        )
    )
    return request.back(iss=issuer, code=code, scope=" ".join(scopes), authuser="0", hd=domain, prompt=prompt)
