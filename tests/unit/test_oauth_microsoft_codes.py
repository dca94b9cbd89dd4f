"""What Entra ID's refusals mean: every documented number, in the words of its replies."""

import pytest

from config.oauth import microsoft_codes
from config.oauth.codes import ERRORS, Refusal
from config.oauth.consents import at_the_code
from config.oauth.microsoft_codes import classify
from config.oauth.replies import refusal
from config.oauth.wire import Reply
from transports.errors import AccountProblem, Code, DeliveryError, PlatformProblem, Temporary, Throttled

RECONNECT = "50173 50076 50079 50078 50074 70008 700082 70043 700084 50132 50133 50089 70000 700020 50055 50144"
CONSENT = "65001 65004 90094 90095 90008 650052 650056 500011 700016"
POLICY = "53000 53001 53002 53003 53011 530032 530034 530035 50005 50131 50105 50020 500208 500212 500213"
GONE = "50034 50057 50053 51004 90002 7000112 70001 1000031"
OURS = "7000215 7000222 700027 7000218 50012"
OUR_SETTINGS = "70011 50011 50194 9001023"
PASSING = "50033 50087 90006 90012 90024 90033 90055 90090 80002"
OUR_FAULT = "54005 700005 50148 501481 700024"

ROWS = [
    *((number, AccountProblem, Code.RECONNECTION_NEEDED) for number in RECONNECT.split()),
    *((number, AccountProblem, Code.ADMIN_CONSENT_NEEDED) for number in CONSENT.split()),
    *((number, AccountProblem, Code.ACCESS_POLICY) for number in POLICY.split()),
    *((number, AccountProblem, Code.ACCOUNT_SUSPENDED) for number in GONE.split()),
    *((number, PlatformProblem, Code.PLATFORM_CREDENTIALS) for number in OURS.split()),
    *((number, PlatformProblem, Code.PLATFORM_SETTINGS) for number in OUR_SETTINGS.split()),
    *((number, Temporary, Code.SIGN_IN_UNAVAILABLE) for number in PASSING.split()),
    *((number, PlatformProblem, Code.INTERNAL_ERROR) for number in OUR_FAULT.split()),
    ("50196", Throttled, Code.THROTTLED),
]


def said(number: str, error: str = "invalid_grant", *, status: int = 400, suberror: str = "") -> Refusal:
    """A refusal as it comes from the token endpoint."""
    text = (
        f'{{"error":"{error}","error_description":"AADSTS{number}: Something about anna@acme.example. Trace ID: 1",'
        f'"error_codes":[{number}],"timestamp":"2026-11-21 12:00:00Z","trace_id":"1","correlation_id":"2",'
        f'"suberror":"{suberror}"}}'
    )
    return refusal(Reply(status, {}, text), now=0.0)


@pytest.mark.parametrize(("number", "error", "code"), ROWS, ids=[row[0] for row in ROWS])
def test_a_number_says_what_invalid_grant_leaves_open(number: str, error: type[DeliveryError], code: Code) -> None:
    found = classify(said(number))
    assert (found.error, found.code, found.detail) == (error, code, f"AADSTS{number}")
    assert found.known


def test_the_table_has_no_row_twice_and_none_untested() -> None:
    numbers = [row.when for row in microsoft_codes.NUMBERS]
    assert len(numbers) == len(set(numbers))
    assert set(numbers) - {row[0] for row in ROWS} == {"501482"}
    assert all(row.source for row in (*microsoft_codes.NUMBERS, *microsoft_codes.ERROR_ROWS))


@pytest.mark.parametrize("number", [row[0] for row in ROWS if issubclass(row[1], AccountProblem)])
def test_no_organization_is_blamed_for_a_refused_app_of_ours(number: str) -> None:
    found = classify(said(number, "invalid_client", status=401))
    assert (found.error, found.code) == (PlatformProblem, Code.PLATFORM_CREDENTIALS)


