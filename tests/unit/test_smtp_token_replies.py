"""What replies to a sign-in with a token mean: never the password's words, and a renewal only where it could help."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from transports.errors import AccountProblem, Code, DeliveryError, Temporary, Throttled
from transports.smtp.phases import Phase
from transports.smtp.replies import Reply, classify, find_rule
from transports.smtp.reply_rules import RULES
from transports.smtp.token_rules import TOKEN_RULES

BOTH = (*TOKEN_RULES, *RULES)
DISABLED = "5.7.139 Authentication unsuccessful, SmtpClientAuthentication is disabled for the "
CASES = [
    (535, "5.7.3 Authentication unsuccessful", AccountProblem, Code.RECONNECTION_NEEDED),
    (535, "5.7.8 Username and Password not accepted", AccountProblem, Code.RECONNECTION_NEEDED),
    (535, "no", AccountProblem, Code.RECONNECTION_NEEDED),
    (535, "5.7.139 the user credentials were incorrect.", AccountProblem, Code.RECONNECTION_NEEDED),
    (535, f"{DISABLED}Tenant.", AccountProblem, Code.ACCESS_POLICY),
    (535, f"{DISABLED}Mailbox.", AccountProblem, Code.ACCESS_POLICY),
    (535, "5.7.139 user is locked by your organization's security defaults", AccountProblem, Code.ACCESS_POLICY),
    (535, "5.7.139 the request did not meet the criteria", AccountProblem, Code.ACCESS_POLICY),
    (535, "5.7.139 basic authentication is disabled", AccountProblem, Code.ACCESS_POLICY),
    (535, "5.7.57 Client not authenticated to send mail", AccountProblem, Code.ACCESS_POLICY),
    (550, "5.7.30 Basic authentication is not supported", AccountProblem, Code.ACCESS_POLICY),
    (550, "5.7.1 blocked", AccountProblem, Code.ACCESS_POLICY),
    (554, "5.7.0 blocked", AccountProblem, Code.ACCESS_POLICY),
    (534, "5.7.9 Application-specific password required", AccountProblem, Code.RECONNECTION_NEEDED),
    (534, "5.7.14 Please log in via your web browser", AccountProblem, Code.RECONNECTION_NEEDED),
    (530, "5.7.0 Authentication required", AccountProblem, Code.RECONNECTION_NEEDED),
    (504, "5.7.4 Unrecognized authentication type", AccountProblem, Code.SIGN_IN_MECHANISM),
    (501, "5.5.2 cannot decode", AccountProblem, Code.SIGN_IN_MECHANISM),
    (538, "5.7.11 Encryption required", AccountProblem, Code.SIGN_IN_MECHANISM),
    (454, "4.7.0 Temporary authentication failure", Temporary, Code.SIGN_IN_UNAVAILABLE),
    (454, "4.7.0 Too many login attempts", Throttled, Code.THROTTLED),
    (432, "4.3.2 Concurrent connections limit exceeded", Throttled, Code.TOO_MANY_CONNECTIONS),
    (421, "4.7.0 Try again later", Temporary, Code.SIGN_IN_UNAVAILABLE),
]


@pytest.mark.parametrize(("code", "text", "kind", "reason"), CASES)
def test_a_refusal_of_a_token_says_what_a_person_can_do(
    code: int, text: str, kind: type[DeliveryError], reason: Code
) -> None:
    error = classify(Phase.AUTH, Reply(code, text), BOTH)
    assert (type(error), error.code) == (kind, reason)


@given(st.integers(500, 599), st.text(max_size=40))
def test_no_refusal_of_a_token_speaks_of_a_password(code: int, text: str) -> None:
    error = classify(Phase.AUTH, Reply(code, f"5.7.8 {text}"), BOTH)
    assert isinstance(error, AccountProblem)
    assert error.code in {Code.RECONNECTION_NEEDED, Code.ACCESS_POLICY, Code.SIGN_IN_MECHANISM}


def test_every_row_can_decide_something_and_names_its_source() -> None:
    found = {find_rule(Phase.AUTH, Reply(code, text), BOTH) for code, text, _, _ in CASES}
    for row in TOKEN_RULES:
        assert row.source
        assert row in found, f"no reply reaches {row}"
