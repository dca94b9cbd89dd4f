"""``make bench ARGS=limits``: whether limits are kept exactly while replicas join and drain: 1, 2, 4 and 8 of them.

Mailboxes that count and refuse nothing: some of organisations' own servers may be sent 60 mails in any minute, some
four mails at once, and one mailbox each is at the stand-ins for Microsoft 365 (four requests at once) and Google (60
mails in any minute). All have more mail waiting than they may be sent. Every few seconds a replica joins or the oldest
one drains; with ``--kills`` one is killed instead and another one joins. The exit code is 1 when a limit was broken:
without kills by any mail, with them by more mails than were under way at the kills.
"""

import argparse
import json
import random
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import asdict, dataclass
from pathlib import Path

from deploy.local.broker_for_use import LocalBroker, broker_for_use
from deploy.local.installation import Installation
from deploy.local.node import PrivateNode
from deploy.local.places import NEWER_RABBITMQ
from tests.acceptance import connected
from tests.bench.flood_report import facts
from tests.environment import AT_START, clean
from tests.fakes.mailbox import Allowed, at_random
from tests.fixtures_tls import TestCertificates, made_in
from tests.pacing import Account, Fleet, Found, Gmail, Graph, Own, backlog, configure, own_mailboxes, variables
from tests.running import ConsumerProcess, command, environment
from tests.running_broker import publish
from tests.waiting import eventually_blocking

A_MINUTE = Allowed(4, 60)
GRAPH_SECONDS = 0.8


@dataclass(frozen=True, slots=True)
class Result:
    """One run: ``changes`` counts replicas that joined or left, ``allowed`` the mails that were under way at kills."""

    replicas: int
    kills: bool
    changes: int
    allowed: int
    seconds: float
    accounts: Sequence[Found]

    @property
    def violations(self) -> int:
        """Mails beyond a limit."""
        return sum(one.violations for one in self.accounts)


def main(arguments: Sequence[str] | None = None) -> int:
    """Parses the arguments, runs, prints; the exit code."""
    parser = argparse.ArgumentParser(prog="make bench ARGS=limits", description=__doc__)
    parser.add_argument("--replicas", default="1,2,4,8", help="how many (default 1,2,4,8)")
    parser.add_argument("--seconds", type=float, default=180, help="of each run")
    parser.add_argument("--every", type=float, default=20, help="seconds from one change to the next")
    parser.add_argument("--kills", action="store_true", help="replicas are killed instead of drained")
    parser.add_argument("--deadline", type=float, default=90, help="MAILROOM_SEND_DEADLINE; waited for after a kill")
    parser.add_argument("--newer", action="store_true", help="on the RabbitMQ 4 that `make rabbitmq4` has unpacked")
    parser.add_argument("--seed", type=int, default=7)
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args(arguments)
    clean()
    out = sys.stderr if options.json else sys.stdout
    results = []
    with ExitStack() as stack:
        newer = PrivateNode(installation=Installation(NEWER_RABBITMQ)) if options.newer else None
        broker: LocalBroker = stack.enter_context(newer if newer is not None else broker_for_use(AT_START))
        tls = made_in(Path(stack.enter_context(tempfile.TemporaryDirectory())))
        about = facts(broker)
        for count in map(int, options.replicas.split(",")):
            results.append(run(broker, tls, count, options))
            rates = [one.achieved for one in results[-1].accounts]
            said = f"{results[-1].violations} violations, {results[-1].changes} changes, least {100 * min(rates):.0f} %"
            print(f"{count} replicas: {said}", file=out, flush=True)
    if options.json:
        print(json.dumps({"runs": [asdict(one) for one in results], "about": about}))
    else:
        report(results, about)
    return int(any(one.violations > one.allowed for one in results))


def run(broker: LocalBroker, tls: TestCertificates, count: int, options: argparse.Namespace) -> Result:
    """One run with so many replicas."""
    chance = random.Random(options.seed)
    name = f"bench-limits-{count}-{time.monotonic_ns()}"
    url = broker.add_vhost(name)
    minutes = {f"minute-{number}": A_MINUTE for number in range(3)}
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        boxes = stack.enter_context(connected.running(tls))
        own = stack.enter_context(
            own_mailboxes(
                tls.server.server_context(), minutes, ["slots-0", "slots-1", "slots-2"], at_random(chance, 0.3, 5.0)
            )
        )
        given = {**boxes.variables, **variables(own, tls.ca_file)}
        settings = environment(url, folder, smtp_port=9, send_deadline=options.deadline, unknown_pause=5, **given)
        command(settings, "topology", "apply")
        configure(folder, own)
        graph, gmail = Graph(boxes, "graph", GRAPH_SECONDS), Gmail(boxes, "gmail")
        connected.connect(folder, boxes, graph.customer, gmail.customer)
        accounts: list[Account] = [*own, graph, gmail]
        fleet = stack.enter_context(
            Fleet(lambda name: stack.enter_context(ConsumerProcess(settings, folder, name=name)))
        )
        fleet.begin(count)
        for account in accounts:
            publish(url, backlog(account, round(options.seconds * _most(account))))
        eventually_blocking(
            lambda: all(one.found(time.monotonic()).mails for one in accounts), 60, what="all have begun"
        )
        began, changes, allowed = time.monotonic(), 0, 0
        while time.monotonic() - began < options.seconds:
            _wait(began + (changes + 1) * options.every, began + options.seconds)
            if options.kills:
                allowed += sum(account.under_way() for account in accounts)
                fleet.kill(chance)
                fleet.join()
            elif changes % 2 == 0:
                fleet.join()
            else:
                fleet.drain()
            changes += 1
        until = time.monotonic()
        result = Result(count, options.kills, changes, allowed, until - began, [one.found(until) for one in accounts])
    broker.delete_vhost(name)
    return result


def _most(account: Account) -> float:
    """Events a second that are more than the account may be sent."""
    return 1.3 if isinstance(account, Gmail) or (isinstance(account, Own) and account.limits["per_minute"]) else 8.0


def _wait(until: float, at_most: float) -> None:
    time.sleep(max(0.0, min(until, at_most) - time.monotonic()))


def report(results: Sequence[Result], about: Mapping[str, object]) -> None:
    """A table."""
    heads = f"{'at once':>10}{'in a span':>11}{'most at once':>14}{'connections':>13}{'twice':>7}"
    print(f"\n  {'replicas':10}{'account':12}{'mails':>8}{'of the limit':>14}{heads}")
    for one in results:
        print(f"  {one.replicas:<10}{one.changes} changes in {one.seconds:.0f} s", end="")
        print(f", {one.allowed} under way at kills" if one.kills else "")
        for found in one.accounts:
            counts = f"{found.at_once:>10}{found.in_a_span:>11}{found.most_at_once:>14}{found.connections:>13}"
            head = f"  {'':10}{found.organization:12}{found.mails:>8,}{100 * found.achieved:>12.0f} %"
            print(f"{head}{counts}{found.twice:>7}")
    print("\n  (at once, in a span: mails beyond a limit)\n  " + ", ".join(f"{name} {v}" for name, v in about.items()))


if __name__ == "__main__":
    sys.exit(main())
