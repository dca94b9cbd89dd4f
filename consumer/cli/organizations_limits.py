"""``mailroom organizations limits``: how fast an organisation's account may be used, shown and chosen."""

import asyncio
import json
from datetime import UTC, datetime
from typing import Annotated, Final

import typer

from config.actors import OPERATOR
from config.choices import Summary
from config.limit_overrides import LEAST, MOST
from config.limits import CONNECTIONS, PER_DAY, PER_MINUTE
from config.process import Settings
from consumer.cli import limits_shown
from consumer.cli.organizations_shared import AsJson, Organization, announce, as_typed, refuse_invalid_id
from consumer.cli.organizations_shown import print_table
from consumer.errors import OperatorError

_ZERO: Final = "0 for no such limit"


def limits(
    organization: Organization,
    connections: Annotated[
        int | None, typer.Option(min=LEAST[CONNECTIONS], max=MOST[CONNECTIONS], help="Mails under way at once.")
    ] = None,
    per_minute: Annotated[
        int | None, typer.Option(min=LEAST[PER_MINUTE], max=MOST[PER_MINUTE], help=f"Mails in any 60 seconds; {_ZERO}.")
    ] = None,
    per_day: Annotated[
        int | None,
        typer.Option(min=LEAST[PER_DAY], max=MOST[PER_DAY], help=f"Mails, or recipients, in any 24 hours; {_ZERO}."),
    ] = None,
    reset: Annotated[bool, typer.Option("--reset", help="Go back to the usual limits, save those given here.")] = False,
    as_json: AsJson = False,
) -> None:
    """Show how fast an organisation's account is used: the usual limits, those chosen instead, and what is in force.

    With a limit, choose it instead of the usual one; the others stay. It holds over all replicas, within 2 s. Sending
    faster than the provider allows makes it refuse mail, and can get an account blocked.
    """
    refuse_invalid_id(organization)
    named = {CONNECTIONS: connections, PER_MINUTE: per_minute, PER_DAY: per_day}
    chosen = {name: value for name, value in named.items() if value is not None}
    settings = Settings.load()
    if chosen or reset:
        with as_typed():
            version = asyncio.run(_choose(settings, organization, chosen, reset=reset))
        announce(settings, organization, version)
    summary = asyncio.run(_describe(settings, organization))
    if as_json:
        found = summary and summary.limits
        shown = {"organization": organization, "limits": limits_shown.plain(found) if found else None}
        typer.echo(json.dumps(shown, indent=2))
    elif summary is None:
        typer.echo(
            f"{organization}: nothing configured; its mail leaves by the platform default, whose limits hold for all "
            "organisations together, in each consumer process of its own and from its start on "
            "(MAILROOM_DEFAULT_SMTP_CONNECTIONS, _PER_MINUTE and _PER_DAY)"
        )
    elif summary.limits is None:
        raise OperatorError(
            f"what is stored of {organization}'s account or limits makes no sense, so its mail waits: configure it "
            f"again, or, if only a limit is wrong, run `mailroom organizations limits {organization} --reset`"
        )
    else:
        print_table(limits_shown.COLUMNS, limits_shown.rows(summary.limits))


async def _choose(settings: Settings, organization: str, chosen: dict[str, int], *, reset: bool) -> int:
    from config.sending_limits import SendingLimits
    from consumer.cli.opening import opened_store

    async with opened_store(settings) as store:
        limits = SendingLimits(store, now=lambda: datetime.now(UTC))
        return await limits.choose(organization, chosen, actor=OPERATOR, only_named=not reset)


async def _describe(settings: Settings, organization: str) -> Summary | None:
    from consumer.cli.opening import opened_organizations

    async with opened_organizations(settings) as organizations:
        return await organizations.describe(organization)
