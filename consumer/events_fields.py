"""The kinds of text an event's fields hold: checks with sentences that never repeat the value.

What passes is safe for the composer: no control character can reach a header field. They are refused rather than
removed, because the platform is told at once when it publishes, while a silently changed subject is nobody's wish; only
the horizontal tab, harmless and common in text that was copied, becomes a space. Times and base64 are in
``consumer.events_values``.
"""

import re
from typing import Annotated, Final, LiteralString

from email_validator import EmailNotValidError
from email_validator import validate_email as check_email
from pydantic import AfterValidator, Field
from pydantic_core import PydanticCustomError

from config.categories import CATEGORIES
from config.choices import valid_organization_id

# C0 but the tab, DEL, C1, and the two Unicode line ends that some mail programs take for a line break.
_CONTROLS: Final = r"\u0000-\u0008\u000a-\u001f\u007f-\u009f\u2028\u2029"
_CONTROL: Final = re.compile(f"[{_CONTROLS}]")
# What most addresses look like, a subset of what email-validator takes as it stands; all others go the long way.
_PLAIN_ADDRESS: Final = re.compile(r"[A-Za-z0-9_+-]+(?:\.[A-Za-z0-9_+-]+)*@(?:[a-z0-9]+(?:-[a-z0-9]+)*\.)+[a-z]{2,10}")
_PLAIN_LENGTH: Final = 63  # then no part of it can be too long
_MAX_ADDRESS: Final = 254
_MAX_BYTES: Final = 255  # an AMQP short string

_ATOM: Final = r"[A-Za-z0-9!#$%&'*+.^_`{|}~-]+"  # token of RFC 2045 §5.1
_TYPE: Final = re.compile(r"notification\.([a-z0-9_-]+)\.([a-z0-9_-]+(?:\.[a-z0-9_-]+)*)\.v([1-9][0-9]*)")
_TRACEPARENT: Final = re.compile(r"(?!ff)[0-9a-f]{2}-[0-9a-f]{32}-[0-9a-f]{16}-[0-9a-f]{2}")


def problem(sentence: LiteralString) -> PydanticCustomError:
    """An error whose sentence is ours and goes to the platform as it stands."""
    return PydanticCustomError("mailroom", sentence)


def _line(text: str) -> str:
    if text.isprintable():
        return text
    if _CONTROL.search(text):
        raise problem("contains a line break or another control character")
    return text.replace("\t", " ")


def _strict_line(text: str) -> str:
    if "\t" in text or _CONTROL.search(text):
        raise problem("contains a control character")
    return text


def _identifier(text: str) -> str:
    if len(text.encode("utf-8")) > _MAX_BYTES:
        raise problem("has more than 255 bytes of UTF-8")
    return _strict_line(text)


def _organization(text: str) -> str:
    if not valid_organization_id(text):
        raise problem("must be letters, digits and . _ : - only")
    return text


def _no_nul(text: str) -> str:
    if "\x00" in text:
        raise problem("contains the character U+0000")
    return text


def _filename(text: str) -> str:
    if "/" in text or "\\" in text or text in {".", ".."}:
        raise problem("must be the name of a file, without a folder")
    return _line(text)


def _address(text: str) -> str:
    if len(text) <= _PLAIN_LENGTH and _PLAIN_ADDRESS.fullmatch(text):
        return text
    try:
        # Intranet names (one label, .local) are fine: the organisation's own server may know them.
        found = check_email(text, check_deliverability=False, globally_deliverable=False)
    except (EmailNotValidError, UnicodeError):
        raise problem("is not a valid e-mail address") from None
    return found.normalized


def _event_type(text: str) -> str:
    match = _TYPE.fullmatch(text)
    if match is None:
        raise problem("must read notification.<category>.<what>.v1, in lower case")
    if match[3] != "1":
        raise problem("names a version of the contract that this service does not speak; it speaks v1")
    return text


def _media_type(text: str) -> str:
    if text.split("/", 1)[0].lower() in {"multipart", "message"}:
        raise problem("must not be multipart or message: those cannot be sent as base64 (RFC 2046)")
    return text


def _traceparent(text: str | None) -> str | None:
    # W3C Trace Context §3.2.2: a value that cannot be read is ignored, never a reason to lose what it came with.
    return text if text is not None and _TRACEPARENT.fullmatch(text) else None


def _matching(pattern: str, sentence: LiteralString) -> AfterValidator:
    compiled = re.compile(pattern)

    def check(text: str) -> str:
        if compiled.fullmatch(text) is None:
            raise problem(sentence)
        return text

    return AfterValidator(check)


