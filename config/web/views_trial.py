"""A test as it is shown: what each stage is called, what a failure means, and what comes next."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime
from typing import Final

from config.advice import Advice, advise, advise_stage, shown_stage
from config.languages import N_
from config.trial_values import STAGES, Trial, TrialStage, TrialState, TrialSubject
from config.web.offers import BY_KIND
from config.web.views import Person, person

TITLES: Final[Mapping[str, str]] = {
    "address": N_("Address of the server"),
    "connect": N_("Connection"),
    "tls": N_("Encryption and certificate"),
    "sign_in": N_("Sign-in"),
    "sender": N_("Sender accepted"),
    "test_mail": N_("Test mail handed off"),
}
_FACTS: Final[Mapping[str, str]] = {
    "protocol": N_("Protocol"),
    "issuer": N_("Certificate issued by"),
    "expires": N_("valid until"),
    "expires_in_days": N_("days left"),
    "mechanism": N_("Method"),
    "proof": N_("What proves it"),
}
_AT_PROVIDERS: Final[Mapping[str, str]] = {"sender": N_("Sender")}
"""Stages with another name there: whether a sender will do cannot be asked."""
_PROOFS: Final[Mapping[str, str]] = {"test mail": N_("the sender of the test mail that you receive")}


@dataclass(frozen=True, slots=True)
class Fact:
    """Something a stage learnt; a ``day`` is written in the reader's way."""

    label: str
    value: str
    day: date | None = None


@dataclass(frozen=True, slots=True)
class StageView:
    """One stage that has ended; ``advice`` and ``code`` for a failure or a remark."""

    title: str
    ok: bool
    seconds: float
    facts: tuple[Fact, ...] = ()
    advice: Advice | None = None
    code: str = ""


@dataclass(frozen=True, slots=True)
class TrialView:
    """A test, as far as it has come. ``edit_path`` leads to the form of what was tested.

    ``provider`` is the name of the provider whose account was tested, empty for a server of the organisation's own.
    """

    id: str
    subject: TrialSubject
    state: TrialState
    problem: str
    tone: str
    outcome: str
    headline: str
    explanation: str
    server: str
    sender: str
    recipient: str
    by: Person
    began_at: datetime
    confirmed_at: datetime | None
    stages: tuple[StageView, ...]
    failed_stage: str
    edit_path: str
    provider: str


def trial_view(trial: Trial, *, edit_path: str = "") -> TrialView:
    """What there is to say about a test."""
    tone, outcome, headline, explanation = _result(trial)
    return TrialView(
        id=trial.id,
        subject=trial.subject,
        state=trial.state,
        problem=trial.problem,
        tone=tone,
        outcome=outcome,
        headline=headline,
        explanation=explanation,
        server=trial.server,
        sender=trial.sender,
        recipient=trial.actor.email,
        by=person(trial.actor),
        began_at=trial.began_at,
        confirmed_at=trial.confirmed_at,
        stages=tuple(stage_view(stage, trial.server, trial.kind) for stage in trial.stages),
        failed_stage=next((_title(stage.name, trial.kind) for stage in trial.stages if not stage.ok), ""),
        edit_path=edit_path,
        provider=BY_KIND[trial.kind].name if trial.kind in BY_KIND else "",
    )


def stage_view(stage: TrialStage, server: str, kind: str = "") -> StageView:
    """One stage; ``server`` is ``host:port``, which some advice depends on, as on the ``kind`` of the settings."""
    shown = shown_stage(stage)
    facts = tuple(_fact(name, value) for name, value in shown.facts if name in _FACTS)
    code = str(shown.code or "")
    return StageView(
        _title(shown.name, kind),
        shown.ok,
        shown.seconds,
        facts,
        advise_stage(stage, server, kind),
        f"{code} ({shown.detail})" if shown.detail else code,
    )


def next_title(trial: Trial) -> str:
    """What the stage is called that is under way; empty when none is: it has ended, or stopped at a failure."""
    if trial.state is not TrialState.RUNNING or not all(stage.ok for stage in trial.stages):
        return ""
    # By name and not by number: without a user name there is no sign-in.
    behind = STAGES.index(trial.stages[-1].name) + 1 if trial.stages else 0
    return _title(STAGES[behind], trial.kind) if behind < len(STAGES) else ""


def _title(stage: str, kind: str) -> str:
    known = {**TITLES, **_AT_PROVIDERS} if kind in BY_KIND else TITLES
    return known.get(stage, stage)


def _fact(name: str, value: str) -> Fact:
    if name == "expires":
        try:
            return Fact(_FACTS[name], value, date.fromisoformat(value))
        except ValueError:
            pass
    return Fact(_FACTS[name], _PROOFS.get(value, value) if name == "proof" else value)


def _result(trial: Trial) -> tuple[str, str, str, str]:
    """Tone, outcome in a word or two, headline, explanation."""
    candidate = trial.subject is TrialSubject.CANDIDATE
    match trial.state:
        case TrialState.PASSED if trial.problem:
            return (
                "warning",
                N_("Passed, but not in use"),
                N_("Every stage passed, but the settings are not in use"),
                N_(
                    "The account was given up meanwhile, because it was discarded or another one was connected after"
                    " it, or the settings in use were changed. Look at what is in use now. To use this account, connect"
                    " it again if it is not connected any more, then test it again."
                )
                if trial.kind in BY_KIND
                else N_(
                    "Somebody else changed the settings meanwhile, so yours were kept as a draft. Look at what is in"
                    " use now, then test yours again."
                ),
            )
        case TrialState.PASSED:
            return (
                "ok",
                N_("Passed"),
                N_("Every stage passed"),
                N_("The settings are in use from now on.") if candidate else N_("The settings in use work."),
            )
        case TrialState.FAILED if trial.problem:
            return ("bad", N_("Failed"), N_("The test could not be finished"), advise(trial.problem).meaning)
        case TrialState.FAILED:
            return (
                "bad",
                N_("Failed"),
                N_("The test did not pass"),
                N_("Nothing has changed: mail leaves as before. What you entered is kept as a draft.")
                if candidate
                else N_("The settings in use do not work at the moment. They stay in use: no mail leaves another way."),
            )
        case TrialState.INTERRUPTED:
            return (
                "warning",
                N_("Interrupted"),
                N_("The test was interrupted"),
                N_("The service was restarted meanwhile. Look at what is in use now, then start the test again."),
            )
        case TrialState.RUNNING:
            return ("info", N_("Under way"), N_("The test is under way"), N_("It takes up to a minute."))
