"""Signing in: exactly one attempt on a connection, by a mechanism chosen beforehand.

Trying the next mechanism after a refusal, as client libraries do, multiplies failed sign-ins and locks accounts out.
"""

import base64
import json
import re
from contextlib import suppress

from aiosmtplib.auth import auth_login_encode, auth_plain_encode, auth_xoauth2_encode

from transports.errors import AccountProblem, Code
from transports.smtp.connection import Connection
from transports.smtp.failures import NAME
from transports.smtp.phases import Phase
from transports.smtp.replies import Reply, classify
from transports.smtp.reply_rules import RULES
from transports.smtp.settings import SmtpSettings
from transports.smtp.token_rules import TOKEN_RULES

CONTINUE = 334
SUCCESS = 235
LONGEST_COMMAND = 12288
"""Octets of an AUTH command with its CRLF that every server takes (RFC 4954 §4)."""


def choose_mechanism(settings: SmtpSettings, offered: frozenset[str]) -> str:
    """``xoauth2`` with a grant, else ``plain`` or ``login``, in this order.

    Raises ``AccountProblem(SIGN_IN_MECHANISM)`` when the server offers none of them.
    """
    for mechanism in ("xoauth2",) if settings.grant is not None else ("plain", "login"):
        if mechanism in offered:
            return mechanism
    raise AccountProblem(Code.SIGN_IN_MECHANISM, "none in common", transport=NAME)


async def sign_in(connection: Connection, settings: SmtpSettings, secret: str, deadline: float) -> None:
    """One AUTH command (RFC 4954), with a password or an access token as ``secret``.

    Raises the reply's meaning: ``AccountProblem`` for a refusal (of a token: ``RECONNECTION_NEEDED``), ``Temporary``
    for "later".
    """
    mechanism = choose_mechanism(settings, connection.mechanisms)
    rules = (*TOKEN_RULES, *RULES) if mechanism == "xoauth2" else RULES
    connection.learn(Phase.AUTH, (("mechanism", mechanism.upper()),))
    username = settings.username or ""
    detail = ""
    if mechanism == "plain":
        reply = await _auth(connection, deadline, b"AUTH", b"PLAIN", auth_plain_encode(username, secret))
    elif mechanism == "login":
        reply = await _auth_login(connection, username, secret, deadline)
    else:
        reply = await _auth_xoauth2(connection, auth_xoauth2_encode(username, secret), deadline)
        if reply.code == CONTINUE:
            detail = token_status(reply.text)
            # The refusal comes as a challenge; the empty line asks for the real reply (Google's XOAUTH2 protocol).
            reply = await _auth(connection, deadline, b"")
    if reply.code != SUCCESS:
        error = classify(Phase.AUTH, reply, rules)
        error.detail = f"{error.detail} {detail}".strip()
        raise error


async def _auth_xoauth2(connection: Connection, response: bytes, deadline: float) -> Reply:
    command = (b"AUTH", b"XOAUTH2", response)
    if sum(map(len, command)) + len("  \r\n") <= LONGEST_COMMAND:
        return await _auth(connection, deadline, *command)
    # Too long for an initial response: it follows the empty challenge, where no command's limit applies.
    reply = await _auth(connection, deadline, *command[:2])
    return await _auth(connection, deadline, response) if reply.code == CONTINUE else reply


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
