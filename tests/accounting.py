"""Where is every mail? What was published, against what the server took and what lies in the broker's queues."""

from collections import Counter
from collections.abc import Collection, Iterable
from dataclasses import dataclass, field

from consumer import names
from tests.fakes.sink import Sink, Taken
from tests.running_broker import ready, wait_queues, work_queues


@dataclass(frozen=True, slots=True)
class Account:
    """``lost`` are in nobody's hands; ``duplicates`` are copies beyond the first, and ``unlike`` those that differ."""

    expected: int
    taken: int
    dead: int
    lost: tuple[str, ...]
    duplicates: tuple[Taken, ...]
    unlike: tuple[str, ...]
    firsts: dict[str, Taken] = field(repr=False)

    def __str__(self) -> str:
        return (
            f"{self.expected} events: {self.taken} handed off, {self.dead} dead, {len(self.lost)} lost, "
            f"{len(self.duplicates)} duplicates, {len(self.unlike)} of them with other content"
        )


def account(sink: Sink, expected: Collection[str], dead: Iterable[str] = ()) -> Account:
    """Accounts for mails with one recipient each; ``expected`` are the recipients, ``dead`` those of dead letters."""
    firsts: dict[str, Taken] = {}
    duplicates, unlike = [], []
    for mail in list(sink.taken):
        for recipient in mail.recipients:
            first = firsts.setdefault(recipient, mail)
            if first is not mail:
                duplicates.append(mail)
                if first.digest != mail.digest:
                    unlike.append(recipient)
    given_up = set(dead)
    return Account(
        len(expected),
        len(firsts),
        len(given_up),
        tuple(sorted(set(expected) - firsts.keys() - given_up)),
        tuple(duplicates),
        tuple(unlike),
        firsts,
    )


def settled(amqp_url: str, sink: Sink, expected: Collection[str]) -> bool:
    """Whether as many mails as expected were taken or are dead, and nothing waits in a queue."""
    missing = len(expected) - sink.distinct()
    if missing > 0:
        missing -= ready(amqp_url, [names.DEAD])
    return missing <= 0 and ready(amqp_url, [*work_queues(), *wait_queues()]) == 0


def duplicates_explained(found: Account, ends: Iterable[float], *, within: float = 1.5) -> bool:
    """Whether every duplicate is of a mail that was first taken shortly before an unclean end at ``ends``."""
    moments = list(ends)
    firsts = [found.firsts[mail.recipients[0]].at for mail in found.duplicates]
    return all(any(end - within <= first <= end + within for end in moments) for first in firsts)


def per_recipient(sink: Sink) -> Counter[str]:
    """How often each recipient got a mail; only those who got more than one."""
    return Counter({address: count for address, count in sink.recipients().items() if count > 1})
