#!/bin/bash
# Restores the newest snapshot of the set "@SET@" from undamaged discs of one's own:
#
#   bash simple-restore.sh [-p PASSPHRASE_FILE] TARGET DISC...
#
# TARGET is a new directory; each DISC is a directory with the content of a disc. It exits with 0
# only if every checksum agreed. It is short, so that it can be read before it is run: damaged or
# missing discs, older snapshots, and discs that strangers had in their hands are for restore.sh.
# FORMAT.txt, sections 5 to 7, describes the fields. Public domain (CC0 1.0).

[ -n "${BASH_VERSION-}" ] || { echo 'simple-restore.sh: use bash' >&2; exit 1; }
# Variables that tar, gpg or bash obey are left behind.
[[ ${1-} == --clean ]] || exec env -i PATH="$PATH" HOME="${HOME-/}" GNUPGHOME="${GNUPGHOME-${HOME-}/.gnupg}" \
    GPG_TTY="${GPG_TTY-}" TERM="${TERM-}" bash --noprofile --norc -- "$0" --clean "$@"
shift; set -euo pipefail
umask 077; export LC_ALL=C; key=() attributes=() pass=''
die() { printf 'simple-restore.sh: %s\n' "${*//[^ -~]/?}" >&2; exit 1; }

[[ ${1-} != -p || $# -lt 2 ]] || { key=(--batch --homedir /nonexistent --no-autostart --no-keyring --pinentry-mode loopback
    --passphrase-fd 3); IFS= read -r pass <"$2" || [[ $pass ]] || die "no passphrase in $2"; shift 2; }
[[ $# -ge 2 && $1 != -* && ! -e $1 ]] || die 'usage: simple-restore.sh [-p PASSPHRASE_FILE] TARGET DISC...; TARGET is a new directory'
target=$1 newest=0 listing='' wrong=0; shift

# What a file of a disc holds: decrypted and expanded.
content() { # FILE
    case $1 in *.gpg) gpg --quiet --no-options --lock-never "${key[@]}" --decrypt -- "$1" 3< <(printf '%s\n' "$pass") ;; *) cat -- "$1" ;; esac |
        case ${1%.gpg} in *.bz2) bzip2 -dc ;; *.zst) zstd -dcq ;; *) cat ;; esac
}

# Which directory has which disc, and which disc has the newest listing. All files but the archives
# are compared with SHA256SUMS here; what is in the archives is compared at the end.
declare -A dir uuid
for disc; do
    disc=$(realpath -- "$disc")
    (cd -- "$disc" && awk 'substr($0, 67) !~ /^(archives|parity)\//' SHA256SUMS | sha256sum -c --quiet) || die "$disc is damaged"
    read -r set id number snapshot < <(awk -F = '{ v[$1] = $2 } END { print v["set_uuid"], v["disc_uuid"], v["disc"], v["snapshot"] }' "$disc/DISC.txt")
    [[ $set == @SET_UUID@ && $number =~ ^[1-9][0-9]{0,8}$ && $snapshot =~ ^[1-9][0-9]{0,8}$ ]] || die "$disc is not a disc of the set @SET@"
    [[ ${uuid[$number]-$id} == "$id" ]] || die "there are two discs $number: use restore.sh"
    dir[$number]=$disc uuid[$number]=$id at=$((snapshot * 1000000000 + number)) file=$(echo "$disc"/SNAPSHOT.*)
    ((at < newest)) || [[ ! -f $file ]] || newest=$at listing=$file
done
((newest)) || die 'none of these discs lists the whole set: give the last one, too'

mkdir -p -- "$target" && cd -- "$target" && work=$(mktemp -d "$PWD.XXXXXXXX")
trap 'chmod -R u+rwx "$work"; rm -rf "$work"' EXIT
content "$listing" >"$work/listing"
# Every file has its place, no path leads elsewhere, and no escape but those of the format is there.
awk -F '\t' '/^#/ { next } { paths = "/" $2 "/" $6 "/"; escapes = $2 $6 $13; gsub(/\\([\\tn]|055|075)/, "", escapes) }
    NF < 16 || $2 != "." && paths ~ /\/(\.\.?)?\// || escapes ~ /\\/ || $1 == "f" && $5 ~ /\?/ { exit bad = 1 }
    END { exit bad }' "$work/listing" || die 'this listing is not for this script: use restore.sh'
