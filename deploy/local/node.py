"""A private RabbitMQ node: own name, cookie, data, epmd and ports, beside any other node of the machine.

Used by the demo, ``make run``, the tests and the benchmark. It works for root and for an ordinary user, needs
nothing but the installed server, and leaves nothing running: however its owner ends, a guard process ends the node.
It is no production set-up.
"""

import secrets
import shutil
import signal
import subprocess
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Self

from deploy.local.children import Children
from deploy.local.installation import PROGRAMS, Installation
from deploy.local.lifetime import Server
from deploy.local.management import Management
from deploy.local.node_files import PORTS, NodeFiles, NodePorts, ServerTls
from deploy.local.places import NODES
from deploy.local.ports import LOOPBACK, await_listening, free_block, listens
from deploy.local.rabbitmqctl import NodeFailed, rabbitmqctl

START_TIMEOUT = 90.0
_TRIES = 4
__all__ = ["NodeFailed", "PrivateNode"]
_TAKEN = ("could_not_start_listener", "could not bind", "eaddrinuse", "address already in use")


class PrivateNode(Server):
    """One node, whose data are thrown away at :meth:`close`; ``like`` makes it fit to join that one's cluster.

    All methods block; call them through ``asyncio.to_thread`` where a loop must go on. Data and ports stay the same
    over :meth:`stop`, :meth:`kill` and :meth:`restart`. ``settings`` are more lines for ``rabbitmq.conf``.
    """

    def __init__(
        self,
        *,
        installation: Installation | None = None,
        tls: ServerTls | None = None,
        settings: tuple[str, ...] = (),
        like: Self | None = None,
        choose_ports: Callable[[int], int] = free_block,
    ) -> None:
        label = f"mailroom-{secrets.token_hex(4)}"
        self.installation: Installation = installation or (like.installation if like else Installation())
        self.installation.require()
        self._files = NodeFiles(NODES / label, f"{label}@localhost", tls=tls, extra=settings)
        self._shared_epmd = like.ports.epmd if like else None
        if like:
            self._files = replace(self._files, password=like._files.password, secret=like._files.secret)
        self._choose_ports = choose_ports
        self._children = Children()
        self._ports: NodePorts | None = None
        self._node: subprocess.Popen[bytes] | None = None
        self._epmd: subprocess.Popen[bytes] | None = None

    # -- addresses -----------------------------------------------------------------------------------------------

    @property
    def name(self) -> str:
        """The Erlang node name."""
        return self._files.name

    @property
    def ports(self) -> NodePorts:
        """Where it listens; known from the first start on."""
        if self._ports is None:
            raise NodeFailed("the node was never started")
        return self._ports

    @property
    def pids(self) -> tuple[int, ...]:
        """The running processes: the node and its epmd."""
        return tuple(one.pid for one in (self._node, self._epmd) if one is not None and one.poll() is None)

    def amqp_url(self, vhost: str = "/") -> str:
        """The address with credentials, for one virtual host."""
        return self._url("amqp", self.ports.amqp, vhost)

    def amqps_url(self, vhost: str = "/") -> str:
        """The same over TLS; only with ``tls``."""
        return self._url("amqps", self.ports.amqps, vhost)

    def _url(self, scheme: str, port: int, vhost: str) -> str:
        place = "%2F" if vhost == "/" else vhost
        return f"{scheme}://{self._files.username}:{self._files.password}@{LOOPBACK}:{port}/{place}"

    @property
    def management_url(self) -> str:
        """The management page, without credentials."""
        return f"http://{LOOPBACK}:{self.ports.management}"

    @property
    def prometheus_url(self) -> str:
        """The metrics page."""
        return f"http://{LOOPBACK}:{self.ports.prometheus}/metrics"

    @property
    def management(self) -> Management:
        """The management API as its administrator."""
        return Management(LOOPBACK, self.ports.management, self._files.username, self._files.password)

    @property
    def credentials(self) -> tuple[str, str]:
        """Name and password of the administrator, for signing in to the management page."""
        return self._files.username, self._files.password

    # -- life ----------------------------------------------------------------------------------------------------

    def start(self, timeout: float = START_TIMEOUT) -> Self:
        """Starts the node and waits until it takes connections; another block of ports is tried when one is taken.

        Raises:
            NodeFailed: it ended or was not ready in time.
        """
        known = self._ports is not None
        for attempt in range(1, _TRIES + 1):
            if not known:
                first = self._choose_ports(PORTS)
                self._ports = NodePorts(first, self._shared_epmd or first + 5)
            try:
                self._launch()
                self.await_ready(timeout)
            except NodeFailed as error:
                self.kill()
                self._end_epmd()
                taken = any(sign in str(error) for sign in _TAKEN)
                if known or not taken or attempt == _TRIES:
                    raise
                shutil.rmtree(self._files.folder / "log", ignore_errors=True)
            else:
                break
        return self

    def _launch(self) -> None:
        files, ports = self._files, self.ports
        self._children.remove_at_end(files.folder)
        files.write(ports)
        environment = files.environment(ports)
        if self._shared_epmd is None and (self._epmd is None or self._epmd.poll() is not None):
            epmd = self.installation.command(Path("/usr/bin/epmd"), files.folder)
            command = [*epmd, "-port", str(ports.epmd), "-address", LOOPBACK]
            self._epmd = self._children.start(command, environment=environment, output=files.output)
            if not await_listening(ports.epmd, self._epmd):
                raise NodeFailed(f"epmd did not start:\n{files.last_words()}")
        server = self.installation.command(PROGRAMS / "rabbitmq-server", files.folder)
        self._node = self._children.start(server, environment=environment, output=files.output)

    def await_ready(self, timeout: float = START_TIMEOUT) -> None:
        """Waits until the node listens for AMQP and its management API answers.

        Raises:
            NodeFailed: it ended, or ``timeout`` seconds passed.
        """
        until = time.monotonic() + timeout
        while time.monotonic() < until:
            if self._node is None or self._node.poll() is not None:
                raise NodeFailed(f"the RabbitMQ node ended while it started:\n{self._files.last_words()}")
            if listens(self.ports.amqp) and self.management.ready():
                return
            time.sleep(0.05)
        raise NodeFailed(f"the RabbitMQ node was not ready after {timeout:g} s:\n{self._files.last_words()}")

    def stop(self, grace: float = 60.0) -> None:
        """Stops it as an operator would (SIGTERM, about six seconds); the data stay."""
        self._end(signal.SIGTERM, grace)

    def kill(self) -> None:
        """Ends it at once (SIGKILL); the data stay as they are on disk."""
        self._end(signal.SIGKILL, 10.0)

    def _end(self, how: signal.Signals, grace: float) -> None:
        node, self._node = self._node, None
        if node is not None:
            self._children.end(node, how, grace)

    def restart(self, *, graceful: bool = False) -> None:
        """Ends the node, hard unless ``graceful``, and starts it again on the same data and ports."""
        if graceful:
            self.stop()
        else:
            self.kill()
        self.start()

    def freeze(self) -> None:
        """Suspends the node's process (SIGSTOP): connections stay open and nothing answers."""
        if self._node is not None:
            self._node.send_signal(signal.SIGSTOP)

    def thaw(self) -> None:
        """Lets a frozen node go on."""
        if self._node is not None:
            self._node.send_signal(signal.SIGCONT)

    def close(self) -> None:
        """Kills what runs and throws the data away; may be called twice."""
        self.kill()
        self._end_epmd()
        self._children.close()

    def _end_epmd(self) -> None:
        epmd, self._epmd = self._epmd, None
        if epmd is not None:
            self._children.end(epmd, signal.SIGKILL, 5.0)

    # -- administration ------------------------------------------------------------------------------------------

    def ctl(self, *arguments: str, timeout: float = 60.0) -> str:
        """Runs ``rabbitmqctl`` on this node and returns what it printed (about half a second).

        Raises:
            NodeFailed: it ended with an error, or not in time.
        """
        return rabbitmqctl(self.installation, self._files, self.ports, arguments, timeout)

    def stop_app(self) -> None:
        """Stops the broker inside the running node."""
        self.ctl("stop_app")

    def start_app(self) -> None:
        """Starts the broker inside the node again and waits for it."""
        self.ctl("start_app")
        self.await_ready()

    def set_alarm(self, on: bool) -> None:
        """Raises or clears the memory alarm, which blocks every connection that publishes."""
        self.ctl("set_vm_memory_high_watermark", "absolute", "1" if on else "2GB")

    def add_vhost(self, name: str) -> str:
        """Makes a virtual host and returns its address."""
        self.management.add_vhost(name)
        return self.amqp_url(name)

    def delete_vhost(self, name: str) -> None:
        """Removes a virtual host with everything in it."""
        self.management.delete_vhost(name)
