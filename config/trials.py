"""The record of trials: who may begin one, how far it has come, how it ended, and the code that confirms its mail.

Everything is counted and locked in the database, so it holds for all replicas together.
"""

import hashlib
import math
import uuid
from collections.abc import Callable, Mapping
from dataclasses import asdict
from datetime import datetime, timedelta
from typing import Any, Final

from config import store_history, store_organizations
from config.actor_columns import actor as actor_of
from config.actor_columns import columns
from config.actors import Actor
from config.errors import TooManyCodes, TooManyTrials, TrialRunning
from config.history import Action, entry
from config.store import Store
from config.store_trials import TrialRows
from config.trial_codes import normalized
from config.trial_values import Trial, TrialStage, TrialState, TrialSubject
from transports.errors import Code

LONGEST_RUN: Final = timedelta(seconds=180)
"""After this a trial that still runs was interrupted: whoever ran it bounds it far below."""
CODE_LASTS: Final = timedelta(days=7)
WRONG_CODES: Final = 10
WRONG_CODES_WINDOW: Final = timedelta(hours=1)


class Trials:
    """All methods raise :class:`~config.errors.StoreUnavailable`; ``now`` is the wall clock with a time zone.

    An organisation may begin ``organization_limit`` trials in ``organization_window``, an administrator (by e-mail,
    in whatever organisation) ``administrator_limit`` in ``administrator_window``.
    """

    def __init__(
        self,
        store: Store,
        *,
        now: Callable[[], datetime],
        new_id: Callable[[], str] = lambda: uuid.uuid4().hex,
        organization_limit: int = 6,
        organization_window: timedelta = timedelta(minutes=10),
        administrator_limit: int = 12,
        administrator_window: timedelta = timedelta(hours=1),
    ) -> None:
        self._rows = TrialRows(store)
        self._now = now
        self._new_id = new_id
        self._organization = (organization_limit, organization_window)
        self._administrator = (administrator_limit, administrator_window)

    async def begin(
        self,
        organization: str,
        actor: Actor,
        *,
        subject: TrialSubject,
        kind: str,
        server: str,
        sender: str,
        code: str,
        version: int | None = None,
    ) -> Trial:
        """Records that a trial begins. ``code`` is the one in its mail (only a hash of it is kept).

        ``version`` is that of the settings in use when these are tried. One that has been running for 180 s counts
        as interrupted.

        Raises:
            TooManyTrials: the throttle; ``retry_after`` says in how many seconds it may be tried again.
            TrialRunning: one is under way for this organisation.
        """
        now, throttled = self._now(), actor.email.strip().casefold()
        values: dict[str, Any] = {
            "id": self._new_id(),
            "organization": organization,
            "subject": subject.value,
            "state": TrialState.RUNNING.value,
            "kind": kind,
            "server": server,
            "sender": sender,
            **columns(actor),
            "throttled": throttled,
            "began_at": now,
            "ended_at": None,
            "stages": [],
            "version": version,
            "problem": "",
            "code_hash": _code_hash(organization, normalized(code) or code),
            "confirmed_at": None,
        }
        async with self._rows.changing(f"of {organization}", *([f"by {throttled}"] if throttled else [])) as connection:
            running = await self._rows.in_state(connection, organization, TrialState.RUNNING.value)
            if running is not None:
                trial = _trial(running, now)
                if trial.state is TrialState.RUNNING:
                    raise TrialRunning(trial.id)
                await self._rows.change(connection, running["number"], state=trial.state.value, ended_at=trial.ended_at)
            waits = [await self._wait(connection, now, *self._organization, organization=organization)]
            if throttled:
                waits.append(await self._wait(connection, now, *self._administrator, throttled=throttled))
            if max(waits) > 0:
                raise TooManyTrials(max(waits))
            # Whatever counts for a throttle stays.
            keep_from = now - max(self._organization[1], self._administrator[1])
            await self._rows.add(connection, values, keep_from=keep_from)
        return _trial(values, now)

    async def stage(self, trial_id: str, stage: TrialStage) -> bool:
        """Adds a stage that has ended; ``False`` and nothing added when the trial is not running any more."""
        async with self._rows.changing() as connection:
            row = await self._rows.locked(connection, trial_id)
            if row is None or row["state"] != TrialState.RUNNING:
                return False
            await self._rows.change(connection, row["number"], stages=[*row["stages"], asdict(stage)])
            return True

    async def finish(self, trial_id: str, state: TrialState, *, version: int | None = None, problem: str = "") -> bool:
        """Ends a running trial; ``version`` (if given) is what its settings became. ``False``: it had ended before."""
        async with self._rows.changing() as connection:
            row = await self._rows.locked(connection, trial_id)
            if row is None or row["state"] != TrialState.RUNNING:
                return False
            final = {"version": row["version"] if version is None else version, "problem": problem}
            await self._rows.change(connection, row["number"], state=state.value, ended_at=self._now(), **final)
            return True

    async def get(self, organization: str, trial_id: str) -> Trial | None:
        """A trial of this organisation; ``None`` for another's."""
        row = await self._rows.one(organization, trial_id)
        return None if row is None else _trial(row, self._now())

    async def latest(self, organization: str) -> Trial | None:
        """The trial that began last. The newest 20 of an organisation are kept."""
        row = await self._rows.latest(organization)
        return None if row is None else _trial(row, self._now())

    async def confirm(self, organization: str, code: str, actor: Actor) -> Trial | None:
        """Takes the code of a test mail as a person typed it, and marks the settings as verified, in one transaction.

        A code holds for one use, for 7 days and for the settings in use at its trial: ``None`` for any other.

        Raises:
            TooManyCodes: ten wrong codes within an hour for this organisation.
        """
        meant = normalized(code)
        if meant is None:
            return None
        now = self._now()
        async with self._rows.changing(f"code {organization}") as connection:
            tries, since = await self._rows.wrong_codes(connection, organization) or (0, now)
            if now - since >= WRONG_CODES_WINDOW:
                tries, since = 0, now
            if tries >= WRONG_CODES:
                raise TooManyCodes(_seconds(since + WRONG_CODES_WINDOW - now))
            row = await self._rows.by_code(connection, organization, _code_hash(organization, meant))
            if row is None:
                await self._rows.count_wrong_codes(connection, organization, tries + 1, since)
                return None
            if row["confirmed_at"] is not None or now - row["began_at"] >= CODE_LASTS:
                return None
            if row["state"] != TrialState.PASSED or row["version"] is None:
                return None
            # The organisation's row first, as every change of settings has it.
            verified = await store_organizations.verify(connection, organization, row["version"], now)
            if verified is None:
                return None
            if verified:
                await store_history.add(connection, organization, entry(now, actor, Action.VERIFIED))
            await self._rows.change(connection, row["number"], confirmed_at=now)
            return _trial({**row, "confirmed_at": now}, now)

    async def confirmed(self, organization: str, code: str) -> Trial | None:
        """The trial whose code this is, if the code was taken before; ``None`` for any other. It counts as no try."""
        meant = normalized(code)
        if meant is None:
            return None
        async with self._rows.changing() as connection:
            row = await self._rows.by_code(connection, organization, _code_hash(organization, meant))
        return None if row is None or row["confirmed_at"] is None else _trial(row, self._now())

    async def _wait(self, connection: Any, now: datetime, limit: int, window: timedelta, **by: str) -> int:
        """Seconds until one more is within the limit, 0 for now."""
        began = await self._rows.began(connection, now - window, limit, **by)
        return 0 if len(began) < limit else _seconds(began[-1] + window - now)


