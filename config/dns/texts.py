"""The words for every finding: a headline, what it means, and what to do. English msgids, for an administrator.

Without logic but the lookup. The tables stand in :mod:`config.dns.texts_spf` and its neighbours.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from config.dns.report import Finding, FindingCode
from config.dns.texts_dkim import DKIM_TEXTS
from config.dns.texts_dmarc import DMARC_TEXTS
from config.dns.texts_mx import MX_TEXTS
from config.dns.texts_spf import SPF_TEXTS
from config.dns.words import Words
from config.languages import N_, Sentence

TEXTS: Final[Mapping[FindingCode, Words]] = {
    FindingCode.NAME_NOT_PUBLIC: Words(
        N_("Not a public domain"),
        N_("Names such as {domain} are known only inside a network, so nothing about them can be looked up."),
        N_("Use a sender address of a domain that is registered on the public Internet."),
    ),
    **SPF_TEXTS,
    **DKIM_TEXTS,
    **DMARC_TEXTS,
    **MX_TEXTS,
}


@dataclass(frozen=True, slots=True)
class FindingText:
    """What to say about a finding, to be translated by :meth:`config.languages.Texts.sentence`.

    ``next_step`` is empty where there is nothing to do.
    """

    headline: str
    meaning: str
    next_step: str


def finding_text(finding: Finding) -> FindingText:
    """The texts of a finding; its notes are findings too, and have texts of their own."""
    words = TEXTS[finding.code]
    return FindingText(*(_filled(msgid, finding.params) for msgid in (words.headline, words.meaning, words.next_step)))


def _filled(msgid: str, params: Mapping[str, str]) -> str:
    return Sentence(msgid.format_map(params), msgid, params) if msgid else ""
