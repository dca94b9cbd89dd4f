"""Every logging call of the product, read from its source: a constant event, no arguments for it, known fields."""

import ast
from collections.abc import Iterator
from pathlib import Path

from config.log_cleaning import ALLOWED_FIELDS

ROOT = Path(__file__).parents[2]
METHODS = {"debug", "info", "warning", "error", "exception", "critical"}
NAMES = {"log", "_log", "logger", "_logger"}


def _calls() -> Iterator[tuple[str, ast.Call]]:
    for package in ("consumer", "config", "transports"):
        for path in sorted((ROOT / package).rglob("*.py")):
            for node in ast.walk(ast.parse(path.read_text())):
                if not (isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute)):
                    continue
                owner = node.func.value
                name = owner.id if isinstance(owner, ast.Name) else getattr(owner, "attr", "")
                if node.func.attr in METHODS and name in NAMES:
                    yield f"{path.relative_to(ROOT)}:{node.lineno}", node


def test_the_search_finds_logging_calls():
    assert len(list(_calls())) >= 5


def test_every_event_is_a_constant_sentence():
    wrong = [
        place
        for place, call in _calls()
        if len(call.args) != 1 or not (isinstance(call.args[0], ast.Constant) and isinstance(call.args[0].value, str))
    ]
    assert wrong == []


def test_every_field_is_on_the_allow_list():
    wrong = {
        place: keyword.arg
        for place, call in _calls()
        for keyword in call.keywords
        if keyword.arg not in ALLOWED_FIELDS | {"exc_info", None}
    }
    assert wrong == {}


def test_only_the_module_for_it_uses_the_standard_library_s_logging():
    users = set()
    for package in ("consumer", "config", "transports"):
        for path in (ROOT / package).rglob("*.py"):
            for node in ast.walk(ast.parse(path.read_text())):
                if isinstance(node, ast.Import) and any(name.name.split(".")[0] == "logging" for name in node.names):
                    users.add(str(path.relative_to(ROOT)))
                if isinstance(node, ast.ImportFrom) and (node.module or "").split(".")[0] in ("logging", "structlog"):
                    users.add(str(path.relative_to(ROOT)))
    assert users == {"config/logs.py"}
