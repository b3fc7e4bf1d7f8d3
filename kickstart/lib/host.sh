# What makes the installed system this machine, the same for every family. `root` is where it is mounted.

host_file() {
  mkdir -p "$(dirname "$root$1")"
  cat >"$root$1"
}

host_name() {
  printf '%s\n' {{name}} | host_file /etc/hostname
  {
    printf '127.0.0.1 localhost\n::1 localhost ip6-localhost ip6-loopback\n'
    printf '127.0.1.1 %s %s\n' {{fqdn}} {{name}}
  } | host_file /etc/hosts
  ln -sf ../usr/share/zoneinfo/{{timezone}} "$root/etc/localtime"
  printf '%s\n' {{timezone}} | host_file /etc/timezone
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
{{#if rootKeys}}
  {
{{#each rootKeys as key}}
    printf '%s\n' {{key}}
{{/each}}
  } | host_keys root /root
{{/if}}
{{#if rootPasswordHash}}
  { set +x; } 2>/dev/null
  # shellcheck disable=SC2016 # a hash, not an expansion
  host_password root {{rootPasswordHash}}
  set -x
{{/if}}
{{#each users as user}}
  chroot "$root" id {{user.name}} >/dev/null 2>&1 || chroot "$root" useradd -m -s /bin/bash {{user.name}}
{{#if user.keys}}
  {
{{#each user.keys as key}}
    printf '%s\n' {{key}}
{{/each}}
  } | host_keys {{user.name}} /home/{{user.name}}
{{/if}}
{{#if user.passwordHash}}
  { set +x; } 2>/dev/null
  # shellcheck disable=SC2016 # a hash, not an expansion
  host_password {{user.name}} {{user.passwordHash}}
  set -x
{{/if}}
{{#if user.admin}}
  printf '%s ALL=(ALL) NOPASSWD: ALL\n' {{user.name}} | host_file /etc/sudoers.d/labctl-{{user.name}}
  chmod 0440 "$root/etc/sudoers.d/labctl-"{{user.name}}
{{/if}}
{{/each}}
  [ -z "$host_failed" ] || bastion_fail "$host_failed"
}

# What k3s asks of a host: modules, forwarding, no swap, its ports.
host_kubernetes() {
{{#if kubernetes}}
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
{{else}}
  bastion_log 'this role runs no kubernetes: nothing to prepare'
{{/if}}
}

{{#if kubernetes}}
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

{{/if}}
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
    printf '[connection]\nid=labctl\ntype=ethernet\nautoconnect-priority=10\n\n[ethernet]\nmac-address=%s\n\n' {{mac}}
{{#if network.static}}
    printf '[ipv4]\nmethod=manual\naddress1=%s/%s%s\n' {{network.address}} {{network.prefix}} {{network.gatewayComma}}
    # All in one line: of a key that comes again, only the last counts.
    printf 'dns='
{{#each network.dns as server}}
    printf '%s;' {{server}}
{{/each}}
    printf '\n'
    printf '\n[ipv6]\nmethod=auto\n'
{{else}}
    printf '[ipv4]\nmethod=auto\n\n[ipv6]\nmethod=auto\n'
{{/if}}
  } | host_file /etc/NetworkManager/system-connections/labctl.nmconnection
  chmod 0600 "$root/etc/NetworkManager/system-connections/labctl.nmconnection"
}

host_networkd() {
  {
    printf '[Match]\nMACAddress=%s\n\n[Network]\n' {{mac}}
{{#if network.static}}
    printf 'Address=%s/%s\n' {{network.address}} {{network.prefix}}
{{#if network.gateway}}
    printf 'Gateway=%s\n' {{network.gateway}}
{{/if}}
{{#each network.dns as server}}
    printf 'DNS=%s\n' {{server}}
{{/each}}
{{else}}
    printf 'DHCP=yes\n\n[DHCPv4]\nClientIdentifier=mac\n'
{{/if}}
  } | host_file /etc/systemd/network/10-labctl.network
  chroot "$root" systemctl enable systemd-networkd systemd-resolved
  ln -sf ../run/systemd/resolve/stub-resolv.conf "$root/etc/resolv.conf"
}

host_ifupdown() {
{{#if network.static}}
  _interface=
  for _nic in /sys/class/net/*; do
    if [ "$(cat "$_nic/address")" = {{mac}} ]; then _interface=${_nic##*/}; fi
  done
  [ -n "$_interface" ] || bastion_fail 'the interface this machine booted from is not there any more'
  {
    printf 'auto lo\niface lo inet loopback\n\nallow-hotplug %s\niface %s inet static\n' "$_interface" "$_interface"
    printf '  address %s/%s\n' {{network.address}} {{network.prefix}}
{{#if network.gateway}}
    printf '  gateway %s\n' {{network.gateway}}
{{/if}}
  } | host_file /etc/network/interfaces
{{#if network.dns}}
  {
{{#each network.dns as server}}
    printf 'nameserver %s\n' {{server}}
{{/each}}
  } | host_file /etc/resolv.conf
{{/if}}
{{else}}
  bastion_log 'the network stays as the installer set it up: DHCP'
{{/if}}
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
    printf 'url=%s\n' {{url}}
    printf 'token=%s\n' {{token}}
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

{{#if agent}}
# Lets the installed system join the fleet on its first boot. Without its agent it is installed all the same.
host_agent() {
  if host_fetch_agent; then
    bastion_log 'the agent is in place; it joins on the first boot'
  else
    rm -f "$root/usr/bin/labctl"
    bastion_log 'the agent could not be fetched: this machine will not join by itself'
  fi
}

host_fetch_agent() {
  mkdir -p "$root/usr/bin"
  if command -v curl >/dev/null 2>&1; then
    curl -fsS --noproxy '*' --retry 5 --retry-delay 2 --max-time 900 -o "$root/usr/bin/labctl" {{url}}{{agent.executable}} || return 1
  else
    wget -q -O "$root/usr/bin/labctl" {{url}}{{agent.executable}} || return 1
  fi
  printf '%s  %s\n' {{agent.sha256}} "$root/usr/bin/labctl" | sha256sum -c >/dev/null 2>&1 || return 1
  chmod 0755 "$root/usr/bin/labctl"
  printf '%s\n' {{agent.token}} | host_file /etc/labctl/join-token
  chmod 0600 "$root/etc/labctl/join-token"
  printf 'LABCTL_SERVER=%s\n' {{agent.server}} | host_file /etc/labctl/agent.env
  host_file /etc/systemd/system/labctl-agent.service <<'END'
[Unit]
Description=labctl agent
Wants=network-online.target
After=network-online.target

[Service]
Type=notify
EnvironmentFile=/etc/labctl/agent.env
ExecStartPre=/bin/sh -c '[ -e /var/lib/labctl-agent/agent.json ] || /usr/bin/labctl agent enroll "$LABCTL_SERVER" --token-file /etc/labctl/join-token'
ExecStart=/usr/bin/labctl agent run
ExecStartPost=/bin/rm -f /etc/labctl/join-token
Restart=always
RestartSec=5
UnsetEnvironment=BUN_OPTIONS BUN_BE_BUN BUN_INSPECT BUN_INSPECT_PRELOAD
Environment=MIMALLOC_SCAVENGER=0

[Install]
WantedBy=multi-user.target
END
  mkdir -p "$root/etc/systemd/system/multi-user.target.wants"
  ln -sf ../labctl-agent.service "$root/etc/systemd/system/multi-user.target.wants/labctl-agent.service"
}
{{/if}}

# What has to be true of an installed system, whatever installed it.
host_verify() {
  [ -x "$root/sbin/init" ] || [ -L "$root/sbin/init" ] || bastion_fail 'the installed system has no init'
  [ -s "$root/etc/fstab" ] || bastion_fail 'the installed system has no fstab'
  _kernels=0
  for _kernel in "$root"/boot/vmlinuz-*; do
    if [ -s "$_kernel" ]; then _kernels=$((_kernels + 1)); fi
  done
  [ "$_kernels" -gt 0 ] || bastion_fail 'the installed system has no kernel in /boot'
  [ "$(cat "$root/etc/hostname")" = {{name}} ] || bastion_fail 'the host name is not the one asked for'
  bastion_log "verified: $_kernels kernels, host name {{name|word}}"
}
