#!/bin/sh
# Runs as preseed/early_command in Debian's installer, once the network is up.

BASTION_URL={{url}}
BASTION_TOKEN={{token}}
{{> lib/report.sh}}
{{> lib/disk.sh}}

bastion_start early
bastion_follow syslog /var/log/syslog

bastion_stage network
bastion_log "kernel $(uname -r), Debian {{os.release|word}} installer"

bastion_stage hardware
disk_describe | while read -r line; do bastion_log "$line"; done
