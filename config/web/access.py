"""Who asks: what a route declares to be given the session of whoever is signed in.

Every route that is not open to strangers declares :data:`SignedIn` or :data:`Administrator`; the organisation is always
``session.organization``. That strangers get no further, and that a change comes from a page of ours, was decided
before (:mod:`config.web.entrance`); a route without a declaration is refused to strangers all the same.
"""

from typing import Annotated, Final

from fastapi import Depends, Request

from config.actors import Actor, ActorKind
from config.languages import negotiate
from config.sessions import Role, Session
from config.web.errors import ADMINISTRATOR_NEEDED, SIGN_IN_NEEDED, WebProblem
from transports.message import Mailbox

ADMINISTRATOR: Final = Role.ADMIN
"""Who may change something; a viewer may only look."""


def session_of(request: Request) -> Session | None:
    """The session of a request, ``None`` for a stranger."""
    session: Session | None = getattr(request.state, "session", None)
    return session


def token_of(request: Request) -> str:
    """The token of the session, as :class:`~config.sessions.Sessions` knows it; empty for a stranger."""
    token: str = getattr(request.state, "session_token", "")
    return token


# Not plain functions: those the framework would run in threads.
async def signed_in(request: Request) -> Session:
    """The session. Raises :class:`~config.web.errors.WebProblem` (401) for a stranger."""
    session = session_of(request)
    if session is None:
        raise WebProblem(SIGN_IN_NEEDED)
    return session


async def administrator(request: Request) -> Session:
    """The session of an administrator. Raises :class:`~config.web.errors.WebProblem` (401, or 403 for a viewer)."""
    session = await signed_in(request)
    if session.role is not ADMINISTRATOR:
        raise WebProblem(ADMINISTRATOR_NEEDED)
    return session


SignedIn = Annotated[Session, Depends(signed_in)]
"""The session of an administrator or a viewer."""
Administrator = Annotated[Session, Depends(administrator)]
"""The session of an administrator."""


def actor_of(session: Session) -> Actor:
    """Who a change is noted for."""
    return Actor(ActorKind.ADMINISTRATOR, session.name, session.email)


def mailbox_of(session: Session) -> Mailbox:
    """Where a test mail goes: to whoever is signed in, and nowhere else."""
    return Mailbox(session.email, session.name)


def language_of(request: Request) -> str:
    """What the answer is written in: the session's language, else the best one the browser asks for."""
    session = session_of(request)
    return negotiate(request.headers.get("accept-language"), session.language if session else None)
