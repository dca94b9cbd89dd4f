"""A day at a mailbox, in virtual time: one lane, the wait queues, a prefetch, and a mailbox that counts what arrives.

Everything but the lane and the rule of the wait queues is a stand-in: deliveries come in the order of the queue, a hop
takes a few milliseconds, the ledger some more, a send a random time, and the mail arrives at any moment of it.
"""

import heapq
import itertools
import math
import random
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import partial

from config.limits import Limits
from consumer import names
from consumer.lane_line import Aside, Place, Rank, Stand
from consumer.lane_memory import from_bytes, to_bytes
from consumer.lanes import Lane
from consumer.retry import tier
from transports.errors import DeliveryError

DEADLINE = 90.0
TOO_EARLY = 2.0
HOP = 0.004
LEDGER = 0.004
NEVER = math.inf
WALL = 1_800_000_000.0
"""What the wall clock shows when the simulation begins."""


@dataclass(eq=False)
class Event:
    number: int
    high: bool
    published: float
    not_before: float = 0.0
    promised: bool = False
    hops: int = 0
    promises: int = 0
    sent: float = NEVER


class Mail(Place):
    """The place of an event in the lane."""

    def __init__(self, event: Event) -> None:
        super().__init__("acme", Rank.of(high=event.high, due=event.promised))
        self.event = event


@dataclass
class Mailbox:
    """What the provider sees: arrivals, and how many mails are under way."""

    arrivals: list[float] = field(default_factory=list)
    under_way: int = 0
    most_under_way: int = 0
    refused: int = 0
    seconds: float = 0.0
    """Of all sends together."""

    def most_in(self, seconds: float) -> int:
        """The most arrivals in any window of so many seconds."""
        most, first = 0, 0
        times = sorted(self.arrivals)
        for last, at in enumerate(times):
            while times[first] <= at - seconds:
                first += 1
            most = max(most, last - first + 1)
        return most


