"""The event contract as frozen models: the single source of the JSON Schema, the AsyncAPI document and the checks.

Inside ``data`` an unknown field is refused: ``replyto`` or ``attachment`` would otherwise give a wrong mail that nobody
notices, and a new field reaches Mailroom before any platform uses it. Beside ``data`` CloudEvents allows extension
attributes from anybody, so whatever has the form of one is ignored (CloudEvents 1.0 §3.1).
"""

import re
from typing import Annotated, Any, Final, Literal, LiteralString, Self

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, model_validator
from pydantic_core import PydanticCustomError

from consumer import events_fields as fields
from consumer.events_values import Base64, Time, many, one_or_many, unless_null

MAX_RECIPIENTS: Final = 1000
MAX_ATTACHMENTS: Final = 50
MAX_REFERENCES: Final = 100
MAX_REPLY_TO: Final = 10
MAX_UNSUBSCRIBE: Final = 4

_EXTENSION: Final = re.compile(r"[a-z0-9]{1,64}")


class _Value(BaseModel):
    """Frozen and strict; its ``repr`` shows no content, because it ends up in tracebacks and logs."""

    model_config = ConfigDict(frozen=True, strict=True, extra="forbid", hide_input_in_errors=True)

    def __repr__(self) -> str:
        return f"<{type(self).__name__}>"

    __str__ = __repr__


class Address(_Value):
    """One mailbox: an address with an optional display name."""

    address: Annotated[
        fields.AddressText,
        Field(description="addr-spec of RFC 5322 / 6531; no quoted local part and no domain literal"),
    ]
    name: Annotated[fields.DisplayName | None, Field(description="one line; tabs become spaces")] = None


_Addresses = Annotated[
    tuple[Address, ...],
    Field(max_length=MAX_RECIPIENTS),
    BeforeValidator(many, json_schema_input_type=Annotated[list[Address], Field(max_length=MAX_RECIPIENTS)] | None),
]


class Attachment(_Value):
    """A file, or with a cid an inline picture that the HTML names as cid:…."""

    name: fields.Filename
    type: Annotated[fields.MediaType, Field(description="media type, parameters allowed; not multipart or message")]
    content: Annotated[Base64, Field(description="the bytes in base64, standard alphabet, padded, no line breaks")]
    cid: Annotated[fields.ContentId | None, Field(description="without angle brackets; unique; needs html")] = None


class Thread(_Value):
    """Which conversation a mail belongs to."""

    id: Annotated[fields.Identifier, Field(description="mails with the same id are one conversation")]
    in_reply_to: Annotated[fields.MessageId | None, Field(description="Message-ID this mail answers")] = None
    references: Annotated[
        tuple[fields.MessageId, ...],
        Field(max_length=MAX_REFERENCES),
        BeforeValidator(
            many, json_schema_input_type=Annotated[list[fields.MessageId], Field(max_length=MAX_REFERENCES)] | None
        ),
        Field(description="Message-IDs, oldest first"),
    ] = ()