lacks=$(awk -F '\t' -v have=" ${!dir[*]} " '$1 == "f" && $5 != "-" { n = split($5, place, ",")
    for (i = 1; i <= n; i++) { sub(/:.*/, "", place[i]); if (!index(have, " " place[i] " ")) { print place[i]; exit 1 } } }' "$work/listing") ||
    die "disc $lacks is missing: give it, too, or use restore.sh"
# A tar that is not run by root cannot give attributes to files that it may not write to.
((EUID)) || attributes=(--acls --xattrs --xattrs-include='*')
# Field 16 becomes "stored" where a file is still as it was stored, so that tar restores all of it.
for number in "${!dir[@]}"; do content "${dir[$number]}"/INDEX.* | awk -v n="$number" '!/^#/ { print n "\t" $0 }'; done >"$work/index"
awk -F '\t' -v OFS='\t' -v root="$((!EUID))" '/^#/ { next }
    function same(at,   i, s) { for (i = at; i < at + 9; i++) s = s $i "\t"; return s }
    FNR == NR { stored[$1 ":" $8 "/" ($5 == "=" ? $4 : $5)] = same(17); next }
    { at = $5 "/" ($6 == "=" ? $2 : $6); $16 = stored[at] == same(7) && (root || $15 == "-") && !taken[at]++ ? "stored" : "-"; print }
    ' "$work/index" "$work/listing" >"$work/rows"

# Calls a function for each row that awk's CONDITION is true of: fields are variables then, and names
# are without escapes.
each() { # CONDITION FUNCTION
    while IFS=$'\t' read -r kind path size sha where member mode uid gid _ _ mtime link device xattrs stored _; do
        [[ $member != '=' ]] || member=$path
        printf -v member %b "$member"; printf -v path ./%b "$path"; printf -v link %b "$link"
        "$2"
    done < <(awk -F '\t' "$1" "$work/rows")
}
metadata() {
    ((EUID != 0)) || chown -h -- "$uid:$gid" "$path"
    [[ $kind == l ]] || chmod -- "0$mode" "$path" # five digits: without what a directory inherited
    touch -h -d "@$mtime" -- "$path"
    [[ $kind == l || $xattrs == - ]] || printf 'attributes are not set (restore.sh sets them): %q\n' "$path"
}
make_directory() { mkdir -- "$path"; }
copy() { cp -- "$work/new/$member" "$path"; metadata; }
move() { mv -T -- "$work/new/$member" "$path"; }
join() { # The parts, in order; holes stay holes.
    (cd -- "$work/$member" && printf '%s\0' * | sort -zn | while IFS= read -r -d '' part; do cat -- "$part"; done) |
        dd of="$path" bs=4096 iflag=fullblock conv=sparse status=none
    metadata
}
make_other() {
    case $kind in f) : >"$path" ;; l) ln -s -- "$link" "$path" ;; p) mkfifo -- "$path" ;;
        *) mknod -- "$path" "$kind" "${device%:*}" "${device#*:}" ;; esac
    metadata
}
make_link() { ln -P -- "./$link" "$path"; }
check() { # Only its owner's mode may keep a file from being read.
    [[ -r $path ]] || chmod -- u+r "$path"
    [[ $(sha256sum <"$path") == "$sha  -" ]] || { printf 'wrong: %q\n' "$path"; wrong=1; }
    chmod -- "$mode" "$path"
}

each '$1 == "d" && $2 != "."' make_directory
for number in $(printf '%s\n' "${!dir[@]}" | sort -n); do for archive in "${dir[$number]}"/archives/*; do
    [[ -f $archive ]] || continue # a disc without archives
    at=${archive##*/} here="\$5 == \"$number:$((10#${at%%.*}))\" && \$6 !~ /^\\.coldcut-parts\\//"
    # tar complains of links to files that are in another archive; they are made from the listing.
    mkdir "$work/new"; content "$archive" | tar -x -p --numeric-owner "${attributes[@]}" -C "$work/new" -f - || true
    [[ ! -d $work/new/.coldcut-parts ]] || cp -r -- "$work/new/.coldcut-parts" "$work"
    each "$here && \$16 != \"stored\"" copy
    each "$here && \$16 == \"stored\"" move
    chmod -R u+rwx "$work/new" && rm -rf "$work/new"
done; done
each '$6 ~ /^\.coldcut-parts\//' join
each '$1 ~ /[lpcb]/ || $1 == "f" && $5 == "-"' make_other
each '$1 == "h"' make_link
each '$1 == "f"' check
each '$1 == "d"' metadata
((!wrong)) || die 'some files are wrong: see above'
echo 'done: everything is restored, and every checksum agrees'
