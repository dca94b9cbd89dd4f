"""Whether a request is one that Google's discovery document describes; knows nothing of how it was built."""

import base64
import fnmatch
import json
import re
from collections.abc import Mapping
from functools import cache
from importlib import resources
from typing import Any
from urllib.parse import parse_qsl, urlsplit

from jsonschema import Draft202012Validator


@cache
def document() -> dict[str, Any]:
    """The document that the locked version of Google's client brings along."""
    file = resources.files("googleapiclient") / "discovery_cache" / "documents" / "gmail.v1.json"
    found: dict[str, Any] = json.loads(file.read_text())
    return found


def send_method() -> dict[str, Any]:
    """``users.messages.send``."""
    found: dict[str, Any] = document()["resources"]["users"]["resources"]["messages"]["methods"]["send"]
    return found


def described(method: str, url: str, headers: Mapping[str, str], body: bytes) -> bytes:
    """The mail in a request, which must be one of ``users.messages.send`` in one of its two forms.

    Raises:
        AssertionError: it is not as described.
    """
    described_as = send_method()
    parts = urlsplit(url)
    query = _query(parts.query)
    assert method == described_as["httpMethod"]
    assert not parts.fragment
    assert described_as["parameters"]["userId"]["default"] == "me"
    upload = described_as["mediaUpload"]
    if parts.path == upload["protocols"]["simple"]["path"].replace("{userId}", "me"):
        assert described_as["supportsMediaUpload"]
        assert query["uploadType"] == "media"
        assert any(fnmatch.fnmatchcase(headers["Content-Type"], accepted) for accepted in upload["accept"])
        assert len(body) <= int(upload["maxSize"])
        return body
    assert parts.path == "/" + described_as["flatPath"].replace("{userId}", "me")
    assert headers["Content-Type"] == "application/json"
    return _raw(body)


def _query(text: str) -> dict[str, str]:
    known = {**document()["parameters"], **send_method()["parameters"]}
    pairs = parse_qsl(text, keep_blank_values=True, strict_parsing=True)
    for name, value in pairs:
        assert known[name]["location"] == "query", f"{name} does not belong into the query"
        assert value in known[name].get("enum", [value])
    assert len(dict(pairs)) == len(pairs)
    return dict(pairs)


def _raw(body: bytes) -> bytes:
    message = json.loads(body)
    _validator().validate(message)
    for name, schema in document()["schemas"]["Message"]["properties"].items():
        if send_method()["id"] in schema.get("annotations", {}).get("required", ()):
            assert name in message, f"{name} is required"
    # format "byte" is base64 in the URL-safe alphabet (discovery's type and format summary)
    assert re.fullmatch(r"[A-Za-z0-9_-]*={0,2}", message["raw"])
    return base64.urlsafe_b64decode(message["raw"])


@cache
def _validator() -> Draft202012Validator:
    schemas = {name: _closed(schema) for name, schema in document()["schemas"].items()}
    return Draft202012Validator({"$defs": schemas, "$ref": f"#/$defs/{send_method()['request']['$ref']}"})


def _closed(schema: Any) -> Any:
    """A schema of the document as one of JSON Schema that allows nothing else."""
    if isinstance(schema, list):
        return [_closed(each) for each in schema]
    if not isinstance(schema, dict):
        return schema
    if "$ref" in schema:
        return {"$ref": f"#/$defs/{schema['$ref']}"}
    kept = {name: _closed(schema[name]) for name in ("type", "items", "enum") if name in schema}
    if "properties" in schema:
        properties = {name: _closed(value) for name, value in schema["properties"].items()}
        kept |= {"properties": properties, "additionalProperties": False}
    return kept
