"""What the pages of connected accounts share: the grants of a visitor's organisation, and what came back as a code."""

import asyncio
from dataclasses import dataclass

from config.choices import Summary
from config.grants import Grant
from config.languages import N_
from config.web.offers import Offer
from config.web.pages_context import Visit
from config.web.views import Notice

CHANGED = Notice(
    "warning",
    N_(
        "The settings in use were changed while you were at this form, so nothing was saved. Look at what is in use"
        " now, then save it again."
    ),
)


@dataclass(frozen=True, slots=True)
class Connected:
    """How things stand with an organisation's account at one provider: in use, and waiting to be put to use."""

    summary: Summary | None
    active: Grant | None
    candidate: Grant | None
    newest: Grant | None = None
    """The candidate, at whatever provider."""

    @property
    def version(self) -> int:
        """That of the settings in use, whatever their kind; 0 for none."""
        return self.summary.version if self.summary else 0

    @property
    def other(self) -> Grant | None:
        """The account in use, if the candidate is another one."""
        if self.active is None or self.candidate is None:
            return None
        return None if self.candidate.identity.same_account(self.active.identity) else self.active


async def connected(visit: Visit, offer: Offer) -> Connected:
    """What is stored of this provider."""
    services, organization = visit.services, visit.organization
    summary, active, candidate = await asyncio.gather(
        services.organizations.describe(organization),
        services.grants.active(organization),
        services.grants.candidate(organization),
    )
    return Connected(summary, _of(offer, active), _of(offer, candidate), candidate)


def _of(offer: Offer, grant: Grant | None) -> Grant | None:
    return grant if grant is not None and grant.provider is offer.provider else None
