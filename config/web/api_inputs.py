"""What the JSON API takes: bodies checked for their shape only; what the values mean is checked where they are used.

A password is written and never read: it is a secret from its first moment here, and no error repeats it.
"""

from typing import Annotated, Any, Final, Literal

from pydantic import BaseModel, ConfigDict, Field, SecretStr, StringConstraints

from config.limit_overrides import LEAST, MOST
from config.limits import CONNECTIONS, PER_DAY, PER_MINUTE
from config.secrets import Secret
from config.smtp_form import SmtpForm
from transports.smtp.settings import Security

SELECTOR: Final = r"^[A-Za-z0-9]([A-Za-z0-9_-]*[A-Za-z0-9])?(\.[A-Za-z0-9]([A-Za-z0-9_-]*[A-Za-z0-9])?)*$"
"""A DKIM selector: labels with dots between them (RFC 6376 §3.1)."""
_LARGEST_VERSION: Final = 2**63 - 1


class _Input(BaseModel):
    """A body: unknown names are mistakes, text is no number, and no refused value is kept for an error."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, hide_input_in_errors=True)


def _password_schema(schema: dict[str, Any]) -> None:
    schema.update({"writeOnly": True, "format": "password"})


class SmtpSettingsIn(_Input):
    """An SMTP server and the sender of every mail of the organisation."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "kind": "smtp",
                    "host": "smtp.acme.example",
                    "port": 587,
                    "security": "starttls",
                    "username": "notifications@acme.example",
                    "password": "written, never read",
                    "sender_address": "notifications@acme.example",
                    "sender_alias": "Acme",
                    "version": 0,
                }
            ]
        }
    )

    kind: Literal["smtp"] = Field(default="smtp", description="Which transport the settings are for.")
    host: Annotated[str, StringConstraints(max_length=253)] = Field(
        description="Host name or public IP address of the server."
    )
    port: int = Field(
        default=25,
        ge=1,
        le=65_535,
        description="Usually 587 with `starttls` or 465 with `tls`; an operator can limit the ports.",
    )
    security: Literal["starttls", "tls"] = Field(
        default="starttls",
        description="`starttls`: begins in clear text and changes to TLS before anything else; `tls`: TLS at once.",
    )
    username: Annotated[str, StringConstraints(max_length=1000)] | None = Field(
        default=None, description="Who signs in; `null` or empty: the server asks for no sign-in."
    )
    password: Annotated[SecretStr, Field(max_length=1000, json_schema_extra=_password_schema)] | None = Field(
        default=None,
        description=(
            "Never returned. `null`, empty or absent: unchanged – that of the draft, else that of the settings in use, "
            "as long as host and user name are the same."
        ),
    )
    sender_address: Annotated[str, StringConstraints(max_length=254)] = Field(
        description="The From address of every mail of the organisation, in all workspaces."
    )
    sender_alias: Annotated[str, StringConstraints(max_length=200)] = Field(
        description="The name that recipients see beside the address."
    )
    version: int | None = Field(
        default=None,
        ge=0,
        le=_LARGEST_VERSION,
        description=(
            "`version` of the settings this was made from (0: nothing was configured). If the settings are others by "
            "now, nothing is saved and the answer is 409 `settings_changed`. Without it the last change wins."
        ),
    )

    def form(self) -> SmtpForm:
        """The same as the rest of the program knows it."""
        return SmtpForm(
            host=self.host,
            port=self.port,
            security=Security(self.security),
            sender_address=self.sender_address,
            sender_alias=self.sender_alias,
            username=self.username or None,
            password=Secret(self.password.get_secret_value()) if self.password else None,
        )


_VERSION: Final = Field(
    default=None,
    ge=0,
    le=_LARGEST_VERSION,
    description=(
        "`version` of the settings that the limits are for. If the settings are others by now, nothing is saved and the"
        " answer is 409 `settings_changed`. Without it they are for whatever is in use."
    ),
)


def _limit(name: str, what: str) -> Any:
    description = f"{what} `null` or absent: the usual limit."
    return Field(default=None, ge=LEAST[name], le=MOST[name], description=description)


class LimitsIn(_Input):
    """The limits of the organisation's own choice, all of them: what is left out is the usual one again."""

    model_config = ConfigDict(
        json_schema_extra={"examples": [{"connections": 2, "per_minute": None, "per_day": 0, "version": 7}]}
    )

    connections: int | None = _limit(CONNECTIONS, "Most mails under way at once.")
    per_minute: int | None = _limit(PER_MINUTE, "Most mails in any 60 seconds; 0: no such limit.")
    per_day: int | None = _limit(PER_DAY, "Most mails, or recipients (`day_unit`), in any 24 hours; 0: no such limit.")
    version: int | None = _VERSION

    def chosen(self) -> dict[str, int | None]:
        """The limits by their names."""
        return {CONNECTIONS: self.connections, PER_MINUTE: self.per_minute, PER_DAY: self.per_day}


class HandoverIn(_Input):
    """The platform's statement of who comes, signed."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"token": "eyJhbGciOiJFZERTQSJ9.eyJhdWQiOiJtYWlscm9v…"}]})

    token: Annotated[str, StringConstraints(max_length=8192)] = Field(
        description="The hand-over token: a JWT of the platform, valid for at most five minutes and once.",
        json_schema_extra={"writeOnly": True},
    )


class VerificationIn(_Input):
    """What a person read in the test mail."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"code": "K7QF-2M9X"}]})

    code: Annotated[str, StringConstraints(max_length=200)] = Field(description="The code of the newest test mail.")


class DisconnectionIn(_Input):
    """The explicit word that the organisation's mail shall leave from the platform's address again."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"confirm": "acme"}]})

    confirm: Annotated[str, StringConstraints(max_length=128)] = Field(
        description="The organisation's id, as a confirmation; anything else is refused."
    )


class DomainIn(_Input):
    """Where to look, besides the usual places."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"selector": "s1"}]})

    selector: Annotated[str, StringConstraints(max_length=120, pattern=SELECTOR)] | None = Field(
        default=None, description="A DKIM selector of the sender's domain; without it the usual ones are tried."
    )
