#!/bin/sh
# Runs as finish-install.d/93labctl in Debian's installer: the system is installed in /target, and nothing but its
# unmounting and the restart come after.

BASTION_URL='http://10.0.0.2:8080'
BASTION_TOKEN='0123456789abcdef0123456789abcdef'
# Reports to the bastion: named stages, explicit lines, and the installer's own log.
#
# POSIX sh; curl, or any wget that can POST. Needs BASTION_URL and BASTION_TOKEN. Everything waits in files
# below BASTION_DIR and one background process sends it, so the network may fail for as long as it likes and
# nothing here ever makes an install fail. The files survive the script that wrote them: %pre and %post, or
# early.sh and late.sh, go on counting where the one before stopped.
#
#   bastion_start SOURCE        traps errors, sends this script's output to the log, starts the sender
#   bastion_follow SOURCE FILE  streams a log file, from its beginning
#   bastion_watch FILE EXPR     what sed's EXPR prints of a log is a failure nobody else would tell of
#   bastion_stage NAME          the stage before is done, this one runs
#   bastion_note TEXT           how the running stage comes along
#   bastion_log TEXT            one line
#   bastion_fail TEXT           reports the failure with the log's tail, and ends the script
#   bastion_installed           the last stage is done
#   bastion_flush SECONDS       waits until all is sent, at most so long
#   bastion_carry ROOT          moves the files into ROOT, where a chroot goes on writing them
#   bastion_stop                ends the sender

BASTION_DIR=${BASTION_DIR:-/tmp/labctl-report}
# One request carries at most this much of a log, in bytes and lines.
bastion_batch=32768
bastion_lines=200
# A log that ran further ahead than this (bytes) while the network was away is cut, and the cut is told.
bastion_lag=1048576

# Inside these functions nothing is traced, and nothing that goes wrong ends the script.
bastion_quiet() {
  [ "${bastion_depth:-0}" -gt 0 ] || bastion_flags=$-
  bastion_depth=$((${bastion_depth:-0} + 1))
  set +ex
}
bastion_loud() {
  bastion_depth=$((bastion_depth - 1))
  [ "$bastion_depth" -eq 0 ] || return 0
  case $bastion_flags in *e*) set -e ;; esac
  case $bastion_flags in *x*) set -x ;; esac
}

bastion_start() {
  { bastion_quiet; } 2>/dev/null
  mkdir -p "$BASTION_DIR/queue" "$BASTION_DIR/follow"
  [ -e "$BASTION_DIR/log" ] || true >"$BASTION_DIR/log"
  bastion_source=$1
  bastion_script="$BASTION_DIR/$1.log"
  bastion_register bastion "$BASTION_DIR/log"
  bastion_register "$1" "$bastion_script"
  # 3 to 6 belong to debconf in Debian's installer.
  if true >>"$bastion_script"; then exec 9>&1 >>"$bastion_script" 2>&1; fi
  trap 'bastion_ended $?' EXIT
  trap 'exit 129' HUP
  trap 'exit 130' INT
  trap 'exit 143' TERM
  bastion_sender_start
  # The last traced command is what failed, and where: POSIX sh has no other way to tell.
  PS4='+$LINENO+ '
  bastion_flags='ex'
  bastion_loud
}

bastion_follow() {
  { bastion_quiet; } 2>/dev/null
  bastion_register "$1" "$2"
  bastion_loud
}

bastion_watch() {
  { bastion_quiet; } 2>/dev/null
  (
    set +ex
    trap - EXIT
    trap '' HUP
    while [ -d "$BASTION_DIR" ]; do
      _found=$(sed -n "$2" "$1" 2>/dev/null | tail -n 1)
      if [ -n "$_found" ]; then
        bastion_report_failure "$_found" "$1"
        break
      fi
      sleep 5
    done
  ) </dev/null >/dev/null 2>&1 3>&- 4>&- 5>&- 6>&- 9>&- &
  bastion_loud
}

bastion_stage() {
  { bastion_quiet; } 2>/dev/null
  bastion_finish_stage
  printf '%s\n' "$1" >"$BASTION_DIR/stage"
  bastion_queue "$1" running "${2:-}"
  bastion_say "stage $1"
  bastion_sender_start
  bastion_loud
}

