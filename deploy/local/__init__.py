"""Servers and tools for one clone on one machine: everything they write is below ``.local/`` of that clone."""
