"""Who sends how: organisations, their settings and secrets, and the settings of the process. Never imports consumer."""
