"""The advice on failures: one for every code, the right one for well-known servers, and nothing about our networks."""

import ipaddress
import re
from functools import partial

import pytest

from config.advice import PROBLEMS, advise, advise_stage, shown_code, shown_stage
from config.advice_rule import Provider, provider_of
from config.advice_rules import RULES
from config.languages import texts
from config.trial_values import STAGES, TrialStage
from transports.errors import Code
from transports.smtp.phases import Phase
from transports.smtp.replies import Reply, classify

EVERYTHING = tuple(dict.fromkeys((*Code, *PROBLEMS)))


@pytest.mark.parametrize("code", EVERYTHING)
def test_every_code_and_problem_has_a_row_that_always_fits(code):
    assert [rule for rule in RULES if code in rule.codes and rule.general] != []


@pytest.mark.parametrize("code", EVERYTHING)
def test_only_a_mistake_of_ours_is_called_one(code):
    ours = advise(Code.INTERNAL_ERROR)
    assert (advise(code) == ours) == (code == Code.INTERNAL_ERROR)


def test_every_row_is_about_known_codes_and_stages_and_can_be_reached():
    for position, rule in enumerate(RULES):
        assert set(rule.codes) <= set(EVERYTHING)
        assert set(rule.stages) <= set(STAGES)
        re.compile(rule.detail)
        for code in rule.codes:
            hidden_by = [earlier for earlier in RULES[:position] if code in earlier.codes and earlier.general]
            assert hidden_by == [], (code, rule.meaning)


def test_a_code_of_a_newer_version_still_gets_advice():
    assert advise("sorcery") == advise(Code.INTERNAL_ERROR)


CASES = [
    # at the reply's phase, the server's host: what the administrator reads
    ("smtp.gmail.com", Phase.AUTH, "534 5.7.9 Application-specific password required", "App passwords", "16 letters"),
    ("smtp.gmail.com", Phase.AUTH, "535 5.7.8 Username and Password not accepted", "App passwords", "full e-mail"),
    ("SMTP.Googlemail.com.", Phase.AUTH, "534 5.7.14 Please log in via your web browser", "browser", "Recent"),
    ("smtp-relay.gmail.com", Phase.RCPT, "550 5.7.1 Mail relay denied", "SMTP relay service", "Admin console"),
    ("smtp.gmail.com", Phase.MAIL, "550 5.4.5 Daily user sending limit exceeded", "24 hours", "Google Workspace"),
    ("smtp.office365.com", Phase.AUTH, "535 5.7.139 SmtpClientAuthentication is disabled", "SMTP AUTH", "ticks"),
    ("smtp.office365.com", Phase.AUTH, "550 5.7.30 Basic authentication is not supported", "basic auth", "Exchange"),
    ("mail.acme.example", Phase.MAIL, "550 5.7.30 Basic authentication is not supported", "basic auth", "Exchange"),
    (
        "smtp.office365.com",
        Phase.AUTH,
        "535 5.7.3 Authentication unsuccessful",
        "Microsoft 365 did not",
        "multi-factor",
    ),
    ("smtp-mail.outlook.com", Phase.AUTH, "535 5.7.139 basic authentication is disabled", "Hotmail", "own domain"),
    ("acme.mail.protection.outlook.com", Phase.MAIL, "530 5.7.57 not authenticated", "receives mail", "office365.com"),
    ("smtp.office365.com", Phase.MAIL, "550 5.7.60 Client does not have permissions", "Microsoft 365", "“Send as”"),
    ("mail.acme.example", Phase.MAIL, "550 5.7.60 Client does not have permissions", "(Exchange)", "“Send as”"),
    ("mail.acme.example", Phase.MAIL, "553 5.7.1 Sender address rejected: not owned", "this sender address", "domain"),
    ("mail.acme.example", Phase.RCPT, "550 5.7.1 Policy", "from this sender", "signs in"),
    ("mail.acme.example", Phase.RCPT, "550 5.1.1 User unknown", "address that the test mail", "that address"),
    ("mail.acme.example", Phase.RCPT, "554 5.7.1 Relay access denied", "outside its own domains", "user name"),
    ("mail.acme.example", Phase.RCPT, "450 4.7.1 Greylisted", "not at fault", "quarter of an hour"),
    ("mail.acme.example", Phase.AUTH, "535 5.7.8 wrong", "did not accept the user name", "app password"),
    ("smtp.office365.com", Phase.MAIL, "432 4.3.2 limit exceeded", "three connections", "nothing else"),
    ("mail.acme.example", Phase.BODY, "554 5.2.2 mailbox full", "own mailbox is full", "sent mail"),
    ("mail.acme.example", Phase.BODY, "550 5.7.26 unauthenticated", "does not vouch", "DNS records"),
    ("mail.acme.example", Phase.MAIL, "554 5.7.1 blocked using spamhaus", "block list", "which list"),
    ("mail.acme.example", Phase.GREETING, "554 no", "refuses to talk", "let the platform in"),
    ("mail.acme.example", Phase.GREETING, "421 later", "not available", "few minutes"),
    ("mail.acme.example", Phase.STARTTLS, "502 what", "does not offer STARTTLS", "465"),
    ("mail.acme.example", Phase.BODY, "354 go on", "nobody knows", "whose end is known"),
]


