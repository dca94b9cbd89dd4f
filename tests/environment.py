"""The environment tests run in: read once, then emptied of everything that would change the program under test."""

import os
import tempfile
from typing import NoReturn

import pytest

from deploy.local.places import LOCAL

AT_START = dict(os.environ)
"""The environment as the caller gave it."""

IN_CI = AT_START.get("CI", "").lower() in ("1", "true", "yes")
_FOREIGN = ("MAILROOM_", "SMTP_", "PGHOST", "PGPORT", "PGUSER", "PGPASSWORD", "PGDATABASE", "SSL_CERT_")


def clean() -> None:
    """Takes the settings of the product and of its clients out of the environment; temporary files go to the clone."""
    for name in list(os.environ):
        if name.startswith(_FOREIGN):
            del os.environ[name]
    temporary = LOCAL / "tmp"
    temporary.mkdir(parents=True, exist_ok=True)
    os.environ["TMPDIR"] = tempfile.tempdir = str(temporary)
    os.environ["PYTEST_DEBUG_TEMPROOT"] = str(temporary)
    os.environ["HYPOTHESIS_STORAGE_DIRECTORY"] = str(LOCAL / "hypothesis")


def absent(sentence: str) -> NoReturn:
    """Skips at home because a server is missing; fails in continuous integration, where nothing may be missing."""
    if IN_CI:
        pytest.fail(f"{sentence} (missing servers are not skipped when CI is set)", pytrace=False)
    pytest.skip(sentence)