def _trial(row: Mapping[str, Any], now: datetime) -> Trial:
    state, ended_at = TrialState(row["state"]), row["ended_at"]
    if state is TrialState.RUNNING and now - row["began_at"] >= LONGEST_RUN:
        state, ended_at = TrialState.INTERRUPTED, row["began_at"] + LONGEST_RUN
    return Trial(
        **{name: row[name] for name in ("id", "organization", "kind", "server", "sender", "began_at")},
        **{name: row[name] for name in ("version", "problem", "confirmed_at")},
        subject=TrialSubject(row["subject"]),
        state=state,
        actor=actor_of(row),
        ended_at=ended_at,
        stages=tuple(map(_stage, row["stages"])),
    )


def _stage(kept: Mapping[str, Any]) -> TrialStage:
    code = kept["code"]
    # A newer version may have noted a code that this one does not know.
    known = Code(code) if code in set(Code) else Code.INTERNAL_ERROR if code else None
    facts = tuple((str(name), str(value)) for name, value in kept["facts"])
    return TrialStage(**{**kept, "code": known, "facts": facts})


def _code_hash(organization: str, code: str) -> bytes:
    return hashlib.sha256(f"{organization}\0{code}".encode()).digest()


def _seconds(wait: timedelta) -> int:
    return max(1, math.ceil(wait.total_seconds()))
