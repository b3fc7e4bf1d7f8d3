#!/bin/sh
set -e
[ ! -d /run/systemd/system ] || systemctl daemon-reload
# Leases, machines and images stay until the package is purged; nobody purges an rpm.
if [ "$1" = purge ]; then
  rm -rf /var/lib/labctl /run/labctl
fi
