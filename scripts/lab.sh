#!/bin/bash
# The laboratory: coldcut against optical drives that are programs, under a real kernel and udev.
#
#   scripts/lab.sh [--long] [TEST]  runs the suite, or the tests whose names contain TEST; --long: all
#                                   commands in each state of a drive, twelve discs in four drives,
#                                   forty discs through a loader, power cuts at all flushes
#   scripts/lab.sh --shell COMMAND  runs a command in the guest, with the drives' modules loaded
#
# The guest, a small Debian in qemu without KVM, is built once (two minutes, 1.2 GB) and kept in
# $COLDCUT_LAB, or ~/.cache/coldcut-lab; each run works on a copy that is thrown away.
# Exits with 77 if this machine cannot run it, and says what is missing.
set -euo pipefail
cd "$(dirname "$0")/.."

readonly packages=(mmdebstrap qemu-system-x86 e2fsprogs)
readonly in_guest=systemd,systemd-sysv,udev,dbus,kmod,linux-image-amd64,xorriso,growisofs,dvd+rw-tools,genisoimage,gnupg,bzip2,tar,procps,eject,util-linux,acl,attr,sudo,dmsetup,e2fsprogs,xfsprogs,btrfs-progs,libudev1,libnettle8,libhogweed6,libgmp10
# The suite takes half an hour beside the other tests.
patience=3600

say() { printf 'lab: %s\n' "$*"; }

cannot() {
  say "!!! the laboratory cannot run here: $*"
  exit 77
}

installed() {
  [ "$(dpkg-query -W -f '${db:Status-Status}' "$1" 2>/dev/null)" = installed ]
}

