#!/bin/sh
# Runs as preseed/early_command in Debian's installer, once the network is up.

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

disk_path=''
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

bastion_start early
bastion_follow syslog /var/log/syslog
# A step that fails leaves the installer at its menu on the console, waiting for somebody.
bastion_watch /var/log/syslog \
  "s/.* main-menu.*: Menu item '\([^']*\)' failed.*/the installer's step '\1' failed, its menu waits on the console/p"

# preseed/late_command comes before drivers' packages, the initramfs with them and the installer's own network
# configuration; this comes after them, and before all is unmounted (95umount). 10 goes back to the menu instead of
# starting half a system.
mkdir -p /usr/lib/finish-install.d
printf '#!/bin/sh\nsh /tmp/labctl/late.sh || exit 10\n' >/usr/lib/finish-install.d/93labctl
chmod +x /usr/lib/finish-install.d/93labctl

bastion_stage network
bastion_log "kernel $(uname -r), Debian 12 installer"

bastion_stage hardware
disk_describe | while read -r line; do bastion_log "$line"; done
