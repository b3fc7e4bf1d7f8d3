#!/bin/sh
# The task wipe: takes every trace of partitions, filesystems, LVM and RAID off the disks, and discards flash.
# It wants labctl.token=, as an install does: the bastion hands one out only to a machine that was told to be wiped.
# shellcheck source=kickstart/ram/lib.sh
. /usr/lib/labctl/lib.sh

[ -n "$LABCTL_TOKEN" ] || fail 'refusing to wipe: the kernel command line lacks labctl.token=' ''

# What lsblk calls a disk, without read-only ones, and without removable ones: this may have been started from one.
disks() {
  lsblk --nodeps --noheadings --paths --output NAME,TYPE,RO,RM | while read -r name kind; do
    [ "$(printf '%s' "$kind" | tr -s ' ')" = 'disk 0 0' ] || continue
    case $name in /dev/loop* | /dev/ram* | /dev/zram* | /dev/fd* | /dev/nbd*) continue ;; esac
    printf '%s\n' "$name"
  done
}

vgchange --activate n >/dev/null 2>&1
mdadm --stop --scan >/dev/null 2>&1
failed=''
for disk in $(disks); do
  say "wiping $disk ($(lsblk --nodeps --noheadings --output SIZE,MODEL "$disk"))"
  for part in $(lsblk --list --noheadings --paths --output NAME "$disk" | tail -n +2); do
    mdadm --zero-superblock "$part" >/dev/null 2>&1
    wipefs --all --force --quiet "$part" || failed="$failed $part"
  done
  mdadm --zero-superblock "$disk" >/dev/null 2>&1
  wipefs --all --force --quiet "$disk" || failed="$failed $disk"
  # GPT keeps a second copy at the end, which wipefs knows, and boot loaders live before the first partition, which it does not
  dd if=/dev/zero of="$disk" bs=1M count=4 conv=fsync 2>/dev/null || failed="$failed $disk"
  blkdiscard --force "$disk" 2>/dev/null
  blockdev --rereadpt "$disk" 2>/dev/null
done
if [ -n "$failed" ]; then
  printf 'could not be wiped:%s\n' "$failed" >/run/labctl/reason
  exit 1
fi
say 'every disk is wiped'
[ "$LABCTL_AFTER" != poweroff ] || restart poweroff
restart reboot
