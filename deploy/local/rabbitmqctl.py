"""RabbitMQ's own command-line tool, for one private node."""

import subprocess
from pathlib import Path

from deploy.local.installation import PROGRAMS, Installation
from deploy.local.node_files import NodeFiles, NodePorts


class NodeFailed(RuntimeError):
    """The node did not start, or a command on it failed; the text ends with its last log lines."""


def rabbitmqctl(
    installation: Installation, files: NodeFiles, ports: NodePorts, arguments: tuple[str, ...], timeout: float
) -> str:
    """Runs it and returns what it printed; it takes about half a second.

    Raises:
        NodeFailed: it ended with an error, or did not end in time.
    """
    command = [*installation.command(PROGRAMS / Path("rabbitmqctl"), files.folder), "-q", "-n", files.name, *arguments]
    try:
        done = subprocess.run(
            command,
            env=files.environment(ports),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=timeout,
            check=False,
        )
    except subprocess.TimeoutExpired as error:
        raise NodeFailed(f"rabbitmqctl {arguments[0]} did not end within {timeout:g} s") from error
    if done.returncode:
        raise NodeFailed(f"rabbitmqctl {arguments[0]}: {(done.stderr or done.stdout).strip()}")
    return done.stdout
