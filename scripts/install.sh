#!/bin/bash
# Installs coldcut for all users: the program, udev's rules, systemd's units, the user `coldcut`,
# and /etc/coldcut.toml if there is none. A second run changes nothing that is in place.
#
#   scripts/install.sh [--prefix DIR] [--root DESTDIR] [--watch] [--uninstall] [BINARY]
#   scripts/install.sh [--prefix DIR] [--root DESTDIR] --set NAME
#
#   --prefix DIR    the program goes to DIR/bin [default: /usr/local]
#   --root DESTDIR  install below DESTDIR, for packages: no user is made, nothing is reloaded
#   --watch         a disc that goes in starts `coldcut watch`: for drives that are coldcut's alone
#   --set NAME      fit coldcut-backup@NAME.service to the set NAME of /etc/coldcut.toml: where it
#                   writes, which file systems it needs, and that it burns if its discs go to a
#                   shelf; and let coldcut-serve.service write beside the catalog; again after each
#                   change of that table. Nothing else is installed
#   --uninstall     stop the services, and remove what was installed; catalog, staging area, the
#                   user, drop-ins of your own and an edited /etc/coldcut.toml stay
#   BINARY          the program [default: target/release/coldcut]
set -euo pipefail
cd_from=$PWD
cd "$(dirname "$0")/.."

say() { printf 'install: %s\n' "$*"; }
fail() { say "$*" >&2; exit 1; }
usage() { sed -n '2,/^set -/{/^#/s/^# \{0,1\}//p}' scripts/install.sh; }

prefix=/usr/local root='' watch=no uninstall=no binary='' set=''
while [ $# -gt 0 ]; do
  case $1 in
    --prefix) prefix=${2:?--prefix takes a directory}; shift ;;
    --root) root=${2:?--root takes a directory}; shift ;;
    --watch) watch=yes ;;
    --uninstall) uninstall=yes ;;
    --set) set=${2:?--set takes the name of a set}; shift ;;
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
sysusers=/etc/sysusers.d/coldcut.conf
tmpfiles=/etc/tmpfiles.d/coldcut.conf
config=/etc/coldcut.toml

# Sources and places, a line each; the paths are ours and hold no blanks.
text_files() {
  local unit
  printf '%s %s\n' 61-coldcut.rules $rules/61-coldcut.rules
  if [ $watch = yes ] || [ $uninstall = yes ]; then
    printf '%s %s\n' 62-coldcut-watch.rules $rules/62-coldcut-watch.rules
  fi
  for unit in coldcut-watch@.service coldcut-backup@.service coldcut-backup@.timer \
    coldcut-serve.service coldcut-serve.socket; do
    printf '%s %s\n' $unit $units/$unit
  done
  printf '%s %s\n' coldcut.sysusers $sysusers coldcut.tmpfiles $tmpfiles
}

# The text of a rule or unit, with the program where it is.
text_of() { sed "s|/usr/bin/coldcut|$program|" "udev-rules/$1"; }

place_text() {
  local name=$1 place=$2
  if text_of "$name" | cmp -s - "$root$place"; then
    say "$place is in place"
    return
  fi
  install -d "$root${place%/*}"
  text_of "$name" | install -m 0644 /dev/stdin "$root$place"
  say "$place installed"
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

# The configuration as it is installed, with --watch or without: an administrator's coldcut works as
# the service's user, with its catalog.
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
  if command -v systemd-sysusers >/dev/null; then
    systemd-sysusers $sysusers
  else
    getent group cdrom >/dev/null || groupadd --system cdrom
    useradd --system --user-group --groups cdrom --home-dir /var/lib/coldcut --no-create-home \
      --shell /usr/sbin/nologin coldcut
  fi
  say "the user coldcut made, a member of the group cdrom"
}

make_socket_dir() {
  [ -z "$root" ] && [ -d /run/systemd/system ] || return 0
  systemd-tmpfiles --create $tmpfiles
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
  if [ -e "$root$1" ] || [ -L "$root$1" ]; then
    rm -f "$root$1"
    say "$1 removed"
  fi
}