@pytest.mark.parametrize(("host", "phase", "reply", "meaning", "step"), CASES)
def test_well_known_replies_lead_to_their_own_advice(host, phase, reply, meaning, step):
    number, _, text = reply.partition(" ")
    error = classify(phase, Reply(int(number), text))
    found = advise(error.code, detail=error.detail, host=host)
    assert meaning in f"{found.meaning} {found.next_step}"
    assert step in found.next_step


@pytest.mark.parametrize(
    ("code", "stage", "port", "security", "detail", "said"),
    [
        (Code.REPLY_TIMEOUT, "connect", 465, "starttls", "at greeting", "to TLS for port 465"),
        (Code.CONNECTION_LOST, "connect", 465, "starttls", "at greeting", "to TLS for port 465"),
        (Code.REPLY_TIMEOUT, "connect", 587, "starttls", "at greeting", "connections from the platform"),
        (Code.TLS_FAILED, "tls", 587, "tls", "handshake refused", "to STARTTLS"),
        (Code.TLS_FAILED, "tls", 587, "starttls", "handshake refused", "TLS 1.2"),
        (Code.TLS_FAILED, "tls", 465, "tls", "handshake refused", "TLS 1.2"),
        (Code.TLS_FAILED, "tls", 465, "tls", "handshake cut", "ask whoever runs the server"),
        (Code.CONNECT_FAILED, "connect", 25, "starttls", "", "587 with STARTTLS"),
        (Code.CONNECT_FAILED, "connect", 587, "starttls", "", "firewall"),
        (Code.TLS_NOT_OFFERED, "tls", 25, "starttls", "", "587 with STARTTLS"),
        (Code.REPLY_TIMEOUT, "test_mail", 465, "tls", "at body", "its log"),
        (Code.CONNECTION_LOST, "sign_in", 587, "starttls", "at auth", "several wrong passwords"),
        (Code.CERTIFICATE_SELF_SIGNED, "tls", 587, "starttls", "verify code 18", "public authority"),
        (Code.CERTIFICATE_EXPIRED, "tls", 587, "starttls", "verify code 10", "new certificate"),
        (Code.CERTIFICATE_NAME_MISMATCH, "tls", 587, "starttls", "verify code 62", "host name"),
    ],
)
def test_port_and_encryption_that_do_not_fit_are_told(code, stage, port, security, detail, said):
    failed = TrialStage(stage, ok=False, seconds=0.1, code=code, detail=detail, facts=(("security", security),))
    found = advise_stage(failed, f"mail.acme.example:{port}")
    assert found is not None
    assert said in found.next_step


