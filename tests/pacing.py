"""Mailboxes with limits that count exactly, and replicas that come and go before them."""

import asyncio
import random
import ssl
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Protocol, Self

from config.oauth.values import Provider
from config.secrets import Secret
from config.sending_limits import SendingLimits
from config.testing import smtp_form, stores_in
from deploy.local.providers.base_values import Fault
from tests.acceptance import connected
from tests.fakes.mailbox import Allowed, Mailbox, Takes, beyond
from tests.running import ConsumerProcess
from tests.running_broker import an_event
from transports.smtp.settings import Security


@dataclass(frozen=True, slots=True)
class Found:
    """What came to one account. ``achieved`` is the part of its limit that was used from its first mail on."""

    organization: str
    mails: int
    achieved: float
    at_once: int
    in_a_span: int
    most_at_once: int
    connections: int
    twice: int

    @property
    def violations(self) -> int:
        """Mails beyond either limit."""
        return self.at_once + self.in_a_span


class Account(Protocol):
    """An account with limits, and the server that counts."""

    @property
    def organization(self) -> str:
        """Whose it is."""
        ...

    def under_way(self) -> int:
        """Mails that its server has begun to take and not answered."""
        ...

    def found(self, until: float) -> Found:
        """What has come until a moment of the monotonic clock."""
        ...


class Own:
    """A submission server of an organisation's own.

    With ``per_minute`` that is its limit, counted in spans of ``seconds``; without, only its connections are.
    """

    def __init__(
        self, organization: str, mailbox: Mailbox, *, connections: int = 4, per_minute: int | None = None
    ) -> None:
        self.organization, self.mailbox = organization, mailbox
        self._connections, self._per_minute = connections, per_minute

    @property
    def limits(self) -> Mapping[str, int | None]:
        """As an organisation chooses them."""
        return {"connections": self._connections, "per_minute": self._per_minute}

    def under_way(self) -> int:
        return self.mailbox.counts.under_way

    def found(self, until: float) -> Found:
        counts = self.mailbox.counts
        mails = [mail for mail in list(counts.mails) if mail.at <= until]
        since = min((mail.began for mail in mails), default=until)
        if self._per_minute is not None:
            # The first of them takes no time of its own: n mails are n - 1 pauses.
            achieved = (len(mails) - 1) / (self._per_minute / 60 * max(0.001, until - since))
        else:
            busy = sum(min(mail.answered, until) - mail.began for mail in mails)
            achieved = busy / (self._connections * max(0.001, until - since))
        return Found(
            self.organization,
            len(mails),
            achieved,
            self.mailbox.too_many_at_once(),
            self.mailbox.too_many_in_a_span(),
            counts.most_under_way,
            counts.most_open,
            _twice(recipient for mail in mails for recipient in mail.recipients),
        )


class Graph:
    """A mailbox at the stand-in for Microsoft 365: four requests at once, each taking ``seconds``."""

    CONCURRENCY = 4

    def __init__(self, boxes: connected.Boxes, organization: str, seconds: float) -> None:
        self.customer = connected.Customer(organization, Provider.MICROSOFT)
        self.organization = organization
        self._box, self._seconds = boxes.microsoft, seconds
        # Refusing the fifth would teach the sender: here it is only counted.
        self._box.graph.limits.concurrency = None
        self._box.fault("send", Fault.delay(seconds), times=None, account=self.customer.account)

    def under_way(self) -> int:
        return sum(self._box.graph.traffic._now.values())

    def found(self, until: float) -> Found:
        mails = [mail for mail in list(self._box.mails) if mail.account == self.customer.account]
        offset = time.time() - time.monotonic()
        times = [mail.at - offset for mail in mails if mail.at - offset <= until]
        since = min(times, default=until) - self._seconds
        achieved = len(times) * self._seconds / (self.CONCURRENCY * max(0.001, until - since))
        most = self._box.graph.traffic.highest
        recipients = (recipient for mail in mails for recipient in mail.recipients)
        return Found(
            self.organization, len(times), achieved, max(0, most - self.CONCURRENCY), 0, most, 0, _twice(recipients)
        )


