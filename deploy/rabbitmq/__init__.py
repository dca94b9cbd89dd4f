"""What a RabbitMQ of its own needs for Mailroom: plug-ins, topology, users."""
