#!/bin/sh
# Prints what this machine is as one JSON document (src/machines/inventory.ts). Reads only: no device is written to.
# It runs in the RAM environment and in Fedora's installer, so it uses what both have: a POSIX shell, awk, /sys and
# /proc; every other program is asked only if it is there. A part that cannot be read is left out, with a note.
# LABCTL_MAC: the interface the machine booted from. LABCTL_SOURCE: ram or fedora.
LC_ALL=C
export LC_ALL

scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
: >"$scratch/notes"

have() {
  command -v "$1" >/dev/null 2>&1
}

# Firmware strings hold anything: quotes, escape codes, half a UTF-8 character. The common case costs no process.
quote() {
  case $1 in
    *[!\ -~]* | *[\"\\]*)
      printf '"%s"' "$(printf '%s' "$1" | tr -c ' -~' ' ' | sed 's/[\\"]/\\&/g')"
      ;;
    *) printf '"%s"' "$1" ;;
  esac
}

# The same for awk programs: quote(text).
awk_quote='function quote(s) {
  gsub(/[^ -~]/, " ", s); gsub(/[\\"]/, "\\\\&", s); sub(/^ +/, "", s); sub(/ +$/, "", s)
  return "\"" s "\""
}'

# First line of a file of /sys, empty if it cannot be read.
first() {
  line=''
  [ ! -r "$1" ] || IFS= read -r line <"$1" 2>/dev/null || :
  printf '%s' "$line"
}

# Members of an object, each with the comma before it; an unknown value leaves its member out.
text() {
  [ -z "$2" ] || printf ',"%s":%s' "$1" "$(quote "$2")"
}
number() {
  case $2 in '' | *[!0-9]*) ;; *) printf ',"%s":%s' "$1" "$2" ;; esac
}
boolean() {
  case $2 in 0) printf ',"%s":false' "$1" ;; 1) printf ',"%s":true' "$1" ;; esac
}

# ",a,b" of the members or items on stdin → "{a,b}" or "[a,b]"
object() {
  printf '{%s}' "$(sed '1s/^,//')"
}
array() {
  printf '[%s]' "$(sed '1s/^,//')"
}

note() {
  printf ',%s' "$(quote "$1")" >>"$scratch/notes"
}

dmi() {
  text "$1" "$(first "/sys/class/dmi/id/$2")"
}

system() {
  dmi vendor sys_vendor
  dmi product product_name
  dmi version product_version
  dmi serial product_serial
  dmi uuid product_uuid
  dmi chassis chassis_serial
  dmi boardVendor board_vendor
  dmi boardProduct board_name
  dmi boardSerial board_serial
  dmi assetTag chassis_asset_tag
  # boards without SMBIOS say it in the device tree
  if [ ! -d /sys/class/dmi/id ] && [ -r /proc/device-tree/model ]; then
    text product "$(tr -d '\0' </proc/device-tree/model)"
    text serial "$(tr -d '\0' </proc/device-tree/serial-number 2>/dev/null)"
  fi
}

# The value byte of a UEFI variable comes after four bytes of attributes.
efi_flag() {
  variable=/sys/firmware/efi/efivars/$1-8be4df61-93ca-11d2-aa0d-00e098032b8c
  [ ! -r "$variable" ] || od -An -tu1 -j4 -N1 "$variable" 2>/dev/null | tr -d ' '
}

firmware() {
  dmi vendor bios_vendor
  dmi version bios_version
  dmi date bios_date
  if [ ! -d /sys/firmware/efi ]; then
    text mode bios
    text secureBoot unsupported
    return
  fi
  text mode uefi
  case $(efi_flag SetupMode):$(efi_flag SecureBoot) in
    *:1) text secureBoot enabled ;;
    1:*) text secureBoot setup ;;
    *:0) text secureBoot disabled ;;
    *) text secureBoot unsupported ;;
  esac
}

