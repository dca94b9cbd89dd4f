"""From a reply to a decision: the pure reading of the tables in ``reply_rules``."""

import re
from collections.abc import Sequence
from dataclasses import dataclass

from transports.errors import Code, DeliveryError, OutcomeUnknown, RecipientDeferred, Temporary
from transports.smtp.phases import Phase
from transports.smtp.reply_rules import KNOWN, RULES, Rule

NAME = "smtp"
# In the earlier phases any 5yz means the endpoint or the account; above all a sign-in must not be repeated.
_STRICT = frozenset({Phase.MAIL, Phase.RCPT, Phase.DATA, Phase.BODY})
_ENHANCED = re.compile(r"\s*[245]\.(\d{1,3})\.(\d{1,3})(?!\d)")
_ADDRESS = re.compile(r"\S*@\S*")


@dataclass(frozen=True, slots=True)
class Reply:
    """A reply as the server gave it; ``text`` may hold anything and is neither stored nor shown."""

    code: int
    text: str = ""

    @property
    def accepted(self) -> bool:
        """True for 2yz."""
        return 200 <= self.code <= 299

    @property
    def enhanced(self) -> str:
        """The enhanced code's ``subject.detail`` (RFC 2034), or nothing.

        Its class digit is left out: where it disagrees with the basic code, the basic code's wins.
        """
        found = _ENHANCED.match(self.text)
        return f"{int(found[1])}.{int(found[2])}" if found else ""

    @property
    def numbers(self) -> str:
        """``550 5.1.1``: all of a reply that is safe to store."""
        return f"{self.code} {self.code // 100}.{self.enhanced}" if self.enhanced else str(self.code)


def classify(phase: Phase, reply: Reply, rules: Sequence[Rule] = RULES) -> DeliveryError:
    """What ``reply``, which is not the success ``phase`` waits for, means.

    Every reply has a decision; one that no row knows is ``Temporary(UNKNOWN_REPLY)``, or ``OutcomeUnknown`` when it
    answers a mail that was handed over with neither yes nor no.
    """
    if phase is Phase.BODY and not 400 <= reply.code <= 599:
        return OutcomeUnknown(Code.OUTCOME_UNKNOWN, reply.numbers, transport=NAME)
    rule = find_rule(phase, reply, rules)
    if rule is None:
        error = RecipientDeferred if phase is Phase.RCPT else Temporary
        return error(Code.UNKNOWN_REPLY, reply.numbers, transport=NAME)
    return rule.error(rule.reason, reply.numbers, transport=NAME, retry_after=rule.retry_after)


def find_rule(phase: Phase, reply: Reply, rules: Sequence[Rule] = RULES) -> Rule | None:
    """The first row that fits, or None for a reply nobody agreed on."""
    code, enhanced = str(reply.code), reply.enhanced
    # Replies repeat addresses, and whoever chose one (`relay@…`, `blocklist@…`) must not choose the verdict.
    text = _ADDRESS.sub("", reply.text.lower())
    unknown = reply.code >= 500 and reply.code not in KNOWN and phase in _STRICT
    for rule in rules:
        if phase not in rule.phases or not code.startswith(rule.code):
            continue
        if not (_subject(rule.enhanced, enhanced) and (not rule.text or re.search(rule.text, text))):
            continue
        # A bare class row speaks for the codes that are agreed on, no others.
        if unknown and len(rule.code) == 1 and not rule.enhanced and not rule.text:
            return None
        return rule
    return None


def _subject(wanted: str, given: str) -> bool:
    if not wanted or wanted == given:
        return True
    return wanted.endswith(".") and given.startswith(wanted)
