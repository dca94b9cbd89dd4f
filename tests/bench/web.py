"""``make bench ARGS=web``: how long the settings page and its API take to answer with a store full of organisations.

A real ``mailroom web`` is asked over loopback; every request is for another organisation. Prints a table for each
database, or with ``--json`` one object. No number is ever asserted: machines differ. The aim is a p99 below 50 ms.
"""

import argparse
import asyncio
import contextlib
import itertools
import json
import os
import platform
import random
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path

import psutil

from config import store_migrations
from config.secrets import SecretBox
from config.store import Store
from config.testing import KEY, sqlite_url
from deploy.local.installation import ServerMissing
from deploy.local.postgres import PrivatePostgres
from tests.bench.latency import Client, Latency, measure, request
from tests.bench.organizations import fill, name
from tests.browser.serving import Someone, WebProcess
from tests.environment import clean
from tests.running import environment

JSON = ("Content-Type", "application/json")
DRAFT = json.dumps(
    {
        "host": "smtp.customer.example",
        "port": 587,
        "security": "starttls",
        "username": "someone",
        "password": "a password like any other",
        "sender_address": "notifications@customer.example",
        "sender_alias": "Customer",
    }
).encode()
_ADDRESSES = itertools.count(1)


@dataclass(frozen=True, slots=True)
class Case:
    """What is asked: ``ask`` gives the bytes of the n-th request, ``status`` is what it must be answered."""

    title: str
    ask: Callable[[int], bytes]
    status: int = 200
    share: float = 1.0


def main(arguments: Sequence[str] | None = None) -> None:
    """Parses the arguments, runs, prints."""
    parser = argparse.ArgumentParser(prog="make bench ARGS=web", description=__doc__)
    parser.add_argument("--organizations", type=int, default=100_000)
    parser.add_argument("--requests", type=int, default=2_000, help="of each kind, with one client and with several")
    parser.add_argument("--sessions", type=int, default=400, help="people who are signed in")
    parser.add_argument("--clients", type=int, default=8)
    parser.add_argument("--database", choices=("sqlite", "postgresql", "both"), default="both")
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args(arguments)
    clean()
    results = {}
    for database in ("sqlite", "postgresql") if options.database == "both" else (options.database,):
        try:
            with tempfile.TemporaryDirectory() as folder, _url(database, Path(folder)) as url:
                results[database] = run(url, Path(folder), options)
        except ServerMissing as error:
            print(error, file=sys.stderr)
    report(options, results)


@contextlib.contextmanager
def _url(database: str, folder: Path) -> Iterator[str]:
    if database == "sqlite":
        yield sqlite_url(folder)
        return
    with PrivatePostgres() as server:
        url = server.url(server.create_database())
        store_migrations.upgrade(url)
        yield url


def run(url: str, folder: Path, options: argparse.Namespace) -> dict[str, dict[str, Latency]]:
    """Fills the store, starts the process and asks: for each case the latencies by number of clients."""
    began = time.perf_counter()
    asyncio.run(_filled(url, options.organizations))
    print(f"{options.organizations:,} organisations in {time.perf_counter() - began:.0f} s", file=sys.stderr)
    variables = {
        **environment("amqp://127.0.0.1:1/", folder, database_url=url, log_level="warning"),
        "MAILROOM_WEB_TRUSTED_PROXIES": "127.0.0.1/32",
    }
    with WebProcess(variables, folder) as web:
        return {
            case.title: {
                str(clients): _measured(web, case, max(1, int(options.requests * case.share)), clients)
                for clients in (1, options.clients)
            }
            for case in _cases(web, options)
        }


async def _filled(url: str, count: int) -> None:
    store = await Store.open(url, timeout=60)
    try:
        await fill(store, SecretBox([KEY]), count, datetime.now(UTC))
    finally:
        await store.close()


