"""Every text that a person may read is translated, no translation is left over, and French is set as it should be."""

import ast
import io
import re
import string
from collections import defaultdict
from collections.abc import Iterator
from functools import lru_cache
from pathlib import Path

import pytest
from babel.messages.catalog import Catalog, Message
from babel.messages.extract import extract_from_file
from babel.messages.pofile import read_po

from config.languages import LANGUAGES, LOCALE_FOLDER

ROOT = Path(__file__).parents[2]
CONFIG = ROOT / "config"
KEYWORDS = {"N_": None, "_": None, "gettext": None, "fill": None, "of": None, "ngettext": (1, 2)}
TRANSLATED = [language for language in LANGUAGES if language != "en"]

# \u00a0 and \u202f are the two spaces that do not break; French wants one of them inside « » and before : ; ? !
SPACING = re.compile(r" [:;?!»]|« |\w[;?!»]|«\w|(?<=\w)'(?=\w)")


@lru_cache
def extracted() -> dict[str, list[str]]:
    """The msgids in the sources, each with the places it stands in; a plural counts as its singular."""
    found = defaultdict(list)
    files = [("python", file) for file in sorted(CONFIG.rglob("*.py"))]
    files += [("jinja2.ext:babel_extract", file) for file in sorted(CONFIG.rglob("templates/**/*.html"))]
    for method, file in files:
        options = {"silent": "false"} if method != "python" else {}
        for line, message, _, _ in extract_from_file(method, file, keywords=KEYWORDS, options=options):
            msgid = message if isinstance(message, str) else message[0]
            found[msgid].append(f"{file.relative_to(ROOT)}:{line}")
    return found


@lru_cache
def catalogues(language: str) -> tuple[tuple[str, Catalog], ...]:
    files = sorted((LOCALE_FOLDER / language / "LC_MESSAGES").glob("*.po"))
    return tuple((file.name, read_po(io.BytesIO(file.read_bytes()), locale=language)) for file in files)


def translations(language: str) -> Iterator[tuple[str, str, Message]]:
    for name, catalogue in catalogues(language):
        for message in catalogue:
            if message.id:
                yield name, message.id if isinstance(message.id, str) else message.id[0], message


def shown(message: Message) -> tuple[str, ...]:
    return (message.string,) if isinstance(message.string, str) else tuple(message.string or ())


def test_texts_are_found_in_modules_and_in_templates():
    kinds = {place.split(":")[0].rpartition(".")[2] for places in extracted().values() for place in places}
    assert kinds == {"py", "html"}
    assert len(extracted()) > 200


def test_what_is_marked_as_a_text_is_one_that_extraction_can_see():
    unseen = []
    for file in CONFIG.rglob("*.py"):
        for node in ast.walk(ast.parse(file.read_text())):
            if not isinstance(node, ast.Call) or not node.args:
                continue
            name = node.func.id if isinstance(node.func, ast.Name) else getattr(node.func, "attr", "")
            marked = name == "N_" or (name == "of" and ast.unparse(node.func).endswith("Sentence.of"))
            if marked and not (isinstance(node.args[0], ast.Constant) and isinstance(node.args[0].value, str)):
                unseen.append(f"{file.relative_to(ROOT)}:{node.lineno}")
    assert unseen == []


@pytest.mark.parametrize("language", TRANSLATED)
def test_every_text_is_translated(language):
    known = {msgid for _, msgid, message in translations(language) if all(shown(message)) and not message.fuzzy}
    assert {msgid: places for msgid, places in extracted().items() if msgid not in known} == {}


@pytest.mark.parametrize("language", TRANSLATED)
def test_no_translation_is_left_over(language):
    assert [(name, msgid) for name, msgid, _ in translations(language) if msgid not in extracted()] == []
    assert [name for name, catalogue in catalogues(language) if catalogue.obsolete] == []


@pytest.mark.parametrize("language", TRANSLATED)
def test_a_text_is_translated_once_or_in_the_same_way(language):
    ways = defaultdict(set)
    for _, msgid, message in translations(language):
        ways[msgid].add(shown(message))
    assert {msgid: texts for msgid, texts in ways.items() if len(texts) > 1} == {}


@pytest.mark.parametrize("language", TRANSLATED)
def test_a_translation_has_the_same_places_to_fill_in(language):
    differing = []
    for name, msgid, message in translations(language):
        # A singular may say "the record" where the plural says "{count} records".
        allowed = [places(one) for one in ((msgid,) if isinstance(message.id, str) else message.id)]
        differing += [(name, text) for text in shown(message) if places(text) not in allowed]
    assert differing == []


def test_french_is_set_with_spaces_that_do_not_break_and_real_apostrophes():
    wrong = [(name, text) for name, _, message in translations("fr") for text in shown(message) if SPACING.search(text)]
    assert wrong == []


def places(text: str) -> set[str]:
    try:
        return {field for _, field, _, _ in string.Formatter().parse(text) if field is not None}
    except ValueError:
        return {"not a pattern"}
