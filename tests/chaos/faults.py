"""Doing the faults: each publishes its events, does its damage, and undoes what does not undo itself."""

import contextlib
import signal
from collections.abc import Callable
from functools import partial

from deploy.local.node import PrivateNode
from deploy.local.providers.base import ProviderSandbox
from deploy.local.providers.base_values import Fault as ProviderFault
from tests.chaos.mix import GMAIL, GRAPH, OWN
from tests.chaos.orders import Order, Struck
from tests.chaos.schedule import Fault
from tests.chaos.servers import PHASES
from tests.chaos.stage import DEADLINE, Stage
from tests.chaos.wires import Wired
from tests.fakes.sink import Action
from tests.fakes.smtpd_script import Wire

_MORE = 40
_TRIES = 4
_STRUCK_WITHIN = 20.0
_BACK_WITHIN = 90.0

Do = Callable[[Stage, Fault], str]
"""Does it, and gives what is to be said about it."""


class NotDone(Exception):
    """The fault could not be brought about: the step it was to happen at was not reached."""


def do(stage: Stage, fault: Fault) -> str:
    """Does one fault. Raises NotDone, and AssertionError when something does not come back."""
    return _KINDS[fault.kind](stage, fault)


# -- a replica, at a step ---------------------------------------------------------------------------------------------


def _struck(stage: Stage, fault: Fault, number: signal.Signals) -> Struck:
    """Sends the signal to whichever replica gets to the step first."""
    order = Order(fault.number, fault.step, fault.nth, number)
    in_phase = fault.step in PHASES
    if in_phase:
        stage.manners.strike(order)
    else:
        stage.fleet.orders.give(order)
    try:
        stage.publish(fault.events)
        for _ in range(_TRIES):
            with contextlib.suppress(AssertionError):
                stage.until(lambda: _found(stage, order) is not None, _STRUCK_WITHIN, what="the step is reached")
            found = _found(stage, order)
            if found is not None:
                return found
            stage.publish(_MORE)
    finally:
        stage.fleet.orders.withdraw()
        if in_phase and stage.manners.struck is None:
            stage.manners.strike(None)
    raise NotDone


def _found(stage: Stage, order: Order) -> Struck | None:
    found = stage.manners.struck if order.step in PHASES else stage.fleet.orders.struck(order.number)
    if found is not None:
        stage.fleet.expect(found.pid)
    return found


def _killed(stage: Stage, fault: Fault) -> str:
    found = _struck(stage, fault, signal.SIGKILL)
    stage.until(lambda: found.pid not in stage.fleet.pids(), 10, what="it is dead")
    return f"at {found.event}"


def _drained(stage: Stage, fault: Fault) -> str:
    found = _struck(stage, fault, signal.SIGTERM)
    stage.until(lambda: found.pid not in stage.fleet.pids(), 30, what="it has drained")
    return f"at {found.event}"


def _frozen(stage: Stage, fault: Fault) -> str:
    with stage.spell("frozen"):
        found = _struck(stage, fault, signal.SIGSTOP)
        stage.fleet.frozen(found.pid, fault.seconds)
        stage.during(fault.seconds + 0.5)
    return f"at {found.event}"


# -- the broker -------------------------------------------------------------------------------------------------------


def _broker(stage: Stage, fault: Fault, how: Callable[[PrivateNode, Stage, Fault], None]) -> str:
    stage.publish_and_flow(fault.events)
    how(stage.brokers.nodes[0], stage, fault)
    stage.until(stage.fleet.ready, _BACK_WITHIN, what="all replicas are ready again")
    return ""


def _app_stopped(node: PrivateNode, stage: Stage, fault: Fault) -> None:
    node.stop_app()
    stage.during(fault.seconds)
    node.start_app()


def _alarm(stage: Stage, fault: Fault, command: tuple[str, ...], on: str, off: str) -> str:
    stage.publish_and_flow(fault.events)
    node = stage.brokers.nodes[0]
    node.ctl(*command, on)
    try:
        stage.during(fault.seconds)
    finally:
        node.ctl(*command, off)
    stage.until(stage.fleet.ready, _BACK_WITHIN, what="all replicas are ready again")
    return ""


