"""The page on which an administrator says yes for everybody of a tenant."""

import secrets
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING

from aiohttp import web

from deploy.local.providers import base_pages as pages
from deploy.local.providers.base_pages import Option
from deploy.local.providers.entra_consent import BRAND, checked, sorry, to, told
from deploy.local.providers.entra_directory import App
from deploy.local.providers.entra_errors import REASONS, Refused
from deploy.local.providers.entra_scopes import parse

if TYPE_CHECKING:
    from deploy.local.providers.microsoft import MicrosoftSandbox


class AdminConsent:
    """The admin consent endpoint, for the sandbox that owns it."""

    def __init__(self, box: "MicrosoftSandbox") -> None:
        self._box = box
        self._waiting: dict[str, tuple[App, str, Mapping[str, str]]] = {}

    def routes(self) -> Iterable[web.RouteDef]:
        """Below the authority."""
        yield web.get("/{tenant}/v2.0/adminconsent", self._ask)
        yield web.post("/{tenant}/v2.0/adminconsent", self._decide)

    async def _ask(self, request: web.Request) -> web.StreamResponse:
        async def work() -> web.Response:
            query, authority = dict(request.query), request.match_info["tenant"]
            try:
                if authority.lower() == "common":
                    raise Refused(900144, "The tenant must not be common.")
                app, tenant = checked(self._box, query, authority)
                parse(query.get("scope", ""), app.delegated, self._box.resource_aliases)
            except Refused as refused:
                return sorry(self._box, refused)
            number = secrets.token_urlsafe(16)
            self._waiting[number] = (app, tenant, query)
            return self._page(number)

        return await self._box.answer(request, "adminconsent", work)

    def _page(self, number: str) -> web.Response:
        app, tenant, query = self._waiting[number]
        directory = self._box.directory
        tenants = [tenant] if tenant else sorted({one.tenant for one in list(self._box.accounts.values())})
        options = [Option(one, f"Administrator of {directory.domain(one)}", one) for one in tenants]
        return pages.page(
            BRAND,
            "Permissions requested: review for your organization",
            pages.form(
                f"/{tenant or 'organizations'}/v2.0/adminconsent",
                {"request": number},
                pages.radios("Pick an account", "tenant", options, tenant),
                pages.paragraph(f"{app.name} would like to, for all users of your organization:"),
                pages.bullets(query["scope"].split()),
                pages.buttons("choice", Option("accept", "Accept"), Option("decline", "Cancel")),
            ),
        )

    async def _decide(self, request: web.Request) -> web.StreamResponse:
        form = await request.post()
        number, choice, chosen = (str(form.get(field, "")) for field in ("request", "choice", "tenant"))

        async def work() -> web.Response:
            if number not in self._waiting:
                return sorry(self._box, Refused(50089))
            app, tenant, query = self._waiting[number]
            tenant = tenant or chosen
            if choice == "accept" and tenant not in self._box.directory.tenants:
                return self._page(number)
            del self._waiting[number]
            # Errors carry admin_consent=True as well: it says which page the person comes from, not what was decided.
            fields = {"admin_consent": "True"} | ({"state": query["state"]} if "state" in query else {})
            if choice != "accept":
                refused = Refused(65004)
                fields |= {"error": REASONS[65004].error, "error_description": told(self._box, refused)}
                return to(query["redirect_uri"], fields)
            wanted = parse(query["scope"], app.delegated, self._box.resource_aliases)
            everything = app.delegated if wanted.everything else wanted.permissions
            self._box.directory.consent_for_tenant(tenant, app, everything)
            return to(query["redirect_uri"], fields | {"tenant": tenant, "scope": query["scope"]})

        return await self._box.answer(request, "adminconsent:decision", work)
