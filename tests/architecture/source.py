"""What the structural tests look at: the product's modules and their syntax trees."""

import ast
from collections.abc import Iterator
from functools import cache
from pathlib import Path

from deploy.local.places import CLONE

PACKAGES = ("consumer", "config", "transports")
MOST_LINES = 250
MOST_LINES_OF_A_TEST = 450


def modules(*places: str) -> list[Path]:
    """All Python files below these folders of the clone (default: the three packages), sorted."""
    return sorted(file for place in places or PACKAGES for file in (CLONE / place).rglob("*.py"))


def label(file: Path) -> str:
    """The path as a person writes it."""
    return str(file.relative_to(CLONE))


@cache
def tree(file: Path) -> ast.Module:
    """The syntax tree of one file."""
    return ast.parse(file.read_text(encoding="utf-8"), filename=label(file))


def public_definitions(file: Path) -> Iterator[ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef]:
    """Classes and functions at the top of a module whose name has no underscore in front."""
    for node in tree(file).body:
        if isinstance(node, ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef) and not node.name.startswith("_"):
            yield node
