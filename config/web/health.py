"""Whether the process is alive and can serve: for whoever restarts it and for whoever sends it requests."""

from collections.abc import Awaitable, Callable

from fastapi import APIRouter, Request
from fastapi.responses import JSONResponse, Response

from config.errors import ConfigError
from config.web.services import services_of

router = APIRouter(include_in_schema=False)


class Readiness:
    """Whether the store answers; asked at most once in ``every`` seconds, however many ask here."""

    def __init__(
        self, look: Callable[[], Awaitable[object]], *, clock: Callable[[], float], every: float = 1.0
    ) -> None:
        self._look = look
        self._clock = clock
        self._every = every
        self._known: tuple[float, bool] | None = None

    async def __call__(self) -> bool:
        """``look`` raises a :class:`~config.errors.ConfigError` when the store does not answer."""
        now = self._clock()
        if self._known is None or now - self._known[0] >= self._every:
            self._known = (now, await self._holds())
        return self._known[1]

    async def _holds(self) -> bool:
        try:
            await self._look()
        except ConfigError:
            return False
        return True


@router.api_route("/livez", methods=["GET", "HEAD"])
async def livez() -> Response:
    """That the event loop answers; a database that is away is no reason to be killed."""
    return JSONResponse({"live": True})


@router.api_route("/readyz", methods=["GET", "HEAD"])
async def readyz(request: Request) -> Response:
    """Whether requests can be answered."""
    store = await services_of(request).ready()
    return JSONResponse({"ready": store, "checks": {"store": store}}, status_code=200 if store else 503)
