#!/bin/sh
# The task discover: report what the machine is, then wait for orders or power off. Touches no disk.
# shellcheck source=kickstart/ram/lib.sh
. /usr/lib/labctl/lib.sh

report=/run/labctl/inventory.json
answer=/run/labctl/answer.json

# Neighbours announce themselves every 30 seconds: listen from now on, report without waiting for them.
/usr/lib/labctl/listen-lldp.sh

neighbours() {
  set -- /run/labctl/lldp/*.pcap
  if [ -e "$1" ]; then echo $#; else echo 0; fi
}

collect() {
  known=$(neighbours)
  LABCTL_SOURCE=ram /usr/lib/labctl/collect.sh >"$report"
}

post() {
  request --request POST --header 'Content-Type: application/json' --data-binary "@$report" \
    --output "$answer" "$LABCTL_URL/api/discover"
}

# Until it is accepted: a bastion that is restarting must not cost a discovery.
deliver() {
  attempt=1
  until post && [ "$(status)" -lt 300 ]; do
    case $(status) in
      4[0-9][0-9])
        if [ "$(status)" != 429 ] && [ "$(status)" != 408 ]; then
          { problem && head -c 600 "$answer"; } >/run/labctl/reason 2>/dev/null
          return 1
        fi
        ;;
    esac
    say "the report was not taken ($(problem)), attempt $attempt"
    sleep "$(backoff "$attempt")"
    attempt=$((attempt + 1))
  done
}

# Fields of an order. order FIELD
order() {
  jq --raw-output --arg field "$1" '.[$field] // empty | strings' "$answer" 2>/dev/null
}

ask() {
  request --get --data-urlencode "mac=$LABCTL_MAC" --output "$answer" "$LABCTL_URL/dispatch/orders"
}

obey() {
  case $(order order) in
    reboot) restart reboot ;;
    poweroff) restart poweroff ;;
    install)
      token=$(order token)
      # without a token the next boot gets one
      [ -n "$token" ] || restart reboot
      say 'an install was queued: starting it'
      LABCTL_TOKEN=$token exec /usr/lib/labctl/install.sh
      ;;
  esac
}

[ -n "$LABCTL_URL" ] || fail 'the kernel command line names no bastion' 'labctl.url=http://ADDRESS:PORT is missing'
say 'looking at this machine'
collect
deliver || exit 1
say "discovered: reported $(wc -c <"$report") bytes to $LABCTL_URL"

[ "$LABCTL_AFTER" != poweroff ] || restart poweroff
say 'waiting for orders'
round=0
failures=0
while :; do
  # 4 to 6 seconds, so that many machines spread out
  sleep "$((4 + $(od -An -N1 -tu1 /dev/urandom) % 2)).$(($(od -An -N1 -tu1 /dev/urandom) % 10))"
  round=$((round + 1))
  if ask && [ "$(status)" = 200 ]; then
    failures=0
    obey
  else
    failures=$((failures + 1))
    [ "$((failures % 12))" -ne 1 ] || say "no orders to be had ($(problem)): asking again"
  fi
  # by now every neighbour has spoken
  if [ "$round" -eq 8 ] && [ "$(neighbours)" -gt "$known" ]; then
    collect
    deliver || say "the report with the network neighbours was not taken: $(problem)"
  fi
done
