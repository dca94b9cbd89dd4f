"""``make demo`` and ``make run`` for real: they do the main job, tell the truth about it, and leave nothing behind."""

import contextlib
import dataclasses
import http.client
import json
import os
import re
import shlex
import signal
import ssl
import subprocess
import sys
import urllib.request
from collections.abc import Callable, Iterable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import psutil
import pytest

from deploy.local import demo_checks, demo_overall
from deploy.local.broker_for_use import LocalBroker
from deploy.local.demo_broker import Letter, queues
from deploy.local.demo_events import samples
from deploy.local.demo_parts import ACME, DEFAULT, GLOBEX, HOOLI, UMBRELLA, Sample
from deploy.local.demo_settings import STAGES, Saved
from deploy.local.installation import Installation, ServerMissing
from deploy.local.places import CLONE
from deploy.local.platform_page import Person
from deploy.local.sandbox_mail import Envelope, Taken
from tests.environment import absent
from tests.waiting import eventually_blocking

_CATEGORIES = {
    *("task", "comment", "request", "invitation", "reminder", "compliance_alert", "rights_request", "audit"),
    *("incident", "workflow"),
}


class Demo:
    """A running demo, and every process that was ever seen below it."""

    def __init__(self, folder: Path, arguments: tuple[str, ...], environment: dict[str, str]) -> None:
        self.notes, self.out = folder / "notes", folder / "out"
        with self.notes.open("wb") as notes, self.out.open("wb") as out:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "deploy.local.demo", *arguments],
                cwd=CLONE,
                env={**os.environ, **environment},
                stdout=out,
                stderr=notes,
                start_new_session=True,
            )
        self.seen: set[psutil.Process] = set()
        self.ports: set[int] = set()

    def look(self) -> str:
        """Notes what runs below the demo and where it listens; what the demo has said so far."""
        with contextlib.suppress(psutil.NoSuchProcess):
            own = psutil.Process(self.process.pid)
            for one in (own, *own.children(recursive=True)):
                with contextlib.suppress(psutil.NoSuchProcess, psutil.AccessDenied):
                    # RabbitMQ makes sure of its epmd by an Erlang node that lives for a moment, on any port.
                    if any(word.startswith("epmd-starter") for word in one.cmdline()):
                        continue
                    self.ports |= _listening(one.net_connections(kind="tcp"))
                    self.seen.add(one)
        return self.notes.read_text(encoding="utf-8")

    def until(self, words: str, timeout: float = 100.0) -> None:
        """Waits until the demo has said ``words``."""
        eventually_blocking(lambda: words in self.look() or self.process.poll() is not None, timeout, what=words)
        assert words in self.look(), self.look()

    def end(self, timeout: float = 100.0) -> tuple[int, str]:
        """Waits for the end; exit code and what was printed."""
        eventually_blocking(lambda: self.look() is not None and self.process.poll() is not None, timeout, what="demo")
        return self.process.returncode, self.out.read_text(encoding="utf-8")

    def require_gone(self) -> None:
        """Nothing it started lives, and nothing listens where it did."""
        assert self.seen
        eventually_blocking(lambda: not any(one.is_running() for one in self.seen), 10.0, what="all processes gone")
        assert self.ports.isdisjoint(_listening(psutil.net_connections("tcp")))


Start = Callable[..., Demo]


@pytest.fixture
def demo(tmp_path: Path) -> Iterator[Start]:
    """Starts a demo that is ended with the test, whatever happens."""
    started: list[Demo] = []

    def start(*arguments: str, **environment: str) -> Demo:
        started.append(Demo(tmp_path, arguments, environment))
        return started[-1]

    yield start
    for one in started:
        one.process.kill()
        one.process.wait(10)


def node_required() -> None:
    """Skips, or fails in CI, without an installed server."""
    try:
        Installation().require()
    except ServerMissing as error:
        absent(str(error))


