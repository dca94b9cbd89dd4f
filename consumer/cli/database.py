"""``mailroom database``: bring the schema up to this version."""

import typer

database_app = typer.Typer(no_args_is_help=True, help="The database's schema.")


@database_app.callback()
def database() -> None:
    """The database's schema."""


@database_app.command()
def upgrade() -> None:
    """Bring the schema up to this version; safe to run from several places at once, and again."""
    from config import store_migrations
    from config.process import Settings
    from config.urls import redact_url

    settings = Settings.load()
    before = store_migrations.upgrade(settings.database_url)
    head = store_migrations.head()
    done = "already had" if before == head else f"went from {before or 'nothing'} to"
    typer.echo(f"{redact_url(settings.database_url)} {done} schema {head}")