bastion_note() {
  { bastion_quiet; } 2>/dev/null
  bastion_queue "$(bastion_current)" running "$*"
  bastion_loud
}

bastion_log() {
  { bastion_quiet; } 2>/dev/null
  bastion_say "$*"
  bastion_loud
}

bastion_fail() {
  { bastion_quiet; } 2>/dev/null
  bastion_report_failure "$*"
  trap - EXIT
  bastion_flush 20
  exit 1
}

bastion_installed() {
  { bastion_quiet; } 2>/dev/null
  bastion_finish_stage
  printf 'installed\n' >"$BASTION_DIR/stage"
  bastion_queue installed "done" "${1:-}"
  bastion_say "installed"
  rm -f "$BASTION_DIR/stage"
  bastion_flush 60
  bastion_loud
}

# For whoever learns of a failure from outside the failing script, perhaps from another log than the script's own.
# Told once; the first reason stays.
bastion_report_failure() {
  { bastion_quiet; } 2>/dev/null
  if [ ! -e "$BASTION_DIR/failed" ]; then
    true >"$BASTION_DIR/failed"
    bastion_say "failed: $1"
    _own=${bastion_script:-}
    bastion_queue "$(bastion_current)" failed "$1
$(bastion_tail "${2:-$_own}")"
    bastion_sender_start
  fi
  bastion_loud
}

bastion_flush() {
  { bastion_quiet; } 2>/dev/null
  rm -f "$BASTION_DIR/idle"
  true >"$BASTION_DIR/hurry"
  _left=$1
  while [ "$_left" -gt 0 ] && [ ! -e "$BASTION_DIR/idle" ]; do
    sleep 1
    _left=$((_left - 1))
  done
  rm -f "$BASTION_DIR/hurry"
  bastion_loud
}

bastion_stop() {
  { bastion_quiet; } 2>/dev/null
  true >"$BASTION_DIR/stop"
  _left=25
  while [ "$_left" -gt 0 ] && bastion_sender_runs; do
    sleep 1
    _left=$((_left - 1))
  done
  rm -f "$BASTION_DIR/stop"
  bastion_loud
}

bastion_carry() {
  { bastion_quiet; } 2>/dev/null
  _inside="$1/var/tmp/labctl-report"
  if [ ! -L "$BASTION_DIR" ]; then
    bastion_stop
    mkdir -p "$_inside"
    cp -R "$BASTION_DIR/." "$_inside/"
    rm -rf "$BASTION_DIR"
    ln -s "$_inside" "$BASTION_DIR"
    exec >>"$bastion_script" 2>&1
    bastion_sender_start
  fi
  bastion_loud
}

# --- below: not for callers -------------------------------------------------------------------------------

bastion_current() { cat "$BASTION_DIR/stage" 2>/dev/null || echo boot; }

bastion_say() {
  printf '%s\n' "$*" >>"$BASTION_DIR/log"
  { printf 'labctl: %s\n' "$*" >&9; } 2>/dev/null || :
}

bastion_finish_stage() {
  [ -s "$BASTION_DIR/stage" ] || return 0
  bastion_queue "$(bastion_current)" "done" ""
}

bastion_ended() {
  { bastion_quiet; } 2>/dev/null
  trap - EXIT
  if [ "$1" -ne 0 ]; then
    # A shell that keeps no line numbers (dash) leaves the number out.
    _last=$(sed -n -e '/bastion_ended/d' -e 's/^+\{1,\}\([0-9]*\)+ \(.*\)$/line \1: \2/p' "$bastion_script" |
      sed 's/^line : //' | tail -n 1 | cut -c 1-300)
    bastion_report_failure "$bastion_source, ${_last:-before its first command} (exit code $1)"
    bastion_flush 20
  fi
  exit "$1"
}

# The last lines of a log without the trace, for the message of a failure.
bastion_tail() {
  [ -n "$1" ] || return 0
  tail -n 60 "$1" 2>/dev/null | sed '/^+\{1,\}[0-9]*+ /d' | tail -n 12 | cut -c 1-160
}

