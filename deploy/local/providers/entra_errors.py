"""The refusals of Entra ID: its ``AADSTS`` numbers with the OAuth error, status and suberror they come with.

Numbers and meanings are those of Microsoft's page "Microsoft Entra authentication and authorization error codes".
"""

import uuid
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final

_CLAIMS: Final = '{"access_token":{"capolids":{"essential":true,"values":["0e5d5f0d-5b3c-4d7e-9a55-3b1c6f1c5f10"]}}}'


@dataclass(frozen=True, slots=True)
class Reason:
    """What comes with one number: the OAuth ``error``, words, status, ``suberror``, and a claims challenge or none."""

    error: str
    text: str
    status: int = 400
    suberror: str = ""
    claims: bool = False


def _grant(text: str, suberror: str = "", *, claims: bool = False) -> Reason:
    return Reason("invalid_grant", text, 400, suberror, claims)


def _client(text: str, status: int = 401) -> Reason:
    return Reason("invalid_client", text, status)


def _request(text: str) -> Reason:
    return Reason("invalid_request", text)


def _away(text: str) -> Reason:
    return Reason("temporarily_unavailable", text, 503)


REASONS: Final[dict[int, Reason]] = {
    # a person must sign in again
    50173: _grant("The provided grant has expired due to it being revoked, a fresh auth token is needed.", "bad_token"),
    50058: Reason("login_required", "A silent sign-in request was sent but no user is signed in."),
    50074: _grant("Strong Authentication is required.", "basic_action", claims=True),
    50076: _grant(
        "Due to a configuration change made by your administrator, or because you moved to a new location, you must "
        "use multi-factor authentication to access the resource.",
        "basic_action",
        claims=True,
    ),
    50078: _grant("Presented multi-factor authentication has expired due to policies.", "basic_action", claims=True),
    50079: Reason(
        "interaction_required", "The user is required to use multi-factor authentication.", 400, "basic_action", True
    ),
    50089: _grant("Authentication failed due to flow token expired.", "bad_token"),
    50132: _grant(
        "The credentials have been revoked due to a password reset, or are otherwise not valid.", "bad_token"
    ),
    50133: _grant("Session is invalid due to expiration or recent password change.", "bad_token"),
    70000: _grant("Provided grant is invalid or malformed.", "bad_token"),
    70008: _grant("The provided authorization code or refresh token has expired due to inactivity.", "token_expired"),
    70043: _grant("The refresh token has expired or is invalid due to sign-in frequency checks.", "bad_token"),
    700020: _grant("Interaction required: the grant cannot be used silently.", "basic_action"),
    700082: _grant("The refresh token has expired due to inactivity.", "token_expired"),
    700084: _grant("The refresh token was issued to a single page app (SPA), and therefore has a fixed lifetime."),
    # consent is missing, or an administrator's
    65001: _grant("The user or administrator has not consented to use the application.", "consent_required"),
    65004: Reason("access_denied", "User declined to consent to access the app."),
    90008: _grant("The application must require at least 'Sign in and read user profile'.", "consent_required"),
    90094: Reason(
        "access_denied", "An administrator has set a policy that prevents you from granting the permissions."
    ),
    90095: Reason("access_denied", "Admin consent is required for the permissions requested by this application."),
    500011: Reason("invalid_resource", "The resource principal was not found in the tenant."),
    650052: _client("The app needs access to a service that your organization has not subscribed to.", 400),
    650056: _client("Misconfigured application. Or, the admin has not consented in the tenant.", 400),
    700016: Reason("unauthorized_client", "Application was not found in the directory."),
    # a policy
    50005: _grant("The user tried to log in to a device from a platform that is not supported.", "message_only"),
    50020: _grant("User account from identity provider does not exist in the tenant."),
    50105: _grant("The signed in user is not assigned to a role for the application."),
    50131: _grant("Blocked by a Conditional Access policy.", "message_only"),
    53000: _grant("Device is not in required device state: compliant.", "message_only", claims=True),
    53001: _grant("Device is not in required device state: domain_joined.", "message_only", claims=True),
    53002: _grant("The app used is not an approved app for Conditional Access.", "message_only", claims=True),
    53003: _grant("Access has been blocked by Conditional Access policies.", "message_only", claims=True),
    53011: _grant("User blocked due to risk on home tenant.", "message_only"),
    500208: _grant("The domain is not a valid login domain for the account type."),
    500212: _grant("The user's administrator has set an outbound access policy that does not allow access."),
    500213: _grant("The resource tenant's cross-tenant access policy does not allow this user."),
    530032: _grant("Blocked by security policy.", "message_only"),
    530034: _grant("A delegated administrator was blocked due to account risk.", "message_only"),
    530035: _grant("Access has been blocked by security defaults.", "message_only"),
    # the user, the tenant or the app is gone
    50034: _grant("The user account does not exist in the directory."),
    50053: _grant("The account is locked, you have tried to sign in too many times."),
    50055: _grant("The password is expired."),
    50057: _grant("The user account is disabled."),
    50144: _grant("The user's Active Directory password has expired."),
    51004: _grant("The user account does not exist in the directory."),
    70001: Reason("unauthorized_client", "The application is disabled."),
    90002: _request("Tenant not found. Check to make sure you have the correct tenant ID."),
    1000031: _request("The application cannot be accessed at this time. Contact your administrator."),
    7000112: Reason("unauthorized_client", "The application is disabled."),
    # the app's registration or credentials
    50011: _client("The redirect URI specified in the request does not match the redirect URIs configured.", 400),
    50012: _client("Authentication failed."),
    50194: _request("The application is not configured as a multi-tenant application."),
    70011: Reason("invalid_scope", "The provided value for the input parameter 'scope' is not valid."),
    700024: _client("Client assertion is not within its valid time range."),
    700027: _client("Client assertion failed signature validation."),
    7000215: _client("Invalid client secret provided."),
    7000218: _client("The request body must contain the following parameter: 'client_assertion' or 'client_secret'."),
    7000222: _client("The provided client secret keys for app are expired."),
    9001023: _request("The grant type is not supported over the /common or /consumers endpoints."),
    1002012: Reason("invalid_scope", "Client credential flows must have a scope value with /.default suffixed."),
    # passes by itself
    50033: _away("RetryableError: a transient error not related to the database operations."),
    50087: _away("A transient error has occurred during strong authentication."),
    80002: _away("Authentication Agent's password validation request timed out."),
    90006: _away("External server retryable error."),
    90012: _away("The request has timed out."),
    90024: _away("A transient error has occurred. Please try again."),
    90033: _away("A transient error has occurred. Please try again."),
    90055: Reason("temporarily_unavailable", "There are too many requests to this tenant.", 429),
    90090: _away("The service could not retry the request."),
    # the client's program is wrong
    28000: _request("The input parameter scope is not valid because it contains more than one resource."),
    50059: _request("No tenant-identifying information found in either the request or any provided credentials."),
    50196: _grant("The server terminated an operation because it encountered a client request loop."),
    54005: _grant("OAuth2 Authorization code was already redeemed, please retry with a new valid code."),
    70003: Reason("unsupported_grant_type", "The app requested an unsupported grant type."),
    500112: _client("The reply address does not match the one provided when requesting Authorization code.", 400),
    501481: _grant("The Code_Verifier does not match the code_challenge supplied in the authorization request."),
    650053: _client("The application asked for a scope that doesn't exist on the resource.", 400),
    700005: _grant("Provided Authorization Code is intended to use against other tenant."),
    900144: _request("The request body must contain a parameter that is missing."),
    9002325: _request("Proof Key for Code Exchange is required for authorization code redemption."),
}


