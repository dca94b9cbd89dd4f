"""The client's side of the SMTP tests: a mail, settings and a context with bounds short enough for tests."""

import ssl
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

from transports.message import Mail, Mailbox
from transports.smtp.settings import Security, SmtpContext, SmtpSettings
from transports.smtp.transport import SmtpTransport

USER, PASSWORD = "jo@example.org", "s3cret-pässword"
CREDENTIALS = ((USER, PASSWORD),)


def mail(*recipients: str, sender: str = "sender@example.org", **fields: Any) -> Mail:
    """A mail to ``recipients`` (default: one), all of them owed."""
    to = tuple(Mailbox(address) for address in recipients or ("jo@example.net",))
    base = Mail(
        message_id="<0123456789@example.org>",
        date=datetime(2026, 11, 21, 8, 0, tzinfo=UTC),
        sender=Mailbox(sender, "Sender"),
        to=to,
        subject="A subject",
        owed=tuple(range(len(to))),
        text="A text.\n.with a dot\n..and two\n",
    )
    return replace(base, **fields)


def context(ssl_context: ssl.SSLContext, **changes: Any) -> SmtpContext:
    """A context without a guard (the servers of tests are on loopback) and with short bounds."""
    base = SmtpContext(
        ssl_context,
        None,
        "client.example.org",
        connect_timeout=5.0,
        command_timeout=5.0,
        reset_timeout=0.5,
        quit_timeout=0.5,
    )
    return replace(base, **changes)


def settings(port: int, security: Security = Security.NONE, **changes: Any) -> SmtpSettings:
    """Settings for a server of a test."""
    return replace(SmtpSettings("localhost", port, security), **changes)


class Clock:
    """A monotonic clock that a test moves."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


GRANT = "grant-1"


class Grant:
    """A token source: gives its tokens in order, the next one when the current one was refused.

    ``asked`` counts the calls, ``refreshes`` the renewals.
    """

    def __init__(self, *tokens: str, before: Callable[[], None] = lambda: None) -> None:
        self._tokens, self._before = list(tokens), before
        self.asked = 0
        self.refreshes = 0

    async def token(self, *, refused: str | None = None) -> str:
        self.asked += 1
        self._before()
        if refused is not None and refused == self.current:
            self.refreshes += 1
        return self.current

    @property
    def current(self) -> str:
        return self._tokens[min(self.refreshes, len(self._tokens) - 1)]

    def __call__(self, grant: str) -> "Grant":
        """Itself as the token source of ``GRANT``, the only grant there is."""
        assert grant == GRANT
        return self


def transport(
    server_port: int, ssl_context: ssl.SSLContext, security: Security = Security.NONE, **changes: Any
) -> SmtpTransport:
    """A transport; ``changes`` go to the settings, those named ``context_…`` to the context."""
    shared = {name.removeprefix("context_"): changes.pop(name) for name in list(changes) if name.startswith("context_")}
    made = settings(server_port, security, **changes)
    return SmtpTransport(made, context=context(ssl_context, **shared))
