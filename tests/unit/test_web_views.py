"""What the pages say, from the values behind them: one sentence, one of four states, and what to do about it."""

from datetime import UTC, datetime
from typing import Any

import pytest

from config.actors import OPERATOR, Actor, ActorKind
from config.advice import advise
from config.choices import Summary, TransportKind
from config.drafts import Draft
from config.grants import Grant, GrantState
from config.history import Action, Change, FieldChange
from config.languages import texts
from config.oauth.values import Identity, Method, Provider, Way
from config.provider_form import ProviderForm
from config.testing import smtp_form
from config.trial_values import STAGES, Trial, TrialStage, TrialState, TrialSubject
from config.web.forms import smtp_form as read_form
from config.web.offers import OFFERS, Offer
from config.web.views import notice_of, throttled, whole_minutes
from config.web.views_connect import REFUSALS, refusal_of
from config.web.views_history import PAGE, change_view, history_view
from config.web.views_settings import settings_view
from config.web.views_trial import TITLES, next_title, stage_view, trial_view
from config.web.views_ways import OFFERED, cards
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


def test_where_the_platform_has_no_app_ones_own_is_offered() -> None:
    """And exactly one way is in use."""
    for used in (None, *TransportKind):
        for set_up in ((), tuple(TransportKind)):
            found = cards(used, set_up)
            assert len(found) == len(OFFERED) + 1
            assert [card.state for card in found].count("in_use") == 1
            for card in found:
                assert card.action or not card.path
                assert (card.state == "own_app") == card.path.endswith("/app")
                assert not (set_up and card.state == "own_app")


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


def test_a_test_of_a_connected_account_speaks_of_the_provider() -> None:
    proof = TrialStage("sender", True, 0.1, facts=(("proof", "test mail"),))
    failed = TrialStage("sign_in", False, 0.1, Code.RECONNECTION_NEEDED, "invalid_grant")
    view = trial_view(trial(kind="gmail", server="Gmail API", stages=(proof, failed)))
    assert view.provider == "Google"
    assert view.stages[0].title == "Sender"
    assert [fact.value for fact in view.stages[0].facts] == ["the sender of the test mail that you receive"]
    assert view.stages[1].advice == advise(Code.RECONNECTION_NEEDED, kind="gmail")
    assert next_title(trial(kind="gmail", state=TrialState.RUNNING, stages=(proof,))) == TITLES["test_mail"]


@pytest.mark.parametrize("code", Code)
def test_connecting_again_is_offered_where_it_helps(code: Code) -> None:
    helps = {
        *(Code.RECONNECTION_NEEDED, Code.PERMISSION_MISSING, Code.ADMIN_CONSENT_NEEDED, Code.APP_CREDENTIALS),
    }
    for kind, expected in (("gmail", code in helps), ("smtp", False)):
        view = view_of(summary(kind=kind, host=None, suspended_code=code, suspended_at=AT))
        assert view.reconnect is expected
        assert view.attention == advise(code, kind=kind, port=587, security="starttls")


def test_an_account_that_waits_and_a_draft_for_it_lead_to_the_same_form() -> None:
    who = Identity("subject", "tenant", "notifications@acme.example")
    grant = Grant(
        *("g1", "acme", Provider.MICROSOFT, Method.PERSON, Way.API, GrantState.CANDIDATE),
        *(who, frozenset(), AT, ADA),
    )
    form = ProviderForm("notifications@acme.example", "Acme", "g1")
    draft = Draft(form, password_set=False, saved_at=AT, by=ADA, kind=TransportKind.MICROSOFT365)
    shown: Any = {"default_sender": PLATFORM, "trial": None, "domain": None, "changes": (), "candidate": grant}
    waiting = settings_view(None, draft=None, **shown).waiting
    assert waiting is not None
    assert (waiting.name, waiting.email, waiting.path) == (
        "Microsoft 365",
        "notifications@acme.example",
        "/settings/microsoft365/sender",
    )
    view = settings_view(None, draft=draft, **shown)
    assert view.waiting is None
    assert view.draft is not None
    assert (view.draft.server, view.draft.path) == ("Microsoft 365", waiting.path)
    assert dict(view.draft.fields) == {
        "grant": "g1",
        "version": "0",
        "sender_address": "notifications@acme.example",
        "sender_alias": "Acme",
    }


@pytest.mark.parametrize("offer", OFFERS, ids=lambda one: one.name)
def test_every_refusal_has_words_and_only_known_ones_do(offer: Offer) -> None:
    for code in REFUSALS:
        found = refusal_of(code, offer, "65004")
        assert found is not None
        assert found.number == "65004"
        assert found.meaning
        assert "{" not in f"{found.meaning}{found.next_step}"
    assert refusal_of("<script>", offer) is None
    for number in ("<b>", "12345678901", "-1", "²"):
        refused = refusal_of("declined", offer, number)
        assert refused is not None
        assert refused.number == ""


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


@pytest.mark.parametrize(("seconds", "minutes"), [(1, 1), (60, 1), (60.5, 2), (61, 2), (420, 7), (3600, 60)])
def test_a_throttle_is_told_in_minutes_after_which_it_is_over(seconds: float, minutes: int) -> None:
    assert whole_minutes(seconds) == throttled(seconds).minutes == minutes


@pytest.mark.parametrize(
    ("query", "minutes"),
    [("7", 7), ("60", 60), ("", 60), ("0", 60), ("61", 60), ("-1", 60), ("\u0667", 60), ("1e1", 60), ("9" * 5000, 60)],
)
def test_an_address_says_how_long_a_throttle_lasts_within_bounds(query: str, minutes: int) -> None:
    found = notice_of({"done": "often", "minutes": query})
    assert found is not None
    assert found.minutes == minutes
    assert notice_of({"done": "verified", "minutes": query}) == notice_of({"done": "verified"})
    assert notice_of({"done": "nothing of ours", "minutes": query}) is None
