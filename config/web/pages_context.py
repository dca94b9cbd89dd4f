"""What every page handler is given: who looks, in which language, and how an answer is made of it."""

from dataclasses import dataclass
from typing import Annotated, Final
from urllib.parse import urlencode

from fastapi import Depends, Request
from fastapi.responses import HTMLResponse, RedirectResponse

from config.actors import Actor
from config.sessions import Session
from config.web import forms, rendering
from config.web.access import ADMINISTRATOR, Administrator, SignedIn, actor_of, language_of, mailbox_of
from config.web.services import Services, services_of
from config.web.views import Notice, Shell, notice_of
from transports.message import Mailbox

UNPROCESSABLE: Final = 422
CONFLICT: Final = 409


@dataclass(frozen=True, slots=True)
class Visit:
    """One request of somebody who is signed in; the organisation is always the session's."""

    request: Request
    session: Session
    services: Services

    @property
    def organization(self) -> str:
        """Whose settings these are."""
        return self.session.organization

    @property
    def language(self) -> str:
        """What the page is written in."""
        return language_of(self.request)

    @property
    def actor(self) -> Actor:
        """Who a change is noted for."""
        return actor_of(self.session)

    @property
    def mailbox(self) -> Mailbox:
        """Where a test mail goes."""
        return mailbox_of(self.session)

    def shell(self, tab: str = "/settings", notice: Notice | None = None) -> Shell:
        """What stands around the content; the address may ask for one of the known notices."""
        return Shell(
            organization=self.organization,
            person=self.session.name or self.session.email,
            email=self.session.email,
            viewer=self.session.role != ADMINISTRATOR,
            csrf=self.session.csrf,
            path=self.request.url.path,
            tab=tab,
            notice=notice or notice_of(self.request.query_params),
        )

    def page(
        self,
        template: str,
        *,
        status: int = 200,
        tab: str = "/settings",
        notice: Notice | None = None,
        **values: object,
    ) -> HTMLResponse:
        """The page as an answer."""
        return HTMLResponse(
            rendering.page(template, self.language, shell=self.shell(tab, notice), **values), status_code=status
        )


async def visit(request: Request, session: SignedIn) -> Visit:
    """Of anybody who is signed in."""
    return Visit(request, session, services_of(request))


async def change(request: Request, session: Administrator) -> Visit:
    """Of an administrator, whose form has the session's token."""
    return Visit(request, session, services_of(request))


Look = Annotated[Visit, Depends(visit)]
Change = Annotated[Visit, Depends(change)]


async def fields_of(request: Request) -> dict[str, str]:
    """What was entered; nothing for a body that is no form of ours, so that every field is found missing."""
    try:
        return forms.entered(await request.body())
    except ValueError:
        return {}


Fields = Annotated[dict[str, str], Depends(fields_of)]


def see(path: str, **query: str) -> RedirectResponse:
    """303: look there next, so that reloading repeats nothing."""
    return RedirectResponse(f"{path}?{urlencode(query)}" if query else path, status_code=303)
