"""``make bench ARGS=ledger``: what the account of events costs.

First alone: starts and ends of as many events as come, by so many at once. Then, with ``--drains``, as the share of a
drain: the consumer with the account it keeps beside one that answers at once and keeps nothing, in turns, so that the
machine's moods fall on both.
"""

import argparse
import asyncio
import contextlib
import json
import os
import signal
import statistics
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import uvloop
from prometheus_client import CollectorRegistry

from config import logs, store_migrations
from config.process import Settings
from config.secrets import KeyedHash
from config.store import Store
from config.store_ledger import LedgerStore
from config.testing import sqlite_url
from consumer import program
from consumer.ledger import Record, Standing, State
from consumer.ledger_commit import CommitLedger
from consumer.metrics_pacing import PacingMetrics
from consumer.seams import Seams
from deploy.local.broker_for_use import LocalBroker, broker_for_use
from deploy.local.places import LOCAL
from deploy.local.postgres import PrivatePostgres
from tests.bench.smtp_sink import server
from tests.environment import AT_START, clean
from tests.running import ConsumerProcess, command, environment
from tests.running_broker import an_event, publish

WITHOUT = "without"
"""The argument that makes this module a consumer without an account."""


class Nothing:
    """A ledger that answers at once and keeps nothing."""

    def __init__(self, ordinary: Any) -> None:
        self._ordinary = ordinary

    def key(self, organization: str, source: str, event_id: str) -> bytes:
        """No hash is made either."""
        return b""

    async def begin(self, key: bytes, copy: bytes, *, resend: bool) -> Standing:
        """Always lets it begin."""
        return Standing(State.NEW, began=True)

    async def end(self, key: bytes, copy: bytes, record: Record, mark: bytes = b"") -> State:
        """Forgets it."""
        return record.state


def main(arguments: list[str]) -> int:
    """Parses the arguments, runs, prints; or is a consumer without an account."""
    if arguments == [WITHOUT]:
        return consume()
    parser = argparse.ArgumentParser(prog="make bench ARGS=ledger", description=__doc__)
    parser.add_argument("--events", type=int, default=10_000)
    parser.add_argument("--at-once", type=int, nargs="+", default=[1, 16, 64])
    parser.add_argument("--drains", type=int, default=3, help="pairs of drains on each database (0: none)")
    parser.add_argument("--connections", type=int, default=8)
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args(arguments)
    clean()
    found: dict[str, Any] = {"alone": [], "drains": {}}
    with databases() as fresh:
        for kind in fresh:
            for at_once in options.at_once:
                with fresh[kind]() as url:
                    result = {"database": kind, "at_once": at_once, **asyncio.run(alone(url, options.events, at_once))}
                found["alone"].append(result)
                say(
                    options,
                    "{database:<11} {at_once:>3} at once: {rate:>7,.0f} operations/s, ".format(**result),
                    end="",
                )
                say(options, "{cpu:.0f} µs CPU each, {batch:.0f} in a transaction of {commit:.1f} ms".format(**result))
        if options.drains:
            with broker_for_use(AT_START) as broker, server(own=False) as port:
                for kind in fresh:
                    found["drains"][kind] = drains(options, broker, port, kind, fresh[kind])
    if options.json:
        print(json.dumps(found))
    return 0


@contextlib.contextmanager
def databases() -> Iterator[dict[str, Any]]:
    """What makes a fresh database of each kind, by kind."""

    @contextlib.contextmanager
    def sqlite() -> Iterator[str]:
        # Not where temporary files are, which may be memory: what a commit costs is the disk's business.
        with tempfile.TemporaryDirectory(dir=LOCAL) as folder:
            store_migrations.upgrade(sqlite_url(Path(folder)))
            yield sqlite_url(Path(folder))

    with PrivatePostgres() as postgres:

        @contextlib.contextmanager
        def postgresql() -> Iterator[str]:
            name = postgres.create_database()
            store_migrations.upgrade(postgres.url(name))
            yield postgres.url(name)
            postgres.drop_database(name)

        yield {"sqlite": sqlite, "postgresql": postgresql}