# The value of a key in a table of the configuration ('' is the top level): a text between quotation
# marks on the key's own line, as people write it. Nothing if there is none; 3 for what this does not
# understand, such as a text with backslashes.
value_of() {
  awk -v table="$1" -v key="$2" '
    /^[ \t]*\[/ {
      here = $0
      gsub(/^[ \t]*\[[ \t]*|[ \t]*\][ \t]*(#.*)?$|[" \047]/, "", here)
      next
    }
    here == table && $0 ~ "^[ \t]*\"?" key "\"?[ \t]*=" {
      sub(/^[^=]*=[ \t]*/, "")
      quote = substr($0, 1, 1)
      end = index(substr($0, 2), quote)
      value = substr($0, 2, end - 1)
      if ((quote != "\"" && quote != "\047") || end == 0 || index(value, "\\")) exit 3
      print value
      exit
    }' "$root$config"
}

has_table() {
  grep -Eq "^[[:blank:]]*\[[[:blank:]]*set\.[\"']?${set}[\"']?[[:blank:]]*\]" "$root$config"
}

asked() {
  value_of "$1" "$2" || fail "$config: $2 of ${1:-the top level} cannot be read by this script: write it as \"/a/path\", on a line of its own"
}

# A path as systemd's units take it (systemd.syntax(7)): in quotation marks, and `%%` for `%`.
for_unit() {
  local path=${1//\\/\\\\}
  path=${path//\"/\\\"}
  printf '"%s"' "${path//%/%%}"
}

is_shelf() {
  case $1 in ''|/dev/*) return 1 ;; esac
}

# Nothing for the units' own directory, in which they may write anyway.
may_write() {
  case $1 in ''|/var/lib/coldcut|/var/lib/coldcut/*) return ;; esac
  printf 'ReadWritePaths=%s\n' "$(for_unit "$1")"
}

# What the set's own table asks of its unit.
set_text() {
  local source dest catalog staging place
  source=$(asked "set.$set" source)
  dest=$(asked "set.$set" dest)
  catalog=$(asked "set.$set" catalog)
  staging=$(asked "set.$set" staging)
  [ -n "$catalog" ] || catalog=$(asked '' catalog)
  [ -n "$staging" ] || staging=$(asked '' staging)
  [ -n "$source" ] || fail "$config: the set $set has no source"
  printf '# Written by scripts/install.sh --set %s from %s: run it again after a change there.\n' \
    "$set" "$config"
  printf '\n[Unit]\nRequiresMountsFor=%s\n' "$(for_unit "$source")"
  ! is_shelf "$dest" || printf 'RequiresMountsFor=%s\n' "$(for_unit "$dest")"
  printf '\n[Service]\n'
  may_write "${catalog%/*}"
  may_write "$staging"
  if is_shelf "$dest"; then
    printf 'ReadWritePaths=%s\n' "$(for_unit "$dest")"
    printf 'ExecStart=\nExecStart=%s backup %%i --wait 6h\n' "$program"
  fi
}

# Whether nobody but root can put something else in the way of a path: each directory above it is
# root's, and others cannot write to it, or cannot remove there what is root's (sticky).
is_roots_alone() {
  local above owner mode
  above=$(realpath -- "$(dirname "$1")")
  while :; do
    read -r owner mode < <(stat -c '%u %a' -- "$above")
    [ "$owner" = 0 ] || return 1
    (((8#$mode & 8#22) == 0 || (8#$mode & 8#1000) != 0)) || return 1
    [ "$above" != / ] || return 0
    above=$(dirname "$above")
  done
}

# Root makes it where nobody can lead root elsewhere meanwhile; else coldcut's user makes it itself.
make_shelf() {
  if is_roots_alone "$1"; then
    mkdir -m 0750 -- "$1"
    chown -h coldcut:coldcut -- "$1"
  else
    runuser -u coldcut -- mkdir -m 0750 -- "$1" ||
      fail "the user coldcut cannot make $1; make it, and give it to that user, first"
  fi
  say "$1 made for the user coldcut"
}

# The unit starts only if the shelf is there, and coldcut's user must be able to write to it.
place_shelf() {
  local dest
  dest=$(asked "set.$set" dest)
  is_shelf "$dest" && [ -z "$root" ] || return 0
  if [ ! -e "$dest" ]; then
    [ -d "$(dirname "$dest")" ] || fail "$(dirname "$dest") is not there; make it, or mount it, first"
    make_shelf "$dest"
  elif ! runuser -u coldcut -- test -w "$dest"; then
    say "!!! the user coldcut cannot write to $dest: \`chown coldcut '$dest'\`"
  fi
}

# The service has its journal beside the catalog.
serve_text() {
  local catalog place
  catalog=$(asked '' catalog)
  place=$(may_write "${catalog%/*}")
  [ -n "$place" ] || return 0
  printf '# Written by scripts/install.sh --set from %s: run it again after a change there.\n' "$config"
  printf '\n[Service]\n%s\n' "$place"
}

# A drop-in of this script's own; without a text there is none.
place_drop_in() {
  local place=$units/$1 text=$2
  if [ "$text" = "$(cat "$root$place" 2>/dev/null)" ]; then
    [ -z "$text" ] || say "$place is in place"
    return
  fi
  is_changed=yes
  if [ -z "$text" ]; then
    remove "$place"
    rmdir "$root${place%/*}" 2>/dev/null || true
  else
    install -d "$root${place%/*}"
    printf '%s\n' "$text" | install -m 0644 /dev/stdin "$root$place"
    say "$place installed"
  fi
}

place_set() {
  local text serves is_changed=no
  case $set in *[!A-Za-z0-9_-]*) fail "$set is no name of a set" ;; esac
  [ -e "$root$config" ] || fail "there is no $config; run this script without --set first"
  has_table || fail "$config has no table [set.$set]"
  text=$(set_text)
  serves=$(serve_text)
  place_shelf
  place_drop_in "coldcut-backup@$set.service.d/50-set.conf" "$text"
  place_drop_in coldcut-serve.service.d/50-catalog.conf "$serves"
  [ $is_changed = no ] || reload
}

at_work() {
  systemctl list-units --plain --no-legend --state=active,activating,deactivating "$@"
}

# Services, timers and sockets that run, or are enabled. A service ends behind the disc in hand, which
# can take hours.
stop_units() {
  local unit
  [ -z "$root" ] && [ -d /run/systemd/system ] || return 0
  while read -r unit _; do
    say "stopping $unit; a disc in hand is finished first"
    systemctl stop "$unit" </dev/null
    # The socket first, or a run that reports starts the service anew.
  done < <(at_work coldcut-serve.socket
    at_work coldcut-serve.service 'coldcut-backup@*' 'coldcut-watch@*')
  for unit in "$units"/timers.target.wants/coldcut-backup@*.timer \
    "$units"/sockets.target.wants/coldcut-serve.socket; do
    remove "$unit"
  done
}

uninstall_all() {
  local place dir
  # Without the rules first, or an inserted disc starts a service anew.
  remove $rules/62-coldcut-watch.rules
  remove $rules/61-coldcut.rules
  reload
  stop_units
  while read -r _ place; do
    remove "$place"
  done < <(text_files)
  remove "$program"
  remove $units/coldcut-serve.service.d/50-catalog.conf
  for dir in "$root$units"/coldcut-*.d; do
    [ -d "$dir" ] || continue
    case $dir in */coldcut-backup@*) remove "${dir#"$root"}/50-set.conf" ;; esac
    rmdir "$dir" 2>/dev/null || say "${dir#"$root"} holds drop-ins of your own and stays"
  done
  [ -n "$root" ] || rmdir /run/coldcut 2>/dev/null || true
  if config_text yes | cmp -s - "$root$config" || config_text no | cmp -s - "$root$config"; then
    remove "$config"
  elif [ -e "$root$config" ]; then
    say "$config was edited and stays"
  fi
  reload
  say "catalog, staging area and the user coldcut stay; /var/lib/coldcut holds what is only there"
}

# What somebody else prepared there, the service would take for its own, and root would follow.
check_state() {
  local owner
  [ -z "$root" ] || return 0
  [ -e /var/lib/coldcut ] || [ -L /var/lib/coldcut ] || return 0
  [ ! -L /var/lib/coldcut ] || fail "/var/lib/coldcut is a link: move it away, and run this again"
  owner=$(stat -c %U /var/lib/coldcut)
  [ "$owner" = coldcut ] ||
    fail "/var/lib/coldcut belongs to the user $owner: move it away, and run this again"
}

install_all() {
  local name place
  check_state
  place_program
  while read -r name place; do
    place_text "$name" "$place"
  done < <(text_files)
  place_config
  [ -n "$root" ] || make_user
  place_state
  make_socket_dir
  reload
}

if [ -z "$root" ] && [ "$(id -u)" -ne 0 ]; then
  fail "this changes the system: run it as root, or with --root"
fi
case $uninstall$set in
  yes*) uninstall_all ;;
  no) install_all ;;
  no*) place_set ;;
esac
