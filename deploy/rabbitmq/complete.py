"""Writes the definitions a new broker loads: the topology, and three users with the least they need.

    python deploy/rabbitmq/complete.py TARGET

Passwords come from the environment (``RABBITMQ_PLATFORM_PASSWORD``, ``RABBITMQ_MAILROOM_PASSWORD``,
``RABBITMQ_OPERATOR_PASSWORD``) and are written as salted hashes, to a file only its owner can read. Needs nothing but
Python. It changes no broker: give TARGET to ``load_definitions`` in rabbitmq.conf or to ``rabbitmqctl
import_definitions``.
"""

import base64
import hashlib
import json
import os
import secrets
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent


def password_hash(password: str, salt: bytes) -> str:
    """RabbitMQ's ``rabbit_password_hashing_sha256``; ``salt`` has four bytes."""
    return base64.b64encode(salt + hashlib.sha256(salt + password.encode()).digest()).decode("ascii")


def complete(environment: Mapping[str, str]) -> dict[str, Any]:
    """The definitions. Raises ValueError with the names of the variables that are missing."""
    definitions: dict[str, Any] = json.loads((HERE / "definitions.json").read_text(encoding="utf-8"))
    users: dict[str, Any] = json.loads((HERE / "users.json").read_text(encoding="utf-8"))
    variables = {user["name"]: f"RABBITMQ_{user['name'].upper()}_PASSWORD" for user in users["users"]}
    missing = [variable for variable in variables.values() if not environment.get(variable)]
    if missing:
        raise ValueError(f"no value for {', '.join(missing)}")
    for user in users["users"]:
        user["password_hash"] = password_hash(environment[variables[user["name"]]], secrets.token_bytes(4))
        user["hashing_algorithm"] = "rabbit_password_hashing_sha256"
    return {**users, **definitions}


def main(arguments: list[str]) -> int:
    """Writes TARGET; 0 done, 1 failed, 2 wrong use."""
    if len(arguments) != 1:
        sys.stderr.write("usage: complete.py TARGET\n")
        return 2
    try:
        text = json.dumps(complete(os.environ), indent=2)
        target = os.open(arguments[0], os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with open(target, "w", encoding="utf-8") as file:  # noqa: PTH123 - opened with its mode above
            file.write(text + "\n")
    except (ValueError, OSError) as error:
        sys.stderr.write(f"complete.py: {error}\n")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