@pytest.mark.parametrize(
    ("error", "kind", "code"),
    [
        ("invalid_grant", AccountProblem, Code.RECONNECTION_NEEDED),
        ("interaction_required", AccountProblem, Code.RECONNECTION_NEEDED),
        ("login_required", AccountProblem, Code.RECONNECTION_NEEDED),
        ("consent_required", AccountProblem, Code.ADMIN_CONSENT_NEEDED),
        ("access_denied", AccountProblem, Code.ACCESS_POLICY),
        ("invalid_client", PlatformProblem, Code.PLATFORM_CREDENTIALS),
        ("unauthorized_client", PlatformProblem, Code.PLATFORM_SETTINGS),
        ("invalid_scope", PlatformProblem, Code.PLATFORM_SETTINGS),
        ("invalid_resource", PlatformProblem, Code.PLATFORM_SETTINGS),
        ("unsupported_grant_type", PlatformProblem, Code.INTERNAL_ERROR),
        ("temporarily_unavailable", Temporary, Code.SIGN_IN_UNAVAILABLE),
        ("server_error", Temporary, Code.SIGN_IN_UNAVAILABLE),
    ],
)
def test_a_number_that_nobody_knows_leaves_the_word_to_error(error: str, kind: type[DeliveryError], code: Code) -> None:
    found = classify(said("4999999", error))
    assert (found.error, found.code, found.detail) == (kind, code, f"{error} AADSTS4999999")


def test_an_unknown_error_passes_and_is_counted_by_a_word_of_ours() -> None:
    found = classify(Refusal("purple_monkey", text="of anna@acme.example"))
    assert (found.error, found.code, found.detail, found.known) == (
        Temporary,
        Code.UNKNOWN_REPLY,
        "an unknown error",
        False,
    )
    assert classify(Refusal("invalid_request")).detail == "invalid_request"


@pytest.mark.parametrize(
    ("suberror", "code"),
    [
        ("consent_required", Code.ADMIN_CONSENT_NEEDED),
        ("message_only", Code.ACCESS_POLICY),
        ("protection_policy_required", Code.ACCESS_POLICY),
        ("basic_action", Code.RECONNECTION_NEEDED),
        ("additional_action", Code.RECONNECTION_NEEDED),
        ("bad_token", Code.RECONNECTION_NEEDED),
        ("token_expired", Code.RECONNECTION_NEEDED),
    ],
)
def test_a_suberror_says_more_than_error_and_less_than_a_number(suberror: str, code: Code) -> None:
    assert classify(Refusal("invalid_grant", suberror=suberror)).code is code
    assert classify(said("53003", suberror=suberror)).code is Code.ACCESS_POLICY


@pytest.mark.parametrize("number", ["50173", "7000222", "53003", "4999999"])
@pytest.mark.parametrize("status", [429, 500, 502, 503, 504])
def test_a_service_that_fails_or_throttles_says_nothing_about_the_grant(number: str, status: int) -> None:
    found = classify(said(number, status=status))
    assert found.error is (Throttled if status == 429 else Temporary)
    assert found.detail == f"token endpoint {status}"


@pytest.mark.parametrize("number", [*OURS.split(), *OUR_SETTINGS.split(), "90002", "700016", "7000112", "70001"])
@pytest.mark.parametrize("error", ["invalid_client", "unauthorized_client", "invalid_request", "invalid_scope"])
def test_a_refused_app_of_the_organization_is_its_own_affair(number: str, error: str) -> None:
    found = classify(said(number, error, status=401), own_app=True)
    assert (found.error, found.code) == (AccountProblem, Code.APP_CREDENTIALS)


@pytest.mark.parametrize("error", ["invalid_client", "unauthorized_client", "invalid_scope"])
def test_an_app_of_the_organization_is_its_own_affair_without_a_number(error: str) -> None:
    assert classify(Refusal(error), own_app=True).code is Code.APP_CREDENTIALS


def test_an_app_of_the_organization_may_lack_consent_or_meet_a_policy() -> None:
    assert classify(said("65001"), own_app=True).code is Code.ADMIN_CONSENT_NEEDED
    assert classify(said("7000229", "unauthorized_client"), own_app=True).code is Code.ADMIN_CONSENT_NEEDED
    assert classify(said("53003"), own_app=True).code is Code.ACCESS_POLICY
    assert classify(said("90033", status=503), own_app=True).error is Temporary


def test_errors_of_the_tables_may_be_shown() -> None:
    assert {row.when for row in microsoft_codes.ERROR_ROWS} <= ERRORS


@pytest.mark.parametrize("own_app", [True, False])
def test_an_assertion_out_of_its_time_is_our_clocks_fault_whosever_app_it_is(*, own_app: bool) -> None:
    found = classify(said("700024", "invalid_client"), own_app=own_app)
    assert (found.error, found.code, found.detail) == (PlatformProblem, Code.INTERNAL_ERROR, "AADSTS700024")
    assert isinstance(at_the_code(found), PlatformProblem), "and not that of the person who connects"
