"""The sink as a process of its own, for machines without Postfix's smtp-sink: ``python -m tests.bench.sink PORT``."""

import signal
import sys

from tests.fakes.sink import Sink


def main() -> None:
    """Takes mails until it is ended, and keeps none."""
    with Sink(port=int(sys.argv[1])) as sink:
        while signal.sigtimedwait((signal.SIGTERM, signal.SIGINT), 1.0) is None:
            sink.taken.clear()


if __name__ == "__main__":
    main()
