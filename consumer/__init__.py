"""The RabbitMQ side: events in, outcomes out, and the programs that people run."""
