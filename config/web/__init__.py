"""The settings page and the JSON API: a process of its own that needs the database, and no broker's client.

``app.py`` puts it together, ``entrance.py`` decides who comes in, ``server.py`` runs it. Everything else is either a
page (``pages*.py``, ``views*.py``, ``templates/``) or a route of the API (``api*.py``).
"""
