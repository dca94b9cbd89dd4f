"""The API's description is what was published; a change of it is a decision."""

import json
from pathlib import Path

from config.web.api import openapi

PUBLISHED = Path(__file__).parent / "openapi.json"


def test_the_openapi_document_is_the_published_one():
    assert openapi("0.0.0") == json.loads(PUBLISHED.read_text(encoding="utf-8")), (
        "the API changed; if that is wanted: python -m tests.golden.test_openapi"
    )


def write() -> None:
    """Publishes the document as it is now."""
    PUBLISHED.write_text(json.dumps(openapi("0.0.0"), indent=2, ensure_ascii=False) + "\n", encoding="utf-8")


if __name__ == "__main__":
    write()
