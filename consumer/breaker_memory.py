"""The breakers a process remembers: what was seen, what is open, and what the table said of it. Knows no database."""

from collections import OrderedDict
from collections.abc import Callable
from typing import Final

from config.breaker_keys import OpenBreaker
from config.logs import get_logger
from consumer import breaker as state
from consumer.breaker import Breaker, Rules
from consumer.breaker_entry import Entry
from consumer.metrics_pacing import Probe

log = get_logger(__name__)

_LOOK_AGAIN: Final = 1.0
"""Seconds after which a probe that somebody else has is looked at again, if the table was not read sooner."""


class Seen:
    """The accounts that were served here lately, at most ``most`` of them; ``lasts`` is in seconds."""

    def __init__(self, clock: Callable[[], float], *, lasts: float = 60.0, most: int = 10_000) -> None:
        self._clock = clock
        self._lasts = lasts
        self._most = most
        self._at: OrderedDict[str, float] = OrderedDict()

    def note(self, account: str) -> bool:
        """It is served now; whether it was lately."""
        now = self._clock()
        known = now - self._at.get(account, float("-inf")) < self._lasts
        self._at[account] = now
        self._at.move_to_end(account)
        if len(self._at) > self._most:
            self._at.popitem(last=False)
        return known


class Memory:
    """``rules`` gives those of a key, ``clock`` is monotonic, ``random`` gives a number in [0, 1)."""

    def __init__(self, rules: Callable[[str], Rules], clock: Callable[[], float], random: Callable[[], float]) -> None:
        self._rules = rules
        self._clock = clock
        self._random = random
        self._entries: dict[str, Entry] = {}
        self.open: dict[str, Entry] = {}

    def __len__(self) -> int:
        """How many are remembered, open or not."""
        return len(self._entries)

    def find(self, key: str) -> Entry | None:
        """The breaker of this key, if anything is remembered of it."""
        return self._entries.get(key)

    def entry(self, key: str, *, local: bool = False) -> Entry:
        """The breaker of this key, made if need be."""
        found = self._entries.get(key)
        if found is None:
            found = self._entries[key] = Entry(key, self._rules(key), local)
        return found

    def failed(self, key: str, account: str, *, slow: bool) -> Entry:
        """A mail of this account met no answer; opens nothing."""
        entry = self.entry(key)
        now, apart = self._clock(), entry.apart(account, self._clock())
        entry.breaker = state.failed(entry.breaker, now, entry.rules, slow=slow, apart=apart)
        if entry.breaker.failures <= 1:
            entry.accounts.clear()
        if entry.breaker.counted == now:
            entry.blame(account, now)
        return entry

    def open_up(self, entry: Entry, reason: str) -> bool:
        """Opens it; ``False`` if it was open."""
        if entry.breaker.is_open:
            return False
        entry.breaker = state.opened(entry.breaker, self._clock(), entry.rules, self._random)
        entry.reason, entry.since = reason, self._clock()
        self.open[entry.key] = entry
        log.warning("breaker opened", scope=entry.key, code=reason)
        return True

    def shut(self, entry: Entry) -> bool:
        """Nothing counts any more; ``False`` if it was not open."""
        was_open = entry.breaker.is_open
        entry.breaker = state.answered(entry.breaker, self._clock())
        entry.accounts.clear()
        entry.concerned.clear()
        entry.claim, entry.saved = None, False
        self.open.pop(entry.key, None)
        if was_open:
            log.info("breaker closed", scope=entry.key)
        return was_open

    def probing(self, entry: Entry, token: str, until: float) -> None:
        """The probe is ours until then."""
        entry.breaker = state.probing(entry.breaker, until)
        entry.claim = token

    def missed(self, entry: Entry) -> None:
        """Somebody else has the probe."""
        entry.breaker = state.probing(entry.breaker, self._clock() + _LOOK_AGAIN)

    def probed(self, entry: Entry, how: Probe) -> float:
        """Our probe did not close it; gives the seconds until the next one is due."""
        now = self._clock()
        entry.claim = None
        match how:
            case Probe.FAILED:
                entry.breaker = state.probe_failed(entry.breaker, now, entry.rules, self._random)
            case Probe.GIVEN_UP:
                entry.breaker = state.probe_given_up(entry.breaker, now)
            case _:
                entry.breaker = state.probe_unclear(entry.breaker, now, entry.rules, self._random)
        return max(0.0, entry.breaker.due - now)

    def adopt(self, entry: Entry, row: OpenBreaker) -> None:
        """It is as the table says, unless the table says no more than that our own probe is under way."""
        if entry.ours(self._clock()) and row.claimed_by == entry.claim:
            return
        if not entry.breaker.is_open:
            entry.since = self._clock() - row.pause
        entry.breaker = Breaker(
            is_open=True,
            failures=row.failures,
            pause=row.pause,
            due=self._clock() + row.remaining,
            probing=row.claimed_by is not None,
        )
        entry.reason, entry.claim, entry.saved = row.reason, None, True
        self.open[entry.key] = entry

    def tidy(self) -> None:
        """Forgets what no longer matters."""
        now = self._clock()
        for key, entry in list(self._entries.items()):
            if not entry.pending and not entry.owed and entry.breaker.idle(now, entry.rules):
                del self._entries[key]
