#!/bin/bash
# Writes the disk image {{image.name|word}} to the disk of {{name|word}} and makes it that machine.
# Runs in the RAM environment. The first MiB of the image, with the partition table and the boot code, is held
# back until the checksum of the whole stream is proven: until then the disk cannot boot.

BASTION_URL={{url}}
BASTION_TOKEN={{token}}
BASTION_DIR=/run/labctl-report
{{> lib/report.sh}}
{{> lib/disk.sh}}
{{> lib/layout.sh}}
{{> lib/efi.sh}}
{{> lib/host.sh}}

image_url={{image.url}}
image_bytes={{image.size}}
image_sha256={{image.sha256}}
work=/run/labctl-install
root=$work/root
piece=$((64 * 1024 * 1024))

# Everything of the image to standard output, each byte once, over as many connections as it takes.
image_fetch() {
  { bastion_quiet; } 2>/dev/null
  offset=0
  idle=0
  told=0
  while [ "$offset" -lt "$image_bytes" ]; do
    last=$((offset + piece - 1))
    [ "$last" -lt "$image_bytes" ] || last=$((image_bytes - 1))
    curl -sS --fail --noproxy '*' --range "$offset-$last" --connect-timeout 5 --speed-limit 1024 --speed-time 20 \
      --write-out '%{stderr}\n%{http_code} %{size_download}\n' "$image_url" 2>"$work/curl"
    read -r code got <<<"$(tail -n 1 "$work/curl")"
    case $code:$offset in
      206:* | 200:0 | 000:*) ;;
      200:*) got=0 && echo "the server does not continue a broken transfer" >"$work/reason" && return 1 ;;
      4*) echo "the bastion answered $code for $image_url" >"$work/reason" && return 1 ;;
    esac
    if [ "${got:-0}" -gt 0 ]; then
      offset=$((offset + got))
      idle=0
    else
      idle=$((idle + 1))
      if [ "$idle" -ge 40 ]; then
        echo "the transfer broke at byte $offset and could not be continued: $(head -n 1 "$work/curl")" >"$work/reason"
        return 1
      fi
      sleep $((idle < 10 ? idle : 10))
    fi
    if [ $((offset * 20 / image_bytes)) -ne "$told" ]; then
      told=$((offset * 20 / image_bytes))
      bastion_note "$((offset * 100 / image_bytes)) % of $((image_bytes / 1000000)) MB"
    fi
  done
}

# Standard input to the disk: its first MiB aside, the rest in place, never over a kept partition.
image_write() {
  dd of="$work/head" bs=1048576 count=1 iflag=fullblock
  if [ "$front" -gt 0 ]; then
    dd of="$disk" bs=1048576 seek=1 count=$((front - 1)) iflag=fullblock conv=notrunc,fsync || return 1
    [ "$(head -c 1 | wc -c)" -eq 0 ] || {
      echo "the image is larger than the $front MiB before the kept volumes: queue it with --wipe, or choose another disk" >"$work/reason"
      return 1
    }
  elif ! dd of="$disk" bs=1048576 seek=1 iflag=fullblock conv=notrunc,fsync; then
    echo "the image could not be written to $disk: it is too small, or broken" >"$work/reason"
    return 1
  fi
}

