"""Mails for providers without an envelope: who gets such a mail is who its header fields name.

So a mail is sent as one or more *shares*, each of which names its own recipients and nobody else: those who have the
mail already, or were refused, or are in another share, must not be named again, or they would get it twice.
"""

from collections.abc import Iterable
from dataclasses import dataclass, replace

from transports.errors import Code, DeliveryError, MessageRefused, RecipientRefused
from transports.message import Mail, Mailbox
from transports.mime import envelope_address


@dataclass(frozen=True, slots=True)
class Share:
    """A mail that names the recipients at ``positions`` of the original mail, in this order, and owes it to them."""

    mail: Mail
    positions: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Shares:
    """A mail in as many shares as it takes; ``refused`` are owed recipients that are no address at all."""

    shares: tuple[Share, ...]
    refused: tuple[tuple[int, DeliveryError], ...]


def addressed(mail: Mail, positions: Iterable[int] | None = None) -> Mail:
    """``mail`` naming only the recipients at ``positions``, by default the owed ones; all of them are owed then.

    A mail that is owed to everybody it names is given as it is.
    """
    wanted = frozenset(mail.owed if positions is None else positions)
    everyone = len(mail.to) + len(mail.cc) + len(mail.bcc)
    if len(wanted) == everyone:
        return mail
    behind_to = len(mail.to)
    behind_cc = behind_to + len(mail.cc)
    return replace(
        mail,
        to=_kept(mail.to, 0, wanted),
        cc=_kept(mail.cc, behind_to, wanted),
        bcc=_kept(mail.bcc, behind_cc, wanted),
        owed=tuple(range(len(wanted))),
    )


def shares(mail: Mail, most: int, transport: str) -> Shares:
    """``mail`` for its owed recipients, at most ``most`` to a share; ``transport`` is the name for errors.

    Shares depend on the mail alone, so an attempt that owes it to the same recipients gives the same ones.
    """
    fit: list[int] = []
    refused: list[tuple[int, DeliveryError]] = []
    for position, mailbox in sorted(mail.recipients(), key=lambda each: each[0]):
        try:
            envelope_address(mailbox.address, utf8=True)
        except MessageRefused:
            refused.append((position, RecipientRefused(Code.RECIPIENT_REFUSED, "no address", transport=transport)))
        else:
            fit.append(position)
    parts = [tuple(fit[start : start + most]) for start in range(0, len(fit), most)]
    return Shares(tuple([Share(addressed(mail, part), part) for part in parts]), tuple(refused))


def _kept(mailboxes: tuple[Mailbox, ...], first: int, wanted: frozenset[int]) -> tuple[Mailbox, ...]:
    return tuple([mailbox for position, mailbox in enumerate(mailboxes, first) if position in wanted])