# Stage reports: a file each, named by number, so that order and number survive everything.
bastion_queue() {
  _tries=0
  until mkdir "$BASTION_DIR/lock" 2>/dev/null; do
    _tries=$((_tries + 1))
    [ "$_tries" -lt 5 ] || break
    sleep 1
  done
  _number=$(($(cat "$BASTION_DIR/number" 2>/dev/null || echo 0) + 1))
  printf '%s\n' "$_number" >"$BASTION_DIR/number"
  _file=$(printf '%s/queue/%06d' "$BASTION_DIR" "$_number")
  printf '{"seq":%s,"stage":"%s","state":"%s","message":"%s"}' \
    "$_number" "$1" "$2" "$(printf '%s' "$3" | bastion_json)" >"$_file.new"
  mv "$_file.new" "$_file"
  rmdir "$BASTION_DIR/lock" 2>/dev/null || :
}

# Text as the inside of a JSON string.
bastion_json() {
  tr '\t\r' '  ' | LC_ALL=C tr -cd '\n -~' | head -c 1500 | sed 's/\\/\\\\/g; s/"/\\"/g' |
    sed -e ':again' -e '$!N' -e '$!b again' -e 's/\n/\\n/g'
}

# follow/N.path, N.source, N.offset: what is streamed, and how far it was sent. A file of BASTION_DIR by its name
# there: a chroot knows that directory by another path than the sender outside.
bastion_register() {
  set -- "$1" "${2#"$BASTION_DIR"/}"
  _n=0
  for _known in "$BASTION_DIR"/follow/*.path; do
    [ -e "$_known" ] || continue
    [ "$(cat "$_known")" != "$2" ] || return 0
    _n=$((_n + 1))
  done
  printf '%s\n' "$1" >"$BASTION_DIR/follow/$_n.source"
  printf '0\n' >"$BASTION_DIR/follow/$_n.offset"
  printf '%s\n' "$2" >"$BASTION_DIR/follow/$_n.path"
}

bastion_sender_runs() {
  _pid=$(cat "$BASTION_DIR/sender" 2>/dev/null || echo)
  [ -n "$_pid" ] && kill -0 "$_pid" 2>/dev/null
}

# Inside a chroot the sender outside goes on; there may be no tool to send with, and none is needed.
bastion_sender_start() {
  ! bastion_sender_runs || return 0
  command -v curl >/dev/null 2>&1 || command -v wget >/dev/null 2>&1 || return 0
  (
    set +ex
    trap - EXIT
    trap '' HUP
    bastion_sender
  ) </dev/null >/dev/null 2>&1 3>&- 4>&- 5>&- 6>&- 9>&- &
  printf '%s\n' "$!" >"$BASTION_DIR/sender"
}

bastion_sender() {
  _delay=1
  # Without its directory there is nothing to send, and nobody left who would stop it.
  while [ -d "$BASTION_DIR" ] && [ ! -e "$BASTION_DIR/stop" ]; do
    # What was queued while a round went on may have missed it: only a round begun in a hurry ends a flush.
    _hurried=
    [ ! -e "$BASTION_DIR/hurry" ] || _hurried=yes
    if bastion_round; then
      _delay=1
      if [ -n "$_hurried" ] && [ ! -e "$BASTION_DIR/more" ]; then true >"$BASTION_DIR/idle"; fi
    else
      _delay=$((_delay * 2))
      [ "$_delay" -le 30 ] || _delay=30
    fi
    [ ! -e "$BASTION_DIR/more" ] || continue
    _waited=0
    while [ "$_waited" -lt "$_delay" ]; do
      sleep 1
      _waited=$((_waited + 1))
      if [ -e "$BASTION_DIR/hurry" ] || [ -e "$BASTION_DIR/stop" ]; then break; fi
    done
  done
}

# Sends what waits: stages first, then each log's next batch. Fails when the network does.
bastion_round() {
  rm -f "$BASTION_DIR/more"
  for _report in "$BASTION_DIR"/queue/*; do
    case $_report in *[!0-9]) continue ;; esac
    bastion_post progress "" application/json "$_report" || return 1
    rm -f "$_report"
  done
  bastion_send_batch || return 1
  for _path in "$BASTION_DIR"/follow/*.path; do
    [ -e "$_path" ] || continue
    bastion_take_batch "${_path%.path}" && { bastion_send_batch || return 1; }
  done
  return 0
}

# Cuts the next whole lines of a log into `batch`; `pending` then says what to do once they arrived.
# A batch is sent again exactly as it was until it is answered: the numbers tell the bastion it knows it.
bastion_take_batch() {
  _log=$(cat "$1.path")
  case $_log in /*) ;; *) _log=$BASTION_DIR/$_log ;; esac
  [ -s "$_log" ] || return 1
  _offset=$(cat "$1.offset")
  _size=$(wc -c <"$_log" | tr -d ' ')
  [ "$_size" -ge "$_offset" ] || _offset=0
  [ "$_size" -gt "$_offset" ] || return 1
  if [ $((_size - _offset)) -gt "$bastion_lag" ]; then
    printf '%s bytes of %s were not sent\n' $((_size - _offset - bastion_lag / 4)) "$_log" >>"$BASTION_DIR/log"
    _offset=$((_size - bastion_lag / 4))
  fi
  tail -c "+$((_offset + 1))" "$_log" 2>/dev/null | head -c "$bastion_batch" | head -n "$bastion_lines" >"$BASTION_DIR/chunk"
  _lines=$(wc -l <"$BASTION_DIR/chunk" | tr -d ' ')
  _bytes=$(wc -c <"$BASTION_DIR/chunk" | tr -d ' ')
  if [ "$_lines" -eq 0 ]; then
    # Half a line: wait for the rest, unless it is longer than any line ought to be.
    [ "$_bytes" -ge "$bastion_batch" ] || return 1
  else
    head -n "$_lines" "$BASTION_DIR/chunk" >"$BASTION_DIR/whole"
    mv "$BASTION_DIR/whole" "$BASTION_DIR/chunk"
    _bytes=$(wc -c <"$BASTION_DIR/chunk" | tr -d ' ')
  fi
  # The trace stays on the machine: it is there to find the line that failed.
  tr '\r' '\n' <"$BASTION_DIR/chunk" | cut -c 1-1000 |
    sed -e '/^[[:space:]]*$/d' -e '/^+\{1,\}[0-9]*+ /d' >"$BASTION_DIR/batch"
  _lines=$(grep -c '' "$BASTION_DIR/batch")
  _first=$(cat "$BASTION_DIR/seq" 2>/dev/null || echo 1)
  printf '%s %s %s %s %s\n' "$_first" "$_lines" "$((_offset + _bytes))" "$1" "$(cat "$1.source")" >"$BASTION_DIR/pending.new"
  mv "$BASTION_DIR/pending.new" "$BASTION_DIR/pending"
  [ "$((_offset + _bytes))" -ge "$_size" ] || true >"$BASTION_DIR/more"
}

bastion_send_batch() {
  [ -s "$BASTION_DIR/pending" ] || return 0
  read -r _first _lines _next _entry _source <"$BASTION_DIR/pending"
  if [ "$_lines" -gt 0 ]; then
    bastion_post log "?seq=$_first&source=$_source" text/plain "$BASTION_DIR/batch" || return 1
  fi
  # The number first: should the machine die between the two, lines come twice under new numbers, never lost.
  printf '%s\n' "$((_first + _lines))" >"$BASTION_DIR/seq"
  printf '%s\n' "$_next" >"$_entry.offset"
  rm -f "$BASTION_DIR/pending"
}

# 0: the bastion has it, or will never want it. 1: try again.
bastion_post() {
  if command -v curl >/dev/null 2>&1; then
    _code=$(curl -s -o /dev/null -w '%{http_code}' --noproxy '*' --connect-timeout 5 --max-time 20 \
      -H "Authorization: Bearer $BASTION_TOKEN" -H "Content-Type: $3" --data-binary "@$4" \
      "$BASTION_URL/api/$1$2" 2>/dev/null)
  elif bastion_wget --header "Authorization: Bearer $BASTION_TOKEN" --header "Content-Type: $3" \
    --post-file "$4" "$BASTION_URL/api/$1$2"; then
    _code=200
  else
    _code=$(sed -n 's/.*[ /]\([45][0-9][0-9]\)[ :].*/\1/p' "$BASTION_DIR/answer" | tail -n 1)
  fi
  case $_code in
    408 | 425 | 429 | 5??) return 1 ;;
    [234]??) return 0 ;;
    *) return 1 ;;
  esac
}