cpu() {
  awk "$awk_quote"'
    # hypervisor, virtualisation, encryption, vectors, large pages: what a scheduler of work asks for
    BEGIN { split("vmx svm hypervisor aes avx avx2 avx512f amx_tile sse4_2 sha_ni pdpe1gb sgx sev tme ept npt lm nx asimd sve", w); for (i in w) matters[w[i]] = 1 }
    function value() { return substr($0, index($0, ":") + 2) }
    /^processor[ \t]*:/ { threads++; package = 0; core = threads }
    /^vendor_id/ && vendor == "" { vendor = value() }
    /^CPU implementer/ && vendor == "" { vendor = value() }
    /^model name/ && model == "" { model = value() }
    /^physical id/ { package = value() }
    /^core id/ { core = value(); cores[package ":" core] = 1; packages[package] = 1 }
    /^(flags|Features)[ \t]*:/ && flags == "" {
      n = split(value(), f, " ")
      for (i = 1; i <= n; i++) if (f[i] in matters) flags = flags "," quote(f[i])
    }
    END {
      for (c in cores) nc++
      for (p in packages) np++
      printf ",\"threads\":%d,\"cores\":%d,\"sockets\":%d", threads, nc ? nc : threads, np ? np : 1
      if (model != "") printf ",\"model\":%s", quote(model)
      if (vendor != "") printf ",\"vendor\":%s", quote(vendor)
      printf ",\"flags\":[%s]", substr(flags, 2)
    }' /proc/cpuinfo
  khz=$(first /sys/devices/system/cpu/cpu0/cpufreq/cpuinfo_max_freq)
  case $khz in '' | *[!0-9]*) ;; *) number maxMhz "$((khz / 1000))" ;; esac
}

# SMBIOS type 17: one block for each slot, empty ones say "No Module Installed".
dimms() {
  dmidecode --quiet --type 17 2>/dev/null | awk "$awk_quote"'
    function value() { return substr($0, index($0, ":") + 2) }
    function known(s) { return s != "" && s !~ /^(Unknown|Not Specified|None|NO DIMM)$/ }
    function flush() {
      if (bytes != "") {
        printf ",{\"sizeBytes\":%s", bytes
        for (key in field) if (known(field[key])) printf ",\"%s\":%s", key, quote(field[key])
        if (speed != "") printf ",\"speedMtps\":%s", speed
        printf "}"
      }
      bytes = ""; speed = ""; split("", field)
    }
    /^Memory Device/ { flush() }
    /^\tSize: [0-9]/ {
      split(value(), size, " ")
      unit = size[2] == "TB" ? 1099511627776 : size[2] == "GB" ? 1073741824 : size[2] == "MB" ? 1048576 : 1024
      bytes = sprintf("%.0f", size[1] * unit)
    }
    /^\tLocator:/ { field["locator"] = value() }
    /^\tType:/ { field["type"] = value() }
    /^\tSpeed: [0-9]/ { split(value(), rate, " "); speed = rate[1] }
    /^\tManufacturer:/ { field["manufacturer"] = value() }
    /^\tPart Number:/ { field["part"] = value() }
    /^\tSerial Number:/ { field["serial"] = value() }
    END { flush() }'
}

memory() {
  number totalBytes "$(awk '/^MemTotal:/ { printf "%.0f", $2 * 1024 }' /proc/meminfo)"
  if have dmidecode; then
    printf ',"dimms":%s' "$(dimms | array)"
  else
    note 'memory modules: dmidecode is not here'
  fi
}