class Gmail:
    """A mailbox at the stand-in for Google: sixty mails in any minute."""

    ALLOWED = Allowed(4, 60)

    def __init__(self, boxes: connected.Boxes, organization: str) -> None:
        self.customer = connected.Customer(organization, Provider.GOOGLE)
        self.organization = organization
        self._box = boxes.google
        self._box.quotas.per_minute = None

    def under_way(self) -> int:
        return 0

    def found(self, until: float) -> Found:
        mails = [mail for mail in list(self._box.mails) if mail.account == self.customer.account]
        offset = time.time() - time.monotonic()
        times = [mail.at - offset for mail in mails if mail.at - offset <= until]
        seconds = until - min(times, default=until)
        achieved = (len(times) - 1) / (self.ALLOWED.mails / self.ALLOWED.seconds * max(0.001, seconds))
        recipients = (recipient for mail in mails for recipient in mail.recipients)
        return Found(self.organization, len(times), achieved, 0, beyond(times, self.ALLOWED), 0, 0, _twice(recipients))


def _twice(recipients: Iterable[str]) -> int:
    return sum(count - 1 for count in Counter(recipients).values())


@contextmanager
def own_mailboxes(
    tls: ssl.SSLContext,
    rates: Mapping[str, Allowed],
    slots: Sequence[str],
    takes: Takes,
    per_minute: int = 60,
) -> Iterator[list[Own]]:
    """Servers of organisations: those in ``rates`` with a limit of mails ``per_minute``, those in ``slots`` without.

    What is counted is in ``rates``.
    """
    with ExitStack() as stack:
        found = []
        for name, allowed in rates.items():
            box = stack.enter_context(Mailbox(tls, allowed, takes))
            found.append(Own(name, box, connections=allowed.concurrency, per_minute=per_minute))
        for name in slots:
            box = stack.enter_context(Mailbox(tls, Allowed(4, 1_000_000), takes))
            found.append(Own(name, box))
        yield found


def configure(folder: Path, accounts: Iterable[Own]) -> None:
    """Puts the servers of organisations to use, with their limits, straight in the database."""

    async def all_of_them() -> None:
        async with stores_in(folder) as stores:
            chosen = SendingLimits(stores.store, now=stores.now)
            for account in accounts:
                form = smtp_form(
                    host="localhost", port=account.mailbox.port, security=Security.TLS, password=Secret("secret")
                )
                await stores.organizations.configure_smtp(account.organization, form)
                await chosen.choose(account.organization, account.limits)

    asyncio.run(all_of_them())


def variables(accounts: Iterable[Own], ca_file: Path) -> dict[str, Any]:
    """What a process needs to reach them, by names without prefix."""
    return {
        "tls_ca_file": ca_file,
        "allow_networks": "127.0.0.0/8,::1/128",
        "smtp_ports": ",".join(str(account.mailbox.port) for account in accounts) or "587",
    }


def backlog(account: Account, count: int) -> Iterator[dict]:
    """Events of an organisation; each has a recipient of its own."""
    for number in range(count):
        name = f"{account.organization}-{number}"
        yield an_event(number, account.organization, recipient=f"{name}@example.org", id=name)


class Fleet:
    """Replicas that come and go; a context manager that ends them all. ``make`` gives one that is not started."""

    def __init__(self, make: Callable[[str], ConsumerProcess]) -> None:
        self._make = make
        self._count = 0
        self.running: list[ConsumerProcess] = []

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for one in self.running:
            one.kill()

    def begin(self, count: int) -> None:
        """Starts some at the same time; returns when all are ready."""
        fresh = [self._start() for _ in range(count)]
        for one in fresh:
            one.await_ready(60)

    def join(self) -> None:
        """One more; returns when it is ready."""
        self._start().await_ready(60)

    def drain(self) -> None:
        """The oldest one leaves in order; returns when it has ended."""
        oldest = self.running.pop(0)
        assert oldest.stop() == 0, "a drain did not end with 0"

    def kill(self, chance: random.Random) -> None:
        """One of them is killed."""
        self.running.pop(chance.randrange(len(self.running))).kill()

    def _start(self) -> ConsumerProcess:
        self._count += 1
        fresh = self._make(f"replica-{self._count}")
        fresh.start(ready=False)
        self.running.append(fresh)
        return fresh
