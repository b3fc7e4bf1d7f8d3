# Which disk: decided on the machine, from sysfs, so that it works the same in Anaconda, in Debian's
# installer and in RAM. Kernel names change from boot to boot; the rule does not.

disk_path={{disk.path}}
disk_by_id={{disk.byId}}
disk_serial={{disk.serial}}
disk_model={{disk.model}}
disk_transport={{disk.transport}}
disk_min_bytes={{disk.minBytes}}
disk_max_bytes={{disk.maxBytes}}
disk_pick={{disk.pick}}

disk_read() { cat "$1" 2>/dev/null || :; }
disk_bytes() { echo $(($(disk_read "/sys/class/block/$1/size") * 512)); }
disk_property() { udevadm info --query=property --name="/dev/$1" 2>/dev/null | sed -n "s/^$2=//p" | head -n 1; }
disk_trim() { sed -e 's/^[[:space:]]*//' -e 's/[[:space:]]*$//'; }

# sysfs places a disk below the bus that carries it.
disk_bus() {
  case $(readlink -f "/sys/class/block/$1") in
    */usb[0-9]*) echo usb ;;
    */ata[0-9]*) echo sata ;;
    */nvme*) echo nvme ;;
    */end_device-*) echo sas ;;
    */virtio*) echo virtio ;;
    */mmc*) echo mmc ;;
    *) echo unknown ;;
  esac
}

disk_serials() {
  disk_read "/sys/class/block/$1/serial"
  disk_read "/sys/class/block/$1/device/serial"
  disk_property "$1" ID_SERIAL_SHORT
  disk_property "$1" ID_SCSI_SERIAL
}

disk_models() {
  disk_read "/sys/class/block/$1/device/model"
  disk_property "$1" ID_MODEL
}

disk_is() { [ "$(readlink -f "$1" 2>/dev/null)" = "/dev/$2" ]; }

disk_has_serial() {
  disk_serials "$1" | disk_trim >/tmp/labctl-serials
  grep -qxF -e "$2" /tmp/labctl-serials
}

disk_has_model() {
  disk_models "$1" | tr '[:upper:]' '[:lower:]' >/tmp/labctl-models
  grep -qF -e "$(printf '%s' "$2" | tr '[:upper:]' '[:lower:]')" /tmp/labctl-models
}

disk_matches() {
  if [ -n "$disk_path" ] && ! disk_is "$disk_path" "$1"; then return 1; fi
  if [ -n "$disk_by_id" ] && ! disk_is "/dev/disk/by-id/$disk_by_id" "$1"; then return 1; fi
  if [ -n "$disk_serial" ] && ! disk_has_serial "$1" "$disk_serial"; then return 1; fi
  if [ -n "$disk_model" ] && ! disk_has_model "$1" "$disk_model"; then return 1; fi
  if [ -n "$disk_transport" ] && [ "$(disk_bus "$1")" != "$disk_transport" ]; then return 1; fi
  if [ "$(disk_bytes "$1")" -lt "$disk_min_bytes" ]; then return 1; fi
  if [ "$disk_max_bytes" -gt 0 ] && [ "$(disk_bytes "$1")" -gt "$disk_max_bytes" ]; then return 1; fi
  # A stick or a card is taken only when it is named.
  if [ -z "$disk_path$disk_by_id$disk_serial" ] && [ "$(disk_read "/sys/class/block/$1/removable")" = 1 ]; then return 1; fi
  return 0
}

# The disk the running system lives on. An installer lives in memory: where this holds, somebody runs the
# script by hand on a machine that is in use.
disk_is_in_use() {
  while read -r _ _ _number _ _point _; do
    [ "$_point" = / ] || continue
    for _held in "/sys/dev/block/$_number" "/sys/dev/block/$_number"/slaves/*; do
      case $(readlink -f "$_held") in
        */block/"$1" | */block/"$1"/*) return 0 ;;
      esac
    done
  done </proc/1/mountinfo
  return 1
}

# Whole disks, loop devices and the like left out unless the rule names one.
disk_list() {
  for _block in /sys/block/*; do
    _name=${_block##*/}
    case $_name in
      loop* | nbd*) [ -n "$disk_path" ] || continue ;;
      ram* | zram* | dm-* | md* | sr* | fd* | mtd*) continue ;;
    esac
    [ "$(disk_read "$_block/size")" != 0 ] || continue
    # NVMe with several paths: each path is there beside the disk, without a device of its own.
    [ "$(disk_read "$_block/hidden")" != 1 ] || continue
    if disk_is_in_use "$_name"; then continue; fi
    echo "$_name"
  done
}

disk_describe() {
  for _name in $(disk_list); do
    echo "$_name: $(($(disk_bytes "$_name") / 1000000000)) GB, $(disk_bus "$_name"), model '$(disk_models "$_name" | head -n 1 | disk_trim)', serial '$(disk_serials "$_name" | head -n 1 | disk_trim)'"
  done
}

# Sets `disk` (/dev/…), or `disk_problem` and fails.
disk_select() {
  disk=
  disk_problem=
  _matching=0
  _fitting=0
  _best=0
  for _name in $(disk_list); do
    disk_matches "$_name" || continue
    _matching=$((_matching + 1))
    _bytes=$(disk_bytes "$_name")
    [ "$(disk_read "/sys/class/block/$_name/ro")" != 1 ] || continue
    [ "$_bytes" -ge "$1" ] || continue
    _fitting=$((_fitting + 1))
    case $disk_pick in
      smallest) if [ "$_best" -ne 0 ] && [ "$_bytes" -ge "$_best" ]; then continue; fi ;;
      *) if [ "$_bytes" -le "$_best" ]; then continue; fi ;;
    esac
    _best=$_bytes
    disk=/dev/$_name
  done
  if [ "$_matching" -eq 0 ]; then
    disk_problem='no disk matches the rule'
  elif [ "$_fitting" -eq 0 ]; then
    disk_problem="no matching disk is writable and at least $(($1 / 1000000)) MB large"
  elif [ "$_fitting" -gt 1 ] && [ "$disk_pick" = only ]; then
    disk_problem="$_fitting disks match the rule, and it names no preference (--disk largest, --disk serial=...)"
  fi
  [ -z "$disk_problem" ]
}

# The device of a partition by its number: sda2, nvme0n1p2.
disk_partition() {
  case $1 in
    *[0-9]) echo "$1p$2" ;;
    *) echo "$1$2" ;;
  esac
}

# Names of a disk's partitions as the kernel knows them.
disk_partitions() {
  for _entry in "/sys/class/block/${1##*/}"/*; do
    [ ! -e "$_entry/partition" ] || echo "${_entry##*/}"
  done
}

# The partition of a disk by its GPT name; nothing when there is none.
disk_partition_named() {
  for _part in $(disk_partitions "$1"); do
    # The kernel knows names from reading the table itself; partitions it was told of one by one have none.
    if grep -qx "PARTNAME=$2" "/sys/class/block/$_part/uevent" ||
      [ "$(blkid -p -o value -s PART_ENTRY_NAME "/dev/$_part" 2>/dev/null)" = "$2" ]; then
      echo "/dev/$_part"
      return
    fi
  done
}

disk_settle() {
  # Refused while anything, if only a probe, holds the disk or a partition of it.
  for _try in 1 2 3 4 5; do
    blockdev --rereadpt "$1" 2>/dev/null && break
    sleep 1
    if [ "$_try" = 5 ]; then partx -u "$1" 2>/dev/null || :; fi
  done
  udevadm settle --timeout=30 2>/dev/null || sleep 2
}