image_unpack() {
{{#if image.zstd}}
  zstd -dcq --long=31 || {
    [ -s "$work/reason" ] || echo 'the image cannot be unpacked: it is damaged' >"$work/reason"
    return 1
  }
{{else}}
  cat
{{/if}}
}

image_failed() {
  # Nothing of it may be found by a firmware or by the next install.
  if [ "$front" -eq 0 ]; then
    dd if=/dev/zero of="$disk" bs=1048576 count=1 conv=notrunc,fsync
  else
    # The table still leads to the kept volumes; only the boot code goes.
    dd if=/dev/zero of="$disk" bs=440 count=1 conv=notrunc,fsync
  fi
  bastion_fail "$1"
}

# The image's table, its root grown, kept and data partitions added. Prints an sfdisk script.
image_table() {
  echo 'label: gpt'
  sed -n 's/^label-id: */label-id: /p' "$work/table"
  sed -n 's/^[^ ]*head[0-9]* *: *//p' "$work/table" | tr -s ' ' | while read -r entry; do
    case $entry in
      "start= $root_start, "*) printf '%s\n' "$entry" | sed "s/size= *[0-9]*/size=$root_sectors/" ;;
      *) echo "$entry" ;;
    esac
  done
  if [ -n "$kept" ]; then
    for one in $kept; do
      echo "start=$(cat "/sys/class/block/${one##*/}/start"), size=$(cat "/sys/class/block/${one##*/}/size"), type=$layout_type_lvm, name=labctl-data"
    done
  elif [ -n "$layout_data" ]; then
    echo "start=$((root_start + root_sectors)), type=$layout_type_lvm, name=labctl-data"
  fi
}

# Mounts the data volume of the role. UUID, because names of volume groups may change.
host_data_volume() {
  [ -n "$dev_data" ] || return 0
  mkdir -p "$root$layout_data_mount"
  printf 'UUID=%s %s ext4 defaults,noatime 0 2\n' "$(blkid -o value -s UUID "$dev_data")" "$layout_data_mount" >>"$root/etc/fstab"
}

bastion_start install
set -o pipefail
mkdir -p "$work" "$root"

bastion_stage network
bastion_log "kernel $(uname -r), started from {{url|word}}"

bastion_stage hardware
disk_describe | while read -r line; do bastion_log "$line"; done

bastion_stage disk-select
disk_select "$layout_min_bytes" || bastion_fail "$disk_problem. There are: $(disk_describe)"
disk_bytes_total=$(disk_bytes "${disk##*/}")
bastion_log "chosen: $disk, $((disk_bytes_total / 1000000)) MB"
sector=$(disk_read "/sys/class/block/${disk##*/}/queue/logical_block_size")
[ "$sector" = 512 ] ||
  bastion_fail "$disk has sectors of $sector bytes, and images are made for 512: install a system from packages, or choose another disk"

bastion_stage disk-wipe
layout_inspect "$disk"
layout_check_image {{image.rawMib}}
layout_release "$disk"
layout_wipe_disk "$disk"

bastion_stage image-write
rm -f "$work/reason"
mkfifo "$work/sum-pipe"
sha256sum <"$work/sum-pipe" >"$work/sum" &
summing=$!
if ! image_fetch | tee "$work/sum-pipe" | image_unpack | image_write; then
  image_failed "$(cat "$work/reason" 2>/dev/null || echo "the image could not be written")"
fi

bastion_stage image-verify
wait "$summing"
read -r proven _ <"$work/sum"
[ "$proven" = "$image_sha256" ] ||
  image_failed "the image that arrived is not the one of the catalogue: its sha256 is $proven, not $image_sha256"
bastion_log "sha256 $proven"

bastion_stage partition
# Sparse, as large as the disk: the table's checks want to see its end.
cp "$work/head" "$work/full-head"
truncate -s "$disk_bytes_total" "$work/full-head"
mv "$work/full-head" "$work/table-head"
sfdisk -d "$work/table-head" >"$work/table" || image_failed 'the image has no partition table'
grep -q '^label: gpt' "$work/table" || image_failed 'the image has no GPT: only such images can be installed'
root_start=$(sed -n 's/^[^ ]*head[0-9]* *: start= *\([0-9]*\), size= *\([0-9]*\), type=\([^,]*\).*/\1 \2 \3/p' "$work/table" |
  grep -iE ' (0FC63DAF-8483-4772-8E79-3D69D8477DE4|4F68BCE3-E8CD-4DB1-96E7-FBCAF984B709|B921B045-1DF0-41C3-AF44-4C6F280D3FAE)$' |
  sort -k 2 -n | tail -n 1 | cut -d ' ' -f 1 || :)
[ -n "$root_start" ] || image_failed 'the image has no Linux root partition'
last_start=$(sed -n 's/^.*start= *\([0-9]*\),.*/\1/p' "$work/table" | sort -n | tail -n 1)
[ "$root_start" = "$last_start" ] || image_failed 'the root partition is not the last of the image: it cannot grow'
root_own=$(sed -n "s/^[^ ]*head[0-9]* *: start= *$root_start, size= *\([0-9]*\),.*/\1/p" "$work/table")
if [ -n "$kept" ]; then
  root_sectors=$((front * 2048 - root_start))
else
  # The backup table takes the last 33 sectors.
  room=$(((disk_bytes_total / 512 - 34 - root_start) / 2048))
  share=$((room * layout_root_share / 100))
  [ "$share" -ge "$layout_root_min" ] || share=$layout_root_min
  if [ "$layout_root_max" -gt 0 ] && [ "$share" -gt "$layout_root_max" ]; then share=$layout_root_max; fi
  # Its file system is grown, never cut.
  [ $((share * 2048)) -ge "$root_own" ] || share=$(((root_own + 2047) / 2048))
  if [ -z "$layout_data" ] || [ "$share" -gt "$room" ]; then share=$room; fi
  root_sectors=$((share * 2048))
  # On a disk just as large as the image.
  [ "$root_sectors" -ge "$root_own" ] || root_sectors=$root_own
fi
image_table >"$work/new-table"
sfdisk -q --no-reread --wipe never --wipe-partitions never "$disk" <"$work/new-table"
# The boot code last: from here on the disk can boot.
dd if="$work/head" of="$disk" bs=440 count=1 conv=notrunc,fsync
disk_settle "$disk"
for part in $(disk_partitions "$disk"); do
  if [ "$(cat "/sys/class/block/$part/start")" = "$root_start" ]; then root_part=/dev/$part; fi
done
esp_part=
esp_start=$(sed -n 's/^.*start= *\([0-9]*\),.*type=C12A7328-F81F-11D2-BA4B-00A0C93EC93B.*/\1/p' "$work/table" | head -n 1)
for part in $(disk_partitions "$disk"); do
  if [ -n "$esp_start" ] && [ "$(cat "/sys/class/block/$part/start")" = "$esp_start" ]; then esp_part=/dev/$part; fi
done

bastion_stage grow
root_type=$(blkid -o value -s TYPE "$root_part")
case $root_type in
  ext4)
    e2fsck -fy "$root_part" || [ $? -le 2 ]
    resize2fs "$root_part"
    mount "$root_part" "$root"
    ;;
  xfs)
    mount -o nouuid "$root_part" "$root"
    xfs_growfs "$root"
    ;;
  *) bastion_fail "the image's root is $root_type: only ext4 and xfs can be grown" ;;
