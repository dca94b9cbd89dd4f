"""``mailroom organizations test``: tries the settings in use, as the settings page does, and tells stage by stage."""

import asyncio
import json
import secrets
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer
from rich.console import Console
from rich.markup import escape

from config import logs
from config.actors import OPERATOR
from config.addresses import mailbox
from config.advice import INTERRUPTED, Advice, advise, advise_stage
from config.languages import LANGUAGES, Texts, texts
from config.process import Settings
from config.trial_values import Trial, TrialStage, TrialState
from consumer.cli.organizations_shared import AsJson, Organization, notifier, refuse_invalid_id
from consumer.cli.organizations_shown import plain_trial
from transports.message import Mailbox

if TYPE_CHECKING:
    from config.save_and_test import SaveAndTest

_MARKS: Final = {True: "[green]ok[/green]  ", False: "[red]fail[/red]"}
_NEVER_SHOWN: Final = frozenset({"security"})


def try_settings(
    organization: Organization,
    to: Annotated[str, typer.Option(help="Address the test mail goes to, and nobody else.")],
    language: Annotated[str, typer.Option(help=f"Of the mail and the advice: {' or '.join(LANGUAGES)}.")] = "en",
    as_json: AsJson = False,
) -> None:
    """Test the settings an organisation has in use: all stages, then a test mail. Changes no settings.

    A passed test lifts a suspension. The code in the mail verifies the settings on the settings page.
    """
    refuse_invalid_id(organization)
    if language not in LANGUAGES:
        raise typer.BadParameter(f"write {' or '.join(LANGUAGES)}", param_hint="--language")
    try:
        recipient = mailbox(to)
    except ValueError as error:
        raise typer.BadParameter(str(error), param_hint="--to") from None
    settings = Settings.load()
    logs.configure("error", settings.log_format)
    spoken = texts(language)
    trial = asyncio.run(_run(settings, organization, recipient, None if as_json else _Shown(spoken), language))
    if as_json:
        typer.echo(json.dumps(_plain(trial, spoken), indent=2, ensure_ascii=False))
    raise typer.Exit(0 if trial.state is TrialState.PASSED else 1)


class _Shown:
    """Prints each stage once, when it has ended, and in the end what became of it all."""

    def __init__(self, spoken: Texts) -> None:
        self._texts = spoken
        self._console = Console(highlight=False, soft_wrap=True)
        self._stages = 0

    def update(self, trial: Trial) -> None:
        """What is new since the last time."""
        for stage in trial.stages[self._stages :]:
            self._stage(stage, trial)
        self._stages = len(trial.stages)
        if trial.state is TrialState.INTERRUPTED:
            self._advice(advise(INTERRUPTED))
        elif trial.problem:
            self._advice(advise(trial.problem, kind=trial.kind))
        elif trial.state is TrialState.PASSED:
            self._console.print("passed: the mail is on its way, and the code in it verifies the settings")

    def _stage(self, stage: TrialStage, trial: Trial) -> None:
        facts = [f"{name} {value}" for name, value in stage.facts if name not in _NEVER_SHOWN]
        code = [f"{stage.code} {stage.detail}".strip()] if stage.code else []
        found = ", ".join([f"{stage.seconds * 1000:.0f} ms", *code, *facts])
        self._console.print(f"{_MARKS[stage.ok]} {stage.name:<10} {escape(found)}")
        if (advice := advise_stage(stage, trial.server, trial.kind)) is not None:
            self._advice(advice)

    def _advice(self, advice: Advice) -> None:
        self._console.print(f"       {escape(self._texts.sentence(advice.meaning))}")
        self._console.print(f"       → {escape(self._texts.sentence(advice.next_step))}")


async def _run(settings: Settings, organization: str, to: Mailbox, shown: _Shown | None, language: str) -> Trial:
    async with _opened(settings) as service:
        trial = await service.start_active(organization, actor=OPERATOR, to=to, language=language)
        async for latest in service.follow(organization, trial.id):
            trial = latest
            if shown is not None:
                shown.update(trial)
        return trial


@asynccontextmanager
async def _opened(settings: Settings) -> "AsyncIterator[SaveAndTest]":
    from config.drafts import Drafts
    from config.save_and_test import SaveAndTest
    from config.secrets import SecretBox
    from config.trial_codes import new_code
    from config.trials import Trials
    from consumer.cli.opening import opened_store, organizations_of
    from consumer.connections import Connections

    news = notifier(settings)

    async def announce(organization: str, version: int) -> None:
        await asyncio.to_thread(news.notify, organization, version)

    async with opened_store(settings) as store:
        box = SecretBox(settings.secret_keys)
        connections = Connections(settings, store, box)
        service = SaveAndTest(
            organizations_of(settings, store),
            Drafts(store, box, now=_utc_now),
            Trials(store, now=_utc_now),
            make_transport=connections.trial_transports(),
            announce=announce,
            now=_utc_now,
            clock=time.monotonic,
            new_code=lambda: new_code(secrets.randbits),
            base_url=settings.web_url,
        )
        try:
            yield service
        finally:
            await service.aclose()
            await connections.aclose()


def _utc_now() -> datetime:
    return datetime.now(UTC)


def _plain(trial: Trial, spoken: Texts) -> dict[str, Any]:
    plain = plain_trial(trial)
    for shown, stage in zip(plain["stages"], trial.stages, strict=True):
        advice = advise_stage(stage, trial.server, trial.kind)
        shown["advice"] = advice and {
            "meaning": spoken.sentence(advice.meaning),
            "next_step": spoken.sentence(advice.next_step),
        }
    return plain
