"""Everything the demo needs, started in order and ended in reverse: broker, mail servers, consumer, settings page.

What is done with it, and whether it went well, is the business of others.
"""

import contextlib
import http.client
import json
import os
import secrets
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

from deploy.local.broker_for_use import LocalBroker, broker_for_use, given_broker
from deploy.local.children import Children
from deploy.local.demo_broker import PARTITIONS, own_place
from deploy.local.demo_commands import CommandFailed, Mailroom, Running
from deploy.local.demo_connect import Administrator
from deploy.local.demo_folder import fresh_folder
from deploy.local.demo_parts import CONNECTED, DEFAULT, ORGANIZATIONS, RULES, WITH_SERVERS, Organization
from deploy.local.demo_providers import Providers
from deploy.local.demo_settings import Saved, SettingsPage, save_and_test
from deploy.local.platform_page import Person, PlatformPage
from deploy.local.ports import LOOPBACK, free_block
from deploy.local.sandbox import HOST, Sandbox
from deploy.local.sandbox_mail import Account, Taken

Say = Callable[[str], None]
_READY = 30.0


@dataclass(slots=True)
class Stage:
    """What was started. ``consumer`` is the process of ``mailroom run``, ``saved`` what the settings page did."""

    folder: Path
    broker: LocalBroker
    url: str
    ca_file: Path
    sandbox: Sandbox
    mailroom: Mailroom
    consumer: "subprocess.Popen[bytes]"
    page: SettingsPage
    platform: PlatformPage
    providers: Providers
    children: Children
    metrics_port: int
    saved: tuple[Saved, ...] = ()

    @property
    def log(self) -> Path:
        """The consumer's log."""
        return self.folder / "consumer.log"

    @property
    def web_log(self) -> Path:
        """The settings page's log."""
        return self.folder / "web.log"

    def get(self, path: str) -> tuple[int, str]:
        """Status and body of a page of the consumer; status 0 when it does not answer."""
        connection = http.client.HTTPConnection(LOOPBACK, self.metrics_port, timeout=5)
        try:
            connection.request("GET", path)
            answer = connection.getresponse()
            return answer.status, answer.read().decode()
        except (OSError, http.client.HTTPException):
            return 0, ""
        finally:
            connection.close()

    def require_running(self) -> None:
        """Checks that neither the consumer nor the settings page has ended.

        Raises:
            CommandFailed: one has; the text ends with its last log lines.
        """
        for name, process, log in (("run", self.consumer, self.log), ("web", self.page.process, self.web_log)):
            if process.poll() is not None:
                words = log.read_text(encoding="utf-8", errors="replace").splitlines()[-8:]
                raise CommandFailed(f"`mailroom {name}` ended by itself:\n" + "\n".join(words))

    def drain(self) -> tuple[int, int]:
        """Ends settings page and consumer as an operator would; the exit codes of the consumer and of the page."""
        self.children.end(self.page.process, signal.SIGTERM, 20.0)
        self.children.end(self.consumer, signal.SIGTERM, 40.0)
        return int(self.consumer.returncode), int(self.page.process.returncode)


@contextlib.contextmanager
def staged(say: Say, arrived: Callable[[Taken], None] = lambda _: None) -> Iterator[Stage]:
    """Starts everything; when the block is left, however, nothing of it runs any more.

    Raises:
        ServerMissing: RabbitMQ is not installed.
        NodeFailed: the private node did not start.
        BrokerUnsuitable: the given broker cannot be used.
        CommandFailed: a command of Mailroom failed.
    """
    with contextlib.ExitStack() as stack:
        folder = stack.enter_context(fresh_folder())
        children = Children()
        stack.callback(children.close)
        mailroom = Mailroom(folder, children)
        stack.callback(mailroom.close)
        mailroom.settings["MAILROOM_DATABASE_URL"] = f"sqlite+aiosqlite:///{folder / 'mailroom.db'}"
        key = mailroom.begin("keys", "generate")
        say("three mail servers with TLS and sign-in")
        sandbox = stack.enter_context(Sandbox(folder, _accounts(), RULES, arrived))
        say("stand-ins for Microsoft 365 and Google")
        providers = stack.enter_context(Providers(sandbox))
        given = given_broker(os.environ)
        say("the broker of MAILROOM_AMQP_URL" if given else "a private RabbitMQ node (about five seconds)")
        broker = stack.enter_context(broker_for_use(os.environ))
        ca_file = _authorities(folder, sandbox)
        url = stack.enter_context(own_place(broker, ca_file))
        metrics_port, web_port = free_block(1), free_block(1)
        mailroom.settings |= _settings(url, key.finish().strip(), sandbox, ca_file, metrics_port)
        _allow(mailroom, providers, sandbox)
        platform = stack.enter_context(_platform(mailroom, sandbox, providers, web_port))
        providers.register(platform.settings_url)
        say("mailroom web; mailroom topology apply")
        page = SettingsPage(mailroom.serve("web", folder / "web.log"), web_port)
        mailroom.begin("topology", "apply").finish()
        say("mailroom run")
        consumer = mailroom.serve("run", folder / "consumer.log")
        parts = folder, broker, url, ca_file, sandbox, mailroom, consumer, page, platform, providers, children
        stage = Stage(*parts, metrics_port)
        _configure(stage, say)
        yield stage


