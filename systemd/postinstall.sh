#!/bin/sh
set -e
if command -v systemd-sysusers >/dev/null 2>&1; then
  systemd-sysusers labctl.conf
else
  getent group labctl >/dev/null || groupadd --system labctl
  getent passwd labctl >/dev/null ||
    useradd --system --gid labctl --home-dir /var/lib/labctl --no-create-home --shell /usr/sbin/nologin labctl
  getent passwd labctl-agent >/dev/null ||
    useradd --system --home-dir /var/lib/labctl-agent --no-create-home --shell /usr/sbin/nologin labctl-agent
fi
# The key that seals the certificate authority is this host's own; it is made once and never replaced.
if [ ! -e /etc/labctl/ca.key ]; then
  (umask 077 && od -An -N32 -tx1 /dev/urandom | tr -d ' \n' >/etc/labctl/ca.key)
fi
chgrp labctl /etc/labctl /etc/labctl/ca.key
# An administrator may have removed it: the defaults hold then.
[ ! -e /etc/labctl/config.yaml ] || chgrp labctl /etc/labctl/config.yaml
chmod 0640 /etc/labctl/ca.key
if [ -d /run/systemd/system ]; then
  systemctl daemon-reload
  # An upgrade goes on with the new executable; a first install waits for its configuration.
  systemctl try-restart labctl-standalone.service labctl-bastion.service labctl-labd.service labctl-agent.service || true
fi
