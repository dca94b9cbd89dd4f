"""``make bench ARGS=flood``: what 200 organisations feel of one that publishes 50,000 events at once.

They publish 20 events a second in all, by the platform's relay, first alone and then during the flood. The time from
the publishing to the hand-off is measured at the receiving server, for the organisations in the flooding one's
partition and for all others. Variants: the flooding one uses the platform's relay like everybody (``relay``), or a
server of its own that takes mail at full speed (``own``), answers in five seconds (``slow``), refuses connections
(``refuses``), takes them and never says a word (``black-hole``), is limited to 30 mails a minute on our side
(``paced``) or on its own (``throttles``). Each runs with lanes and without, side by side. Nothing is asserted. The
aims: for others a p99 under 1 s and at most twice the quiet one, for neighbours under 10 s, and at least 80 % of the
throughput without lanes.
"""

import argparse
import json
import sys
import time
from collections.abc import Sequence
from dataclasses import asdict

from deploy.local.broker_for_use import broker_for_use
from tests.bench.flood_report import facts, table
from tests.bench.flood_run import VARIANTS, Measured, Shape, measure
from tests.environment import AT_START, clean


def main(arguments: Sequence[str] | None = None) -> None:
    """Parses the arguments, runs, prints."""
    parser = argparse.ArgumentParser(prog="make bench ARGS=flood", description=__doc__)
    parser.add_argument("--events", type=int, default=50_000, help="of the flood (default 50000)")
    parser.add_argument("--size", type=int, default=2048, help="bytes of an event, about (default 2048)")
    parser.add_argument("--seconds", type=float, default=60, help="of the flood, if it does not end before")
    parser.add_argument("--quiet", type=float, default=30, help="seconds before it")
    parser.add_argument("--organizations", type=int, default=200, help="beside the flooding one")
    parser.add_argument("--neighbours", type=int, default=20, help="of these in its partition")
    parser.add_argument("--rate", type=float, default=20, help="events a second of all of these")
    parser.add_argument("--replicas", type=int, default=1)
    parser.add_argument("--only", default="", help=f"some of {','.join(VARIANTS)}")
    parser.add_argument("--lanes", choices=("on", "off", "both"), default="both")
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args(arguments)
    chosen = [name for name in options.only.split(",") if name] or list(VARIANTS)
    unknown = sorted(set(chosen) - VARIANTS.keys())
    if unknown:
        parser.error(f"no such variant: {', '.join(unknown)}")
    clean()
    shape = Shape(
        options.events,
        options.size,
        options.seconds,
        options.quiet,
        options.organizations,
        options.neighbours,
        options.rate,
        options.replicas,
    )
    found: list[Measured] = []
    began = time.monotonic()
    with broker_for_use(AT_START) as broker:
        about = facts(broker)
        for name in chosen:
            for lanes in {"both": (True, False), "on": (True,), "off": (False,)}[options.lanes]:
                one = measure(broker, shape, name, lanes=lanes)
                found.append(one)
                words = f"{time.monotonic() - began:6.0f} s  {name}, lanes {'on' if lanes else 'off'}: {one}"
                print(words, file=sys.stderr if options.json else sys.stdout, flush=True)
                if options.json:
                    print(json.dumps(asdict(one)), file=sys.stderr, flush=True)
    if options.json:
        print(json.dumps({"shape": asdict(shape), "runs": [asdict(one) for one in found], "about": about}))
    else:
        table(shape, found, about)


if __name__ == "__main__":
    main()
