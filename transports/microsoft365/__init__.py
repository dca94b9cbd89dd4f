"""Sending by Microsoft Graph."""
