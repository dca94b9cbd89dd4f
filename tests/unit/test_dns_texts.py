"""Every finding has its words, in both languages, and they can be filled in."""

import string

import pytest

from config.dns.report import Finding, FindingCode, State
from config.dns.texts import TEXTS, finding_text
from config.languages import LANGUAGES, Sentence, texts


def fields(text: str) -> set[str]:
    return {name for _, name, _, _ in string.Formatter().parse(text) if name is not None}


@pytest.mark.parametrize("code", FindingCode)
def test_every_finding_has_words(code):
    words = TEXTS[code]
    assert words.headline[0].isupper()
    assert not words.headline.endswith(".")
    assert words.meaning.endswith(".")
    assert not fields(words.headline)


def test_only_what_is_in_order_comes_without_something_to_do():
    assert {code for code, words in TEXTS.items() if not words.next_step} == {
        *(FindingCode.SPF_COVERS, FindingCode.SPF_COVERS_PROVIDER, FindingCode.SPF_VALID, FindingCode.DKIM_FOUND),
        *(FindingCode.DKIM_MICROSOFT, FindingCode.DMARC_ENFORCED, FindingCode.DMARC_INHERITED, FindingCode.MX_FOUND),
        *(FindingCode.DMARC_RELAXED, FindingCode.DMARC_STRICT),
    }


def test_values_are_filled_in_and_texts_stay_translatable():
    finding = Finding.of(State.MISSING, FindingCode.SPF_MISSING, domain="{x}\x07.example")
    text = finding_text(finding)
    assert isinstance(text.meaning, Sentence)
    assert text.meaning.startswith("The domain {x}\\x07.example does not say")
    assert texts("fr").sentence(text.meaning).startswith("Le domaine {x}\\x07.example n’indique pas")
    assert finding_text(Finding.of(State.OK, FindingCode.SPF_VALID)).next_step == ""


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("code", FindingCode)
def test_every_text_can_be_said(language, code):
    words = TEXTS[code]
    names = fields(words.meaning) | fields(words.next_step)
    text = finding_text(Finding.of(State.OK, code, **dict.fromkeys(names, "VALUE")))
    said = [texts(language).sentence(part) for part in (text.headline, text.meaning, text.next_step)]
    assert not any(fields(one) for one in said)
    assert names == set() or "VALUE" in "".join(said)
