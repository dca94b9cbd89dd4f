"""Tells all replicas that an organisation's settings changed: one small message to the fanout ``mailroom.config``.

Best effort by design: replicas compare versions every second or two, so a broker that is away costs that long and
nothing else. For the blocking world of the command line and the settings page.
"""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

from amqp.exceptions import AMQPError, MessageNacked

from consumer import names
from consumer.topology_connection import BrokerUnavailable, connect

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
