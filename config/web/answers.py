"""A problem as an answer: ``application/problem+json`` (RFC 9457) for the API, else a page in the reader's language.

What a provider sends a browser back with is answered elsewhere (:mod:`config.web.returning`). Should the page itself
fail, a bare one in English needs no template.
"""

import html
import json
from collections.abc import Mapping
from typing import Final

from fastapi import Request
from fastapi.responses import HTMLResponse, Response

from config.languages import Texts, texts
from config.logs import get_logger
from config.web import rendering, returning
from config.web.access import ADMINISTRATOR, language_of, session_of
from config.web.errors import Problem, WebProblem
from config.web.views import Shell

log = get_logger(__name__)

API: Final = "/api/"
PROBLEM_JSON: Final = "application/problem+json"
_BARE: Final = (
    '<!doctype html><html lang="en"><head><meta charset="utf-8"><title>{title} · Mailroom</title></head>'
    "<body><h1>{title}</h1><p>{what}</p><p>{next_step}</p>{incident}</body></html>"
)


def answer(request: Request, fault: WebProblem, *, incident: str = "") -> Response:
    """The answer to a request that met a problem; ``incident`` is what the log has it under."""
    request.state.problem = fault.problem.code
    if (elsewhere := returning.onward(request, fault.problem, incident)) is not None:
        return elsewhere
    spoken = texts(language_of(request))
    if request.url.path.startswith(API):
        return _json(fault, spoken, incident)
    return _page(request, fault, spoken, incident)


def _json(fault: WebProblem, spoken: Texts, incident: str) -> Response:
    problem = fault.problem
    body: dict[str, object] = {
        "type": f"urn:mailroom:problem:{problem.code}",
        "title": spoken.gettext(problem.title),
        "status": problem.status,
        "detail": f"{spoken.gettext(problem.what)} {spoken.gettext(problem.next_step)}",
        "code": problem.code,
        **fault.members,
    }
    if incident:
        body["incident"] = incident
    content = json.dumps(body, ensure_ascii=False).encode()
    return Response(content, problem.status, fault.headers, media_type=PROBLEM_JSON)


def _page(request: Request, fault: WebProblem, spoken: Texts, incident: str) -> Response:
    problem = fault.problem
    try:
        text = rendering.page("error.html", spoken.language, shell=_shell(request), problem=problem, incident=incident)
    except Exception as error:
        # Whatever a template raises: the visitor is owed a page.
        log.error("an error page could not be rendered", exc_info=error)
        text = _bare(problem, incident)
    return HTMLResponse(text, problem.status, fault.headers)


def _bare(problem: Problem, incident: str) -> str:
    shown: Mapping[str, str] = {
        "title": html.escape(problem.title),
        "what": html.escape(problem.what),
        "next_step": html.escape(problem.next_step),
        "incident": f"<p>{html.escape(incident)}</p>" if incident else "",
    }
    return _BARE.format(**shown)


def _shell(request: Request) -> Shell:
    session = session_of(request)
    if session is None:
        return Shell()
    return Shell(
        organization=session.organization,
        person=session.name or session.email,
        email=session.email,
        viewer=session.role is not ADMINISTRATOR,
        csrf=session.csrf,
    )
