"""The settings of the process: the environment (and ``.env``) is read here, once, and nowhere else.

What an organisation chooses is not here but in :mod:`config.organizations`.
"""

import ipaddress
import os
import socket
from pathlib import Path
from typing import Annotated, Any, Final, Literal, Self

from dotenv import dotenv_values
from pydantic import BeforeValidator, Field, PrivateAttr, ValidationError
from pydantic_settings import (
    BaseSettings,
    DotEnvSettingsSource,
    EnvSettingsSource,
    NoDecode,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
)

from config import process_providers, process_values
from config.addresses import host_name
from config.categories import HOLD_UNKNOWN
from config.errors import ConfigurationError
from config.process_providers import ProviderSettings
from config.secrets import Secret
from config.urls import DefaultSmtp
from transports.message import Mailbox

PREFIX: Final = "MAILROOM_"
_PORT: Final = "a port from 1 to 65535, or 0 for any free one"
Network = ipaddress.IPv4Network | ipaddress.IPv6Network


def _replica_id() -> str:
    return f"{socket.gethostname()[:80]}-{os.urandom(4).hex()}"


def _ehlo_name(fields: dict[str, Any]) -> str:
    sender = fields.get("default_sender")
    return host_name(sender.address.rpartition("@")[2]) if sender else "mailroom.localdomain"


