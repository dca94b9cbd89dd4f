"""Connecting an organisation's account by OAuth, and keeping its tokens fresh."""
