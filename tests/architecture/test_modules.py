"""The shape of the source: size, documentation, names, and who may read the environment."""

import ast
import re
from pathlib import Path

import pytest

from deploy.local.places import CLONE
from tests.architecture.source import MOST_LINES, MOST_LINES_OF_A_TEST, label, modules, public_definitions, tree

_ALL = modules("consumer", "config", "transports", "deploy", "tests")
_PRODUCT = modules()
_DOCUMENTED = modules("consumer", "config", "transports", "deploy")


@pytest.mark.parametrize("file", _ALL, ids=label)
def test_a_module_fits_in_the_head(file: Path) -> None:
    """No module is longer than 250 lines: split by verb before it grows. Tests are looked up, not read through."""
    most = MOST_LINES_OF_A_TEST if label(file).startswith("tests/") else MOST_LINES
    assert len(file.read_text(encoding="utf-8").splitlines()) <= most


@pytest.mark.parametrize("file", _DOCUMENTED, ids=label)
def test_public_names_say_what_they_are_for(file: Path) -> None:
    """Every module, and every public class and function in it, has a docstring that is a sentence."""
    named = [("module", tree(file)), *((node.name, node) for node in public_definitions(file))]
    missing = [name for name, node in named if not _is_sentence(ast.get_docstring(node))]
    assert missing == []


def _is_sentence(text: str | None) -> bool:
    first = (text or "").strip().split("\n\n")[0].rstrip()
    return len(first.split()) > 1 and first.endswith((".", ":", "?", ")", "!"))


@pytest.mark.parametrize("file", [one for one in _PRODUCT if label(one) != "config/process.py"], ids=label)
def test_only_the_process_settings_read_the_environment(file: Path) -> None:
    """``os.environ`` and ``os.getenv`` stand in config/process.py and nowhere else."""
    used = [
        node.lineno
        for node in ast.walk(tree(file))
        if isinstance(node, ast.Attribute) and node.attr in ("environ", "getenv", "environb")
    ]
    assert used == []


@pytest.mark.parametrize("file", _PRODUCT, ids=label)
def test_modules_are_nouns_of_this_domain(file: Path) -> None:
    """There is no module for things that have no place."""
    assert not re.fullmatch(r"(utils?|helpers?|common|misc|base)", file.stem)


@pytest.mark.parametrize("file", _ALL, ids=label)
def test_nothing_is_left_for_later(file: Path) -> None:
    """No marks for unfinished work, and no path or address that only one machine knows."""
    text = file.read_text(encoding="utf-8")
    marks = re.findall(r"\b(?:T[O]DO|FIX[M]E|X[X]X)\b", text)
    paths = re.findall(r"[\"'\s=(](/(?:tmp|root|work|home/\w+)/\S*)", text)
    assert (marks, paths) == ([], [])


def test_a_test_that_sleeps_says_why() -> None:
    """Waiting is the business of tests/waiting.py; where time itself is the subject, a comment on the line says so."""
    sleepers = [
        f"{label(file)}:{node.lineno}"
        for file in modules("tests")
        if file.name.startswith("test_")
        for node in ast.walk(tree(file))
        if isinstance(node, ast.Call) and ast.unparse(node.func) in ("time.sleep", "asyncio.sleep", "sleep")
        if not (node.args and isinstance(node.args[0], ast.Constant) and node.args[0].value == 0)
        if not re.search(r"  # \w.*", file.read_text(encoding="utf-8").splitlines()[node.lineno - 1])
    ]
    assert sleepers == []


def test_mocks_are_not_needed() -> None:
    """Tests use real parts and doubles that are shipped, never patched names."""
    words = re.compile(r"unittest\.mock|from unittest import mock|monkeypatch\.setattr|mocker\.")
    here = CLONE / "tests" / "architecture" / "test_modules.py"
    users = [
        label(file) for file in modules("tests") if file != here and words.search(file.read_text(encoding="utf-8"))
    ]
    assert users == []