async def alone(url: str, events: int, at_once: int) -> dict[str, float]:
    """Operations a second and their price; ``cpu`` in microseconds of this process, ``commit`` in milliseconds."""
    store = await Store.open(url)
    metrics = PacingMetrics(registry := CollectorRegistry())
    ledger = CommitLedger(LedgerStore(store), KeyedHash(b"k" * 32), metrics=metrics)
    numbers = iter(range(events))

    async def mails() -> None:
        for number in numbers:
            key = ledger.key("acme", "urn:bench", str(number))
            assert (await ledger.begin(key, b"the copy", resend=False)).began
            await ledger.end(key, b"the copy", Record(State.DONE))

    began, used = time.perf_counter(), time.process_time()
    await asyncio.gather(*(mails() for _ in range(at_once)))
    seconds, cpu = time.perf_counter() - began, time.process_time() - used
    await ledger.aclose()
    await store.close()
    sample = registry.get_sample_value
    commits = sample("mailroom_ledger_commit_seconds_count") or 1
    return {
        "rate": 2 * events / seconds,
        "cpu": cpu / 2 / events * 1e6,
        "batch": (sample("mailroom_ledger_batch_sum") or 0) / commits,
        "commit": (sample("mailroom_ledger_commit_seconds_sum") or 0) / commits * 1e3,
    }


def drains(options: argparse.Namespace, broker: LocalBroker, port: int, kind: str, fresh: Any) -> dict[str, Any]:
    """Pairs of drains, with and without, in turns; their medians and the share of the throughput that is lost."""
    rates: dict[str, list[float]] = {"with": [], WITHOUT: []}
    cpu: dict[str, list[float]] = {"with": [], WITHOUT: []}
    for pair in range(options.drains):
        for how in ("with", WITHOUT) if pair % 2 else (WITHOUT, "with"):
            with fresh() as url:
                rate, used = drain(options, broker, port, url, how)
            rates[how].append(rate)
            cpu[how].append(used)
            say(options, f"{kind:<11} {how:<8} the ledger: {rate:>6,.0f} mails/s, {used:.2f} s CPU per 1,000")
    with_it, without = statistics.median(rates["with"]), statistics.median(rates[WITHOUT])
    lost = 1 - with_it / without
    say(options, f"{kind:<11} medians {with_it:,.0f} and {without:,.0f}: the ledger takes {lost:.1%} of the throughput")
    return {"rates": rates, "cpu": cpu, "lost": lost}


def drain(options: argparse.Namespace, broker: LocalBroker, port: int, database: str, how: str) -> tuple[float, float]:
    """Mails a second and CPU seconds per 1,000."""
    from tests.bench.__main__ import measure

    name = f"bench-{os.getpid()}-{time.monotonic_ns()}"
    url = broker.add_vhost(name)
    try:
        with tempfile.TemporaryDirectory() as folder:
            smtp = {"smtp_port": port, "default_smtp_connections": options.connections}
            variables = environment(url, Path(folder), **smtp) | {"MAILROOM_DATABASE_URL": database}
            command(variables, "topology", "apply")
            publish(url, (an_event(number, f"org-{number % 500}") for number in range(options.events)))
            line = [sys.executable, "-m", "tests.bench.ledger", WITHOUT] if how == WITHOUT else []
            with ConsumerProcess(variables, Path(folder), program=line) as consumer:
                result = measure(consumer, argparse.Namespace(**{**vars(options), "pid_file": None}))
            return result.rate, result.cpu
    finally:
        broker.delete_vhost(name)


def consume() -> int:
    """``mailroom run`` without an account."""
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, signal.SIG_DFL)
    settings = Settings.load()
    logs.configure(settings.log_level, settings.log_format)
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        return runner.run(program.run(settings, Seams(ledger=Nothing)))


def say(options: argparse.Namespace, text: str, end: str = "\n") -> None:
    """Progress, out of the way of ``--json``."""
    print(text, file=sys.stderr if options.json else sys.stdout, flush=True, end=end)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