def _measured(web: WebProcess, case: Case, requests: int, clients: int) -> Latency:
    """One run; beside the latencies the processor time of the server, which a busy machine does not change."""
    process = _process(web)
    before = sum(process.cpu_times()[:2])
    found = measure(web.port, case.ask, requests=requests, clients=clients, expected=(case.status,))
    return replace(found, cpu=1000 * (sum(process.cpu_times()[:2]) - before) / requests)


def _process(web: WebProcess) -> psutil.Process:
    """The process that listens."""
    children = psutil.Process().children(recursive=True)
    return next(one for one in children if any(at.laddr.port == web.port for at in one.net_connections()))


def _cases(web: WebProcess, options: argparse.Namespace) -> list[Case]:
    """Every request has a session of its own in turn, so that nobody's share of requests is used up."""
    chosen = random.Random(7)
    picked = [name(chosen.randrange(options.organizations)) for _ in range(options.sessions)]
    tokens = [_signed_in(web, organization) for organization in picked]

    def page(path: str) -> Callable[[int], bytes]:
        asked = [request("GET", path, [("Cookie", f"__Host-mailroom={token}")]) for token in tokens]
        return lambda number: asked[number % len(asked)]

    def api(method: str, path: str, body: bytes = b"") -> Callable[[int], bytes]:
        headers = [JSON] if body else []
        asked = [request(method, path, [*headers, ("Authorization", f"Bearer {token}")], body) for token in tokens]
        return lambda number: asked[number % len(asked)]

    def arrival(number: int) -> bytes:
        return _arrival(web, name(chosen.randrange(options.organizations)))

    return [
        Case("GET /settings", page("/settings")),
        Case("GET /settings/smtp", page("/settings/smtp")),
        Case("GET /settings/history", page("/settings/history")),
        Case("GET /api/v1/settings", api("GET", "/api/v1/settings")),
        Case("PUT /api/v1/draft", api("PUT", "/api/v1/draft", DRAFT), share=0.5),
        Case("POST /api/v1/sessions", arrival, 201, share=0.5),
    ]


def _arrival(web: WebProcess, organization: str) -> bytes:
    """A request with a fresh hand-over token, from an address of its own."""
    token = web.door(Someone(organization)).partition("token=")[2]
    number = next(_ADDRESSES)
    address = f"198.18.{number // 250 % 250}.{number % 250}"
    body = json.dumps({"token": token}).encode()
    return request("POST", "/api/v1/sessions", [JSON, ("X-Forwarded-For", address)], body)


def _signed_in(web: WebProcess, organization: str) -> str:
    with Client(web.port) as client:
        answer = client.ask(_arrival(web, organization))
    assert answer.status == 201, answer.body
    token: str = json.loads(answer.body)["access_token"]
    return token


def report(options: argparse.Namespace, results: dict[str, dict[str, dict[str, Latency]]]) -> None:
    """A table for each database."""
    facts = {
        "mailroom": version("mailroom"),
        "python": platform.python_version(),
        "fastapi": version("fastapi"),
        "uvicorn": version("uvicorn"),
        "cpus": os.cpu_count(),
    }
    if options.json:
        shape = {"organizations": options.organizations, "clients": options.clients, "about": facts}
        plain = {
            database: {case: {clients: asdict(one) for clients, one in runs.items()} for case, runs in cases.items()}
            for database, cases in results.items()
        }
        print(json.dumps({**shape, "results": plain}))
        return
    for database, cases in results.items():
        print(f"\n{database}, {options.organizations:,} organisations; milliseconds for one answer\n")
        print(f"  {'':24}{'clients':>8}{'p50':>9}{'p99':>9}{'worst':>9}{'cpu':>9}{'answers/s':>11}")
        for case, runs in cases.items():
            for clients, one in runs.items():
                shown = f"{one.p50:>9.1f}{one.p99:>9.1f}{one.worst:>9.1f}{one.cpu:>9.1f}{one.rate:>11,.0f}"
                print(f"  {case:24}{clients:>8}{shown}")
    print("\n  " + ", ".join(f"{key} {value}" for key, value in facts.items()))


if __name__ == "__main__":
    main()