@pytest.mark.slow
def test_the_demo_does_the_main_job_and_leaves_nothing_running(demo: Start) -> None:
    """Own node, own mail servers, the real commands: every event becomes what it should, and the exit code is 0."""
    node_required()
    running = demo("--json")
    code, out = running.end()
    result = json.loads(out)
    assert result["differences"] == []
    assert (code, result["ok"]) == (0, True)
    assert all(event["ok"] for event in result["events"])
    assert {event["type"].split(".")[1] for event in result["events"]} == _CATEGORIES
    ways = {event["organization"]: event["way"] for event in result["events"]}
    own = {ACME.id: "SMTP", GLOBEX.id: "SMTP", UMBRELLA.id: "Microsoft 365", HOOLI.id: "Gmail API"}
    assert ways == {DEFAULT.id: "the platform's SMTP", **own}
    for saved, organization in zip(result["saved"], (GLOBEX, UMBRELLA, HOOLI), strict=True):
        found = saved["organization"], saved["state"], saved["status"]
        assert found == (organization.id, "passed", ["connected", "verified"])
        assert len(saved["stages"]) == 6
    [revocation] = result["revocations"]
    assert (revocation["organization"], revocation["status"]) == (HOOLI.id, ["needs_attention", "verified"])
    assert revocation["seconds"] < 60
    assert len(running.seen) > 6  # itself, its guards, epmd, the node, the consumer, the settings page
    # Broker and its page, three mail servers, two providers with API and SMTP each, metrics, settings page, platform.
    assert len(running.ports) >= 12
    assert all(port < 32768 for port in running.ports)
    running.require_gone()


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
def test_a_demo_that_is_stopped_leaves_nothing_running(demo: Start, number: signal.Signals) -> None:
    """Ctrl-C, SIGTERM, and even kill -9, while the private node starts."""
    node_required()
    running = demo("--json")
    running.until("a private RabbitMQ node")
    eventually_blocking(lambda: running.look() is not None and len(running.seen) > 3, what="the node's processes")
    running.process.send_signal(number)
    code, out = running.end(30)
    assert code == (-9 if number is signal.SIGKILL else 128 + number)
    assert out == ""
    running.require_gone()


@pytest.mark.slow
def test_make_run_stays_and_takes_further_events(demo: Start, broker_node: LocalBroker) -> None:
    """On a given broker: its own virtual host, settings for other shells, one more mail, and nothing left there."""
    given = {"MAILROOM_AMQP_URL": broker_node.amqp_url(), "MAILROOM_MANAGEMENT_URL": broker_node.management_url}
    before = _vhosts(broker_node)
    running = demo("--stay", "--json", **given)
    running.until("Mails as they arrive")
    shown = re.search(r"set -a; \. (\S+); set \+a", running.look())
    assert shown is not None
    file = CLONE / shown[1]
    assert file.stat().st_mode & 0o777 == 0o600
    assert len(_vhosts(broker_node) - before) == 1
    settings = dict(line.split("=", 1) for line in shlex.split(file.read_text(encoding="utf-8")))
    folder = Path(settings["MAILROOM_TLS_CA_FILE"]).parent
    command = [sys.executable, "-m", "consumer", "publish", str(folder / "example.json")]
    subprocess.run(command, cwd=CLONE, env={**os.environ, **settings}, check=True, capture_output=True, timeout=60)
    running.until("for jo@acme.example", 20)
    platform = re.search(r"settings page\s+(http://\S+)", running.look())
    assert platform is not None
    assert _clicked(platform[1]) == _clicked(platform[1]) == (303, "/settings")
    assert {UMBRELLA.username, HOOLI.username} <= _accounts(running.look(), settings["MAILROOM_TLS_CA_FILE"])
    running.process.send_signal(signal.SIGINT)
    code, out = running.end(40)
    assert code == 0, out
    running.require_gone()
    assert not file.exists()
    assert _vhosts(broker_node) == before


def _accounts(said: str, ca_file: str) -> set[str]:
    """The accounts of the providers' stand-ins, by the control addresses that were printed."""
    context = ssl.create_default_context(cafile=ca_file)
    found: set[str] = set()
    for address in set(re.findall(r"(https://localhost:\d+/control/[\w-]+)/", said)):
        with urllib.request.urlopen(f"{address}/state", context=context, timeout=20) as reply:
            found |= {one["address"] for one in json.load(reply)["accounts"]}
    return found


def _clicked(platform: str) -> tuple[int, str]:
    """Opens the settings page of acme from the platform's page; what the settings page answers to the hand-over."""
    first = _request("POST", f"{platform}open", f"organization={ACME.id}&role=admin")
    second = _request("GET", first.headers["Location"])
    return second.status, second.headers["Location"]


def _request(method: str, url: str, body: str = "") -> http.client.HTTPResponse:
    parts = urlsplit(url)
    connection = http.client.HTTPConnection(parts.netloc, timeout=20)
    try:
        connection.request(method, url.removeprefix(f"{parts.scheme}://{parts.netloc}"), body=body)
        return connection.getresponse()
    finally:
        connection.close()


def test_a_broker_in_use_is_left_alone(demo: Start, vhost: str) -> None:
    """Without a virtual host of its own, and with Mailroom's names taken, the demo refuses and says what to do."""
    nowhere = {"MAILROOM_AMQP_URL": vhost, "MAILROOM_MANAGEMENT_URL": "http://127.0.0.1:1"}
    subprocess.run(
        [sys.executable, "-m", "consumer", "topology", "apply"],
        cwd=CLONE,
        env={**os.environ, **nowhere},
        check=True,
        capture_output=True,
        timeout=60,
    )
    running = demo("--json", **nowhere)
    code, out = running.end()
    assert (code, json.loads(out)["ok"]) == (1, False)
    assert "must not mix with real ones" in json.loads(out)["error"]


