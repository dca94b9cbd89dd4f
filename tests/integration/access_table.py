"""Who may use which route: every route of the settings pages and their API, one row each."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from enum import Enum
from typing import Any, Final

from fastapi import FastAPI
from fastapi.routing import iter_route_contexts

from tests.settings_site import Site, Visitor

Values = Mapping[str, Any]
Body = Callable[[Site, Visitor | None], Values]


class Who(Enum):
    """The least that somebody must be."""

    ANYBODY = "anybody"
    PLATFORM = "whoever has a fresh hand-over token"
    VIEWER = "anybody of the organisation"
    ADMINISTRATOR = "an administrator of the organisation"


@dataclass(frozen=True, slots=True)
class Route:
    """A row: ``ok`` are the answers to those who may; ``body`` makes a body that is right in itself."""

    method: str
    path: str
    who: Who
    ok: frozenset[int]
    body: Body | None = None
    query: Mapping[str, str] = field(default_factory=dict)

    @property
    def api(self) -> bool:
        """Whether it belongs to the API."""
        return self.path.startswith("/api/")

    @property
    def changes(self) -> bool:
        """Whether a browser needs the session's token for it."""
        return self.method not in ("GET", "HEAD")

    def refused(self, status: int) -> tuple[int, str | None]:
        """Status and target of the answer to those who may not; where providers lead to, it leads elsewhere."""
        if not self.path.startswith("/oauth/"):
            return status, None
        page = "/settings/microsoft365" if "microsoft" in self.path else "/settings/google"
        return 303, {401: "/connection-ended", 403: f"{page}?refused=not_allowed"}[status]

    @property
    def name(self) -> str:
        """Method and pattern."""
        return f"{self.method} {self.path}"


SMTP: Final[Mapping[str, str | int]] = {
    "host": "smtp.other.example",
    "port": 587,
    "security": "starttls",
    "username": "someone",
    "password": "a password of the matrix",
    "sender_address": "notifications@other.example",
    "sender_alias": "Other",
}


APP: Final[Mapping[str, str]] = {
    "mailbox": "notifications@other.example",
    "tenant": "other.onmicrosoft.example",
    "client_id": "0f8fad5b-d9cb-469f-a165-70867728950e",
    "secret": "a secret of the matrix",
    "way": "api",
}


def _nothing(site: Site, visitor: Visitor | None) -> Values:
    return {}


def _settings(site: Site, visitor: Visitor | None) -> Values:
    return SMTP


def _limits(site: Site, visitor: Visitor | None) -> Values:
    return {"connections": 3}


def _form(**values: str) -> Body:
    return lambda site, visitor: values


def _confirmation(site: Site, visitor: Visitor | None) -> Values:
    return {"confirm": visitor.session.organization if visitor else "acme"}


def _token(site: Site, visitor: Visitor | None) -> Values:
    return {"token": site.handover()}


def _row(method: str, path: str, who: Who, *ok: int, body: Body | None = None, **query: str) -> Route:
    return Route(method, path, who, frozenset(ok), body, query)


