"""A few calls of RabbitMQ's management HTTP API, for set-up and tests; the product never uses it."""

import base64
import http.client
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from urllib.parse import quote


class ManagementError(RuntimeError):
    """The API answered with an error, or not at all; the text names the request and the status."""


@dataclass(frozen=True, slots=True)
class Management:
    """One broker's API. Blocking, safe to share: every call is a connection of its own."""

    host: str
    port: int
    username: str
    password: str = field(repr=False)
    timeout: float = 15.0

    def call(self, method: str, path: str, body: Mapping[str, object] | None = None) -> object:
        """Calls ``/api/<path>`` and returns the decoded answer, ``None`` when it is empty.

        Raises:
            ManagementError: no connection, or a status of 400 and above.
        """
        token = base64.b64encode(f"{self.username}:{self.password}".encode()).decode()
        connection = http.client.HTTPConnection(self.host, self.port, timeout=self.timeout)
        try:
            connection.request(
                method,
                f"/api/{path}",
                body=None if body is None else json.dumps(body),
                headers={"Authorization": f"Basic {token}", "Content-Type": "application/json"},
            )
            answer = connection.getresponse()
            content = answer.read()
        except (OSError, http.client.HTTPException) as error:
            raise ManagementError(f"{method} /api/{path}: {type(error).__name__}") from error
        finally:
            connection.close()
        if answer.status >= 400:
            raise ManagementError(f"{method} /api/{path}: status {answer.status}")
        return json.loads(content) if content else None

    def add_vhost(self, name: str) -> None:
        """Makes a virtual host on which this user may do everything."""
        self.call("PUT", f"vhosts/{quote(name, safe='')}", {})
        self.call(
            "PUT",
            f"permissions/{quote(name, safe='')}/{quote(self.username, safe='')}",
            {"configure": ".*", "write": ".*", "read": ".*"},
        )

    def delete_vhost(self, name: str) -> None:
        """Removes a virtual host with everything in it; its connections are closed."""
        self.call("DELETE", f"vhosts/{quote(name, safe='')}")

    def ready(self) -> bool:
        """Whether the API answers and the broker says that it listens for AMQP."""
        try:
            overview = self.call("GET", "overview")
        except ManagementError:
            return False
        listeners = overview.get("listeners", []) if isinstance(overview, dict) else []
        return any(isinstance(one, dict) and one.get("protocol") == "amqp" for one in listeners)
