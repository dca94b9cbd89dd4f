"""The phases of an SMTP exchange told as the stages an administrator knows."""

from transports import stages
from transports.protocol import Facts
from transports.smtp.phases import Phase

_STAGES: dict[Phase, str] = {
    Phase.ADDRESS: "address",
    Phase.CONNECT: "connect",
    Phase.STARTTLS: "tls",
    Phase.TLS: "tls",
    Phase.AUTH: "sign_in",
    Phase.MAIL: "sender",
    Phase.RCPT: "sender",
}
"""Greeting and EHLO belong to whatever stage is under way: with implicit TLS they come after the handshake."""


class Stages(stages.Stages):
    """Collects stages from phases."""

    def entered(self, phase: Phase) -> None:
        """Told of every phase."""
        name = _STAGES.get(phase)
        if name is not None:
            self.enter(name)

    def learnt(self, phase: Phase, facts: Facts) -> None:
        """Told of what is worth showing of the stage that ``phase`` belongs to."""
        self.learn(_STAGES.get(phase, ""), facts)