class Refused(Exception):
    """Entra says no. ``number`` is one of :data:`REASONS`, ``detail`` is put behind its words."""

    def __init__(self, number: int, detail: str = "") -> None:
        super().__init__(f"AADSTS{number}")
        self.number = number
        self.detail = detail


def description(number: int, now: float, *, trace: str, correlation: str, detail: str = "") -> str:
    """The text of ``error_description``, which repeats number and trace ids."""
    at = datetime.fromtimestamp(now, UTC).strftime("%Y-%m-%d %H:%M:%SZ")
    words = f"{REASONS[number].text} {detail}".rstrip()
    return f"AADSTS{number}: {words} Trace ID: {trace} Correlation ID: {correlation} Timestamp: {at}"


def body(number: int, now: float, *, correlation: str = "", detail: str = "") -> dict[str, Any]:
    """What the token endpoint answers, as an object."""
    reason = REASONS[number]
    trace, correlation = str(uuid.uuid4()), correlation or str(uuid.uuid4())
    answer: dict[str, Any] = {
        "error": reason.error,
        "error_description": description(number, now, trace=trace, correlation=correlation, detail=detail),
        "error_codes": [number],
        "timestamp": datetime.fromtimestamp(now, UTC).strftime("%Y-%m-%d %H:%M:%SZ"),
        "trace_id": trace,
        "correlation_id": correlation,
        "error_uri": f"https://login.microsoftonline.com/error?code={number}",
    }
    if reason.suberror:
        answer["suberror"] = reason.suberror
    if reason.claims:
        answer["claims"] = _CLAIMS
    return answer
