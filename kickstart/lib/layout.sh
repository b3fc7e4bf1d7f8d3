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

# Sets `kept` to the partition that holds volumes to keep (on this disk), or to nothing.
layout_inspect() {
  kept=
  kept_volumes=
  vgscan >/dev/null 2>&1 || :
  for _pv in $(pvs --noheadings -o pv_name,vg_name 2>/dev/null | sed -n "s/^ *\([^ ]*\) *$layout_group *\$/\1/p"); do
    case $_pv in
      "$1"[0-9]* | "$1"p[0-9]*) kept="${kept:+$kept }$_pv" ;;
      *)
        bastion_fail "the volume group $layout_group is on $_pv as well, not only on $1: choose that disk, or wipe it first"
        ;;
    esac
  done
  if [ -n "$kept" ]; then
    kept_volumes=$(layout_volumes)
    if [ "$layout_wipe" = true ] || [ -z "$kept_volumes" ]; then
      bastion_log "an earlier install is on $1: it goes${kept_volumes:+ with its volumes $kept_volumes, as asked}"
      kept=
      kept_volumes=
    else
      bastion_log "an earlier install is on $1: its volumes stay: $(echo "$kept_volumes" | tr '\n' ' ')"
      case $kept in
        *' '*) bastion_log "they are on the partitions $kept" ;;
      esac
    fi
  fi
}

# Lets go of everything that holds the disk: mounts, swap, volume groups, arrays.
layout_release() {
  sed -n 's/^\(\/dev\/[^ ]*\) .*/\1/p' /proc/swaps | while read -r _swap; do
    case $_swap in "$1"*) swapoff "$_swap" ;; esac
  done
  sed -n "s|^$1[^ ]* \([^ ]*\) .*|\1|p" /proc/mounts | sort -r | while read -r _mount; do umount "$_mount"; done
  for _vg in $(pvs --noheadings -o pv_name,vg_name 2>/dev/null | sed -n "s|^ *$1[^ ]* *\([^ ][^ ]*\) *\$|\1|p" | sort -u); do
    vgchange -an "$_vg"
  done
  for _md in /sys/block/md*; do
    [ -e "$_md/slaves" ] || continue
    for _slave in "$_md"/slaves/*; do
      case /dev/${_slave##*/} in
        "$1"*)
          mdadm --stop "/dev/${_md##*/}"
          break
          ;;
      esac
    done
  done
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
  _second=0
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

# The kept volumes stand behind a layout of another kind (a disk image's): everything before them is made anew.
layout_beside_kept() {
  _front=$(layout_start "${kept%% *}")
  for _one in $kept; do
    [ "$(layout_start "$_one")" -ge "$_front" ] || _front=$(layout_start "$_one")
  done
  _need=$((1 + layout_bios_mib + layout_esp_mib + layout_boot_mib + 8))
  _rest=$((_front - _need))
  if [ "$(layout_free)" -lt "$layout_root_min" ]; then
    if [ "$_rest" -lt $((layout_root_min + 8)) ]; then
      bastion_fail "before the kept volumes are $_front MiB, the system needs $((_need + layout_root_min)): queue it with --wipe, or choose another disk"
    fi
    _second=1
  elif [ "$_rest" -lt 0 ]; then
    bastion_fail "before the kept volumes are $_front MiB, the boot partitions need $_need: queue it with --wipe"
  fi
  for _part in $(disk_partitions "$1"); do
    case " $kept " in
      *" /dev/$_part "*) ;;
      *) layout_table_delete "$1" "${_part##*[!0-9]}" ;;
    esac
  done
  layout_boot_partitions "$1"
  if [ "$_second" -eq 1 ]; then layout_table_add "$1" labctl-lvm "$layout_type_lvm" "$_at" $((_front - _at)); fi
  disk_settle "$1"
  if [ "$_second" -eq 1 ]; then
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
