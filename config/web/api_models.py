"""What the JSON API gives about sessions and settings. No secret has a place in any of its answers.

Sentences are in the reader's language; codes, states and names of fields are closed sets that never change with it.
"""

from datetime import datetime
from typing import Literal

from config.choices import Status, TransportKind
from config.oauth.values import Method, Way
from config.web.api_model_parts import AT, ActorOut, Output, Reason, SenderOut, example
from config.web.api_models_limits import HeldBackOut
from config.web.api_models_tests import TestOut


class SessionOut(Output):
    """A session of one person in one organisation."""

    organization: str
    """The organisation; every other route is about this one."""
    role: Literal["admin", "viewer"]
    """A viewer may read everything and change nothing."""
    email: str
    """The person's own address; test mails go there and nowhere else."""
    name: str
    """The person's name, may be empty."""
    language: Literal["en", "fr"]
    """The language of all sentences for this session."""
    csrf_token: str
    """What a page that uses the session's cookie sends as `X-CSRF-Token` with every change."""
    opened_at: datetime
    expires_at: datetime
    """When the session ends at the latest; after 60 minutes without a request it ends earlier."""


class NewSessionOut(SessionOut):
    """A session that was just opened, and what opens it."""

    model_config = example(
        access_token="5Tt0a1v5m2v0…",  # noqa: S106 - an example
        token_type="Bearer",  # noqa: S106 - the name of the scheme
        organization="acme",
        role="admin",
        email="ada@acme.example",
        name="Ada",
        language="en",
        csrf_token="c29tZXRoaW5n…",  # noqa: S106 - an example
        opened_at=AT,
        expires_at="2026-11-21T20:00:00Z",
    )

    access_token: str
    """To be sent as `Authorization: Bearer …`; shown only here."""
    token_type: Literal["Bearer"] = "Bearer"  # noqa: S105 - the name of the scheme


class SmtpOut(Output):
    """An SMTP server, without its password."""

    kind: Literal["smtp"] = "smtp"
    host: str
    port: int
    security: Literal["starttls", "tls"]
    username: str | None
    password_set: bool
    """Whether a password is kept; it is never returned."""
    sender: SenderOut


class AccountOut(Output):
    """An account of Microsoft 365 or Google that was connected, as the provider knows it."""

    email: str
    name: str
    """What the provider calls it; may be empty."""
    method: Method
    """`person`: somebody consented for their account; `app`: an app that the organisation registered itself."""
    way: Way
    """`api`: mail leaves by the provider's API; `smtp`: by its SMTP server, with tokens of the account."""


class DraftOut(SmtpOut):
    """Settings that were saved and are not in use."""

    saved_at: datetime
    saved_by: ActorOut


class AccountDraftOut(Output):
    """The sender that was saved for a connected account, and is not in use."""

    kind: Literal["microsoft365", "gmail"]
    sender: SenderOut
    saved_at: datetime
    saved_by: ActorOut


class TransportOut(Output):
    """The transport in use."""

    kind: TransportKind
    smtp: SmtpOut | None
    """The server, if it is one of the organisation's own."""
    account: AccountOut | None
    """The account, if one of Microsoft 365 or Google is connected."""
    sender: SenderOut
    enabled_at: datetime | None
    """Since when the organisation's mail leaves by a transport of its own."""
    verified_at: datetime | None
    """When somebody confirmed that the test mail of these very settings arrived."""


class AttentionOut(Output):
    """Why the organisation's mail waits, and what to do about it."""

    code: Reason
    meaning: str
    """What happened, in a sentence."""
    next_step: str
    """What to do now, in a sentence."""
    since: datetime | None
    retry_at: datetime | None
    """When it is tried again by itself, if that can help."""


class SettingsOut(Output):
    """How the organisation's mail leaves, for all its workspaces."""

    model_config = example(
        organization="acme",
        status="connected",
        version=7,
        transport={
            "kind": "smtp",
            "smtp": {
                "kind": "smtp",
                "host": "smtp.acme.example",
                "port": 587,
                "security": "starttls",
                "username": "notifications@acme.example",
                "password_set": True,
                "sender": {"address": "notifications@acme.example", "alias": "Acme"},
            },
            "account": None,
            "sender": {"address": "notifications@acme.example", "alias": "Acme"},
            "enabled_at": AT,
            "verified_at": None,
        },
        attention=None,
        held_back=None,
        draft=None,
        latest_test=None,
    )

    organization: str
    status: Status
    """`not_configured`: mail leaves from the platform's address; `connected`: by the organisation's own transport, not
    yet verified; `verified`: and somebody confirmed that a test mail arrived; `needs_attention`: mail waits until
    somebody has mended what `attention` says."""
    version: int
    """Grows with every change; send it back with the next change. 0: nothing is configured."""
    transport: TransportOut | None
    """`null`: the platform's own service and address."""
    attention: AttentionOut | None
    held_back: HeldBackOut | None
    """Why mail waits for the account or its server to answer; never together with `attention`."""
    draft: DraftOut | AccountDraftOut | None
    latest_test: TestOut | None
