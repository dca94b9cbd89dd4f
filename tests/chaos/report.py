"""What a person reads at the end of ``make chaos``, and the same as JSON."""

from collections import Counter
from collections.abc import Sequence
from typing import Any

from tests.chaos.play import Played
from tests.chaos.scenes import EVERY_STEP
from tests.chaos.verdict import DEAD, EXPIRED, HANDED_OFF, PARKED

_ENDS = (HANDED_OFF, DEAD, EXPIRED, PARKED)
EACH_STEP = 10
"""How often a process must have died at each step for the account to be worth something."""


def table(scenes: Sequence[Played]) -> str:
    """Scenes, faults, and steps; recipients are counted, because a mail to three may have three ends."""
    ends = f"{'handed off':>12}{'dead':>7}{'expired':>9}{'parked':>8}{'lost':>6}{'two ends':>10}"
    doubt = f"{'twice':>7}{'explained':>11}{'unknown':>9}"
    lines = ["", f"{'scene':<12}{'faults':>7}{'events':>8}{'recipients':>12}{ends}{doubt}{'s':>6}  verdict"]
    for one in scenes:
        found = one.verdict
        numbers = "".join(f"{found.ends[end]:>{width},}" for end, width in zip(_ENDS, (12, 7, 9, 8), strict=True))
        lines.append(
            f"{one.scene.name:<12}{sum(one.done.values()):>7}{one.events:>8,}{found.attempted:>12,}{numbers}"
            f"{len(found.lost):>6}{len(found.two_ends):>10}{found.twice:>7}"
            f"{found.twice - len(found.unexplained):>11}{found.unknowns:>9}{one.seconds:>6.0f}"
            f"  {one.fault or 'as promised'}"
        )
    lines += _total(scenes)
    lines += ["", f"{'fault':<34}{'count':>6}"]
    lines += [f"{kind:<34}{count:>6}" for kind, count in sorted(_done(scenes).items())]
    steps = _struck(scenes)
    if steps:
        lines += ["", "SIGKILL at: " + ", ".join(f"{step} {steps[step]}" for step in EVERY_STEP)]
    for one in scenes:
        for note in [*(f"not reached: {missed}" for missed in one.missed), *one.verdict.notes[:20]]:
            lines.append(f"{one.scene.name}: {note}")
    return "\n".join(lines)


def _total(scenes: Sequence[Played]) -> list[str]:
    ends: Counter[str] = sum((one.verdict.ends for one in scenes), Counter())
    attempted = sum(one.verdict.attempted for one in scenes)
    lost = sum(len(one.verdict.lost) for one in scenes)
    parts = " + ".join(f"{ends[end]:,} {end}" for end in _ENDS)
    sign = "=" if attempted == sum(ends.values()) else "≠"
    suppressed = sum(one.verdict.suppressed for one in scenes)
    again = sum(one.verdict.letters_twice for one in scenes)
    return [
        "",
        f"{attempted:,} recipients attempted {sign} {parts}; {lost} lost",
        f"{suppressed} copies suppressed as duplicates; {again} dead letters or parked events there twice",
    ]


def shortfalls(scenes: Sequence[Played], faults: int, events: int) -> list[str]:
    """What a whole run must have had besides, and had not."""
    done, played, steps = sum(_done(scenes).values()), sum(one.events for one in scenes), _struck(scenes)
    found = []
    if done < faults:
        found.append(f"{done} faults, not {faults}")
    if played < events:
        found.append(f"{played:,} events, not {events:,}")
    seldom = [step for step in EVERY_STEP if steps[step] < EACH_STEP]
    if seldom:
        found.append(f"fewer than {EACH_STEP} deaths at {', '.join(seldom)}")
    return found


def plain(seed: int, scenes: Sequence[Played]) -> dict[str, Any]:
    """For ``--json``."""
    return {
        "seed": seed,
        "faults": dict(_done(scenes)),
        "killed_at": dict(_struck(scenes)),
        "scenes": {one.scene.name: _plain(one) for one in scenes},
    }


def _plain(one: Played) -> dict[str, Any]:
    found = one.verdict
    return {
        "faults": dict(one.done),
        "not_reached": one.missed,
        "events": one.events,
        "recipients": found.attempted,
        "ends": dict(found.ends),
        "lost": found.lost,
        "two_ends": found.two_ends,
        "sent_twice": found.twice,
        "unexplained": found.unexplained,
        "unknown": found.unknowns,
        "unknown_without_cause": found.uncaused,
        "suppressed": found.suppressed,
        "letters_twice": found.letters_twice,
        "notes": found.notes,
        "seconds": round(one.seconds, 1),
        "fault": one.fault,
    }


def _done(scenes: Sequence[Played]) -> Counter[str]:
    return sum((one.done for one in scenes), Counter())


def _struck(scenes: Sequence[Played]) -> Counter[str]:
    return sum((one.struck for one in scenes), Counter())