def _schema(pattern: str) -> dict[str, object]:
    return {"pattern": f"^{pattern}$"}


def category_of(event_type: str) -> str:
    """The category in a valid type, ``other`` unless it is one of :data:`CATEGORIES`."""
    category = event_type.split(".", 2)[1]
    return category if category in CATEGORIES else "other"


_MESSAGE_ID: Final = r"<[!-;=?A-~]+@[!-;=?A-~]+>"  # RFC 5322 §3.6.4, read generously: it came from somebody's mail
_URI: Final = r"(?:https://[A-Za-z0-9\[][!-;=?-~]*|mailto:[!-;=?-~]+@[!-;=?-~]+)"
_LOCALE: Final = r"[A-Za-z]{2,8}(?:-[A-Za-z0-9]{1,8})*"
_CID: Final = r"[A-Za-z0-9!#$%&'*+=?^_`{|}~.@-]+"
_MEDIA: Final = rf'{_ATOM}/{_ATOM}(?:; ?{_ATOM}=(?:{_ATOM}|"[ !#-\[\]-~]*"))*'
_JSON: Final = r"application/json(?:;[ -~]*)?"
_TYPE_SCHEMA: Final = r"notification\.[a-z0-9_-]+\.[a-z0-9_-]+(?:\.[a-z0-9_-]+)*\.v1"
_NO_CONTROLS: Final = f"[^{_CONTROLS}]*"
_NO_CONTROLS_OR_TAB: Final = r"[^\u0000-\u001f\u007f-\u009f\u2028\u2029]*"

Identifier = Annotated[
    str,
    Field(min_length=1, max_length=255, json_schema_extra=_schema(_NO_CONTROLS_OR_TAB)),
    AfterValidator(_identifier),
]
ShortIdentifier = Annotated[
    str,
    Field(min_length=1, max_length=128, json_schema_extra=_schema(_NO_CONTROLS_OR_TAB)),
    AfterValidator(_strict_line),
]
OrganizationId = Annotated[
    str,
    Field(min_length=1, max_length=128, json_schema_extra=_schema(r"[A-Za-z0-9._:-]+")),
    AfterValidator(_organization),
]
EventType = Annotated[str, Field(max_length=255, json_schema_extra=_schema(_TYPE_SCHEMA)), AfterValidator(_event_type)]
Traceparent = Annotated[str | None, AfterValidator(_traceparent)]
DisplayName = Annotated[str, Field(max_length=255, json_schema_extra=_schema(_NO_CONTROLS)), AfterValidator(_line)]
Subject = Annotated[
    str, Field(min_length=1, max_length=998, json_schema_extra=_schema(_NO_CONTROLS)), AfterValidator(_line)
]
Content = Annotated[str, AfterValidator(_no_nul)]
AddressText = Annotated[
    str,
    Field(min_length=3, max_length=_MAX_ADDRESS, json_schema_extra={"format": "idn-email"}),
    AfterValidator(_address),
]
Filename = Annotated[
    str,
    Field(
        min_length=1,
        max_length=255,
        json_schema_extra=_schema(r"[^\u0000-\u0008\u000a-\u001f\u007f-\u009f\u2028\u2029/\\]*"),
    ),
    AfterValidator(_filename),
]
MediaType = Annotated[
    str,
    Field(max_length=255, json_schema_extra=_schema(_MEDIA)),
    _matching(_MEDIA, "must be a media type such as application/pdf (RFC 2045)"),
    AfterValidator(_media_type),
]
ContentId = Annotated[
    str,
    Field(min_length=1, max_length=200, json_schema_extra=_schema(_CID)),
    _matching(_CID, "must be letters, digits and . _ - @ without angle brackets or spaces"),
]
MessageId = Annotated[
    str,
    Field(max_length=900, json_schema_extra=_schema(_MESSAGE_ID)),
    _matching(_MESSAGE_ID, "must be a message identifier with its angle brackets, like <left@right> (RFC 5322)"),
]
UnsubscribeUri = Annotated[
    str,
    Field(max_length=900, json_schema_extra=_schema(_URI)),
    _matching(_URI, "must be an https: or mailto: URI (RFC 2369)"),
]
Locale = Annotated[
    str,
    Field(max_length=35, json_schema_extra=_schema(_LOCALE)),
    _matching(_LOCALE, "must be a language tag such as de-CH"),
]
JsonType = Annotated[
    str, Field(max_length=255, json_schema_extra=_schema(_JSON)), _matching(_JSON, "must be application/json")
]
