"""Handing mails to an SMTP submission server, with aiosmtplib's protocol as the client.

``transport.py`` is the way in; ``settings.py`` has what it is given; ``replies.py`` decides what a reply means.
"""