def _allow(mailroom: Mailroom, providers: Providers, sandbox: Sandbox) -> None:
    """Tells Mailroom of the providers, and that organisations may use all these ports."""
    ports = ",".join(map(str, (*(server.port for server in sandbox.servers.values()), *providers.ports)))
    mailroom.settings |= {**providers.settings, "MAILROOM_SMTP_PORTS": f"25,465,587,2525,{ports}"}


def _platform(mailroom: Mailroom, sandbox: Sandbox, providers: Providers, web_port: int) -> PlatformPage:
    """The stand-in for the platform, with a key of its own that the settings page is told."""
    key, url = secrets.token_urlsafe(32), f"http://{LOOPBACK}:{web_port}"
    mailroom.settings |= {
        "MAILROOM_WEB_PORT": str(web_port),
        "MAILROOM_WEB_URL": url,
        "MAILROOM_PLATFORM_KEY": key,
    }
    people = [Person(one.id, f"Ada of {one.id}", one.administrator) for one in ORGANIZATIONS]
    return PlatformPage(key, url, people, tuple(sandbox.servers.values()), providers.people)


def _accounts() -> list[Account]:
    return [
        Account(one.server, one.security, one.username, secrets.token_urlsafe(12), (one.address,))
        for one in WITH_SERVERS
    ]


def _authorities(folder: Path, sandbox: Sandbox) -> Path:
    """Who is trusted: the mail servers' authority, and the one that was given for the broker."""
    given = os.environ.get("MAILROOM_TLS_CA_FILE") if given_broker(os.environ) else None
    if not given:
        return sandbox.ca_file
    both = folder / "authorities.pem"
    both.write_bytes(sandbox.ca_file.read_bytes() + b"\n" + Path(given).read_bytes())
    return both


def _settings(url: str, key: str, sandbox: Sandbox, ca_file: Path, metrics_port: int) -> dict[str, str]:
    default = sandbox.servers[DEFAULT.server]
    account = default.account
    return {
        "MAILROOM_AMQP_URL": url,
        "MAILROOM_SECRET_KEYS": key,
        "MAILROOM_DEFAULT_SMTP_URL": (
            f"smtp://{quote(account.username)}:{quote(account.password)}@{HOST}:{default.port}"
            f"?security={account.security}"
        ),
        "MAILROOM_DEFAULT_SENDER": f"{DEFAULT.alias} <{DEFAULT.address}>",
        "MAILROOM_PARTITIONS": str(PARTITIONS),
        # Organisations' servers are on loopback here, which the guard against forged requests otherwise refuses.
        "MAILROOM_ALLOW_NETWORKS": "127.0.0.0/8,::1/128",
        "MAILROOM_TLS_CA_FILE": str(ca_file),
        "MAILROOM_RETRY_SCHEDULE": "1,2",
        "MAILROOM_METRICS_PORT": str(metrics_port),
    }


def _configure(stage: Stage, say: Say) -> None:
    """Gives every organisation but the default one its own server, while the consumer already runs."""
    by_command = [one for one in ORGANIZATIONS if one.own and not one.by_page]
    by_page = [one for one in WITH_SERVERS if one.by_page]
    say("mailroom organizations smtp " + ", ".join(one.id for one in by_command))
    begun = [_configured(stage, one) for one in by_command]
    stage.page.await_ready(stage.require_running)
    say("Save and test on the settings page: " + ", ".join(one.id for one in by_page))
    stage.saved = tuple(
        save_and_test(stage.page, stage.platform, one, stage.sandbox.servers[one.server], stage.sandbox.taken)
        for one in by_page
    )
    say("connected on the settings page: " + ", ".join(f"{one.id} ({one.way})" for one in CONNECTED))
    stage.saved += tuple(
        Administrator(stage.page, stage.platform, one, stage.sandbox.ca_file).connect_and_test(stage.sandbox.taken)
        for one in CONNECTED
    )
    for running in begun:
        running.finish()
    _await_consumer(stage)


def _await_consumer(stage: Stage) -> None:
    until = time.monotonic() + _READY
    while (answer := stage.get("/readyz"))[0] != 200:
        stage.require_running()
        if time.monotonic() > until:
            missing = [name for name, good in json.loads(answer[1] or "{}").get("checks", {}).items() if not good]
            raise CommandFailed(f"`mailroom run` was not ready after {_READY:g} s: {', '.join(missing) or 'no answer'}")
        time.sleep(0.05)


def _configured(stage: Stage, one: Organization) -> Running:
    server = stage.sandbox.servers[one.server]
    arguments = {
        "--host": HOST,
        "--port": str(server.port),
        "--security": one.security,
        "--username": one.username,
        "--sender": one.address,
        "--alias": one.alias,
    }
    flat = [part for pair in arguments.items() for part in pair]
    return stage.mailroom.begin(
        "organizations", "smtp", one.id, *flat, "--password-stdin", given=f"{server.account.password}\n"
    )
