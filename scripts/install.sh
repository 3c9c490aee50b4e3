#!/bin/bash
# Installs coldcut for all users: the program, udev's rules, systemd's units, the user `coldcut`,
# and /etc/coldcut.toml if there is none. A second run changes nothing that is in place.
#
#   scripts/install.sh [--prefix DIR] [--root DESTDIR] [--watch] [--uninstall] [BINARY]
#
#   --prefix DIR    the program goes to DIR/bin [default: /usr/local]
#   --root DESTDIR  install below DESTDIR, for packages: no user is made, nothing is reloaded
#   --watch         a disc that goes in starts `coldcut watch`: for drives that are coldcut's alone
#   --uninstall     remove what was installed; catalog, staging area, the user and an edited
#                   /etc/coldcut.toml stay
#   BINARY          the program [default: target/release/coldcut]
set -euo pipefail
cd_from=$PWD
cd "$(dirname "$0")/.."

say() { printf 'install: %s\n' "$*"; }
fail() { say "$*" >&2; exit 1; }
usage() { sed -n '2,/^set -/{/^#/s/^# \{0,1\}//p}' scripts/install.sh; }

prefix=/usr/local root='' watch=no uninstall=no binary=''
while [ $# -gt 0 ]; do
  case $1 in
    --prefix) prefix=${2:?--prefix takes a directory}; shift ;;
    --root) root=${2:?--root takes a directory}; shift ;;
    --watch) watch=yes ;;
    --uninstall) uninstall=yes ;;
    --help) usage; exit 0 ;;
    -*) usage >&2; exit 2 ;;
    *) [ -z "$binary" ] || { usage >&2; exit 2; }; binary=$1 ;;
  esac
  shift
done
case $prefix in /*) ;; *) fail "--prefix takes a whole path, from /" ;; esac
case $root in ''|/*) ;; *) root=$cd_from/$root ;; esac
case $binary in '') binary=target/release/coldcut ;; /*) ;; *) binary=$cd_from/$binary ;; esac

program=$prefix/bin/coldcut
rules=/etc/udev/rules.d
units=/etc/systemd/system
config=/etc/coldcut.toml

# Sources and places, a line each; the paths are ours and hold no blanks.
text_files() {
  printf '%s %s\n' 61-coldcut.rules $rules
  if [ $watch = yes ] || [ $uninstall = yes ]; then
    printf '%s %s\n' 62-coldcut-watch.rules $rules
  fi
  printf '%s %s\n' coldcut-watch@.service $units coldcut-backup@.service $units \
    coldcut-backup@.timer $units
}

# The text of a rule or unit, with the program where it is.
text_of() { sed "s|/usr/bin/coldcut|$program|" "udev-rules/$1"; }

place_text() {
  local name=$1 dir=$2
  if text_of "$name" | cmp -s - "$root$dir/$name"; then
    say "$dir/$name is in place"
    return
  fi
  install -d "$root$dir"
  text_of "$name" | install -m 0644 /dev/stdin "$root$dir/$name"
  say "$dir/$name installed"
}

place_program() {
  [ -f "$binary" ] || fail "there is no $binary: run \`cargo build --release --locked\` first"
  if cmp -s "$binary" "$root$program"; then
    say "$program is in place"
    return
  fi
  # Beside it, then renamed: a running coldcut keeps its file.
  install -D -m 0755 "$binary" "$root$program.new"
  mv "$root$program.new" "$root$program"
  say "$program installed"
}

# The configuration as it is installed, with --watch or without: an administrator's coldcut works
# with the service's catalog.
config_text() {
  case $1 in
    yes) sed 's/^#\(catalog\|staging\) /\1 /' udev-rules/coldcut.toml ;;
    no) cat udev-rules/coldcut.toml ;;
  esac
}

place_config() {
  if [ -e "$root$config" ]; then
    say "$config is there and stays"
    return
  fi
  config_text $watch | install -D -m 0644 /dev/stdin "$root$config"
  say "$config installed, with examples"
}

place_state() {
  if [ -n "$root" ] || [ -e /var/lib/coldcut ]; then
    return
  fi
  install -d -m 0700 -o coldcut -g coldcut /var/lib/coldcut
  say "/var/lib/coldcut made for the user coldcut"
}

make_user() {
  if getent passwd coldcut >/dev/null; then
    say "the user coldcut is there"
    return
  fi
  getent group cdrom >/dev/null || groupadd --system cdrom
  useradd --system --user-group --groups cdrom --home-dir /var/lib/coldcut --no-create-home \
    --shell /usr/sbin/nologin coldcut
  say "the user coldcut made, a member of the group cdrom"
}

reload() {
  [ -z "$root" ] || return 0
  if [ -S /run/udev/control ]; then
    udevadm control --reload
    udevadm trigger --action=change --subsystem-match=block --sysname-match='sr*'
    udevadm trigger --action=change --subsystem-match=scsi_generic
    say "udev read the rules"
  fi
  if [ -d /run/systemd/system ]; then
    systemctl daemon-reload
    say "systemd read the units"
  fi
}

remove() {
  if [ -e "$root$1" ]; then
    rm -f "$root$1"
    say "$1 removed"
  fi
}

uninstall_all() {
  local name dir
  while read -r name dir; do
    remove "$dir/$name"
  done < <(text_files)
  remove "$program"
  if config_text yes | cmp -s - "$root$config" || config_text no | cmp -s - "$root$config"; then
    remove "$config"
  elif [ -e "$root$config" ]; then
    say "$config was edited and stays"
  fi
  reload
  say "catalog, staging area and the user coldcut stay; /var/lib/coldcut holds what is only there"
}

install_all() {
  local name dir
  place_program
  while read -r name dir; do
    place_text "$name" "$dir"
  done < <(text_files)
  place_config
  [ -n "$root" ] || make_user
  place_state
  reload
}

if [ -z "$root" ] && [ "$(id -u)" -ne 0 ]; then
  fail "this changes the system: run it as root, or with --root"
fi
case $uninstall in
  yes) uninstall_all ;;
  no) install_all ;;
esac
