"""The configuration of a private Postfix; pure text.

Everything mail comes to ends in one maildir, whatever its domain. What a recipient is answered is asked of a policy
service (SMTPD_POLICY_README), so that a test can change it from one moment to the next. Cyrus SASL is configured in
``etc/sasl``: Debian's Postfix looks there whatever ``cyrus_sasl_config_path`` says.
"""

from pathlib import Path

QUEUES = (
    *("active", "bounce", "corrupt", "defer", "deferred", "flush", "hold", "incoming", "private", "public", "saved"),
    *("trace", "pid", "maildrop"),
)
REALM = "mailroom.test"

_MAIN = """\
compatibility_level = 3.6
config_directory = {at}/etc
queue_directory = {at}/queue
data_directory = {at}/data
daemon_directory = /usr/lib/postfix/sbin
command_directory = /usr/sbin
shlib_directory = /usr/lib/postfix
mail_owner = postfix
setgid_group = postdrop
maillog_file = {at}/log
maillog_file_prefixes = {at}
inet_interfaces = 127.0.0.1
inet_protocols = ipv4
myhostname = localhost
mydestination =
local_recipient_maps =
alias_maps =
mynetworks =
biff = no
append_dot_mydomain = no
# Mails must arrive as they were sent: nothing is added or rewritten.
local_header_rewrite_clients =
message_size_limit = {size}
smtputf8_enable = yes
# The DNS-free way in: any domain is ours, any mailbox is the same one.
virtual_mailbox_domains = static:any
virtual_mailbox_maps = static:inbox/
virtual_mailbox_base = {at}/mail
virtual_mailbox_limit = 0
virtual_uid_maps = static:{uid}
virtual_gid_maps = static:{gid}
smtpd_tls_cert_file = {at}/tls/certificate.pem
smtpd_tls_key_file = {at}/tls/key.pem
smtpd_tls_auth_only = yes
smtpd_tls_loglevel = 1
smtpd_sasl_auth_enable = yes
smtpd_sasl_type = cyrus
smtpd_sasl_path = smtpd
cyrus_sasl_config_path = {at}/etc/sasl
smtpd_sasl_local_domain = {realm}
smtpd_sasl_security_options = noanonymous
smtpd_relay_restrictions = permit_sasl_authenticated, reject
smtpd_recipient_restrictions = check_policy_service inet:127.0.0.1:{policy}, permit_sasl_authenticated, reject
smtpd_client_connection_rate_limit = 0
smtpd_error_sleep_time = 0
smtpd_policy_service_max_idle = 10s
"""

_MASTER = """\
127.0.0.1:{submission} inet n - n - - smtpd
  -o smtpd_tls_security_level=encrypt
127.0.0.1:{smtps} inet n - n - - smtpd
  -o smtpd_tls_wrappermode=yes
cleanup unix n - n - 0 cleanup
qmgr unix n - n 300 1 qmgr
tlsmgr unix - - n 1000? 1 tlsmgr
rewrite unix - - n - - trivial-rewrite
bounce unix - - n - 0 bounce
defer unix - - n - 0 bounce
trace unix - - n - 0 bounce
verify unix - - n - 1 verify
flush unix n - n 1000? 0 flush
proxymap unix - - n - - proxymap
anvil unix - - n - 1 anvil
error unix - - n - - error
retry unix - - n - - error
discard unix - - n - - discard
virtual unix - n n - - virtual
postlog unix-dgram n - n - 1 postlogd
"""

_SASL = """\
pwcheck_method: auxprop
auxprop_plugin: sasldb
sasldb_path: {at}/etc/sasl/sasldb2
mech_list: PLAIN LOGIN
"""


def write(folder: Path, at: Path, *, ports: tuple[int, int, int], owner: tuple[int, int], size: int) -> None:
    """Writes the configuration into ``folder``, which Postfix finds at ``at``.

    ``ports`` are those of submission, smtps and the policy service, ``owner`` the user and group mail is kept for.
    """
    submission, smtps, policy = ports
    uid, gid = owner
    main = _MAIN.format(at=at, size=size, uid=uid, gid=gid, realm=REALM, policy=policy)
    (folder / "etc" / "main.cf").write_text(main, encoding="ascii")
    (folder / "etc" / "master.cf").write_text(_MASTER.format(submission=submission, smtps=smtps), encoding="ascii")
    (folder / "etc" / "sasl" / "smtpd.conf").write_text(_SASL.format(at=at), encoding="ascii")
