#!/bin/sh
# Runs as preseed/early_command in Debian's installer, once the network is up.

BASTION_URL={{url}}
BASTION_TOKEN={{token}}
{{> lib/report.sh}}
{{> lib/disk.sh}}

bastion_start early
bastion_follow syslog /var/log/syslog
# A step that fails leaves the installer at its menu on the console, waiting for somebody.
bastion_watch /var/log/syslog \
  "s/.* main-menu.*: Menu item '\([^']*\)' failed.*/the installer's step '\1' failed, its menu waits on the console/p"

# preseed/late_command comes before drivers' packages, the initramfs with them and the installer's own network
# configuration; this comes after them, and before all is unmounted (95umount). 10 goes back to the menu instead of
# starting half a system.
mkdir -p /usr/lib/finish-install.d
printf '#!/bin/sh\nsh /tmp/labctl/late.sh || exit 10\n' >/usr/lib/finish-install.d/93labctl
chmod +x /usr/lib/finish-install.d/93labctl

bastion_stage network
bastion_log "kernel $(uname -r), Debian {{os.release|word}} installer"

bastion_stage hardware
disk_describe | while read -r line; do bastion_log "$line"; done
