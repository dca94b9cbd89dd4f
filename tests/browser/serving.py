"""The settings pages as a process of their own, ``mailroom web``, and the platform that sends people to them."""

import os
import secrets
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Self

import jwt

from deploy.local.children import Children
from deploy.local.places import CLONE
from deploy.local.ports import await_listening, free_block
from tests.running import COMMAND

PLATFORM_KEY = "a key that the platform and the settings page share"


@dataclass(frozen=True, slots=True)
class Someone:
    """A person whom the platform sends over; each organisation has one of its own, who may test so and so often."""

    organization: str
    name: str = "Ada Lovelace"
    role: str = "admin"

    @property
    def email(self) -> str:
        """Where test mails go."""
        return f"ada@{self.organization}.example"


class WebProcess:
    """``mailroom web`` with the given variables on a port of its own. A context manager that ends it."""

    def __init__(self, settings: Mapping[str, str], folder: Path) -> None:
        self.port = free_block(1)
        self.url = f"http://localhost:{self.port}"
        self.settings = {
            **settings,
            "MAILROOM_WEB_HOST": "127.0.0.1",
            "MAILROOM_WEB_PORT": str(self.port),
            "MAILROOM_WEB_URL": self.url,
            "MAILROOM_PLATFORM_KEY": PLATFORM_KEY,
        }
        self.log = folder / "web.log"
        self._children = Children()

    def __enter__(self) -> Self:
        process = self._children.start(
            [*COMMAND, "web"], environment={**os.environ, **self.settings}, output=self.log, folder=CLONE
        )
        if not await_listening(self.port, process, timeout=30):
            self._children.close()
            raise AssertionError(f"the settings page did not start:\n{self.log.read_text()[-4000:]}")
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._children.close()

    def door(self, someone: Someone) -> str:
        """The address the platform sends a person to: it opens once, within a minute."""
        claims = {
            "aud": "mailroom",
            "organization": someone.organization,
            "role": someone.role,
            "email": someone.email,
            "name": someone.name,
            "jti": secrets.token_hex(16),
            "exp": int(time.time()) + 60,
        }
        return f"{self.url}/handover?token={jwt.encode(claims, PLATFORM_KEY, algorithm='HS256')}"