# smartctl speaks JSON from 7.0 on; of it the handful of values that tell a dying disk.
smart() {
  smartctl --json=o --health --attributes --info --nocheck=standby "$1" >"$scratch/smart" 2>/dev/null
  awk '
    function digits() { match($0, /[0-9]+[^0-9]*$/); return substr($0, RSTART) + 0 }
    /"smart_status"/ { status = 1 }
    status && /"passed"/ { health = /true/ ? "passed" : "failed"; status = 0 }
    /"temperature": *[{]/ { warm = 1 }
    warm && /"current"/ { temperature = digits(); warm = 0 }
    /"power_on_time"/ { on = 1 }
    on && /"hours"/ { hours = digits(); on = 0 }
    /"percentage_used"/ { used = digits() }
    /"media_errors"/ { media = digits() }
    /"name": *"Reallocated_Sector_Ct"/ { reallocated = 1 }
    reallocated && /"raw"/ { raw = 1 }
    reallocated && raw && /"value"/ { sectors = digits(); reallocated = 0; raw = 0 }
    END {
      if (health == "") exit
      printf ",\"health\":\"%s\"", health
      if (temperature != "") printf ",\"temperatureCelsius\":%d", temperature
      if (hours != "") printf ",\"powerOnHours\":%d", hours
      if (used != "") printf ",\"percentUsed\":%d", used
      if (media != "") printf ",\"mediaErrors\":%d", media
      if (sectors != "") printf ",\"reallocatedSectors\":%d", sectors
    }' "$scratch/smart"
}

# Names under /dev/disk/by-id that lead to a disk, its partitions' left out.
by_id() {
  for link in /dev/disk/by-id/*; do
    [ -L "$link" ] || continue
    target=$(readlink "$link")
    [ "${target##*/}" != "$1" ] || printf ',%s' "$(quote "${link##*/}")"
  done
}

# One property of what udev knows of the disk at hand.
property() {
  sed -n "s/^$1=//p" "$scratch/udev" | head -n 1
}

# The first that is not empty.
either() {
  for candidate; do
    [ -z "$candidate" ] || break
  done
  printf '%s' "$candidate"
}

disk() {
  sys=/sys/block/$1
  udevadm info --query=property --name="/dev/$1" >"$scratch/udev" 2>/dev/null || : >"$scratch/udev"
  text name "$1"
  printf ',"byId":%s' "$(by_id "$1" | array)"
  text path "$(property ID_PATH)"
  sectors=$(first "$sys/size")
  case $sectors in '' | *[!0-9]*) ;; *) number sizeBytes "$((sectors * 512))" ;; esac
  number logicalSectorBytes "$(first "$sys/queue/logical_block_size")"
  number physicalSectorBytes "$(first "$sys/queue/physical_block_size")"
  text model "$(either "$(first "$sys/device/model")" "$(property ID_MODEL)")"
  vendor=$(first "$sys/device/vendor")
  # virtio has a PCI number there
  case $vendor in 0x*) vendor='' ;; esac
  text vendor "$(either "$vendor" "$(property ID_VENDOR)")"
  text serial "$(either "$(property ID_SERIAL_SHORT)" "$(first "$sys/device/serial")" "$(first "$sys/serial")")"
  text wwn "$(either "$(property ID_WWN_WITH_EXTENSION)" "$(first "$sys/wwid")" "$(property ID_WWN)")"
  text firmware "$(either "$(first "$sys/device/firmware_rev")" "$(first "$sys/device/rev")" "$(property ID_REVISION)")"
  boolean rotational "$(first "$sys/queue/rotational")"
  boolean removable "$(first "$sys/removable")"
  boolean readOnly "$(first "$sys/ro")"
  text partitionTable "$(property ID_PART_TABLE_TYPE)"
  text transport "$(transport "$1")"
  if have smartctl; then
    members=$(smart "/dev/$1")
    [ -z "$members" ] || printf ',"smart":%s' "$(printf '%s' "$members" | object)"
  fi
}

transport() {
  case $(readlink -f "/sys/block/$1/device"):$1 in
    *:nvme*) printf nvme ;;
    *:mmcblk*) printf mmc ;;
    */virtio*) printf virtio ;;
    */usb*) printf usb ;;
    */ata*) printf sata ;;
    */end_device-* | */sas*) printf sas ;;
    */rport-*) printf fc ;;
    */session*) printf iscsi ;;
    */vmbus* | *VMBUS*) printf vmbus ;;
    *) property ID_BUS ;;
  esac
}

