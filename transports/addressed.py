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
    """A mail for the recipients at ``positions`` of the original mail, whatever becomes of it.

    It names them in this order. Who stands in the original more than once may be named once.
    """

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

    Nobody is in two of them: who stands in the mail twice would get it twice. Shares depend on the mail alone, so an
    attempt that owes it to the same recipients gives the same ones.
    """
    fit: dict[str, list[int]] = {}
    refused: list[tuple[int, DeliveryError]] = []
    for position, mailbox in sorted(mail.recipients(), key=lambda each: each[0]):
        try:
            address = envelope_address(mailbox.address, utf8=True)
        except MessageRefused:
            refused.append((position, RecipientRefused(Code.RECIPIENT_REFUSED, "no address", transport=transport)))
        else:
            # Nobody gives out mailboxes that differ by case alone (RFC 5321 §2.4 advises against it).
            fit.setdefault(address.casefold(), []).append(position)
    positions = sorted(position for twins in fit.values() for position in twins)
    if len(positions) <= most:
        made = [Share(addressed(mail, positions), tuple(positions))] if positions else []
        return Shares(tuple(made), tuple(refused))
    everybody = list(fit.values())
    return Shares(
        tuple([_share(mail, everybody[start : start + most]) for start in range(0, len(everybody), most)]),
        tuple(refused),
    )


def _share(mail: Mail, part: list[list[int]]) -> Share:
    named = [twins[0] for twins in part]
    return Share(addressed(mail, named), tuple(sorted(position for twins in part for position in twins)))


def _kept(mailboxes: tuple[Mailbox, ...], first: int, wanted: frozenset[int]) -> tuple[Mailbox, ...]:
    return tuple([mailbox for position, mailbox in enumerate(mailboxes, first) if position in wanted])
