"""What Entra ID's refusals mean, as data, and how a refusal is looked up.

Microsoft asks to react to ``error`` and not to count on numbers; so each value of ``error`` has a row of its own, and a
number or ``suberror`` that we know says more precisely what it is. An ``invalid_client`` is about the app whatever
else is said: only numbers of the app refine it, so that no organisation is blamed for our expired secret.
"""

from typing import Final

from config.oauth.codes import Refusal, Row, Verdict, as_own_app, first, of_row, passing, unknown
from transports.errors import AccountProblem, Code, PlatformProblem, Temporary, Throttled

NUMBERS_PAGE: Final = "Entra ID: reference-error-codes (AADSTS numbers)"
OAUTH: Final = "RFC 6749 §5.2 and §4.1.2.1"
OPENID: Final = "OpenID Connect Core 1.0 §3.1.2.6"
SUBERRORS: Final = "Entra ID: handling Conditional Access challenges, sub-errors as in MSAL's UiRequiredException"
LOOP: Final = 300.0
"""Seconds without a call after Entra took us for a client that runs in circles."""


def _rows(
    kind: type[AccountProblem | PlatformProblem | Temporary], code: Code, *numbers: str, wait: float | None = None
) -> tuple[Row, ...]:
    return tuple(Row(number, kind, code, NUMBERS_PAGE, wait) for number in numbers)


SIGN_IN_AGAIN: Final = _rows(
    AccountProblem,
    Code.RECONNECTION_NEEDED,
    "50173",  # revoked: a new password by an administrator, or "revoke sessions"
    *("50074", "50076", "50078", "50079"),  # a second factor is asked for, ran out, or must be enrolled
    *("70008", "700082"),  # expired, or unused for 90 days
    "70043",  # too old for the tenant's sign-in frequency
    "700084",  # a token of a single-page app, which lives a day
    *("50132", "50133"),  # the session is not valid any more
    "50089",  # the flow token ran out
    *("70000", "700020"),  # the grant is not usable; interaction is required
    *("50055", "50144"),  # the password ran out: signing in anew asks for another one
)
CONSENT: Final = _rows(
    AccountProblem,
    Code.ADMIN_CONSENT_NEEDED,
    "65001",  # nobody has consented
    "65004",  # declined
    *("90094", "90095"),  # an administrator must consent, or has been asked to
    "90008",  # the app must be allowed to use the resource
    *("650052", "650056"),  # the tenant lacks a service principal, or the app's permissions there
    "500011",  # the resource has no service principal in the tenant
    "700016",  # the app is not in the tenant
)
POLICY: Final = _rows(
    AccountProblem,
    Code.ACCESS_POLICY,
    *("53000", "53001", "53002", "53003"),  # Conditional Access: device, domain, app, and in general
    "53011",  # risk
    *("530032", "530034", "530035"),  # security policy of the tenant, security defaults
    *("50005", "50131"),  # platform not supported; device or place not allowed
    "50105",  # the user is not assigned to the app
    *("50020", "500208", "500212", "500213"),  # account or tenant may not sign in to this one
)
GONE: Final = _rows(
    AccountProblem,
    Code.ACCOUNT_SUSPENDED,
    *("50034", "51004"),  # no such user in the tenant
    "50057",  # disabled
    "50053",  # locked
    "90002",  # no such tenant
    *("7000112", "70001"),  # the app is disabled in the tenant
    "1000031",  # the app cannot be accessed at this time, by the tenant's doing
)
OUR_CREDENTIALS: Final = _rows(
    PlatformProblem,
    Code.PLATFORM_CREDENTIALS,
    "7000215",  # wrong secret
    "7000222",  # expired secret
    "700027",  # the certificate's signature is refused
    "7000218",  # neither secret nor assertion
    "50012",  # authentication of the app failed
)
OUR_SETTINGS: Final = _rows(
    PlatformProblem,
    Code.PLATFORM_SETTINGS,
    "70011",  # the scope is not valid
    "50011",  # the redirect URI is not registered
    "50194",  # the app is not registered for several tenants
    "9001023",  # the grant is not possible at this authority
)
OUR_CLOCK: Final = _rows(
    PlatformProblem,
    Code.INTERNAL_ERROR,
    "700024",  # the assertion is not within its valid time range, which was written by our clock
)
PASSING: Final = _rows(
    Temporary,
    Code.SIGN_IN_UNAVAILABLE,
    *("50033", "50087", "80002"),
    *("90006", "90012", "90024", "90033", "90055", "90090"),
)
OUR_FAULT: Final = (
    *_rows(Throttled, Code.THROTTLED, "50196", wait=LOOP),  # too many identical requests
    *_rows(
        PlatformProblem,
        Code.INTERNAL_ERROR,
        "54005",  # a code was redeemed twice
        "700005",  # a code was redeemed where it was not issued
        *("50148", "501481", "501482"),  # the PKCE verifier does not fit
    ),
)
NUMBERS: Final = (
    *(*SIGN_IN_AGAIN, *CONSENT, *POLICY, *GONE),
    *(*OUR_CREDENTIALS, *OUR_SETTINGS, *OUR_CLOCK, *PASSING, *OUR_FAULT),
)

