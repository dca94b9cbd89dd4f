"""What the conformance suite needs from a transport's test bed; each transport brings one.

A harness runs a real server (or a faithful fake of the provider) and can make it misbehave on demand.
"""

from collections.abc import Callable, Mapping
from typing import Protocol, TypeVar

from transports.protocol import Transport

Test = TypeVar("Test", bound=Callable[..., object])

CANARY = "canary@provider.example"
"""In every text the misbehaving provider sends; must never come out of a transport."""


def with_envelope(test: Test) -> Test:
    """For transports that tell the recipients beside the mail."""
    vars(test)["envelope"] = True
    return test


def without_envelope(test: Test) -> Test:
    """For transports whose recipients are those whom the header fields name."""
    vars(test)["envelope"] = False
    return test


class Harness(Protocol):
    """``secret`` is the password or token in use; ``name`` is the transport's.

    ``facts`` are the names of what each stage of a check that passes has learnt. ``envelope`` says that the recipients
    are told beside the mail and judged one by one; without it they are those whom the header fields name, and a mail is
    taken for all of them or for none.
    """

    name: str
    secret: str
    facts: Mapping[str, frozenset[str]]
    envelope: bool

    def make(self) -> Transport:
        """A transport whose settings are right."""

    def make_with_wrong_secret(self) -> Transport:
        """A transport whose sign-in is refused."""

    def make_unreachable(self) -> Transport:
        """A transport for an endpoint where nobody listens."""

    def delivered(self) -> list[tuple[str, bytes]]:
        """Each hand-over: recipient and message, as the provider has them."""

    def sign_ins(self) -> int:
        """How often somebody tried to sign in."""

    def refuse_recipient(self, address: str) -> None:
        """This recipient is refused for good; without an envelope, every mail because of a recipient."""

    def defer_recipient(self, address: str) -> None:
        """This recipient is put off. Only with an envelope."""

    def refuse_mail(self) -> None:
        """Every mail is refused for good as a whole."""

    def defer_mail(self) -> None:
        """Every mail is put off as a whole."""

    def hang_before_hand_over(self) -> None:
        """No reply to anything once connected."""

    def hang_after_hand_over(self) -> None:
        """A mail is taken, and no reply given."""

    def cut_after_hand_over(self) -> None:
        """A mail is taken, and the connection is cut."""

    def cut_before_hand_over(self) -> None:
        """The connection is cut before the mail was given."""

    def behave(self) -> None:
        """All well again."""

    async def close(self) -> None:
        """Ends the test bed."""
