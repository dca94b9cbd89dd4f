"""The command ``mailroom``: puts the sub-commands together and turns errors into one clear sentence and an exit code.

Exit codes: 0 done, 1 failed, 2 wrong use (a wrong argument or a wrong setting).
"""

import contextlib
import errno
import sys
from importlib.metadata import version
from typing import Annotated, Final

import typer

from config.errors import ConfigError, ConfigurationError, InvalidSettings
from consumer.cli import doctor, run, web
from consumer.cli.database import database_app
from consumer.cli.keys import keys_app
from consumer.cli.organizations import organizations_app
from consumer.cli.publish import publish
from consumer.cli.schema import schema_app
from consumer.cli.topology import topology_app
from consumer.errors import OperatorError

__all__ = ["app", "main"]

FAILED = 1
WRONG_USE = 2

_OF_A_STREAM: Final = frozenset({errno.EBADF, errno.EDQUOT, errno.EFBIG, errno.EIO, errno.ENOSPC})

app = typer.Typer(
    name="mailroom",
    help="Sends a platform's notification e-mails through each organisation's own mail system.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    add_completion=False,
)


@app.callback(invoke_without_command=True)
def common(
    show_version: Annotated[bool, typer.Option("--version", help="Print the version and exit.")] = False,
) -> None:
    """What stands before every sub-command."""
    if show_version:
        typer.echo(f"mailroom {version('mailroom')}")
        raise typer.Exit


app.command("run")(run.run)
app.command("web")(web.web)
app.command("doctor")(doctor.doctor)
app.command("publish")(publish)
app.add_typer(topology_app, name="topology", help="Declare, verify and print what Mailroom needs on the broker.")
app.add_typer(schema_app, name="schema", help="Print the event contract.")
app.add_typer(organizations_app, name="organizations", help="The organisations' transports.")
app.add_typer(keys_app, name="keys", help="The keys that protect stored secrets.")
app.add_typer(database_app, name="database", help="The database's schema.")


def main() -> None:
    """Runs the command; every error a person can meet ends as a sentence on standard error."""
    try:
        app()
    except (ConfigurationError, InvalidSettings) as error:
        _end(str(error), WRONG_USE)
    except (ConfigError, OperatorError) as error:
        _end(str(error), FAILED)
    except BrokenPipeError:
        _drop_output()
        raise SystemExit(FAILED) from None
    except OSError as error:
        _drop_output()
        _end(_words(error), FAILED)


def _words(error: OSError) -> str:
    place = error.filename or ("standard output" if error.errno in _OF_A_STREAM else None)
    what = error.strerror or str(error) or type(error).__name__
    return f"{place}: {what}" if place else what


def _drop_output() -> None:
    """What could not be written would be tried again when the interpreter ends, with a traceback."""
    if sys.stdout is not None:
        with contextlib.suppress(OSError):
            sys.stdout.close()


def _end(text: str, code: int) -> None:
    for line in text.splitlines():
        sys.stderr.write(f"mailroom: {line}\n")
    raise SystemExit(code)
