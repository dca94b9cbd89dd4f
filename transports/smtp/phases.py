"""The phases of an SMTP exchange: they decide whose fault a failure is and whether the mail can have been accepted."""

from enum import StrEnum
from typing import Protocol

from transports.protocol import Facts


class Phase(StrEnum):
    """Where in the exchange we are.

    ``DATA`` lasts from the DATA command until the terminating dot is given to the socket; ``BODY`` begins with the
    dot. Only in ``BODY`` can a broken wire leave the outcome unknown (RFC 5321 §4.5.3.2.6, RFC 1047).
    """

    ADDRESS = "address"
    CONNECT = "connect"
    GREETING = "greeting"
    EHLO = "ehlo"
    STARTTLS = "starttls"
    TLS = "tls"
    AUTH = "auth"
    MAIL = "mail"
    RCPT = "rcpt"
    DATA = "data"
    BODY = "body"


class Progress(Protocol):
    """Told how far an exchange has come, from within the event loop; must neither block nor raise."""

    def entered(self, phase: Phase) -> None:
        """``phase`` begins."""
        ...

    def learnt(self, phase: Phase, facts: Facts) -> None:
        """What is worth showing of ``phase``, while it lasts or soon after."""
        ...
