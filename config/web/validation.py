"""What is wrong with the shape of a request, said by field and without anything that was sent.

The framework's own answer repeats the values, and a password may be one of them.
"""

import re
from collections.abc import Mapping, Sequence
from typing import Final

from fastapi.exceptions import RequestValidationError

from config.languages import N_, Texts

_PLACES: Final = frozenset({"body", "query", "path", "header", "cookie"})
_NAME: Final = re.compile(r"[a-z][a-z_]{0,39}")
_UNKNOWN: Final = "extra_forbidden"
_RANGE: Final = N_("is out of range")
_WHOLE: Final = N_("must be a whole number")
_CHOICE: Final = N_("is not one of the values that are allowed")
_FORM: Final = N_("has the wrong form")
_SENTENCES: Final[Mapping[str, str]] = {
    "missing": N_("must be given"),
    _UNKNOWN: N_("has a name in it that is not known"),
    "json_invalid": N_("is not JSON"),
    "string_too_long": N_("is too long"),
    "too_long": N_("is too long"),
    "string_type": N_("must be a text"),
    "int_type": _WHOLE,
    "int_parsing": _WHOLE,
    "int_from_float": _WHOLE,
    "int_parsing_size": _RANGE,
    "greater_than": _RANGE,
    "greater_than_equal": _RANGE,
    "less_than": _RANGE,
    "less_than_equal": _RANGE,
    "enum": _CHOICE,
    "literal_error": _CHOICE,
}


def mistakes(fault: RequestValidationError, spoken: Texts) -> list[dict[str, str]]:
    """One entry for each mistake: ``field``, and in ``message`` half a sentence that fits behind it."""
    found = []
    for error in fault.errors():
        kind = str(error["type"])
        sentence = spoken.gettext(_SENTENCES.get(kind, _FORM))
        found.append({"field": _field(kind, error["loc"]), "message": sentence})
    return found


def _field(kind: str, location: Sequence[object]) -> str:
    """The field's name; of one that we do not know, the place it stands in, since its name is the visitor's text."""
    place = location[:-1] if kind == _UNKNOWN else location
    names = [name for name in place if isinstance(name, str) and _NAME.fullmatch(name)]
    inner = names[1:] if names and names[0] in _PLACES else names
    return ".".join(inner or names) or "body"
