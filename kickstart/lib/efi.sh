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
