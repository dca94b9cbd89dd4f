"""What the commands of ``mailroom organizations`` have in common: arguments, mistakes as they were typed, the news."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Annotated, Final

import typer

from config.choices import valid_organization_id
from config.errors import InvalidSettings
from config.limit_overrides import MOST
from config.notify import ChangeNotifier
from config.process import Settings
from config.smtp_form import NOT_PUBLIC

Organization = Annotated[str, typer.Argument(metavar="ORG", help="The organisation's id.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON.")]
Yes = Annotated[bool, typer.Option("--yes", help="Do not ask.")]

_OPTIONS: Final = {
    "organization": "ORG",
    "sender_address": "--sender",
    "sender_alias": "--alias",
    "password": "--password-stdin",
    "client_id": "--client-id",
    "secret": "--secret-stdin",
    "certificate": "--certificate-file",
    "key": "--key-file",
    **{name: f"--{name}" for name in ("host", "port", "security", "username", "tenant", "mailbox")},
    **{name: f"--{name.replace('_', '-')}" for name in MOST},
}


def refuse_invalid_id(organization: str) -> None:
    """Ends the command for what can be no organisation's id."""
    if not valid_organization_id(organization):
        raise InvalidSettings([("ORG", "must be 1 to 128 letters, digits or characters of . _ : -")])


@contextmanager
def as_typed() -> Iterator[None]:
    """Names the options of the command instead of the fields they fill."""
    try:
        yield
    except InvalidSettings as error:
        raise InvalidSettings(
            (_OPTIONS.get(name, name), _for_operators(said)) for name, said in error.problems
        ) from None


def _for_operators(sentence: str) -> str:
    """What only an operator can do about it is said to nobody else."""
    return f"{sentence} (MAILROOM_ALLOW_NETWORKS can allow its network)" if sentence == NOT_PUBLIC else sentence


def notifier(settings: Settings) -> ChangeNotifier:
    """Who tells the replicas of a change."""
    from consumer.notify import BrokerNotifier

    return BrokerNotifier(settings.amqp_url, ca_file=settings.tls_ca_file)


def announce(settings: Settings, organization: str, version: int) -> None:
    """Tells the replicas, and says so if they could not be told."""
    if not notifier(settings).notify(organization, version):
        typer.echo("The broker could not be told; replicas will notice within 2 s.", err=True)