bastion_wget() {
  if wget --help 2>&1 | grep -q -- --tries; then
    wget -T 20 --tries 1 --no-proxy -O /dev/null "$@" >"$BASTION_DIR/answer" 2>&1
    return
  fi
  # Busybox: a time-out of its own crashes some builds, so a watcher ends it.
  wget -Y off -O /dev/null "$@" >"$BASTION_DIR/answer" 2>&1 &
  _wget=$!
  (
    sleep 20
    kill "$_wget" 2>/dev/null
  ) &
  _watcher=$!
  wait "$_wget"
  _status=$?
  kill "$_watcher" 2>/dev/null
  return "$_status"
}
# Which disk: decided on the machine, from sysfs, so that it works the same in Anaconda, in Debian's
# installer and in RAM. Kernel names change from boot to boot; the rule does not.

disk_path='/dev/disk/by-id/ata-DISK_123'
disk_by_id=''
disk_serial=''
disk_model=''
disk_transport=''
disk_min_bytes='0'
disk_max_bytes='0'
disk_pick='only'

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
# What goes where on the disk, the same for every family: a GPT with a BIOS boot partition, an EFI system
# partition, /boot, and one LVM volume group with the root and the role's data volume. A data volume of an
# earlier install stays, unless wiping was asked for.

layout_group='labctl'
layout_bios_mib='1'
layout_esp_mib='512'
layout_boot_mib='1024'
layout_root_min='4096'
layout_root_max='51200'
layout_root_share='40'
layout_data='rancher'
layout_data_mount='/var/lib/rancher'
layout_data_min='1024'
layout_min_bytes='6997147648'
layout_wipe='false'

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
  [ $((_room + 16)) -ge "$_need" ] || layout_refuse "they leave $_room MiB, and the role infra needs $_need"
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
# EFI boot entries. Installers put the disk first; then the next reprovision would never boot from the
# network. Here the network goes back to the front, the installed system right behind it.

