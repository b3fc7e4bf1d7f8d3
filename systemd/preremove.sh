#!/bin/sh
set -e
# $1: "remove" (deb) or 0 (rpm) when the package goes, "upgrade" or 1 when another version takes its place.
case "$1" in
  remove | 0)
    if [ -d /run/systemd/system ]; then
      systemctl disable --now labctl-standalone.service labctl-bastion.service labctl-labd.service labctl-agent.service || true
    else
      /usr/bin/labctl init bastion standalone stop >/dev/null 2>&1 || true
    fi
    ;;
esac
