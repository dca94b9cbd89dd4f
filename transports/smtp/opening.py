"""Opening a connection from host name to signed in, once for the pool and for a check alike."""

from transports.errors import AccountProblem, Code, DeliveryError
from transports.protocol import TokenSource
from transports.smtp.auth import sign_in
from transports.smtp.connection import Connection
from transports.smtp.dial import dial, find_addresses
from transports.smtp.failures import NAME
from transports.smtp.phases import Phase, Progress
from transports.smtp.settings import SmtpContext, SmtpSettings
from transports.tokens import current_token


async def open_connection(
    settings: SmtpSettings, context: SmtpContext, deadline: float, progress: Progress | None = None
) -> Connection:
    """A connection that is ready for MAIL, within ``deadline`` (event loop time).

    A refused token is renewed once and tried once more on a fresh connection; a refused password is never tried
    again. Raises a ``DeliveryError``; nothing stays open then, nor after a cancellation.
    """
    if settings.username is None:
        return await _connect(settings, context, deadline, progress)
    if settings.grant is None or context.tokens is None:
        return await _sign_in(settings, context, settings.password or "", deadline, progress)
    source = context.tokens(settings.grant)
    token = await _token(source, deadline, progress)
    try:
        return await _sign_in(settings, context, token, deadline, progress)
    except AccountProblem as error:
        if error.code is not Code.RECONNECTION_NEEDED:
            raise
        renewed = await _token(source, deadline, progress, refused=token)
        if renewed == token:
            raise
    return await _sign_in(settings, context, renewed, deadline, progress)


async def _token(source: TokenSource, deadline: float, progress: Progress | None, *, refused: str | None = None) -> str:
    try:
        return await current_token(source, deadline, NAME, refused=refused)
    except DeliveryError:
        # Before anything was connected, and yet a matter of the sign-in.
        if progress is not None:
            progress.entered(Phase.AUTH)
        raise


async def _sign_in(
    settings: SmtpSettings, context: SmtpContext, secret: str, deadline: float, progress: Progress | None
) -> Connection:
    connection = await _connect(settings, context, deadline, progress)
    try:
        if progress is not None:
            progress.entered(Phase.AUTH)  # a mechanism is chosen before the first command
        await sign_in(connection, settings, secret, deadline)
    except BaseException:
        connection.abort()
        raise
    return connection


async def _connect(
    settings: SmtpSettings, context: SmtpContext, deadline: float, progress: Progress | None
) -> Connection:
    if progress is not None:
        progress.entered(Phase.ADDRESS)
    addresses = await find_addresses(settings.host, settings.port, context, deadline)
    if progress is not None:
        progress.entered(Phase.CONNECT)
    connected = await dial(addresses, settings.port, context, deadline)
    connection = Connection(context, progress)
    try:
        await connection.start(connected, settings, deadline)
    except BaseException:
        connection.abort()
        raise
    return connection
