"""``make bench ARGS=memory``: whether one replica's memory stays where it is over 1,000,000 events.

They are published in waves while it drains. Memory is looked at after each wave, when everything has been handed off;
growth is what the last tenth of the waves has beyond the first one after ``--settled`` events. Nothing is asserted.
The aim: under 5 %.
"""

import argparse
import json
import os
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import psutil

from deploy.local.broker_for_use import LocalBroker, broker_for_use
from tests.bench.flood_report import facts
from tests.bench.smtp_sink import server
from tests.environment import AT_START, clean
from tests.running import ConsumerProcess, command, environment
from tests.running_broker import an_event, publish

PATIENCE = 900.0
"""Seconds for one wave."""
LOOK = 0.5


def main(arguments: Sequence[str] | None = None) -> None:
    """Parses the arguments, runs, prints."""
    parser = argparse.ArgumentParser(prog="make bench ARGS=memory", description=__doc__)
    parser.add_argument("--events", type=int, default=1_000_000)
    parser.add_argument("--wave", type=int, default=20_000, help="events of a wave")
    parser.add_argument("--settled", type=int, default=100_000, help="events after which growth is counted")
    parser.add_argument("--size", type=int, default=2048, help="bytes of an event, about (default 2048)")
    parser.add_argument("--organizations", type=int, default=1000)
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args(arguments)
    clean()
    began = time.monotonic()

    def say(mails: int, rss: float) -> None:
        rate = mails / (time.monotonic() - began)
        print(f"{mails:>10,} mails, {rss:.1f} MiB, {rate:,.0f}/s", file=sys.stderr if options.json else sys.stdout)

    with broker_for_use(AT_START) as broker, server() as port:
        about = facts(broker)
        sizes = run(broker, port, options, say)
    report(options, sizes, time.monotonic() - began, about)


def run(
    broker: LocalBroker, port: int, options: argparse.Namespace, say: Callable[[int, float], None]
) -> list[tuple[int, float]]:
    """Mails so far and MiB, after each wave."""
    sizes: list[tuple[int, float]] = []
    name = f"bench-{os.getpid()}-{time.monotonic_ns()}"
    url = broker.add_vhost(name)
    with tempfile.TemporaryDirectory() as folder:
        variables = environment(url, Path(folder), smtp_port=port)
        command(variables, "topology", "apply")
        with ConsumerProcess(variables, Path(folder)) as consumer:
            consumer.start()
            process = psutil.Process(consumer.pid)
            for first in range(0, options.events, options.wave):
                last = min(first + options.wave, options.events)
                fresh = range(first, last)
                publish(url, (an_event(n, f"org-{n % options.organizations}", size=options.size) for n in fresh))
                _await(consumer, last)
                sizes.append((last, process.memory_info().rss / 2**20))
                if len(sizes) % 5 == 0:
                    say(*sizes[-1])
    broker.delete_vhost(name)
    return sizes


def _await(consumer: ConsumerProcess, mails: int) -> None:
    until = time.monotonic() + PATIENCE
    while consumer.metric("mailroom_handoffs") < mails:
        assert time.monotonic() < until, "the wave does not end"
        time.sleep(LOOK)


def growth(sizes: Sequence[tuple[int, float]], settled: int) -> float:
    """In percent: the last tenth of the waves against the first that was over after ``settled`` mails."""
    after = [rss for mails, rss in sizes if mails >= settled]
    return 100 * (statistics.fmean(after[-max(1, len(after) // 10) :]) / after[0] - 1)


def report(
    options: argparse.Namespace, sizes: Sequence[tuple[int, float]], seconds: float, about: Mapping[str, object]
) -> None:
    """The memory after some of the waves, and by how much it grew."""
    grown = growth(sizes, min(options.settled, options.events))
    if options.json:
        print(json.dumps({"sizes": sizes, "growth": grown, "seconds": seconds, "about": about}))
        return
    print(f"\n{options.events:,} events through one replica in {seconds:.0f} s\n\n  {'mails':>10}{'MiB':>10}")
    for mails, rss in sizes[:: max(1, len(sizes) // 20)]:
        print(f"  {mails:>10,}{rss:>10.1f}")
    most = max(rss for _, rss in sizes)
    print(f"\n  growth after the first {options.settled:,}: {grown:+.1f} %, at most {most:.1f} MiB")
    print("\n  " + ", ".join(f"{name} {value}" for name, value in about.items()))


if __name__ == "__main__":
    main()
