"""Access tokens, bounded in time: what every transport that signs in by OAuth does alike."""

import asyncio

from transports.errors import Code, DeliveryError, Temporary
from transports.protocol import TokenSource


async def current_token(source: TokenSource, deadline: float, name: str, *, refused: str | None = None) -> str:
    """A token other than ``refused`` within ``deadline`` (event loop time); ``name`` is the transport's, for errors.

    What the source raises passes through, in the transport's name.
    """
    try:
        async with asyncio.timeout_at(deadline):
            return await source.token(refused=refused)
    except TimeoutError as error:
        raise Temporary(Code.SIGN_IN_UNAVAILABLE, "token source", transport=name) from error
    except DeliveryError as error:
        error.transport = error.transport or name
        raise
