"""*Save and test* against real servers that fail in each stage: which one, with what advice, and nothing changed."""

import pytest

from config.advice import advise_stage
from config.secrets import Secret
from config.trial_run import Limits
from config.trial_values import STAGES, TrialState
from tests.fakes.smtpd import Wire
from tests.trying import bench, form_for, server_with
from tests.waiting import eventually
from transports.errors import Code
from transports.smtp.settings import Security


@pytest.fixture
async def place(tmp_path, tls):
    async with bench(tmp_path, tls, Limits(check=5, mail=1)) as made:
        yield made


def step(stage, server):
    advice = advise_stage(stage, server)
    assert advice is not None
    return advice.next_step


CASES = {
    "wrong password": ({}, {"password": Secret("wrong")}, (), "sign_in", Code.SIGN_IN_REFUSED, "full e-mail address"),
    "expired": ({"certificate": "expired"}, {}, (), "tls", Code.CERTIFICATE_EXPIRED, "new certificate"),
    "self-signed": ({"certificate": "self_signed"}, {}, (), "tls", Code.CERTIFICATE_SELF_SIGNED, "free ones"),
    "unknown authority": ({"certificate": "unknown_ca"}, {}, (), "tls", Code.CERTIFICATE_INVALID, "full chain"),
    "wrong name": ({"certificate": "wrong_name"}, {}, (), "tls", Code.CERTIFICATE_NAME_MISMATCH, "host name"),
    "no TLS": ({"certificate": "", "auth_without_tls": True}, {}, (), "tls", Code.TLS_NOT_OFFERED, "465"),
    "expired from the first byte": (
        *({"certificate": "expired", "implicit_tls": True}, {}, ()),
        *("tls", Code.CERTIFICATE_EXPIRED, "new certificate"),
    ),
    "TLS where STARTTLS is spoken": ({}, {"security": Security.TLS}, (), "tls", Code.TLS_FAILED, "STARTTLS"),
    "refused at the door": ({}, {}, (("GREETING", "554 5.7.1 no"),), "connect", Code.ENDPOINT_UNAVAILABLE, "let the"),
    "cut at the door": ({}, {}, (("GREETING", Wire.CUT),), "connect", Code.CONNECTION_LOST, "whoever runs it"),
    "cut in the handshake": ({}, {}, (("TLS", Wire.CUT),), "tls", Code.TLS_FAILED, "Check port and encryption"),
    "no password asked for": ({"mechanisms": ()}, {}, (), "sign_in", Code.SIGN_IN_MECHANISM, "leave the user name"),
    "Exchange without SMTP AUTH": (
        *({}, {}, (("AUTH", "535 5.7.139 SmtpClientAuthentication is disabled for canary@acme.example"),)),
        *("sign_in", Code.SIGN_IN_MECHANISM, "“Authenticated SMTP”"),
    ),
    "sign-in forgotten": ({}, {"username": None, "password": None}, (), "sender", Code.SIGN_IN_REQUIRED, "user name"),
    "sender refused": (
        *({}, {}, (("MAIL", "553 5.7.1 canary@acme.example not owned"),)),
        *("sender", Code.SENDER_REFUSED, "own address as the sender"),
    ),
    "recipient refused": (
        *({}, {}, (("RCPT", "550 5.1.1 canary@acme.example unknown"),)),
        *("sender", Code.RECIPIENT_REFUSED, "that address"),
    ),
    "no relaying": (
        {},
        {},
        (("RCPT", "554 5.7.1 Relay access denied"),),
        "sender",
        Code.RELAYING_DENIED,
        "any address",
    ),
    "later": ({}, {}, (("RCPT", "451 4.3.0 later"),), "test_mail", Code.RECIPIENT_DEFERRED, "quarter of an hour"),
    "mail refused": ({}, {}, (("BODY", "554 5.7.1 spam"),), "test_mail", Code.MESSAGE_REFUSED, "filter"),
    "cut after the final dot": ({}, {}, (("BODY", Wire.TAKE_AND_CUT),), "test_mail", Code.OUTCOME_UNKNOWN, "arrived"),
    "silent after the final dot": (
        *({}, {}, (("BODY", Wire.TAKE_AND_HANG),)),
        *("test_mail", Code.OUTCOME_UNKNOWN, "arrived"),
    ),
}


