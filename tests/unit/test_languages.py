"""Texts in the reader's language: what is chosen, what is filled in, and what stays English."""

import copy
import pickle
from datetime import UTC, date, datetime, timedelta, timezone

import pytest

from config.languages import LANGUAGES, Sentence, Texts, catalogue, negotiate, texts

FRENCH = texts("fr")
ENGLISH = texts("en")


@pytest.mark.parametrize(
    ("header", "preferred", "chosen"),
    [
        (None, None, "en"),
        ("", None, "en"),
        ("fr", None, "fr"),
        ("fr-CA,fr;q=0.9,en;q=0.8", None, "fr"),
        ("en;q=0.4, fr;q=0.5", None, "fr"),
        ("FR_ca", None, "fr"),
        ("de, it;q=0.9", None, "en"),
        ("de, fr;q=0.1", None, "fr"),
        ("*, fr;q=0.9", None, "en"),
        ("fr;q=0", None, "en"),
        ("fr;q=nan, en;q=inf", None, "en"),
        ("fr;q=2", None, "en"),
        ("fr;q=abc,en;q=0.1", None, "en"),
        (";;;,,,=,q=1", None, "en"),
        ("fr," * 100_000, None, "fr"),
        ("en", "fr", "fr"),
        ("fr", "en-US", "en"),
        ("fr", "de", "fr"),
        (None, "français", "en"),
    ],
)
def test_the_language_asked_for_is_taken_if_there_is_one(header, preferred, chosen):
    assert negotiate(header, preferred) == chosen


def test_a_sentence_reads_as_english_and_can_be_translated_later():
    sentence = Sentence.of("{name}: {value}", name=Sentence.of("Server"), value="mail.acme.example")
    assert sentence == "Server: mail.acme.example"
    assert FRENCH.sentence(sentence) == "Serveur\u00a0: mail.acme.example"
    assert ENGLISH.sentence(sentence) == sentence


@pytest.mark.parametrize("copied", [copy.deepcopy, lambda one: pickle.loads(pickle.dumps(one))])
def test_a_sentence_stays_one_when_it_is_copied(copied):
    sentence = copied(Sentence.of("{name}: {value}", name="a", value=1))
    assert (sentence, sentence.msgid, sentence.params) == ("a: 1", "{name}: {value}", {"name": "a", "value": 1})


def test_what_is_filled_in_is_never_a_pattern_itself():
    assert FRENCH.fill("{name}: {value}", name="{value}", value="{0.__class__}") == "{value}\u00a0: {0.__class__}"


def test_a_plain_text_is_a_msgid_and_an_unknown_one_stays_as_it_is():
    assert FRENCH.sentence("Server") == "Serveur"
    for spoken in (FRENCH, ENGLISH):
        assert spoken.gettext("nobody {translated} this") == "nobody {translated} this"
        assert spoken.gettext("") == ""


HEADER = 'msgid ""\nmsgstr ""\n"Content-Type: text/plain; charset=utf-8\\n"\n'
PLURAL = 'msgid "a day"\nmsgid_plural "days"\nmsgstr[0] "un jour"\nmsgstr[1] "des jours"\n'


def test_french_counts_nothing_as_singular(tmp_path):
    spoken = Texts("fr", catalogue(written(tmp_path, plural=HEADER + PLURAL), "fr"))
    assert [spoken.ngettext("a day", "days", number) for number in (0, 1, 2)] == ["un jour", "un jour", "des jours"]
    assert [ENGLISH.ngettext("a day", "days", number) for number in (0, 1, 2)] == ["days", "a day", "days"]


def test_catalogues_are_merged_the_first_file_wins_and_fuzzy_texts_do_not_count(tmp_path):
    first = HEADER + '#, fuzzy\nmsgid "a"\nmsgstr "faux"\n\nmsgid "b"\nmsgstr "b1"\n'
    second = HEADER + 'msgid "b"\nmsgstr "b2"\n\nmsgid "c"\nmsgstr "c2"\n'
    spoken = Texts("fr", catalogue(written(tmp_path, first=first, second=second), "fr"))
    assert [spoken.gettext(msgid) for msgid in "abcd"] == ["a", "b1", "c2", "d"]


def written(folder, **catalogues):
    place = folder / "fr" / "LC_MESSAGES"
    place.mkdir(parents=True)
    for name, text in catalogues.items():
        (place / f"{name}.po").write_text(text)
    return folder


def test_moments_days_and_numbers_are_written_as_readers_expect():
    at = datetime(2026, 11, 1, 1, 5, tzinfo=timezone(timedelta(hours=2)))
    assert ENGLISH.date(at) == "31 October 2026 23:05 UTC"
    assert FRENCH.date(at) == "31 octobre 2026 à 23:05 UTC"
    assert FRENCH.day(date(2027, 8, 1)) == "1 août 2027"
    assert (ENGLISH.number(12345.678), FRENCH.number(12345.678)) == ("12,345.68", "12\u202f345,68")


def test_a_moment_without_a_time_zone_is_a_mistake():
    with pytest.raises(ValueError, match="time zone"):
        ENGLISH.date(datetime(2026, 11, 1, tzinfo=UTC).replace(tzinfo=None))


def test_there_are_texts_for_each_language_and_no_other():
    assert [texts(language).language for language in LANGUAGES] == list(LANGUAGES)
    with pytest.raises(KeyError):
        texts("de")
