"""The form for an organisation's own SMTP server: shown, kept as a draft, or tested and taken into use."""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass

from fastapi import APIRouter
from fastapi.responses import Response

from config.choices import Summary, TransportKind
from config.errors import InvalidSettings, SettingsChanged, TooManyTrials, TrialRunning
from config.languages import N_
from config.smtp_form import SmtpForm
from config.web import forms
from config.web.access import ADMINISTRATOR
from config.web.forms import Saved, form_fields, smtp_view
from config.web.pages_context import CONFLICT, UNPROCESSABLE, Change, Fields, Look, Visit, see
from config.web.views import Notice, person, throttled
from config.web.views_small import facts_view

router = APIRouter()

_CHANGED = Notice(
    "warning",
    N_(
        "Somebody else changed the settings while you were at this form, so nothing was saved. What you entered is"
        " still here, except the password: compare it with the settings in use, then save it again."
    ),
)
_TOO_MANY = 429


@dataclass(frozen=True, slots=True)
class SmtpDraft:
    """A draft that is about a server."""

    form: SmtpForm
    password_set: bool
    saved: Saved


@router.get("/settings/smtp")
async def show(visit: Look) -> Response:
    """The form with the draft in it, else with the settings in use."""
    summary, draft = await _stored(visit)
    if visit.session.role != ADMINISTRATOR:
        return visit.page(
            "smtp_read.html", view=facts_view(_in_use(summary), form_fields(draft.form) if draft else None)
        )
    values = form_fields(draft.form) if draft else _in_use(summary) or forms.EMPTY
    return _form(visit, values, summary, draft, saved=draft.saved if draft else None)


@router.post("/settings/smtp")
async def save(visit: Change, fields: Fields) -> Response:
    """Keeps what was entered as a draft, or begins to test it."""
    services, organization = visit.services, visit.organization
    form = forms.smtp_form(fields)
    try:
        if fields.get("intent") != "test":
            await services.drafts.save(organization, form, visit.actor)
            return see("/settings", done="draft-saved")
        trial = await services.trials.start(
            organization,
            form,
            expected=forms.version(fields),
            actor=visit.actor,
            to=visit.mailbox,
            language=visit.language,
        )
        return see(f"/settings/tests/{trial.id}")
    except TrialRunning as running:
        return see(f"/settings/tests/{running.id}", done="busy")
    except TooManyTrials as error:
        answer = _form(visit, fields, *await _stored(visit), notice=throttled(error.retry_after), status=_TOO_MANY)
        answer.headers["Retry-After"] = str(round(error.retry_after))
        return answer
    except SettingsChanged:
        return _form(visit, fields, *await _stored(visit), notice=_CHANGED, status=CONFLICT)
    except InvalidSettings as error:
        stored = await _stored(visit)
        return _form(visit, fields, *stored, problems=error.problems, status=UNPROCESSABLE)


async def _stored(visit: Visit) -> tuple[Summary | None, SmtpDraft | None]:
    summary, draft = await asyncio.gather(
        visit.services.organizations.describe(visit.organization), visit.services.drafts.get(visit.organization)
    )
    if draft is None or not isinstance(draft.form, SmtpForm):
        return summary, None  # the sender of a connected account has a form of its own
    return summary, SmtpDraft(draft.form, draft.password_set, Saved(draft.saved_at, person(draft.by)))


def _in_use(summary: Summary | None) -> dict[str, str] | None:
    """The fields of the settings in use, if those are an SMTP server's."""
    if summary is None or summary.kind != TransportKind.SMTP:
        return None
    return {
        "host": summary.host or "",
        "port": str(summary.port or ""),
        "security": summary.security or "",
        "username": summary.username or "",
        "sender_address": summary.sender.address,
        "sender_alias": summary.sender.name,
    }


def _form(
    visit: Visit,
    values: Mapping[str, str],
    summary: Summary | None,
    draft: SmtpDraft | None,
    *,
    problems: tuple[tuple[str, str], ...] = (),
    notice: Notice | None = None,
    status: int = 200,
    saved: Saved | None = None,
) -> Response:
    stored = draft.password_set if draft else bool(summary and summary.password_set)
    in_use = _in_use(summary)
    if draft and in_use and summary and (in_use["host"], in_use["username"]) == (draft.form.host, draft.form.username):
        stored = stored or summary.password_set  # the one a test of the draft would use
    view = smtp_view(
        values,
        version=summary.version if summary else 0,
        password_stored=stored,
        problems=problems,
        conflict=notice,
        draft=saved,
        password_dropped=status in (UNPROCESSABLE, CONFLICT) and bool(values.get("password")),
    )
    return visit.page("smtp.html", status=status, view=view)
