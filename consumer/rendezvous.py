"""Which replica prefers which partition: pure, the same on every replica, and without anybody talking to anybody.

Every replica consumes every partition; the broker keeps one consumer active. From RabbitMQ 4.0 on that is the one with
the highest priority, so the weights here are the assignment. Before 4.0 it is the first one, so a replica waits the
longer the less it prefers a partition, and a common start is shared out.
"""

import hashlib

TOP = 999
SPREAD = 1.5
"""Seconds between the most and the least eager subscription before RabbitMQ 4.0."""


def weight(replica: str, partition: str) -> int:
    """The consumer priority of a replica for a partition, 0 to 999, by rendezvous hashing."""
    digest = hashlib.blake2b(f"{replica}\0{partition}".encode(), digest_size=8).digest()
    return int.from_bytes(digest, "big") % (TOP + 1)


def delay(replica: str, partition: str, server_version: tuple[int, ...]) -> float:
    """Seconds to wait before subscribing: 0 where the broker heeds priorities."""
    if honours_priority(server_version):
        return 0.0
    return SPREAD * (TOP - weight(replica, partition)) / TOP


def honours_priority(server_version: tuple[int, ...]) -> bool:
    """Whether a single active consumer of higher priority takes over (from RabbitMQ 4.0); no for an unknown version."""
    return server_version >= (4,)