def test_a_stage_without_a_code_needs_no_advice_and_a_remark_has_some():
    assert advise_stage(TrialStage("tls", ok=True, seconds=0.1), "mail.acme.example:587") is None
    remark = TrialStage("sender", ok=True, seconds=0.1, code=Code.RECIPIENT_GREYLISTED)
    assert advise_stage(remark, "[2001:db8::1]:587") == advise(Code.RECIPIENT_GREYLISTED)


@pytest.mark.parametrize(
    ("one", "other"),
    [(Code.NAME_NOT_FOUND, Code.ADDRESS_FORBIDDEN), (Code.CONNECT_FAILED, Code.CONNECT_TIMEOUT)],
)
def test_what_would_map_our_network_reads_the_same_in_every_case(one, other):
    assert shown_code(one) == shown_code(other)
    for stage in ("", *STAGES):
        for port in (None, 25, 465, 587, 2525):
            for detail in ("", "at connect", "numeric host", "5"):
                case = partial(advise, stage=stage, host="smtp.gmail.com", port=port, security="tls")
                assert case(one, detail=detail) == case(other, detail="another")
    for detail in ("zone identifier", "at connect", ""):
        seen = [shown_stage(TrialStage("connect", False, 0.1, code, detail)) for code in (one, other)]
        assert seen[0] == seen[1]
        assert seen[0].detail == ""


def test_a_refusal_keeps_the_number_of_the_reply_which_the_provider_s_support_wants():
    stage = TrialStage("sign_in", False, 0.1, Code.SIGN_IN_REFUSED, "535 5.7.8")
    assert shown_stage(stage) == stage


@pytest.mark.parametrize("language", ["en", "fr"])
def test_no_advice_names_an_address_or_a_page_that_may_not_exist(language):
    spoken = texts(language)
    for rule in RULES:
        for text in (spoken.gettext(rule.meaning), spoken.gettext(rule.next_step)):
            assert "://" not in text
            assert text.endswith(".")
            for word in re.findall(r"[0-9a-fA-F:.]{4,}", text):
                with pytest.raises(ValueError, match="does not appear"):
                    ipaddress.ip_address(word.strip(".:"))


@pytest.mark.parametrize(
    ("host", "provider"),
    [
        ("gmail.com", Provider.GOOGLE),
        ("notgmail.com", Provider.OTHER),
        ("gmail.com.acme.example", Provider.OTHER),
        ("outlook.office365.com", Provider.MICROSOFT),
        ("", Provider.OTHER),
    ],
)
def test_a_provider_is_known_by_its_whole_labels(host, provider):
    assert provider_of(host) is provider


KINDS = [("microsoft365", "Microsoft", Provider.MICROSOFT_ACCOUNT), ("gmail", "Google", Provider.GOOGLE_ACCOUNT)]
OF_SERVERS = re.compile(r"host name|user name|app password|[Tt]he server|your server|port \d|whoever runs")
CONNECTED = (
    *(Code.RECONNECTION_NEEDED, Code.ADMIN_CONSENT_NEEDED, Code.ACCESS_POLICY, Code.PERMISSION_MISSING),
    *(Code.MAILBOX_UNAVAILABLE, Code.APP_CREDENTIALS, Code.ACCOUNT_SUSPENDED, Code.SENDER_REFUSED),
    Code.QUOTA_EXHAUSTED,
)


@pytest.mark.parametrize(("kind", "company", "provider"), KINDS)
def test_whoever_connected_an_account_reads_of_its_provider_and_not_of_a_server(kind, company, provider):
    assert provider_of("smtp.gmail.com", kind) is provider
    # These say something of the test mail's recipient, or of the addresses, which is the same everywhere.
    same = {Code.RECIPIENT_GREYLISTED, Code.RECIPIENT_MAILBOX_FULL, Code.SMTPUTF8_UNSUPPORTED}
    for code in set(Code) - same:
        for detail in ("", "535 5.7.139", "535 5.7.8", "550 5.7.1", "534 5.7.14"):
            found = advise(code, kind=kind, detail=detail, host="smtp.gmail.com", port=587, security="starttls")
            assert not OF_SERVERS.search(f"{found.meaning} {found.next_step}"), (code, found)
    for code in CONNECTED:
        found = advise(code, kind=kind)
        assert company in found.meaning or company in found.next_step, code
        assert found != advise(code)


