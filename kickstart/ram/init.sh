#!/bin/sh
# The first process of the RAM environment: mounts, drivers, network, time, then the task of the kernel command line.
# It touches no disk: no swap, no arrays assembled, no volume groups activated. Only a task that was told to does.

export PATH=/usr/sbin:/usr/bin:/usr/lib/busybox
export HOME=/root TERM=linux LC_ALL=C

/usr/bin/busybox mount -t proc proc /proc
/usr/bin/busybox mount -t sysfs sysfs /sys
/usr/bin/busybox mount -t devtmpfs -o mode=0755 devtmpfs /dev
/usr/bin/busybox mkdir -p /dev/pts /dev/shm
/usr/bin/busybox mount -t devpts -o gid=5,mode=0620 devpts /dev/pts
/usr/bin/busybox mount -t tmpfs -o mode=0755 tmpfs /run
/usr/bin/busybox mount -t tmpfs -o mode=1777 tmpfs /tmp
/usr/bin/busybox --install -s /usr/lib/busybox
ln -s /proc/self/fd /dev/fd
mkdir -p /run/labctl /run/lock /run/lvm

# shellcheck source=kickstart/ram/lib.sh
. /usr/lib/labctl/lib.sh
trap '' INT TSTP
hostname labctl-ram

say "labctl RAM environment, Linux $(uname -r), task: ${LABCTL_TASK}"

# A device node appears before its driver has finished: settle before anybody looks.
/usr/lib/systemd/systemd-udevd --daemon --resolve-names=never
udevadm trigger --action=add --type=subsystems
udevadm trigger --action=add --type=devices
udevadm settle --timeout=60
# Those that no device asks for by name.
for module in efivarfs ipmi_devintf dm_mod loop af_packet virtio_rng; do
  modprobe -q "$module"
done
if [ -d /sys/firmware/efi/efivars ]; then
  mount -t efivarfs efivarfs /sys/firmware/efi/efivars
fi

ip link set lo up
if ! /usr/lib/labctl/network.sh; then
  fail 'the network did not come up' "$(tail -n 3 /run/labctl/network 2>/dev/null)"
fi
set_clock

case $LABCTL_TASK in
  discover | install | wipe) "/usr/lib/labctl/$LABCTL_TASK.sh" ;;
  shell) fail 'labctl.task=shell was asked for' 'type exit on this console to restart the machine' ;;
  *) fail "the kernel command line names the unknown task '$LABCTL_TASK'" 'known are discover, install, wipe, shell' ;;
esac
status=$?
[ "$status" -eq 0 ] || fail "the task '$LABCTL_TASK' ended with status $status" "$(cat /run/labctl/reason 2>/dev/null)"
restart reboot
