"""Standard input as the commands read it: it may be closed, a terminal, or end without a line break."""

import getpass
import sys
from typing import BinaryIO, Final, NoReturn

import typer

from config.secrets import Secret

# More than any password may have, so that an endless stream is refused and not read to its end.
_MOST_CHARACTERS: Final = 4096


def standard_input() -> BinaryIO:
    """Standard input as bytes; where it is closed, the command ends with a sentence and code 2."""
    if sys.stdin is None:
        refuse("standard input is closed")
    return sys.stdin.buffer


def password(prompt: str = "Password: ") -> Secret | None:
    """All of standard input without its last line break, None when blank; without echo where a person types it."""
    standard_input()
    if sys.stdin.isatty():
        text = getpass.getpass(prompt)
    else:
        try:
            text = sys.stdin.read(_MOST_CHARACTERS)
        except UnicodeDecodeError:
            refuse("the text on standard input is not text in UTF-8")
        text = text.removesuffix("\r\n") if text.endswith("\r\n") else text.removesuffix("\n")
    return Secret(text) if text else None


def confirm(question: str) -> None:
    """Asks a person and ends the command unless the answer is yes; says what to do where nobody can answer."""
    try:
        if sys.stdin is None:
            raise typer.Abort
        typer.confirm(question, abort=True, err=True)
    except typer.Abort:
        if sys.stdin is None or not sys.stdin.isatty():
            typer.echo("Use --yes where nobody is there to answer.", err=True)
        raise


def refuse(sentence: str) -> NoReturn:
    """Ends the command with a sentence and the code for wrong use."""
    typer.echo(sentence, err=True)
    raise typer.Exit(2)
