"""How much one Gmail user may send: so many a minute by the API's quota, so many a day by the mailbox's limit."""

from collections import defaultdict, deque
from dataclasses import dataclass
from typing import Final

from deploy.local.providers.gmail_errors import sending_locked, too_fast

_MINUTE: Final = 60.0
_DAY: Final = 86_400.0


@dataclass(slots=True)
class _Lock:
    until: float
    seconds: float
    told: bool = False


class Quotas:
    """Counts what each account sent. ``per_minute`` and ``per_day`` may be ``None`` for no limit.

    Beyond ``per_day`` the mailbox is locked for ``lock`` seconds; whoever was told so and tries earlier waits that long
    again. Beyond ``per_minute`` the answer has ``status`` (403 or 429; Google uses both).
    """

    def __init__(self) -> None:
        self.per_minute: int | None = 60
        self.per_day: int | None = 2000
        self.status = 403
        self.lock = _DAY
        self._minute: defaultdict[str, deque[float]] = defaultdict(deque)
        self._day: defaultdict[str, deque[float]] = defaultdict(deque)
        self._locks: dict[str, _Lock] = {}

    def lock_sending(self, account: str, until: float, seconds: float) -> None:
        """The mailbox may not send before ``until`` (seconds since 1970); an early try costs ``seconds`` more."""
        self._locks[account.lower()] = _Lock(until, seconds)

    def locked_until(self, account: str) -> float:
        """Until when the mailbox may not send; 0 when it may."""
        lock = self._locks.get(account.lower())
        return lock.until if lock is not None else 0.0

    def allow(self, account: str, now: float) -> None:
        """Lets one more mail pass.

        Raises:
            ApiError: a limit is reached.
        """
        self._check_lock(account, now)
        if self.per_minute is not None and _within(self._minute[account.lower()], now - _MINUTE) >= self.per_minute:
            raise too_fast(self.status)
        self.allow_today(account, now)

    def allow_today(self, account: str, now: float) -> None:
        """The same without the minute's quota, which is the API's alone.

        Raises:
            ApiError: the mailbox has reached its daily limit.
        """
        name = account.lower()
        self._check_lock(name, now)
        if self.per_day is not None and _within(self._day[name], now - _DAY) >= self.per_day:
            self._locks[name] = _Lock(now + self.lock, self.lock, told=True)
            raise sending_locked(now + self.lock)

    def _check_lock(self, account: str, now: float) -> None:
        lock = self._locks.get(account.lower())
        if lock is not None and now < lock.until:
            if lock.told:
                lock.until = max(lock.until, now + lock.seconds)
            lock.told = True
            raise sending_locked(lock.until)

    def count(self, account: str, now: float) -> None:
        """One mail was sent."""
        self._minute[account.lower()].append(now)
        self._day[account.lower()].append(now)


def _within(times: deque[float], since: float) -> int:
    while times and times[0] <= since:
        times.popleft()
    return len(times)
