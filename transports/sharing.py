"""Sending a mail in shares (``addressed``), one after the other, and telling what became of whom."""

from collections.abc import Awaitable, Callable, Sequence

from transports.addressed import Share, Shares
from transports.errors import Code, DeliveryError, MessageRefused, OutcomeUnknown, Unreachable
from transports.message import Mail, Receipt


async def send_shares(
    mail: Mail, parts: Shares, hand_over: Callable[[Share], Awaitable[None]], transport: str
) -> Receipt:
    """Hands over each of ``parts``, which are of ``mail``; ``transport`` is the name for receipt and errors.

    A share that is refused as a mail says nothing about the next. Any other failure ends the sending: raised if it is
    the first share's and nobody can have the mail, else the verdict of whoever was not accepted before.
    """
    accepted: list[int] = []
    refused = list(parts.refused)
    for index, share in enumerate(parts.shares):
        try:
            await hand_over(share)
        except DeliveryError as error:
            if len(parts.shares) == 1 or (index == 0 and not isinstance(error, MessageRefused | OutcomeUnknown)):
                raise
            refused += [(position, error) for position in share.positions]
            if not isinstance(error, MessageRefused):
                refused += _untried(parts.shares[index + 1 :], error, transport)
                break
        else:
            accepted += share.positions
    everybody = len(accepted) == len(mail.owed)
    return Receipt(transport, mail.owed if everybody else tuple(accepted), tuple(refused))


def _untried(rest: Sequence[Share], error: DeliveryError, transport: str) -> list[tuple[int, DeliveryError]]:
    """Verdicts of those whose share was not sent after ``error``; of them it is known that they have no mail."""
    if isinstance(error, OutcomeUnknown):
        error = Unreachable(Code.CONNECTION_LOST, "not tried", transport=transport)
    return [(position, error) for share in rest for position in share.positions]