def _node(stage: Stage, fault: Fault, *, hard: bool) -> str:
    stage.publish_and_flow(fault.events)
    victim = stage.brokers.nodes[fault.nth % len(stage.brokers.nodes)]
    if hard:
        victim.kill()
    else:
        victim.stop()
    stage.during(fault.seconds)
    victim.start()
    stage.until(stage.fleet.ready, _BACK_WITHIN, what="all replicas are ready again")
    return victim.name


# -- wires ------------------------------------------------------------------------------------------------------------


def _wire(stage: Stage, fault: Fault, which: str) -> Wired:
    if which == "broker":
        replicas = stage.fleet.names
        return stage.wires.broker[replicas[fault.nth % len(replicas)]]
    wire = stage.wires.relay if which == "relay" else stage.wires.database
    assert wire is not None, "there is no wire"
    return wire


def _unanswered(stage: Stage, which: str) -> contextlib.AbstractContextManager[None]:
    """Only on the way to a mail server an answer is lost that nobody repeats."""
    return stage.spell("relay") if which == "relay" else contextlib.nullcontext()


def _cut(stage: Stage, fault: Fault, which: str) -> str:
    stage.publish_and_flow(fault.events)
    with _unanswered(stage, which):
        count = _wire(stage, fault, which).cut()
    return f"{count} connections"


def _silent(stage: Stage, fault: Fault, which: str, how: Callable[[Wired], None] = Wired.black_hole) -> str:
    stage.publish_and_flow(fault.events)
    wire = _wire(stage, fault, which)
    with _unanswered(stage, which):
        how(wire)
        stage.during(fault.seconds)
        wire.heal()
    return ""


# -- the database -----------------------------------------------------------------------------------------------------


def _database(stage: Stage, fault: Fault, *, crash: bool) -> str:
    assert stage.postgres is not None
    stage.publish_and_flow(fault.events)
    if crash:
        stage.postgres.crash()
    else:
        stage.postgres.stop()
    stage.during(fault.seconds)
    stage.postgres.start()
    stage.until(stage.fleet.ready, _BACK_WITHIN, what="all replicas are ready again")
    return ""


# -- providers --------------------------------------------------------------------------------------------------------

_REPLIES = {
    "421": "421 4.3.2 going down",
    "451": "451 4.3.0 not now",
    "454": "454 4.7.0 not now",
    "554": "554 5.6.0 no",
}
_WIRES: dict[str, Action] = {
    "cut": Wire.CUT,
    "hang": Wire.HANG,
    "lost": Wire.TAKE_AND_CUT,
    "taken and hangs": Wire.TAKE_AND_HANG,
}
_API: dict[str, Callable[[], ProviderFault]] = {
    "429": lambda: ProviderFault.throttle(2),
    "500": lambda: ProviderFault.status(500),
    "503": lambda: ProviderFault.status(503),
    "cut before": ProviderFault.cut_before,
    "cut after": ProviderFault.accept_and_cut,
    "hang after": ProviderFault.accept_and_hang,
    "slow": lambda: ProviderFault.delay(2.0),
}


def _relay(stage: Stage, fault: Fault) -> str:
    """The relay does something else for the next mails."""
    phase, _, how = fault.step.partition(" ")
    action = _REPLIES.get(how) or _WIRES[how]
    left = [min(fault.nth, 5)]

    def instead(at: str, argument: str) -> Action | None:
        if at != phase or not left[0]:
            return None
        left[0] -= 1
        return action

    # The fault before may have opened a breaker: not until mails leave again is there anything to be met.
    stage.publish_and_flow(fault.events)
    with stage.spell(f"relay {fault.step}"):
        stage.manners.instead = instead
        stage.publish(_MORE)
        with contextlib.suppress(AssertionError):
            stage.until(lambda: not left[0], 20, what="the relay has done it")
        stage.manners.instead = lambda phase, argument: None
    if left[0] == min(fault.nth, 5):
        raise NotDone
    return f"{min(fault.nth, 5) - left[0]} times"


