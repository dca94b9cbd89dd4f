"""The flood's runs as a table for a person, with what the numbers belong to."""

import os
import platform
from collections.abc import Mapping, Sequence
from importlib.metadata import version

from deploy.local.broker_for_use import LocalBroker
from tests.bench.flood_run import Group, Measured, Shape


def facts(broker: LocalBroker) -> dict[str, object]:
    """The machine and the versions."""
    overview = broker.management.call("GET", "overview")
    assert isinstance(overview, dict)
    return {
        "mailroom": version("mailroom"),
        "python": platform.python_version(),
        "rabbitmq": overview.get("rabbitmq_version"),
        "cpus": os.cpu_count(),
        "load": " ".join(f"{one:.1f}" for one in os.getloadavg()),
    }


def table(shape: Shape, found: Sequence[Measured], about: Mapping[str, object]) -> None:
    """Prints it."""
    print(
        f"\n{shape.events:,} events of one organisation at once; {shape.organizations} others publish "
        f"{shape.rate:g}/s, {shape.neighbours} of them in its partition; {shape.replicas} replica(s)\n"
        "Milliseconds from publishing to hand-off (* not all had come)\n"
    )
    print(f"  {'':11}{'':7}{'':11}{'— quiet —':>18}{'— during the flood —':>28}")
    print(f"  {'':11}{'lanes':7}{'':11}{'p50':>9}{'p99':>9}{'p50':>9}{'p99':>9}{'worst':>10}{'ratio':>9}{'mails':>8}")
    for one in found:
        head = f"  {one.variant:11}{'on' if one.lanes else 'off':7}"
        for who in one.quiet:
            print(
                head
                + f"{who:11}{_times(one.quiet[who], one.flood[who])}{one.ratio(who):>8.1f}×{one.flood[who].mails:>8}"
            )
            head = f"  {'':18}"
    print("\nThe flood itself\n")
    heads = f"{'published in':>14}{'handed off':>12}{'in':>9}{'all mails/s':>13}{'of off':>8}{'twice':>7}"
    print(f"  {'':11}{'lanes':7}{heads}{'connections':>13}{'a minute':>10}{'CPU':>7}{'MiB':>6}")
    for one in found:
        print(f"  {one.variant:11}{'on' if one.lanes else 'off':7}{_flood(one, found)}")
        aside = ", ".join(f"{reason} {count:,}" for reason, count in sorted(one.aside.items())) or "nothing"
        lay = ", ".join(f"{queue} {count:,}" for queue, count in one.left.items()) or "nothing"
        print(f"  {'':18}aside: {aside}; longest queue {one.longest:,}; left: {lay}")
        if one.failures:
            print(f"  {'':18}not published: {len(one.failures)}, such as {one.failures[0]}")
    print("\n  " + ", ".join(f"{name} {value}" for name, value in about.items()))


def _times(quiet: Group, flood: Group) -> str:
    star = "*" if flood.missing else " "
    values = [quiet.p50, quiet.p99, flood.p50, flood.p99]
    return "".join(f"{1000 * value:>9,.0f}" for value in values) + f"{1000 * flood.worst:>9,.0f}{star}"


def _flood(one: Measured, found: Sequence[Measured]) -> str:
    base = [other.total for other in found if other.variant == one.variant and not other.lanes]
    share = f"{100 * one.total / base[0]:.0f} %" if base and one.lanes else ""
    said = (
        f"{one.publishing:>12.1f} s{one.handed_off:>12,}{one.took:>7.0f} s{one.total:>13,.0f}{share:>8}{one.again:>7}"
    )
    return f"{said}{one.connections:>13,}{one.most:>10,}{one.cpu:>5.0f} %{one.rss:>6.0f}"
