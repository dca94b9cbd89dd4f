"""``mailroom keys``: make a secret key, and seal everything stored with a new one."""

import asyncio
from typing import TYPE_CHECKING

import typer

from config.secrets import SecretBox, generate_key

if TYPE_CHECKING:
    from config.process import Settings
    from config.store_rotation import Rotation

keys_app = typer.Typer(no_args_is_help=True, help="The keys that seal secrets in the database.")


@keys_app.command()
def generate() -> None:
    """Print a new key for MAILROOM_SECRET_KEYS; keep it as you keep a password."""
    typer.echo(generate_key())


@keys_app.command()
def rotate() -> None:
    """Seal every stored secret with the first key of MAILROOM_SECRET_KEYS.

    First give all processes both keys, the new one in front; run this; then take the old one away. It can be
    interrupted and run again.
    """
    from config.process import Settings

    done = asyncio.run(_rotate(Settings.load()))
    typer.echo(f"{done.sealed_anew} sealed anew, {done.current} already had the current key")
    if done.unreadable:
        typer.echo(f"no key in MAILROOM_SECRET_KEYS opens the secret of: {', '.join(done.unreadable)}", err=True)
        raise typer.Exit(1)
    typer.echo("Older keys can be taken out of MAILROOM_SECRET_KEYS now.")


async def _rotate(settings: "Settings") -> "Rotation":
    from config import store_rotation
    from config.store_keyring import open_keyring
    from consumer.cli.opening import opened_store

    box = SecretBox(settings.secret_keys)
    async with opened_store(settings) as store:
        # Shows at once when none of the keys belongs to this database.
        await open_keyring(store, box)
        return await store_rotation.rotate(store, box)
