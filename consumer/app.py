"""The composition root: the only module that knows all classes. It builds one consumer; ``program`` runs it."""

import os
import random
import time
from collections.abc import Callable

from config import outgoing
from config.limits import Limits
from config.organizations import Directory, Organizations
from config.process import Settings
from config.secrets import KeyedHash, SecretBox
from config.store import Store
from config.store_quarantine import QuarantineStore
from consumer import names
from consumer.background import Background
from consumer.broker import Broker
from consumer.connections import Connections
from consumer.crowding import Crowding
from consumer.delivery import Delivery, Surroundings
from consumer.endings import Endings
from consumer.gate import Gate
from consumer.grant_keeping import GrantKeeping
from consumer.intake import Intake
from consumer.metrics import Metrics, SmtpConnections
from consumer.notices import Notices
from consumer.outcome import Reason
from consumer.pacing import Pacing
from consumer.parking import Parking
from consumer.platform_trouble import PlatformTrouble
from consumer.quarantine import Quarantine
from consumer.recent import Recent
from consumer.retry import Policy
from consumer.routing import Account, PlatformDefault
from consumer.seams import ORDINARY, Seams
from consumer.settle import Settler
from consumer.worker import Parts, Worker
from transports.cache import TransportCache
from transports.errors import Code
from transports.protocol import Transport
from transports.smtp.observer import ConnectionObserver
from transports.smtp.settings import Security, SmtpSettings

_KEPT_TRANSPORTS = 500
"""Organisations whose connections are kept at the same time."""


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
        Limits(settings.default_smtp_connections, settings.default_smtp_per_minute, settings.default_smtp_per_day),
    )


def transport_factory(
    settings: Settings, observer: ConnectionObserver, connections: Connections
) -> Callable[[Account], Transport]:
    """What builds transports: organisations' servers behind the guard, the platform's own relay without it."""
    guarded, unguarded = connections.transports(observer), outgoing.for_platform(settings, observer)

    def make(account: Account) -> Transport:
        return unguarded(account.settings) if account.platform else guarded(account.settings)

    return make


def new_copy() -> str:
    """An identifier that nothing else has, in 32 characters."""
    return os.urandom(16).hex()


class Consumer:
    """All parts of one consumer, wired. Building it does nothing yet."""

    def __init__(
        self,
        settings: Settings,
        store: Store,
        box: SecretBox,
        keyed_hash: KeyedHash,
        metrics: Metrics,
        seams: Seams = ORDINARY,
    ) -> None:
        seeded = random.Random(os.urandom(16))  # noqa: S311 - spreads pauses, protects nothing
        self.settings = settings
        self.store = store
        self.background = Background()
        self.metrics = metrics
        self.now = now = seams.now
        self.random = seeded.random
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
        notices = Notices(self.broker.publish, self.background, now=now, per_event=settings.notify_events)
        trouble = PlatformTrouble(metrics, time.monotonic)
        self.pacing = Pacing(settings, store, keyed_hash, metrics, trouble, seams, self.random)
        self.delivery = Delivery(
            Surroundings(
                directory=self.directory,
                organizations=self.organizations,
                transports=self.transports,
                ledger=self.pacing.ledger,
                turns=self.pacing.turns,
                breakers=self.pacing.breakers,
                holding=self.pacing.holding,
                trouble=trouble,
                metrics=self.metrics,
                notices=notices,
                default=self.default,
                policy=self.policy,
                deadline=settings.send_deadline,
                now=now,
                clock=time.monotonic,
                random=self.random,
                held=settings.hold_unknown,
                crowded=self.crowded,
                watch=seams.watch,
            )
        )
        self.grant_keeping = GrantKeeping(
            self.connections.tokens,
            self.connections.revoking,
            self.organizations,
            notices=notices,
            metrics=self.metrics,
            now=now,
        )
        self.worker = self._worker(keyed_hash, notices, seams)
        self.crowding = Crowding(
            self.broker,
            names.partitions(settings.partitions),
            prefetch=settings.prefetch,
            held=self.worker.held,
            settled=self.worker.ended,
            clock=time.monotonic,
        )
        self.pacing.crowded = self.crowding.count
        self.parking = Parking(self.broker, self.directory, default=self.default, now=now, new_copy=new_copy)

    def crowded(self, partition: str) -> bool:
        """Whether a partition has a long queue."""
        return self.crowding.crowded(partition)

    def _skim(self, partition: str, organization: str, due: bool) -> tuple[float, Reason | Code] | None:
        return self.pacing.skim(organization, due=due) if self.crowding.crowded(partition) else None

    def _worker(self, keyed_hash: KeyedHash, notices: Notices, seams: Seams) -> Worker:
        settings = self.settings
        intake = Intake(
            self.delivery,
            metrics=self.metrics,
            partitions=settings.partitions,
            max_bytes=settings.max_message_bytes,
            policy=self.policy,
            now=self.now,
            random=self.random,
            skim=self._skim,
        )
        settler = Settler(
            self.broker.publish,
            metrics=self.metrics,
            endings=Endings(self.metrics, notices, self.now),
            now=self.now,
            new_copy=new_copy,
            ledger=self.pacing.ledger,
            watch=seams.watch,
        )
        quarantine = Quarantine(
            self.quarantine_store,
            Gate(time.monotonic),
            now=self.now,
            digest=lambda body: keyed_hash(b"body", body),
        )
        return Worker(Parts(intake, settler, quarantine, Recent(), seams.watch))
