"""Sending by the Gmail API."""
