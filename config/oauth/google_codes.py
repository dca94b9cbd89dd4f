"""What the refusals of Google's token endpoint mean, as data, and how a refusal is looked up.

Google has no numbers: one ``error`` stands for several causes, which only the description (or ``error_subtype``) tells
apart. Words are looked for in the lower-case description and never kept.
"""

from collections.abc import Sequence
from typing import Final

from config.oauth.codes import Refusal, Row, Verdict, as_own_app, first, first_in, of_row, passing, unknown
from transports.errors import AccountProblem, Code, PlatformProblem, Temporary

OAUTH: Final = "RFC 6749 §5.2 and §4.1.2.1"
OPENID: Final = "OpenID Connect Core 1.0 §3.1.2.6"
IDENTITY: Final = "Google: Using OAuth 2.0 for web server applications, errors"
EXPIRY: Final = "Google: Using OAuth 2.0, refresh token expiration"
DELEGATION: Final = "Google: Using OAuth 2.0 for server to server applications, JWT error codes"
SESSIONS: Final = "google-auth oauth2/reauth.py (session control)"
CLIENT: Final = "google-auth oauth2/_client.py (retryable errors)"

TEXT_ROWS: Final = {
    "invalid_grant": (
        Row("account has been deleted", AccountProblem, Code.ACCOUNT_SUSPENDED, EXPIRY),
        Row("account deleted", AccountProblem, Code.ACCOUNT_SUSPENDED, EXPIRY),
        Row("disabled", AccountProblem, Code.ACCOUNT_SUSPENDED, EXPIRY),
        Row("suspended", AccountProblem, Code.ACCOUNT_SUSPENDED, EXPIRY),
    ),
}
"""A person's consent: ``error``, then words of the description."""

SUBTYPE_ROWS: Final = (
    Row("invalid_rapt", AccountProblem, Code.RECONNECTION_NEEDED, SESSIONS),
    Row("rapt_required", AccountProblem, Code.RECONNECTION_NEEDED, SESSIONS),
)

ERROR_ROWS: Final = (
    Row("invalid_grant", AccountProblem, Code.RECONNECTION_NEEDED, EXPIRY),
    Row("interaction_required", AccountProblem, Code.RECONNECTION_NEEDED, OPENID),
    Row("login_required", AccountProblem, Code.RECONNECTION_NEEDED, OPENID),
    Row("account_selection_required", AccountProblem, Code.RECONNECTION_NEEDED, OPENID),
    Row("consent_required", AccountProblem, Code.RECONNECTION_NEEDED, OPENID),
    Row("admin_policy_enforced", AccountProblem, Code.ACCESS_POLICY, IDENTITY),
    Row("policy_enforced", AccountProblem, Code.ACCESS_POLICY, IDENTITY),
    Row("access_denied", AccountProblem, Code.ACCESS_POLICY, OAUTH),
    Row("invalid_client", PlatformProblem, Code.PLATFORM_CREDENTIALS, IDENTITY),
    Row("deleted_client", PlatformProblem, Code.PLATFORM_CREDENTIALS, IDENTITY),
    Row("disabled_client", PlatformProblem, Code.PLATFORM_CREDENTIALS, IDENTITY),
    # A refresh token of another client: ours was exchanged, no account is to blame.
    Row("unauthorized_client", PlatformProblem, Code.PLATFORM_CREDENTIALS, OAUTH),
    Row("restricted_client", PlatformProblem, Code.PLATFORM_SETTINGS, IDENTITY),
    Row("org_internal", PlatformProblem, Code.PLATFORM_SETTINGS, IDENTITY),
    Row("redirect_uri_mismatch", PlatformProblem, Code.PLATFORM_SETTINGS, IDENTITY),
    Row("invalid_scope", PlatformProblem, Code.PLATFORM_SETTINGS, OAUTH),
    Row("unsupported_grant_type", PlatformProblem, Code.INTERNAL_ERROR, OAUTH),
    Row("unsupported_response_type", PlatformProblem, Code.INTERNAL_ERROR, OAUTH),
    Row("internal_failure", Temporary, Code.SIGN_IN_UNAVAILABLE, CLIENT),
    Row("server_error", Temporary, Code.SIGN_IN_UNAVAILABLE, CLIENT),
    Row("temporarily_unavailable", Temporary, Code.SIGN_IN_UNAVAILABLE, CLIENT),
)

APP_TEXT_ROWS: Final = {
    "invalid_grant": (
        # iat and exp are written by our clock.
        Row("short-lived token", PlatformProblem, Code.INTERNAL_ERROR, DELEGATION),
        Row("reasonable timeframe", PlatformProblem, Code.INTERNAL_ERROR, DELEGATION),
        Row("invalid email", AccountProblem, Code.MAILBOX_UNAVAILABLE, DELEGATION),
        Row("not a valid email", AccountProblem, Code.MAILBOX_UNAVAILABLE, DELEGATION),
        Row("account has been deleted", AccountProblem, Code.ACCOUNT_SUSPENDED, EXPIRY),
        Row("disabled", AccountProblem, Code.ACCOUNT_SUSPENDED, EXPIRY),
        Row("suspended", AccountProblem, Code.ACCOUNT_SUSPENDED, EXPIRY),
        Row("account not found", AccountProblem, Code.APP_CREDENTIALS, DELEGATION),
        Row("signature", AccountProblem, Code.APP_CREDENTIALS, DELEGATION),
    ),
    "invalid_request": (Row("invalid principal", AccountProblem, Code.APP_CREDENTIALS, DELEGATION),),
}

APP_ERROR_ROWS: Final = (
    Row("invalid_grant", AccountProblem, Code.APP_CREDENTIALS, DELEGATION),
    Row("invalid_client", AccountProblem, Code.APP_CREDENTIALS, DELEGATION),
    # The Workspace's administrator has not allowed this client id, or not these scopes (yet).
    Row("unauthorized_client", AccountProblem, Code.ADMIN_CONSENT_NEEDED, DELEGATION),
    Row("access_denied", AccountProblem, Code.ADMIN_CONSENT_NEEDED, DELEGATION),
    Row("invalid_scope", AccountProblem, Code.ADMIN_CONSENT_NEEDED, DELEGATION),
    Row("disabled_client", AccountProblem, Code.APP_CREDENTIALS, DELEGATION),
    Row("deleted_client", AccountProblem, Code.APP_CREDENTIALS, DELEGATION),
)
"""A service account of the organisation; what is missing here is looked up as for a person's consent."""


def classify(refusal: Refusal, *, own_app: bool = False) -> Verdict:
    """What a refusal means. ``own_app``: a service account of the organisation was refused, not our client."""
    if (verdict := passing(refusal)) is not None:
        return verdict
    texts, errors = (APP_TEXT_ROWS, (*APP_ERROR_ROWS, *ERROR_ROWS)) if own_app else (TEXT_ROWS, ERROR_ROWS)
    row = _row(refusal, texts.get(refusal.error, ()), errors)
    if row is None:
        return unknown(refusal)
    detail = f"{refusal.error} {row.when}" if row in SUBTYPE_ROWS else refusal.error
    verdict = of_row(row, detail, refusal)
    return as_own_app(verdict) if own_app else verdict


def _row(refusal: Refusal, texts: Sequence[Row], errors: Sequence[Row]) -> Row | None:
    subtype = first(SUBTYPE_ROWS, refusal.suberror) if refusal.error == "invalid_grant" else None
    return subtype or first_in(texts, refusal.text) or first(errors, refusal.error)