efi_here() { [ -d /sys/firmware/efi/efivars ] && command -v efibootmgr >/dev/null 2>&1; }

# Numbers of the entries whose line matches an extended regular expression, in the firmware's order. None is no
# failure, not under pipefail either.
efi_entries() { efibootmgr -v | grep -E '^Boot[0-9A-F]{4}' | grep -iE -e "$1" | sed 's/^Boot\(....\).*/\1/' || :; }

# LABEL DISK PARTITION-NUMBER LOADER: one entry of this name, made anew.
efi_make_entry() {
  for _entry in $(efi_entries "^Boot[0-9A-F]{4}.? $1([[:space:]]|\$)"); do efibootmgr -q -B -b "$_entry"; done
  efibootmgr -q -c -d "$2" -p "$3" -L "$1" -l "$4"
}

# LABEL: network entries first (the one this boot came from before the others), then LABEL, then the rest.
efi_network_first() {
  efi_now=$(efibootmgr | sed -n 's/^BootCurrent: *//p')
  efi_order=$(efibootmgr | sed -n 's/^BootOrder: *//p' | tr ',' ' ')
  efi_network=$(efi_entries '(MAC\(|PXE|HTTP|IPv4|IPv6|Network)')
  efi_wanted=
  for _entry in $(echo "$efi_network" | grep -x "$efi_now") $efi_network $(efi_entries "^Boot[0-9A-F]{4}.? $1([[:space:]]|\$)") $efi_order; do
    case ",$efi_wanted," in
      *",$_entry,"*) ;;
      *) efi_wanted="${efi_wanted:+$efi_wanted,}$_entry" ;;
    esac
  done
  efibootmgr -q -o "$efi_wanted"
  if [ -z "$efi_network" ]; then
    bastion_log 'the firmware shows no network entry: set it to boot from the network first, or the next reinstall will not start'
  fi
  # Some boards revert what they are told: say so now, not at the next reinstall.
  [ "$(efibootmgr | sed -n 's/^BootOrder: *//p')" = "$efi_wanted" ] ||
    bastion_log "the firmware did not keep the boot order $efi_wanted"
  bastion_log "boot order: $efi_wanted"
}
# What makes the installed system this machine, the same for every family. `root` is where it is mounted.

host_file() {
  mkdir -p "$(dirname "$root$1")"
  cat >"$root$1"
}

host_name() {
  printf '%s\n' 'i2' | host_file /etc/hostname
  {
    printf '127.0.0.1 localhost\n::1 localhost ip6-localhost ip6-loopback\n'
    printf '127.0.1.1 %s %s\n' 'i2.lab.example' 'i2'
  } | host_file /etc/hosts
  ln -sf ../usr/share/zoneinfo/'Europe/Berlin' "$root/etc/localtime"
  printf '%s\n' 'Europe/Berlin' | host_file /etc/timezone
}