install_packages() {
  local package missing=()
  command -v dpkg-query >/dev/null || cannot "this is not a Debian"
  for package in "${packages[@]}"; do
    installed "$package" || missing+=("$package")
  done
  [ ${#missing[@]} -gt 0 ] || return 0
  [ "$(id -u)" -eq 0 ] || cannot "as root: apt-get install ${missing[*]}"
  say "installing ${missing[*]}"
  DEBIAN_FRONTEND=noninteractive apt-get install -y -q --no-install-recommends "${missing[@]}" >/dev/null ||
    { apt-get update -q && DEBIAN_FRONTEND=noninteractive apt-get install -y -q --no-install-recommends "${missing[@]}" >/dev/null; } ||
    cannot "apt-get cannot install ${missing[*]}"
}

# What runs in the guest once it is up: the script that the host shares, then the end.
write_agent() {
  cat >"$1/usr/local/sbin/lab-agent" <<'AGENT'
#!/bin/bash
modprobe -a 9p 9pnet_virtio
mkdir -p /host /lab
mount -t 9p -o trans=virtio,version=9p2000.L,msize=262144,cache=none host /host
touch /host/up
modprobe -a target_core_user tcm_loop uio sr_mod sg isofs
mount -t configfs none /sys/kernel/config 2>/dev/null
cp /host/bin/* /usr/local/bin/
cd /lab && bash /host/run.sh >/host/out 2>&1 </dev/null
echo $? >/host/status.new; sync; mv /host/status.new /host/status
systemctl poweroff --force --force
AGENT
  chmod +x "$1/usr/local/sbin/lab-agent"
  cat >"$1/etc/systemd/system/lab-agent.service" <<'UNIT'
[Unit]
After=systemd-udev-settle.service multi-user.target
[Service]
ExecStart=/usr/local/sbin/lab-agent
Environment=HOME=/root PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin
[Install]
WantedBy=multi-user.target
UNIT
  ln -s ../lab-agent.service "$1/etc/systemd/system/multi-user.target.wants/lab-agent.service"
}

build_guest() {
  local target=$1 work
  [ "$(id -u)" -eq 0 ] || cannot "the guest is built by root"
  say "building the guest, once"
  mkdir -p "$(dirname "$target")"
  work=$(mktemp -d "$target.XXXX")
  mmdebstrap --quiet --variant=minbase --include="$in_guest" bookworm "$work/root.tar" ||
    { rm -rf "$work"; cannot "mmdebstrap cannot fetch Debian's packages"; }
  mkdir "$work/root"
  tar xf "$work/root.tar" -C "$work/root"
  rm "$work/root.tar"
  write_agent "$work/root"
  mkdir -p "$work/root/host"
  echo lab >"$work/root/etc/hostname"
  echo '/dev/vda / ext4 defaults 0 1' >"$work/root/etc/fstab"
  truncate -s 6G "$work/disk.img"
  mkfs.ext4 -q -d "$work/root" "$work/disk.img"
  cp "$work"/root/boot/vmlinuz-* "$work/vmlinuz"
  cp "$work"/root/boot/initrd.img-* "$work/initrd.img"
  rm -rf "$work/root"
  mv "$work" "$target"
}

# The share: programs and what the guest is to do.
fill_share() {
  local share=$1 built suite
  mkdir -p "$share/bin" "$share/project"
  say "building coldcut, the drive and the suite"
  # Programs come with a test of their package: `cargo build` would take other features of crates that
  # the tests use, too, and scripts/test.sh would build all a second time.
  cargo test --locked --test harness --no-run
  suite=$(cargo test --locked -p coldcut-lab --test suite --no-run --message-format=json |
    sed -n 's/.*"name":"suite".*"executable":"\([^"]*\)".*/\1/p' | tail -1)
  built=$(cargo metadata --format-version 1 --no-deps | sed 's/.*"target_directory":"\([^"]*\)".*/\1/')/debug
  strip -o "$share/bin/coldcut" "$built/coldcut"
  strip -o "$share/bin/lab-burner" "$built/lab-burner"
  strip -o "$share/bin/suite" "$suite"
  cp -r scripts udev-rules "$share/project/"
}

# Runs the guest until it ends by itself, or patience does; its words come while it runs.
run_guest() {
  local guest=$1 share=$2 qemu follower
  : >"$share/out"
  # Without KVM, on a busy machine, the kernel may find its timer too late to believe in it:
  # no_timer_check.
  qemu-system-x86_64 -accel tcg,thread=multi -cpu max -smp 2 -m 2048 -nodefaults -nic none \
    -display none -serial "file:$share/serial" -no-reboot \
    -kernel "$guest/vmlinuz" -initrd "$guest/initrd.img" \
    -append "root=/dev/vda rw console=ttyS0 quiet no_timer_check" \
    -drive "file=$guest/disk.img,format=raw,if=virtio,cache=unsafe,snapshot=on" \
    -virtfs "local,path=$share,mount_tag=host,security_model=none" -device virtio-rng-pci &
  qemu=$!
  tail -n +1 -f --pid="$qemu" "$share/out" &
  follower=$!
  trap 'kill "$qemu" 2>/dev/null || true' EXIT
  SECONDS=0
  while kill -0 "$qemu" 2>/dev/null && [ "$SECONDS" -lt "$patience" ]; do
    if [ ! -e "$share/up" ] && [ "$SECONDS" -gt 240 ]; then
      say "!!! the guest does not come up; its last words:"
      tail -5 "$share/serial"
      break
    fi
    sleep 0.5
  done
  kill "$qemu" 2>/dev/null || true
  wait "$qemu" 2>/dev/null || true
  wait "$follower" 2>/dev/null || true
  trap - EXIT
}

long=no
if [ "${1:-}" = --long ]; then
  long=yes
  patience=10800
  shift
fi
install_packages
recipe=$(printf '%s\n' "$in_guest" "$(declare -f write_agent build_guest)" | sha256sum | cut -c 1-16)
guest=${COLDCUT_LAB:-${XDG_CACHE_HOME:-$HOME/.cache}/coldcut-lab}/$recipe
[ -e "$guest/disk.img" ] || build_guest "$guest"

share=$(mktemp -d)
fill_share "$share"
if [ "${1:-}" = --shell ]; then
  printf '%s\n' "${2:?a command}" >"$share/run.sh"
else
  printf 'LAB_LONG=%s suite --test-threads=1 %q\n' $long "${1:-}" >"$share/run.sh"
fi
say "booting the guest"
run_guest "$guest" "$share"
status=$(cat "$share/status" 2>/dev/null || echo 124)
[ "$status" -eq 0 ] || { say "!!! exit code $status after $SECONDS seconds"; }
say "the guest ran for $SECONDS seconds"
rm -rf "$share"
exit "$status"
