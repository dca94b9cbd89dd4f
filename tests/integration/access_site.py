"""An organisation with everything it can have, and how a route is asked."""

from collections.abc import Mapping
from typing import Any

import httpx

from config.actors import Actor, ActorKind
from config.oauth.values import Identity, Method, Provider, TokenSet, Way
from config.secrets import Secret
from config.smtp_form import SmtpForm
from config.testing import smtp_form
from config.trial_values import TrialState, TrialSubject
from tests.integration.access_table import Route
from tests.settings_site import Site, Visitor

Headers = Mapping[str, str]

MARK = "mark-of-acme"
"""Stands in everything that acme has stored, so that it is seen wherever it gets."""
ADA = Actor(ActorKind.ADMINISTRATOR, f"Ada {MARK}", f"ada@{MARK}.example")
NO_SUCH_TEST = "0" * 20


def _form(**changes: Any) -> SmtpForm:
    sender = f"notifications@{MARK}.example"
    return smtp_form(host=f"smtp.{MARK}.example", sender_address=sender, sender_alias=MARK, username=MARK, **changes)


async def furnish(site: Site, organization: str, *, code: str = "0" * 10) -> dict[str, Any]:
    """Settings, a draft, a passed test of the settings in use, a connected account; returns the names for ``ask``."""
    services = site.services
    who = Identity(f"subject {MARK}", f"tenant {MARK}", f"account@{MARK}.example", f"Account {MARK}")
    given = TokenSet(Secret(f"access {MARK}"), 3600, frozenset({"openid"}), Secret(f"refresh {MARK}"), who)
    await services.grants.add_candidate(organization, Provider.GOOGLE, Method.PERSON, Way.API, given, who, ADA)
    version = await services.organizations.configure_smtp(organization, _form(), actor=ADA)
    await services.drafts.save(organization, _form(port=465), ADA)
    trial = await services.trial_rows.begin(
        organization,
        ADA,
        subject=TrialSubject.ACTIVE,
        kind="smtp",
        server=f"smtp.{MARK}.example:587",
        sender=f"notifications@{MARK}.example",
        code=code,
        version=version,
    )
    await services.trial_rows.finish(trial.id, TrialState.PASSED)
    return {"id": trial.id}


async def state(site: Site, organization: str) -> tuple[object, ...]:
    """Everything that is stored about an organisation."""
    services = site.services
    return (
        await services.organizations.get(organization),
        await services.organizations.describe(organization),
        await services.drafts.get(organization),
        await services.trial_rows.latest(organization),
        await services.history.of(organization),
        await services.grants.candidate(organization),
    )


async def ask(
    site: Site, row: Route, headers: Headers, visitor: Visitor | None = None, *, body: object = None, **names: str
) -> httpx.Response:
    """Sends a request that is right in itself to a row's route."""
    path = row.path.replace("{name}", "logo.svg").replace("{id}", names.get("id", NO_SUCH_TEST))
    query = dict(row.query)
    options: dict[str, Any] = {}
    given = body if body is not None else row.body(site, visitor) if row.body else None
    if row.path == "/handover" and row.method == "GET":
        query["token"] = names.get("token") or site.handover()
    elif given is not None:
        options["json" if row.api else "data"] = given
    return await site.client.request(row.method, path, headers=dict(headers), params=query, **options)


def told(answer: httpx.Response) -> tuple[int, str | None]:
    """Status of an answer, and where it leads."""
    return answer.status_code, answer.headers.get("location")
