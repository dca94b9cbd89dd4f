"""``make chaos``: the long scenes, seeded. Prints what happens and a table; exits 1 when a promise was broken.

``ARGS="--seed 7 --only kill,smtp"`` repeats or chooses. It always uses private nodes, because it kills them.
"""

import argparse
import json
import random
import sys
import tempfile
import time
from pathlib import Path

from deploy.local.node import PrivateNode
from tests.chaos.scenes import SCENES
from tests.chaos.stage import Outcome, staged
from tests.environment import clean


def main() -> int:
    """Parses the arguments, plays the scenes, prints; the exit code."""
    parser = argparse.ArgumentParser(prog="make chaos", description=__doc__)
    parser.add_argument("--seed", type=int, default=None, help="repeats a run (default: a new one)")
    parser.add_argument("--events", type=int, default=20_000, help="events of a scene (memory: ten times that)")
    parser.add_argument("--only", default="", help=f"some of {','.join(SCENES)}")
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    clean()
    seed = options.seed if options.seed is not None else random.SystemRandom().randrange(1_000_000)
    chosen = [name for name in options.only.split(",") if name] or list(SCENES)
    unknown = sorted(set(chosen) - set(SCENES))
    if unknown:
        parser.error(f"no such scene: {', '.join(unknown)}")
    outcomes = {}
    out = sys.stderr if options.json else sys.stdout
    print(f"seed {seed}", file=out, flush=True)
    for name in chosen:
        outcomes[name] = play(name, seed, options.events, out)
    if options.json:
        print(json.dumps({"seed": seed, "scenes": {name: plain(*found) for name, found in outcomes.items()}}))
    else:
        table(outcomes)
    return 1 if any(outcome is None or outcome.fault for outcome, _ in outcomes.values()) else 0


def play(name, seed, events, out):
    """One scene on a node of its own; ``None`` and the reason when it broke off."""
    began = time.monotonic()

    def say(text):
        print(f"{name:>9} {time.monotonic() - began:6.0f} s  {text}", file=out, flush=True)

    scene, multiple = SCENES[name]
    try:
        with (
            PrivateNode() as node,
            tempfile.TemporaryDirectory() as folder,
            staged(node, Path(folder), name, seed, events * multiple, say) as stage,
        ):
            outcome: Outcome | None = scene(stage)
        fault = ""
    except AssertionError as error:
        outcome, fault = None, str(error)
    seconds = time.monotonic() - began
    say(f"ended: {outcome.account if outcome is not None else fault}")
    return outcome, fault or f"{seconds:.0f} s"


def plain(outcome, remark):
    """For ``--json``."""
    if outcome is None:
        return {"fault": remark}
    found = outcome.account
    return {
        "damage": outcome.damage,
        "events": found.expected,
        "handed_off": found.taken,
        "dead": found.dead,
        "lost": len(found.lost),
        "duplicates": len(found.duplicates),
        "allowed": outcome.allowed,
        "fault": outcome.fault,
        "note": outcome.note,
    }


def table(outcomes):
    """One line for each scene."""
    heads = f"{'events':>8}{'taken':>8}{'dead':>6}{'lost':>6}{'twice':>7}{'allowed':>9}  verdict"
    print(f"\n{'scene':<16}{'damage':<32}{heads}")
    for name, (outcome, remark) in outcomes.items():
        if outcome is None:
            print(f"{name:<16}BROKEN OFF: {remark}")
            continue
        found = outcome.account
        numbers = f"{found.expected:>8,}{found.taken:>8,}{found.dead:>6}{len(found.lost):>6}{len(found.duplicates):>7}"
        verdict = f"{outcome.fault or 'as promised'} ({remark})"
        print(f"{outcome.scene:<16}{outcome.damage:<32}{numbers}{outcome.allowed:>9}  {verdict}")
        if outcome.note:
            print(f"{'':<16}{outcome.note}")


if __name__ == "__main__":
    sys.exit(main())
