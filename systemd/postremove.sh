#!/bin/sh
set -e
[ ! -d /run/systemd/system ] || systemctl daemon-reload
# Leases, machines and images stay until the package is purged; nobody purges an rpm.
if [ "$1" = purge ]; then
  rm -rf /var/lib/labctl /var/lib/labctl-agent /run/labctl
  rm -f /etc/labctl/ca.key
  rmdir /etc/labctl 2>/dev/null || true
fi
