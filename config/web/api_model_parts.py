"""What the answers of the JSON API are made of, and what several of them have."""

from typing import Annotated, Any, Final

from pydantic import BaseModel, ConfigDict, WithJsonSchema

from config.actors import ActorKind
from config.advice import shown_code
from transports.errors import Code

REASONS: Final = tuple(sorted({str(shown_code(code)) for code in Code}))
"""Every reason code an organisation may be shown."""
AT: Final = "2026-11-21T12:00:00Z"
"""The moment of the examples."""

Reason = Annotated[str, WithJsonSchema({"type": "string", "enum": list(REASONS)})]


def shown_reason(code: str) -> str:
    """The code as it may be shown; one that a newer version stored reads as a fault of ours."""
    known = Code(code) if code in set(Code) else Code.INTERNAL_ERROR
    return str(shown_code(known))


def example(**values: Any) -> ConfigDict:
    """The part of a model's configuration that gives it an example."""
    return ConfigDict(json_schema_extra={"examples": [values]})


class Output(BaseModel):
    """An answer."""

    model_config = ConfigDict(frozen=True, use_attribute_docstrings=True)


class SenderOut(Output):
    """Who every mail of the organisation is from."""

    address: str
    alias: str
    """The name that recipients see beside the address."""


class ActorOut(Output):
    """Who did something; an operator has neither name nor address."""

    kind: ActorKind
    name: str
    email: str
