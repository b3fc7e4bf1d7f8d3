#!/bin/sh
# Brings up the interface the machine booted from (labctl.mac= or BOOTIF=), else the first that gets an address.
# shellcheck source=kickstart/ram/lib.sh
. /usr/lib/labctl/lib.sh

log=/run/labctl/network
: >"$log"

# Interfaces with hardware behind them.
interfaces() {
  for path in /sys/class/net/*; do
    [ -e "$path/device" ] && [ "$(cat "$path/type")" = 1 ] && basename "$path"
  done
}

named() {
  for interface in $(interfaces); do
    [ "$(cat "/sys/class/net/$interface/address")" != "$LABCTL_MAC" ] || printf '%s' "$interface"
  done
}

# A NIC that loads its firmware shows up late. wait_for COMMAND, at most half a minute
wait_for() {
  tries=0
  while [ -z "$($1)" ] && [ "$tries" -lt 30 ]; do
    tries=$((tries + 1))
    sleep 1
  done
}

# Half a minute at a time: spanning tree keeps a port silent for as long, and a lossy network eats half of it.
lease() {
  udhcpc -i "$1" -n -t 10 -T 3 -V labctl-ram -p "/run/labctl/udhcpc.$1" \
    -s /usr/lib/labctl/udhcpc.sh >>"$log" 2>&1
}

chosen=''
if [ -n "$LABCTL_MAC" ]; then
  wait_for named
  chosen=$(named)
fi
if [ -n "$LABCTL_MAC" ] && [ -z "$chosen" ]; then
  say "no network card here has the address $LABCTL_MAC: trying every card"
fi
[ -n "$chosen" ] || wait_for interfaces

# All of them, not only the chosen: links, speeds and LLDP neighbours are part of the report.
for interface in $(interfaces); do
  ip link set "$interface" up 2>>"$log"
done

round=1
while [ "$round" -le 10 ]; do
  for interface in ${chosen:-$(interfaces)}; do
    say "asking for an address on $interface ($(cat "/sys/class/net/$interface/address")), round $round"
    if lease "$interface"; then
      cat "/sys/class/net/$interface/address" >/run/labctl/mac
      say "$interface: $(ip -4 -o addr show dev "$interface" | sed -n 's/.*inet \([^ ]*\).*/\1/p')"
      exit 0
    fi
  done
  [ -n "$(interfaces)" ] || say 'no network card was found: is its driver in this kernel?'
  sleep "$(backoff "$round")"
  round=$((round + 1))
done
say 'no DHCP server answered'
exit 1
