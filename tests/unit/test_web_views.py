"""What the pages say, from the values behind them: one sentence, one of four states, and what to do about it."""

from datetime import UTC, datetime
from typing import Any

import pytest

from config.actors import OPERATOR, Actor, ActorKind
from config.advice import advise
from config.choices import Summary, TransportKind
from config.drafts import Draft
from config.history import Action, Change, FieldChange
from config.languages import texts
from config.testing import smtp_form
from config.trial_values import STAGES, Trial, TrialStage, TrialState, TrialSubject
from config.web.forms import smtp_form as read_form
from config.web.views_history import PAGE, change_view, history_view
from config.web.views_settings import OFFERED, cards, settings_view
from config.web.views_trial import TITLES, next_title, stage_view, trial_view
from transports.errors import Code
from transports.message import Mailbox

AT = datetime(2026, 11, 21, 8, 0, tzinfo=UTC)
ADA = Actor(ActorKind.ADMINISTRATOR, "Ada", "ada@acme.example")
PLATFORM = Mailbox("no-reply@platform.example", "Platform")


def summary(**changes: Any) -> Summary:
    values: dict[str, Any] = {
        "organization": "acme",
        "version": 4,
        "kind": "smtp",
        "sender": Mailbox("notifications@acme.example", "Acme"),
        "host": "mail.acme.example",
        "port": 587,
        "security": "starttls",
        "username": "acme",
        "password_set": True,
        "enabled_at": AT,
        "verified_at": None,
        "suspended_code": None,
        "suspended_at": None,
        "retry_at": None,
    }
    return Summary(**{**values, **changes})


def trial(**changes: Any) -> Trial:
    values: dict[str, Any] = {
        "id": "t1",
        "organization": "acme",
        "subject": TrialSubject.CANDIDATE,
        "state": TrialState.FAILED,
        "kind": "smtp",
        "server": "smtp.gmail.com:587",
        "sender": "notifications@acme.example",
        "actor": ADA,
        "began_at": AT,
    }
    return Trial(**{**values, **changes})


def view_of(summary: Summary | None, draft: Draft | None = None) -> Any:
    return settings_view(summary, default_sender=PLATFORM, draft=draft, trial=None, domain=None, changes=())


@pytest.mark.parametrize(
    ("given", "tone", "status"),
    [
        (None, "none", "Not configured"),
        (summary(), "warning", "Connected, not yet verified"),
        (summary(verified_at=AT), "ok", "Verified"),
        (summary(verified_at=AT, suspended_code="sign_in_refused", suspended_at=AT), "bad", "Needs attention"),
    ],
)
def test_the_state_is_one_of_four(given: Summary | None, tone: str, status: str) -> None:
    view = view_of(given)
    assert (view.tone, view.status) == (tone, status)
    assert view.server == ("mail.acme.example" if given else "")
    assert view.sender == ("Acme <notifications@acme.example>" if given else "Platform <no-reply@platform.example>")


def test_what_needs_attention_says_what_to_do() -> None:
    view = view_of(summary(suspended_code="certificate_expired", suspended_at=AT, host="mail.acme.example"))
    assert view.attention == advise(Code.CERTIFICATE_EXPIRED, host="mail.acme.example")


def test_a_code_of_a_newer_version_is_no_mistake() -> None:
    assert view_of(summary(suspended_code="not_invented_yet", suspended_at=AT)).attention is not None


def test_a_provider_that_is_not_there_has_no_button() -> None:
    """It says so; and exactly one way is in use."""
    for used in (None, *TransportKind):
        found = cards(used)
        assert len(found) == len(OFFERED) + 1
        assert [card.state for card in found].count("in_use") == 1
        for card in found:
            assert card.action or not card.path
            assert card.state != "unavailable" or not card.path


def test_a_drafts_form_can_be_sent_as_it_is() -> None:
    form = smtp_form(password=None)
    view = view_of(summary(), Draft(form, password_set=True, saved_at=AT, by=ADA))
    fields = dict(view.draft.fields)
    assert read_form(fields) == form
    assert fields["version"] == "4"


