"""Answers Postfix's question what to do with a recipient (SMTPD_POLICY_README): a script that tests fill."""

import collections
import socketserver
import threading
from collections.abc import Sequence

from deploy.local.ports import LOOPBACK


class Policy:
    """A policy service in threads of this process.

    ``answers[recipient]`` are the actions for the next RCPT commands for that address, one each, the last for all
    that follow: ``["450 4.2.0 Greylisted, see you in 300 seconds", "DUNNO"]`` greylists it once, ``["421 4.3.2
    Going down"]`` hangs up on it. An address without answers is accepted. ``asked`` counts the questions.
    """

    def __init__(self) -> None:
        self.asked: collections.Counter[str] = collections.Counter()
        self._answers: dict[str, list[str]] = {}
        self._lock = threading.Lock()
        self._server = _Server((LOOPBACK, 0), _Questions)
        self._server.policy = self
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True)
        self._thread.start()

    @property
    def port(self) -> int:
        """Where Postfix asks."""
        return int(self._server.server_address[1])

    def script(self, recipient: str, answers: Sequence[str]) -> None:
        """Sets what the next RCPT commands for ``recipient`` are answered."""
        with self._lock:
            self._answers[recipient] = list(answers)

    def clear(self) -> None:
        """Forgets all answers and counts."""
        with self._lock:
            self._answers.clear()
            self.asked.clear()

    def action(self, recipient: str) -> str:
        """The next action for ``recipient``."""
        with self._lock:
            self.asked[recipient] += 1
            answers = self._answers.get(recipient, ["DUNNO"])
            return answers.pop(0) if len(answers) > 1 else answers[0]

    def close(self) -> None:
        """Stops answering; may be called twice."""
        self._server.shutdown()
        self._server.server_close()
        self._thread.join(5)


class _Server(socketserver.ThreadingTCPServer):
    allow_reuse_address = True
    daemon_threads = True
    block_on_close = False
    policy: Policy


class _Questions(socketserver.StreamRequestHandler):
    server: _Server

    def handle(self) -> None:
        """Answers until Postfix hangs up: attributes a line each, an empty line, then ``action=…``."""
        attributes: dict[str, str] = {}
        for raw in self.rfile:
            line = raw.decode("utf-8", "replace").rstrip("\n")
            if line:
                name, _, value = line.partition("=")
                attributes[name] = value
                continue
            action = self.server.policy.action(attributes.get("recipient", ""))
            self.wfile.write(f"action={action}\n\n".encode())
            attributes = {}
