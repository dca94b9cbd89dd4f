"""Who is told that an organisation's settings changed; how they are told is not known here."""

from typing import Protocol


class ChangeNotifier(Protocol):
    """Tells the replicas at once. Nothing depends on it: their version check finds every change within 2 s."""

    def notify(self, organization: str, version: int) -> bool:
        """Returns whether the news went out; never raises for a broker that is away, and ends in a few seconds."""
        ...
