"""A private Postfix for tests: submission with STARTTLS and implicit TLS, AUTH PLAIN and LOGIN, one maildir.

Root only, as Postfix itself is. It shares nothing with the machine's own Postfix but the programs.
"""

import contextlib
import os
import pwd
import secrets
import shutil
import signal
import socket
import subprocess
import time
from email.message import EmailMessage
from email.parser import BytesParser
from email.policy import SMTPUTF8
from pathlib import Path
from typing import Self

from deploy.local import postfix_files
from deploy.local.children import Children
from deploy.local.installation import ServerMissing
from deploy.local.lifetime import Server
from deploy.local.places import LOCAL
from deploy.local.ports import LOOPBACK, free_block, listens
from deploy.local.postfix_policy import Policy
from deploy.local.unprivileged import Account, mounted, reachable

_MASTER = Path("/usr/lib/postfix/sbin/master")
_ENVIRONMENT = {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "LC_ALL": "C.UTF-8"}


class PostfixFailed(RuntimeError):
    """Postfix did not start; the text ends with its last log lines."""


def require() -> None:
    """Checks that a private Postfix can run here.

    Raises:
        ServerMissing: it is not installed, or we are not root.
    """
    for file, package in ((_MASTER, "postfix"), (Path("/usr/sbin/saslpasswd2"), "sasl2-bin")):
        if not file.exists():
            packages = "postfix sasl2-bin libsasl2-modules"
            raise ServerMissing(f"{package} is not installed: apt-get install --no-install-recommends {packages}")
    if os.geteuid() != 0:
        raise ServerMissing("Postfix can only be started by root")


class PrivatePostfix(Server):
    """One server with the given certificate; its mail and configuration are thrown away at the end. Blocking."""

    def __init__(self, certificate: Path, key: Path, *, size_limit: int = 2_000_000) -> None:
        require()
        self.host = "localhost"
        self.username = f"mailroom@{postfix_files.REALM}"
        self.password = secrets.token_urlsafe(12)
        self.submission_port = 0
        self.smtps_port = 0
        self.policy = Policy()
        self._size = size_limit
        self._certificate, self._key = certificate, key
        self._folder = LOCAL / "postfix" / secrets.token_hex(4)
        self._children = Children()
        self._master: subprocess.Popen[bytes] | None = None

    @property
    def maildir(self) -> Path:
        """Where delivered mails lie, a file each."""
        return self._folder / "mail" / "inbox"

    def received(self) -> list[EmailMessage]:
        """All mails delivered so far, oldest first, parsed; ``Delivered-To`` names the recipient of each copy."""
        parser = BytesParser(policy=SMTPUTF8)
        return [parser.parsebytes(one) for one in self.received_bytes()]

    def received_bytes(self) -> list[bytes]:
        """The same as bytes: the delivery headers of Postfix first, line ends as LF."""
        files = [*self.maildir.glob("new/*"), *self.maildir.glob("cur/*")]
        return [file.read_bytes() for file in sorted(files, key=lambda file: (file.stat().st_mtime_ns, file.name))]

    def clear(self) -> None:
        """Forgets the mails and the scripted answers."""
        for file in self.maildir.glob("*/*"):
            file.unlink(missing_ok=True)
        self.policy.clear()

    def start(self, timeout: float = 20.0) -> Self:
        """Starts it and waits for both listeners.

        Raises:
            PostfixFailed: it ended or was not ready in time.
        """
        first = free_block(2)
        self.submission_port, self.smtps_port = first, first + 1
        self._children.remove_at_end(self._folder)
        postfix, keeper = _user("postfix"), _user("nobody")
        self._lay_out(postfix, keeper)
        direct = reachable(self._folder / "data", postfix)
        at, prefix = (self._folder, ()) if direct else (Path("/mnt"), tuple(mounted(self._folder)))
        ports = (self.submission_port, self.smtps_port, self.policy.port)
        postfix_files.write(self._folder, at, ports=ports, owner=(keeper.uid, keeper.gid), size=self._size)
        self._add_user(postfix)
        self._master = self._children.start(
            [*prefix, str(_MASTER), "-c", str(at / "etc"), "-d"],
            environment=_ENVIRONMENT | {"MAIL_CONFIG": str(at / "etc")},
            output=self._folder / "output",
            last_signal=signal.SIGTERM,
        )
        until = time.monotonic() + timeout
        while time.monotonic() < until and self._master.poll() is None:
            if _greets(self.submission_port) and listens(self.smtps_port):
                return self
            time.sleep(0.05)
        raise PostfixFailed(f"Postfix did not start:\n{self._last_words()}")

    def _lay_out(self, postfix: Account, keeper: Account) -> None:
        self._folder.mkdir(parents=True)
        for name in ("etc", "etc/sasl", "queue", "data", "mail", "tls"):
            (self._folder / name).mkdir()
        os.chown(self._folder / "data", postfix.uid, postfix.gid)
        os.chown(self._folder / "mail", keeper.uid, keeper.gid)
        for name in postfix_files.QUEUES:
            queue = self._folder / "queue" / name
            queue.mkdir(mode=0o710 if name == "public" else 0o700)
            if name != "pid":
                os.chown(queue, postfix.uid, postfix.gid)
        shutil.copy(self._certificate, self._folder / "tls" / "certificate.pem")
        shutil.copy(self._key, self._folder / "tls" / "key.pem")
        (self._folder / "tls" / "key.pem").chmod(0o600)

    def _add_user(self, postfix: Account) -> None:
        database = self._folder / "etc" / "sasl" / "sasldb2"
        name, realm = self.username.split("@")
        subprocess.run(
            ["saslpasswd2", "-c", "-p", "-f", str(database), "-u", realm, name],
            input=self.password.encode(),
            env=_ENVIRONMENT,
            capture_output=True,
            check=True,
        )
        os.chown(database, postfix.uid, postfix.gid)

    def _last_words(self) -> str:
        files = [self._folder / name for name in ("output", "log")]
        text = "\n".join(file.read_text(errors="replace") for file in files if file.exists())
        return "\n".join(text.splitlines()[-15:])

    def stop(self) -> None:
        """Ends it; the delivered mails stay readable until :meth:`close`."""
        master, self._master = self._master, None
        if master is not None:
            self._children.end(master, signal.SIGTERM, 5.0)

    def close(self) -> None:
        """Ends it and throws everything away; may be called twice."""
        self.stop()
        self.policy.close()
        self._children.close()


def _user(name: str) -> Account:
    entry = pwd.getpwnam(name)
    return Account(entry.pw_uid, entry.pw_gid)


def _greets(port: int) -> bool:
    with contextlib.suppress(OSError), socket.create_connection((LOOPBACK, port), timeout=2.0) as peer:
        peer.settimeout(5.0)
        return peer.recv(200).startswith(b"220 ")
    return False
