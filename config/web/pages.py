"""All pages, as one router. Each handler is a few lines: what is shown is decided in ``views*.py``."""

from fastapi import APIRouter, Request
from fastapi.responses import Response

from config.web import (
    pages_app,
    pages_callback,
    pages_connect,
    pages_domain,
    pages_limits,
    pages_sender,
    pages_session,
    pages_settings,
    pages_smtp,
    pages_trials,
)
from config.web.errors import PageProblem
from config.web.rendering import static_files

router = APIRouter(include_in_schema=False)
for part in (
    *(pages_settings, pages_smtp, pages_connect, pages_callback, pages_app, pages_sender, pages_limits),
    *(pages_trials, pages_domain, pages_session),
):
    router.include_router(part.router)

_FOR_EVER = "public, max-age=31536000, immutable"


@router.get("/static/{name}")
async def static(name: str, request: Request) -> Response:
    """A file of ``static/``; kept by browsers for ever when it was asked for by its fingerprint."""
    asset = static_files().get(name)
    if asset is None:
        raise PageProblem(404)
    known = request.query_params.get("v") == asset.fingerprint
    headers = {"Cache-Control": _FOR_EVER if known else "no-cache"}
    return Response(asset.content, media_type=asset.content_type, headers=headers)
