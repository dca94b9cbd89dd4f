"""When mail that waits has waited long enough. Pure."""

from heapq import heappop, heappush

from consumer.lane_line import Place, Stand


class Cuts:
    """Moments at which mails are cut off if they still wait by then; those that do not are passed over."""

    def __init__(self) -> None:
        self._heap: list[tuple[float, int, Place]] = []
        self._count = 0

    def add(self, place: Place, at: float) -> None:
        """The mail waits until ``at``."""
        self._count += 1
        heappush(self._heap, (at, self._count, place))

    def next(self) -> float | None:
        """The first moment at which a mail that waits now is cut off."""
        while self._heap and not _waits(self._heap[0][2]):
            heappop(self._heap)
        return self._heap[0][0] if self._heap else None

    def past(self, now: float) -> list[Place]:
        """The mails whose moment has come; each is given once."""
        cut: list[Place] = []
        while self._heap and self._heap[0][0] <= now:
            place = heappop(self._heap)[2]
            if _waits(place):
                cut.append(place)
        return cut


def _waits(place: Place) -> bool:
    return place.stand is Stand.WAITING or place.stand is Stand.READY
