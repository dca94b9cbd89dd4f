"""``make rabbitmq4 ARGS=run``: a private node of the RabbitMQ 4 that was unpacked, until Ctrl-C; prints its address."""

import contextlib
import signal
import sys

from deploy.local.installation import Installation, ServerMissing
from deploy.local.node import NodeFailed, PrivateNode
from deploy.local.places import NEWER_RABBITMQ


def main() -> int:
    """The exit code."""
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    with contextlib.suppress(KeyboardInterrupt):
        try:
            with PrivateNode(installation=Installation(NEWER_RABBITMQ)) as node:
                print(f"RabbitMQ {node.installation.version} runs until Ctrl-C. To have the tests use it:\n")
                print(f"  MAILROOM_TEST_AMQP_URL={node.amqp_url()} \\")
                print(f"  MAILROOM_TEST_MANAGEMENT_URL={node.management_url} make test", flush=True)
                signal.pause()
        except (ServerMissing, NodeFailed) as error:
            print(error, file=sys.stderr)
            return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
