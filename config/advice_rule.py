"""What a row of the advice table looks like, and the providers it knows by their host names. No texts."""

import re
from collections.abc import Collection
from dataclasses import dataclass
from enum import StrEnum
from typing import Final


class Provider(StrEnum):
    """Whose server it is, where that changes the advice.

    The two that end in ``_account`` are accounts connected by OAuth, whichever way their mail leaves.
    """

    GOOGLE = "google"
    GOOGLE_RELAY = "google_relay"
    MICROSOFT = "microsoft"
    MICROSOFT_PERSONAL = "microsoft_personal"
    MICROSOFT_INBOUND = "microsoft_inbound"
    MICROSOFT_ACCOUNT = "microsoft_account"
    GOOGLE_ACCOUNT = "google_account"
    OTHER = "other"


# The first that fits; a host is matched as a whole or as a part of one that ends at a dot.
_HOSTS: Final = (
    ("smtp-relay.gmail.com", Provider.GOOGLE_RELAY),
    ("gmail.com", Provider.GOOGLE),
    ("googlemail.com", Provider.GOOGLE),
    ("google.com", Provider.GOOGLE),
    ("smtp-mail.outlook.com", Provider.MICROSOFT_PERSONAL),
    ("hotmail.com", Provider.MICROSOFT_PERSONAL),
    ("live.com", Provider.MICROSOFT_PERSONAL),
    ("mail.protection.outlook.com", Provider.MICROSOFT_INBOUND),
    ("mx.microsoft", Provider.MICROSOFT_INBOUND),
    ("office365.com", Provider.MICROSOFT),
    ("office365.us", Provider.MICROSOFT),
    ("office.com", Provider.MICROSOFT),
    ("outlook.com", Provider.MICROSOFT),
    ("partner.outlook.cn", Provider.MICROSOFT),
)


_KINDS: Final = {"microsoft365": Provider.MICROSOFT_ACCOUNT, "gmail": Provider.GOOGLE_ACCOUNT}


def provider_of(host: str, kind: str = "") -> Provider:
    """Whose server has this name, or whose account settings of this kind have; no name is looked up."""
    if kind in _KINDS:
        return _KINDS[kind]
    name = host.strip().lower().rstrip(".")
    for known, provider in _HOSTS:
        if name == known or name.endswith(f".{known}"):
            return provider
    return Provider.OTHER


@dataclass(frozen=True, slots=True)
class Case:
    """What is known about a failure besides its code; empty values mean that it is not known."""

    stage: str = ""
    detail: str = ""
    provider: Provider = Provider.OTHER
    port: int | None = None
    security: str = ""


@dataclass(frozen=True, slots=True)
class Rule:
    """One row: for these codes, in the cases that all of the further fields allow (an empty one allows any).

    ``detail`` is a pattern that the detail must begin with. ``meaning`` and ``next_step`` are msgids.
    """

    codes: Collection[str]
    meaning: str
    next_step: str
    stages: Collection[str] = ()
    detail: str = ""
    providers: Collection[Provider] = ()
    ports: Collection[int] = ()
    security: str = ""

    @property
    def general(self) -> bool:
        """Whether it fits every case of its codes."""
        return not (self.stages or self.detail or self.providers or self.ports or self.security)

    def fits(self, code: str, case: Case) -> bool:
        """Whether this row is about that failure."""
        return (
            code in self.codes
            and (not self.stages or case.stage in self.stages)
            and (not self.providers or case.provider in self.providers)
            and (not self.ports or case.port in self.ports)
            and (not self.security or case.security == self.security)
            and re.match(self.detail, case.detail) is not None
        )
