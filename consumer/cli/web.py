"""``mailroom web``: the settings page and the JSON API."""

import asyncio
import signal

import typer

from config import logs
from config.process import Settings


def web() -> None:
    """Serve the settings page and its JSON API until SIGTERM (needs the database; the broker may be away)."""
    # Until the program has handlers of its own there is nothing to drain.
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, _not_started)

    import uvloop

    from consumer import settings_page

    settings = Settings.load()
    settings_page.required(settings)
    logs.configure(settings.log_level, settings.log_format)
    log = logs.get_logger(__name__)
    for name in settings.unknown_variables:
        log.warning("an unknown variable is set; is it a typing mistake?", reason=name)
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        code = runner.run(settings_page.run(settings))
    raise typer.Exit(code)


def _not_started(_number: int, _frame: object) -> None:
    raise SystemExit(0)
