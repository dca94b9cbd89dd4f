"""``make bench ARGS=aside``: what a backlog costs that waits its turn, 100,000 events of one organisation by default.

Its server may be sent 30 mails a minute (``--per-minute``), so nearly all of the backlog goes aside. When none is left
in the work queues, the replica has nothing else to do: its processor time over a minute in percent of a core, its
memory and what lies in the queues are measured then, and after that what other organisations feel. Nothing is
asserted. The aims: under 10 % of a core, memory flat, others and neighbours as in the flood.
"""

import argparse
import json
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass

from consumer import names
from deploy.local.broker_for_use import broker_for_use
from tests.bench.flood_report import facts
from tests.bench.flood_run import Group, groups, most_in_a_minute, rest, warm
from tests.bench.steady import Crowd, Steady
from tests.bench.surroundings import Flood, Place, Spent, place, replicas
from tests.environment import AT_START, clean
from tests.running_broker import depths, ready, wait_queues, work_queues
from tests.waiting import eventually_blocking

FIRST_PASS = 1800.0
"""Seconds at most."""


@dataclass(frozen=True, slots=True)
class Result:
    """``quiet`` is what others felt before the backlog came, ``beside`` beside what waits; MiB, percent of a core.

    ``first_pass`` is how long it took, in seconds, until no event of the backlog was in a work queue any more.
    ``hops`` are messages put aside meanwhile, ``later_hops`` those within the measured time.
    """

    events: int
    quiet: Mapping[str, Group]
    beside: Mapping[str, Group]
    first_pass: float
    hops: int
    cpu: float
    later_hops: int
    later_mails: int
    most_in_a_minute: int
    rss: Sequence[float]
    depths: Sequence[Mapping[str, int]]


def main(arguments: Sequence[str] | None = None) -> None:
    """Parses the arguments, runs, prints."""
    parser = argparse.ArgumentParser(prog="make bench ARGS=aside", description=__doc__)
    parser.add_argument("--events", type=int, default=100_000)
    parser.add_argument("--size", type=int, default=2048, help="bytes of an event, about (default 2048)")
    parser.add_argument("--per-minute", type=int, default=30)
    parser.add_argument("--seconds", type=float, default=60, help="of each measurement")
    parser.add_argument("--rate", type=float, default=20, help="events a second of the others")
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args(arguments)
    clean()
    with broker_for_use(AT_START) as broker:
        about = facts(broker)
        with place(broker, own={"per_minute": options.per_minute}) as where:
            result = run(where, options)
    if options.json:
        print(json.dumps({**asdict(result), "about": about}))
    else:
        report(result, options, about)


def run(where: Place, options: argparse.Namespace) -> Result:
    """Others alone, the first pass of the backlog, a minute of nothing else, others beside it."""
    crowd = Crowd.of(200, 20)
    with Flood(where, options.events, options.size) as flood, replicas(where, 1) as fleet:
        (replica,) = fleet
        said = _Progress(options)
        quiet, _ = _beside(where, crowd, options)
        began, hops = time.monotonic(), replica.metric("mailroom_outcomes", outcome="aside")
        flood.begin()
        said("publishing the backlog")
        flood.published(600)
        said("the first pass goes on")

        def passed() -> bool:
            return not ready(where.url, work_queues()) and not replica.metric("mailroom_oldest_event_seconds") > 5

        eventually_blocking(passed, FIRST_PASS, what="the first pass is over")
        took, after = time.monotonic() - began, replica.metric("mailroom_outcomes", outcome="aside")
        said(f"the first pass took {took:.0f} s: {after - hops:,.0f} went aside")
        used, spent, rss, lay = _idle(where, fleet, options.seconds)
        later, mails = replica.metric("mailroom_outcomes", outcome="aside"), len(where.arrivals.first[b"a"])
        said("others publish beside it")
        beside, arrivals = _beside(where, crowd, options)
        return Result(
            events=options.events,
            quiet=quiet,
            beside=beside,
            first_pass=took,
            hops=int(after - hops),
            cpu=used.share(spent),
            later_hops=int(later - after),
            later_mails=mails,
            most_in_a_minute=most_in_a_minute(sorted(arrivals)),
            rss=rss,
            depths=lay,
        )


class _Progress:
    def __init__(self, options: argparse.Namespace) -> None:
        self._file = sys.stderr if options.json else sys.stdout
        self._began = time.monotonic()

    def __call__(self, text: str) -> None:
        print(f"{time.monotonic() - self._began:6.0f} s  {text}", file=self._file, flush=True)


def _idle(where: Place, fleet: Sequence, seconds: float) -> tuple[Spent, Spent, list[float], list[Mapping[str, int]]]:
    """Looks on, seldom: neither metrics nor the broker are asked meanwhile."""
    first = Spent.of(fleet)
    rss, lay = [first.rss], [_depths(where)]
    used = Spent.of(fleet)
    for _ in range(6):
        time.sleep(seconds / 6)
        rss.append(Spent.of(fleet).rss)
    spent = Spent.of(fleet)
    where.arrivals.look()
    lay.append(_depths(where))
    return used, spent, rss, lay


def _depths(where: Place) -> Mapping[str, int]:
    found = depths(where.url, [*work_queues(), *wait_queues(), names.DEAD])
    work = sum(count for queue, count in found.items() if queue in work_queues())
    return {"work": work} | {queue: count for queue, count in found.items() if queue not in work_queues()}


def _beside(where: Place, crowd: Crowd, options: argparse.Namespace) -> tuple[dict[str, Group], list[float]]:
    """What others feel now, and all mails of the backlog so far."""
    where.arrivals.first[b"s"].clear()
    with Steady(where.url, crowd, options.rate) as steady:
        warm(steady, where.arrivals)
        since = time.monotonic()
        time.sleep(options.seconds)
        until = time.monotonic()
        steady.stop()
        rest(steady, where.arrivals)
        found = groups(steady, where.arrivals, since, until, time.monotonic())
    return found, list(where.arrivals.first[b"a"].values())


def report(result: Result, options: argparse.Namespace, about: Mapping[str, object]) -> None:
    """A table."""
    print(
        f"\n{result.events:,} events of one organisation at {options.per_minute} mails a minute, one replica\n\n"
        f"  first pass               {result.first_pass:>10,.0f} s, {result.hops:,} put aside "
        f"({result.hops / result.first_pass:,.0f}/s)\n"
        f"  then, in {options.seconds:.0f} s              {result.cpu:>10.1f} % of a core\n"
        f"  put aside again          {result.later_hops:>10,}\n"
        f"  handed off so far        {result.later_mails:>10,}, at most {result.most_in_a_minute} in a minute\n"
        f"  memory, MiB              {' '.join(f'{one:.0f}' for one in result.rss):>10}\n"
    )
    for name, lay in zip(("before", "after"), result.depths, strict=True):
        print(f"  queues {name:8}          {', '.join(f'{queue} {count:,}' for queue, count in lay.items())}")
    print("\n  what others feel, ms           p50      p99    worst")
    for title, found in (("before the backlog", result.quiet), ("beside it", result.beside)):
        for who, one in found.items():
            print(f"  {title:20}{who:11}" + "".join(f"{1000 * x:>9,.0f}" for x in (one.p50, one.p99, one.worst)))
    print("\n  " + ", ".join(f"{name} {value}" for name, value in about.items()))


if __name__ == "__main__":
    main()
