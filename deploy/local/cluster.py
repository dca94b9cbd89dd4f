"""Several private RabbitMQ nodes as one cluster, for tests of fail-over: they share cookie and epmd."""

from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from typing import Self

from deploy.local.installation import Installation
from deploy.local.lifetime import Server
from deploy.local.node import PrivateNode


class PrivateCluster(Server):
    """``size`` nodes that know each other; every one can be stopped, killed and frozen by itself.

    It takes about fifteen seconds to start. Blocking; use it as a context manager.
    """

    def __init__(
        self, size: int = 3, *, installation: Installation | None = None, settings: tuple[str, ...] = ()
    ) -> None:
        self._size = size
        self._settings = settings
        self.nodes: tuple[PrivateNode, ...] = (PrivateNode(installation=installation, settings=settings),)

    def start(self) -> Self:
        """Starts the first node, then the others at once, then has them join it one after the other.

        Raises:
            NodeFailed: a node did not start or could not join.
        """
        first = self.nodes[0].start()
        others = [PrivateNode(like=first, settings=self._settings) for _ in range(1, self._size)]
        self.nodes = (first, *others)
        _at_once(node.start for node in others)
        for node in others:
            node.stop_app()
            node.ctl("join_cluster", first.name)
            node.start_app()
        return self

    def amqp_urls(self, vhost: str = "/") -> tuple[str, ...]:
        """The addresses of all nodes."""
        return tuple(node.amqp_url(vhost) for node in self.nodes)

    def add_vhost(self, name: str) -> tuple[str, ...]:
        """Makes a virtual host and returns its addresses."""
        self.nodes[0].add_vhost(name)
        return self.amqp_urls(name)

    def close(self) -> None:
        """Kills all nodes and throws their data away; the first last, because its epmd serves them all."""
        for node in reversed(self.nodes):
            node.close()


def _at_once(calls: Iterable[Callable[[], object]]) -> None:
    with ThreadPoolExecutor(max_workers=8) as pool:
        for running in [pool.submit(call) for call in calls]:
            running.result()
