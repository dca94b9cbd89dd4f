"""What surrounds a running Mailroom: images, broker definitions, the lock, the local set-up. None of it is packaged."""
