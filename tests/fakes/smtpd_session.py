"""One connection of the fake SMTP server: aiosmtpd, made strict, scriptable and able to sign in by a token."""

import asyncio
import base64
import re
from collections import defaultdict
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any, AnyStr

from aiosmtpd.smtp import MISSING, SMTP, Envelope, Session

from tests.fakes.smtpd_script import Action, Hold, Wire

if TYPE_CHECKING:
    from tests.fakes.smtpd import FakeSmtpd

GREYLISTED = "450 4.7.1 Greylisted, come back later"


class FakeSession(SMTP):
    """What ``FakeSmtpd`` runs for each connection."""

    # Both above what RFC 4954 §4 demands for AUTH lines, so that long tokens fit.
    line_length_limit = 16384
    command_size_limit = 16384

    def __init__(self, server: "FakeSmtpd", **options: Any) -> None:
        self.fake = server
        self._greeted = False
        self._counted = False
        super().__init__(server.handler, **options)
        self.command_size_limits = defaultdict(lambda: self.command_size_limit)
        self._smtp_methods = {verb: self._scripted(verb, method) for verb, method in self._smtp_methods.items()}

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        if not self._counted:
            self._counted = True
            self.fake.entered(self)
        super().connection_made(transport)

    def connection_lost(self, error: Exception | None) -> None:
        if self._counted:
            self._counted = False
            self.fake.left(self)
        super().connection_lost(error)

    async def push(self, status: AnyStr) -> None:
        if not self._greeted:
            self._greeted = True
            crowded = self.fake.max_connections is not None and self.fake.open_connections > self.fake.max_connections
            action = "421 4.7.0 Too many connections" if crowded else self.fake.script.action("GREETING")
            if action is not None:
                await self.act(action)
                return
        await super().push(status)

    async def act(self, action: Action) -> None:
        """Does what the script says; does not return from a HANG before the connection ends."""
        if isinstance(action, str):
            for line in action.split("\r\n"):
                await super().push(line)
            if action.startswith("421") and self.transport is not None:
                self.transport.close()
        elif action in (Wire.HANG, Wire.TAKE_AND_HANG):
            await asyncio.get_running_loop().create_future()
        elif self.transport is not None:
            self.transport.abort()  # type: ignore[attr-defined] # aiosmtpd types it as a BaseTransport

    def _scripted(self, verb: str, method: Callable[[str | None], Awaitable[None]]) -> Callable[..., Awaitable[None]]:
        async def run(argument: str | None) -> None:
            self.fake.commands.append(f"{verb} {argument or ''}".strip() if verb != "AUTH" else verb)
            if verb == "AUTH":
                self.fake.auth_attempts.append((argument or "").partition(" ")[0].upper())
            action = self.fake.script.action(verb, argument or "")
            if action is None and verb == "STARTTLS" and (action := self.fake.script.action("TLS")) is not None:
                await self.push("220 Go ahead")
            if action is None and verb == "DATA" and (action := self.fake.script.action("UPLOAD")) is not None:
                await self.push("354 Go ahead")
                await self._reader.read(1)
            if action is None and verb in ("MAIL", "RCPT", "DATA") and self._must_sign_in():
                action = "530 5.7.0 Authentication required"
            if action is not None:
                await self.act(action)
            else:
                await method(argument)

        return run

    def _must_sign_in(self) -> bool:
        assert self.session is not None
        return self.fake.require_auth and not self.session.authenticated


class Handler:
    """aiosmtpd's hooks: what is advertised, who may sign in, and what is done with a mail."""

    def __init__(self, server: "FakeSmtpd") -> None:
        self.fake = server

    async def handle_EHLO(  # noqa: N802 - aiosmtpd finds its hooks by these names
        self, server: FakeSession, session: Session, envelope: Envelope, name: str, replies: list[str]
    ) -> list[str]:
        session.host_name = name
        self.fake.names.append(name)
        kept = [reply for reply in replies if reply[4:].split(" ")[0] not in (*self.fake.hidden, "AUTH", "HELP")]
        secure = self.fake.implicit_tls or session.ssl is not None
        if self.fake.mechanisms and (secure or self.fake.auth_without_tls) and "AUTH" not in self.fake.hidden:
            kept.append(f"250-AUTH {' '.join(self.fake.mechanisms)}")
        return [*kept, "250 HELP"]

    async def handle_AUTH(  # noqa: N802 - aiosmtpd finds its hooks by these names
        self, server: FakeSession, session: Session, envelope: Envelope, words: list[str]
    ) -> str:
        secret = await self._credentials(server, words)
        if secret in self.fake.credentials:
            session.authenticated = True
            server.fake.signed_in.append(secret[0])
            return "235 2.7.0 Welcome"
        if words[0].upper() == "XOAUTH2":
            await server.challenge_auth('{"status":"401","schemes":"bearer"}')
        return "535 5.7.8 Credentials of canary@example.com are wrong"

    async def _credentials(self, server: FakeSession, words: list[str]) -> tuple[str, str]:
        async def asked(challenge: str) -> bytes:
            answer = await server.challenge_auth(challenge)
            return b"" if answer is MISSING or not isinstance(answer, bytes) else answer

        initial = base64.b64decode(words[1]) if len(words) > 1 else None
        match words[0].upper():
            case "PLAIN":
                parts = (initial if initial is not None else await asked("")).split(b"\0")
                return (parts[1].decode(), parts[2].decode()) if len(parts) == 3 else ("", "")
            case "LOGIN":
                user = initial if initial is not None else await asked("Username:")
                return user.decode(), (await asked("Password:")).decode()
            case _:
                given = initial if initial is not None else await asked("")
                found = re.fullmatch(rb"user=([^\x01]*)\x01auth=Bearer ([^\x01]*)\x01\x01", given)
                return (found[1].decode(), found[2].decode()) if found else ("", "")

    async def handle_RCPT(  # noqa: N802 - aiosmtpd finds its hooks by these names
        self, server: FakeSession, session: Session, envelope: Envelope, address: str, options: list[str]
    ) -> str:
        limit = self.fake.max_recipients
        if limit is not None and len(envelope.rcpt_tos) >= limit:
            return "452 4.5.3 Too many recipients"
        if self.fake.greylisting and (envelope.mail_from or "", address) not in self.fake.seen:
            self.fake.seen.add((envelope.mail_from or "", address))
            return GREYLISTED
        envelope.rcpt_tos.append(address)
        return "250 2.1.5 OK"

    async def handle_DATA(  # noqa: N802 - aiosmtpd finds its hooks by these names
        self, server: FakeSession, session: Session, envelope: Envelope
    ) -> str:
        content = envelope.original_content or b""
        problem = self.fake.problem(content, envelope)
        action = self.fake.script.action("BODY") if problem is None else problem
        if isinstance(action, Hold):
            while not action.release.is_set():
                await asyncio.sleep(0.01)
            action = None
        if action is None or action in (Wire.TAKE_AND_CUT, Wire.TAKE_AND_HANG):
            self.fake.take(envelope, session, content)
        if action is None:
            return "250 2.0.0 Taken"
        if isinstance(action, str) and not action.startswith("421"):
            return action
        await server.act(action)
        return "421 4.3.2 Closing"

    # aiosmtpd only asks ``handle_AUTH`` for mechanisms that it knows of.
    async def auth_XOAUTH2(self, server: FakeSession, words: list[str]) -> None:  # noqa: N802 - as above
        """Known; the work is done in ``handle_AUTH``."""
