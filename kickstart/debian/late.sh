#!/bin/sh
# Runs as finish-install.d/93labctl in Debian's installer: the system is installed in /target, and nothing but its
# unmounting and the restart come after.

BASTION_URL={{url}}
BASTION_TOKEN={{token}}
{{> lib/report.sh}}
{{> lib/disk.sh}}
{{> lib/layout.sh}}
{{> lib/efi.sh}}
{{> lib/host.sh}}

root=/target

bastion_start late

bastion_stage configure
host_name
host_network
host_first_boot
{{#if agent}}
host_agent
{{/if}}

bastion_stage users
host_users

bastion_stage kubernetes-prerequisites
host_kubernetes

bastion_stage bootloader
[ -s /target/boot/grub/grub.cfg ] || bastion_fail 'the boot loader was not installed: there is no /boot/grub/grub.cfg'

bastion_stage efi-boot-order
if [ -d /sys/firmware/efi ]; then
  mount -t efivarfs efivarfs /sys/firmware/efi/efivars 2>/dev/null || bastion_log 'EFI variables are mounted already'
  # The tool is in the installed system, not in the installer.
  mount --bind /sys /target/sys 2>/dev/null || bastion_log '/target/sys is mounted already'
  mount -t efivarfs efivarfs /target/sys/firmware/efi/efivars 2>/dev/null || bastion_log 'EFI variables are seen in /target'
  efibootmgr() { chroot /target efibootmgr "$@"; }
  efi_network_first debian
else
  bastion_log 'no EFI: the order of the boot devices is up to the BIOS'
fi

bastion_stage verify
host_verify
sync

bastion_stage reboot
bastion_installed 'Debian {{os.release|word}}'
