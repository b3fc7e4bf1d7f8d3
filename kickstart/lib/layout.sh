# What goes where on the disk, the same for every family: a GPT with a BIOS boot partition, an EFI system
# partition, /boot, and one LVM volume group with the root and the role's data volume. A data volume of an
# earlier install stays, unless wiping was asked for.

layout_group={{layout.group}}
layout_bios_mib={{layout.biosMib}}
layout_esp_mib={{layout.espMib}}
layout_boot_mib={{layout.bootMib}}
layout_root_min={{layout.rootMinMib}}
layout_root_max={{layout.rootMaxMib}}
layout_root_share={{layout.rootShare}}
layout_data={{layout.dataVolume}}
layout_data_mount={{layout.dataMount}}
layout_data_min={{layout.dataMinMib}}
layout_min_bytes={{layout.minBytes}}
layout_wipe={{wipe}}

# LVM warns of each file its caller has open, in every log.
export LVM_SUPPRESS_FD_WARNINGS=1

layout_type_bios=21686148-6449-6E6F-744E-656564454649
layout_type_esp=C12A7328-F81F-11D2-BA4B-00A0C93EC93B
layout_type_linux=0FC63DAF-8483-4772-8E79-3D69D8477DE4
layout_type_lvm=E6D6D379-F507-44C2-A23C-238F2A3DF928

layout_volumes() { lvs --noheadings -o lv_name "$layout_group" 2>/dev/null | tr -d ' ' | grep -vx root || :; }
layout_has() { lvs "$layout_group/$1" >/dev/null 2>&1; }
# Whole MiB of the group.
layout_free() { layout_group_field vg_free; }
layout_size() { layout_group_field vg_size; }
layout_group_field() { vgs --noheadings --units m --nosuffix -o "$1" "$layout_group" | tr -d ' ' | sed 's/\..*$//'; }

# Partitions and disks of the volume group, one a line; `[unknown]` for one that is not there.
layout_members() {
  pvs --noheadings --separator '|' -o pv_name,vg_name 2>/dev/null | sed -n "s/^ *\([^|]*\)|$layout_group *\$/\1/p"
}

# Sets `kept` to the partitions of this disk that hold volumes to keep and `front` to the MiB before them, or
# both to nothing. What stands where it cannot be kept, and was not given up, ends the install here.
layout_inspect() {
  kept=
  kept_volumes=
  front=0
  _whole=
  vgscan >/dev/null 2>&1 || :
  _here=" $(disk_partitions "$1" | tr '\n' ' ')"
  for _pv in $(layout_members); do
    case "$_here" in *" ${_pv#/dev/} "*) kept="${kept:+$kept }$_pv" && continue ;; esac
    case $_pv in
      "$1") _whole=yes ;;
      *unknown*)
        [ "$layout_wipe" = true ] ||
          bastion_fail "a disk of the volume group $layout_group is missing: connect it, or give its volumes up with --wipe"
        ;;
      *)
        bastion_fail "the volume group $layout_group of an earlier install is on $_pv, not on $1 alone: choose that disk, or wipe it first"
        ;;
    esac
  done
  [ -n "$kept$_whole" ] || return 0
  kept_volumes=$(layout_volumes | tr '\n' ' ' | sed 's/ $//')
  if [ "$layout_wipe" = true ] || [ -z "$kept_volumes" ]; then
    bastion_log "an earlier install is on $1: it goes${kept_volumes:+ with its volumes $kept_volumes, as asked}"
    kept=
    kept_volumes=
    return 0
  fi
  [ -z "$_whole" ] ||
    bastion_fail "the volumes $kept_volumes take all of $1, which has no partitions: no system fits beside them. Queue it with --wipe, or choose another disk"
  for _one in $kept; do
    _start=$(layout_start "$_one")
    if [ "$front" -eq 0 ] || [ "$_start" -lt "$front" ]; then front=$_start; fi
  done
  bastion_log "an earlier install is on $1: its volumes stay: $kept_volumes (on $kept)"
}

# Refuses an install from packages that does not fit beside the kept volumes, while nothing is touched yet.
# Sets layout_second: the group needs what lies before it, too.
layout_check() {
  layout_second=no
  [ -n "$kept" ] || return 0
  _room=$(layout_room)
  _need=$(layout_needs "$layout_root_min")
  if ! layout_is_ours "$1"; then
    _boot=$((1 + layout_bios_mib + layout_esp_mib + layout_boot_mib + 8))
    [ "$front" -ge "$_boot" ] ||
      layout_refuse "before them are $front MiB, and the boot partitions need $_boot"
    if [ "$_room" -lt "$_need" ]; then
      layout_second=yes
      _room=$((_room + front - _boot))
    fi
  fi
  # Extents are 4 MiB, and each partition loses one to LVM itself.
  [ $((_room + 16)) -ge "$_need" ] || layout_refuse "they leave $_room MiB, and the role {{role|word}} needs $_need"
}

