#!/bin/sh
# The task install: fetch this install's script with its one-time token and run it. The script reports its own stages;
# here only what it cannot say itself is said: that it could not be had, or that it died.
# shellcheck source=kickstart/ram/lib.sh
. /usr/lib/labctl/lib.sh

script=/run/labctl/install-script
export LABCTL_TOKEN LABCTL_URL LABCTL_MAC

# The script tells of its own failures (kickstart/lib/report.sh) and leaves this mark when it did.
told=/run/labctl-report/failed

# report_failure MESSAGE: a few attempts, more would not help. The number is beyond any the script uses.
report_failure() {
  jq --null-input --compact-output --arg message "$1" \
    '{seq: 1000000, stage: "boot", state: "failed", message: $message[0:1500]}' >/run/labctl/failure.json
  attempt=1
  while [ "$attempt" -le 6 ]; do
    request --request POST --header "Authorization: Bearer $LABCTL_TOKEN" \
      --header 'Content-Type: application/json' --data-binary @/run/labctl/failure.json \
      --output /dev/null "$LABCTL_URL/api/progress" && [ "$(status)" -lt 500 ] && return 0
    sleep "$(backoff "$attempt")"
    attempt=$((attempt + 1))
  done
  say "the failure could not be reported: $(problem)"
}

fetch() {
  request --output "$script.part" "$LABCTL_URL/install/$LABCTL_TOKEN/install.sh"
}

if [ -z "$LABCTL_URL" ] || [ -z "$LABCTL_TOKEN" ]; then
  fail 'the kernel command line lacks labctl.url= or labctl.token=' 'an install is only started by the bastion'
fi

say 'fetching the install script'
attempt=1
until fetch && [ "$(status)" = 200 ]; do
  case $(status) in
    # it was fetched before, or its time is over: asking again cannot help
    401 | 403 | 404 | 409 | 410)
      fail "the bastion refuses this install's script (HTTP status $(status))" \
        "$(head -c 600 "$script.part" 2>/dev/null; printf '\nqueue it again: labctl provision install %s …' "$LABCTL_MAC")"
      ;;
  esac
  if [ "$attempt" -ge 20 ]; then
    report_failure "the install script cannot be fetched: $(problem)"
    fail "the install script cannot be fetched: $(problem)" "$LABCTL_URL did not answer in $attempt attempts"
  fi
  say "the install script is not to be had ($(problem)), attempt $attempt"
  sleep "$(backoff "$attempt")"
  attempt=$((attempt + 1))
done
mv "$script.part" "$script"
chmod 0700 "$script"

# Its words go to the consoles and to a file whose tail tells why it died.
log=/run/labctl/install.log
mkfifo /run/labctl/install.pipe
tee "$log" </run/labctl/install.pipe | while IFS= read -r line; do say "$line"; done &
"$script" >/run/labctl/install.pipe 2>&1 </dev/null
status=$?
# for the last lines to be read; what the script left running may hold the pipe open for ever
sleep 1
if [ "$status" -ne 0 ]; then
  reason=$(tail -n 15 "$log")
  [ -e "$told" ] || report_failure "the install script ended with status $status: $(printf '%s' "$reason" | tail -n 3)"
  fail "the install failed: its script ended with status $status" "$reason"
fi
say 'installed'
restart reboot
