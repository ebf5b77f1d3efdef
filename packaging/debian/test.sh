#!/bin/bash
# Tests the Debian package on a clean Debian 12, without network: first in a root where no systemd runs, as when an image
# is built, then on a booted one. Needs root, debootstrap, systemd-container and some minutes; changes nothing outside
# its temporary folder.
#
#     sudo PYTHON=.venv/bin/python packaging/debian/test.sh dist/edge-agent_0.1.0_amd64.deb
#
# PYTHON is one that has the package onnx, for the model. TEST_ROOT=DIR keeps the bare Debian there for the next run.
set -euo pipefail

package=$(realpath "${1:?usage: test.sh edge-agent_VERSION_amd64.deb}")
here=$(realpath "$(dirname "$0")")
work=$(mktemp -d /var/tmp/edge-agent-test-XXXXXX)
base=${TEST_ROOT:-$work/base}
root=$work/root
leader=

clean_up() {
  [ -z "$leader" ] || kill -KILL "$leader" 2>/dev/null || true
  [ -z "${nspawn:-}" ] || wait "$nspawn" 2>/dev/null || true
  rm -rf "$work"
}
trap clean_up EXIT

step() { echo "== $*"; }
fail() { echo "FAILED: $*" >&2; exit 1; }
check() { local what=$1; shift; if "$@" >"$work/said" 2>&1; then echo "   ok: $what"; else cat "$work/said"; fail "$what"; fi; }
refute() { local what=$1; shift; if "$@" >"$work/said" 2>&1; then cat "$work/said"; fail "$what"; else echo "   ok: $what"; fi; }
says() { grep -qF -- "$1" "$work/said" || { cat "$work/said"; fail "no '$1' in what it said"; }; }
until_true() { local what=$1; shift; for _ in {1..600}; do "$@" >"$work/said" 2>&1 && { echo "   ok: $what"; return; }; sleep 0.1; done; cat "$work/said"; fail "$what"; }

# A root for one part of the test: the bare Debian, our package and its next version, a model, a client.
fresh_root() {
  rm -rf "$root"
  cp -a "$base" "$root"
  mkdir "$root/test"
  cp "$package" "$root/test/first.deb"
  cp "$work/second.deb" "$root/test/"
  cp "$here/test_client.py" "$work/model.onnx" "$root/test/"
}

step "a bare Debian 12"
if [ ! -d "$base" ]; then
  debootstrap --include=python3.11,systemd-sysv,dbus bookworm "$base" >"$work/debootstrap.log" 2>&1 || { tail "$work/debootstrap.log"; fail debootstrap; }
fi

step "the next version of the package"
dpkg-deb --raw-extract "$package" "$work/second"
# Both its version and a file, so that it can be told whether the new one runs; the default configuration changes as well.
sed -i 's/^Version: \(.*\)/Version: \1+next/' "$work/second/DEBIAN/control"
sed -i 's/__version__ = "\(.*\)"/__version__ = "\1+next"/' "$work"/second/usr/lib/edge-agent/lib/python*/site-packages/edge_agent/version.py
echo '# A line of the next version.' >>"$work/second/etc/edge-agent/config.toml"
dpkg-deb --root-owner-group -Znone --build "$work/second" "$work/second.deb" >/dev/null
rm -rf "$work/second"
version=$(dpkg-deb --field "$package" Version)
"${PYTHON:-python3}" "$here/test_model.py" >"$work/model.onnx"

####################################################################################################
# Where no systemd runs

in_root() { unshare --net --mount --pid --fork --mount-proc="$root/proc" chroot "$root" env -i PATH=/usr/sbin:/usr/bin:/sbin:/bin HOME=/root "$@"; }
# The daemon, the loopback of a network without any, and what is tried with it, as the service's user.
with_daemon() {
  in_root sh -c 'mount -t tmpfs -o mode=1777 tmpfs /dev/shm
    as="setpriv --reuid edge-agent --regid edge-agent --init-groups"
    $as edge-agent serve 2>/test/log & daemon=$!
    status=0; $as "$@" || status=$?
    kill $daemon; wait $daemon || status=$?; cat /test/log; exit $status' - "$@"
}

