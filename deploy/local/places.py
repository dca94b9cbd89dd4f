"""Where things lie: everything local is below ``.local/`` of this clone, which git ignores."""

from pathlib import Path

CLONE = Path(__file__).resolve().parents[2]
LOCAL = CLONE / ".local"
NODES = LOCAL / "nodes"
NEWER_RABBITMQ = LOCAL / "rabbitmq4"
