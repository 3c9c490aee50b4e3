#!/bin/bash
# Installs what building, testing and the demo need, from Debian's own archive, and only what is
# missing. A second run finds nothing to do.
set -euo pipefail
cd "$(dirname "$0")/.."

# What discs are made and read with, and what tests look at them with; then what the build needs:
# sequoia's cryptography is nettle's, bound at build time by bindgen (clang); libudev tells of
# inserted discs; SQLite and zstd are compiled here (gcc). Every bzip2 that people may have.
packages=(
  xorriso par2 gddrescue bzip2 gnupg tar coreutils mawk zstd acl attr python3 util-linux
  strace faketime e2fsprogs lbzip2 pbzip2 busybox p7zip-full chromium chromium-driver
  udev systemd shellcheck umockdev gir1.2-umockdev-1.0 python3-gi
  nettle-dev libudev-dev clang libclang-dev pkg-config gcc libc6-dev
)
# Debian 12's compiler for programs that need a newer one than rustc, with its companions.
rust_packages=(rustc-web cargo-web rustfmt-web rust-web-clippy)

say() { printf 'setup: %s\n' "$*"; }

# Whether cargo is there and not older than Cargo.toml's rust-version, 1.85.
cargo_is_enough() {
  local version
  version=$(cargo --version 2>/dev/null | cut -d ' ' -f 2) || return 1
  [ -n "$version" ] && printf '1.85.0\n%s\n' "$version" | sort -C -V
}

installed() {
  [ "$(dpkg-query -W -f '${db:Status-Status}' "$1" 2>/dev/null)" = installed ]
}

if ! command -v apt-get >/dev/null || ! command -v dpkg-query >/dev/null; then
  say "this is not a Debian: please see to it that these are there, and cargo 1.85 or newer:"
  say "${packages[*]}"
  exit 0
fi

missing=()
for package in "${packages[@]}"; do
  installed "$package" || missing+=("$package")
done
if ! cargo_is_enough; then
  missing+=("${rust_packages[@]}")
fi
if [ ${#missing[@]} -eq 0 ]; then
  say "nothing is missing"
  exit 0
fi

as_root=()
if [ "$(id -u)" -ne 0 ]; then
  if ! command -v sudo >/dev/null; then
    say "these packages are missing, and there is no sudo to install them with:"
    say "${missing[*]}"
    say "as root: apt-get update && apt-get install --no-install-recommends ${missing[*]}"
    exit 1
  fi
  as_root=(sudo)
fi

say "installing ${missing[*]}"
export DEBIAN_FRONTEND=noninteractive
"${as_root[@]}" apt-get update -q
"${as_root[@]}" apt-get install -y -q --no-install-recommends "${missing[@]}"

hash -r
if ! cargo_is_enough; then
  say "cargo is still older than 1.85: $(command -v cargo || echo none)"
  say "another one comes first on PATH; /usr/bin/cargo is the one just installed"
  exit 1
fi