# The same for a disk image of so many MiB, whose root lies before the kept volumes.
layout_check_image() {
  [ -n "$kept" ] || return 0
  [ "$1" -le "$front" ] || layout_refuse "before them are $front MiB, and the image takes $1"
  _room=$(layout_room)
  [ $((_room + 16)) -ge "$(layout_needs 0)" ] ||
    layout_refuse "they leave $_room MiB of their group, and the volume $layout_data needs $layout_data_min"
}

layout_refuse() {
  bastion_fail "the volumes $kept_volumes of an earlier install are in the way: $1. Queue it with --wipe to give them up, or choose another disk"
}

# What the group has to hold besides the kept volumes (MiB), a root of so many included.
layout_needs() {
  if [ -n "$layout_data" ] && ! layout_has "$layout_data"; then echo $(($1 + layout_data_min)); else echo "$1"; fi
}

# What the group has free once the old root is gone (MiB).
layout_room() {
  _old=0
  if layout_has root; then
    _old=$(lvs --noheadings --units m --nosuffix -o lv_size "$layout_group/root" | tr -d ' ' | sed 's/\..*$//')
  fi
  echo $(($(layout_free) + _old))
}

# Lets go of everything that holds the disk or a partition of it: mounts, swap, volumes, arrays, whatever stands
# on what. Only what is there: another disk's names may begin the same.
layout_release() {
  for _name in $(disk_partitions "$1") "${1##*/}"; do
    for _holder in $(layout_holders "$_name") "$_name"; do layout_let_go "$_holder"; done
  done
}

# What stands on a block device, the topmost first.
layout_holders() {
  for _above in "/sys/class/block/$1"/holders/*; do
    [ -e "$_above" ] || continue
    (layout_holders "${_above##*/}")
    echo "${_above##*/}"
  done
}

layout_let_go() {
  # Another partition's turn may have taken it away already.
  [ -e "/sys/class/block/$1" ] || return 0
  _known="/dev/$1"
  if [ -e "/sys/class/block/$1/dm/name" ]; then _known=/dev/mapper/$(cat "/sys/class/block/$1/dm/name"); fi
  while read -r _swap _; do
    case $_swap in "/dev/$1" | "$_known") swapoff "$_swap" ;; esac
  done </proc/swaps
  while read -r _source _mount _; do
    case $_source in "/dev/$1" | "$_known") echo "$_mount" ;; esac
  done </proc/mounts | sort -r | while read -r _mount; do umount "$_mount"; done
  case $1 in
    dm-*) dmsetup remove "$_known" ;;
    # A partition of an array goes with it.
    md*) [ ! -d "/sys/block/$1" ] || mdadm --stop "/dev/$1" ;;
  esac
}

# Removes what would be found again: signatures of the partitions and of the disk, first and last MiB.
layout_wipe_disk() {
  if [ -z "$kept" ]; then
    for _part in $(disk_partitions "$1"); do layout_clear "/dev/$_part"; done
    layout_clear "$1"
    disk_settle "$1"
    return
  fi
  for _part in $(disk_partitions "$1"); do
    case " $kept " in
      *" /dev/$_part "*) ;;
      *) layout_clear "/dev/$_part" ;;
    esac
  done
  if layout_has root; then lvremove -ff -y "$layout_group/root"; fi
}

layout_clear() {
  if command -v wipefs >/dev/null 2>&1; then wipefs -q -a "$1"; fi
  _sectors=$(cat "/sys/class/block/${1##*/}/size")
  [ "$_sectors" -gt 4096 ] || return 0
  dd if=/dev/zero of="$1" bs=512 count=2048 2>/dev/null
  dd if=/dev/zero of="$1" bs=512 seek=$((_sectors - 2048)) count=2048 2>/dev/null
}

# --- partition table: sfdisk, or parted in Debian's installer; start and size are MiB -----------------------

layout_table_new() {
  if command -v sfdisk >/dev/null 2>&1; then
    echo 'label: gpt' | sfdisk -q "$1"
  else
    parted -s "$1" mklabel gpt
  fi
}

# DISK NAME TYPE START SIZE (0: the rest)
layout_table_add() {
  if command -v sfdisk >/dev/null 2>&1; then
    _size=
    [ "$5" -eq 0 ] || _size="size=${5}MiB, "
    echo "start=${4}MiB, ${_size}type=$3, name=$2" | sfdisk -q --no-reread --append "$1"
  else
    _end=100%
    [ "$5" -eq 0 ] || _end=$(($4 + $5))MiB
    parted -s -a none "$1" unit MiB mkpart "$2" "${4}MiB" "$_end"
    disk_settle "$1"
    _number=$(disk_partition_named "$1" "$2" | sed 's/.*[^0-9]//')
    case $3 in
      "$layout_type_bios") parted -s "$1" set "$_number" bios_grub on ;;
      "$layout_type_esp") parted -s "$1" set "$_number" esp on ;;
      "$layout_type_lvm") parted -s "$1" set "$_number" lvm on ;;
    esac
  fi
}

