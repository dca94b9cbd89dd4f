"""``python -m consumer`` is the command ``mailroom``."""

from consumer.cli import main

main()