disks() {
  for path in /sys/block/*; do
    name=${path##*/}
    case $name in loop* | ram* | zram* | sr* | fd* | nbd* | dm-* | md*) continue ;; esac
    # a controller's path to nowhere, a card reader without a card
    [ "$(first "$path/size")" != 0 ] || continue
    # a partitioned NVMe namespace has hidden twins, one for each path
    [ "$(first "$path/hidden")" != 1 ] || continue
    printf ',%s' "$(disk "$name" | object)"
  done
  have smartctl || note 'disk health: smartctl is not here'
}

# lsblk --pairs: NAME="sda1" FSTYPE="ext4" …, odd bytes as \xNN.
filesystems() {
  lsblk --pairs --bytes --output NAME,TYPE,FSTYPE,LABEL,UUID,SIZE,PARTLABEL,PARTTYPE 2>/dev/null | awk "$awk_quote"'
    function field(name,   at, rest) {
      at = index($0, name "=\"")
      if (at == 0) return ""
      rest = substr($0, at + length(name) + 2)
      return substr(rest, 1, index(rest, "\"") - 1)
    }
    function member(key, value) { if (value != "") printf ",\"%s\":%s", key, quote(value) }
    { $0 = " " $0 }
    field(" TYPE") ~ /^(loop|rom)$/ { next }
    field("FSTYPE") == "" && field(" TYPE") != "part" { next }
    {
      printf ",{\"device\":%s", quote(field(" NAME"))
      member("type", field("FSTYPE")); member("label", field(" LABEL")); member("uuid", field(" UUID"))
      member("partitionLabel", field("PARTLABEL")); member("partitionType", field("PARTTYPE"))
      if (field("SIZE") ~ /^[0-9]+$/) printf ",\"sizeBytes\":%s", field("SIZE")
      printf "}"
    }'
}

