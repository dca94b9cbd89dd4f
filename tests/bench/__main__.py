"""``make bench``: how fast a consumer drains waiting events to a server that takes everything, and what that costs.

``make bench ARGS=…`` with one of the words in :data:`SCENES` measures something else instead.

Prints a table, or with ``--json`` one object. No number is ever asserted: machines differ.
"""

import argparse
import contextlib
import importlib
import json
import os
import platform
import statistics
import subprocess
import sys
import tempfile
import time
from dataclasses import asdict, dataclass
from importlib.metadata import version
from pathlib import Path

import psutil

from deploy.local.broker_for_use import LocalBroker, broker_for_use
from tests.bench.smtp_sink import SMTP_SINK, server
from tests.environment import AT_START, clean
from tests.running import ConsumerProcess, command, environment
from tests.running_broker import an_event, publish
from tests.waiting import eventually_blocking

SCENES = {
    "web": "tests.bench.web",
    "providers": "tests.bench.providers",
    "flood": "tests.bench.flood",
    "aside": "tests.bench.aside",
    "memory": "tests.bench.memory",
    "limits": "tests.bench.limits",
    "hops": "tests.bench.hops",
    "ledger": "tests.bench.ledger",
}
"""The module of each other measurement."""


@dataclass(frozen=True, slots=True)
class Result:
    """One drain. ``cpu`` is user and system time of the consumer per 1,000 mails, in seconds; ``rss`` in MiB."""

    mails: int
    seconds: float
    rate: float
    cpu: float
    rss: float


def main() -> None:
    """Parses the arguments, runs, prints."""
    scene = SCENES.get(sys.argv[1]) if sys.argv[1:] else None
    if scene is not None:
        sys.exit(importlib.import_module(scene).main(sys.argv[2:]))
    parser = argparse.ArgumentParser(prog="make bench", description=__doc__)
    parser.add_argument("--events", type=int, default=10_000, help="waiting events (default 10000)")
    parser.add_argument("--size", type=int, default=2048, help="bytes of an event, about (default 2048)")
    parser.add_argument("--organizations", type=int, default=500)
    parser.add_argument("--connections", type=int, default=8, help="SMTP connections of the platform default")
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--own-sink", action="store_true", help="use the sink in Python even if smtp-sink is there")
    parser.add_argument("--pid-file", type=Path, help="write the consumer's process id there, for a profiler")
    options = parser.parse_args()
    clean()
    results = []
    with broker_for_use(AT_START) as broker, server(own=options.own_sink) as port:
        for number in range(options.runs):
            result = run(broker, port, options)
            results.append(result)
            say(options, f"run {number + 1}: {result.rate:,.0f} mails/s, {result.cpu:.2f} s CPU per 1,000")
        facts = about(broker, own=options.own_sink)
    report(options, results, facts)


def run(broker: LocalBroker, port: int, options: argparse.Namespace) -> Result:
    """Publishes the backlog, starts a consumer and waits until all is handed off."""
    name = f"bench-{os.getpid()}-{time.monotonic_ns()}"
    url = broker.add_vhost(name)
    try:
        with tempfile.TemporaryDirectory() as folder:
            smtp = {"smtp_port": port, "default_smtp_connections": options.connections}
            variables = environment(url, Path(folder), **smtp)
            command(variables, "topology", "apply")
            events = (an_event(n, f"org-{n % options.organizations}", size=options.size) for n in range(options.events))
            publish(url, events)
            with ConsumerProcess(variables, Path(folder)) as consumer:
                return measure(consumer, options)
    finally:
        broker.delete_vhost(name)


def measure(consumer: ConsumerProcess, options: argparse.Namespace) -> Result:
    """From the first mails to the last."""
    consumer.start(ready=False)
    if options.pid_file is not None:
        options.pid_file.write_text(str(consumer.pid))
    process = psutil.Process(consumer.pid)

    def handed_off() -> float:
        with contextlib.suppress(AssertionError):  # it does not serve yet
            return consumer.metric("mailroom_handoffs")
        return 0

    first = eventually_blocking(handed_off, 30, what="the first mail")
    began, used = time.monotonic(), sum(process.cpu_times()[:2])
    rss, count = 0.0, first
    while count < options.events:
        assert time.monotonic() - began < 600, "the drain does not end"
        time.sleep(0.25)  # a scrape costs about as much as five mails
        count, rss = handed_off(), max(rss, process.memory_info().rss / 2**20)
    seconds = time.monotonic() - began
    mails = int(count - first)
    cpu = sum(process.cpu_times()[:2]) - used
    return Result(mails, round(seconds, 2), mails / seconds, 1000 * cpu / mails, rss)


def about(broker: LocalBroker, *, own: bool) -> dict[str, object]:
    """What the numbers belong to."""
    overview = broker.management.call("GET", "overview")
    assert isinstance(overview, dict)
    return {
        "mailroom": version("mailroom"),
        "python": platform.python_version(),
        "rabbitmq": overview.get("rabbitmq_version"),
        "pika": version("pika"),
        "aiosmtplib": version("aiosmtplib"),
        "server": "smtp-sink" if SMTP_SINK is not None and not own else "sink in Python",
        "cpus": os.cpu_count(),
        "cpu": _cpu(),
        "system": f"{platform.system()} {platform.release()}",
    }


def _cpu() -> str:
    with contextlib.suppress(OSError, subprocess.SubprocessError):
        for line in Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()


def report(options: argparse.Namespace, results: list[Result], facts: dict[str, object]) -> None:
    """The medians."""
    medians = {name: statistics.median(getattr(one, name) for one in results) for name in ("rate", "cpu", "rss")}
    if options.json:
        shape = {name: getattr(options, name) for name in ("events", "size", "organizations", "connections")}
        print(json.dumps({**shape, "runs": [asdict(one) for one in results], "median": medians, "about": facts}))
        return
    print(
        f"\nDrain of {options.events:,} events of {options.size:,} bytes, {options.organizations} organisations, "
        f"{options.connections} connections; medians of {len(results)} runs\n"
    )
    print(f"  mails per second        {medians['rate']:>10,.0f}")
    print(f"  CPU seconds per 1,000   {medians['cpu']:>10.2f}   (consumer, user and system)")
    print(f"  memory at most, MiB     {medians['rss']:>10.0f}\n")
    print("  " + ", ".join(f"{name} {value}" for name, value in facts.items()))


def say(options: argparse.Namespace, text: str) -> None:
    """Progress, out of the way of ``--json``."""
    print(text, file=sys.stderr if options.json else sys.stdout, flush=True)


if __name__ == "__main__":
    main()
