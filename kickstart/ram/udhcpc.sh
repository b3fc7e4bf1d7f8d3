#!/bin/sh
# What udhcpc calls with each change of the lease.
# shellcheck disable=SC2154 # udhcpc sets interface, ip, mask, router, dns, domain, mtu
case $1 in
  deconfig)
    ip -4 addr flush dev "$interface"
    ip link set "$interface" up
    ;;
  bound | renew)
    ip -4 addr replace "$ip/$mask" broadcast + dev "$interface"
    [ -z "$mtu" ] || ip link set "$interface" mtu "$mtu"
    for gateway in $router; do
      ip -4 route replace default via "$gateway" dev "$interface" onlink
      break
    done
    {
      [ -z "$domain" ] || printf 'search %s\n' "$domain"
      for server in $dns; do printf 'nameserver %s\n' "$server"; done
    } >/etc/resolv.conf
    ;;
esac