layout_table_delete() {
  if command -v sfdisk >/dev/null 2>&1; then
    sfdisk -q --no-reread --delete "$1" "$2"
  else
    parted -s "$1" rm "$2"
  fi
}

# Start of a partition, in whole MiB.
layout_start() { echo $(($(cat "/sys/class/block/${1##*/}/start") / 2048)); }

# --- partitions and volumes for an install from packages -----------------------------------------------------

# Sets part_bios, part_esp, part_boot, dev_root, dev_data (empty without one), data_is_new.
layout_packages() {
  if [ -n "$kept" ] && layout_is_ours "$1"; then
    bastion_log 'the partitions stay as they are'
  elif [ -n "$kept" ]; then
    layout_beside_kept "$1"
  else
    layout_table_new "$1"
    layout_boot_partitions "$1"
    layout_table_add "$1" labctl-lvm "$layout_type_lvm" "$_at" 0
    disk_settle "$1"
    vgcreate -ff -y "$layout_group" "$(disk_partition_named "$1" labctl-lvm)"
  fi
  part_bios=$(disk_partition_named "$1" labctl-bios)
  part_esp=$(disk_partition_named "$1" labctl-esp)
  part_boot=$(disk_partition_named "$1" labctl-boot)
  layout_make_root
  layout_make_data
}

layout_is_ours() {
  for _wanted in bios esp boot; do
    [ -n "$(disk_partition_named "$1" "labctl-$_wanted")" ] || return 1
  done
}

layout_boot_partitions() {
  _at=1
  layout_table_add "$1" labctl-bios "$layout_type_bios" "$_at" "$layout_bios_mib"
  _at=$((_at + layout_bios_mib))
  layout_table_add "$1" labctl-esp "$layout_type_esp" "$_at" "$layout_esp_mib"
  _at=$((_at + layout_esp_mib))
  layout_table_add "$1" labctl-boot "$layout_type_linux" "$_at" "$layout_boot_mib"
  _at=$((_at + layout_boot_mib))
}

# The kept volumes stand behind a layout of another kind (a disk image's): everything but them is made anew.
layout_beside_kept() {
  for _part in $(disk_partitions "$1"); do
    case " $kept " in
      *" /dev/$_part "*) ;;
      *) layout_table_delete "$1" "${_part##*[!0-9]}" ;;
    esac
  done
  layout_boot_partitions "$1"
  if [ "$layout_second" = yes ]; then layout_table_add "$1" labctl-lvm "$layout_type_lvm" "$_at" $((front - _at)); fi
  disk_settle "$1"
  if [ "$layout_second" = yes ]; then
    pvcreate -ff -y "$(disk_partition_named "$1" labctl-lvm)"
    vgextend "$layout_group" "$(disk_partition_named "$1" labctl-lvm)"
  fi
}

layout_make_root() {
  _free=$(layout_free)
  _root=$(($(layout_size) * layout_root_share / 100))
  [ "$_root" -ge "$layout_root_min" ] || _root=$layout_root_min
  if [ "$layout_root_max" -gt 0 ] && [ "$_root" -gt "$layout_root_max" ]; then _root=$layout_root_max; fi
  if [ -n "$layout_data" ] && ! layout_has "$layout_data"; then
    [ $((_free - _root)) -ge "$layout_data_min" ] || _root=$layout_root_min
  fi
  [ "$_root" -le "$_free" ] || _root=$_free
  # Extents are 4 MiB; what was asked for may be one short of what there is.
  [ "$_root" -ge $((layout_root_min - 16)) ] ||
    bastion_fail "the root volume needs $layout_root_min MiB, and $layout_group has $_free left"
  if [ -z "$layout_data" ] && [ -z "$kept" ]; then
    lvcreate -y -W y -n root -l 100%FREE "$layout_group"
  else
    lvcreate -y -W y -n root -L "${_root}m" "$layout_group"
  fi
  dev_root=/dev/$layout_group/root
}

layout_make_data() {
  dev_data=
  data_is_new=no
  [ -n "$layout_data" ] || return 0
  dev_data=/dev/$layout_group/$layout_data
  if layout_has "$layout_data"; then
    bastion_log "the volume $layout_data is kept as it is"
  else
    [ "$(layout_free)" -ge $((layout_data_min - 16)) ] ||
      bastion_fail "the volume $layout_data needs $layout_data_min MiB, and $layout_group has $(layout_free) left: queue it with --wipe"
    lvcreate -y -W y -n "$layout_data" -l 100%FREE "$layout_group"
    data_is_new=yes
  fi
  vgchange -ay "$layout_group"
  udevadm settle --timeout=30 2>/dev/null || :
}
