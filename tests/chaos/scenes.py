"""The scenes of ``make chaos``, as data: where each takes place and what goes wrong in it."""

from dataclasses import dataclass
from typing import Literal

from tests.chaos.schedule import PROGRAM_STEPS, Plan
from tests.chaos.servers import PHASES

EVERY_STEP = (*PROGRAM_STEPS, *PHASES)
"""The named steps of the account: the program's, and sending in each phase of SMTP."""


@dataclass(frozen=True, slots=True)
class Scene:
    """``share`` is its part of all events. ``wired``: there are wires to cut; then no phase of SMTP can be struck."""

    name: str
    title: str
    replicas: int
    database: Literal["postgres", "sqlite"]
    share: float
    plans: tuple[Plan, ...]
    cluster: bool = False
    wired: bool = False


def _each(kind: str, count: int, seconds: tuple[float, float] = (0.0, 0.0)) -> tuple[Plan, ...]:
    return tuple(Plan(kind, step, count, seconds) for step in EVERY_STEP)


SCENES: tuple[Scene, ...] = (
    Scene("crash", "SIGKILL at each step", 3, "postgres", 0.40, _each("killed", 8)),
    Scene("crash-file", "the same, database in a file", 2, "sqlite", 0.15, _each("killed", 3)),
    Scene(
        "signals",
        "SIGTERM and SIGSTOP at each step",
        2,
        "postgres",
        0.10,
        (*_each("drained", 1), *_each("frozen", 1, (1.0, 9.0)), Plan("frozen", "checked", 1, (32.0, 34.0))),
    ),
    Scene(
        "broker",
        "the broker stops, dies and runs full",
        2,
        "sqlite",
        0.08,
        (
            Plan("broker stopped", "", 2),
            Plan("broker killed", "", 4),
            Plan("broker's application stopped", "", 1, (1.0, 3.0)),
            Plan("memory alarm", "", 3, (2.0, 6.0)),
            Plan("disk alarm", "", 3, (2.0, 6.0)),
        ),
    ),
    Scene(
        "cluster",
        "nodes of a cluster die",
        2,
        "postgres",
        0.05,
        (Plan("node killed", "", 4, (1.0, 4.0)), Plan("node stopped", "", 2, (1.0, 4.0))),
        cluster=True,
    ),
    Scene(
        "network",
        "wires are cut and go silent",
        2,
        "postgres",
        0.08,
        (
            Plan("wire to the broker cut", "", 5),
            Plan("wire to the broker silent", "", 2, (18.0, 26.0)),
            Plan("wire to the relay cut", "", 5),
            Plan("wire to the relay silent", "", 2, (6.0, 8.0)),
            Plan("relay refuses connections", "", 1, (3.0, 6.0)),
            Plan("wire to the database cut", "", 5),
            Plan("wire to the database silent", "", 2, (4.0, 9.0)),
        ),
        wired=True,
    ),
    Scene(
        "database",
        "the database restarts, crashes and stays away",
        3,
        "postgres",
        0.04,
        (
            Plan("database restarted", "", 3),
            Plan("database crashed", "", 3),
            Plan("database away", "", 2, (4.0, 8.0)),
        ),
    ),
    Scene(
        "providers",
        "providers refuse, stall and lose answers",
        2,
        "postgres",
        0.06,
        (
            *(Plan("relay says", f"{phase} {code}") for phase in PHASES[:5] for code in ("421", "451")),
            *(Plan("relay says", f"{phase} 554") for phase in ("GREETING", "DATA", "BODY")),
            *(Plan("relay", f"{phase} cut") for phase in PHASES),
            *(Plan("relay", f"{phase} hang") for phase in PHASES if phase != "UPLOAD"),
            Plan("relay", "BODY lost", 3),
            Plan("relay", "BODY taken and hangs", 2),
            *(Plan("own server", how) for how in ("BODY lost", "RCPT 451", "MAIL cut", "AUTH 454", "BODY hang")),
            *(
                Plan(provider, how)
                for provider in ("graph", "gmail")
                for how in ("429", "500", "503", "cut before", "cut after", "hang after", "slow", "tokens 503")
            ),
        ),
    ),
    Scene(
        "clock",
        "wall clocks jump",
        3,
        "postgres",
        0.04,
        (Plan("clock jumps", "one", 4, (-10.0, 10.0)), Plan("clock jumps", "all", 3, (600.0, 7200.0))),
    ),
)


def named(names: str) -> tuple[Scene, ...]:
    """Those of these names, separated by commas; all for an empty text.

    Raises LookupError for a name that there is not.
    """
    wanted = [name for name in names.split(",") if name]
    unknown = sorted(set(wanted) - {scene.name for scene in SCENES})
    if unknown:
        raise LookupError(", ".join(unknown))
    return tuple(scene for scene in SCENES if not wanted or scene.name in wanted)