class Settings(ProviderSettings, BaseSettings):
    """Everything ``MAILROOM_…`` says, checked and frozen; each ``description`` tells what to write.

    ``repr`` shows no URL and no key. Durations are seconds.
    """

    model_config = SettingsConfigDict(
        env_prefix=PREFIX,
        env_ignore_empty=True,
        extra="ignore",
        frozen=True,
        hide_input_in_errors=True,
        arbitrary_types_allowed=True,
    )

    amqp_url: Annotated[tuple[str, ...], NoDecode, BeforeValidator(process_values.amqp)] = Field(
        default=("amqp://guest:guest@127.0.0.1:5672/",),
        repr=False,
        description="amqp://user:password@host:5672/ or amqps://…; several, separated by commas, are tried in turn",
    )
    database_url: Annotated[str, BeforeValidator(process_values.database)] = Field(
        default="sqlite+aiosqlite:///mailroom.db",
        repr=False,
        description="sqlite+aiosqlite:///mailroom.db or postgresql+psycopg://user:password@host/database",
    )
    secret_keys: Annotated[tuple[Secret, ...], NoDecode, BeforeValidator(process_values.keys)] = Field(
        default=(), description="the output of `mailroom keys generate`; the current key first, older ones after commas"
    )
    default_smtp_url: Annotated[DefaultSmtp | None, NoDecode, BeforeValidator(process_values.smtp)] = Field(
        default=None, repr=False, description="smtp://user:password@host:587?security=starttls (or tls, or none)"
    )
    default_sender: Annotated[Mailbox | None, NoDecode, BeforeValidator(process_values.mailbox)] = Field(
        default=None, description="the platform's sender, for example: Example <no-reply@example.org>"
    )
    default_smtp_connections: int = Field(default=8, ge=1, le=100, description="a whole number from 1 to 100")
    default_smtp_per_minute: int | None = Field(
        default=None, ge=1, le=100_000, description="a whole number from 1 to 100000; empty: no limit"
    )
    default_smtp_per_day: int | None = Field(
        default=None, ge=1, le=10_000_000, description="a whole number from 1 to 10000000; empty: no limit"
    )
    ehlo_name: Annotated[str, BeforeValidator(process_values.host)] = Field(
        default_factory=_ehlo_name, description="the host name to greet SMTP servers with, for example mail.example.org"
    )
    partitions: int = Field(default=32, ge=1, le=100, description="a whole number from 1 to 100")
    prefetch: int = Field(default=64, ge=1, le=1000, description="a whole number from 1 to 1000")
    send_deadline: float = Field(default=90.0, ge=5, le=900, description="seconds, from 5 to 900")
    drain_seconds: float = Field(default=30.0, ge=0, le=3600, description="seconds, from 0 to 3600")
    hold_unknown: Annotated[frozenset[str], NoDecode, BeforeValidator(process_values.words_of_categories)] = Field(
        default=HOLD_UNKNOWN, description="categories of events such as rights_request,audit, or none"
    )
    unknown_pause: float = Field(default=300.0, ge=0, le=86_400, description="seconds, from 0 to 86400")
    retry_schedule: Annotated[
        tuple[Annotated[float, Field(ge=1, le=86_400)], ...],
        NoDecode,
        BeforeValidator(process_values.numbers),
        Field(min_length=1),
    ] = Field(
        default=(15, 60, 300, 900, 3600),
        description="seconds between attempts, each from 1 to 86400, for example 15,60,300,900,3600; the last repeats",
    )
    retry_max_age: float = Field(default=259_200.0, ge=1, le=2_592_000, description="seconds, from 1 to 2592000")
    max_message_bytes: int = Field(
        default=12 * 1024 * 1024, ge=1024, le=128 * 1024 * 1024, description="bytes, from 1024 to 134217728"
    )
    metrics_host: Annotated[str, BeforeValidator(process_values.host)] = Field(
        default="127.0.0.1", description="the address to serve metrics and health on, for example 0.0.0.0"
    )
    metrics_port: int = Field(default=9464, ge=0, le=65_535, description=_PORT)
    replica_id: str = Field(
        default_factory=_replica_id,
        pattern=r"^[A-Za-z0-9._-]{1,128}$",
        description="1 to 128 letters, digits, dots, dashes or underscores, different for every replica",
    )
    allow_networks: Annotated[tuple[Network, ...], NoDecode, BeforeValidator(process_values.networks)] = Field(
        default=(), description="networks such as 10.1.0.0/16,fd00::/8 that organisations' servers may stand in"
    )
    tls_ca_file: Annotated[Path | None, BeforeValidator(process_values.ca_file)] = Field(
        default=None, description="the path of a PEM file with further certificate authorities"
    )
    smtp_ports: Annotated[
        tuple[Annotated[int, Field(ge=1, le=65_535)], ...],
        NoDecode,
        BeforeValidator(process_values.numbers),
        Field(min_length=1),
    ] = Field(default=(25, 465, 587, 2525), description="ports organisations may use, for example 25,465,587,2525")
    log_level: Annotated[Literal["debug", "info", "warning", "error"], BeforeValidator(process_values.lower)] = Field(
        default="info", description="debug, info, warning or error"
    )
    log_format: Annotated[Literal["json", "console"], BeforeValidator(process_values.lower)] = Field(
        default="json", description="json or console"
    )
    notify_events: bool = Field(default=False, description="true or false")
    web_host: Annotated[str, BeforeValidator(process_values.host)] = Field(
        default="127.0.0.1", description="the address to serve the settings page on, for example 0.0.0.0"
    )
    web_port: int = Field(default=8080, ge=0, le=65_535, description=_PORT)
    web_url: Annotated[str | None, BeforeValidator(process_values.web_url)] = Field(
        default=None, description="how browsers reach the settings page, for example https://mail-settings.example.org"
    )
    platform_key: Annotated[Secret | None, BeforeValidator(process_values.token_key)] = Field(
        default=None,
        repr=False,
        description="the platform's public key in PEM form (Ed25519, or RSA of at least 2048 bits), or a shared secret "
        "of at least 32 random bytes",
    )
    web_trusted_proxies: Annotated[tuple[Network, ...], NoDecode, BeforeValidator(process_values.networks)] = Field(
        default=(), description="networks such as 10.1.0.0/16,fd00::/8 whose X-Forwarded-For is believed"
    )
    _unknown: tuple[str, ...] = PrivateAttr(default=())

    @property
    def unknown_variables(self) -> tuple[str, ...]:
        """Names that begin with MAILROOM_ and mean nothing here: most likely typing mistakes, worth a warning."""
        return self._unknown

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Only ``load`` reads the environment; a ``Settings(…)`` made by hand depends on nothing around it."""
        return (init_settings,)

    @classmethod
    def load(cls, *, env_file: Path = Path(".env")) -> Self:
        """Reads the environment, then the file for what it lacks; an empty value counts as not given.

        Raises:
            ConfigurationError: with every mistake at once, and no value in it.
        """
        values = _given(cls, env_file)
        problems: list[str] = []
        if "default_smtp_url" in values and "default_sender" not in values:
            hint = cls.model_fields["default_sender"].description
            problems.append(f"{PREFIX}DEFAULT_SENDER: is needed with {PREFIX}DEFAULT_SMTP_URL. Write {hint}.")
        problems += [
            f"{PREFIX}{name.upper()}: {said}. Write {cls.model_fields[name].description}."
            for name, said in process_providers.mistakes(values)
        ]
        settings: Self | None = None
        try:
            settings = cls(**values)
        except ValidationError as error:
            problems = _mistakes(cls, error) + problems
        if settings is None or problems:
            # Raised outside the handler: pydantic keeps the refused values in its error, which would be the context.
            raise ConfigurationError(problems)
        known = {PREFIX + name.upper() for name in cls.model_fields}
        settings._unknown = tuple(sorted(_names(env_file) - known))
        return settings


def _given(settings: type[BaseSettings], env_file: Path) -> dict[str, Any]:
    try:
        from_file = DotEnvSettingsSource(settings, env_file=env_file)()
    except (OSError, UnicodeDecodeError):
        raise ConfigurationError([f"{env_file}: cannot be read as a file of NAME=value lines."]) from None
    return {**from_file, **EnvSettingsSource(settings)()}


def _names(env_file: Path) -> set[str]:
    names = set(os.environ) | (set(dotenv_values(env_file, interpolate=False)) if env_file.is_file() else set())
    return {name for name in names if name.startswith(PREFIX)}


def _mistakes(settings: type[BaseSettings], error: ValidationError) -> list[str]:
    """One sentence for each variable; only texts of ours, since pydantic's repeat parts of the value."""
    problems: dict[str, str] = {}
    for item in error.errors(include_url=False, include_input=False):
        if item["type"] == "default_factory_not_called":
            continue  # a default that follows from a field that has a mistake itself
        field = str(item["loc"][0])
        own = item.get("ctx", {}).get("error") if item["type"] == "value_error" else None
        said = str(own) if own is not None else "is not valid"
        hint = settings.model_fields[field].description
        problems.setdefault(field, f"{PREFIX}{field.upper()}: {said}. Write {hint}.")
    return list(problems.values())