step "installation where no systemd runs, without network"
fresh_root
printf '#!/bin/sh\nexit 101\n' >"$root/usr/sbin/policy-rc.d"; chmod +x "$root/usr/sbin/policy-rc.d"
check "it installs" in_root dpkg --install /test/first.deb
check "nothing is missing" in_root dpkg --audit
[ ! -s "$work/said" ] || { cat "$work/said"; fail "dpkg --audit"; }
check "the user is a system user" in_root sh -c '[ "$(id -u edge-agent)" -lt 1000 ] && id -nG edge-agent'
says edge-agent; says video
check "folders" in_root stat -c '%a %U:%G %n' /var/lib/edge-agent /var/lib/edge-agent/models /var/lib/edge-agent/registry
says '755 edge-agent:edge-agent /var/lib/edge-agent'; says '2775 edge-agent:edge-agent /var/lib/edge-agent/models'; says '2775 edge-agent:edge-agent /var/lib/edge-agent/registry'
check "the service is enabled" test -L "$root/etc/systemd/system/multi-user.target.wants/edge-agent.service"
check "the command" in_root edge-agent --version
says "$version"
check "doctor" in_root runuser -u edge-agent -- edge-agent doctor
echo "       installed: $(du -sm "$root/usr/lib/edge-agent" | cut -f1) MB with byte code"

step "serving as the service's user"
check "a member of the group adds a model" in_root sh -c 'useradd --create-home -G edge-agent member && runuser -u member -- /usr/lib/edge-agent/bin/python3 /test/test_client.py add'
check "verdicts" with_daemon /usr/lib/edge-agent/bin/python3 /test/test_client.py verdict
says 'normal'; says 'anomalous'

step "upgrade"
echo '# A line of the administrator.' >>"$root/etc/edge-agent/config.toml"
check "it upgrades" in_root dpkg --force-confold --install /test/second.deb
check "the new version is there" in_root edge-agent --version
says "$version+next"
check "the administrator's configuration is kept" grep -q 'line of the administrator' "$root/etc/edge-agent/config.toml"
check "the models are kept, and the started one comes back" with_daemon /usr/lib/edge-agent/bin/python3 /test/test_client.py resumed

step "removal and purge"
check "it is removed" in_root dpkg --remove edge-agent
check "the models stay" test -f "$root/var/lib/edge-agent/models/echo/1.0.0/model.onnx"
check "what was running stays" test -f "$root/var/lib/edge-agent/running.json"
check "the configuration stays" test -f "$root/etc/edge-agent/config.toml"
refute "the program is gone, byte code included" test -e "$root/usr/lib/edge-agent"
check "it is installed again" in_root dpkg --force-confold --install /test/first.deb
check "it is purged" in_root dpkg --purge edge-agent
for path in /var/lib/edge-agent /etc/edge-agent /usr/lib/edge-agent /usr/share/doc/edge-agent; do
  refute "$path is gone" test -e "$root$path"
done
check "nothing else is left" in_root sh -c '! find / -xdev -name "*edge-agent*" -not -path "/test/*" -not -path "/proc/*" -not -path "/var/mail/*" | grep .'

####################################################################################################
# Where systemd runs

in_system() { nsenter --target "$leader" --all env -i PATH=/usr/sbin:/usr/bin:/sbin:/bin HOME=/root "$@"; }
property() { in_system systemctl show edge-agent --property "$1" --value; }
as() { local user=$1; shift; in_system runuser -u "$user" -- /usr/lib/edge-agent/bin/python3 /test/test_client.py "$@"; }
boot() {
  # In the unified hierarchy of control groups, as Debian 12 boots.
  SYSTEMD_NSPAWN_UNIFIED_HIERARCHY=1 systemd-nspawn --quiet --directory="$root" --private-network --register=no --keep-unit \
    --console=pipe --boot </dev/null >"$work/console" 2>&1 &
  nspawn=$!
  for _ in {1..300}; do
    # nspawn's only child is the container's first process.
    leader=$(pgrep --parent "$nspawn" | head -1) && in_system systemctl is-system-running --wait >/dev/null 2>&1 && return
    sleep 0.1
  done
  cat "$work/console"; fail "the system does not boot"
}

step "a booted system, without network"
fresh_root
# As a device that is not an image builder's.
rm -f "$root/usr/sbin/policy-rc.d"
boot
check "it installs" in_system dpkg --install /test/first.deb
check "the service runs" in_system systemctl is-active edge-agent
[ "$(property NotifyAccess)/$(property Type)/$(property WatchdogUSec)" = main/notify/30s ] || fail "the unit is another one"
check "its status" in_system systemctl status --no-pager edge-agent
says 'Status: "0 of 0 models RUNNING"'
check "its log is in the journal" in_system journalctl --no-pager -u edge-agent
says 'serving on unix:///tmp/aws.iot.lookoutvision.EdgeAgent.sock'
check "exposure" in_system systemd-analyze security --threshold=20 --no-pager edge-agent
echo "       $(tail -1 "$work/said")"
check "the socket" in_system stat -c '%a %U:%G' /tmp/aws.iot.lookoutvision.EdgeAgent.sock
says '660 edge-agent:edge-agent'

