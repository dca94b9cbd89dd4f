"""What all private servers have in common as context managers."""

from abc import ABC, abstractmethod
from types import TracebackType
from typing import Self


class Server(ABC):
    """Started on entry, closed on exit; a failed start leaves nothing behind either."""

    @abstractmethod
    def start(self) -> Self:
        """Starts it and waits until it is ready."""

    @abstractmethod
    def close(self) -> None:
        """Ends it and throws its data away; may be called twice."""

    def __enter__(self) -> Self:
        try:
            return self.start()
        except BaseException:
            self.close()
            raise

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()
