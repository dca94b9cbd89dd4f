"""The small HTTP server of a consumer: ``/metrics``, ``/livez`` and ``/readyz``."""

from collections.abc import Awaitable, Callable, Mapping

from aiohttp import web

from consumer.metrics import CONTENT_TYPE, Metrics

Checks = Callable[[], Awaitable[Mapping[str, bool]]]


class HealthServer:
    """Serves until closed. ``ready`` answers each named check; the process is ready when all of them hold."""

    def __init__(self, metrics: Metrics, ready: Checks) -> None:
        self._metrics = metrics
        self._ready = ready
        application = web.Application()
        application.add_routes(
            [
                web.get("/metrics", self._serve_metrics),
                web.get("/livez", self._serve_livez),
                web.get("/readyz", self._serve_readyz),
            ]
        )
        self._runner = web.AppRunner(application, access_log=None)

    async def start(self, host: str, port: int) -> int:
        """Listens and returns the port, which the system chooses when ``port`` is 0. Raises OSError if it is taken."""
        await self._runner.setup()
        site = web.TCPSite(self._runner, host, port)
        await site.start()
        return int(self._runner.addresses[0][1])

    async def aclose(self) -> None:
        """Stops listening."""
        await self._runner.cleanup()

    async def _serve_metrics(self, _: web.Request) -> web.Response:
        return web.Response(body=self._metrics.exposition(), headers={"Content-Type": CONTENT_TYPE})

    async def _serve_livez(self, _: web.Request) -> web.Response:
        # That the event loop answers is what a liveness probe is for; a broker that is away is no reason to be killed.
        return web.json_response({"live": True})

    async def _serve_readyz(self, _: web.Request) -> web.Response:
        checks = dict(await self._ready())
        return web.json_response(
            {"ready": all(checks.values()), "checks": checks}, status=200 if all(checks.values()) else 503
        )
