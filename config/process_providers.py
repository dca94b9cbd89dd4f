"""The settings of the process for Microsoft 365 and Google: the platform's app at each, and where they are reached.

The addresses are those of the providers' public services; another cloud, or a sandbox, has others. What belongs
together, such as a client id and its secret, is told of in one sentence each.
"""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Annotated, Final

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field

from config import process_values
from config.secrets import Secret

_MICROSOFT_PROOFS: Final = ("microsoft_client_secret", "microsoft_certificate_file")


class ProviderSettings(BaseModel):
    """The part of :class:`config.process.Settings` that is about providers. Addresses have no final slash."""

    model_config = ConfigDict(frozen=True, hide_input_in_errors=True, arbitrary_types_allowed=True)

    microsoft_client_id: Annotated[str | None, BeforeValidator(process_values.word)] = Field(
        default=None, max_length=200, description="the application (client) id of the platform's app in Entra ID"
    )
    microsoft_client_secret: Annotated[Secret | None, BeforeValidator(process_values.client_secret)] = Field(
        default=None, repr=False, description="the client secret of that app; a certificate is better"
    )
    microsoft_certificate_file: Annotated[Path | None, BeforeValidator(process_values.certificate_file)] = Field(
        default=None,
        description="the path of a PEM file with the app's private key (RSA, not encrypted) and certificate",
    )
    microsoft_authority: Annotated[str, BeforeValidator(process_values.authority)] = Field(
        default="https://login.microsoftonline.com/organizations",
        description="https://login.microsoftonline.com/organizations, or the authority of another cloud",
    )
    graph_url: Annotated[str, BeforeValidator(process_values.service_url)] = Field(
        default="https://graph.microsoft.com", description="https://graph.microsoft.com, or that of another cloud"
    )
    microsoft_max_requests: int = Field(default=300, ge=1, le=300, description="a whole number from 1 to 300")
    microsoft_smtp: Annotated[str, BeforeValidator(process_values.host_and_port)] = Field(
        default="smtp.office365.com:587", description="host:port of Exchange Online's SMTP server, which has STARTTLS"
    )
    google_client_id: Annotated[str | None, BeforeValidator(process_values.word)] = Field(
        default=None, max_length=200, description="the client id of the platform's OAuth client at Google"
    )
    google_client_secret: Annotated[Secret | None, BeforeValidator(process_values.client_secret)] = Field(
        default=None, repr=False, description="the client secret of that OAuth client"
    )
    google_auth_url: Annotated[str, BeforeValidator(process_values.endpoint_url)] = Field(
        default="https://accounts.google.com/o/oauth2/v2/auth",
        description="where a person consents at Google, https://accounts.google.com/o/oauth2/v2/auth",
    )
    google_token_url: Annotated[str, BeforeValidator(process_values.endpoint_url)] = Field(
        default="https://oauth2.googleapis.com/token",
        description="where Google gives tokens, https://oauth2.googleapis.com/token",
    )
    google_revoke_url: Annotated[str, BeforeValidator(process_values.endpoint_url)] = Field(
        default="https://oauth2.googleapis.com/revoke",
        description="where Google takes grants back, https://oauth2.googleapis.com/revoke",
    )
    gmail_url: Annotated[str, BeforeValidator(process_values.service_url)] = Field(
        default="https://gmail.googleapis.com", description="where the Gmail API is, https://gmail.googleapis.com"
    )
    gmail_smtp: Annotated[str, BeforeValidator(process_values.host_and_port)] = Field(
        default="smtp.gmail.com:465", description="host:port of Gmail's SMTP server, which has TLS from the start"
    )


def mistakes(given: Mapping[str, object]) -> Iterator[tuple[str, str]]:
    """Settings that lack what they need, or exclude each other: the name of each, and half a sentence.

    ``given`` has the settings that were given, by name; their values are not looked at.
    """
    proofs = [name for name in _MICROSOFT_PROOFS if name in given]
    if "microsoft_client_id" in given and not proofs:
        yield (
            "microsoft_certificate_file",
            "is needed with MAILROOM_MICROSOFT_CLIENT_ID, or MAILROOM_MICROSOFT_CLIENT_SECRET instead",
        )
    if proofs and "microsoft_client_id" not in given:
        yield "microsoft_client_id", f"is needed with MAILROOM_{proofs[0].upper()}"
    if len(proofs) == 2:
        yield "microsoft_client_secret", "is given beside MAILROOM_MICROSOFT_CERTIFICATE_FILE; leave one of them out"
    for one, other in (
        ("google_client_secret", "google_client_id"),
        ("google_client_id", "google_client_secret"),
    ):
        if other in given and one not in given:
            yield one, f"is needed with MAILROOM_{other.upper()}"
