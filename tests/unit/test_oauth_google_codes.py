"""What the refusals of Google's token endpoint mean, in the words of its replies."""

import json

import pytest

from config.oauth import google_codes
from config.oauth.codes import ERRORS, Refusal
from config.oauth.google_codes import classify
from config.oauth.replies import refusal
from config.oauth.wire import Reply
from transports.errors import AccountProblem, Code, DeliveryError, PlatformProblem, Temporary, Throttled


def said(error: str, text: str = "Bad Request", *, status: int = 400, subtype: str = "") -> Refusal:
    """A refusal as it comes from the token endpoint."""
    fields = {"error": error, "error_description": text, "error_subtype": subtype}
    return refusal(Reply(status, {}, json.dumps({name: value for name, value in fields.items() if value})), now=0.0)


@pytest.mark.parametrize(
    ("error", "text", "subtype", "kind", "code"),
    [
        # revoked, unused for six months, a new password, one token too many, seven days in testing
        ("invalid_grant", "Token has been expired or revoked.", "", AccountProblem, Code.RECONNECTION_NEEDED),
        ("invalid_grant", "Bad Request", "", AccountProblem, Code.RECONNECTION_NEEDED),
        ("invalid_grant", "reauth related error (invalid_rapt)", "invalid_rapt", AccountProblem, None),
        ("invalid_grant", "reauth related error (rapt_required)", "rapt_required", AccountProblem, None),
        ("invalid_grant", "Account has been deleted", "", AccountProblem, Code.ACCOUNT_SUSPENDED),
        ("invalid_grant", "Account disabled", "", AccountProblem, Code.ACCOUNT_SUSPENDED),
        ("invalid_grant", "This account is suspended", "", AccountProblem, Code.ACCOUNT_SUSPENDED),
        ("invalid_client", "The OAuth client was not found.", "", PlatformProblem, Code.PLATFORM_CREDENTIALS),
        ("invalid_client", "Unauthorized", "", PlatformProblem, Code.PLATFORM_CREDENTIALS),
        ("deleted_client", "The OAuth client was deleted.", "", PlatformProblem, Code.PLATFORM_CREDENTIALS),
        ("disabled_client", "The OAuth client was disabled.", "", PlatformProblem, Code.PLATFORM_CREDENTIALS),
        ("unauthorized_client", "Unauthorized", "", PlatformProblem, Code.PLATFORM_CREDENTIALS),
        ("invalid_scope", "Some requested scopes were invalid.", "", PlatformProblem, Code.PLATFORM_SETTINGS),
        ("redirect_uri_mismatch", "Bad Request", "", PlatformProblem, Code.PLATFORM_SETTINGS),
        ("org_internal", "", "", PlatformProblem, Code.PLATFORM_SETTINGS),
        ("restricted_client", "", "", PlatformProblem, Code.PLATFORM_SETTINGS),
        ("unsupported_grant_type", "Invalid grant_type", "", PlatformProblem, Code.INTERNAL_ERROR),
        ("admin_policy_enforced", "", "", AccountProblem, Code.ACCESS_POLICY),
        ("access_denied", "", "", AccountProblem, Code.ACCESS_POLICY),
        ("internal_failure", "Backend Error", "", Temporary, Code.SIGN_IN_UNAVAILABLE),
        ("server_error", "", "", Temporary, Code.SIGN_IN_UNAVAILABLE),
        ("temporarily_unavailable", "", "", Temporary, Code.SIGN_IN_UNAVAILABLE),
        ("rate_limit_exceeded", "", "", Throttled, Code.THROTTLED),
    ],
)
def test_a_persons_consent(error: str, text: str, subtype: str, kind: type[DeliveryError], code: Code | None) -> None:
    found = classify(said(error, text, subtype=subtype))
    assert (found.error, found.code) == (kind, code or Code.RECONNECTION_NEEDED)
    assert found.known
    assert found.detail in {error, f"{error} {subtype}", "token endpoint 429"}


@pytest.mark.parametrize(
    ("error", "text", "kind", "code"),
    [
        ("unauthorized_client", "Client is unauthorized to …", AccountProblem, Code.ADMIN_CONSENT_NEEDED),
        ("access_denied", "Requested client not authorized.", AccountProblem, Code.ADMIN_CONSENT_NEEDED),
        ("invalid_scope", "Invalid OAuth scope", AccountProblem, Code.ADMIN_CONSENT_NEEDED),
        ("invalid_grant", "Invalid grant: account not found", AccountProblem, Code.APP_CREDENTIALS),
        ("invalid_grant", "Invalid JWT Signature.", AccountProblem, Code.APP_CREDENTIALS),
        ("invalid_grant", "Invalid email or User ID", AccountProblem, Code.MAILBOX_UNAVAILABLE),
        ("invalid_grant", "Not a valid email or user ID.", AccountProblem, Code.MAILBOX_UNAVAILABLE),
        ("invalid_grant", "Account has been deleted", AccountProblem, Code.ACCOUNT_SUSPENDED),
        ("invalid_grant", "Account disabled", AccountProblem, Code.ACCOUNT_SUSPENDED),
        ("invalid_request", "Invalid principal", AccountProblem, Code.APP_CREDENTIALS),
        ("invalid_client", "The OAuth client was not found.", AccountProblem, Code.APP_CREDENTIALS),
        ("disabled_client", "", AccountProblem, Code.APP_CREDENTIALS),
        (
            "invalid_grant",
            "Invalid JWT: Token must be a short-lived token (60 minutes) and in a reasonable timeframe.",
            PlatformProblem,
            Code.INTERNAL_ERROR,
        ),
        ("server_error", "", Temporary, Code.SIGN_IN_UNAVAILABLE),
    ],
)
def test_a_service_account_of_the_organization(error: str, text: str, kind: type[DeliveryError], code: Code) -> None:
    found = classify(said(error, text), own_app=True)
    assert (found.error, found.code, found.detail) == (kind, code, error)


@pytest.mark.parametrize("own_app", [False, True])
@pytest.mark.parametrize("status", [429, 500, 502, 503, 504])
def test_a_service_that_fails_or_throttles_says_nothing_about_the_grant(status: int, own_app: bool) -> None:
    found = classify(said("invalid_grant", status=status), own_app=own_app)
    assert found.error is (Throttled if status == 429 else Temporary)


def test_an_unknown_error_passes_and_is_counted() -> None:
    found = classify(said("purple_monkey", "of anna@acme.example"))
    assert (found.error, found.code, found.known) == (Temporary, Code.UNKNOWN_REPLY, False)
    assert "anna" not in found.detail


def test_every_row_has_a_source_and_a_word_that_may_be_shown() -> None:
    rows = (*google_codes.ERROR_ROWS, *google_codes.APP_ERROR_ROWS)
    assert {row.when for row in rows} <= ERRORS
    assert all(row.source for row in (*rows, *google_codes.SUBTYPE_ROWS))
