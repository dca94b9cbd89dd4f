"""``mailroom schema``: print the event contract."""

import json
from importlib.metadata import version

import typer

from config.process import Settings

schema_app = typer.Typer(no_args_is_help=True, help="The event contract.")


@schema_app.command("event")
def event() -> None:
    """Print the JSON Schema (2020-12) of an event."""
    from consumer.schema import event_schema

    typer.echo(json.dumps(event_schema(), indent=2, ensure_ascii=False))


@schema_app.command("asyncapi")
def asyncapi() -> None:
    """Print the AsyncAPI 3.0 document: exchange, AMQP properties, headers and event."""
    from consumer.schema import asyncapi as document

    typer.echo(json.dumps(document(Settings.load().partitions, version("mailroom")), indent=2, ensure_ascii=False))
