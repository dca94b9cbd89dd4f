"""``make bench ARGS=hops``: how fast what cannot go now is put aside, and what one such hop costs whom.

A backlog in one partition (``--organizations`` more than one: in several) is skimmed by one consumer: taken, decided
upon, published to a wait queue, confirmed, acknowledged. ``early``: by its headers alone, for its time has not come.
``paced``: by its account's lane, which takes one mail a minute. Nothing is asserted. The aims are 8,000 hops a second
and 0.12 ms of the consumer's processor time for a hop, on a machine whose broker manages that.
"""

import argparse
import asyncio
import contextlib
import json
import os
import platform
import statistics
import tempfile
import time
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime, timedelta
from importlib.metadata import version
from pathlib import Path

import psutil

from consumer import names
from consumer.attempt import stamp
from consumer.broker import Broker, Properties
from consumer.partition import partition_of
from deploy.local.broker_for_use import LocalBroker, broker_for_use
from deploy.local.node import PrivateNode
from tests.bench.smtp_sink import server
from tests.environment import AT_START, clean
from tests.running import ConsumerProcess, command, environment
from tests.running_broker import DEFAULT_PARTITIONS, an_event
from tests.waiting import eventually_blocking

KINDS = ("early", "paced")
_AT_ONCE = 500
_NEVER = 3600.0
"""Seconds: nothing comes back while it is measured."""


@dataclass(frozen=True, slots=True)
class Result:
    """One run. Processor time, user and system, in milliseconds for a hop; the broker's is 0 if it is not ours."""

    kind: str
    hops: int
    rate: float
    cpu: float
    broker_cpu: float
    rss: float


def main(arguments: Sequence[str] | None = None) -> None:
    """Parses the arguments, runs, prints."""
    parser = argparse.ArgumentParser(prog="make bench ARGS=hops", description=__doc__)
    parser.add_argument("--events", type=int, default=20_000)
    parser.add_argument("--size", type=int, default=2048, help="bytes of an event, about (default 2048)")
    parser.add_argument("--organizations", type=int, default=1)
    parser.add_argument("--prefetch", type=int, default=32)
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--kinds", nargs="+", choices=KINDS, default=KINDS)
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--pid-file", type=Path, help="write the consumer's process id there, for a profiler")
    options = parser.parse_args(arguments)
    clean()
    with broker_for_use(AT_START) as broker, server(own=False) as port:
        results = [run(broker, port, kind, options) for _ in range(options.runs) for kind in options.kinds]
    report(options, results)


def run(broker: LocalBroker, port: int, kind: str, options: argparse.Namespace) -> Result:
    """Publishes the backlog, starts a consumer and waits until all of it is aside."""
    name = f"hops-{os.getpid()}-{time.monotonic_ns()}"
    url = broker.add_vhost(name)
    try:
        with tempfile.TemporaryDirectory() as folder:
            lane = {"smtp_port": port, "default_smtp_per_minute": 1} if kind == "paced" else {}
            variables = environment(url, Path(folder), prefetch=options.prefetch, **lane)
            command(variables, "topology", "apply")
            asyncio.run(_publish(url, kind, options))
            with ConsumerProcess(variables, Path(folder)) as consumer:
                return measure(consumer, broker, kind, options)
    finally:
        broker.delete_vhost(name)


async def _publish(url: str, kind: str, options: argparse.Namespace) -> None:
    broker = Broker([url], name="bench")
    await broker.start()
    try:
        async with asyncio.timeout(30):
            await broker.wait_connected()
        later = stamp(datetime.now(UTC) + timedelta(seconds=_NEVER))
        for first in range(0, options.events, _AT_ONCE):
            numbers = range(first, min(first + _AT_ONCE, options.events))
            await asyncio.gather(*(_one(broker, number, kind, later, options) for number in numbers))
    finally:
        await broker.close()


async def _one(broker: Broker, number: int, kind: str, later: str, options: argparse.Namespace) -> None:
    organization = f"org-{number % options.organizations}"
    event = an_event(number, organization, size=options.size)
    headers: dict[str, object] = {
        names.H_ORGANIZATION: organization,
        names.H_PARTITION: partition_of(organization, DEFAULT_PARTITIONS),
    }
    if kind == "early":
        headers[names.H_NOT_BEFORE] = later
        headers[names.H_REASON] = "paced"
    properties = Properties(content_type=names.CONTENT_TYPE, message_id=event["id"], headers=headers)
    await broker.publish(names.NOTIFICATIONS, event["type"], json.dumps(event).encode(), properties)


def measure(consumer: ConsumerProcess, broker: LocalBroker, kind: str, options: argparse.Namespace) -> Result:
    """From the first hops to the last."""
    consumer.start(ready=False)
    if options.pid_file is not None:
        options.pid_file.write_text(str(consumer.pid))
    process, node = psutil.Process(consumer.pid), _processes(broker)

    def aside() -> float:
        with contextlib.suppress(AssertionError):  # it does not serve yet
            return consumer.metric("mailroom_outcomes", outcome="aside")
        return 0

    first = eventually_blocking(aside, 30, what="the first hop")
    began, used, used_there = time.monotonic(), _used([process]), _used(node)
    rss, count, wanted = 0.0, first, options.events - (0 if kind == "early" else 10)
    while count < wanted:
        assert time.monotonic() - began < 300, "the backlog is not put aside"
        time.sleep(0.25)  # a scrape costs about as much as twenty hops
        count, rss = aside(), max(rss, process.memory_info().rss / 2**20)
    seconds, hops = time.monotonic() - began, int(count - first)
    cpu, cpu_there = _used([process]) - used, _used(node) - used_there
    return Result(kind, hops, hops / seconds, 1000 * cpu / hops, 1000 * cpu_there / hops, rss)


def _processes(broker: LocalBroker) -> list[psutil.Process]:
    found: list[psutil.Process] = []
    if isinstance(broker, PrivateNode):
        for pid in broker.pids:
            process = psutil.Process(pid)
            found += [process, *process.children(recursive=True)]
    return found


def _used(processes: Iterable[psutil.Process]) -> float:
    return sum(sum(process.cpu_times()[:2]) for process in processes)


def report(options: argparse.Namespace, results: list[Result]) -> None:
    """The medians by kind."""
    facts = {
        "mailroom": version("mailroom"),
        "python": platform.python_version(),
        "pika": version("pika"),
        "cpus": os.cpu_count(),
    }
    if options.json:
        print(json.dumps({"runs": [asdict(one) for one in results], "about": facts}))
        return
    print(
        f"\n{options.events:,} events of {options.size:,} bytes, {options.organizations} organisations, prefetch "
        f"{options.prefetch}; medians of {options.runs} runs\n"
    )
    print(f"  {'':8}{'hops/s':>10}{'CPU ms a hop':>15}{'of the broker':>16}{'MiB':>8}")
    for kind in options.kinds:
        runs = [one for one in results if one.kind == kind]
        rate, cpu, there, rss = (
            statistics.median(getattr(one, field) for one in runs) for field in ("rate", "cpu", "broker_cpu", "rss")
        )
        print(f"  {kind:8}{rate:>10,.0f}{cpu:>15.3f}{there:>16.3f}{rss:>8.0f}")
    print("\n  " + ", ".join(f"{name} {value}" for name, value in facts.items()))


if __name__ == "__main__":
    main()