class Data(_Value):
    """The mail itself. From, Sender, Return-Path, Message-ID, Date and Bcc fields are never the event's to set."""

    to: Annotated[_Addresses, Field(description="at least one recipient in to, cc and bcc; at most 1000 in all")] = ()
    cc: _Addresses = ()
    bcc: Annotated[_Addresses, Field(description="gets the mail, named in no header field")] = ()
    reply_to: Annotated[
        tuple[Address, ...],
        Field(max_length=MAX_REPLY_TO),
        BeforeValidator(
            one_or_many,
            json_schema_input_type=Address | Annotated[list[Address], Field(max_length=MAX_REPLY_TO)] | None,
        ),
    ] = ()
    subject: Annotated[fields.Subject, Field(description="one line; tabs become spaces")]
    text: Annotated[fields.Content | None, Field(description="plain text; text or html is needed")] = None
    html: Annotated[fields.Content | None, Field(description="HTML; text or html is needed")] = None
    attachments: Annotated[
        tuple[Attachment, ...],
        Field(max_length=MAX_ATTACHMENTS),
        BeforeValidator(
            many, json_schema_input_type=Annotated[list[Attachment], Field(max_length=MAX_ATTACHMENTS)] | None
        ),
    ] = ()
    thread: Thread | None = None
    priority: Annotated[
        Literal["high", "normal"],
        BeforeValidator(unless_null("normal"), json_schema_input_type=Literal["high", "normal"] | None),
        Field(description="high is sent before waiting normal mail"),
    ] = "normal"
    locale: Annotated[fields.Locale | None, Field(description="Content-Language of the mail (BCP 47)")] = None
    list_unsubscribe: Annotated[
        tuple[fields.UnsubscribeUri, ...],
        Field(max_length=MAX_UNSUBSCRIBE),
        BeforeValidator(
            one_or_many,
            json_schema_input_type=fields.UnsubscribeUri
            | Annotated[list[fields.UnsubscribeUri], Field(max_length=MAX_UNSUBSCRIBE)]
            | None,
        ),
        Field(description="https: URIs are offered as one-click (RFC 8058)"),
    ] = ()
    workspace_id: fields.ShortIdentifier | None = None
    on_unknown: Annotated[
        Literal["resend", "hold"] | None,
        Field(
            description="when the connection broke before the server's answer: send once more, or keep as dead letter; "
            "without it hold for rights_request and resend for every other category, unless the operator chose others"
        ),
    ] = None

    @model_validator(mode="after")
    def _whole(self) -> Self:
        count = len(self.to) + len(self.cc) + len(self.bcc)
        if not 1 <= count <= MAX_RECIPIENTS:
            raise _at("to", "needs a recipient" if count == 0 else "makes more than 1000 recipients in all")
        if not self.text and not self.html:
            raise _at("text", "and html are both missing; a mail needs one of them")
        seen: set[str] = set()
        for index, attachment in enumerate(self.attachments):
            if attachment.cid is None:
                continue
            if self.html is None:
                raise _at(f"attachments[{index}].cid", "needs html that shows it")
            if attachment.cid in seen:
                raise _at(f"attachments[{index}].cid", "is used twice")
            seen.add(attachment.cid)
        return self


class Event(_Value):
    """One event: exactly one mail of one organisation (CloudEvents 1.0, structured JSON)."""

    model_config = ConfigDict(extra="ignore", validate_by_name=False, validate_by_alias=True)

    specversion: Literal["1.0"]
    id: Annotated[
        fields.Identifier, Field(description="with source and organizationid unique: the same again is a duplicate")
    ]
    source: Annotated[fields.Identifier, Field(description="URI reference of the sending part of the platform")]
    type: Annotated[fields.EventType, Field(description="notification.<category>.<what>.v1")]
    organization_id: Annotated[
        fields.OrganizationId, Field(alias="organizationid", description="equal to the AMQP header of this name")
    ]
    time: Annotated[Time, Field(description="when it happened; becomes the Date of the mail")] = None
    expiry: Annotated[Time, Field(alias="expirytime", description="not sent after this")] = None
    traceparent: Annotated[fields.Traceparent, Field(description="W3C Trace Context; ignored if malformed")] = None
    datacontenttype: fields.JsonType | None = None
    data: Data

    @property
    def category(self) -> str:
        """The category in the type, from the closed set of :data:`~config.categories.CATEGORIES`."""
        return fields.category_of(self.type)

    @property
    def recipients(self) -> int:
        """How many recipients it has: *to + cc + bcc*, in this order, are the positions that ``owed`` counts."""
        return len(self.data.to) + len(self.data.cc) + len(self.data.bcc)

    def to_dict(self) -> dict[str, Any]:
        """The event as its JSON object; parsing it again gives an equal event."""
        return self.model_dump(mode="json", by_alias=True, exclude_defaults=True)

    @model_validator(mode="before")
    @classmethod
    def _extensions(cls, value: Any) -> Any:
        if isinstance(value, dict):
            for name, content in value.items():
                if name in _KNOWN:
                    continue
                if not _EXTENSION.fullmatch(name):
                    raise _at(name, "is not an attribute of CloudEvents (lower-case letters and digits only)")
                if isinstance(content, dict | list | float):
                    raise _at(name, "is an extension attribute and must be a string, an integer or a boolean")
        return value


def _at(path: str, sentence: LiteralString) -> PydanticCustomError:
    """A problem of one field found by a check over several."""
    return PydanticCustomError("mailroom_at", sentence, {"path": path})


_KNOWN: Final = frozenset(field.alias or name for name, field in Event.model_fields.items())
