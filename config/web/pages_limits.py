"""The page of limits: how fast an organisation's account is used, and the form to choose otherwise."""

import re
from collections.abc import Mapping
from typing import Final

from fastapi import APIRouter
from fastapi.responses import Response

from config.errors import InvalidSettings, SettingsChanged, UnknownOrganization
from config.languages import N_
from config.limit_overrides import MOST
from config.web import forms
from config.web.pages_context import CONFLICT, UNPROCESSABLE, Change, Fields, Look, Visit, see
from config.web.views import Notice
from config.web.views_limits import limits_view
from config.web.views_ways import LIMITS, server_name

router = APIRouter()

_CHANGED: Final = Notice(
    "warning",
    N_(
        "Somebody else changed the settings while you were at this form, so nothing was saved. Look at what is usual"
        " for the account in use now, then save your limits again."
    ),
)
_BETWEEN_THOUSANDS: Final = re.compile(r"(?<=[0-9])[\s,](?=[0-9]{3}(?![0-9]))")
_NO_NUMBER: Final = -1


@router.get(LIMITS)
async def show(visit: Look) -> Response:
    """What is usual, what was chosen, what is in force."""
    return await _page(visit)


@router.post(LIMITS)
async def save(visit: Change, fields: Fields) -> Response:
    """Puts the limits that were entered in force, or the usual ones again."""
    chosen = {} if fields.get("intent") == "usual" else {name: _number(fields.get(name, "")) for name in MOST}
    try:
        version = await visit.services.limits.choose(
            visit.organization, chosen, actor=visit.actor, expected=forms.version(fields)
        )
    except InvalidSettings as error:
        return await _page(visit, fields, problems=error.problems, status=UNPROCESSABLE)
    except SettingsChanged:
        return await _page(visit, fields, conflict=_CHANGED, status=CONFLICT)
    except UnknownOrganization:
        return see("/settings", done="changed")
    await visit.services.announce(visit.organization, version)
    return see(
        "/settings", done="limits-saved" if any(value is not None for value in chosen.values()) else "limits-usual"
    )


def _number(text: str) -> int | None:
    """What was typed; thousands may be set off as on the page. What is no number becomes one that is refused."""
    plain = _BETWEEN_THOUSANDS.sub("", text.strip())
    if not plain:
        return None
    return int(plain) if plain.isascii() and plain.isdigit() and len(plain) <= 12 else _NO_NUMBER


async def _page(
    visit: Visit,
    typed: Mapping[str, str] | None = None,
    *,
    problems: tuple[tuple[str, str], ...] = (),
    conflict: Notice | None = None,
    status: int = 200,
) -> Response:
    summary = await visit.services.organizations.describe(visit.organization)
    server = server_name(summary) if summary else ""
    view = limits_view(summary, server=server, typed=typed, problems=problems, conflict=conflict)
    return visit.page("limits.html", status=status, view=view)
