# shellcheck shell=sh
# Shared by the scripts of the RAM environment.

# The value of NAME=value on the kernel command line, else the default. argument NAME DEFAULT
argument() {
  value=$2
  # the last one counts, as for the kernel's own arguments
  # shellcheck disable=SC2013 # words are what is wanted
  for word in $(cat /proc/cmdline); do
    case $word in "$1="*) value=${word#*=} ;; esac
  done
  printf '%s' "$value"
}

LABCTL_URL=$(argument labctl.url '')
LABCTL_MAC=$(argument labctl.mac '')
LABCTL_TASK=$(argument labctl.task discover)
# An order taken while waiting brings a token of its own.
LABCTL_TOKEN=${LABCTL_TOKEN:-$(argument labctl.token '')}
LABCTL_AFTER=$(argument labctl.after wait)
if [ -z "$LABCTL_MAC" ]; then
  # PXELINUX's way to say it: 01-52-54-00-12-34-56, 01 for Ethernet
  LABCTL_MAC=$(argument BOOTIF '' | sed 's/^01-//; s/-/:/g' | tr 'A-F' 'a-f')
fi
[ -n "$LABCTL_MAC" ] || LABCTL_MAC=$(cat /run/labctl/mac 2>/dev/null)
LABCTL_URL=${LABCTL_URL%/}
# Nobody but LVM itself makes the nodes of its volumes here (dmsetup(8)).
export DM_DISABLE_UDEV=1
export LABCTL_URL LABCTL_MAC LABCTL_TASK LABCTL_TOKEN LABCTL_AFTER

# The terminals the kernel writes to: serial lines and the screen alike.
consoles() {
  read -r active </sys/class/tty/console/active || active=console
  printf '%s\n' "$active" | sed 's/\btty0\b/tty1/'
}

# One line for whoever stands before the machine, on every console.
say() {
  for console in $(consoles); do
    printf '[%s] %s\r\n' "$(cut -d' ' -f1 /proc/uptime)" "$*" >"/dev/$console" 2>/dev/null
  done
}

# Puts the reason on every console with a shell under it, and restarts once one of those shells is left.
# fail WHAT DETAILS
fail() {
  left=/run/labctl/left.$$
  mkfifo "$left"
  for console in $(consoles); do
    {
      printf '\r\n\r\n  *** %s\r\n' "$1"
      [ -z "$2" ] || printf '%s\n' "$2" | sed 's/^/      /; s/$/\r/'
      printf '\r\n  This is a shell in memory; no disk is mounted. Leave it with exit to restart the machine.\r\n\r\n'
    } >"/dev/$console" 2>/dev/null
    (
      setsid --ctty --wait bash -i <"/dev/$console" >"/dev/$console" 2>&1
      echo left >"$left"
    ) &
  done
  read -r _ <"$left"
  restart reboot
}

# Ends the environment. restart reboot|poweroff
restart() {
  say "$1"
  sync
  sleep 1
  "$1" -f
  # only a kernel that cannot comes back here
  while :; do sleep 60; done
}

# Seconds to wait before attempt N of something: 1, 2, 4 … at most 30, with up to a second of jitter,
# so that a rack that was switched on at once does not ask at once.
backoff() {
  seconds=1
  step=1
  while [ "$step" -lt "$1" ] && [ "$seconds" -lt 30 ]; do
    seconds=$((seconds * 2))
    step=$((step + 1))
  done
  [ "$seconds" -le 30 ] || seconds=30
  printf '%d.%02d' "$seconds" "$(($(od -An -N2 -tu2 /dev/urandom) % 100))"
}

# One request, with limits on every wait. The answer's body goes to stdout; its status to /run/labctl/status.
request() {
  curl --silent --show-error --globoff --connect-timeout 10 --max-time 60 \
    --write-out '%{stderr}%{http_code}' --header 'Accept: application/json' "$@" 2>/run/labctl/status
}

# The HTTP status of the last request; 000 when none came.
status() {
  tail -c 3 /run/labctl/status 2>/dev/null
}

# What went wrong in the last request, in a line.
problem() {
  sed 's/[0-9][0-9][0-9]$//' /run/labctl/status 2>/dev/null | tail -n 1 | grep . || printf 'HTTP status %s' "$(status)"
}

# Reports nothing, but knows the time: a machine whose clock battery died would refuse certificates and stamp 1970.
set_clock() {
  [ -n "$LABCTL_URL" ] || return 0
  served=$(curl --silent --globoff --max-time 10 --head "$LABCTL_URL/" | tr -d '\r' | sed -n 's/^[Dd]ate: //p' | head -n 1)
  [ -z "$served" ] || date -u -D '%a, %d %b %Y %H:%M:%S GMT' -s "$served" >/dev/null 2>&1 || say "the server's date is unreadable: $served"
}
