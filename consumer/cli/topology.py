"""``mailroom topology``: declare, verify and print the exchanges, queues and bindings."""

import json
from dataclasses import asdict
from typing import Annotated

import typer

from config.process import Settings

topology_app = typer.Typer(no_args_is_help=True, help="The exchanges, queues and bindings on the broker.")


@topology_app.command("apply")
def apply() -> None:
    """Declare everything that is missing; changes and deletes nothing."""
    from consumer.topology import apply_topology

    settings = Settings.load()
    apply_topology(settings.amqp_url, settings.partitions, ca_file=settings.tls_ca_file)
    typer.echo(f"The topology is in place ({settings.partitions} partitions).")


@topology_app.command("check")
def check(
    management: Annotated[
        str | None,
        typer.Option(
            help="Address of the management API (http://host:15672), to verify bindings too. "
            "The user of MAILROOM_AMQP_URL is taken unless it names another."
        ),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print the findings as JSON.")] = False,
) -> None:
    """Name every difference between the broker and what Mailroom needs; exit code 1 if there is one."""
    from consumer.topology import check_topology

    settings = Settings.load()
    report = check_topology(
        settings.amqp_url, settings.partitions, ca_file=settings.tls_ca_file, management_url=management
    )
    if as_json:
        typer.echo(json.dumps(asdict(report), indent=2, ensure_ascii=False))
    else:
        for difference in report.differences:
            typer.echo(str(difference))
        if not report.differences:
            typer.echo(f"The topology is as it should be ({settings.partitions} partitions).")
        if not report.arguments_verified:
            typer.echo("Arguments were not compared: the broker's user may not declare.", err=True)
        if not report.bindings_verified:
            typer.echo("Bindings were not compared: AMQP cannot list them; give --management.", err=True)
    raise typer.Exit(1 if report.differences else 0)


@topology_app.command("export")
def export(
    vhost: Annotated[str, typer.Option(help="The virtual host to write into the definitions.")] = "/",
) -> None:
    """Print the topology as RabbitMQ definitions, for `rabbitmqctl import_definitions` or `load_definitions`."""
    from consumer.topology_entities import topology
    from consumer.topology_management import definitions

    wanted = topology(Settings.load().partitions)
    typer.echo(json.dumps(definitions(wanted, vhost), indent=2))
