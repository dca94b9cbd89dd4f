"""The check of an API transport, the same for every provider: reach it, sign in by sending nothing, name the proof."""

from collections.abc import Awaitable, Callable, Sequence

from transports.account_gate import AccountGate
from transports.errors import DeliveryError
from transports.http import Http
from transports.http_reach import reach
from transports.mime_addresses import wire_address
from transports.protocol import Probe, Stage
from transports.stages import Stages


async def check(
    url: str,
    http: Http,
    stages: Stages,
    *,
    name: str,
    deadline: float,
    gate: AccountGate,
    try_out: Callable[[], Awaitable[None]],
    probe: Probe | None,
) -> Sequence[Stage]:
    """Goes through the stages; see :meth:`transports.protocol.Transport.check`. ``deadline`` is loop time.

    ``try_out`` asks the provider to send nothing, also while a refusal is remembered: a person asked for it. It is not
    called while the provider wants to be left alone. Whether the account may send as ``probe.sender`` cannot be asked:
    the stage ``sender`` has the fact ``proof`` with what will tell.
    """
    try:
        await reach(url, http, deadline, stages, name)
        stages.enter("sign_in")
        stages.learn("sign_in", (("mechanism", "OAuth 2.0"),))
        await _sign_in(gate, try_out)
        if probe is not None:
            stages.enter("sender")
            stages.learn("sender", (("proof", "test mail"),))
            wire_address(probe.sender)
            wire_address(probe.recipient or probe.sender)
    except DeliveryError as error:
        return stages.failed(error)
    return stages.passed()


async def _sign_in(gate: AccountGate, try_out: Callable[[], Awaitable[None]]) -> None:
    if (held := gate.held()) is not None:
        raise held
    try:
        await try_out()
    except DeliveryError as error:
        gate.learn(error)
        raise
    gate.approve()