# lvm_list COMMAND FIELDS NAMES: one object a line; a name that ends in Bytes is a number.
lvm_list() {
  lvm "$1" --readonly --noheadings --units b --nosuffix --separator '|' --options "$2" 2>/dev/null |
    awk -F '|' -v names="$3" "$awk_quote"'
      BEGIN { n = split(names, key, " ") }
      {
        line = ""
        for (i = 1; i <= n; i++) {
          gsub(/^ +| +$/, "", $i); sub(/^\/dev\//, "", $i)
          if ($i != "") line = line ",\"" key[i] "\":" (key[i] ~ /Bytes$/ ? $i + 0 "" : quote($i))
        }
        if (line != "") printf ",{%s}", substr(line, 2)
      }' CONVFMT=%.0f
}

lvm_state() {
  have lvm || return 0
  printf ',"physicalVolumes":%s' "$(lvm_list pvs pv_name,vg_name,pv_size 'device group sizeBytes' | array)"
  printf ',"groups":%s' "$(lvm_list vgs vg_name,vg_size,vg_free 'name sizeBytes freeBytes' | array)"
  printf ',"volumes":%s' "$(lvm_list lvs lv_name,vg_name,lv_size 'name group sizeBytes' | array)"
}

# ARRAY /dev/md/0 level=raid1 metadata=1.2 num-devices=2 UUID=… name=host:0, then devices=/dev/sda2,/dev/sdb2
raids() {
  have mdadm || return 0
  mdadm --examine --scan --verbose 2>/dev/null | awk "$awk_quote"'
    function flush() { if (name != "") printf ",{\"name\":%s%s%s}", quote(name), level, members; name = level = members = "" }
    /^ARRAY/ {
      flush(); name = $2
      for (i = 3; i <= NF; i++) if ($i ~ /^level=/) level = ",\"level\":" quote(substr($i, 7))
    }
    # not num-devices=
    /[ \t]devices=/ {
      sub(/.*[ \t]devices=/, ""); n = split($0, d, ",")
      for (i = 1; i <= n; i++) { sub(/^\/dev\//, "", d[i]); members = members "," quote(d[i]) }
      members = ",\"members\":[" substr(members, 2) "]"
    }
    END { flush() }'
}

# The first frame that was caught on this interface, behind pcap's 24-byte file header and 16-byte record header.
lldp_frame() {
  capture=/run/labctl/lldp/$1.pcap
  [ ! -s "$capture" ] || od -An -v -tx1 -j40 "$capture" | tr -d ' \n' | head -c 4000
}

nic() {
  sys=/sys/class/net/$1
  text name "$1"
  # a bond gives its members its own address: the card's own is kept apart
  address=$(first "$sys/bonding_slave/perm_hwaddr")
  text mac "${address:-$(first "$sys/address")}"
  driver=$(readlink "$sys/device/driver")
  text driver "${driver##*/}"
  link=$(first "$sys/carrier")
  boolean link "${link:-0}"
  # -1 without link
  [ "$link" != 1 ] || number speedMbps "$(first "$sys/speed")"
  device=$(readlink -f "$sys/device")
  # virtio's card is the PCI function above
  case $device in */virtio[0-9]*) device=${device%/*} ;; esac
  text bus "${device##*/}"
  if [ -r "$scratch/lspci" ]; then
    awk -v slot="${device##*/}" "$awk_quote"'
      $0 == "Slot:\t" slot { here = 1 }
      $0 == "" { here = 0 }
      here && /^Vendor:/ { printf ",\"vendor\":%s", quote(name($0)) }
      here && /^Device:/ { printf ",\"model\":%s", quote(name($0)) }
      function name(s) { sub(/^[A-Za-z]+:\t/, "", s); sub(/ \[[0-9a-f]+\]$/, "", s); return s }
    ' "$scratch/lspci"
  fi
  if have ethtool; then
    text firmware "$(ethtool -i "$1" 2>/dev/null | sed -n 's/^firmware-version: *//p')"
  fi
  text lldpFrame "$(lldp_frame "$1")"
}

nics() {
  for path in /sys/class/net/*; do
    [ -e "$path/device" ] || continue
    [ "$(first "$path/type")" = 1 ] || continue
    printf ',%s' "$(nic "${path##*/}" | object)"
  done
}

# lspci -D -vmm -nn -k: a block of "Key:<tab>Name [id]" lines for each function; classes want all six digits of /sys.
pci() {
  [ -r "$scratch/lspci" ] || return 0
  for path in /sys/bus/pci/devices/*; do
    printf '%s %s\n' "${path##*/}" "$(first "$path/class")"
  done >"$scratch/classes"
  awk "$awk_quote"'
    function id(s) { return match(s, /\[[0-9a-f]+\]$/) ? substr(s, RSTART + 1, RLENGTH - 2) : "" }
    function name(s) { sub(/ ?\[[0-9a-f]+\]$/, "", s); return s }
    function member(key, value) { if (value != "") printf ",\"%s\":%s", key, quote(value) }
    function flush() {
      if (slot != "") {
        printf ",{\"slot\":%s", quote(slot)
        member("classCode", class[slot]); member("className", name(f["Class"]))
        member("vendorId", id(f["Vendor"])); member("vendor", name(f["Vendor"]))
        member("deviceId", id(f["Device"])); member("device", name(f["Device"]))
        member("driver", f["Driver"])
        printf "}"
      }
      slot = ""; split("", f)
    }
    NR == FNR { class[$1] = substr($2, 3); next }
    $0 == "" { flush(); next }
    { key = substr($0, 1, index($0, ":") - 1); value = substr($0, index($0, "\t") + 1) }
    key == "Slot" { slot = value; next }
    { f[key] = value }
    END { flush() }' "$scratch/classes" "$scratch/lspci"
}

