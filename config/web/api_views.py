"""From the program's values to the answers of the JSON API, in the reader's language. No store and no request here."""

from typing import Any

from config.actors import Actor
from config.advice import INTERRUPTED, advise, advise_stage, shown_stage
from config.choices import Status, Summary, TransportKind
from config.dns.report import DomainReport, Finding
from config.dns.texts import finding_text
from config.drafts import Draft
from config.held_back import HeldBack
from config.history import Change
from config.languages import Texts
from config.sessions import Session
from config.smtp_form import SmtpForm
from config.trial_values import Trial, TrialStage, TrialState
from config.web import api_model_parts as parts
from config.web import api_models as api
from config.web import api_models_records as records
from config.web import api_models_tests as tests
from config.web.api_views_limits import held_back_out
from transports.message import Mailbox


def session_out(session: Session, language: str) -> api.SessionOut:
    """Who is signed in."""
    return api.SessionOut(**_session(session, language))


def new_session_out(session: Session, language: str, token: str) -> api.NewSessionOut:
    """Who just signed in, with what opens the session."""
    return api.NewSessionOut(**_session(session, language), access_token=token)


def settings_out(
    organization: str,
    summary: Summary | None,
    draft: Draft | None,
    latest: Trial | None,
    held: HeldBack | None,
    texts: Texts,
) -> api.SettingsOut:
    """How the organisation's mail leaves, with everything a page about it shows."""
    return api.SettingsOut(
        organization=organization,
        status=summary.status if summary else Status.NOT_CONFIGURED,
        version=summary.version if summary else 0,
        transport=_transport(summary) if summary else None,
        attention=_attention(summary, texts) if summary else None,
        held_back=held_back_out(held, summary, texts) if held and summary and not summary.suspended_code else None,
        draft=draft_out(draft) if draft else None,
        latest_test=test_out(latest, texts) if latest else None,
    )


def draft_out(draft: Draft) -> api.DraftOut | api.AccountDraftOut:
    """Settings that were saved and are not in use."""
    if isinstance(draft.form, SmtpForm):
        return smtp_draft_out(draft)
    return api.AccountDraftOut(
        kind="gmail" if draft.kind is TransportKind.GMAIL else "microsoft365",
        sender=parts.SenderOut(address=draft.form.sender_address, alias=draft.form.sender_alias),
        saved_at=draft.saved_at,
        saved_by=_actor(draft.by),
    )


def smtp_draft_out(draft: Draft) -> api.DraftOut:
    """The same for a server, ``TypeError`` for an account."""
    form = draft.form
    if not isinstance(form, SmtpForm):
        raise TypeError("not the draft of a server")
    return api.DraftOut(
        host=form.host,
        port=form.port,
        security=form.security.value,
        username=form.username,
        password_set=draft.password_set,
        sender=parts.SenderOut(address=form.sender_address, alias=form.sender_alias),
        saved_at=draft.saved_at,
        saved_by=_actor(draft.by),
    )


def test_out(trial: Trial, texts: Texts) -> tests.TestOut:
    """One run of *Save and test*; a failed stage says what it means and what to do."""
    return tests.TestOut(
        id=trial.id,
        subject=trial.subject,
        state=trial.state,
        kind=TransportKind(trial.kind),
        server=trial.server,
        sender=trial.sender,
        by=_actor(trial.actor),
        began_at=trial.began_at,
        ended_at=trial.ended_at,
        stages=[_stage(stage, trial, texts) for stage in trial.stages],
        version=trial.version,
        problem=_problem(trial, texts),
        confirmed_at=trial.confirmed_at,
    )


def change_out(change: Change) -> records.ChangeOut:
    """One change of the settings."""
    fields = [records.FieldChangeOut(name=field.name, old=field.old, new=field.new) for field in change.fields]
    return records.ChangeOut(id=change.id, at=change.at, by=_actor(change.actor), action=change.action, fields=fields)