SUBERROR_ROWS: Final = (
    Row("consent_required", AccountProblem, Code.ADMIN_CONSENT_NEEDED, SUBERRORS),
    Row("basic_action", AccountProblem, Code.RECONNECTION_NEEDED, SUBERRORS),
    Row("additional_action", AccountProblem, Code.RECONNECTION_NEEDED, SUBERRORS),
    Row("user_password_expired", AccountProblem, Code.RECONNECTION_NEEDED, SUBERRORS),
    Row("bad_token", AccountProblem, Code.RECONNECTION_NEEDED, SUBERRORS),
    Row("token_expired", AccountProblem, Code.RECONNECTION_NEEDED, SUBERRORS),
    Row("message_only", AccountProblem, Code.ACCESS_POLICY, SUBERRORS),
    Row("protection_policy_required", AccountProblem, Code.ACCESS_POLICY, SUBERRORS),
    Row("device_authentication_failed", AccountProblem, Code.ACCESS_POLICY, SUBERRORS),
)

ERROR_ROWS: Final = (
    Row("invalid_grant", AccountProblem, Code.RECONNECTION_NEEDED, OAUTH),
    Row("interaction_required", AccountProblem, Code.RECONNECTION_NEEDED, OPENID),
    Row("login_required", AccountProblem, Code.RECONNECTION_NEEDED, OPENID),
    Row("account_selection_required", AccountProblem, Code.RECONNECTION_NEEDED, OPENID),
    Row("consent_required", AccountProblem, Code.ADMIN_CONSENT_NEEDED, OPENID),
    Row("access_denied", AccountProblem, Code.ACCESS_POLICY, OAUTH),
    Row("invalid_client", PlatformProblem, Code.PLATFORM_CREDENTIALS, OAUTH),
    Row("unauthorized_client", PlatformProblem, Code.PLATFORM_SETTINGS, OAUTH),
    Row("invalid_scope", PlatformProblem, Code.PLATFORM_SETTINGS, OAUTH),
    Row("invalid_resource", PlatformProblem, Code.PLATFORM_SETTINGS, "Entra ID: error codes of the token endpoint"),
    Row("unsupported_grant_type", PlatformProblem, Code.INTERNAL_ERROR, OAUTH),
    Row("unsupported_response_type", PlatformProblem, Code.INTERNAL_ERROR, OAUTH),
    Row("temporarily_unavailable", Temporary, Code.SIGN_IN_UNAVAILABLE, OAUTH),
    Row("server_error", Temporary, Code.SIGN_IN_UNAVAILABLE, OAUTH),
)

OWN_APP_ROWS: Final = (
    # The directory or the app that the organisation typed in does not exist, or not there.
    Row("90002", AccountProblem, Code.APP_CREDENTIALS, NUMBERS_PAGE),
    Row("900023", AccountProblem, Code.APP_CREDENTIALS, NUMBERS_PAGE),
    Row("700016", AccountProblem, Code.APP_CREDENTIALS, NUMBERS_PAGE),
    Row("7000229", AccountProblem, Code.ADMIN_CONSENT_NEEDED, NUMBERS_PAGE),
    Row("7000112", AccountProblem, Code.APP_CREDENTIALS, NUMBERS_PAGE),
    Row("70001", AccountProblem, Code.APP_CREDENTIALS, NUMBERS_PAGE),
    Row("unauthorized_client", AccountProblem, Code.APP_CREDENTIALS, OAUTH),
)
"""Looked at first for an app that the organisation registered itself."""

_OF_THE_APP: Final = frozenset(row.when for row in (*OUR_CREDENTIALS, *OUR_SETTINGS, *OUR_CLOCK))
_OF_THE_SERVICE: Final = ("temporarily_unavailable", "server_error")


def classify(refusal: Refusal, *, own_app: bool = False) -> Verdict:
    """What a refusal means. ``own_app``: the app is the organisation's, not ours."""
    verdict = passing(refusal) or _of_service(refusal) or _precise(refusal, own_app) or _by_error(refusal, own_app)
    return as_own_app(verdict) if own_app else verdict


def _of_service(refusal: Refusal) -> Verdict | None:
    return _by_error(refusal, own_app=False) if refusal.error in _OF_THE_SERVICE else None


def _precise(refusal: Refusal, own_app: bool) -> Verdict | None:
    about_the_app = refusal.error == "invalid_client"
    for number in refusal.numbers:
        row = (first(OWN_APP_ROWS, number) if own_app else None) or first(NUMBERS, number)
        if row is not None and (number in _OF_THE_APP or own_app or not about_the_app):
            return of_row(row, f"AADSTS{number}", refusal)
    row = None if about_the_app else first(SUBERROR_ROWS, refusal.suberror)
    return of_row(row, _detail(refusal), refusal) if row is not None else None


def _by_error(refusal: Refusal, own_app: bool) -> Verdict:
    row = (first(OWN_APP_ROWS, refusal.error) if own_app else None) or first(ERROR_ROWS, refusal.error)
    return of_row(row, _detail(refusal), refusal) if row is not None else unknown(refusal)


def _detail(refusal: Refusal) -> str:
    # A number without a row is still a number, and worth a look by somebody.
    return f"{refusal.error} AADSTS{refusal.numbers[0]}" if refusal.numbers else refusal.error
