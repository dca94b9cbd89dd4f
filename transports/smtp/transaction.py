"""One mail on one connection: the envelope, the message, and what became of each recipient.

Nothing about where connections come from. The rules of a receipt:

* each recipient has its own verdict at RCPT; when all are refused there is a receipt that accepts nobody (or, when
  all are refused as relaying, ``AccountProblem``: it is the sign-in that is missing);
* what fails for the mail as a whole is raised as long as no recipient was accepted. Refusals of single recipients
  are then left out, at no loss: a further attempt meets them again;
* "too many recipients" opens a further transaction for the rest. Once one transaction was accepted nothing is raised
  any more: those of a failed one are refused with its error, be it ``OutcomeUnknown``.
"""

from dataclasses import dataclass

from transports.errors import (
    AccountProblem,
    Code,
    DeliveryError,
    MessageRefused,
    OutcomeUnknown,
    RecipientDeferred,
    RecipientRefused,
)
from transports.message import Mail, Receipt
from transports.mime import envelope_address, needs_smtputf8, render
from transports.smtp.connection import Connection
from transports.smtp.failures import NAME
from transports.smtp.phases import Phase
from transports.smtp.replies import classify
from transports.smtp.wire import dot_stuffed

START_INPUT = 354
Refusals = list[tuple[int, DeliveryError]]


@dataclass(frozen=True, slots=True)
class Prepared:
    """A mail as this server can take it: content, MAIL parameters, and the recipients left over."""

    sender: bytes
    options: tuple[bytes, ...]
    content: bytes
    recipients: tuple[tuple[int, bytes], ...]
    refused: tuple[tuple[int, DeliveryError], ...]


def prepare(mail: Mail, extensions: dict[str, str]) -> Prepared:
    """Renders ``mail`` for a server with ``extensions`` (lower-case keywords and their parameters).

    Without SMTPUTF8 at the server only the recipients that need it are refused (RFC 6531 §3.2). Raises
    ``MessageRefused`` when the mail cannot be expressed or exceeds the server's SIZE (RFC 1870 §6).
    """
    utf8 = needs_smtputf8(mail) and "smtputf8" in extensions
    sender = envelope_address(mail.sender.address, utf8)
    recipients: list[tuple[int, bytes]] = []
    refused: Refusals = []
    for position, mailbox in mail.recipients():
        try:
            recipients.append((position, envelope_address(mailbox.address, utf8).encode()))
        except MessageRefused as error:
            utf8_missing = error.code is Code.SMTPUTF8_UNSUPPORTED
            code = Code.SMTPUTF8_UNSUPPORTED if utf8_missing else Code.RECIPIENT_REFUSED
            refused.append((position, RecipientRefused(code, transport=NAME)))
    content = dot_stuffed(render(mail, utf8=utf8))
    # RFC 1870 §3: the octets of the message, without the dots that transparency adds.
    size = len(content) - content.count(b"\r\n..") - content.startswith(b"..")
    options: list[bytes] = []
    if "size" in extensions:
        limit = extensions["size"].strip()
        if limit.isascii() and limit.isdigit() and 0 < int(limit) < size:
            raise MessageRefused(Code.MESSAGE_TOO_LARGE, f"{size} of at most {int(limit)} octets", transport=NAME)
        options.append(b"SIZE=%d" % size)
    if not content.isascii():
        if "8bitmime" not in extensions:
            raise MessageRefused(Code.SMTPUTF8_UNSUPPORTED, "8BITMIME not offered", transport=NAME)
        options.append(b"BODY=8BITMIME")
    if utf8:
        options.append(b"SMTPUTF8")
    return Prepared(sender.encode(), tuple(options), content, tuple(recipients), tuple(refused))


async def deliver(connection: Connection, mail: Mail, deadline: float) -> Receipt:
    """Sends ``mail`` over ``connection`` and gives every owed recipient's verdict.

    Raises a ``DeliveryError`` that holds for the whole mail only while nobody was accepted. The connection is left
    clean or closed.
    """
    prepared = prepare(mail, connection.extensions)
    accepted: list[int] = []
    refused: Refusals = list(prepared.refused)
    pending = list(prepared.recipients)
    while pending:
        try:
            pending = await _transaction(connection, prepared, pending, accepted, refused, deadline)
        except DeliveryError as error:
            await _end(connection, deadline)
            if not accepted:
                raise
            judged = {position for position, _ in refused} | set(accepted)
            refused += [(position, error) for position, _ in pending if position not in judged]
            break
    if refused and not accepted and all(error.code is Code.RELAYING_DENIED for _, error in refused):
        raise AccountProblem(Code.RELAYING_DENIED, refused[0][1].detail, transport=NAME) from refused[0][1]
    return Receipt(NAME, tuple(sorted(accepted)), tuple(sorted(refused, key=lambda each: each[0])))


async def _end(connection: Connection, deadline: float) -> None:
    """Closes an open transaction; a connection that broke is closed already."""
    if connection.alive and not connection.clean:
        await connection.reset(deadline)


async def _transaction(
    connection: Connection,
    prepared: Prepared,
    pending: list[tuple[int, bytes]],
    accepted: list[int],
    refused: Refusals,
    deadline: float,
) -> list[tuple[int, bytes]]:
    """One MAIL, RCPT …, DATA; adds to ``accepted`` and ``refused`` and gives the recipients left for the next."""
    connection.clean = False
    connection.mails += 1
    path = b"FROM:<%b>" % prepared.sender
    reply = await connection.command(Phase.MAIL, b"MAIL", path, *prepared.options, deadline=deadline)
    if not reply.accepted:
        raise classify(Phase.MAIL, reply)
    taken, left = await _recipients(connection, pending, refused, deadline)
    if not taken:
        await _end(connection, deadline)
        return left
    reply = await connection.command(Phase.DATA, b"DATA", deadline=deadline)
    if reply.code != START_INPUT:
        raise classify(Phase.DATA, reply)
    reply = await connection.upload(prepared.content, deadline)
    # A final yes or no ends the transaction on the server's side too (RFC 5321 §4.1.1.4).
    connection.clean = True
    if not reply.accepted:
        error = classify(Phase.BODY, reply)
        if isinstance(error, OutcomeUnknown):
            connection.abort()
        raise error
    accepted += taken
    return left


async def _recipients(
    connection: Connection, pending: list[tuple[int, bytes]], refused: Refusals, deadline: float
) -> tuple[list[int], list[tuple[int, bytes]]]:
    """Offers ``pending`` one by one; gives the positions taken and those for a further transaction."""
    taken: list[int] = []
    for index, (position, address) in enumerate(pending):
        reply = await connection.command(Phase.RCPT, b"RCPT", b"TO:<%b>" % address, deadline=deadline)
        if reply.accepted:
            taken.append(position)
            continue
        error = classify(Phase.RCPT, reply)
        if error.code is Code.TOO_MANY_RECIPIENTS and taken:
            return taken, pending[index:]
        if not isinstance(error, RecipientRefused | RecipientDeferred):
            raise error
        refused.append((position, error))
    return taken, []