# USER HOME: reads keys, one a line.
host_keys() {
  mkdir -p "$root$2/.ssh"
  cat >"$root$2/.ssh/authorized_keys"
  chmod 0700 "$root$2/.ssh"
  chmod 0600 "$root$2/.ssh/authorized_keys"
  chroot "$root" chown -R "$1:" "$2/.ssh"
}

# USER HASH: on standard input, so that no hash shows in a trace or a process list.
host_password() {
  { bastion_quiet; } 2>/dev/null
  printf '%s:%s\n' "$1" "$2" | chroot "$root" chpasswd -e || host_failed="the password of $1 was refused"
  bastion_loud
}

host_users() {
  host_failed=
  {
    printf '%s\n' 'ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIBxLmXk5Hq0G0yIuJ1mE0m1n5bS1Yb0m0QvJcS2cT0aB admin@lab'
  } | host_keys root /root
  [ -z "$host_failed" ] || bastion_fail "$host_failed"
}

# What k3s asks of a host: modules, forwarding, no swap, its ports.
host_kubernetes() {
  host_file /etc/modules-load.d/labctl-kubernetes.conf <<'END'
overlay
br_netfilter
nf_conntrack
iscsi_tcp
END
  host_file /etc/sysctl.d/90-labctl-kubernetes.conf <<'END'
net.ipv4.ip_forward = 1
net.ipv6.conf.all.forwarding = 1
net.bridge.bridge-nf-call-iptables = 1
net.bridge.bridge-nf-call-ip6tables = 1
fs.inotify.max_user_instances = 8192
fs.inotify.max_user_watches = 524288
vm.overcommit_memory = 1
kernel.panic = 10
kernel.panic_on_oops = 1
END
  if [ -e "$root/etc/fstab" ]; then
    sed -i 's/^\([^#].*[[:space:]]swap[[:space:]].*\)$/# no swap under kubernetes: \1/' "$root/etc/fstab"
  fi
  mkdir -p "$root/etc/systemd/system"
  ln -sf /dev/null "$root/etc/systemd/system/swap.target"
  # Fedora makes swap in compressed memory unless this file says nothing.
  host_file /etc/systemd/zram-generator.conf </dev/null
  host_firewall
}

host_firewall() {
  if [ ! -x "$root/usr/bin/firewall-offline-cmd" ]; then
    bastion_log 'no firewall is installed: the ports of k3s are open'
    return 0
  fi
  for _port in 22/tcp 6443/tcp 2379-2380/tcp 10250/tcp 8472/udp 51820-51821/udp; do
    chroot "$root" firewall-offline-cmd --add-port="$_port"
  done
  # Pods and services of k3s, at its default addresses.
  for _source in 10.42.0.0/16 10.43.0.0/16; do
    chroot "$root" firewall-offline-cmd --zone=trusted --add-source="$_source"
  done
}

# The interface it booted from; others are left to the system's defaults.
host_network() {
  if [ -d "$root/etc/NetworkManager" ]; then
    host_network_manager
  elif [ -x "$root/usr/lib/systemd/systemd-resolved" ]; then
    host_networkd
  else
    host_ifupdown
  fi
}

host_network_manager() {
  {
    printf '[connection]\nid=labctl\ntype=ethernet\nautoconnect-priority=10\n\n[ethernet]\nmac-address=%s\n\n' '52:54:00:12:34:56'
    printf '[ipv4]\nmethod=manual\naddress1=%s/%s%s\n' '10.0.0.6' '23' ',10.0.0.1'
    # All in one line: of a key that comes again, only the last counts.
    printf 'dns='
    printf '%s;' '10.0.0.1'
    printf '\n'
    printf '\n[ipv6]\nmethod=auto\n'
  } | host_file /etc/NetworkManager/system-connections/labctl.nmconnection
  chmod 0600 "$root/etc/NetworkManager/system-connections/labctl.nmconnection"
}

