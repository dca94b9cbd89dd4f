"""What a person meets who runs a command of ours: the text says what happened, where, and what to do next.

::

    OperatorError
    ├─ BrokerUnavailable      (topology_connection)
    ├─ TopologyMismatch       (topology)
    └─ TopologyForbidden      (topology)
"""


class OperatorError(Exception):
    """Its text is for a person and holds no secret; the command line shows it as it is."""
