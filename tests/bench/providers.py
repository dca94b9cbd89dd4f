"""``make bench ARGS=providers``: how fast one process sends by Graph and by the Gmail API, and what a mail costs.

Each organisation has a transport of its own; a server in another process takes everything at once, over TLS. The SMTP
transport does the same in the same run: machines differ, the ratio says more. Nothing is asserted. The aims are 500
mails a second and at most 1.5 times the processor time of SMTP, without a thread for a send.
"""

import argparse
import asyncio
import contextlib
import json
import os
import platform
import ssl
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path

import trustme
import uvloop

from transports.gmail.settings import GmailContext, GmailSettings
from transports.http import Http
from transports.message import Mail, Mailbox
from transports.microsoft365.settings import GraphContext, Microsoft365Settings
from transports.registry import TransportContext, build
from transports.settings import TransportSettings
from transports.smtp.settings import Security, SmtpContext, SmtpSettings

TOKEN = "t" * 1800
"""As long as one of Microsoft's."""
PARAGRAPH = "Your request has been taken up by the office in charge. Vous recevrez une réponse. "
KINDS = ("smtp", "graph-mime", "graph-json", "gmail")


class _Source:
    async def token(self, *, refused: str | None = None) -> str:
        return TOKEN


@dataclass(frozen=True, slots=True)
class Result:
    """One run. ``cpu`` is user and system time of this process for a mail, in milliseconds."""

    kind: str
    mails: int
    rate: float
    cpu: float
    threads: int


def main(arguments: Sequence[str] | None = None) -> None:
    """Parses the arguments, runs, prints."""
    parser = argparse.ArgumentParser(prog="make bench ARGS=providers", description=__doc__)
    parser.add_argument("--mails", type=int, default=4_000, help="of each kind in a run")
    parser.add_argument("--organizations", type=int, default=200)
    parser.add_argument("--at-once", type=int, default=64, help="mails under way")
    parser.add_argument("--size", type=int, default=2_048, help="bytes of each of the two bodies, about")
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--kinds", nargs="+", choices=KINDS, default=KINDS)
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args(arguments)
    results: list[Result] = []
    with tempfile.TemporaryDirectory() as folder, _endpoints(Path(folder)) as (trust, api, submission):
        for _ in range(options.runs):
            for kind in options.kinds:
                with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
                    results.append(runner.run(_run(kind, trust, api, submission, options)))
    _report(options, results)


@contextlib.contextmanager
def _endpoints(folder: Path) -> Iterator[tuple[ssl.SSLContext, int, int]]:
    authority = trustme.CA()
    leaf = authority.issue_cert("localhost")
    leaf.private_key_and_cert_chain_pem.write_to_path(str(folder / "certificate.pem"))
    trust = ssl.create_default_context()
    authority.configure_trust(trust)
    line = [sys.executable, "-m", "tests.bench.endpoints", str(folder)]
    with subprocess.Popen(line, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        try:
            api, submission = map(int, process.stdout.readline().split())
            yield trust, api, submission
        finally:
            process.terminate()


async def _run(kind: str, trust: ssl.SSLContext, api: int, submission: int, options: argparse.Namespace) -> Result:
    source = _Source()
    http = Http(trust)
    url = f"https://localhost:{api}"
    context = TransportContext(
        SmtpContext(trust, None, "client.example.org"),
        GraphContext(http, lambda _: source, url),
        GmailContext(http, lambda _: source, url),
    )
    transports = [build(_settings(kind, number, submission), context) for number in range(options.organizations)]
    for transport in transports:
        await transport.send(_mail(0, options.size), 30)
    threads = threading.active_count()
    began, used = time.perf_counter(), time.process_time()
    numbers = iter(range(options.mails))

    async def work() -> None:
        nonlocal threads
        for number in numbers:
            await transports[number % len(transports)].send(_mail(number, options.size), 30)
            threads = max(threads, threading.active_count())

    await asyncio.gather(*(work() for _ in range(options.at_once)))
    seconds, cpu = time.perf_counter() - began, time.process_time() - used
    await asyncio.gather(*(transport.aclose() for transport in transports))
    await http.aclose()
    return Result(kind, options.mails, options.mails / seconds, 1000 * cpu / options.mails, threads)


def _settings(kind: str, number: int, submission: int) -> TransportSettings:
    mailbox = "sender@example.org" if kind != "graph-json" else "mailbox@example.org"
    if kind == "smtp":
        return SmtpSettings("localhost", submission, Security.TLS, username=f"user{number}", password="password")
    if kind == "gmail":
        return GmailSettings(f"grant-{number}", mailbox)
    return Microsoft365Settings(f"grant-{number}", mailbox)


def _mail(number: int, size: int) -> Mail:
    text = PARAGRAPH * (size // len(PARAGRAPH))
    return Mail(
        message_id=f"<{number}.bench@example.org>",
        date=datetime(2026, 11, 21, 8, 0, tzinfo=UTC),
        sender=Mailbox("sender@example.org", "Customer"),
        to=(Mailbox(f"user{number}@example.net", "A Name"),),
        subject="Your request has been taken up",
        owed=(0,),
        text=text,
        html=f"<!DOCTYPE html><html><body><p>{text}</p></body></html>",
        headers=(("X-Mailroom-Event", f"bench-{number}"), ("Auto-Submitted", "auto-generated")),
    )


def _report(options: argparse.Namespace, results: list[Result]) -> None:
    facts = {
        "mailroom": version("mailroom"),
        "python": platform.python_version(),
        "aiohttp": version("aiohttp"),
        "cpus": os.cpu_count(),
    }
    if options.json:
        print(json.dumps({"runs": [asdict(one) for one in results], "about": facts}))
        return
    print(
        f"\n{options.mails:,} mails of {options.organizations} organisations, {options.at_once} at once; "
        f"medians of {options.runs} runs\n"
    )
    print(f"  {'':12}{'mails/s':>10}{'CPU ms a mail':>16}{'of SMTP':>10}{'threads':>10}")
    base = _median(results, "smtp", lambda one: one.cpu) if "smtp" in options.kinds else 0.0
    for kind in options.kinds:
        cpu = _median(results, kind, lambda one: one.cpu)
        ratio = f"{cpu / base:.2f} ×" if base else ""
        rate, threads = _median(results, kind, lambda one: one.rate), _median(results, kind, lambda one: one.threads)
        print(f"  {kind:12}{rate:>10,.0f}{cpu:>16.2f}{ratio:>10}{threads:>10.0f}")
    print("\n  " + ", ".join(f"{name} {value}" for name, value in facts.items()))


def _median(results: list[Result], kind: str, value: Callable[[Result], float]) -> float:
    return statistics.median([value(one) for one in results if one.kind == kind])


if __name__ == "__main__":
    main()
