#!/bin/bash
# Restores the set "@SET@" from its discs by hand: without coldcut, with nothing but bash (4.4 or
# newer), GNU tar, bzip2, GNU coreutils, awk, and gpg or zstd where the archives' names end so.
#
#   restore.sh [-p PASSPHRASE_FILE] [-s SNAPSHOT] [--ignore-damage] [--verify-signature CERTFILE]
#              TARGET [DISC_DIR...]
#
# How it works, so that it can be mended or followed by hand (FORMAT.txt describes the files):
#   1. The newest SNAPSHOT.tsv among the discs says what is to be there. All directories are made.
#   2. For each disc awk compares its INDEX.tsv with the listing and writes a plan: which runs of
#      frames are unpacked as they are (R), and which go to a work directory first (W, S), to be
#      moved, copied (P) or joined (J) from there. Processes are started for runs of frames and
#      batches of files, never for each file of a big directory.
#   3. Each file's sha256 is compared; what is wrong is moved to .coldcut-damaged, never removed.
#   4. Everything without content, and whatever metadata differs from that in the archives, comes
#      from tar streams that awk writes from the listing; directories' modes and times come last.
# It removes nothing: its notes are files without a name, which end with it, and its work directory
# is empty at the end. What is in TARGET already stays as it is, so it can be run again for the rest.

set -uo pipefail
export LC_ALL=C
shopt -s nullglob dotglob globstar
umask 077

readonly SET='@SET@' SET_UUID='@SET_UUID@'
readonly TAB=$'\t' BATCH=100000 # bytes of names for one command line; Linux allows 2 MiB

# ---------------------------------------------------------------------------------- words

say() { printf 'restore.sh: %s\n' "$*" >&2; }

die() { # CODE WORDS
    local code=$1
    shift
    say "$@"
    exit "$code"
}

usage() {
    cat <<'END'
usage: restore.sh [-p PASSPHRASE_FILE] [-s SNAPSHOT] [--ignore-damage]
                  [--verify-signature CERTFILE] TARGET [DISC_DIR...]

  -p FILE          the passphrase is the first line of FILE; may be given again where the keys
                   of the set were changed
  -s SNAPSHOT      the state of the source at this run (a number); without it, the newest
  --ignore-damage  read frame by frame and over bad sectors: slower, loses the least
  --verify-signature CERTFILE
                   only discs whose SHA256SUMS is signed by this OpenPGP key are used (needs gpg).
                   Take this script from where nobody could change it
  TARGET           is made if it is missing; files that are in it stay as they are
  DISC_DIR         where a disc's content is (mounted, or copied); without any, you are asked

exit codes: 0 done; 3 some files are missing or damaged (they are listed); 1 it could not work;
2 the command line is wrong; 4 no disc of the set was there
END
}

# Bytes of a name that could harm a terminal are shown as ?.
shown() { printf '%s' "${1//[[:cntrl:]]/?}"; }

# --------------------------------------------------------------------------- command line

passphrases=() dirs_given=() snapshot='' ignore_damage=0 target='' signer=''

parse_arguments() {
    local words=()
    while (($#)); do
        case $1 in
            -p) (($# > 1)) || bad_usage "-p needs a file"; read_passphrase "$2"; shift ;;
            -s) [[ ${2-} =~ ^[1-9][0-9]{0,8}$ ]] || bad_usage "-s needs a number"; snapshot=$2; shift ;;
            --ignore-damage) ignore_damage=1 ;;
            --verify-signature) (($# > 1)) || bad_usage "--verify-signature needs a file"; signer=$2; shift ;;
            -h | --help) usage; exit 0 ;;
            --) shift; words+=("$@"); break ;;
            -*) bad_usage "unknown option $1" ;;
            *) words+=("$1") ;;
        esac
        shift
    done
    ((${#words[@]})) && [[ -n ${words[0]} ]] || bad_usage "TARGET is missing"
    target=${words[0]}
    dirs_given=("${words[@]:1}")
}

bad_usage() {
    say "$1"
    usage >&2
    exit 2
}

read_passphrase() {
    local line=''
    [[ -r $1 && ! -d $1 ]] || die 1 "the passphrase file $1 cannot be read"
    IFS= read -r line <"$1"
    [[ -n $line ]] || die 1 "the first line of $1 is empty"
    passphrases+=("$line")
}

# --------------------------------------------------------------------------------- tools

check_tools() {
    local tool
    ((BASH_VERSINFO[0] * 100 + BASH_VERSINFO[1] >= 404)) || die 1 "bash 4.4 or newer is needed"
    for tool in tar bzip2 awk sha256sum; do
        [[ -n $(type -P "$tool") ]] || die 1 "$tool is not installed, and is needed"
    done
}

# What tar is told; attributes only where this tar knows them.
tar_options() {
    untar=(tar -x -p --numeric-owner --delay-directory-restore --warning=no-timestamp -f -)
    attributes=() acls=()
    if tar -c --xattrs --xattrs-include='*' -f /dev/null -T /dev/null 2>/dev/null; then
        attributes=(--xattrs --xattrs-include='*')
    fi
    if tar -c --acls -f /dev/null -T /dev/null 2>/dev/null; then
        acls=(--acls)
    fi
}

# A note: a file without a name, that ends with this script even if it is killed. bash makes one
# for each here-document; before 5.1 always, later only when told to behave as before.
note() { # VARIABLE: gets the path under which it can be written and read
    local fd
    ((BASH_VERSINFO[0] * 100 + BASH_VERSINFO[1] < 501)) || BASH_COMPAT=5.0
    exec {fd}<<<'' || die 1 "no room for notes in $PWD"
    printf -v "$1" /proc/self/fd/%d "$fd"
    [[ -f ${!1} ]] && chmod u+w "${!1}" && : >"${!1}" || die 1 "notes cannot be kept in $PWD"
}

make_notes() {
    local name
    TMPDIR=$PWD
    for name in LISTING INDEX PLAN CHECK NAMES SUMS LINES FIX THERE OTHER GOOD REFUSED SCRATCH; do
        note "$name"
    done
}

# ------------------------------------------------------------------------- discs and keys

declare -A copy=() copies=() snap_of=()
discs=()

# Reads DISC.txt into d_*; false if this is no disc of the set.
read_disc() { # DIRECTORY
    local key value
    d_format='' d_kind='' d_uuid='' d_no='' d_snap='' d_enc=''
    [[ -r $1/DISC.txt ]] || { say "$1 is not a disc: it has no DISC.txt"; return 1; }
    while IFS='=' read -r key value; do
        case $key in
            format) d_format=$value ;;
            kind) d_kind=$value ;;
            set_uuid) d_uuid=$value ;;
            disc) d_no=$value ;;
            snapshot) d_snap=$value ;;
            encryption) d_enc=$value ;;
        esac
    done <"$1/DISC.txt"
    [[ $d_format == 1 ]] || { say "$1: format ${d_format:-unknown}; this script reads format 1"; return 1; }
    [[ $d_uuid == "$SET_UUID" ]] || { say "$1 is a disc of another set; this script restores $SET"; return 1; }
    [[ $d_no =~ ^[1-9][0-9]{0,8}$ && $d_snap =~ ^[1-9][0-9]{0,8}$ ]] || { say "$1/DISC.txt is damaged"; return 1; }
    is_signed "$1" || return
    d_dir=$1
}

