"""Opening a connection from host name to signed in, once for the pool and for a check alike."""

from transports.errors import AccountProblem, Code
from transports.smtp.auth import current_token, sign_in
from transports.smtp.connection import Connection, OnPhase
from transports.smtp.dial import dial, find_addresses
from transports.smtp.phases import Phase
from transports.smtp.settings import SmtpContext, SmtpSettings


async def open_connection(
    settings: SmtpSettings, context: SmtpContext, deadline: float, on_phase: OnPhase | None = None
) -> Connection:
    """A connection that is ready for MAIL, within ``deadline`` (event loop time).

    A refused token is renewed once and tried once more on a fresh connection; a refused password is never tried
    again. Raises a ``DeliveryError``; nothing stays open then, nor after a cancellation.
    """
    source = settings.token_source
    if settings.username is None:
        return await _connect(settings, context, deadline, on_phase)
    if source is None:
        return await _sign_in(settings, context, settings.password or "", deadline, on_phase)
    token = await current_token(source, deadline, refresh=False)
    try:
        return await _sign_in(settings, context, token, deadline, on_phase)
    except AccountProblem as error:
        if error.code is not Code.SIGN_IN_REFUSED:
            raise
    token = await current_token(source, deadline, refresh=True)
    return await _sign_in(settings, context, token, deadline, on_phase)


async def _sign_in(
    settings: SmtpSettings, context: SmtpContext, secret: str, deadline: float, on_phase: OnPhase | None
) -> Connection:
    connection = await _connect(settings, context, deadline, on_phase)
    try:
        await sign_in(connection, settings, secret, deadline)
    except BaseException:
        connection.abort()
        raise
    return connection


async def _connect(
    settings: SmtpSettings, context: SmtpContext, deadline: float, on_phase: OnPhase | None
) -> Connection:
    if on_phase is not None:
        on_phase(Phase.ADDRESS)
    addresses = await find_addresses(settings.host, settings.port, context, deadline)
    if on_phase is not None:
        on_phase(Phase.CONNECT)
    connected = await dial(addresses, settings.port, context, deadline)
    connection = Connection(context, on_phase)
    try:
        await connection.start(connected, settings, deadline)
    except BaseException:
        connection.abort()
        raise
    return connection
