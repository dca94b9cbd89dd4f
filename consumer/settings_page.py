"""The composition root of the settings page, and its life: open the store, serve until told to stop, drain, end.

The page needs no broker: that a change is told to the replicas at once is a courtesy, which a thread of its own tries.
"""

import asyncio
import os
import secrets
import signal
import time
from contextlib import AsyncExitStack
from datetime import UTC, datetime
from functools import partial

from config import outgoing, platform_key
from config.dns.checks import DomainChecks
from config.dns.system import SystemResolver
from config.drafts import Drafts
from config.errors import ConfigurationError
from config.held_back import HeldBackReading
from config.history import History
from config.logs import get_logger, install_loop_handler
from config.oauth.flows import Flows
from config.organizations import Organizations
from config.process import Settings
from config.save_and_test import SaveAndTest
from config.secrets import NO_KEY, SecretBox
from config.sending_limits import SendingLimits
from config.sessions import Sessions
from config.store import Store
from config.trial_codes import new_code
from config.trials import Trials
from config.web import server
from config.web.app import create_app
from config.web.handover import Handover
from config.web.health import Readiness
from config.web.services import Services, WebSettings
from consumer.connections import Connections
from consumer.errors import OperatorError
from consumer.notify import Announcer, BrokerNotifier
from consumer.startup import open_store, unless

log = get_logger(__name__)

_NO_URL = "MAILROOM_WEB_URL: is needed for the settings page. Write {}."
_NO_PLATFORM_KEY = "MAILROOM_PLATFORM_KEY: is needed to know who comes from the platform. Write {}."


def utc_now() -> datetime:
    """The wall clock."""
    return datetime.now(UTC)


def required(settings: Settings) -> None:
    """Raises :class:`~config.errors.ConfigurationError` with everything that the page cannot do without."""
    hints = {name: field.description for name, field in Settings.model_fields.items()}
    problems = [
        *([] if settings.secret_keys else [NO_KEY]),
        *([] if settings.web_url else [_NO_URL.format(hints["web_url"])]),
        *([] if settings.platform_key else [_NO_PLATFORM_KEY.format(hints["platform_key"])]),
    ]
    if problems:
        raise ConfigurationError(problems)


def build(settings: Settings, store: Store, box: SecretBox, announce: Announcer, connections: Connections) -> Services:
    """All parts of the settings page, wired; nothing runs yet."""
    organizations = Organizations(
        store,
        box,
        ports=settings.smtp_ports,
        allow_networks=settings.allow_networks,
        servers=outgoing.provider_servers(settings),
    )
    drafts, trials = Drafts(store, box, now=utc_now), Trials(store, now=utc_now)
    sessions = Sessions(store, now=utc_now, random=os.urandom)
    save_and_test = SaveAndTest(
        organizations,
        drafts,
        trials,
        make_transport=connections.trial_transports(),
        announce=announce,
        base_url=settings.web_url,
        now=utc_now,
        clock=time.monotonic,
        new_code=lambda: new_code(secrets.randbits),
    )
    key = platform_key.parse(settings.platform_key.reveal() if settings.platform_key else "")
    return Services(
        settings=WebSettings(settings.web_url or "", settings.default_sender, settings.web_trusted_proxies),
        organizations=organizations,
        limits=SendingLimits(store, now=utc_now),
        held_back=HeldBackReading(store, now=utc_now),
        drafts=drafts,
        history=History(store),
        trials=save_and_test,
        trial_rows=trials,
        sessions=sessions,
        handover=Handover(key, sessions, now=utc_now),
        domains=DomainChecks(SystemResolver(), now=utc_now, clock=time.monotonic),
        announce=announce,
        providers=connections.providers,
        grants=connections.grants,
        flows=Flows(store, box, now=utc_now),
        revoking=connections.revoking,
        ready=Readiness(store.check_schema, clock=time.monotonic),
        now=utc_now,
        clock=time.monotonic,
    )


async def run(settings: Settings) -> int:
    """Serves the settings page until SIGTERM or SIGINT; returns the exit code.

    Raises ConfigurationError, SchemaOutdated or OperatorError when it cannot be started as it is configured. A
    database that is away is waited for.
    """
    required(settings)
    loop = asyncio.get_running_loop()
    install_loop_handler(loop)
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, partial(_signalled, stop, loop, number))
    opened = await unless(stop, open_store(settings))
    if opened is None:
        return 0
    store, box, _ = opened
    async with AsyncExitStack() as stack:
        stack.push_async_callback(store.close)
        announce = Announcer(BrokerNotifier(settings.amqp_url, ca_file=settings.tls_ca_file))
        stack.callback(announce.close)
        connections = Connections(settings, store, box)
        stack.push_async_callback(connections.aclose)
        services = build(settings, store, box, announce, connections)
        stack.push_async_callback(services.trials.aclose)
        await _serve(settings, services, stop)
    log.info("the settings page has ended")
    return 0


async def _serve(settings: Settings, services: Services, stop: asyncio.Event) -> None:
    """Serves, and drains: running requests and then running trials may end, all within MAILROOM_DRAIN_SECONDS."""
    try:
        listener = server.listen(settings.web_host, settings.web_port)
    except OSError as error:
        raise OperatorError(
            f"the settings page cannot be served on {settings.web_host} port {settings.web_port} ({error.strerror}): "
            "set MAILROOM_WEB_HOST and MAILROOM_WEB_PORT (0: any free port)"
        ) from error
    port = listener.getsockname()[1]
    log.info("the settings page is served", port=port, url=services.settings.base_url)
    seconds = settings.drain_seconds
    seconds -= await server.serve(create_app(services), listener, stop=stop, drain_seconds=seconds)
    await services.trials.aclose(grace=max(0.0, seconds))


def _signalled(stop: asyncio.Event, loop: asyncio.AbstractEventLoop, number: int) -> None:
    log.info("stop requested", reason=signal.Signals(number).name)
    stop.set()
    # The next signal is not ours any more: it ends the process at once, as a person at a terminal expects.
    loop.remove_signal_handler(number)