class Simulation:
    def __init__(
        self,
        limits: Limits,
        *,
        seed: int = 1,
        sending: Callable[[random.Random], float] = lambda dice: dice.uniform(0.05, 0.4),
        answer: Callable[[float], DeliveryError | None] = lambda now: None,
        prefetch: int = 32,
    ) -> None:
        self.now = 0.0
        self.limits = limits
        self.mailbox = Mailbox()
        self.events: list[Event] = []
        self.longest_wait = 0.0
        self._dice = random.Random(seed)
        self._sending = sending
        self._answer = answer
        self._prefetch = prefetch
        self._agenda: list[tuple[float, int, Callable[[], None]]] = []
        self._ticket = itertools.count()
        self._queue: deque[Event] = deque()
        self._hand: set[Event] = set()
        self._mails: set[Mail] = set()
        self._written: bytes | None = None
        self._owner = 0
        self._draining = False
        self._busy_until = 0.0
        self._wake: float | None = None
        self._lane = self._new_lane()

    # what a test does

    def publish(self, count: int, *, high: bool = False) -> list[Event]:
        """So many events at once."""
        made = [Event(len(self.events) + index, high, self.now) for index in range(count)]
        self.events += made
        self._queue.extend(made)
        self._deliver()
        return made

    def run(self, seconds: float) -> None:
        """Lets time pass."""
        until = self.now + seconds
        while self._agenda and self._agenda[0][0] <= until:
            self.now, _, act = heapq.heappop(self._agenda)
            act()
        self.now = until

    def hand_over(self) -> None:
        """The process ends as it should: what it sends is finished and written, the rest goes back; another goes on."""
        self._draining = True
        for mail in list(self._mails):
            if mail.stand is not Stand.UNDER_WAY:
                self._give_back(mail)
        if not self._lane.under_way:
            self._take_over()

    def kill(self) -> None:
        """The process is gone, whatever it is doing; another goes on at once."""
        for mail in list(self._mails):
            self._mails.discard(mail)
            if mail.stand is Stand.UNDER_WAY:
                mail.event.sent = mail.began  # its end is unknown, and it is not sent again here
                self._hand.discard(mail.event)
            else:
                self._back(mail.event)
        self._take_over()

    # what the process does

    def _later(self, seconds: float, act: Callable[[], None]) -> None:
        heapq.heappush(self._agenda, (self.now + seconds, next(self._ticket), act))

    def _new_lane(self) -> Lane:
        self._owner += 1
        lane = Lane(self.limits, now=self.now, wall=WALL + self.now, deadline=DEADLINE)
        memory = from_bytes(self._written) if self._written is not None else None
        if memory is not None:
            lane.recall("acme", memory, str(self._owner), self.now, WALL + self.now)
        self._wake = None
        return lane

    def _take_over(self) -> None:
        self._draining = False
        for event in list(self._hand):
            self._back(event)
        self._mails.clear()
        self._lane = self._new_lane()
        self._deliver()

    def _write(self) -> None:
        self._written = to_bytes(self._lane.remember(str(self._owner), self.now))

    def _deliver(self) -> None:
        while self._queue and len(self._hand) < self._prefetch and not self._draining:
            event = self._queue.popleft()
            self._hand.add(event)
            # One process does one thing at a time.
            self._busy_until = max(self._busy_until, self.now) + HOP / 4
            self._later(self._busy_until - self.now, partial(self._receive, event, self._owner))

    def _receive(self, event: Event, owner: int) -> None:
        if owner != self._owner or event not in self._hand:
            return
        if event.not_before - self.now > TOO_EARLY:
            self._put_aside(event, event.not_before - self.now)
            return
        mail = Mail(event)
        aside = self._lane.enter(mail, self.now)
        if aside is not None:
            self._promise(event, aside)
            return
        self._mails.add(mail)
        self._moved([mail])

    def _moved(self, mails: Sequence[Place]) -> None:
        for mail in mails:
            assert isinstance(mail, Mail)
            if mail.stand is Stand.NEAR:
                self._write()
                self._later(LEDGER, partial(self._want, mail, self._owner))
            elif mail.stand is Stand.UNDER_WAY:
                self._begin(mail)
            elif mail.stand is Stand.OUT:
                self._out(mail)
        self._look_again()

    def _look_again(self) -> None:
        at = self._lane.wake_at(self.now)
        if at is not None and (self._wake is None or at < self._wake):
            self._wake = at
            self._later(at - self.now, partial(self._look, self._owner, at))

    def _look(self, owner: int, at: float) -> None:
        if owner == self._owner:
            if self._wake == at:
                self._wake = None
            self._moved(self._lane.step(self.now))

    def _want(self, mail: Mail, owner: int) -> None:
        if owner != self._owner or mail not in self._mails:
            return
        self._lane.want(mail, self.now)
        self._moved([mail])

    def _begin(self, mail: Mail) -> None:
        self.longest_wait = max(self.longest_wait, self.now - mail.since)
        takes = self._sending(self._dice)
        box = self.mailbox
        box.under_way += 1
        box.most_under_way = max(box.most_under_way, box.under_way)
        box.seconds += takes
        self._lane.begins(mail, self.now)
        answer = self._answer(self.now)
        box.refused += answer is not None
        arrival = self.now + takes * self._dice.choice((0.0, 1.0, self._dice.random()))
        box.arrivals.append(arrival)
        self._later(takes, partial(self._end, mail, self._owner, answer))

    def _end(self, mail: Mail, owner: int, answer: DeliveryError | None) -> None:
        self.mailbox.under_way -= 1
        if owner != self._owner:
            return
        self._lane.ended(mail, answer, self.now)
        self._lane.leave(mail, self.now)
        self._mails.discard(mail)
        self._hand.discard(mail.event)
        self._write()
        if answer is None:
            mail.event.sent = mail.began
        else:
            self._put_aside(mail.event, max(answer.retry_after or 60.0, 1.0))
        if self._draining:
            if not self._lane.under_way:
                self._take_over()
            return
        self._moved(self._lane.step(self.now))
        self._deliver()

    def _out(self, mail: Mail) -> None:
        self.longest_wait = max(self.longest_wait, self.now - mail.since)
        self._lane.leave(mail, self.now)
        self._mails.discard(mail)
        assert mail.refusal is not None
        self._promise(mail.event, mail.refusal)

    def _promise(self, event: Event, aside: Aside) -> None:
        event.promises += 1
        event.promised = True
        self._put_aside(event, aside.after)

    def _put_aside(self, event: Event, after: float) -> None:
        event.not_before = self.now + after
        event.hops += 1
        self._hand.discard(event)
        self._later(HOP + tier(after, names.WAIT_TIERS), partial(self._returned, event))
        self._deliver()

    def _returned(self, event: Event) -> None:
        self._queue.append(event)
        self._deliver()

    def _give_back(self, mail: Mail) -> None:
        self._lane.leave(mail, self.now)
        self._mails.discard(mail)
        self._write()
        self._back(mail.event)

    def _back(self, event: Event) -> None:
        self._hand.discard(event)
        self._queue.appendleft(event)