@pytest.mark.parametrize(
    ("kind", "code", "detail", "step"),
    [
        ("microsoft365", Code.RECONNECTION_NEEDED, "AADSTS50173", "Connect again"),
        ("microsoft365", Code.ADMIN_CONSENT_NEEDED, "AADSTS65001", "Agree as an administrator"),
        ("microsoft365", Code.ACCESS_POLICY, "AADSTS53003", "Sign-in logs"),
        ("microsoft365", Code.PERMISSION_MISSING, "ErrorAccessDenied", "RBAC for Applications"),
        ("microsoft365", Code.MAILBOX_UNAVAILABLE, "404", "licence"),
        ("microsoft365", Code.APP_CREDENTIALS, "AADSTS7000222", "Certificates & secrets"),
        ("microsoft365", Code.SENDER_REFUSED, "ErrorSendAsDenied", "“Send as”"),
        ("microsoft365", Code.SIGN_IN_MECHANISM, "535 5.7.139", "Authenticated SMTP"),
        ("gmail", Code.RECONNECTION_NEEDED, "invalid_grant", "same account"),
        ("gmail", Code.ADMIN_CONSENT_NEEDED, "unauthorized_client", "Domain-wide delegation"),
        ("gmail", Code.ACCESS_POLICY, "domainPolicy", "Manage app access"),
        ("gmail", Code.PERMISSION_MISSING, "insufficientPermissions", "ticked"),
        ("gmail", Code.MAILBOX_UNAVAILABLE, "failedPrecondition", "Service status"),
        ("gmail", Code.APP_CREDENTIALS, "invalid_grant", "Service Accounts"),
        ("gmail", Code.QUOTA_EXHAUSTED, "429", "24 hours"),
    ],
)
def test_each_way_an_account_dies_has_its_next_step(kind, code, detail, step):
    stage = TrialStage("sign_in", ok=False, seconds=0.1, code=code, detail=detail)
    found = advise_stage(stage, "Gmail API", kind)
    assert found is not None
    assert step in found.next_step


@pytest.mark.parametrize(
    ("detail", "meaning"),
    [
        ("AADSTS700016", "There is no app with this application (client) ID in the directory"),
        ("unauthorized_client AADSTS700016", "There is no app with this application (client) ID in the directory"),
        ("AADSTS90002", "Microsoft knows no directory"),
        ("AADSTS900023", "Microsoft knows no directory"),
    ],
)
def test_an_app_that_is_not_in_the_tenant_is_no_wrong_secret(detail, meaning):
    found = advise(Code.APP_CREDENTIALS, kind="microsoft365", detail=detail)
    assert found.meaning.startswith(meaning)
    assert "secret" not in f"{found.meaning} {found.next_step}"
    assert "directory (tenant) ID" in found.next_step or "compare both IDs" in found.next_step
    other = advise(Code.APP_CREDENTIALS, kind="microsoft365", detail="AADSTS7000222")
    assert "run out" in other.meaning


@pytest.mark.parametrize("kind", ["microsoft365", "gmail", ""])
def test_advice_on_an_app_of_ones_own_holds_at_the_command_line_too(kind):
    for detail in ("", "AADSTS700016", "AADSTS90002", "AADSTS7000222", "invalid_grant"):
        assert "settings page" not in advise(Code.APP_CREDENTIALS, kind=kind, detail=detail).next_step
    found = advise(Code.ADMIN_CONSENT_NEEDED, kind="microsoft365", detail="AADSTS7000229")
    assert "Create Service Principal" in found.next_step
