#!/bin/sh
set -e
if command -v systemd-sysusers >/dev/null 2>&1; then
  systemd-sysusers labctl.conf
else
  getent group labctl >/dev/null || groupadd --system labctl
  getent passwd labctl >/dev/null ||
    useradd --system --gid labctl --home-dir /var/lib/labctl --no-create-home --shell /usr/sbin/nologin labctl
fi
chgrp labctl /etc/labctl /etc/labctl/config.yaml
if [ -d /run/systemd/system ]; then
  systemctl daemon-reload
  # An upgrade goes on with the new executable; a first install waits for its configuration.
  systemctl try-restart labctl-bastion.service || true
fi
