#!/bin/sh
# Unpacks RabbitMQ 4 from a newer Debian suite below .local/, for tests on it: deploy/local/rabbitmq4.sh [SUITE]
# Root only. Nothing of the machine is changed: apt works with lists, a status and a cache of its own, from the
# mirror that the machine itself uses, and checks the suite's signature; no maintainer script runs.
set -eu
suite=${1:-trixie}
keyring=/usr/share/keyrings/debian-archive-keyring.gpg
cd "$(dirname "$0")/../.."
say() { echo "rabbitmq4: $*" >&2; }
fail() { say "$*"; exit 1; }

[ "$(id -u)" = 0 ] || fail "must be run by root"
command -v apt-get >/dev/null && command -v dpkg-deb >/dev/null || fail "needs Debian's apt and dpkg"
[ -r "$keyring" ] || fail "the keys of Debian's archive are missing: apt-get install debian-archive-keyring"
codename=$(. /etc/os-release && echo "${VERSION_CODENAME:-}")

target=$PWD/.local/rabbitmq4
[ "$suite" = trixie ] || target=$target-$suite
if [ -d "$target/usr/lib/rabbitmq/bin" ]; then
    say "already unpacked: $(ls "$target/usr/lib/rabbitmq/lib")"
    exit 0
fi
mirror=$(apt-get indextargets --format '$(RELEASE) $(COMPONENT) $(REPO_URI)' 'Created-By: Packages' |
    awk -v release="$codename" '$1 == release && $2 == "main" { print $3; exit }')
[ -n "$mirror" ] || fail "found no source of Debian $codename in this machine's apt configuration"

work=$PWD/.local/rabbitmq4.work.$$
trap 'rm -rf "$work"' EXIT
trap 'exit 130' INT TERM
mkdir -p "$work/state/lists/partial" "$work/cache/archives/partial" "$work/etc" "$work/log" "$work/root"
: >"$work/state/status"
echo "deb [signed-by=$keyring] $mirror $suite main" >"$work/etc/sources.list"
{
    apt-config dump | grep '^Acquire::' || true # proxies and the like
    cat <<CONF
APT::Sandbox::User "root";
APT::Install-Recommends "false";
Dir::State "$work/state";
Dir::State::status "$work/state/status";
Dir::Cache "$work/cache";
Dir::Log "$work/log";
Dir::Etc "$work/etc";
Dir::Etc::Parts "/dev/null";
Dir::Etc::SourceParts "/dev/null";
CONF
} >"$work/apt.conf"
export APT_CONFIG="$work/apt.conf" LC_ALL=C.UTF-8 DEBIAN_FRONTEND=noninteractive

say "reading the package lists of $suite …"
apt-get -qq update || fail "could not read the package lists of $suite (is its key in $keyring?)"
say "fetching the packages …"
apt-get -qq -y --download-only install rabbitmq-server base-files bash dash coreutils sed grep mawk procps util-linux \
    findutils libc-bin hostname >"$work/log/fetch" 2>&1 || { tail -n 5 "$work/log/fetch" >&2; fail "could not fetch them"; }

say "unpacking …"
root=$work/root
# base-files first: it brings /bin, /lib and /sbin as links into /usr.
for package in "$work"/cache/archives/base-files_*.deb "$work"/cache/archives/*.deb; do
    dpkg-deb --fsys-tarfile "$package" | tar -x -C "$root" --keep-directory-symlink
done
# What maintainer scripts would have made.
ln -sf mawk "$root/usr/bin/awk"
mkdir -p "$root/etc" "$root/proc" "$root/dev" "$root/tmp"
echo "127.0.0.1 localhost" >"$root/etc/hosts"
echo "root:x:0:0:root:/root:/bin/sh" >"$root/etc/passwd"
echo "root:x:0:" >"$root/etc/group"
echo "hosts: files" >"$root/etc/nsswitch.conf"
mv "$root" "$target"
say "unpacked: $(ls "$target/usr/lib/rabbitmq/lib")"
