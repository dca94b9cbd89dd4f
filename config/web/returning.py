"""Problems at the addresses that providers send browsers back to: each is told at another address, without the query.

A browser keeps the address of every page it shows in its bar and its history, that of an error, too. So whatever is in
the way of a code, be it a sign-in that has ended or a mistake of ours, is answered by a redirection.
"""

from typing import Final
from urllib.parse import urlencode

from fastapi import Request
from fastapi.responses import RedirectResponse

from config.web import errors
from config.web.errors import Problem
from config.web.offers import OFFERS
from config.web.visits import is_visit

RETURNS: Final = "/oauth/"
"""What the addresses begin with that providers send browsers back to."""
ENDED: Final = "/connection-ended"
"""What is shown to somebody who comes back and is not signed in any more."""
NOT_ALLOWED: Final = "not_allowed"
TOO_MANY: Final = "too_many"
INTERRUPTED: Final = "interrupted"
INVALID: Final = "invalid"

_CODES: Final = {errors.ADMINISTRATOR_NEEDED.code: NOT_ALLOWED, errors.TOO_MANY_REQUESTS.code: TOO_MANY}
_OFFERS: Final = {path: offer for offer in OFFERS for path in (offer.callback, offer.admin_callback) if path}
_OURS: Final = 500


def onward(request: Request, problem: Problem, incident: str) -> RedirectResponse | None:
    """Where the problem is told instead; ``None`` if the address may stay.

    A browser that only looks ahead keeps no address, and a redirection might be what it shows later.
    """
    path = request.url.path
    if not path.startswith(RETURNS) or not is_visit(request):
        return None
    if problem.status == errors.SIGN_IN_NEEDED.status:
        return _see(ENDED)
    if offer := _OFFERS.get(path):
        code = _CODES.get(problem.code) or (INTERRUPTED if problem.status >= _OURS else INVALID)
        query = {"refused": code} | ({"incident": incident} if incident else {})
        return _see(f"{offer.path}?{urlencode(query)}")
    return _see(path) if request.url.query else None


def _see(url: str) -> RedirectResponse:
    return RedirectResponse(url, status_code=303)
