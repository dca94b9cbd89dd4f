"""Tells all replicas that an organisation's settings changed: one small message to the fanout ``mailroom.config``.

Best effort by design: replicas compare versions every second or two, so a broker that is away costs that long and
nothing else. For the blocking world of the command line and the settings page.
"""

import asyncio
import json
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, Final

from amqp.exceptions import AMQPError, MessageNacked

from config.logs import get_logger
from config.notify import ChangeNotifier
from consumer import names
from consumer.topology_connection import BrokerUnavailable, connect

log = get_logger(__name__)

_CONNECT_TIMEOUT: Final = 2.0
_CONFIRM_TIMEOUT: Final = 5.0


class BrokerNotifier:
    """A :class:`config.notify.ChangeNotifier` over AMQP; every call makes and closes its own connection."""

    def __init__(self, urls: Sequence[str], *, ca_file: Path | None = None) -> None:
        self._urls = tuple(urls)
        self._ca_file = ca_file

    def notify(self, organization: str, version: int) -> bool:
        """See the protocol; ``True`` means that the broker has confirmed it."""
        body = json.dumps({"organization": organization, "version": version})
        try:
            with connect(
                self._urls, ca_file=self._ca_file, timeout=_CONNECT_TIMEOUT, name="mailroom notify"
            ) as connection:
                channel: Any = connection.default_channel  # what the stubs know lacks confirms
                message = channel.prepare_message(
                    body, content_type="application/json", content_encoding="utf-8", properties={"delivery_mode": 1}
                )
                # Without the confirm a missing exchange would go unnoticed: the broker closes the channel later.
                channel.basic_publish_confirm(
                    message, exchange=names.CONFIG, routing_key="", confirm_timeout=_CONFIRM_TIMEOUT
                )
        except (BrokerUnavailable, MessageNacked, AMQPError, OSError):
            return False
        return True


class Announcer:
    """Tells by a :class:`~config.notify.ChangeNotifier` in a thread of its own, so that no request waits for a broker.

    One call is under way at a time; whoever finds more than ``most_waiting`` before it leaves the news to the version
    check. A broker that is away is logged once, and once more when it is back.
    """

    def __init__(self, notifier: ChangeNotifier, *, patience: float = 2.0, most_waiting: int = 100) -> None:
        self._notifier = notifier
        self._patience = patience
        self._most_waiting = most_waiting
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="announce")
        self._waiting = 0
        self._away = False

    async def __call__(self, organization: str, version: int) -> None:
        """Returns when the broker has it, after ``patience`` seconds at the latest; the thread goes on then."""
        if self._waiting >= self._most_waiting:
            return
        self._waiting += 1
        telling = asyncio.get_running_loop().run_in_executor(self._thread, self._notifier.notify, organization, version)
        telling.add_done_callback(self._told)
        await asyncio.wait({telling}, timeout=self._patience)

    def close(self) -> None:
        """Gives up what is waiting; what is under way ends by its own bounds."""
        self._thread.shutdown(wait=False, cancel_futures=True)

    def _told(self, telling: "asyncio.Future[bool]") -> None:
        self._waiting -= 1
        if telling.cancelled():
            return
        fault = telling.exception()
        if fault is not None:
            log.error("the replicas could not be told of a change", exc_info=fault)
            return
        away, self._away = self._away, not telling.result()
        if self._away and not away:
            log.warning("the broker cannot be told of changes; replicas find them by their version check within 2 s")
        elif away and not self._away:
            log.info("the broker is told of changes again")
