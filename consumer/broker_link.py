"""Keeps one connection to the broker: connects, waits until it is lost, connects again.

There are two links, one to consume and one to publish, because a memory or disk alarm at the broker stops everything
on the connection of a publisher, acknowledgements included (rabbitmq.com/docs/alarms, and reproduced).
"""

import asyncio
import random
import ssl
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from config.logs import get_logger
from consumer.broker_backoff import REFUSED, Backoff, shuffled
from consumer.broker_connection import ConnectFailed, Connection
from consumer.broker_endpoints import NEEDS_A_PERSON, Endpoint, Problem, parameters
from consumer.broker_liveness import Liveness

log = get_logger(__name__)

# A connection that lived for less than this does not count as a success: the pauses go on growing.
STABLE_AFTER = 10.0


@dataclass(frozen=True, slots=True)
class Dialling:
    """How to connect: everything that is the same for every attempt. Times in seconds."""

    endpoints: Sequence[Endpoint]
    context: ssl.SSLContext
    heartbeat: int
    connect_timeout: float
    random: random.Random
    backoff: Backoff


class Link:
    """One connection that is re-made for ever, until `close`."""

    def __init__(self, name: str, dialling: Dialling, liveness: Liveness, on_change: Callable[[], None]) -> None:
        self.name = name
        self.connection: Connection | None = None
        self.problem: Problem | None = None
        self._dialling = dialling
        self._liveness = liveness
        self._on_change = on_change
        self._up = asyncio.Event()
        self._task: asyncio.Task[None] | None = None

    @property
    def connected(self) -> bool:
        """Whether there is a live connection now."""
        return self.connection is not None and self.connection.alive

    @property
    def blocked(self) -> bool:
        """Whether there is a connection that the broker does not read from."""
        return self.connection is not None and self.connection.alive and self.connection.blocked

    def start(self) -> None:
        """Begin connecting."""
        self._task = asyncio.create_task(self._run(), name=f"broker {self.name}")

    async def up(self) -> Connection:
        """The live connection; waits for one."""
        while True:
            await self._up.wait()
            if self.connection is not None and self.connection.alive:
                return self.connection
            # Lost, but the task below has not run yet.
            self._up.clear()

    async def close(self, timeout: float) -> None:
        """Stop connecting, and close without cancelling consumers; at most ``timeout`` seconds."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.wait((self._task,))
        connection, self.connection = self.connection, None
        self._up.clear()
        if connection is not None:
            await connection.hang_up(timeout)

    def abort(self, reason: str) -> None:
        """Cut the connection; a new one follows."""
        if self.connection is not None:
            self.connection.abort(reason)

    async def _run(self) -> None:
        clock, failures, refusals = self._liveness.now, 0, 0
        backoff, source = self._dialling.backoff, self._dialling.random
        while True:
            try:
                connection = await self._connect()
            except ConnectFailed as failed:
                needs_a_person = failed.problem in NEEDS_A_PERSON
                failures, refusals = failures + 1, refusals + 1 if needs_a_person else 0
                pace = REFUSED.delay(refusals, source) if needs_a_person else backoff.delay(failures, source)
                await self._pause(failed.problem, pace)
                continue
            began = clock()
            self.connection, self.problem = connection, None
            self._up.set()
            log.info("broker connected", link=self.name, server_version=".".join(map(str, connection.server_version)))
            self._on_change()
            reason = await connection.ended()
            self._up.clear()
            self.connection, self.problem = None, Problem.LOST
            log.warning("broker connection lost", link=self.name, reason=reason)
            self._on_change()
            failures, refusals = 1 if clock() - began >= STABLE_AFTER else failures + 1, 0
            await asyncio.sleep(backoff.delay(failures, source))

    async def _pause(self, problem: Problem, seconds: float) -> None:
        report = log.error if problem in NEEDS_A_PERSON else log.warning
        report("broker connect failed", link=self.name, problem=str(problem), seconds=round(seconds, 1))
        if self.problem != problem:
            self.problem = problem
            self._on_change()
        await asyncio.sleep(seconds)

    async def _connect(self) -> Connection:
        """Try every node of the list once, in random order; raises ConnectFailed with what needs a person first."""
        problems: list[Problem] = []
        dialling = self._dialling
        for endpoint in shuffled(dialling.endpoints, dialling.random):
            attempt = parameters(
                endpoint,
                dialling.context,
                heartbeat=dialling.heartbeat,
                timeout=dialling.connect_timeout,
                name=self.name,
            )
            try:
                return await Connection.open(attempt, self._liveness, self._on_change, timeout=dialling.connect_timeout)
            except ConnectFailed as failed:
                problems.append(failed.problem)
                log.info("broker node failed", link=self.name, node=endpoint.label, problem=str(failed.problem))
        raise ConnectFailed(next((one for one in problems if one in NEEDS_A_PERSON), problems[-1]))
