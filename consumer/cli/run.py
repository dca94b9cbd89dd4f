"""``mailroom run``: the consumer."""

import asyncio

import typer

from config import logs
from config.process import Settings


def run() -> None:
    """Consume events and send mails until SIGTERM, then drain (within MAILROOM_DRAIN_SECONDS)."""
    import uvloop

    from consumer import program

    settings = Settings.load()
    logs.configure(settings.log_level, settings.log_format)
    log = logs.get_logger(__name__)
    for name in settings.unknown_variables:
        log.warning("an unknown variable is set; is it a typing mistake?", reason=name)
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        code = runner.run(program.run(settings))
    raise typer.Exit(code)
