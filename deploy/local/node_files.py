"""The files and the environment of a private RabbitMQ node; pure text, nothing is started here."""

import re
import secrets
from dataclasses import dataclass, field
from pathlib import Path

from deploy.local.ports import LOOPBACK

PORTS = 20
PLUGINS = "[rabbitmq_management,rabbitmq_prometheus].\n"

# The emulator's schedulers otherwise spin for work, which costs a small machine a visible part of its two cores.
_QUIET = "+sbwt none +sbwtdcpu none +sbwtdio none"
_LOOPBACK_ONLY = "-kernel inet_dist_use_interface {127,0,0,1} -start_epmd false"


# Inside of Erlang's crash reports, and the empty lines around them.
_DETAIL = re.compile(r"<[\d.]+>(\s{3}|\s*$)")


@dataclass(frozen=True, slots=True)
class ServerTls:
    """PEM files for a TLS listener: the chain clients are shown, its key, and the CA that signed it."""

    certificate: Path
    key: Path
    ca: Path


@dataclass(frozen=True, slots=True)
class NodePorts:
    """What listens where; ``first`` is the first of :data:`PORTS` neighbouring ports."""

    first: int
    epmd: int

    @property
    def amqp(self) -> int:
        """AMQP without TLS."""
        return self.first

    @property
    def distribution(self) -> int:
        """Where other nodes and the command-line tools connect."""
        return self.first + 1

    @property
    def management(self) -> int:
        """Management HTTP API."""
        return self.first + 2

    @property
    def prometheus(self) -> int:
        """Metrics."""
        return self.first + 3

    @property
    def amqps(self) -> int:
        """AMQP over TLS."""
        return self.first + 4


@dataclass(frozen=True, slots=True)
class NodeFiles:
    """Everything one node reads and writes, below ``folder``."""

    folder: Path
    name: str
    username: str = "local"
    password: str = field(default_factory=lambda: secrets.token_urlsafe(18), repr=False)
    secret: str = field(default_factory=lambda: secrets.token_hex(16), repr=False)
    tls: ServerTls | None = None
    extra: tuple[str, ...] = ()

    @property
    def log(self) -> Path:
        """The node's own log."""
        return self.folder / "log" / f"{self.name}.log"

    @property
    def output(self) -> Path:
        """What the emulator printed, such as the reason of a failed start."""
        return self.folder / "log" / "output"

    @property
    def cookie(self) -> Path:
        """Where Erlang looks for ``secret``, which all nodes of a cluster and their command-line tools share."""
        return self.folder / "home" / ".erlang.cookie"

    def write(self, ports: NodePorts) -> None:
        """Writes the configuration; existing data stay."""
        for part in ("home", "log", "mnesia"):
            (self.folder / part).mkdir(parents=True, exist_ok=True)
        self.folder.chmod(0o700)
        _write_secret(self.cookie, self.secret, 0o400)
        (self.folder / "plugins").write_text(PLUGINS, encoding="ascii")
        (self.folder / "inetrc").write_text(
            '{host, {127,0,0,1}, ["localhost"]}.\n{lookup, [file, native]}.\n', encoding="ascii"
        )
        _write_secret(self.folder / "rabbitmq.conf", "\n".join(self._settings(ports)) + "\n", 0o600)

    def _settings(self, ports: NodePorts) -> list[str]:
        lines = [
            f"listeners.tcp.1 = {LOOPBACK}:{ports.amqp}",
            f"management.tcp.ip = {LOOPBACK}",
            f"management.tcp.port = {ports.management}",
            f"prometheus.tcp.ip = {LOOPBACK}",
            f"prometheus.tcp.port = {ports.prometheus}",
            f"default_user = {self.username}",
            f"default_pass = {self.password}",
            "vm_memory_high_watermark.absolute = 2GB",
            "disk_free_limit.absolute = 50MB",
            "log.console = false",
        ]
        if self.tls is not None:
            lines += [
                f"listeners.ssl.1 = {LOOPBACK}:{ports.amqps}",
                f"ssl_options.cacertfile = {self.tls.ca}",
                f"ssl_options.certfile = {self.tls.certificate}",
                f"ssl_options.keyfile = {self.tls.key}",
                "ssl_options.verify = verify_none",
            ]
        return [*lines, *self.extra]

    def environment(self, ports: NodePorts) -> dict[str, str]:
        """The whole environment of the node and of its command-line tools; nothing of the caller's is passed on."""
        return {
            "PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
            "LANG": "C.UTF-8",
            "LC_ALL": "C.UTF-8",
            "HOME": str(self.folder / "home"),
            "ERL_INETRC": str(self.folder / "inetrc"),
            "ERL_EPMD_PORT": str(ports.epmd),
            "ERL_EPMD_ADDRESS": LOOPBACK,
            "ERL_CRASH_DUMP_SECONDS": "0",
            "RABBITMQ_CONF_ENV_FILE": "/dev/null",
            "RABBITMQ_NODENAME": self.name,
            "RABBITMQ_NODE_IP_ADDRESS": LOOPBACK,
            "RABBITMQ_NODE_PORT": str(ports.amqp),
            "RABBITMQ_DIST_PORT": str(ports.distribution),
            "RABBITMQ_CTL_DIST_PORT_MIN": str(ports.first + 8),
            "RABBITMQ_CTL_DIST_PORT_MAX": str(ports.first + PORTS - 1),
            "RABBITMQ_MNESIA_BASE": str(self.folder / "mnesia"),
            "RABBITMQ_LOG_BASE": str(self.folder / "log"),
            "RABBITMQ_PID_FILE": str(self.folder / "pid"),
            "RABBITMQ_ENABLED_PLUGINS_FILE": str(self.folder / "plugins"),
            "RABBITMQ_CONFIG_FILE": str(self.folder / "rabbitmq.conf"),
            "RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS": f"{_LOOPBACK_ONLY} {_QUIET}",
            # Makes the start script replace itself by the emulator, so that the process started is the node.
            "RUNNING_UNDER_SYSTEMD": "true",
        }

    def last_words(self, lines: int = 15) -> str:
        """The ends of the node's output and log without the details of crash reports, for a failed start."""
        parts: list[str] = []
        for file in (self.output, self.log):
            if file.exists():
                text = file.read_text(encoding="utf-8", errors="replace")
                parts += [line for line in text.splitlines() if line.strip() and not _DETAIL.search(line)][-lines:]
        return "\n".join(parts).replace(self.password, "***")


def _write_secret(file: Path, text: str, mode: int) -> None:
    file.unlink(missing_ok=True)
    file.touch(mode=0o600)
    file.write_text(text, encoding="ascii")
    file.chmod(mode)
