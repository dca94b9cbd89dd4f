"""Sending by the Gmail API, with Google's client as the builder of requests and our own session as their carrier.

``transport.py`` is the way in; ``settings.py`` has what it is given; ``reply_rules.py`` decides what a refusal means.
"""
