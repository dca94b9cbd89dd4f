"""Stand-ins for Microsoft 365 and Google, as strict as the real ones, for trying things out and for tests."""
