"""The envelope of a mail that is never sent: whether this server takes the sender, and passes on to the recipient."""

from transports.errors import Code, MessageRefused, RecipientDeferred, RecipientRefused
from transports.mime import envelope_address
from transports.mime_addresses import needs_utf8
from transports.protocol import Facts, Probe
from transports.smtp.connection import Connection
from transports.smtp.failures import NAME
from transports.smtp.phases import Phase
from transports.smtp.replies import classify

PUT_OFF = frozenset(
    {Code.RECIPIENT_DEFERRED, Code.RECIPIENT_GREYLISTED, Code.RECIPIENT_MAILBOX_FULL, Code.TOO_MANY_RECIPIENTS}
)
"""Refusals for now that are the recipient's business: the server has taken the sender by then."""


async def offer(connection: Connection, probe: Probe, deadline: float) -> Facts:
    """MAIL and, with a recipient, RCPT; leaves the transaction open, so that the caller resets it.

    Replies mean what they mean for a mail. A recipient who is put off is a fact (``recipient`` and the code); whatever
    else is not accepted is raised as a ``DeliveryError``.
    """
    utf8 = "smtputf8" in connection.extensions and (needs_utf8(probe.sender) or needs_utf8(probe.recipient or ""))
    sender = envelope_address(probe.sender, utf8).encode()
    recipient = _recipient(probe.recipient, utf8)
    connection.clean = False
    options = (b"SMTPUTF8",) if utf8 else ()
    reply = await connection.command(Phase.MAIL, b"MAIL", b"FROM:<%b>" % sender, *options, deadline=deadline)
    if not reply.accepted:
        raise classify(Phase.MAIL, reply)
    if recipient is None:
        return ()
    reply = await connection.command(Phase.RCPT, b"RCPT", b"TO:<%b>" % recipient, deadline=deadline)
    if reply.accepted:
        return ()
    error = classify(Phase.RCPT, reply)
    if isinstance(error, RecipientDeferred) and error.code in PUT_OFF:
        return (("recipient", str(error.code)),)
    raise error


def _recipient(address: str | None, utf8: bool) -> bytes | None:
    try:
        return envelope_address(address, utf8).encode() if address is not None else None
    except MessageRefused as error:
        utf8_missing = error.code is Code.SMTPUTF8_UNSUPPORTED
        code = Code.SMTPUTF8_UNSUPPORTED if utf8_missing else Code.RECIPIENT_REFUSED
        raise RecipientRefused(code, transport=NAME) from error