@pytest.fixture(scope="module")
def sample() -> Sample:
    """An event of acme that becomes one mail."""
    return next(one for one in samples(datetime(2026, 11, 21, 8, tzinfo=UTC)) if one.id == "comment-added")


def _mail(sample: Sample, *, sender: str = "", server: str = "", subject: str = "", number: int = 1) -> Taken:
    organization = sample.organization
    content = (
        f"Message-ID: <m{number}@acme.example>\r\nDate: Sat, 21 Nov 2026 08:00:00 +0000\r\n"
        f"From: {sender or f'{organization.alias} <{organization.address}>'}\r\nTo: Ana <ana@acme.example>\r\n"
        f"Reply-To: ACME thread <thread-7@reply.platform.example>\r\n"
        f"Subject: {subject or sample.event['data']['subject']}\r\nAuto-Submitted: auto-generated\r\n"
        f"X-Mailroom-Event: {sample.id}\r\n\r\n{sample.event['data']['text']}\r\n"
    ).encode()
    envelope = Envelope(
        greeting="x",
        sender=organization.address,
        recipients=("ana@acme.example",),
        content=content,
        tls="TLSv1.3",
        cipher="x",
        user=organization.username,
        mechanism="PLAIN",
    )
    return Taken(server or organization.server, envelope, Path("x.eml"))


def _problems(sample: Sample, *taken: Taken, letters: tuple[Letter, ...] = ()) -> str:
    return "\n".join(demo_checks.judge(sample, demo_checks.mails_of(taken), (), letters, b"").problems)


def test_the_judge_has_nothing_against_a_right_mail(sample: Sample) -> None:
    """The ground on which the next tests stand."""
    assert _problems(sample, _mail(sample)) == ""


def test_the_judge_notices_what_is_wrong(sample: Sample) -> None:
    """Another sender, server or subject, a second copy, no copy, an unexpected dead letter: each is named."""
    assert "From is" in _problems(sample, _mail(sample, sender="Example Platform <no-reply@platform.example>"))
    assert "From is" in _problems(sample, _mail(sample, sender=f"acme <{ACME.address}>"))
    assert "not acme's server" in _problems(sample, _mail(sample, server=DEFAULT.server))
    assert "Subject is" in _problems(sample, _mail(sample, subject="Another"))
    assert "mails went to" in _problems(sample, _mail(sample), _mail(sample))
    assert "Message-ID changed" in _problems(sample, _mail(sample), _mail(sample, number=2))
    assert "mails went to" in _problems(sample)
    letter = Letter(sample.id, {}, b"")
    assert "1 dead letters, expected 0" in _problems(sample, _mail(sample), letters=(letter,))
    clear = dataclasses.replace(_mail(sample).envelope, tls="")
    assert "without TLS" in _problems(sample, dataclasses.replace(_mail(sample), envelope=clear))


def test_what_became_of_save_and_test_is_judged_too() -> None:
    """A stage that failed, a test mail to somebody else or by another server, no verification, a page without it."""
    mail = _mail(next(one for one in samples(datetime(2026, 11, 21, 8, tzinfo=UTC)) if one.organization is ACME))
    mail = dataclasses.replace(mail, envelope=dataclasses.replace(mail.envelope, recipients=(ACME.administrator,)))
    saved = Saved(
        organization=ACME,
        administrator=Person(ACME.id, "Ada", ACME.administrator),
        state="passed",
        stages=tuple((name, True, 0.01) for name in STAGES),
        connected="connected",
        verified="verified",
        mails=(mail,),
        page=f"… {ACME.address} … {ACME.alias} …",
    )
    other = dataclasses.replace(mail, envelope=dataclasses.replace(mail.envelope, recipients=("jo@acme.example",)))
    wrong = {
        "every stage": {"stages": saved.stages[:-1]},
        "one test mail": {"mails": (other,)},
        "by its own server": {"mails": (dataclasses.replace(mail, server=DEFAULT.server),)},
        "verified by the code": {"verified": "connected"},
        "a viewer sees it": {"page": ACME.address},
    }
    assert [check.problem for check in demo_overall.saved_and_tested(saved)] == [""] * 4
    for what, changed in wrong.items():
        checks = demo_overall.saved_and_tested(dataclasses.replace(saved, **changed))  # type: ignore[arg-type]
        [problem] = [check.what for check in checks if check.problem]
        assert what in problem


def test_every_queue_of_the_topology_is_looked_at() -> None:
    """So that "all queues are empty" means all."""
    from consumer.topology_entities import topology

    assert {*queues(), "mailroom.dead"} == {queue.name for queue in topology(32).queues}


def _vhosts(broker: LocalBroker) -> set[str]:
    found = broker.management.call("GET", "vhosts")
    assert isinstance(found, list)
    return {one["name"] for one in found}


def _listening(connections: Iterable[Any]) -> set[int]:
    return {one.laddr.port for one in connections if one.status == psutil.CONN_LISTEN}