TABLE: Final = (
    _row("GET", "/livez", Who.ANYBODY, 200),
    _row("HEAD", "/livez", Who.ANYBODY, 200),
    _row("GET", "/readyz", Who.ANYBODY, 200),
    _row("HEAD", "/readyz", Who.ANYBODY, 200),
    _row("GET", "/static/{name}", Who.ANYBODY, 200),
    _row("GET", "/api/v1/openapi.json", Who.ANYBODY, 200),
    # the door
    _row("GET", "/handover", Who.PLATFORM, 303),
    _row("POST", "/handover", Who.PLATFORM, 303, body=_token),
    _row("POST", "/api/v1/sessions", Who.PLATFORM, 201, body=_token),
    _row("GET", "/connection-ended", Who.ANYBODY, 401),
    # pages to look at
    _row("GET", "/", Who.VIEWER, 303),
    _row("GET", "/settings", Who.VIEWER, 200),
    _row("GET", "/settings/smtp", Who.VIEWER, 200),
    _row("GET", "/settings/limits", Who.VIEWER, 200),
    _row("GET", "/settings/disconnect", Who.VIEWER, 200),
    _row("GET", "/settings/tests/{id}", Who.VIEWER, 200),
    _row("GET", "/settings/verify", Who.VIEWER, 200, code="12345-67890"),
    _row("GET", "/settings/domain", Who.VIEWER, 200),
    _row("GET", "/settings/history", Who.VIEWER, 200),
    _row("GET", "/settings/microsoft365", Who.VIEWER, 200),
    _row("GET", "/settings/google", Who.VIEWER, 200),
    # pages that are of use to those who may change something
    _row("GET", "/settings/microsoft365/app", Who.ADMINISTRATOR, 200),
    _row("GET", "/settings/google/app", Who.ADMINISTRATOR, 200),
    _row("GET", "/settings/microsoft365/sender", Who.ADMINISTRATOR, 200, 303),
    _row("GET", "/settings/google/sender", Who.ADMINISTRATOR, 200, 303),
    # where a provider sends the browser back to
    _row("GET", "/oauth/microsoft/callback", Who.ADMINISTRATOR, 303, code="a-code", state="a-state"),
    _row("GET", "/oauth/google/callback", Who.ADMINISTRATOR, 303, code="a-code", state="a-state"),
    _row("GET", "/oauth/microsoft/admin-consent", Who.ADMINISTRATOR, 303, tenant="t", state="a-state"),
    # pages that change something
    _row("POST", "/settings/microsoft365/connect", Who.ADMINISTRATOR, 200, body=_form(way="api")),
    _row("POST", "/settings/google/connect", Who.ADMINISTRATOR, 200, body=_form(way="smtp")),
    _row("POST", "/settings/microsoft365/administrator", Who.ADMINISTRATOR, 200, body=_nothing),
    _row("POST", "/settings/microsoft365/app", Who.ADMINISTRATOR, 303, body=_form(**APP)),
    _row("POST", "/settings/google/app", Who.ADMINISTRATOR, 422, body=_form(mailbox="ada@other.example", key="{}")),
    _row("POST", "/settings/microsoft365/sender", Who.ADMINISTRATOR, 303, 409, body=_form(grant="none")),
    _row("POST", "/settings/google/sender", Who.ADMINISTRATOR, 303, 409, body=_form(grant="none")),
    _row("POST", "/settings/microsoft365/discard", Who.ADMINISTRATOR, 303, body=_nothing),
    _row("POST", "/settings/google/discard", Who.ADMINISTRATOR, 303, body=_nothing),
    _row("POST", "/settings/smtp", Who.ADMINISTRATOR, 303, body=_form(**{k: str(v) for k, v in SMTP.items()})),
    _row("POST", "/settings/limits", Who.ADMINISTRATOR, 303, 409, body=_form(connections="3", intent="save")),
    _row("POST", "/settings/test", Who.ADMINISTRATOR, 303, body=_nothing),
    _row("POST", "/settings/draft/discard", Who.ADMINISTRATOR, 303, body=_nothing),
    _row("POST", "/settings/verify", Who.ADMINISTRATOR, 422, body=_form(code="12345-67890")),
    _row("POST", "/settings/domain", Who.ADMINISTRATOR, 303, body=_form(selector="s1")),
    _row("POST", "/settings/disconnect", Who.ADMINISTRATOR, 303, body=_form(confirm="yes")),
    # what concerns the person
    _row("POST", "/language", Who.VIEWER, 303, body=_form(language="fr", back="/settings")),
    _row("POST", "/sign-out", Who.VIEWER, 200, 303, body=_nothing),
    # the API
    _row("GET", "/api/v1/session", Who.VIEWER, 200),
    _row("GET", "/api/v1/settings", Who.VIEWER, 200),
    _row("GET", "/api/v1/limits", Who.VIEWER, 200, 409),
    _row("PUT", "/api/v1/limits", Who.ADMINISTRATOR, 200, 409, body=_limits),
    _row("GET", "/api/v1/tests/{id}", Who.VIEWER, 200),
    _row("GET", "/api/v1/domain", Who.VIEWER, 200),
    _row("GET", "/api/v1/history", Who.VIEWER, 200),
    _row("POST", "/api/v1/domain", Who.ADMINISTRATOR, 200, body=_form(selector="s1")),
    _row("PUT", "/api/v1/draft", Who.ADMINISTRATOR, 200, body=_settings),
    _row("POST", "/api/v1/tests", Who.ADMINISTRATOR, 202, body=_settings),
    _row("DELETE", "/api/v1/draft", Who.ADMINISTRATOR, 204),
    _row("POST", "/api/v1/verification", Who.ADMINISTRATOR, 422, body=_form(code="12345-67890")),
    _row("POST", "/api/v1/disconnection", Who.ADMINISTRATOR, 200, body=_confirmation),
    _row("DELETE", "/api/v1/session", Who.VIEWER, 204),
)
"""In an order in which each finds what it needs when all are gone through."""


def routes_of(app: FastAPI) -> set[str]:
    """Every route there is, each method for itself."""
    found = set()
    for route in iter_route_contexts(app.routes):
        assert route.path is not None, f"a route without a path: {route!r}"
        found |= {f"{method} {route.path}" for method in route.methods or {"any method"}}
    return found


def rows(*who: Who) -> Iterator[Route]:
    """The rows of those."""
    return (row for row in TABLE if row.who in who)
