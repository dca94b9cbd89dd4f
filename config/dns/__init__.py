"""What the public records of a sender's domain say about mail that an organisation sends through its own server.

Only looks: SPF, DKIM, DMARC and MX records are asked for, judged and explained. Whether a mail really passes is for
recipients' servers to say. The way in is :class:`config.dns.checks.DomainChecks`.
"""
