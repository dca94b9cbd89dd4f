"""What is to be remembered of lanes, until a transaction of the ledger has taken it along."""

from collections.abc import Callable, Mapping, Sequence

from config.logs import get_logger
from config.store_ledger_rows import LANE_LENGTH

log = get_logger(__name__)


class LaneMemory:
    """``also`` gives lanes that have changed since it was last called, with what is to be remembered of each."""

    def __init__(self, also: Callable[[], Sequence[tuple[str, bytes]]]) -> None:
        self._also = also
        self._unwritten: dict[str, bytes] = {}

    def __bool__(self) -> bool:
        return bool(self._unwritten)

    def collect(self) -> None:
        """Asks for changed lanes."""
        try:
            # What does not fit into the column would stop the records of all mails.
            self._unwritten.update((key, memory) for key, memory in self._also() if len(key) <= LANE_LENGTH)
        except Exception:  # a lane's pace after a hand-over is worth less than the record of one mail
            log.exception("the memory of lanes could not be collected")

    def unwritten(self) -> Mapping[str, bytes]:
        """What a transaction is to write."""
        return dict(self._unwritten)

    def written(self, lanes: Mapping[str, bytes]) -> None:
        """This was written; what has changed meanwhile was not."""
        for key, memory in lanes.items():
            if self._unwritten.get(key) is memory:
                del self._unwritten[key]

    def get(self, key: str) -> bytes | None:
        """What is not written yet of a lane."""
        return self._unwritten.get(key)
