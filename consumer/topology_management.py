"""Differences between the broker and the topology, as values; and reading them from the management API.

AMQP can declare but not list, so bindings can only be verified here. Also the form of RabbitMQ's definitions.json,
which is the same description of queues and exchanges.
"""

import base64
import http.client
import json
import re
import urllib.error
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import quote, unquote, urlsplit

from consumer.topology_connection import BrokerUnavailable
from consumer.topology_entities import Topology

_TIMEOUT: Final = 15.0
_INEQUIVALENT: Final = re.compile(r"inequivalent arg '(?P<what>[^']+)' for .*: (?P<how>received .*)", re.DOTALL)


MISSING: Final = "is missing"


@dataclass(frozen=True, slots=True)
class Difference:
    """One thing that is not as it should be: ``kind`` is ``exchange``, ``queue`` or ``binding``."""

    kind: str
    name: str
    problem: str

    def __str__(self) -> str:
        return f"{self.kind} {self.name} {self.problem}"


def inequivalence(kind: str, name: str, reply: str) -> Difference:
    """The difference in a broker's 406 reply, which names one argument and both values."""
    match = _INEQUIVALENT.search(reply)
    if match is None:
        return Difference(kind, name, f"is different: {reply}")
    how = match["how"].replace("received", "should be", 1).replace("but current is", "but is")
    return Difference(kind, name, f"has another {match['what']}: {how}")


def definitions(topology: Topology, vhost: str = "/") -> dict[str, Any]:
    """The topology as RabbitMQ definitions (``rabbitmqctl import_definitions``, ``load_definitions``)."""
    return {
        "vhosts": [{"name": vhost}],
        "exchanges": [{"vhost": vhost, **_exchange(each)} for each in topology.exchanges],
        "queues": [{"vhost": vhost, **_queue(each)} for each in topology.queues],
        "bindings": [{"vhost": vhost, **each} for each in _bindings(topology)],
    }


def _exchange(exchange: Any) -> dict[str, Any]:
    return {
        "name": exchange.name,
        "type": exchange.type,
        "durable": True,
        "auto_delete": False,
        "internal": False,
        "arguments": dict(exchange.arguments),
    }


def _queue(queue: Any) -> dict[str, Any]:
    return {"name": queue.name, "durable": True, "auto_delete": False, "arguments": dict(queue.queue_arguments)}


def _bindings(topology: Topology) -> Iterator[dict[str, Any]]:
    queue: Any  # kombu keeps its attributes in a table that type checkers do not see
    for queue in topology.queues:
        yield _binding(queue.exchange.name, queue.name, "queue", queue.routing_key, dict(queue.binding_arguments))
    for route in topology.routes:
        yield _binding(route.source.name, route.destination.name, "exchange", route.routing_key, {})


def _binding(source: str, destination: str, kind: str, key: str, arguments: dict[str, Any]) -> dict[str, Any]:
    return {
        "source": source,
        "destination": destination,
        "destination_type": kind,
        "routing_key": key,
        "arguments": arguments,
    }


def management_differences(
    url: str, vhost: str, username: str, password: str, wanted: Topology
) -> Iterator[Difference]:
    """Everything of ours on the broker that differs; credentials in ``url`` go before the given ones.

    Raises:
        BrokerUnavailable: the API cannot be reached or does not let us read.
    """
    api = _Api(url, username, password)
    place = quote(vhost, safe="")
    expected = definitions(wanted, vhost)
    for kind in ("exchange", "queue"):
        existing = {each["name"]: each for each in api.get(f"{kind}s/{place}") if _ours(each["name"])}
        names = {each["name"] for each in expected[f"{kind}s"]}
        for each in expected[f"{kind}s"]:
            yield from _compare(kind, each, existing.get(each["name"]))
        for name in sorted(existing.keys() - names):
            yield Difference(kind, name, "does not belong to the topology")
    yield from _compare_bindings(api.get(f"bindings/{place}"), expected["bindings"])