@pytest.mark.parametrize("case", CASES.values(), ids=CASES)
async def test_a_failure_is_told_at_its_stage_with_its_advice_and_changes_nothing(place, tls, case):
    options, entered, script, stage, code, said = case
    with server_with(tls) as good, server_with(tls, **options) as server:
        for phase, action in script:
            server.script.on(phase, action)
        before = await place.organizations.configure_smtp("acme", form_for(good))
        service = place.service()
        trial = await place.tried(service, form_for(server, **entered), expected=before)
    assert trial.state is TrialState.FAILED
    failed = trial.stages[-1]
    assert (failed.name, failed.ok, failed.code) == (stage, False, code)
    # Without a user name there is no sign-in.
    before_it = [name for name in STAGES[: STAGES.index(stage)] if name != "sign_in" or "username" not in entered]
    assert [(one.name, one.ok) for one in trial.stages[:-1]] == [(name, True) for name in before_it]
    assert said in step(failed, trial.server)
    assert "canary" not in repr(trial).replace("jo@canary.example", "")
    active = await place.organizations.describe("acme")
    assert (active.version, active.port, active.suspended_code) == (before, good.port, None)
    draft = await place.drafts.get("acme")
    assert (draft.form.port, draft.form.password) == (server.port, None)
    assert place.announced == []


async def test_a_closed_port_and_a_name_that_does_not_exist(place, tls):
    service = place.service()
    with server_with(tls) as server:
        form = form_for(server)
    trial = await place.tried(service, form)
    assert [(stage.name, stage.code) for stage in trial.stages] == [("address", None), ("connect", Code.CONNECT_FAILED)]
    trial = await place.tried(service, form_for(server, host="nowhere.invalid"))
    assert [(stage.name, stage.code) for stage in trial.stages] == [("address", Code.NAME_NOT_FOUND)]
    assert await place.organizations.describe("acme") is None


async def test_starttls_at_a_port_that_begins_with_tls_ends_in_time(tmp_path, tls):
    async with bench(tmp_path, tls, Limits(check=0.5, mail=0.5)) as place:
        with server_with(tls, implicit_tls=True) as server:
            trial = await place.tried(place.service(), form_for(server, security=Security.STARTTLS))
    failed = trial.stages[-1]
    assert (failed.name, failed.code) == ("connect", Code.REPLY_TIMEOUT)
    assert "to TLS for port 465" in step(failed, "localhost:465")


@pytest.mark.parametrize(("phase", "stage"), [("GREETING", "connect"), ("AUTH", "sign_in"), ("RCPT", "sender")])
async def test_a_server_that_falls_silent_ends_the_trial_within_its_bounds(tmp_path, tls, phase, stage):
    async with bench(tmp_path, tls, Limits(check=0.5, mail=0.5)) as place:
        with server_with(tls) as server:
            server.script.on(phase, Wire.HANG)
            trial = await place.tried(place.service(), form_for(server))
            assert (trial.stages[-1].name, trial.stages[-1].code) == (stage, Code.REPLY_TIMEOUT)


async def test_greylisting_is_no_fault_of_the_settings(place, tls):
    with server_with(tls) as server:
        server.script.on("RCPT", "450 4.7.1 <jo@canary.example> greylisted")
        service = place.service()
        trial = await place.tried(service, form_for(server))
        assert trial.state is TrialState.PASSED
        assert ("recipient", Code.RECIPIENT_GREYLISTED) in trial.stages[-2].facts
        assert (trial.stages[-1].ok, trial.stages[-1].code) == (True, Code.RECIPIENT_GREYLISTED)
        assert "quarter of an hour" in step(trial.stages[-1], trial.server)
        assert server.mails == []
        assert (await place.organizations.describe("acme")).status == "connected"
        server.script.clear()
        assert (await place.tried_active(service)).stages[-1].code is None
        assert len(server.mails) == 1


async def test_no_connection_is_left_open_whatever_happened(place, tls):
    service = place.service()
    with server_with(tls) as server:
        for phase, action in (("MAIL", "553 no"), ("BODY", "554 no"), ("BODY", Wire.TAKE_AND_HANG)):
            server.script.on(phase, action)
            assert (await place.tried(service, form_for(server))).state is TrialState.FAILED
            server.script.clear()
            await eventually(lambda: server.open_connections == 0)
