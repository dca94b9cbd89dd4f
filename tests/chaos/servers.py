"""The far side of a chaos run: the platform's relay, an organisation's own server, and both providers' stand-ins.

What they took is the truth about hand-offs; what they did instead of answering explains what came twice.
"""

import os
import random
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass

import psutil
from aiosmtpd.smtp import Envelope, Session

from deploy.local.providers.base_values import Mail
from tests.chaos.mix import first_word
from tests.chaos.orders import Order, Struck
from tests.fakes.sink import Action, Later, Sink
from tests.fakes.smtpd import FakeSmtpd
from tests.fakes.smtpd_script import Action as Scripted
from tests.fakes.smtpd_script import Script, Wire

PHASES = ("GREETING", "EHLO", "MAIL", "RCPT", "DATA", "UPLOAD", "BODY")
"""Of one mail by SMTP, in their order; UPLOAD is within the message, BODY after its final dot."""

LATER, NO, STRANGE = "451 4.3.0 not now", "550 5.1.1 no such person", "599 5.9.9 whatever that means"


@dataclass(frozen=True, slots=True)
class Handed:
    """A mail that a server took for one recipient; ``answered``: the server said so."""

    address: str
    at: float
    answered: bool
    server: str


class Manners:
    """How the relay behaves towards each recipient (by its address), and where it strikes at its client.

    ``pids`` gives the replicas that run. Called in the server's thread; the rest may be read from any.
    """

    def __init__(self, seed: int, pids: Callable[[], Iterable[int]], *, slowness: float = 0.02) -> None:
        self.asks: Counter[str] = Counter()
        self.doubtful: Counter[str] = Counter()
        """By address: how often its client cannot know whether the mail was taken, because of what was done here."""

        self.instead: Callable[[str, str], Action | None] = lambda phase, argument: None
        self.sink: Sink | None = None
        self._chance = random.Random(f"{seed}/manners")
        self._slowness = slowness
        self._pids = pids
        self._met: set[tuple[str, str]] = set()
        self._order: tuple[Order, int] | None = None
        self._lock = threading.Lock()
        self.struck: Struck | None = None

    def strike(self, order: Order | None) -> None:
        """From now on looks out for the order's phase, to send its signal to the process at the other end."""
        with self._lock:
            self._order, self.struck = (None if order is None else (order, 0)), None

    def __call__(self, phase: str, argument: str) -> Action | None:
        self._look(phase, argument)
        recipients = argument.split(",")
        if phase == "RCPT":
            self.asks[argument] += 1
        action = self.instead(phase, argument) or self._usual(phase, recipients)
        if isinstance(action, Wire) and phase in ("UPLOAD", "BODY"):
            self.doubtful.update(recipients)
        return action

    def _usual(self, phase: str, recipients: list[str]) -> Action | None:
        what = first_word(recipients[0])
        if phase == "RCPT":
            if what in ("refused", "hard"):
                return NO
            if what == "odd":
                return STRANGE
            if what == "short" or (what == "soft" and self._first(phase, recipients[0])):
                return LATER
        if phase == "BODY":
            if what == "lost" and self._first(phase, recipients[0]):
                return Wire.TAKE_AND_CUT
            if what == "cut" and self._first(phase, recipients[0]):
                return Wire.CUT
            return Later(self._chance.random() * self._slowness)
        return None

    def _first(self, phase: str, address: str) -> bool:
        new = (phase, address) not in self._met
        self._met.add((phase, address))
        return new

    def _look(self, phase: str, argument: str) -> None:
        with self._lock:
            if self._order is None or self._order[0].step != phase or self.sink is None:
                return
            order, reached = self._order
            self._order = (order, reached + 1)
            if reached + 1 < order.nth:
                return
            pid = owner(self.sink.asking[1], self._pids())
            if pid is None:  # somebody else's connection, or one that is gone
                return
            self._order = None
            self.struck = Struck(order.number, phase, order.signal, pid, argument, time.monotonic())
            os.kill(pid, order.signal)


def owner(port: int, pids: Iterable[int]) -> int | None:
    """Which of these processes has a connection from this local port."""
    for pid in pids:
        try:
            found = psutil.Process(pid).net_connections("tcp4")
        except psutil.Error:
            continue
        if any(one.laddr[1:2] == (port,) for one in found):
            return pid
    return None


class _Remembering(Script):
    """A script that knows what it said last."""

    last: Scripted | None = None

    def action(self, phase: str, argument: str = "") -> Scripted | None:
        self.last = super().action(phase, argument)
        return self.last


class OwnServer(FakeSmtpd):
    """The server of organisations that have an account of their own, with times."""

    def __init__(self, **options: object) -> None:
        super().__init__(**options)  # type: ignore[arg-type] # the same ones
        self.script = self.told = _Remembering()
        self.handed: list[Handed] = []
        self.doubtful: list[float] = []

    def take(self, envelope: Envelope, session: Session, content: bytes) -> None:
        answered = self.told.last is None
        at = time.monotonic()
        self.handed += [Handed(str(address), at, answered, "own") for address in envelope.rcpt_tos]


class Boxed:
    """What a provider's stand-in took; put it in as its ``arrived``."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.handed: list[Handed] = []

    def __call__(self, mail: Mail) -> None:
        at = time.monotonic()
        self.handed += [Handed(address, at, answered=True, server=self.name) for address in mail.recipients]


def relayed(sink: Sink) -> list[Handed]:
    """What the relay took."""
    return [
        Handed(address, mail.at, mail.answered, "relay") for mail in list(sink.taken) for address in mail.recipients
    ]
