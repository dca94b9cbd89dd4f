"""The composition root: the only module that knows all classes. It builds one consumer; ``program`` runs it."""

import os
import random
import time
import uuid
from collections.abc import Callable
from datetime import UTC, datetime

from config import outgoing
from config.organizations import Directory, Organizations
from config.process import Settings
from config.secrets import KeyedHash, SecretBox
from config.store import Store
from config.store_quarantine import QuarantineStore
from consumer.background import Background
from consumer.broker import Broker
from consumer.connections import Connections
from consumer.delivery import Delivery, Surroundings
from consumer.gate import Gate
from consumer.grant_keeping import GrantKeeping
from consumer.intake import Intake
from consumer.metrics import Metrics, SmtpConnections
from consumer.notices import Notices
from consumer.parking import Parking
from consumer.quarantine import Quarantine
from consumer.recent import Recent
from consumer.retry import Policy
from consumer.routing import Account, PlatformDefault
from consumer.settle import Settler
from consumer.worker import Parts, Worker
from transports.cache import TransportCache
from transports.protocol import Transport
from transports.smtp.observer import ConnectionObserver
from transports.smtp.settings import Security, SmtpSettings

_KEPT_TRANSPORTS = 500
"""Organisations whose connections are kept at the same time."""


def utc_now() -> datetime:
    """The wall clock."""
    return datetime.now(UTC)


def platform_default(settings: Settings) -> PlatformDefault | None:
    """The platform's own transport and sender, if they are configured."""
    smtp, sender = settings.default_smtp_url, settings.default_sender
    if smtp is None or sender is None:
        return None
    return PlatformDefault(
        SmtpSettings(
            smtp.host,
            smtp.port,
            smtp.security,
            smtp.username,
            smtp.password.reveal() if smtp.password is not None else None,
            max_connections=settings.default_smtp_connections,
            plaintext_sign_in=smtp.security is Security.NONE,
        ),
        sender,
    )


def transport_factory(
    settings: Settings, observer: ConnectionObserver, connections: Connections
) -> Callable[[Account], Transport]:
    """What builds transports: organisations' servers behind the guard, the platform's own relay without it."""
    guarded, unguarded = connections.transports(observer), outgoing.for_platform(settings, observer)

    def make(account: Account) -> Transport:
        return unguarded(account.settings) if account.platform else guarded(account.settings)

    return make


class Consumer:
    """All parts of one consumer, wired. Building it does nothing yet."""

    def __init__(
        self, settings: Settings, store: Store, box: SecretBox, keyed_hash: KeyedHash, metrics: Metrics
    ) -> None:
        seeded = random.Random(os.urandom(16))  # noqa: S311 - spreads pauses, protects nothing
        self.settings = settings
        self.store = store
        self.background = Background()
        self.metrics = metrics
        self.organizations = Organizations(
            store, box, ports=settings.smtp_ports, servers=outgoing.provider_servers(settings)
        )
        self.connections = Connections(settings, store, box, on_refresh=self.metrics.token_refreshed)
        self.directory = Directory(self.organizations, clock=time.monotonic)
        self.default = platform_default(settings)
        self.policy = Policy(
            schedule=settings.retry_schedule, max_age=settings.retry_max_age, unknown_pause=settings.unknown_pause
        )
        self.transports = TransportCache(
            transport_factory(settings, SmtpConnections(self.metrics), self.connections),
            _KEPT_TRANSPORTS,
            time.monotonic,
        )
        self.broker = Broker(
            settings.amqp_url, ca_file=settings.tls_ca_file, source=seeded, name=f"mailroom {settings.replica_id}"
        )
        self.quarantine_store = QuarantineStore(store)
        notices = Notices(self.broker.publish, self.background, now=utc_now, per_event=settings.notify_events)
        surroundings = Surroundings(
            directory=self.directory,
            organizations=self.organizations,
            transports=self.transports,
            metrics=self.metrics,
            notices=notices,
            default=self.default,
            policy=self.policy,
            deadline=settings.send_deadline,
            now=utc_now,
            clock=time.monotonic,
            random=seeded.random,
        )
        intake = Intake(
            Delivery(surroundings),
            metrics=self.metrics,
            partitions=settings.partitions,
            max_bytes=settings.max_message_bytes,
            policy=self.policy,
            now=utc_now,
            random=seeded.random,
        )
        self.grant_keeping = GrantKeeping(
            self.connections.tokens,
            self.connections.revoking,
            self.organizations,
            notices=notices,
            metrics=self.metrics,
            now=utc_now,
        )
        self.random = seeded.random
        settler = Settler(
            self.broker.publish, metrics=self.metrics, notices=notices, now=utc_now, new_copy=lambda: uuid.uuid4().hex
        )
        quarantine = Quarantine(
            self.quarantine_store, Gate(time.monotonic), now=utc_now, digest=lambda body: keyed_hash(b"body", body)
        )
        self.worker = Worker(Parts(intake, settler, quarantine, Recent()))
        self.parking = Parking(
            self.broker,
            self.directory,
            default=self.default,
            metrics=self.metrics,
            now=utc_now,
            new_copy=lambda: uuid.uuid4().hex,
        )