step "other users"
in_system useradd --create-home -G edge-agent member
in_system useradd --create-home stranger
check "a member of the group adds a model" as member add
until_true "it is noticed" as member listed
check "a member's pictures, in shared memory that all may open" as member verdict
says normal; says anomalous
check "in shared memory that belongs to the group, mode 0660" as member segment group
check "in shared memory of mode 0666" as member segment all
refute "not in shared memory that only the member may open" as member segment own
says 'may not be opened for reading'
refute "a stranger is refused" as stranger listed
check "the status says that the model runs" in_system sh -c 'sleep 6; systemctl status --no-pager edge-agent'
says '1 of 1 models RUNNING'

step "what the service can't do"
main=$(property MainPID)
worker=$(in_system pgrep --parent "$main" --full serving.workers.process)
check "daemon and worker run as the service's user" in_system sh -c "stat -c %U /proc/$main /proc/$worker | sort -u"
[ "$(cat "$work/said")" = edge-agent ] || fail "$(cat "$work/said")"
check "without capabilities, without new ones" in_system grep -E '^(CapEff|CapBnd|NoNewPrivs|Seccomp):' "/proc/$worker/status"
says $'CapBnd:\t0000000000000000'; says $'NoNewPrivs:\t1'; says $'Seccomp:\t2'
refute "the worker can't speak to systemd" in_system grep -aE 'NOTIFY_SOCKET|WATCHDOG' "/proc/$worker/environ"
check "no more warnings than none" in_system sh -c '! journalctl --no-pager -u edge-agent -o cat | grep -E "WARNING|ERROR|Permission|not permitted"'

step "the studio"
refute "it is not started by the installation" in_system systemctl is-active edge-agent-studio
check "it is switched on" in_system systemctl enable --now edge-agent-studio
ask='import sys, urllib.request; sys.stdout.write(urllib.request.urlopen("http://127.0.0.1:8501" + sys.argv[1], timeout=5).read().decode())'
studio() { in_system /usr/lib/edge-agent/bin/python3 -c "$ask" "$1"; }
until_true "it answers" studio /api/here
check "its first page" studio /
says '<title>'
check "it reaches the agent, and may read its records" studio /api/dashboard
says '"state":"ok"'
check "it knows the device's models" studio /api/device
says echo
check "exposure" in_system systemd-analyze security --threshold=30 --no-pager edge-agent-studio
echo "       $(tail -1 "$work/said")"
check "its folder is its own" in_system stat -c '%U:%G' /var/lib/edge-agent/studio
says edge-agent:edge-agent
studio_main=$(in_system systemctl show edge-agent-studio --property MainPID --value)
echo "       memory: $(in_system sh -c "grep VmRSS /proc/$studio_main/status" | tr -s '\t ' ' ')"

step "failures"
in_system kill -KILL "$worker"
until_true "a killed worker is started again" as member running
[ "$(property MainPID)" = "$main" ] || fail "the daemon did not stay"
check "the journal knows it as an error" in_system journalctl --no-pager -u edge-agent -o cat -p err
says 'model echo FAILED'
in_system kill -STOP "$main"
echo "   a daemon that hangs: systemd notices within 30 s"
until_true "it is killed and started again" in_system sh -c "[ \$(systemctl show edge-agent -p MainPID --value) != $main ] && systemctl is-active edge-agent"
check "by the watchdog" in_system journalctl --no-pager -u edge-agent
says 'Watchdog timeout'
until_true "the model comes back" as member running

step "upgrade"
main=$(property MainPID)
check "it upgrades" in_system dpkg --force-confold --install /test/second.deb
[ "$(property MainPID)" != "$main" ] || fail "the daemon was not restarted"
[ "$(in_system systemctl show edge-agent-studio --property MainPID --value)" != "$studio_main" ] || fail "the studio was not restarted"
until_true "the studio answers again" studio /api/here
check "the service runs" in_system systemctl is-active edge-agent
until_true "the model comes back" as member running
in_system systemctl stop edge-agent
check "a service that is stopped" in_system dpkg --install /test/second.deb
refute "stays stopped over an upgrade" in_system systemctl is-active edge-agent
in_system systemctl start edge-agent
until_true "the model comes back" as member running

step "removal and purge"
main=$(property MainPID)
check "it is removed" in_system dpkg --remove edge-agent
until_true "the studio has ended" in_system sh -c '! systemctl is-active edge-agent-studio'
refute "the daemon has ended" in_system test -e "/proc/$main"
refute "the socket is gone" in_system test -e /tmp/aws.iot.lookoutvision.EdgeAgent.sock
check "the models stay" in_system test -f /var/lib/edge-agent/models/echo/1.0.0/model.onnx
check "it is purged" in_system dpkg --purge edge-agent
refute "nothing is left" in_system sh -c 'ls -d /var/lib/edge-agent /etc/edge-agent /etc/systemd/system/*edge-agent* 2>/dev/null | grep .'
in_system systemctl poweroff || true

echo "All of it holds."
