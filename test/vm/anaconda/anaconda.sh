#!/bin/sh
# Stands for Fedora's installer: runs the %pre, %post and %onerror sections of a kickstart as Anaconda does, and does
# between them what the sections can tell (file systems and mounts by the kickstart, a small tree for the packages).
# It takes the place of the RAM environment's task "discover". inst.ks=URL is run once; without it the bastion is
# asked what to boot until it answers with a kickstart, again and again.
# shellcheck source=kickstart/ram/lib.sh
. /usr/lib/labctl/lib.sh

work=/tmp/anaconda
root=/mnt/sysroot

# SECTIONS of the kickstart, in their order: KIND-NUMBER, the line with its options in KIND-NUMBER.options.
split() {
  awk -v work="$work" '
    /^%(pre|post|onerror)( |$)/ {
      kind = substr($1, 2); file = work "/" kind "-" ++count[kind]
      print >(file ".options"); close(file ".options"); next
    }
    /^%end/ { file = "" }
    file != "" { print >file }' "$work/ks"
}

# Fails where Anaconda would give up.
run_section() {
  interpreter=/bin/sh
  log=/dev/null
  inside=''
  read -r options <"$1.options"
  for word in $options; do
    case $word in
      --interpreter=*) interpreter=${word#*=} ;;
      --log=*) log=${word#*=} ;;
    esac
  done
  case $options in
    %post*--nochroot*) ;;
    %post*) inside=$root ;;
  esac
  mkdir -p "$inside/tmp" "$inside${log%/*}"
  cp "$1" "$inside/tmp/section"
  if [ -n "$inside" ]; then
    chroot "$inside" "$interpreter" /tmp/section >"$inside$log" 2>&1 </dev/null
  else
    "$interpreter" /tmp/section >"$log" 2>&1 </dev/null
  fi
  status=$?
  say "anaconda: ${1##*/} ended with $status"
  case $status:$options in
    0:*) return 0 ;;
    *--erroronfail*) return 1 ;;
  esac
}

run_sections() {
  for section in "$work/$1"-?; do
    [ -e "$section" ] || continue
    run_section "$section" || return 1
  done
}

# What the included file says of partitions and volumes: mount point, device, file system, whether it is made.
mounts() {
  while read -r verb first rest; do
    made=yes
    type=ext4
    for word in $rest; do
      case $word in
        --onpart=*) device=/dev/${word#*=} ;;
        --vgname=*) group=${word#*=} ;;
        --name=*) device=/dev/$group/${word#*=} ;;
        --fstype=*) type=${word#*=} ;;
        --noformat) made=no ;;
      esac
    done
    case $verb:$first in part:/* | logvol:/*) printf '%s %s %s %s\n' "$first" "$device" "$type" "$made" ;; esac
  done </tmp/labctl-layout.ks | sort
}

make_file_systems() {
  mounts >"$work/mounts"
  vgchange -ay labctl || return 1
  while read -r point device type made; do
    case $made:$type in
      yes:efi) mkfs.vfat "$device" || return 1 ;;
      yes:*) mkfs.ext4 -F -q "$device" || return 1 ;;
    esac
    mkdir -p "$root$point"
    mount "$device" "$root$point" || return 1
    mkdir -p "$root/etc"
    printf '%s %s auto defaults 0 0\n' "$device" "$point" >>"$root/etc/fstab"
  done <"$work/mounts"
}

# A shell, what it is linked to, and busybox for all else.
install_packages() {
  libraries=usr/lib/x86_64-linux-gnu
  for folder in usr/bin usr/sbin usr/lib64 "$libraries" etc/NetworkManager boot/grub2 root tmp home; do
    mkdir -p "$root/$folder"
  done
  cp -a /bin /sbin /lib /lib64 "$root/"
  cp -a /usr/bin/busybox /usr/bin/bash /usr/bin/dash /usr/bin/sh "$root/usr/bin/"
  cp -a /usr/lib64/. "$root/usr/lib64/"
  cp -a "/$libraries"/ld-* "/$libraries"/libc.so* "/$libraries"/libtinfo* "$root/$libraries/"
  cp -a /usr/lib/busybox "$root/usr/lib/"
  cp -a /etc/passwd /etc/group /etc/nsswitch.conf "$root/etc/"
  ln -sf /usr/bin/busybox "$root/usr/sbin/init"
  echo kernel >"$root/boot/vmlinuz-1"
  echo menu >"$root/boot/grub2/grub.cfg"
  for bind in dev proc sys; do
    mkdir -p "$root/$bind"
    mount --bind "/$bind" "$root/$bind"
  done
}

between() {
  make_file_systems >"$work/storage" 2>&1 || {
    say "anaconda: $(tail -n 3 "$work/storage")"
    return 1
  }
  install_packages
}

# Whoever uses the machine writes to its data volume.
use() {
  while read -r point _; do
    case $point in /var/*) echo "written by $name" >"$root$point/from-$name" ;; esac
  done <"$work/mounts"
}

# What is left on the disks, on the console: volumes, and the files at the top of each.
look() {
  vgchange -ay >/dev/null 2>&1
  mkdir -p /mnt/look
  for volume in $(lvs --noheadings -o vg_name,lv_name --separator /); do
    say "volume: $volume"
    mount -o ro "/dev/$volume" /mnt/look 2>/dev/null || continue
    for file in /mnt/look/*; do
      [ ! -f "$file" ] || say "file: $volume/${file##*/}: $(head -n 1 "$file")"
    done
    umount /mnt/look
  done
  vgchange -an labctl >/dev/null 2>&1
}

# Anaconda would restart the machine.
leave() {
  touch /tmp/labctl-report/stop 2>/dev/null
  sleep 2
  sed -n "s|^[^ ]* \(${root}[^ ]*\) .*|\1|p" /proc/mounts | sort -r | while read -r mount; do umount "$mount"; done
  rm -rf /tmp/labctl-report /tmp/labctl-layout.ks "$root"
  look
}

install() {
  rm -rf "$work"
  mkdir -p "$work" "$root"
  curl --silent --show-error --fail --output "$work/ks" "$1" || return 1
  name=$(sed -n "s/^network .*--hostname='\{0,1\}\([^ .']*\).*/\1/p" "$work/ks")
  split
  before=/usr/lib/labctl/before-$name
  [ ! -e "$before" ] || sh -ex "$before" >"$work/before" 2>&1 || say "anaconda: $(tail -n 5 "$work/before")"
  if run_sections pre && between && run_sections post; then
    use
    ended=0
  else
    run_sections onerror
    ended=1
  fi
  leave
  say "anaconda: ${name:-kickstart} is over with $ended"
}

script=$(argument inst.ks '')
[ -z "$script" ] || install "$script"
while :; do
  script=$(curl --silent --max-time 20 "$LABCTL_URL/dispatch?mac=$LABCTL_MAC&platform=pcbios" |
    sed -n 's/^kernel .* inst\.ks=\([^ ]*\).*/\1/p')
  [ -z "$script" ] || install "$script"
  sleep 2
done
