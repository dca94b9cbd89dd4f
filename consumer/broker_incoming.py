"""A delivered message: ours until it is acknowledged, or until the channel it came on is gone."""

from consumer.broker_channel import Channel
from consumer.broker_frames import Content
from consumer.broker_properties import Properties


class Incoming:
    """A message that was delivered to us and is ours until it is acknowledged or its channel is gone.

    ``delivery_count`` is how often it was delivered before and came back; ``received`` is the clock's reading.
    """

    __slots__ = (
        "_channel", "_settled", "_tag", "body", "delivery_count", "exchange", "properties", "queue", "received",
        "redelivered", "routing_key",
    )  # fmt: skip

    def __init__(self, channel: Channel, queue: str, content: Content) -> None:
        self._channel = channel
        self._tag = content.tag
        self._settled = False
        self.queue = queue
        self.body = content.body
        self.properties: Properties = content.properties
        self.exchange = content.exchange
        self.routing_key = content.routing_key
        self.redelivered = content.redelivered
        count = content.properties.headers.get("x-delivery-count", 0)
        self.delivery_count = count if isinstance(count, int) else 0
        self.received = channel.connection.liveness.now()

    def ack(self) -> bool:
        """Acknowledge it. False when nothing was sent: acknowledged before, or no longer ours (see `current`)."""
        if self._settled:
            return False
        self._settled = True
        return self._channel.ack(self._tag)

    def current(self) -> bool:
        """Whether it is still ours: its channel is open, and this process was not frozen since it came."""
        return self._channel.usable()

    def give_back(self) -> bool:
        """Return it to its queue, counting it as failed there; it is delivered again at once. False as for `ack`."""
        if self._settled:
            return False
        self._settled = True
        return self._channel.reject(self._tag)
