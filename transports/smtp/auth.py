"""Signing in: exactly one attempt on a connection, by a mechanism chosen beforehand.

Trying the next mechanism after a refusal, as client libraries do, multiplies failed sign-ins and locks accounts out.
"""

import asyncio
import base64
import json
import re
from contextlib import suppress

from aiosmtplib.auth import auth_login_encode, auth_plain_encode, auth_xoauth2_encode

from transports.errors import AccountProblem, Code, Temporary
from transports.protocol import TokenSource
from transports.smtp.connection import Connection
from transports.smtp.failures import NAME
from transports.smtp.phases import Phase
from transports.smtp.replies import Reply, classify
from transports.smtp.settings import SmtpSettings

CONTINUE = 334
SUCCESS = 235


def choose_mechanism(settings: SmtpSettings, offered: frozenset[str]) -> str:
    """``xoauth2`` with a token source, else ``plain`` or ``login``, in this order.

    Raises ``AccountProblem(SIGN_IN_MECHANISM)`` when the server offers none of them.
    """
    for mechanism in ("xoauth2",) if settings.token_source is not None else ("plain", "login"):
        if mechanism in offered:
            return mechanism
    raise AccountProblem(Code.SIGN_IN_MECHANISM, "none in common", transport=NAME)


async def current_token(source: TokenSource, deadline: float, *, refresh: bool) -> str:
    """A token within ``deadline``; what the source raises passes through."""
    try:
        async with asyncio.timeout_at(deadline):
            return await source.token(refresh=refresh)
    except TimeoutError as error:
        raise Temporary(Code.SIGN_IN_UNAVAILABLE, "token source", transport=NAME) from error


async def sign_in(connection: Connection, settings: SmtpSettings, secret: str, deadline: float) -> None:
    """One AUTH command (RFC 4954), with a password or an access token as ``secret``.

    Raises the reply's meaning: ``AccountProblem`` for a refusal, ``Temporary`` for "later".
    """
    mechanism = choose_mechanism(settings, connection.mechanisms)
    connection.learn(Phase.AUTH, (("mechanism", mechanism.upper()),))
    username = settings.username or ""
    detail = ""
    if mechanism == "plain":
        reply = await _auth(connection, deadline, b"AUTH", b"PLAIN", auth_plain_encode(username, secret))
    elif mechanism == "login":
        reply = await _auth_login(connection, username, secret, deadline)
    else:
        reply = await _auth(connection, deadline, b"AUTH", b"XOAUTH2", auth_xoauth2_encode(username, secret))
        if reply.code == CONTINUE:
            detail = token_status(reply.text)
            # The refusal comes as a challenge; the empty line asks for the real reply (Google's XOAUTH2 protocol).
            reply = await _auth(connection, deadline, b"")
    if reply.code != SUCCESS:
        error = classify(Phase.AUTH, reply)
        error.detail = f"{error.detail} {detail}".strip()
        raise error


async def _auth_login(connection: Connection, username: str, password: str, deadline: float) -> Reply:
    # Name and password only when asked for: some servers do not take the name with the command.
    reply = await _auth(connection, deadline, b"AUTH", b"LOGIN")
    for word in auth_login_encode(username, password):
        if reply.code != CONTINUE:
            break
        reply = await _auth(connection, deadline, word)
    return reply


async def _auth(connection: Connection, deadline: float, *words: bytes) -> Reply:
    return await connection.command(Phase.AUTH, *words, deadline=deadline)


def token_status(challenge: str) -> str:
    """``(token 401)`` from the JSON in a refusal's challenge, or nothing; never other text of the provider."""
    with suppress(ValueError):
        said = json.loads(base64.b64decode(challenge, validate=True))
        status = str(said.get("status", "")) if isinstance(said, dict) else ""
        if re.fullmatch(r"[0-9]{3}", status):
            return f"(token {status})"
    return ""
