"""Sending one mail through one provider.

The leaf of the product: this package knows a mail and a provider, and nothing of RabbitMQ, organisations,
the database or the environment. See ``ADDING_A_TRANSPORT.md``.
"""