def _own(stage: Stage, fault: Fault) -> str:
    phase, _, how = fault.step.partition(" ")
    action = _REPLIES.get(how) or _WIRES[how]
    own = stage.accounts.own
    with stage.spell(f"own server {fault.step}"):
        stage.publish(fault.events)
        own.drop_connections()
        own.script.on(phase, action, times=2)  # type: ignore[arg-type] # there is no Later among these
        stage.publish(8, OWN[fault.nth % len(OWN)])
        rule = own.script.rules[-1]
        with contextlib.suppress(AssertionError):
            stage.until(lambda: not rule.left, 15, what="the server has done it")
        own.script.clear()
    if rule.left == 2:
        raise NotDone
    return f"{2 - (rule.left or 0)} times"


def _provider(stage: Stage, fault: Fault, organization: str) -> str:
    box: ProviderSandbox[object] = {GRAPH: stage.accounts.microsoft, GMAIL: stage.accounts.google}[organization]  # type: ignore[type-var,assignment]
    tokens = fault.step.startswith("tokens")
    endpoint = "token" if tokens else "send"
    made = ProviderFault.status(503) if tokens else _API[fault.step]()
    with stage.spell(f"{organization} {fault.step}"):
        if tokens:
            box.expire_access(f"team@{organization}.example")
        before = box.calls[endpoint] + box.calls["token:refresh_token"] * tokens
        box.fault(endpoint, made, times=2)
        stage.publish(fault.events)
        stage.publish(6, organization)

        def reached() -> bool:
            return box.calls[endpoint] + box.calls["token:refresh_token"] * tokens >= before + 2

        with contextlib.suppress(AssertionError):
            stage.until(reached, 15, what="the provider has done it")
        if fault.step == "hang after":
            stage.during(DEADLINE)
        done = reached()
        box.clear_faults()
    if not done:
        raise NotDone
    return ""


# -- clocks -----------------------------------------------------------------------------------------------------------


def _jump(stage: Stage, fault: Fault) -> str:
    replicas = stage.fleet.names
    for name in replicas if fault.step == "all" else [replicas[fault.nth % len(replicas)]]:
        stage.shifts[name] = stage.shifts.get(name, 0.0) + fault.seconds
        stage.fleet.orders.shift(name, stage.shifts[name])
    stage.publish(fault.events)
    stage.during(1.0)
    return ""


_KINDS: dict[str, Do] = {
    "killed": _killed,
    "drained": _drained,
    "frozen": _frozen,
    "broker stopped": partial(_broker, how=lambda node, *_: node.restart(graceful=True)),
    "broker killed": partial(_broker, how=lambda node, *_: node.restart()),
    "broker's application stopped": partial(_broker, how=_app_stopped),
    "memory alarm": partial(_alarm, command=("set_vm_memory_high_watermark", "absolute"), on="1", off="2GB"),
    "disk alarm": partial(_alarm, command=("set_disk_free_limit",), on="1000000GB", off="50MB"),
    "node killed": partial(_node, hard=True),
    "node stopped": partial(_node, hard=False),
    "wire to the broker cut": partial(_cut, which="broker"),
    "wire to the broker silent": partial(_silent, which="broker"),
    "wire to the relay cut": partial(_cut, which="relay"),
    "wire to the relay silent": partial(_silent, which="relay"),
    "relay refuses connections": partial(_silent, which="relay", how=Wired.refuse),
    "wire to the database cut": partial(_cut, which="database"),
    "wire to the database silent": partial(_silent, which="database"),
    "database restarted": partial(_database, crash=False),
    "database crashed": partial(_database, crash=True),
    "database away": partial(_database, crash=False),
    "relay says": _relay,
    "relay": _relay,
    "own server": _own,
    "graph": partial(_provider, organization=GRAPH),
    "gmail": partial(_provider, organization=GMAIL),
    "clock jumps": _jump,
}