esac
if [ -n "$layout_data" ] && [ -z "$kept" ]; then
  pvcreate -ff -y "$(disk_partition_named "$disk" labctl-data)"
  vgcreate -y "$layout_group" "$(disk_partition_named "$disk" labctl-data)"
fi
if [ -n "$kept" ]; then vgchange -ay "$layout_group"; fi
layout_make_data
if [ "$data_is_new" = yes ]; then mkfs.ext4 -q -L "$layout_data" "$dev_data"; fi

bastion_stage configure
for bind in dev proc sys; do mount --bind "/$bind" "$root/$bind"; done
if [ -n "$esp_part" ] && [ -d "$root/boot/efi" ]; then mount "$esp_part" "$root/boot/efi"; fi
host_name
host_data_volume
host_network
host_first_boot
{{#if agent}}
host_agent
{{/if}}
# A machine's own identity: the image has none, or one that is not this machine's.
true >"$root/etc/machine-id"
rm -f "$root"/etc/ssh/ssh_host_*
if [ -x "$root/usr/bin/ssh-keygen" ]; then chroot "$root" ssh-keygen -A; fi

bastion_stage users
host_users

bastion_stage kubernetes-prerequisites
host_kubernetes

bastion_stage bootloader
{{#if kernelArgs}}
# Both where the boot loader reads it and where its next update will.
if [ -f "$root/boot/grub/grub.cfg" ]; then
  sed -i 's|^\([[:space:]]*linux[[:space:]].*\)$|\1 '{{kernelArgs}}'|' "$root/boot/grub/grub.cfg"
  # shellcheck disable=SC2016 # expanded by grub-mkconfig
  printf 'GRUB_CMDLINE_LINUX="$GRUB_CMDLINE_LINUX %s"\n' {{kernelArgs}} | host_file /etc/default/grub.d/labctl-arguments.cfg
fi
{{/if}}
if [ -d /sys/firmware/efi ]; then
  [ -n "$esp_part" ] || bastion_fail 'this machine starts by UEFI, and the image has no EFI system partition'
  mkdir -p "$work/esp"
  mount "$esp_part" "$work/esp"
  loader=
  for candidate in EFI/debian/shimx64.efi EFI/fedora/shimx64.efi EFI/debian/grubx64.efi EFI/BOOT/BOOTX64.EFI EFI/BOOT/BOOTAA64.EFI; do
    if [ -z "$loader" ] && [ -e "$work/esp/$candidate" ]; then loader=$candidate; fi
  done
  umount "$work/esp"
  [ -n "$loader" ] || bastion_fail 'the EFI system partition of the image holds no boot loader'
  bastion_log "EFI boot loader: $loader"
else
  [ "$(head -c 440 "$work/head" | tr -d '\000' | wc -c)" -gt 0 ] ||
    bastion_fail 'this machine starts by BIOS, and the image has no boot code'
fi

bastion_stage efi-boot-order
if efi_here; then
  efi_make_entry labctl "$disk" "${esp_part##*[!0-9]}" "\\$(printf '%s' "$loader" | sed 's|/|\\|g')"
  efi_network_first labctl
else
  bastion_log 'no EFI: the order of the boot devices is up to the BIOS'
fi

bastion_stage verify
host_verify
for bind in boot/efi dev proc sys; do
  if mountpoint -q "$root/$bind"; then umount "$root/$bind"; fi
done
umount "$root"
if [ -n "$dev_data" ]; then
  e2fsck -n "$dev_data"
  vgchange -an "$layout_group"
fi
sync

bastion_stage reboot
bastion_installed "from the image {{image.name|word}}"
bastion_stop