tpm() {
  if [ ! -e /sys/class/tpm/tpm0 ]; then
    boolean present 0
    return
  fi
  boolean present 1
  case $(first /sys/class/tpm/tpm0/tpm_version_major) in
    2) text version 2.0 ;;
    1) text version 1.2 ;;
  esac
  text vendor "$(sed -n 's/^Manufacturer: *//p' /sys/class/tpm/tpm0/device/caps 2>/dev/null)"
}

bmc() {
  [ -e /dev/ipmi0 ] || return 0
  text version "$(first /sys/class/ipmi/ipmi0/device/bmc/firmware_revision)"
  if ! have ipmitool; then
    note 'the BMC was found, but ipmitool is not here to ask it for its address'
    return
  fi
  # the LAN channel is 1 nearly everywhere, 8 on some
  for channel in 1 8; do
    timeout 20 ipmitool lan print "$channel" >"$scratch/lan" 2>/dev/null || continue
    text address "$(sed -n 's/^IP Address  *: *//p' "$scratch/lan" | grep -v '^0\.0\.0\.0$')"
    text mac "$(sed -n 's/^MAC Address  *: *//p' "$scratch/lan")"
    case $(sed -n 's/^IP Address Source  *: *//p' "$scratch/lan") in
      DHCP*) text source dhcp ;;
      Static*) text source static ;;
    esac
    return
  done
  note 'the BMC does not say what its address is'
}

# What systemd-detect-virt would say, for the hypervisors that boot from a network.
virtualization() {
  # Of a virtual machine, its owner often names the system and never the chassis.
  case "$(first /sys/class/dmi/id/sys_vendor) $(first /sys/class/dmi/id/product_name) $(first /sys/class/dmi/id/chassis_vendor)" in
    *VMware*) printf vmware ;;
    *VirtualBox*) printf oracle ;;
    'Microsoft Corporation Virtual Machine'*) printf microsoft ;;
    *Xen*) printf xen ;;
    *KVM* | *OpenStack* | *'Google Compute'*) printf kvm ;;
    *QEMU* | *'Standard PC'*) if grep -q '^flags.* hypervisor' /proc/cpuinfo && hypervisor_is KVM; then printf kvm; else printf qemu; fi ;;
    *) if grep -qE '^flags.* hypervisor( |$)' /proc/cpuinfo; then printf vm-other; else printf none; fi ;;
  esac
}

hypervisor_is() {
  have lscpu && lscpu 2>/dev/null | grep -q "^Hypervisor vendor: *$1"
}

have udevadm && udevadm settle --timeout=20
if have lspci; then
  lspci -D -vmm -nn -k >"$scratch/lspci" 2>/dev/null
else
  note 'PCI devices: lspci is not here'
fi

{
  printf ',"version":1'
  text source "${LABCTL_SOURCE:-ram}"
  text mac "$LABCTL_MAC"
  text kernel "$(uname -r)"
  text architecture "$(uname -m)"
  text virtualization "$(virtualization)"
  printf ',"system":%s' "$(system | object)"
  printf ',"firmware":%s' "$(firmware | object)"
  printf ',"cpu":%s' "$(cpu | object)"
  printf ',"memory":%s' "$(memory | object)"
  printf ',"disks":%s' "$(disks | array)"
  printf ',"filesystems":%s' "$(filesystems | array)"
  printf ',"lvm":%s' "$(lvm_state | object)"
  printf ',"raids":%s' "$(raids | array)"
  printf ',"nics":%s' "$(nics | array)"
  printf ',"pci":%s' "$(pci | array)"
  printf ',"tpm":%s' "$(tpm | object)"
  printf ',"bmc":%s' "$(bmc | object)"
  printf ',"notes":%s' "$(array <"$scratch/notes")"
} | object
echo