def domain_out(report: DomainReport, texts: Texts) -> records.DomainOut:
    """What the sender's domain says about mail from it."""
    return records.DomainOut(
        domain=report.domain,
        checked_at=report.checked_at,
        spf=_finding(report.spf, texts),
        dkim=_finding(report.dkim, texts),
        dmarc=_finding(report.dmarc, texts),
        mx=_finding(report.mx, texts),
    )


def _finding(finding: Finding, texts: Texts) -> records.FindingOut:
    return records.FindingOut(
        **_note(finding, texts),
        records=list(finding.records),
        notes=[records.NoteOut(**_note(note, texts)) for note in finding.notes],
    )


def _note(finding: Finding, texts: Texts) -> dict[str, Any]:
    text = finding_text(finding)
    return {
        "state": finding.state,
        "code": finding.code,
        "headline": texts.sentence(text.headline),
        "meaning": texts.sentence(text.meaning),
        "next_step": texts.sentence(text.next_step),
    }


def _session(session: Session, language: str) -> dict[str, Any]:
    return {
        "organization": session.organization,
        "role": session.role,
        "email": session.email,
        "name": session.name,
        "language": language,
        "csrf_token": session.csrf,
        "opened_at": session.opened_at,
        "expires_at": session.expires_at,
    }


def _transport(summary: Summary) -> api.TransportOut:
    kind = TransportKind(summary.kind)
    sender = _sender(summary.sender)
    smtp = None
    if kind is TransportKind.SMTP:
        smtp = api.SmtpOut(
            host=summary.host or "",
            port=summary.port or 0,
            security=summary.security,
            username=summary.username,
            password_set=summary.password_set,
            sender=sender,
        )
    return api.TransportOut(
        kind=kind,
        smtp=smtp,
        account=_account(summary),
        sender=sender,
        enabled_at=summary.enabled_at,
        verified_at=summary.verified_at,
    )


def _account(summary: Summary) -> api.AccountOut | None:
    if summary.method is None or summary.way is None:
        return None
    return api.AccountOut(
        email=summary.account_email, name=summary.account_name, method=summary.method, way=summary.way
    )


def _attention(summary: Summary, texts: Texts) -> api.AttentionOut | None:
    if summary.suspended_code is None:
        return None
    advice = advise(
        summary.suspended_code,
        host=summary.host or "",
        port=summary.port,
        security=summary.security or "",
        kind=summary.kind,
    )
    return api.AttentionOut(
        code=parts.shown_reason(summary.suspended_code),
        meaning=texts.sentence(advice.meaning),
        next_step=texts.sentence(advice.next_step),
        since=summary.suspended_at,
        retry_at=summary.retry_at,
    )


def _stage(stage: TrialStage, trial: Trial, texts: Texts) -> tests.TestStageOut:
    advice, shown = advise_stage(stage, trial.server, trial.kind), shown_stage(stage)
    return tests.TestStageOut(
        name=shown.name,
        ok=shown.ok,
        seconds=round(shown.seconds, 3),
        code=shown.code,
        meaning=texts.sentence(advice.meaning) if advice else "",
        next_step=texts.sentence(advice.next_step) if advice else "",
        detail=shown.detail,
        facts=dict(shown.facts),
    )


def _problem(trial: Trial, texts: Texts) -> tests.TestProblemOut | None:
    code = trial.problem or (INTERRUPTED if trial.state is TrialState.INTERRUPTED else "")
    if not code:
        return None
    advice = advise(code, kind=trial.kind)
    return tests.TestProblemOut(
        code=code, meaning=texts.sentence(advice.meaning), next_step=texts.sentence(advice.next_step)
    )


def _actor(actor: Actor) -> parts.ActorOut:
    return parts.ActorOut(kind=actor.kind, name=actor.name, email=actor.email)


def _sender(mailbox: Mailbox) -> parts.SenderOut:
    return parts.SenderOut(address=mailbox.address, alias=mailbox.name)
