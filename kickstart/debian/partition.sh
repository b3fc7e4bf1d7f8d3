#!/bin/sh
# Runs as partman/early_command in Debian's installer: lays out the disk, mounts it at /target, writes its
# fstab, and tells partman that there is nothing left to do. Partman cannot keep a volume by its name.

BASTION_URL={{url}}
BASTION_TOKEN={{token}}
{{> lib/report.sh}}
{{> lib/disk.sh}}
{{> lib/layout.sh}}

target_mount() {
  mkdir -p "/target$2"
  mount -t "$3" "$1" "/target$2"
}

fstab_line() { printf 'UUID=%s %s %s %s 0 %s\n' "$(blkid -o value -s UUID "$1")" "$2" "$3" "$4" "$5"; }

# Partman's steps after this one are plug-ins; with these it finds its work done and leaves.
partman_is_done() {
  for _step in /lib/partman/init.d/* /lib/partman/display.d/* /lib/partman/check.d/* /lib/partman/commit.d/* /lib/partman/finish.d/*; do
    case $_step in
      */01early_command) ;;
      *) chmod -x "$_step" ;;
    esac
  done
  mkdir -p /lib/partman/display.d
  printf '#!/bin/sh\nexit 100\n' >/lib/partman/display.d/99labctl
  chmod +x /lib/partman/display.d/99labctl
}

# grub-installer lists /target/proc under `set -e`, and busybox's ls fails when a process ends while it looks: one of
# our sender's may. And it has os-prober look for systems on every disk: with many that takes long, and none is wanted.
mend_grub_installer() {
  [ ! -e /usr/bin/grub-installer ] ||
    sed -i -e 's/(ls .ROOT.proc/& || :/' -e 's/^os-prober >/true >/' /usr/bin/grub-installer
}

bastion_start partition

bastion_stage disk-select
disk_select "$layout_min_bytes" || bastion_fail "$disk_problem. There are: $(disk_describe)"
bastion_log "chosen: $disk"

bastion_stage disk-wipe
for module in dm-mod ext4 vfat; do modprobe "$module" || bastion_log "no module $module"; done
layout_inspect "$disk"
layout_check "$disk"
layout_release "$disk"
layout_wipe_disk "$disk"

bastion_stage partition
layout_packages "$disk"
mkfs.ext4 -F -q -L root "$dev_root"
mkfs.ext4 -F -q -L boot "$part_boot"
mkfs.fat -F 32 "$part_esp"
if [ "$data_is_new" = yes ]; then mkfs.ext4 -F -q -L "$layout_data" "$dev_data"; fi
target_mount "$dev_root" "" ext4
target_mount "$part_boot" /boot ext4
if [ -d /sys/firmware/efi ]; then target_mount "$part_esp" /boot/efi vfat; fi
if [ -n "$dev_data" ]; then target_mount "$dev_data" "$layout_data_mount" ext4; fi
mkdir -p /target/etc
{
  printf '%s / ext4 errors=remount-ro 0 1\n' "$dev_root"
  fstab_line "$part_boot" /boot ext4 defaults 2
  if [ -d /sys/firmware/efi ]; then fstab_line "$part_esp" /boot/efi vfat umask=0077 1; fi
  if [ -n "$dev_data" ]; then fstab_line "$dev_data" "$layout_data_mount" ext4 defaults,noatime 2; fi
} >/target/etc/fstab
cat /target/etc/fstab
debconf-set grub-installer/bootdev "$disk"
printf '%s\n' "$disk" >/tmp/labctl/disk
partman_is_done
mend_grub_installer

bastion_stage packages