host_networkd() {
  {
    printf '[Match]\nMACAddress=%s\n\n[Network]\n' '52:54:00:12:34:56'
    printf 'Address=%s/%s\n' '10.0.0.6' '23'
    printf 'Gateway=%s\n' '10.0.0.1'
    printf 'DNS=%s\n' '10.0.0.1'
  } | host_file /etc/systemd/network/10-labctl.network
  chroot "$root" systemctl enable systemd-networkd systemd-resolved
  ln -sf ../run/systemd/resolve/stub-resolv.conf "$root/etc/resolv.conf"
}

host_ifupdown() {
  _interface=
  for _nic in /sys/class/net/*; do
    if [ "$(cat "$_nic/address")" = '52:54:00:12:34:56' ]; then _interface=${_nic##*/}; fi
  done
  [ -n "$_interface" ] || bastion_fail 'the interface this machine booted from is not there any more'
  {
    printf 'auto lo\niface lo inet loopback\n\nallow-hotplug %s\niface %s inet static\n' "$_interface" "$_interface"
    printf '  address %s/%s\n' '10.0.0.6' '23'
    printf '  gateway %s\n' '10.0.0.1'
  } | host_file /etc/network/interfaces
  {
    printf 'nameserver %s\n' '10.0.0.1'
  } | host_file /etc/resolv.conf
}

# Tells the bastion that the installed system came up, then takes itself away.
host_first_boot() {
  host_file /usr/lib/labctl/first-boot <<'END'
#!/bin/bash
# Made by the installer: reports the first boot and removes itself.
. /usr/lib/labctl/first-boot.conf
body='{"seq":1000000,"stage":"first-boot","state":"done","message":"'"$(uname -r), up $(cut -d. -f1 /proc/uptime) s"'"}'
host=${url#http://}
port=${host##*:}
post() {
  exec 3<>"/dev/tcp/${host%:*}/$port" || return 1
  printf 'POST /api/progress HTTP/1.1\r\nHost: %s\r\nAuthorization: Bearer %s\r\nContent-Type: application/json\r\nContent-Length: %s\r\nConnection: close\r\n\r\n%s' \
    "$host" "$token" "${#body}" "$body" >&3
  read -r -t 20 _ status _ <&3
  exec 3>&-
  case $status in [24]??) return 0 ;; esac
  return 1
}
for pause in 1 2 5 10 20 30 60 120 300 600; do
  if (post) 2>/dev/null; then break; fi
  sleep "$pause"
done
systemctl disable labctl-first-boot.service
rm -f /usr/lib/labctl/first-boot.conf /usr/lib/labctl/first-boot /etc/systemd/system/labctl-first-boot.service
END
  chmod 0755 "$root/usr/lib/labctl/first-boot"
  {
    printf 'url=%s\n' 'http://10.0.0.2:8080'
    printf 'token=%s\n' '0123456789abcdef0123456789abcdef'
  } | host_file /usr/lib/labctl/first-boot.conf
  chmod 0600 "$root/usr/lib/labctl/first-boot.conf"
  host_file /etc/systemd/system/labctl-first-boot.service <<'END'
[Unit]
Description=Report the first boot to the bastion
Wants=network-online.target
After=network-online.target

[Service]
Type=exec
ExecStart=/usr/lib/labctl/first-boot

[Install]
WantedBy=multi-user.target
END
  mkdir -p "$root/etc/systemd/system/multi-user.target.wants"
  ln -sf ../labctl-first-boot.service "$root/etc/systemd/system/multi-user.target.wants/labctl-first-boot.service"
}


# What has to be true of an installed system, whatever installed it.
host_verify() {
  [ -x "$root/sbin/init" ] || [ -L "$root/sbin/init" ] || bastion_fail 'the installed system has no init'
  [ -s "$root/etc/fstab" ] || bastion_fail 'the installed system has no fstab'
  _kernels=0
  for _kernel in "$root"/boot/vmlinuz-*; do
    if [ -s "$_kernel" ]; then _kernels=$((_kernels + 1)); fi
  done
  [ "$_kernels" -gt 0 ] || bastion_fail 'the installed system has no kernel in /boot'
  [ "$(cat "$root/etc/hostname")" = 'i2' ] || bastion_fail 'the host name is not the one asked for'
  bastion_log "verified: $_kernels kernels, host name i2"
}

root=/target

bastion_start late

bastion_stage configure
host_name
host_network
host_first_boot

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
bastion_installed 'Debian 13'