@pytest.mark.parametrize("code", Code)
def test_no_stage_tells_more_than_a_tenant_may_see(code: Code) -> None:
    """A host that is closed, filtered or forbidden reads the same as one that refuses or does not exist."""
    stage = TrialStage("connect", False, 1.0, code, "10.0.0.1 refused")
    view = stage_view(stage, "mail.acme.example:587")
    assert view.advice is not None
    twins = {Code.ADDRESS_FORBIDDEN: Code.NAME_NOT_FOUND, Code.CONNECT_TIMEOUT: Code.CONNECT_FAILED}
    assert view.code.split(" ")[0] == twins.get(code, code)
    if code in (*twins, *twins.values()):
        assert view.code == twins.get(code, code)


def test_advice_depends_on_the_provider() -> None:
    stage = TrialStage("sign_in", False, 1.0, Code.SIGN_IN_REFUSED, "535 5.7.8")
    gmail, other = stage_view(stage, "smtp.gmail.com:587"), stage_view(stage, "mail.acme.example:587")
    assert gmail.advice != other.advice
    assert gmail.code == "sign_in_refused (535 5.7.8)"


def test_facts_of_a_certificate_are_shown_in_the_readers_way() -> None:
    facts = (("protocol", "TLSv1.3"), ("issuer", "Let's Encrypt"), ("expires", "2027-01-31"), ("serial", "0815"))
    shown = stage_view(TrialStage("tls", True, 0.1, facts=facts), "mail.acme.example:587").facts
    assert [fact.label for fact in shown] == ["Protocol", "Certificate issued by", "valid until"]
    assert shown[2].day is not None
    assert texts("fr").day(shown[2].day) == "31 janvier 2027"
    odd = stage_view(TrialStage("tls", True, 0.1, facts=(("expires", "soon"),)), "x:1").facts
    assert (odd[0].value, odd[0].day) == ("soon", None)


def test_every_stage_and_every_end_of_a_test_has_words() -> None:
    assert set(TITLES) == set(STAGES)
    headlines = set()
    for state in TrialState:
        for subject in TrialSubject:
            view = trial_view(trial(state=state, subject=subject))
            headlines.add(view.headline)
            assert view.explanation
            assert view.recipient == "ada@acme.example"
    assert len(headlines) == len(TrialState)
    changed = trial_view(trial(state=TrialState.PASSED, problem="settings_changed"))
    assert changed.tone == "warning"
    unsaved = trial_view(trial(state=TrialState.FAILED, problem="store_unavailable"))
    assert "Nothing has changed" not in unsaved.explanation
    assert unsaved.explanation == advise("store_unavailable").meaning


def test_the_stage_under_way_is_the_one_after_the_last_that_ended() -> None:
    running, passed = TrialState.RUNNING, tuple(TrialStage(name, True, 0.1) for name in STAGES)
    assert next_title(trial(state=running)) == TITLES["address"]
    assert next_title(trial(state=running, stages=passed[:3])) == TITLES["sign_in"]
    assert next_title(trial(state=running, stages=passed)) == ""
    assert next_title(trial(state=TrialState.INTERRUPTED, stages=passed[:3])) == ""
    without_sign_in = (*passed[:3], passed[4])
    assert next_title(trial(state=running, stages=without_sign_in)) == TITLES["test_mail"]
    failed = TrialStage("sign_in", False, 0.1, Code.SIGN_IN_REFUSED)
    assert next_title(trial(state=running, stages=(*passed[:3], failed))) == ""


def test_history_names_fields_and_never_shows_a_secret() -> None:
    fields = (FieldChange("host", "a.example", "b.example"), FieldChange("password", "old secret", "new secret"))
    view = change_view(Change(1, AT, OPERATOR, Action.CONFIGURED, fields))
    assert view.by.operator
    assert [(one.label, one.old, one.new, one.secret) for one in view.fields] == [
        ("Host name", "a.example", "b.example", False),
        ("Password", "", "", True),
    ]
    for action in Action:
        assert change_view(Change(1, AT, ADA, action)).title != action.value


def test_history_comes_in_pages() -> None:
    changes = [Change(number, AT, ADA, Action.CONFIGURED) for number in range(PAGE + 1, 0, -1)]
    first = history_view(changes)
    assert len(first.changes) == PAGE
    assert first.older == 2
    assert history_view(changes[:PAGE]).older == 0
