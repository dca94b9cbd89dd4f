"""``make chaos``: everything goes wrong, by a seed, and every event must end exactly once.

``ARGS="--seed 7 --only crash,network"`` repeats or chooses. It always uses private servers, because it kills them; what
each replica did stays in the folder that is named when something was wrong.
"""

import argparse
import json
import random
import shutil
import sys
import tempfile
import time
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import asdict, replace
from pathlib import Path

from deploy.local.cluster import PrivateCluster
from deploy.local.node import PrivateNode
from deploy.local.postgres import PrivatePostgres
from tests.chaos import report
from tests.chaos.lasting import LASTING, Lasted, last
from tests.chaos.play import Played, play
from tests.chaos.scenes import SCENES, Scene, named
from tests.chaos.schedule import scaled
from tests.environment import clean

EVENTS, FAULTS = 52_000, 200
"""Of a whole run: how many events, and at least how many faults."""


def main() -> int:
    """Parses the arguments, plays the scenes, prints; the exit code."""
    options, scenes, lasting = _options()
    clean()
    seed = options.seed if options.seed is not None else random.SystemRandom().randrange(1_000_000)
    out = sys.stderr if options.json else sys.stdout
    print(f"seed {seed}", file=out, flush=True)
    began = time.monotonic()

    def sayer(name: str) -> Callable[[str], None]:
        return lambda text: print(f"{time.monotonic() - began:6.0f} s  {name:<10} {text}", file=out, flush=True)

    kept = Path(tempfile.mkdtemp(prefix="mailroom-chaos-"))
    played: list[Played] = []
    lasted: list[Lasted] = []
    with ExitStack() as stack:
        postgres = None
        if any(scene.database == "postgres" for scene in scenes):
            postgres = stack.enter_context(PrivatePostgres())
        played += [_one(scene, postgres, kept, seed, options, sayer(scene.name)) for scene in scenes]
        for name in lasting:
            with PrivateNode() as node, tempfile.TemporaryDirectory() as folder:
                lasted.append(last(name, node, Path(folder), seed, options.events // 5, sayer(name)))
    return _end(options, seed, played, lasted, kept)


def _one(
    scene: Scene,
    postgres: PrivatePostgres | None,
    kept: Path,
    seed: int,
    options: argparse.Namespace,
    say: Callable[[str], None],
) -> Played:
    events = round(options.events * scene.share)
    folder = kept / scene.name
    folder.mkdir()
    shorter = replace(scene, plans=scaled(scene.plans, options.faults))
    with PrivateCluster() if scene.cluster else PrivateNode() as given:
        found = play(shorter, given, postgres, folder, seed=seed, events=events, say=say)
    say(f"ended: {found.fault or 'as promised'}")
    if not found.fault:
        shutil.rmtree(folder)
    return found


def _options() -> tuple[argparse.Namespace, tuple[Scene, ...], list[str]]:
    parser = argparse.ArgumentParser(prog="make chaos", description=__doc__)
    every = [*(scene.name for scene in SCENES), *LASTING]
    parser.add_argument("--seed", type=int, default=None, help="repeats a run's schedule (default: a new one)")
    parser.add_argument("--events", type=int, default=EVENTS, help=f"events of all scenes (default {EVENTS:,})")
    parser.add_argument("--faults", type=float, default=1.0, help="times the usual number of faults, such as 0.2")
    parser.add_argument("--only", default="", help=f"some of {','.join(every)}")
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    chosen = [name for name in options.only.split(",") if name]
    lasting = [name for name in LASTING if not chosen or name in chosen]
    accounted = [name for name in chosen if name not in LASTING]
    try:
        scenes = named(",".join(accounted)) if accounted or not chosen else ()
    except LookupError as error:
        parser.error(f"no such scene: {error}")
    return options, scenes, lasting


def _end(options: argparse.Namespace, seed: int, played: list[Played], lasted: list[Lasted], kept: Path) -> int:
    whole = not options.only and options.faults >= 1 and options.events >= EVENTS
    short = report.shortfalls(played, FAULTS, 50_000) if whole else []
    wrong = short or any(one.fault for one in played) or any(one.fault for one in lasted)
    if options.json:
        print(json.dumps(report.plain(seed, played) | {"lasting": [asdict(one) for one in lasted], "short": short}))
    else:
        if played:
            print(report.table(played))
        for one in lasted:
            print(f"{one.name:<12}{one.seconds:.0f} s  {one.fault or one.said}")
        for what in short:
            print(f"too little: {what}")
        print(f"\nseed {seed}: {'NOT as promised' if wrong else 'as promised'}")
    if wrong:
        print(f"what every replica did and said: {kept}", file=sys.stderr)
    else:
        shutil.rmtree(kept)
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