# Whether the disc's list is signed by the key that was asked for, and the files that say what is on
# the disc are those of the list.
is_signed() { # DIRECTORY
    [[ -n $signer ]] || return 0
    gpg --batch --no-tty --quiet --no-options --homedir /nonexistent --no-permission-warning --no-autostart \
        --no-random-seed-file --lock-never --trust-model always --no-default-keyring --keyring "$signer" \
        --verify "$1/SHA256SUMS.sig" "$1/SHA256SUMS" 2>/dev/null ||
        { say "$1 is not signed by the key of --verify-signature"; return 1; }
    local file name said
    for file in "$1"/{DISC.txt,INDEX.*,SNAPSHOT.*}; do
        name=${file##*/}
        said=$(awk -v name="$name" 'substr($0, 67) == name { print substr($0, 1, 64) }' "$1/SHA256SUMS")
        [[ $(sha256sum <"$file") == "$said  -" ]] || { say "$file is not as it was signed"; return 1; }
    done
}

# The key as gpg takes it in a ring of its own: binary.
read_signer() {
    [[ -n $signer ]] || return 0
    [[ -n $(type -P gpg) ]] || die 1 "gpg is not installed, and --verify-signature needs it"
    local ring
    [[ -r $signer && ! -d $signer ]] || die 1 "the certificate $signer cannot be read"
    note ring
    if [[ $(head -c 5 -- "$signer") == ----- ]]; then
        gpg --batch --no-options --homedir /nonexistent --no-permission-warning --dearmor <"$signer" >"$ring" 2>/dev/null
    else
        cat -- "$signer" >"$ring"
    fi
    [[ -s $ring ]] || die 1 "the certificate $signer cannot be read"
    signer=$ring
}

# Takes a directory as a disc, or as another copy of one.
add_disc() { # DIRECTORY
    read_disc "$1" || return
    [[ $d_kind != parity ]] || { say "$1 is a recovery disc: its README.txt says what it is for"; return 0; }
    choose_passphrase || return
    local number=${copies[$d_no]:-0}
    ((number)) || discs+=("$d_no")
    copy[$d_no,$number]=$1
    copies[$d_no]=$((number + 1))
    snap_of[$d_no]=$d_snap
}

sort_discs() {
    ((${#discs[@]} == 0)) || mapfile -t discs < <(printf '%s\n' "${discs[@]}" | sort -n)
}

# Finds the passphrase that opens the disc in d_*: the keys of a set may have been changed.
choose_passphrase() {
    [[ $d_enc == passphrase ]] || { pass=${passphrases[0]-}; return 0; }
    local file
    ((${#passphrases[@]})) || ask_passphrase
    for file in "$d_dir"/{INDEX.tsv,SNAPSHOT.tsv,catalog.sqlite}.bz2.gpg; do
        [[ -r $file ]] || continue
        for pass in "${passphrases[@]}"; do
            [[ $(open_file "$file" 2>/dev/null | head -c 3) == BZh ]] && return
        done
    done
    say "disc $d_no does not open: not its passphrase, or its INDEX is damaged"
    locked=1
    return 1
}

ask_passphrase() {
    local line=''
    { true </dev/tty; } 2>/dev/null || die 1 "the set $SET needs a passphrase: give -p FILE"
    IFS= read -rs -p "Passphrase of the set $SET: " line </dev/tty
    echo >&2
    [[ -n $line ]] || die 1 "no passphrase"
    passphrases+=("$line")
}

# A file's bytes; with --ignore-damage zeros stand for the sectors that cannot be read.
bytes_of() { # FILE
    if ((ignore_damage)); then
        dd if="$1" bs=2048 conv=noerror,sync status=none | head -c "$(stat -L -c %s -- "$1")"
    else
        cat -- "$1"
    fi
}

# A file's bytes, decrypted if its name ends in .gpg.
open_file() { # FILE
    if [[ $1 == *.gpg ]]; then bytes_of "$1" | decrypt; else bytes_of "$1"; fi
}

# A passphrase needs neither key ring nor agent; a key needs the key ring of the user.
decrypt() {
    local gpg=(gpg --batch --no-tty --quiet)
    if [[ $d_enc == passphrase ]]; then
        gpg+=(--no-options --homedir /nonexistent --no-permission-warning --no-autostart --no-keyring
            --no-random-seed-file --trust-model always)
    elif ((${#passphrases[@]} == 0)); then
        gpg --quiet --decrypt
        return
    fi
    "${gpg[@]}" --pinentry-mode loopback --passphrase-fd 3 --decrypt 3< <(printf '%s\n' "$pass")
}

# The text of INDEX or SNAPSHOT of the disc in d_*.
listing_text() { # NAME
    local file
    for file in "$d_dir/$1".tsv.bz2{,.gpg}; do
        [[ -r $file ]] || continue
        open_file "$file" | bzip2 -dc
        return
    done
    return 1
}

# ------------------------------------------------------------------------------- awk parts

# Shared by the awk programs: undoing escapes; which paths are safe.
readonly AWK_COMMON='
function plain(s,   out, at, c) {
    if (index(s, "\\") == 0) return s
    out = ""
    while ((at = index(s, "\\")) > 0) {
        c = substr(s, at + 1, 1)
        out = out substr(s, 1, at - 1)
        s = substr(s, at + 2)
        if (c == "t") out = out "\t"
        else if (c == "n") out = out "\n"
        else if (c == "0") { out = out (substr(s, 1, 2) == "55" ? "-" : "="); s = substr(s, 3) }
        else out = out c
    }
    return out s
}
function parent(p) { return sub(/\/[^\/]*$/, "", p) ? p : "." }
function leads_outside(p) { return ("/" p "/") ~ /\/(\.\.?)?\// }
# Nine fields as they stand in the line; one more is behind them.
function meta(from,   at, i) {
    at = from
    for (i = 1; i < from; i++) at += length($i)
    return substr($0, at, length($0) - length($NF) - at)
}
'

# Keeps the rows that can be restored without leaving the target: each in a directory that the
# listing has before it. Others are named in REFUSED.
readonly AWK_CHECK_LISTING='
/^#/ { next }
NF != 16 { print "a damaged line of the listing" > refused; next }
$2 == "." { if ($1 == "d") { is_dir["."] = 1; print }; next }
leads_outside($2) || !((up = parent($2)) in is_dir) && up != "." || $2 in seen {
    print $2 > refused
    next
}
{ if ($1 == "d") is_dir[$2] = 1; else seen[$2] = 1; print }
'

# A listing made of the INDEXes, where no disc at hand has a whole SNAPSHOT: each path as it was
# stored last. $1 is the disc.
readonly AWK_LISTING_OF_INDEXES='
NF != 26 || $2 > newest { next }
{ p = $4; place = $1 ":" $8; m = meta(17); note = $26 }
$3 == "f" && $12 > 0 {
    id = parent($5)
    if (!(p in id_of) || id_of[p] != id) { places[p] = ""; last_part[p] = 0 }
    if ($12 != last_part[p] + 1) places[p] = places[p] "?,"
    places[p] = places[p] place (whole_file($13) ? "" : ",")
    id_of[p] = id
    last_part[p] = $12
    row[p] = "f\t" p "\t" $15 "\t" ($16 == "=" ? $7 : $16) "\t" places[p] (whole_file($13) ? "" : "?") "\t" id "\t" m "\t" note
    next
}
{
    delete id_of[p]
    has = $3 == "f" && $6 > 0
    row[p] = $3 "\t" p "\t" $6 "\t" $7 "\t" (has ? place : "-") "\t" (has ? $5 : "-") "\t" m "\t" note
}
function whole_file(parts) { return parts != "-" }
END {
    for (p in row) {
        out(p, row[p])
        for (up = parent(p); up != "." && !(up in row) && !(up in made); up = parent(up)) {
            made[up] = 1
            out(up, "d\t" up "\t0\t-\t-\t-\t0755\t0\t0\t-\t-\t0.0\t-\t-\t-\t-")
        }
    }
}
function out(p, text) { gsub("/", "\001", p); print (p == "." ? "" : p) "\t" text }
'

# The plan for one disc. Reads the paths that need nothing any more (THERE, GOOD), the LISTING and
# the disc INDEX; writes what to do, what to check and whose metadata to mend.
readonly AWK_PLAN='
phase == 1 { there[$1] = 1; next }
phase == 2 && $1 != "f" { other[$2] = $1 "\t" meta(7); next }
phase == 2 && $5 == "-" { other[$2] = "f\t" meta(7); next }
phase == 2 {
    if ($2 in there) { other[$2] = "f"; next }
    member = $6 == "=" ? $2 : $6 == "\\075" ? "=" : $6 == "\\055" ? "-" : $6
    if (member ~ /^\.coldcut-parts\//) want_parts(member)
    else if ($5 == "?") unplaced[$2] = 1
    else if (split($5, place, ":") && place[1] == disc) want(place[2] "/" member)
    else next
    metas[$2] = meta(7)
    sha[$2] = $4
    next
}
/^#/ || NF != 25 { next }
$7 != archive { end_archive(); archive = $7; begun = 0 }
$8 != unit { end_unit(); unit = $8; unit_length = $9 }
{ member = $4 == "=" ? $3 : $4 }
$2 != "f" {
    only_files = 0
    if (!((member in other) && other[member] == $2 "\t" meta(16)) || (!root && $2 ~ /[bc]/)) as_is = 0
    next
}
$11 > 0 { take_part(); next }
{
    key = ($7 + 0) "/" member
    if (key in wanted) take(wanted[key])
    else if (($3 in unplaced) && $1 <= snapshot && (sha[$3] == "-" || sha[$3] == whole_sha())) take($3)
    else {
        only_files = 0
        if (!(member in other) || (other[member] != "f" && other[member] != "f\t" meta(16))) as_is = 0
    }
}
END { end_archive() }

function want(key) { if (key in wanted) wanted[key] = wanted[key] "\t" $2; else wanted[key] = $2 }
# Files in parts only where all their discs are at hand: a piece of a file is of no use. A ? at
# the end of the places may be found; one before others is a part that no INDEX names.
function want_parts(id,   n, i, place, at) {
    n = split($5, place, ",")
    for (i = 1; i <= n; i++) {
        split(place[i], at, ":")
        if (place[i] == "?" && i < n) return
        if (!asking && place[i] != "?" && index(at_hand, " " at[1] " ") == 0) return
    }
    if (id in parts_of) parts_of[id] = parts_of[id] "\t" $2; else parts_of[id] = $2
}
function whole_sha() { return $15 == "=" ? $6 : $15 }

# The members of the unit that is being read.
function take(to) {
    any = 1
    count++
    members[count] = member; dests[count] = to; part[count] = $11; parts[count] = $12
    has[count] = meta(16); sum[count] = whole_sha()
    if ($11 > 0 || to != member) as_is = 0
}
function take_part(   id) {
    id = parent(member)
    if (!(id in parts_of) && ($3 in unplaced) && $1 <= snapshot) parts_of[id] = $3
    if (id in parts_of) take(parts_of[id]); else { as_is = 0; only_files = 0 }
}

# What is to be done with a member when its run is unpacked. Copies of the same rank stand
# together and moves come last, so that neighbours go into one command.
function put_all(i,   n, dest, k) {
    n = split(dests[i], dest, "\t")
    for (k = 1; k <= n; k++) {
        put(k < n ? k : 0, members[i], dest[k])
        expect(dest[k], sum[i], has[i])
    }
}
function put(rank, from, to) {
    if (rank > ranks) ranks = rank
    op[rank, ++ops[rank]] = (rank ? "c" : "m") "\t" from "\t" to
}
function join(i,   n, dest, k) {
    n = split(dests[i], dest, "\t")
    joins[++join_count] = "J\t" part[i] "\t" members[i] "\t" dest[1] "\t" parts[i]
    if (parts[i] == "-") return
    for (k = 1; k <= n; k++) {
        if (k > 1) joins[++join_count] = "C\t" dest[1] "\t" dest[k]
        expect(dest[k], sum[i], "")
    }
}
function expect(dest, found, has_meta) {
    checks[++check_count] = (sha[dest] == "-" ? found : sha[dest]) "\t" dest
    if (metas[dest] != has_meta) print dest >> fix
}

function end_unit() {
    if (unit != "" && any) {
        if (!begun++) print "A\t" archive
        if (as_is) class = "R"; else if (only_files) class = "W"; else class = "S"
        if (class != run || class == "S" || unit != run_end || !joining) end_run()
        if (run == "") { run = class; run_start = unit }
        run_end = unit + unit_length
        flush_unit()
    } else end_run()
    unit = ""; any = 0; as_is = 1; only_files = 1
}
function flush_unit(   i) {
    listed_count = count
    for (i = 1; i <= count; i++) {
        listed[i] = members[i]
        if (part[i] > 0) join(i); else put_all(i)
    }
    count = 0
}
function end_run(   i, rank, k) {
    if (run != "") {
        print run "\t" run_start "\t" (run_end - run_start) "\t" (run == "S" ? listed_count : 0)
        if (run == "S") for (i = 1; i <= listed_count; i++) print listed[i]
    }
    if (run == "W" || run == "S") {
        for (rank = 1; rank <= ranks; rank++) for (k = 1; k <= ops[rank]; k++) print "P\t" op[rank, k]
        for (k = 1; k <= ops[0]; k++) print "P\t" op[0, k]
    }
    for (rank = 0; rank <= ranks; rank++) ops[rank] = 0
    for (i = 1; i <= join_count; i++) print joins[i]
    for (i = 1; i <= check_count; i++) print checks[i] >> check
    ranks = 0; join_count = 0; check_count = 0; run = ""
}
function end_archive() { end_unit(); end_run() }
BEGIN { as_is = 1; only_files = 1 }
'

# Writes a tar stream from rows of the listing. Names, times and attributes stand in pax records,
# so the ustar header needs digits only; the check sum is that of the fixed bytes and the digits.
readonly AWK_TAR='
function record(key, value,   n, total) {
    n = length(key) + length(value) + 3
    total = n + length(n)
    if (length(total) > length(n)) total = n + length(total)
    return total " " key "=" value "\n"
}
function octal(n, width,   out, digit) {
    out = ""
    while (width-- > 0) { digit = n % 8; out = digit out; sum += digit; n = (n - digit) / 8 }
    return out
}
function xattr_name(s,   out, at) {
    out = ""
    while ((at = index(s, "%")) > 0) {
        out = out substr(s, 1, at - 1) sprintf("%c", hex(substr(s, at + 1, 1)) * 16 + hex(substr(s, at + 2, 1)))
        s = substr(s, at + 3)
    }
    return out s
}
function hex(c) { return index("0123456789ABCDEF", toupper(c)) - 1 }
function base64(s,   out, i, v) {
    out = ""
    for (i = 1; i <= length(s); i += 4) {
        v = ((six(s, i) * 64 + six(s, i + 1)) * 64 + six(s, i + 2)) * 64 + six(s, i + 3)
        out = out sprintf("%c", int(v / 65536))
        if (substr(s, i + 2, 1) != "=") out = out sprintf("%c", int(v / 256) % 256)
        if (substr(s, i + 3, 1) != "=") out = out sprintf("%c", v % 256)
    }
    return out
}
function six(s, at) { return value[substr(s, at, 1)] + 0 }
function header(type, mode, uid, gid, size, major, minor,   digits) {
    sum = fixed + code[type]
    digits = octal(mode, 7) " " octal(uid, 7) " " octal(gid, 7) " " octal(size, 11) " " octal(0, 11) " "
    dev = octal(major, 7) " " octal(minor, 7) " "
    printf "%s%s%06o%c %s%s%s%s%s", name, digits, sum, 0, type, link, magic, dev, tail
}
function mode_number(s,   n, i) {
    n = 0
    for (i = 1; i <= length(s); i++) n = n * 8 + substr(s, i, 1)
    return n
}
function entry(type, path, link_to,   body, xattr, n, i, at, at_dev) {
    body = record("path", path)
    if (link_to != "") body = body record("linkpath", link_to)
    body = body record("mtime", $12)
    if ($8 > 2097151) body = body record("uid", $8)
    if ($9 > 2097151) body = body record("gid", $9)
    n = $15 == "-" ? 0 : split($15, xattr, ",")
    for (i = 1; i <= n; i++) {
        at = index(xattr[i], "=")
        body = body record("SCHILY.xattr." xattr_name(substr(xattr[i], 1, at - 1)), base64(substr(xattr[i], at + 1)))
    }
    header("x", 420, 0, 0, length(body), 0, 0)
    printf "%s%s", body, substr(nothing, 1, (512 - length(body) % 512) % 512)
    split($14 == "-" ? "0:0" : $14, at_dev, ":")
    header(type, mode_number($7), $8 > 2097151 ? 0 : $8, $9 > 2097151 ? 0 : $9, 0, at_dev[1], at_dev[2])
}
BEGIN {
    nothing = sprintf("%c", 0)
    while (length(nothing) < 512) nothing = nothing nothing
    alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"
    for (i = 1; i <= 64; i++) value[substr(alphabet, i, 1)] = i - 1
    for (i = 32; i < 127; i++) code[sprintf("%c", i)] = i
    name = "x" substr(nothing, 1, 99)
    link = substr(nothing, 1, 100)
    magic = "ustar" substr(nothing, 1, 1) "00" substr(nothing, 1, 64)
    tail = substr(nothing, 1, 167)
    # The sum of what never changes: x, ustar, 00, a blank behind each of seven fields, eight for
    # the check sum itself, and 57 digits 0; octal() adds what its digits are above 0.
    fixed = 120 + 117 + 115 + 116 + 97 + 114 + 48 * 2 + 32 * (7 + 8) + 48 * 57
    type_of["d"] = 5; type_of["l"] = 2; type_of["h"] = 1; type_of["p"] = 6
    type_of["c"] = 3; type_of["b"] = 4; type_of["f"] = 0
}
END { printf "%s%s", nothing, nothing }
'

# ----------------------------------------------------------------------------- the listing

declare -A heads=()

# The discs that carry a SNAPSHOT, the newest first: by snapshot, then by number.
discs_with_listing() {
    local no
    for no in "${discs[@]}"; do
        set -- "${copy[$no,0]}"/SNAPSHOT.tsv.bz2*
        (($# == 0)) || printf '%s %s\n' "${snap_of[$no]}" "$no"
    done | sort -k1,1nr -k2,2nr | cut -d ' ' -f 2
}

# The sequence number in the first lines of a disc's listing.
listing_head() { # -> head_seq, head_date
    local key seq date rest
    head_seq='' head_date=''
    while IFS=$TAB read -r key seq date rest; do
        [[ $key == '#'* ]] || break
        [[ $key != '#snapshot' ]] || { head_seq=$seq head_date=$date; }
    done < <(listing_text SNAPSHOT 2>/dev/null)
}

# Chooses the listing and writes its safe rows to LISTING.
open_listing() {
    local no known='' tried=0 candidates
    mapfile -t candidates < <(discs_with_listing)
    for no in "${candidates[@]}"; do
        select_disc "$no" 0 || continue
        if [[ -n $snapshot ]]; then
            listing_head
            known+="${known:+, }${head_seq:-unreadable} (${head_date:-disc $no})"
            [[ $head_seq == "$snapshot" ]] || continue
        fi
        tried=1
        if listing_text SNAPSHOT >"$INDEX"; then
            [[ -n $snapshot ]] || { listing_head; snapshot=$head_seq; tell_newer; }
            say "restoring snapshot $snapshot as disc $no lists it"
            check_listing <"$INDEX"
            return
        fi
        say "the listing on disc $no is damaged; trying the next, which may be older"
        incomplete=1
    done
    [[ -z $snapshot ]] || ((tried)) || die 1 "no disc given lists snapshot $snapshot; listed: ${known:-none}"
    listing_of_indexes
}

# Discs of a later run may be here, and its listing not: then this is not the newest state.
tell_newer() {
    local no
    for no in "${discs[@]}"; do
        ((${snap_of[$no]} <= snapshot)) || {
            say "disc $no is of snapshot ${snap_of[$no]}, of which no listing can be read: an older one is used"
            incomplete=1
            return
        }
    done
}

check_listing() {
    awk -F '\t' -v refused="$REFUSED" "$AWK_COMMON$AWK_CHECK_LISTING" >"$LISTING" || die 1 "awk failed"
}

listing_of_indexes() {
    ((${#dirs_given[@]})) || die 1 "this disc has no whole listing: give the directories of several discs"
    say "no whole listing on the discs given: restoring what their INDEXes name"
    incomplete=1
    local no
    for no in "${discs[@]}"; do
        select_disc "$no" 0 && listing_text INDEX | awk -v no="$no" '!/^#/ { print no "\t" $0 }'
    done |
        awk -F '\t' -v newest="${snapshot:-999999999}" "$AWK_COMMON$AWK_LISTING_OF_INDEXES" |
        sort -t "$TAB" -k1,1 | cut -f 2- | check_listing_text
    snapshot=${snapshot:-999999999}
}

check_listing_text() { check_listing; }

# Makes the disc the current one: d_* and its passphrase.
select_disc() { # NUMBER COPY
    local dir=${copy[$1,$2]:-${copy[$1,0]-}}
    [[ -n $dir ]] && read_disc "$dir" && choose_passphrase
}

# -------------------------------------------------------------------------------- the target

enter_target() {
    mkdir -p -- "$target" && cd -- "$target" || die 1 "$target cannot be made or entered"
    [[ -w . ]] || chmod u+rwx . 2>/dev/null || die 1 "$target is not yours to write to"
    local there=(*)
    was_empty=$((${#there[@]} == 0))
    root=$((EUID == 0))
}

# Runs a command on the names in batch[], a limited number of bytes at a time.
batch=() batch_bytes=0

add_to_batch() { # NAME COMMAND...
    batch+=("$1")
    batch_bytes=$((batch_bytes + ${#1} + 9))
    ((batch_bytes < BATCH)) || run_batch "${@:2}"
}

run_batch() { # COMMAND...
    ((${#batch[@]} == 0)) || "$@" "${batch[@]}"
    batch=() batch_bytes=0
}

make_directories() {
    local field path
    awk -F '\t' '$1 == "d" { print $2 }' "$LISTING" >"$SCRATCH"
    while IFS= read -r field; do
        printf -v path ./%b "$field"
        [[ ! -L $path ]] || die 1 "$(shown "$target/$field") is a symbolic link where a directory belongs"
        add_to_batch "$path" make_batch
    done <"$SCRATCH"
    run_batch make_batch
}

# Links were looked for before a batch is made, and none is made before the end.
make_batch() {
    mkdir -p -- "$@"
    ((was_empty)) || chmod u+rwx -- "$@" 2>/dev/null
}

# Finds what is in TARGET already; it stays as it is. Files with the right content count as done.
find_existing() {
    ((was_empty)) && return
    local kind field size sha rest path
    while IFS=$TAB read -r kind field size sha rest; do
        printf -v path ./%b "$field"
        [[ $kind != d && (-e $path || -L $path) ]] || continue
        printf '%s\n' "$field" >&"$there_fd"
        if [[ $kind == f && $size != 0 && -f $path && ! -L $path ]]; then
            check_file "$sha" "$field" "$path" differs
        elif ! same_kind "$kind" "$path"; then
            differs "$field"
        fi
    done <"$LISTING"
    check_batch differs
}

differs() { printf '%s\n' "$1" >&"$other_fd"; }

same_kind() { # KIND PATH
    case $1 in
        f) [[ -f $2 && ! -L $2 && ! -s $2 ]] ;;
        h) [[ -f $2 && ! -L $2 ]] ;;
        l) [[ -L $2 ]] ;;
        p) [[ -p $2 && ! -L $2 ]] ;;
        c) [[ -c $2 && ! -L $2 ]] ;;
        b) [[ -b $2 && ! -L $2 ]] ;;
        d) [[ -d $2 && ! -L $2 ]] ;;
    esac
}

# ----------------------------------------------------------------------------- check sums

sums=() fields=() paths=() check_bytes=0

# Puts a file into the next call of sha256sum; WRONG is called with the field of a wrong one.
check_file() { # SHA256 FIELD PATH WRONG
    [[ -r $3 ]] || { chmod u+r -- "$3" && printf '%s\n' "$2" >&"$fix_fd"; }
    sums+=("$1") fields+=("$2") paths+=("$3")
    check_bytes=$((check_bytes + ${#3} + 9))
    ((check_bytes < BATCH)) || check_batch "$4"
}

# Notes, not pipes, are read line by line: bash reads a pipe byte by byte.
check_batch() { # WRONG
    local found at line good=()
    ((${#paths[@]})) || return 0
    sha256sum -- "${paths[@]}" >"$SCRATCH"
    mapfile -t found <"$SCRATCH"
    if ((${#found[@]} < ${#paths[@]})); then
        check_singly
    fi
    for at in "${!paths[@]}"; do
        # A backslash comes first where the name behind the sum is escaped.
        line=${found[at]#\\}
        if [[ ${line:0:64} == "${sums[at]}" ]]; then good+=("${fields[at]}"); else "$1" "${fields[at]}"; fi
    done
    ((${#good[@]} == 0)) || printf '%s\n' "${good[@]}" >&"$good_fd"
    sums=() fields=() paths=() check_bytes=0
}

# For a batch in which a file cannot be read.
check_singly() {
    local at
    for at in "${!paths[@]}"; do
        found[at]=$(sha256sum -- "${paths[at]}") || found[at]=unreadable
    done
}

# The names of the files of a plan, for as few calls of sha256sum as the system allows: a NUL
# behind each; how many there are in each call goes to the output.
readonly AWK_NAMES='
{
    path = "./" plain($2)
    if (count > 0 && bytes + length(path) + 9 > most) { print count; count = bytes = 0 }
    count++
    bytes += length(path) + 9
    printf "%s%c", path, 0 > names
}
END { if (count > 0) print count }
'

# Compares what the plan for a disc was to bring: $3 is what sums_of says of it. What is wrong goes
# to the output.
readonly AWK_COMPARE='
$3 == "absent" { next }
{ sum = $3; sub(/^\\/, "", sum) }
substr(sum, 65) == " mend" { print $2 >> fix }
substr(sum, 1, 64) == $1 { print $2 >> good; next }
{ print $2 }
'

# Checks what the plan for a disc was to bring; what is wrong leaves its place.
check_restored() {
    local count field names_fd some=()
    : >"$NAMES"
    : >"$SUMS"
    awk -F '\t' -v names="$NAMES" -v most="$BATCH" "$AWK_COMMON$AWK_NAMES" "$CHECK" >"$SCRATCH" || die 1 "awk failed"
    exec {names_fd}<"$NAMES"
    while read -r count; do
        mapfile -t -d '' -n "$count" -u "$names_fd" some
        sums_of "${some[@]}" >>"$SUMS"
    done <"$SCRATCH"
    exec {names_fd}<&-
    paste -- "$CHECK" "$SUMS" |
        awk -F '\t' -v good="$GOOD" -v fix="$FIX" "$AWK_COMPARE" >"$SCRATCH" || die 1 "awk failed"
    while IFS= read -r field; do set_aside "$field"; done <"$SCRATCH"
}

# A line for each path: it begins with the sum, or is "absent".
sums_of() { # PATHS...
    local path
    for path; do
        [[ -f $path && ! -L $path && -r $path ]] || { sums_with_gaps "$@"; return; }
    done
    sum_files "$@"
}

# The same where not all are files that can be read. What had to be made readable gets its mode
# back later.
sums_with_gaps() { # PATHS...
    local path mark at=0 marks=() files=() lines=()
    for path; do
        mark=''
        if [[ ! -f $path || -L $path ]]; then marks+=(absent); continue; fi
        [[ -r $path ]] || { chmod u+r -- "$path" && mark=' mend'; }
        marks+=("$mark") files+=("$path")
    done
    mapfile -t lines < <(((${#files[@]} == 0)) || sum_files "${files[@]}")
    for mark in "${marks[@]}"; do
        [[ $mark != absent ]] || { echo absent; continue; }
        path=${lines[at++]#\\}
        printf '%s\n' "${path:0:64}$mark"
    done
}

# A line for each file, whatever becomes of one of them.
sum_files() { # PATHS...
    local path lines
    sha256sum -- "$@" >"$LINES"
    mapfile -t lines <"$LINES"
    if ((${#lines[@]} == $#)); then
        printf '%s\n' "${lines[@]}"
    else
        for path; do sha256sum -- "$path" || echo unreadable; done
    fi
}

damaged=''

set_aside() { # FIELD
    local path up=.
    printf -v path %b "$1"
    if [[ -z $damaged ]]; then
        damaged=.coldcut-damaged
        mkdir -- "$damaged" 2>/dev/null || damaged=$(mktemp -d .coldcut-damaged.XXXXXXXX) || die 1 "no room in $target"
    fi
    [[ $path != */* ]] || up=${path%/*}
    mkdir -p -- "$damaged/$up" && mv --backup=numbered -T -- "./$path" "$damaged/$path"
}

# ---------------------------------------------------------------------------- a disc's work

work=''

make_work() {
    [[ -z $work ]] || return 0
    work=$(mktemp -d .coldcut-work.XXXXXXXX) || die 1 "no room in $target"
}

# Writes the plan for the disc in d_*.
plan_disc() {
    local at_hand=" ${discs[*]} "
    : >"$PLAN"
    : >"$CHECK"
    { listing_text INDEX || say "the INDEX of disc $d_no is damaged: what it lost is not found"; } |
        awk -F '\t' -v disc="$d_no" -v snapshot="$snapshot" -v root="$root" -v at_hand="$at_hand" \
            -v asking="$asking" -v joining="$((!ignore_damage))" -v check="$CHECK" -v fix="$FIX" \
            "$AWK_COMMON$AWK_PLAN" phase=1 "$THERE" "$GOOD" phase=2 "$LISTING" phase=3 - >"$PLAN" ||
        die 1 "awk failed"
}

archive='' archive_fd='' archive_at=0

# Opens an archive: a file that can be read anywhere, or gpg's output, which only goes forward.
open_archive() { # NUMBER
    local file found
    close_archive
    printf -v file '%s/archives/%08d.tar' "$d_dir" "$1"
    for found in "$file"{,.bz2,.zst}{,.gpg}; do
        [[ -r $found ]] || continue
        archive=$found
        [[ $found == *.gpg ]] && exec {archive_fd}< <(open_file "$found")
        return
    done
    say "archive $1 is not on disc $d_no"
}

close_archive() {
    [[ -z $archive_fd ]] || exec {archive_fd}<&-
    archive='' archive_fd='' archive_at=0
}

# Some bytes of the open archive. Where it only goes forward, go_to has gone there.
piece() { # OFFSET LENGTH
    set +o pipefail # whoever reads a piece stops where it ends
    if [[ -n $archive_fd ]]; then
        head -c "$2" <&"$archive_fd"
    elif ((ignore_damage)); then
        dd if="$archive" bs=2048 iflag=skip_bytes,count_bytes skip="$1" count="$2" conv=noerror,sync status=none |
            head -c "$2"
    else
        tail -c "+$(($1 + 1))" -- "$archive" | head -c "$2"
    fi
}

go_to() { # OFFSET LENGTH
    [[ -n $archive_fd ]] || return 0
    (($1 <= archive_at)) || head -c "$(($1 - archive_at))" <&"$archive_fd" >/dev/null
    archive_at=$(($1 + $2))
}

expand() {
    case ${archive%.gpg} in
        *.bz2) bzip2 -dc ;;
        *.zst) zstd -dcq ;;
        *) cat ;;
    esac
}

# Unpacks a run of frames. What is left of a damaged one is read to its end, so that the next
# begins where it should.
unpack() { # OFFSET LENGTH TAR_WORDS...
    [[ -n $archive ]] || return
    local offset=$1 length=$2
    shift 2
    go_to "$offset" "$length"
    piece "$offset" "$length" | {
        expand | "${untar[@]}" "${attributes[@]}" "${acls[@]}" --skip-old-files "$@"
        local states=("${PIPESTATUS[@]}")
        cat >/dev/null
        ((states[0] == 0 && states[1] == 0))
    } || say "archive ${archive##*/} of disc $d_no: trouble at byte $offset"
}

run_plan() {
    local op a b c d plan_fd
    exec {plan_fd}<"$PLAN"
    while IFS=$TAB read -r op a b c d <&"$plan_fd"; do
        [[ $op == P ]] || flush_places
        case $op in
            A) open_archive "$a" ;;
            R) unpack "$a" "$b" ;;
            W) make_work; unpack "$a" "$b" -C "$work" ;;
            S) make_work; read_names "$c" "$plan_fd"; unpack_names "$a" "$b" ;;
            P) place "$a" "$b" "$c" ;;
            J) join_part "$a" "$b" "$c" "$d" ;;
            C) copy_joined "$a" "$b" ;;
        esac
    done
    flush_places
    close_archive
    exec {plan_fd}<&-
}

names=()

read_names() { mapfile -t -n "$1" -u "$2" names; }

unpack_names() { # OFFSET LENGTH: only the members in names[]
    unpack "$1" "$2" -C "$work" --no-wildcards --no-unquote --null -T <(printf '%b\0' "${names[@]}")
}

place_key='' place_from='' place_to='' place_op=''

# Moves (m) or copies (c) a file from the work directory to its place; neighbours together.
place() { # OP MEMBER FIELD
    local from_dir=. to_dir=. from=${2##*/} to=${3##*/} name
    [[ $2 != */* ]] || from_dir=${2%/*}
    [[ $3 != */* ]] || to_dir=${3%/*}
    if [[ "$1/$from_dir/$to_dir" != "$place_key" || $from != "$to" ]]; then
        flush_places
        place_key=$1/$from_dir/$to_dir place_op=$1
        printf -v place_from %b "$work/$from_dir"
        printf -v place_to ./%b "$to_dir"
    fi
    printf -v name %b "$from"
    if [[ $from == "$to" ]]; then
        add_to_batch "$place_from/$name" put_files -t "$place_to"
    else
        printf -v to %b "$to"
        put_files -T "$place_to/$to" "$place_from/$name"
    fi
}

flush_places() {
    run_batch put_files -t "$place_to"
    place_key=''
}

put_files() { # -t DIRECTORY FILES... or -T DESTINATION FILE
    local how=$1 to=$2
    shift 2
    case $how$place_op in
        -tm) mv -n -t "$to" -- "$@" ;;
        -tc) cp -n --preserve=all -t "$to" -- "$@" ;;
        -Tm) mv -n -T -- "$1" "$to" ;;
        -Tc) cp -n --preserve=all -T -- "$1" "$to" ;;
    esac
}

declare -A joined=()

# Appends a part to its file. The part's own file then vanishes under the whole one's name, which
# goes there and back: nothing has to be removed.
join_part() { # PART MEMBER FIELD PARTS
    local part member path
    printf -v part %b "$work/$2"
    printf -v path ./%b "$3"
    [[ -f $part ]] || return
    if (($1 == 1)); then
        mv -n -T -- "$part" "$path" && chmod u+rw -- "$path"
    elif ((${joined[$3]:-0} == $1 - 1)); then
        cat -- "$part" >>"$path" || die 1 "no room for $(shown "$3")"
        mv -f -T -- "$path" "$part" && mv -n -T -- "$part" "$path"
    else
        return
    fi
    joined[$3]=$1
    [[ $1 != "$4" ]] || unset "joined[\$3]"
}

# What has only its first parts is no file.
set_pieces_aside() {
    local field
    for field in "${!joined[@]}"; do set_aside "$field"; done
    joined=()
}

copy_joined() { # FIELD FIELD
    local from to
    printf -v from ./%b "$1"
    printf -v to ./%b "$2"
    [[ ! -f $from ]] || cp -n --preserve=all -T -- "$from" "$to"
}

restore_disc() {
    plan_disc
    [[ -s $PLAN ]] || return 0
    say "disc $d_no: restoring"
    run_plan
    say "disc $d_no: comparing check sums"
    check_restored
}

# ---------------------------------------------------------------------------------- all discs

# The discs that the listing names for files that are still missing; ? where it knows none.
needed_discs() {
    awk -F '\t' '
        phase == 1 { there[$1] = 1; next }
        $1 != "f" || $2 in there { next }
        {
            n = split($5, place, ",")
            for (i = 1; i <= n; i++) { split(place[i], at, ":"); if (at[1] != "-") need[at[1]] = 1 }
        }
        END { for (no in need) print no }
    ' phase=1 "$THERE" "$GOOD" phase=2 "$LISTING" | sort -n
}

declare -A absent=()

restore_discs() { # COPY: which copy of each disc to read
    local no needed
    mapfile -t needed < <(needed_discs)
    # What the listing does not place may be on any disc.
    [[ ${needed[0]-} != '?' ]] || mapfile -t needed < <(printf '%s\n' "${needed[@]:1}" "${discs[@]}" | sort -nu)
    for no in "${needed[@]}"; do
        [[ -n $no ]] || continue
        if bring_disc "$no" "$1"; then restore_disc; else absent[$no]=1; fi
    done
    set_pieces_aside
}

# Makes the disc the current one, asking for it if that is the way.
bring_disc() { # NUMBER COPY
    if ((!asking)); then
        select_disc "$1" "$2"
        return
    fi
    local dir
    while ask_directory "disc $1 of $SET"; do
        read_disc "$dir" || continue
        [[ $d_no == "$1" ]] || { say "that is disc $d_no"; continue; }
        choose_passphrase && return
    done
    return 1
}

# Asks where something can be read; false if the answer is empty or nobody is there.
ask_directory() { # WHAT -> dir
    printf 'Directory of %s (empty: go on without it): ' "$1" >&2
    IFS= read -r dir && [[ -n $dir ]] || return 1
    [[ $dir == /* ]] || dir=$started_in/$dir
}

# With another copy of a disc, what the first copy lost is tried again.
restore_all_copies() {
    local no most=1 round
    for no in "${discs[@]}"; do ((copies[$no] <= most)) || most=${copies[$no]}; done
    for ((round = 0; round < most; round++)); do
        [[ -n $(needed_discs) ]] || return 0
        ((round == 0)) || say "trying the other copies for what is still missing"
        restore_discs "$round"
    done
}

# ------------------------------------------------------------------------------- the rest

# Rows of the listing as a tar stream; CONDITION is awk's.
stream() { # CONDITION FILES...
    local condition=$1
    shift
    awk -F '\t' -v root="$root" "$AWK_COMMON$AWK_TAR$condition" "$@"
}

# Links, FIFOs, devices and empty files; those that are there stay.
make_others() {
    stream '
        phase == 1 { good[$1] = 1; next }
        $1 == "f" && $5 == "-" { entry(0, plain($2), ""); next }
        $1 == "l" || $1 == "p" || (root && $1 ~ /[cb]/) { entry(type_of[$1], plain($2), $1 == "l" ? plain($13) : "") }
    ' phase=2 "$LISTING" | "${untar[@]}" "${attributes[@]}" --skip-old-files
    stream '
        phase == 1 { good[$1] = 1; next }
        $1 == "f" && $5 == "-" { good[$2] = 1; next }
        $1 == "h" && ($13 in good) && !leads_outside($13) { entry(1, plain($2), plain($13)) }
    ' phase=1 "$GOOD" phase=2 "$LISTING" | "${untar[@]}" --skip-old-files
}

# Gives files the metadata of the listing where the archive had another day's: empty files made
# from the listing lend it to them, and vanish under their names, as parts do.
mend_metadata() {
    [[ -s $FIX ]] || return 0
    make_work
    local lend=$work/.lend
    mkdir -- "$lend"
    stream '
        phase == 1 { good[$1] = 1; next }
        phase == 2 { if ($1 in good) mend[$1] = 1; next }
        $1 == "f" && ($2 in mend) { entry(0, plain($2), "") }
    ' phase=1 "$GOOD" phase=2 "$FIX" phase=3 "$LISTING" | "${untar[@]}" "${attributes[@]}" -C "$lend"
    local field dir last=''
    awk -F '\t' '
        phase == 1 { good[$1] = 1; next }
        phase == 2 { if ($1 in good) mend[$1] = 1; next }
        $2 in mend { print $2 }
    ' phase=1 "$GOOD" phase=2 "$FIX" phase=3 "$LISTING" >"$SCRATCH"
    while IFS= read -r field; do
        dir=.
        [[ $field != */* ]] || dir=${field%/*}
        [[ $dir == "$last" ]] || { run_batch mend_files "$last"; last=$dir; }
        printf -v field %b "${field##*/}"
        add_to_batch "$field" mend_files "$last"
    done <"$SCRATCH"
    run_batch mend_files "$last"
}

mend_files() { # DIRECTORY NAMES...
    local dir lender name modes=()
    printf -v dir ./%b "$1"
    printf -v lender %b "$work/.lend/$1"
    shift
    set -- "${@/#/.\/}"
    for name; do
        # cp has to read the lender, whatever mode it lends.
        [[ -r $lender/$name ]] || { modes+=("$(stat -c %a -- "$lender/$name")" "$name"); chmod u+r -- "$lender/$name"; }
    done
    (cd -- "$dir" && chmod u+rw -- "$@")
    (cd -- "$lender" && cp --attributes-only --preserve=all -t "$OLDPWD/$dir" -- "$@") || return
    (cd -- "$dir" && mv -f -t "$OLDPWD/$lender" -- "$@")
    (cd -- "$lender" && mv -n -t "$OLDPWD/$dir" -- "$@")
    set -- "${modes[@]}"
    for (( ; $# > 1; )); do chmod "$1" -- "$dir/$2"; shift 2; done
}

finish_directories() {
    local dir made=() i
    if [[ -n $work ]]; then
        made=("$work"/**/)
        for ((i = ${#made[@]} - 1; i >= 0; i--)); do add_to_batch "${made[i]}" rmdir --; done
        run_batch rmdir --
        [[ ! -d $work ]] || rmdir -- "$work" || say "what has no place is left in $target/$work"
    fi
    stream '$1 == "d" { entry(5, plain($2), "") }' "$LISTING" | "${untar[@]}" "${attributes[@]}"
}

# -------------------------------------------------------------------------------- the report

report() {
    local count=0 kind field where line path
    list_missing >"$SCRATCH"
    while IFS=$TAB read -r field where; do
        printf 'missing: %s (%s)\n' "$(shown "$field")" "$(reason "$where")"
        count=$((count + 1))
    done <"$SCRATCH"
    awk -F '\t' '$1 ~ /[lpcbd]/ || $1 == "f" && $5 == "-"' "$LISTING" >"$SCRATCH"
    while IFS=$TAB read -r kind field line; do
        printf -v path ./%b "$field"
        same_kind "$kind" "$path" && continue
        printf 'missing: %s (could not be made)\n' "$(shown "$field")"
        count=$((count + 1))
    done <"$SCRATCH"
    while IFS= read -r line; do
        printf 'not changed: %s (was there, and is not as in the snapshot)\n' "$(shown "$line")"
        count=$((count + 1))
    done <"$OTHER"
    while IFS= read -r line; do
        printf 'refused: %s (leads outside of the target)\n' "$(shown "$line")"
        count=$((count + 1))
    done <"$REFUSED"
    ((count == 0 && !incomplete)) && { say "done: everything is restored and its check sums agree"; return 0; }
    ((count == 0)) || say "$count paths are not restored; they are listed above"
    ((!incomplete)) || say "without a whole listing it is not known what else there was"
    [[ -z $damaged ]] || say "what is left of damaged files is in $target/$damaged"
    ((${#absent[@]} == 0)) || say "missing discs: $(printf '%s\n' "${!absent[@]}" | sort -n | paste -sd ' ')"
    return 3
}

# Files with content, and their other names, that did not come.
list_missing() {
    awk -F '\t' '
        phase == 1 { good[$1] = 1; next }
        $1 == "f" && $5 != "-" && !($2 in good) { print $2 "\t" $5 }
        $1 == "h" && !($13 in good) && !($13 in empty) { print $2 "\t" "link" }
        $1 == "f" && $5 == "-" { empty[$2] = 1 }
    ' phase=1 "$GOOD" "$OTHER" phase=2 "$LISTING"
}

# Why a file is missing, from the place in its row.
reason() { # WHERE
    local place no gone=''
    [[ $1 != link ]] || { printf 'link to a missing file'; return; }
    for place in ${1//,/ }; do
        no=${place%%:*}
        [[ -z ${absent[$no]-} || " $gone " == *" $no "* ]] || gone+="${gone:+ }$no"
    done
    if [[ -n $gone ]]; then
        printf 'on disc %s, which was not there' "${gone// /, }"
    elif [[ $1 == *'?'* ]]; then
        printf 'its disc was not known when the listing was written, and is not among those given'
    else
        printf 'damaged on disc %s' "${1%%:*}"
    fi
}

# --------------------------------------------------------------------------------------- main

find_discs() {
    local dir
    asking=$((${#dirs_given[@]} == 0))
    for dir in "${dirs_given[@]}"; do
        [[ -d $dir ]] || die 1 "$dir is not a directory"
        [[ $dir == /* ]] || dir=$started_in/$dir
        add_disc "$dir" || incomplete=1
    done
    if ((asking)); then
        while ((${#discs[@]} == 0)) && ask_directory "the disc of $SET with the highest number"; do
            add_disc "$dir"
        done
    fi
    sort_discs
    if ((${#discs[@]} == 0)); then
        ((!locked)) || die 1 "no disc opens with this passphrase"
        die 4 "no disc of the set $SET is here"
    fi
}

main() {
    local root was_empty asking incomplete=0 locked=0 started_in=$PWD dir='' pass=''
    parse_arguments "$@"
    check_tools
    tar_options
    read_signer
    find_discs
    enter_target
    make_notes
    exec {there_fd}>>"$THERE" {other_fd}>>"$OTHER" {good_fd}>>"$GOOD" {fix_fd}>>"$FIX"
    open_listing
    make_directories
    find_existing
    restore_all_copies
    make_others
    mend_metadata
    finish_directories
    report
}

main "$@"