def _compare(kind: str, expected: dict[str, Any], existing: dict[str, Any] | None) -> Iterator[Difference]:
    name = expected["name"]
    if existing is None:
        yield Difference(kind, name, "is missing")
        return
    pairs = [(field, expected[field], existing.get(field)) for field in ("type", "durable") if field in expected]
    arguments: dict[str, Any] = existing.get("arguments") or {}
    keys = sorted(expected["arguments"].keys() | arguments.keys())
    pairs.extend((key, expected["arguments"].get(key), arguments.get(key)) for key in keys)
    for field, should, is_ in pairs:
        if should != is_:
            yield Difference(kind, name, f"has another {field}: should be {_shown(should)} but is {_shown(is_)}")


def _compare_bindings(existing: list[dict[str, Any]], expected: list[dict[str, Any]]) -> Iterator[Difference]:
    # Every queue is bound to the default exchange by its name; replicas bind queues of their own to the fanouts.
    relevant = [each for each in existing if each["source"] and _ours(each["destination"])]
    there = {_key(each): each for each in relevant}
    wanted = {_key(each): each for each in expected}
    for key in wanted.keys() - there.keys():
        yield Difference("binding", _place(wanted[key]), "is missing")
    for key in there.keys() - wanted.keys():
        yield Difference("binding", _place(there[key]), "does not belong to the topology")


def _key(binding: dict[str, Any]) -> str:
    fields = ("source", "destination", "destination_type", "routing_key", "arguments")
    return json.dumps({field: binding[field] for field in fields}, sort_keys=True)


def _place(binding: dict[str, Any]) -> str:
    text = f"{binding['source']} → {binding['destination']}"
    if binding["routing_key"]:
        text += f" by the key {binding['routing_key']}"
    if binding["arguments"]:
        text += f" by {json.dumps(binding['arguments'], sort_keys=True)}"
    return text


def _ours(name: str) -> bool:
    return name == "notifications" or name.startswith("mailroom.")


def _shown(value: object) -> str:
    return "absent" if value is None else json.dumps(value)


class _Api:
    """Reading from the management API; its answers are taken as they are documented."""

    def __init__(self, url: str, username: str, password: str) -> None:
        try:
            parts = urlsplit(url)
            sound = parts.scheme in {"http", "https"} and parts.hostname and parts.port != 0
        except ValueError:
            sound = False
        if not sound:
            raise BrokerUnavailable("the management address must read http://host:15672 or https://…")
        host = parts.netloc.rpartition("@")[2]
        self._base = f"{parts.scheme}://{host}{parts.path.rstrip('/')}/api/"
        user, secret = unquote(parts.username or username), unquote(parts.password or password)
        self._authorization = "Basic " + base64.b64encode(f"{user}:{secret}".encode()).decode("ascii")

    def get(self, path: str) -> list[dict[str, Any]]:
        request = urllib.request.Request(  # noqa: S310 - the scheme was checked
            self._base + path, headers={"Authorization": self._authorization}
        )
        try:
            with urllib.request.urlopen(request, timeout=_TIMEOUT) as answer:  # noqa: S310
                found: list[dict[str, Any]] = json.load(answer)
        except urllib.error.HTTPError as error:
            with error:
                raise BrokerUnavailable(_refusal(error.code, path)) from None
        except (OSError, http.client.HTTPException) as error:
            raise BrokerUnavailable(f"the management API does not answer: {_reason(error)}") from error
        except ValueError as error:
            raise BrokerUnavailable("what answers is not the management API: it sent no JSON") from error
        return found


def _refusal(status: int, path: str) -> str:
    if status == http.HTTPStatus.UNAUTHORIZED:
        return "the management API refused the user (401): the password is wrong, or it needs the tag `management`"
    return f"the management API answered {status} to a request for {path}"


def _reason(error: Exception) -> str:
    # urllib wraps the error of the socket or of TLS, sometimes as mere text.
    reason = error.reason if isinstance(error, urllib.error.URLError) else error
    return str(getattr(reason, "strerror", None) or reason) or type(reason).__name__
