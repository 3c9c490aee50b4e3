#!/bin/bash
# Restores the set "@SET@" from its discs without coldcut: with bash (4.4 or newer), GNU tar,
# bzip2, GNU coreutils, mawk or gawk, and gpg or zstd where the archives' names end so.
#
# It restores what the discs' listings say, whatever that is: run it on discs of your own, or with
# --verify-signature. This file is in the public domain (CC0 1.0).
#
# usage: bash restore.sh [OPTIONS] TARGET [DISC...]
#
#   TARGET           a directory; it is made if it is missing, and files in it stay as they are
#   DISC             where a disc's content is (mounted or copied), or a directory of such
#                    directories; without any, you are asked for one disc after the other
#   -p FILE          the passphrase is the first line of FILE; without -p, you are asked for it
#   -s SNAPSHOT      the state of the source at this run (a number); without -s, the newest
#   --disc UUID      where the discs hold two histories of the set: the one of this disc
#   --ignore-damage  read frame by frame and over bad sectors: slower, loses the least
#   --plain-metadata leave out set-id bits, devices, capabilities and trusted attributes
#   --verify-signature CERTFILE
#                    use only discs whose SHA256SUMS is signed by this OpenPGP key. Take this
#                    script from where nobody could change it
#
# exit codes: 0 everything is restored; 3 some files are missing, or something is damaged (see the
# messages); 1 it could not work; 2 the command line is wrong; 4 no disc of the set was there
#
# How it works, so that it can be repaired or followed by hand (FORMAT.txt describes the files):
# each disc's DISC.txt and listings are compared with its SHA256SUMS; the newest listing is chosen, and
# awk checks every field of it first. Then, for each disc, awk compares INDEX with it, and says which
# members of each archive are wanted. tar unpacks these alone in a directory that only this user can
# enter; sha256sum compares them; an archive that is damaged is read again frame by frame. Links, empty
# files and metadata are made from the listing alone. What is right moves to TARGET. What is there
# stays, so this can be run again for the rest. Nothing is removed but that directory.

[ -n "${BASH_VERSION-}" ] || { echo 'restore.sh: use bash: bash restore.sh TARGET DISC...' >&2; exit 1; }

# Variables that tar, gpg, bash and others obey are left behind.
if [[ ${1-} != --clean-environment ]]; then
    kept=()
    for name in PATH HOME GNUPGHOME GPG_TTY TERM DISPLAY WAYLAND_DISPLAY XAUTHORITY DBUS_SESSION_BUS_ADDRESS; do
        [[ -z ${!name-} ]] || kept+=("$name=${!name}")
    done
    exec env -i "${kept[@]}" bash --noprofile --norc -- "$0" --clean-environment "$@"
fi
shift

set -uo pipefail
export LC_ALL=C
shopt -s nullglob dotglob
umask 077

readonly SET='@SET@' SET_UUID='@SET_UUID@'
readonly TAB=$'\t' SLICE=400 # names for one command line: 400 x 4,096 bytes; Linux allows 2 MiB

# -------------------------------------------------------------------------------------- messages
# Discs are not to be trusted with a terminal: only printable ASCII of theirs goes there.
say() {
    local text=$*
    printf 'restore.sh: %s\n' "${text//[^ -~]/?}" >&2
}

# What goes on, but not with exit code 0; a directory that is not used (who was asked for it can name
# another); the end.
warn() { say "$@"; trouble=1; }
pass_over() { say "$@"; ((asking)) || trouble=1; }
die() { say "${@:2}"; exit "$1"; } # CODE WORDS...

# The lines above that say how it is used.
usage() { awk '/^# How it works/ { exit } /^# usage:/ { on = 1 } on { print substr($0, 3) }' "$0"; }
bad_usage() { say "$1"; usage >&2; exit 2; }

# ----------------------------------------------------------------------------------- command line
target='' snapshot='' wanted_disc='' signer='' pass_file='' ignore_damage=0 plain_metadata=0 given=() trouble=0

parse_arguments() {
    local words=()
    while (($#)); do
        case $1 in
            -p) [[ -n ${2-} && -z $pass_file ]] || bad_usage "-p needs one file"; pass_file=$2; shift ;;
            -s) [[ ${2-} =~ ^[1-9][0-9]{0,8}$ ]] || bad_usage "-s needs a number"; snapshot=$2; shift ;;
            --disc) [[ ${2-} =~ ^[0-9a-f-]{36}$ ]] || bad_usage "--disc needs a UUID"; wanted_disc=$2; shift ;;
            --verify-signature) [[ -n ${2-} ]] || bad_usage "--verify-signature needs a file"; signer=$2; shift ;;
            --ignore-damage) ignore_damage=1 ;;
            --plain-metadata) plain_metadata=1 ;;
            -h | --help) usage; exit 0 ;;
            --) shift; words+=("$@"); break ;;
            -*) bad_usage "unknown option $1" ;;
            *) words+=("$1") ;;
        esac
        shift
    done
    [[ -n ${words[0]-} ]] || bad_usage "TARGET is missing"
    target=${words[0]}
    given=("${words[@]:1}")
    [[ ! -e $target/DISC.txt ]] || bad_usage "$target is a disc: TARGET comes first, then the discs"
}

check_tools() {
    local tool
    ((BASH_VERSINFO[0] * 100 + BASH_VERSINFO[1] >= 404)) || die 1 "bash 4.4 or newer is needed"
    for tool in tar bzip2 awk sha256sum ${signer:+gpg}; do
        [[ -n $(type -P "$tool") ]] || die 1 "$tool is not installed, and is needed"
    done
    # busybox awk and the One True Awk have no strings with a NUL.
    [[ $(awk 'BEGIN { s = sprintf("%c", 0); s = s s; printf "%s%c%d", s, 200, length(s) }' | od -An -tx1) == " 00 00 c8 32" ]] ||
        die 1 "this awk cannot write binary data: install mawk or gawk"
}

# ------------------------------------------------------------------------------------- the target
made=0 work='' target_mode='' root=$((EUID == 0))

# TARGET becomes the current directory. Only this user can enter it while the script works, so
# nobody can put a link there meanwhile; all names are relative from now on.
enter_target() {
    local owner mode
    [[ -e $target || -L $target ]] || { mkdir -p -- "$target" && made=1; }
    [[ -d $target ]] || die 1 "$target is not a directory"
    cd -P -- "$target" && read -r owner mode < <(stat -c '%u %a' .) || die 1 "$target cannot be used"
    target=$PWD
    ((!root || owner == EUID)) || die 1 "$target belongs to somebody else: as root, use a new directory"
    ((!root || (8#$mode & 8#022) == 0)) || die 1 "others can write to $target: as root, use a new directory"
    ((owner != EUID)) || target_mode=$mode
    [[ -z $target_mode ]] || chmod 0700 .
    trap leave EXIT
    trap 'stop 130' INT
    trap 'stop 143' TERM
    trap 'stop 129' HUP
    work=$(mktemp -d ./.coldcut-restore.XXXXXXXX 2>/dev/null) || die 1 "$target cannot be written to"
    work=$PWD/${work#./}
    mkdir "$work"/{tree,new,lend} && exec {not_set}>>"$work/not_set"
    touch "$work"/{THERE,GOOD,OTHER,MEND,REFUSED,PARTS,PLACED,UNMADE,FILES,OTHERS,candidates,hidden}
}

leave() {
    ((BASHPID == $$)) || return # a subshell
    trap '' INT TERM HUP
    [[ -z $work ]] || remove "$work"
    [[ -z $target_mode ]] || chmod "$target_mode" .
    ((!made)) || { cd / && rmdir -- "$target" 2>/dev/null; }
}

# Removes a directory, whatever the modes in it are.
remove() { chmod -R u+rwx -- "$1" 2>/dev/null; rm -rf -- "$1"; }

# Ended from outside: what is right so far stays.
unpacking=''
stop() { # CODE
    trap '' INT TERM HUP
    drop_unproved
    if [[ -s $work/OTHERS ]]; then mend; publish .; finish_directories; fi
    die "$1" "stopped; run it again for the rest"
}

# What was unpacked in the tree and is not right goes.
drop_unproved() {
    [[ -n $unpacking ]] || return
    awk 'NR == FNR { good["tree/" $0]; next } /^tree\// && !($0 in good)' "$work/GOOD" "$unpacking" >"$work/unproved"
    in_slices "$work" "$work/unproved" rm -rf --
}

# Runs a command in DIRECTORY on the paths that a file of fields names, as many at a time as can be.
in_slices() { # DIRECTORY FIELDS_FILE COMMAND...
    local fields paths i n dir=$1 all
    mapfile -t fields <"$2"
    shift 2
    for ((i = 0; i < ${#fields[@]}; i += ${#paths[@]})); do
        paths=("${fields[@]:i:SLICE * 20}")
        all=${paths[*]}
        ((${#all} < SLICE * 4000)) || paths=("${paths[@]:0:SLICE}")
        [[ $all != *\\* ]] || for n in "${!paths[@]}"; do printf -v 'paths[n]' '%b' "${paths[n]}"; done
        (cd "$dir" && "$@" "${paths[@]/#/./}")
    done
}

# ----------------------------------------------------------------------------------- parts of awk
# Which texts the format allows; what they stand for.
readonly AWK_COMMON='
function plain(s) { return unescaped(s, "\\", "\n") }
function unescaped(s, backslash, newline,   out, at, c) {
    if (index(s, "\\") == 0) return s
    if (s == "\\055") return "-"
    if (s == "\\075") return "="
    out = ""
    while ((at = index(s, "\\")) > 0) {
        c = substr(s, at + 1, 1)
        out = out substr(s, 1, at - 1) (c == "t" ? "\t" : c == "n" ? newline : backslash)
        s = substr(s, at + 2)
    }
    return out s
}
function whole(s) { return s == "-" ? "\\055" : s == "=" ? "\\075" : s }
function escaped(s) {
    if (index(s, "\\") == 0) return s != ""
    if (s == "\\055" || s == "\\075") return 1
    gsub(/\\[\\tn]/, "", s)
    return index(s, "\\") == 0
}
function inside(p) { return escaped(p) && ("/" p "/") !~ /\/(\.\.?)?\// }
function number(s, digits) { return s ~ /^(0|[1-9][0-9]*)$/ && length(s) <= digits }
function sha(s) { return length(s) == 64 && s !~ /[^0-9a-f]/ }
function uuid(s) { return length(s) == 36 && s ~ /^[0-9a-f-]+$/ }
function parent(p) { return sub(/\/[^\/]*$/, "", p) ? p : "." }
# A line for sha256sum -c, which takes any name where its line ends with the sum.
function sum_line(sum, field) {
    if (!index(field, "\\") && length(sum) == 64) return "SHA256 (./" field ") = " sum
    sub(/\/\\055$/, "/-", field)
    sub(/\/\\075$/, "/=", field)
    field = unescaped(field, "\\\\", "\\n")
    return (index(field, "\\") ? "\\" : "") "SHA256 (./" field ") = " (length(sum) == 64 ? sum : sprintf("%064d", 0))
}
# Whether a file is there by these facts, and is what the row says.
function is_there(facts) { return facts ~ /^[1-9a-f]/ }
function is_same(facts) {
    return is_there(facts) && ($1 == "h" || substr("?pc?d?b?f?l", index("0123456789a", substr(facts, 1, 1)), 1) == $1 &&
        ($1 != "f" || $3 > 0 || facts ~ / 0$/))
}
function attributes(s,   b) {
    b = "[A-Za-z0-9+/]"
    if (attribute == "") attribute = "([A-Za-z0-9._-]|%[0-9A-F][0-9A-F])+=(" b b b b ")*(" b b "==|" b b b "=)?"
    return s ~ ("^(-|" attribute "(," attribute ")*)$")
}
# A row of INDEX, but for its metadata, which nothing is made of. KNOWN: its path is also its member,
# and the listing has it for a file that is not in parts.
function index_row(known) {
    if (NF != 25 || $2 !~ /^[fdlhpcb]$/ || $6 != "-" && !sha($6) || $15 != "=" && $15 != "-" && !sha($15)) return 0
    if (!number($1, 9) || !number($5, 19) || !number($7, 8) || !number($8, 15) || !number($9, 15) || !number($10, 19)) return 0
    if (!number($11, 9) || $12 != "-" && !number($12, 9) || !number($13, 19) || !number($14, 19)) return 0
    if (known) return $11 == 0
    if ($3 != "." && !inside($3) || $4 != "=" && $4 != "." && !inside($4)) return 0
    return $11 == 0 ? member() !~ /^\.coldcut-parts\// : $2 == "f" && $4 ~ /^\.coldcut-parts\/[0-9a-f]+\/[0-9]+$/
}
function member() { return $4 == "=" ? whole($3) : whole($4) }
# Names for people: UTF-8 without control characters, invisible ones and changes of direction.
function shown(s,   out, good) {
    out = ""
    while (s != "") {
        good = s !~ /^(\342\200[\213-\217\250-\256]|\342\201[\240-\257]|\357\273\277|\340[\200-\237]|\355[\240-\277])/ &&
            match(s, /^([ -~]+|(\302[\240-\277]|[\303-\337][\200-\277]|[\340-\357][\200-\277][\200-\277]|[\360-\364][\200-\277][\200-\277][\200-\277]))/)
        out = out (good ? substr(s, 1, RLENGTH) : "?")
        s = substr(s, good ? RLENGTH + 1 : 2)
    }
    return out
}
'

# Writes a tar stream from rows of the listing. Names, times and attributes are in pax records, so the
# ustar header needs digits only; its checksum is that of the fixed bytes and of the digits.
readonly AWK_TAR='
function record(key, value,   n, total) {
    n = length(key) + length(value) + 3
    total = n + length(n)
    if (length(total) > length(n)) total = n + length(total)
    return total " " key "=" value "\n"
}
function xattr_name(s,   out, part, n, i) {
    n = split(s, part, "%")
    out = part[1]
    for (i = 2; i <= n; i++) out = out character[substr(part[i], 1, 2)] substr(part[i], 3)
    gsub(/%/, "%25", out)
    gsub(/=/, "%3D", out)
    return out
}
function six(s, at) { return (index(alphabet, substr(s, at, 1)) + 64) % 65 }
function base64(s,   out, i, v) {
    out = ""
    for (i = 1; i <= length(s); i += 4) {
        v = ((six(s, i) * 64 + six(s, i + 1)) * 64 + six(s, i + 2) % 64) * 64 + six(s, i + 3) % 64
        out = out sprintf("%c", int(v / 65536))
        if (substr(s, i + 2, 1) != "=") out = out sprintf("%c", int(v / 256) % 256)
        if (substr(s, i + 3, 1) != "=") out = out sprintf("%c", v % 256)
    }
    return out
}
function header(type, mode, size, major, minor,   digits, device, sum, i) {
    digits = sprintf("000%s 0000000 0000000 %011o 00000000000 ", mode, size)
    device = sprintf("%07o %07o ", major, minor)
    sum = fixed + code[type]
    for (i = 4; i < 8; i++) sum += substr(mode, i - 3, 1)
    for (i = 25; i < 36; i++) sum += substr(digits, i, 1)
    if (major + minor > 0) for (i = 1; i < 16; i++) sum += substr(device, i, 1)
    printf "%s%s%06o%c %s%s%s%s%s", name, digits, sum, 0, type, link, magic, device, tail
}
# The row as an entry of this type; its mode can be another one.
function entry(type, path, link_to, mode,   body, xattr, n, i, at, device) {
    body = record("path", path) record("mtime", $12) record("uid", $8) record("gid", $9)
    if (link_to != "") body = body record("linkpath", link_to)
    n = $15 == "-" ? 0 : split($15, xattr, ",")
    for (i = 1; i <= n; i++) {
        at = index(xattr[i], "=")
        body = body record("SCHILY.xattr." xattr_name(substr(xattr[i], 1, at - 1)), base64(substr(xattr[i], at + 1)))
    }
    header("x", "0644", length(body), 0, 0)
    printf "%s%s", body, substr(nothing, 1, (512 - length(body) % 512) % 512)
    split($14 == "-" ? "0:0" : $14, device, ":")
    header(type, mode, 0, device[1], device[2])
}
BEGIN {
    nothing = sprintf("%c", 0)
    while (length(nothing) < 512) nothing = nothing nothing
    alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"
    for (i = 0; i < 256; i++) character[sprintf("%02X", i)] = sprintf("%c", i)
    for (i = 32; i < 127; i++) code[sprintf("%c", i)] = i
    name = "x" substr(nothing, 1, 99)
    link = substr(nothing, 1, 100)
    magic = "ustar" substr(nothing, 1, 1) "00" substr(nothing, 1, 64)
    tail = substr(nothing, 1, 167)
    # x, ustar, 00, a blank after each of seven fields, eight for the checksum, and 57 digits 0;
    # header() adds what its digits are above 0.
    fixed = 120 + 117 + 115 + 116 + 97 + 114 + 48 * 2 + 32 * (7 + 8) + 48 * 57
    type_of["d"] = 5; type_of["l"] = 2; type_of["p"] = 6; type_of["c"] = 3; type_of["b"] = 4; type_of["f"] = 0
}
END { printf "%s%s", nothing, nothing }
'

# ----------------------------------------------------------------------------------- keys and gpg
encryption=none pass=''

read_passphrase() {
    [[ -n $pass_file ]] || return 0
    [[ -r $pass_file && ! -d $pass_file ]] || die 1 "the passphrase file $pass_file cannot be read"
    IFS= read -r pass <"$pass_file"
    [[ -n $pass ]] || die 1 "the first line of $pass_file is empty"
}

ask_passphrase() {
    { true </dev/tty; } 2>/dev/null || die 1 "the set $SET needs a passphrase: give -p FILE"
    IFS= read -rs -p "Passphrase of the set $SET: " pass </dev/tty
    echo >&2
    [[ -n $pass ]] || die 1 "no passphrase"
}

# A passphrase needs neither key ring nor agent; a key needs the key ring of the user.
readonly ALONE=(gpg --batch --no-tty --quiet --no-options --homedir /nonexistent --no-permission-warning --no-autostart
    --no-random-seed-file --lock-never --trust-model always)
decrypt() {
    local gpg=(gpg --quiet --no-options --lock-never)
    [[ $encryption != passphrase ]] || gpg=("${ALONE[@]}" --no-keyring)
    [[ -z $pass ]] || gpg+=(--batch --no-tty --pinentry-mode loopback --passphrase-fd 3)
    "${gpg[@]}" --decrypt 2>"$work/words" 3< <(printf '%s\n' "$pass")
}

# A file's bytes, or some of them; with --ignore-damage zeros stand for sectors that cannot be read.
bytes_of() { # FILE [OFFSET LENGTH]
    local off=${2-0} len=${3-}
    if ((ignore_damage)); then
        [[ -n $len ]] || len=$(stat -L -c %s -- "$1")
        dd if="$1" bs=2048 iflag=skip_bytes,count_bytes skip="$off" count="$len" conv=noerror,sync status=none | head -c "$len"
    elif [[ -n $len ]]; then
        tail -c "+$((off + 1))" -- "$1" | head -c "$len"
    else
        cat -- "$1"
    fi
}

# What was encrypted and compressed as a file's name says.
expand() { # NAME
    local how=(cat)
    [[ $1 != *.bz2?(.gpg) ]] || how=(bzip2 -dc)
    [[ $1 != *.zst?(.gpg) ]] || how=(zstd -dcq)
    if [[ $1 == *.gpg ]]; then decrypt | to_the_end "${how[@]}" 2>/dev/null; else "${how[@]}" 2>/dev/null; fi
}

# Runs a command, and reads what it leaves: so what the one before it in the pipe says counts.
to_the_end() {
    "$@"
    local state=$?
    cat >/dev/null
    return "$state"
}

# The key of --verify-signature as gpg takes it in a ring of its own: binary.
read_signer() {
    [[ -n $signer ]] || return 0
    { "${ALONE[@]}" --dearmor <"$signer" || cat -- "$signer"; } >"$work/ring" 2>/dev/null
    [[ -s $work/ring ]] || die 1 "the certificate $signer cannot be read"
}

# Whether one signature is good and of a key that was not revoked: gpg prints a line for each.
is_signed() { # DIRECTORY SUMS
    [[ -n $signer ]] || return 0
    { "${ALONE[@]}" --no-default-keyring --keyring "$work/ring" --status-fd 1 --verify "$1/SHA256SUMS.sig" "$2" 2>/dev/null || true; } |
        awk '$2 == "NEWSIG" { good = 0 } $2 == "GOODSIG" || $2 == "EXPKEYSIG" { good = 1 } $2 ~ /REVOKED|REVKEYSIG/ { good = 0 }
            $2 == "VALIDSIG" && good { right = 1 } END { exit !right }'
}

# ------------------------------------------------------------------------------------------ discs
# Of each directory that is a disc of the set; the arrays go by the order in which they were given.
# A disc that is not used has no directory any more.
dirs=() numbers=() uuids=() formats=() tops=() dates=() encryptions=() histories=() has_index=() befores=() known=()
listing_befores=() listing_tops=() listing_known=() listing_sums=() index_sums=() ancestries=()
declare -A meant=() # by number: the UUID of the disc that the listing means

add_path() { # A directory, or one that holds directories
    local path=$1 below found=0
    [[ $path == /* ]] || path=$started_in/$path
    [[ -e $path ]] || die 1 "$1 is not there"
    [[ -d $path ]] || die 1 "$1 is a file: open an image with \"mount -o loop,ro $1 DIRECTORY\" or \"7z x\", and give the directory"
    if looks_like_disc "$path"; then add_disc "$path"; return; fi
    for below in "$path"/*/; do
        looks_like_disc "$below" && { found=1; add_disc "${below%/}"; }
    done
    ((found)) || pass_over "$1 is not a disc: it has no DISC.txt"
}

looks_like_disc() { [[ -f $1/DISC.txt || -f $1/SHA256SUMS && -f $1/README.txt ]]; }

# Whether a file of the disc K is as its SHA256SUMS says; a line that is missing there says nothing,
# unless the list is to be signed.
declare -A sum_of=() # by K/NAME
matches() { # K FILE NAME
    local sum=${sum_of[$1/$3]-}
    if [[ -n $sum ]]; then [[ $(sha256sum <"$2") == "$sum  -" ]]; else [[ -z $signer ]]; fi
}

# Reads a file like DISC.txt.
declare -A said=()
read_disc_txt() { # FILE -> said
    local key value
    said=()
    while IFS='=' read -r key value || [[ -n $key ]]; do
        [[ ! $key =~ ^[a-z_]+$ ]] || said[$key]=$value
    done < <(head -c 65536 "$1" | tr '\0' '?')
    [[ ${said[set_uuid]-} =~ ^[0-9a-f-]{36}$ && ${said[disc_uuid]-} =~ ^[0-9a-f-]{36}$ && ${said[kind]-} =~ ^(data|parity)$ &&
        ${said[format]-} =~ ^[0-9]+$ && ${said[disc]-} =~ ^[1-9][0-9]{0,8}$ && ${said[snapshot]-} =~ ^[1-9][0-9]{0,8}$ &&
        ${said[encryption]-} =~ ^(none|passphrase|recipients)$ ]]
}

# DISC.txt, or its copy at the end of README.txt where it is damaged.
identify() { # DIRECTORY K
    [[ -f $1/DISC.txt ]] && read_disc_txt "$1/DISC.txt" && matches "$2" "$1/DISC.txt" DISC.txt && return
    warn "$1: DISC.txt is damaged"
    [[ -f $1/README.txt ]] || return
    awk '/^-----END DISC.txt-----$/ { exit } on { print } /^-----BEGIN DISC.txt-----$/ { on = 1 }' \
        "$1/README.txt" >"$work/disc.txt"
    read_disc_txt "$work/disc.txt" || return
    # Where both say the same, the list of sums is what is damaged.
    matches "$2" "$work/disc.txt" DISC.txt ||
        [[ -z $signer && $(sha256sum <"$work/disc.txt") == $(sha256sum <"$1/DISC.txt") ]]
}

# Takes a directory as a disc of the set, if it is one that can be used.
add_disc() { # DIRECTORY
    local k=${#numbers[@]} file line
    { [[ ! -f $1/SHA256SUMS ]] || cat -- "$1/SHA256SUMS"; } >"$work/sums.$k"
    is_signed "$1" "$work/sums.$k" || { pass_over "$1 is not signed by the key of --verify-signature"; return; }
    while IFS= read -r line; do sum_of[$k/${line:66}]=${line:0:64}; done <"$work/sums.$k"
    if [[ -n $signer ]]; then
        for file in "$1"/{DISC.txt,INDEX.*,SNAPSHOT.*,HISTORY.*}; do
            matches "$k" "$file" "${file##*/}" || { pass_over "$file is not as it was signed"; return; }
        done
    fi
    identify "$1" "$k" || { pass_over "$1 is not used: it does not say which disc it is"; return; }
    [[ -s $work/sums.$k ]] || warn "$1: SHA256SUMS cannot be read, so its listings are not checked"
    [[ ${said[format]} =~ ^[12]$ ]] || { pass_over "$1 has format ${said[format]}: use the restore.sh of that disc"; return; }
    [[ ${said[set_uuid]} == "$SET_UUID" ]] || { pass_over "$1 is a disc of another set; this script restores $SET"; return; }
    [[ ${said[kind]} == data ]] || { say "$1 is a recovery disc: its README.txt says what it is for"; return; }
    dirs[k]=$1 numbers[k]=${said[disc]} uuids[k]=${said[disc_uuid]} formats[k]=${said[format]} tops[k]=${said[snapshot]}
    dates[k]=${said[date]-} encryptions[k]=${said[encryption]} histories[k]=${said[listings]-}
    [[ ${encryptions[k]} == none ]] || encryption=${encryptions[k]}
}

# Opens a disc that was added: what its INDEX and SNAPSHOT say of it. If one disc of a set is
# encrypted, or a passphrase was given, the set is, and whatever is not is somebody else's work.
open_disc() { # K
    local k=$1 name
    if [[ $encryption != none ]]; then
        [[ ${encryptions[k]} != none ]] ||
            { pass_over "disc ${numbers[k]} in ${dirs[k]} is not encrypted, and the set is: it is not used"; unset "dirs[k]"; return 1; }
        for name in "${dirs[k]}"/{INDEX,SNAPSHOT,HISTORY}.tsv.bz2 "${dirs[k]}"/archives/*; do
            [[ ! -e $name || $name == *.gpg ]] || warn "$name is not encrypted, and the set is: it is not used"
        done
        [[ $encryption != passphrase || -n $pass ]] || ask_passphrase
        opens "$k" || { pass_over "no key opens disc ${numbers[k]} in ${dirs[k]}"; unset "dirs[k]"; return 1; }
    fi
    check_headers "$k"
}

# Whether the key opens one of the files that each disc has; any can be damaged.
opens() { # K
    local file
    for file in "${dirs[$1]}"/{INDEX.tsv,SNAPSHOT.tsv,catalog.sqlite}.bz2.gpg; do
        [[ -f $file && $(bytes_of "$file" | decrypt | head -c 3) == BZh ]] && return
    done
    return 1
}

ending() { [[ $encryption == none ]] || echo .gpg; }
file_of() { printf '%s/%s.tsv.bz2%s' "${dirs[$1]}" "$2" "$(ending)"; } # K NAME: the listing's path

listing_text() { # K NAME
    local file
    file=$(file_of "$@")
    [[ -f $file ]] && bytes_of "$file" | expand "$file" | tr '\0' '?'
}

# What the headers of a disc's listings say. A listing whose header disagrees with DISC.txt is not of
# this disc.
check_headers() { # K
    local k=$1 name file set disc top before sums listed index_top=0
    for name in INDEX SNAPSHOT; do
        file=$(file_of "$k" "$name")
        [[ -f $file ]] || continue
        IFS='|' read -r set disc top before sums listed < <(listing_text "$k" "$name" 2>/dev/null | awk -F '\t' -v OFS='|' "$AWK_COMMON"'
            function disc() { return number($2, 9) && uuid($3) ? $2 ":" $3 : "bad" }
            !/^#/ { exit }
            $1 == "#set" && NF == 3 { set = uuid($3) ? $3 : "?" }
            $1 == "#disc" && NF == 3 { me = disc() }
            $1 == "#before" && NF == 4 { before = before " " disc(); sums = sums " " disc() "=" (sha($4) ? $4 : "-") }
            $1 == "#snapshot" && NF >= 4 && number($2, 9) {
                if ($2 + 0 > top) top = $2 + 0
                listed = $2 " (" ($3 ~ /^[0-9TZ:-]+$/ ? $3 : "?") ")" (listed == "" ? "" : ", ") listed
            }
            END { print set, me, top + 0, before, sums, listed }
        ')
        if ! matches "$k" "$file" "${file##*/}" || [[ -z $set ]]; then
            [[ $name == SNAPSHOT || -n $signer ]] || has_index[k]=1
            warn "$name of disc ${numbers[k]} is damaged"
        elif [[ $set != "$SET_UUID" || ${disc:-format ${formats[k]}} != @("format 1"|"${numbers[k]}:${uuids[k]}") ]] ||
            ((formats[k] == 2 && top != tops[k] || top < tops[k])); then
            warn "$name in ${dirs[k]} is not of disc ${numbers[k]}: it is not used"
        elif [[ $name == INDEX ]]; then
            has_index[k]=1 befores[k]=$before index_sums[k]=$sums index_top=$top known[k]=$listed
        elif ((top < index_top)); then
            warn "$name in ${dirs[k]} is older than its disc: it is not used"
        else
            listing_befores[k]=$before listing_tops[k]=$top listing_known[k]=$listed listing_sums[k]=$sums
        fi
    done
}

# ------------------------------------------------------------------------------------ the listing
# Whether the disc K is of the history that the listing of the disc C tells (FORMAT.txt 10.2). Format
# 1 has no #before: there it is the first disc of its number.
of_history() { # K C
    local k=$1 c=$2 other
    [[ ${uuids[k]} != "${uuids[c]}" ]] || return 0
    [[ " ${befores[k]-} " == *" ${numbers[c]}:${uuids[c]} "* ]] && return
    ancestry "$c"
    [[ ${ancestries[c]} != *" ${numbers[k]}:${uuids[k]} "* ]] || return 0
    ((formats[c] == 1 && formats[k] == 1)) || return
    [[ ${uuids[k]} != "$wanted_disc" ]] || return 0
    for other in "${!dirs[@]}"; do
        [[ ${numbers[other]} == "${numbers[k]}" && ${uuids[other]} != "${uuids[k]}" ]] || continue
        ((other > k)) && [[ ${uuids[other]} != "$wanted_disc" ]] || return 1
    done
}

# What the listing of the disc C names in #before, what the INDEXes of these discs name, and so on.
ancestry() { # C
    local k pair size='' all=" ${listing_befores[$1]} "
    [[ -z ${ancestries[$1]-} ]] || return 0
    until [[ $size == "${#all}" ]]; do
        size=${#all}
        for k in "${!dirs[@]}"; do
            [[ $all == *" ${numbers[k]}:${uuids[k]} "* ]] || continue
            for pair in ${befores[k]-}; do [[ $all == *" $pair "* ]] || all+="$pair "; done
        done
    done
    ancestries[$1]=$all
}

# The discs whose SNAPSHOT can be used, the newest first: by snapshot, then by number.
candidates() {
    local k
    for k in "${!dirs[@]}"; do
        [[ -z ${listing_tops[k]-} ]] || printf '%d %d %d\n' "${listing_tops[k]}" "${numbers[k]}" "$k"
    done | sort -k1,1nr -k2,2nr -k3,3n | cut -d ' ' -f 3
}

name_disc() { printf 'disc %s of %s (%s)' "${numbers[$1]}" "${dates[$1]//[^0-9TZ:-]/}" "${uuids[$1]}"; } # K

# Chooses the disc whose listing is used: the newest, with --disc of those in whose history that disc
# is. Stops where these tell two histories.
choose_listing() { # -> chosen
    local k candidate all fit=()
    mapfile -t all < <(candidates)
    for candidate in "${all[@]}"; do
        for k in "${!dirs[@]}"; do
            [[ ${uuids[k]} == "${wanted_disc:-${uuids[candidate]}}" ]] && of_history "$k" "$candidate" && { fit+=("$candidate"); break; }
        done
    done
    chosen=${fit[0]-}
    for k in "${fit[@]}"; do
        of_history "$k" "$chosen" ||
            die 1 "these discs hold two histories of the set: $(name_disc "$chosen") and $(name_disc "$k"). Choose one with --disc UUID"
    done
    ((${#fit[@]})) || [[ -z $wanted_disc ]] || die 1 "no listing knows the disc $wanted_disc"
}

# Which disc each number means; the others are named, and not used.
settle_discs() {
    local k pair
    for pair in ${listing_befores[chosen]}; do meant[${pair%%:*}]=${pair#*:}; done
    meant[${numbers[chosen]}]=${uuids[chosen]}
    for k in "${!dirs[@]}"; do
        if of_history "$k" "$chosen" && [[ ${meant[${numbers[k]}]-${uuids[k]}} == "${uuids[k]}" ]]; then
            meant[${numbers[k]}]=${uuids[k]}
            [[ "${listing_sums[chosen]} " != *" ${numbers[k]}:${uuids[k]}="[0-9a-f]* ||
                "${listing_sums[chosen]} " == *" ${numbers[k]}:${uuids[k]}=$(sha256sum <"$work/sums.$k" | head -c 64) "* ]] ||
                say "SHA256SUMS in ${dirs[k]} is not the one that later discs know: it was damaged or changed since"
        else
            say "$(name_disc "$k") in ${dirs[k]} is not of this history: it is not used"
            unset "dirs[k]"
        fi
    done
}

# Keeps the rows that are as the format says, each in a directory that comes before it; the others
# are named in REFUSED. Files with content go to FILES, all else to OTHERS. Of HISTORY, and of an older snapshot, those that were true then.
check_listing() { # FIELDS: 16 in format 1, 17 in format 2
    awk -F '\t' -v OFS='\t' -v fields="$1" -v wanted="$snapshot" -v plain_metadata="$plain_metadata" -v refused="$work/REFUSED" -v files="$work/FILES" \
        -v others="$work/OTHERS" "$AWK_COMMON"'
function refuse(why) { print shown($2) "\t" why > refused }
function right() {
    if (fields == 16 ? NF != 16 : NF < 17 || NF > 18 || !number($17, 9) || NF == 18 && !number($18, 9)) return 0
    if ($1 !~ /^[fdlhpcb]$/ || !number($3, 19) || $4 != "-" && !sha($4)) return 0
    if ($7 !~ /^[0-7][0-7][0-7][0-7]$/ || !number($8, 10) || !number($9, 10)) return 0
    if (length($12) > 29 || $12 !~ /^-?(0|[1-9][0-9]*)\.[0-9][0-9][0-9][0-9][0-9][0-9][0-9][0-9][0-9]$/) return 0
    if ($5 !~ /^(-|\?|[1-9][0-9]*:[1-9][0-9]*(,[1-9][0-9]*:[1-9][0-9]*)*(,\?)?)$/) return 0
    if ($6 !~ /^[=.-]$/ && !inside($6) || $6 ~ /^\.coldcut-parts\// && $6 !~ /^\.coldcut-parts\/[0-9a-f]+$/) return 0
    if (index($0, "\t\t") || index($0, "\\") && !(escaped($10) && escaped($11) && escaped($13))) return 0
    if ($1 == "f" && ($5 == "-" ? $3 != 0 : $4 == "-" && $5 !~ /\?/) || $1 == "h" && !inside($13)) return 0
    if ($14 != "-" && $14 !~ /^[0-9][0-9]?[0-9]?[0-9]?[0-9]?[0-9]?:[0-9][0-9]?[0-9]?[0-9]?[0-9]?[0-9]?$/) return 0
    if ($15 != right_attributes && !attributes($15)) return 0
    return (right_attributes = $15) != ""
}
/^#/ { next }
fields == 17 && NF >= 17 && ($17 + 0 > wanted || NF == 18 && $18 + 0 < wanted) { next }
!(($2 == "." && $1 == "d" || inside($2)) && right()) { refuse("not as the format says"); next }
{
    $2 = whole($2)
    up = whole(parent($2))
    if ($2 in seen || $2 != "." && up != "." && !(up in is_dir)) { refuse("not in a directory of the listing"); next }
    if (plain_metadata && $1 ~ /[cb]/) { print "--plain-metadata leaves out the device " shown($2) > "/dev/stderr"; next }
    seen[$2]
    if ($1 == "d") is_dir[$2]
    if ($1 ~ /[lh]/) $13 = whole($13)
    $6 = $6 == "=" ? $2 : whole($6)
    if (plain_metadata) { if (substr($7, 1, 1) != "0") $7 = int(substr($7, 1, 1)) % 2 substr($7, 2); $15 = harmless($15) }
    print $1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15 > ($1 == "f" && $5 != "-" ? files : others)
}
function harmless(s,   n, i, attr, out) {
    n = split(s, attr, ",")
    for (i = 1; i <= n; i++) if (attr[i] !~ /^(security|trusted)\./) out = out (out == "" ? "" : ",") attr[i]
    return out == "" ? "-" : out
}
    ' || die 1 "awk failed: no room in $target?"
}

# Rows in the order of a listing: parents before what is in them.
sorted() { # FILES...
    awk -F '\t' '!/^#/ { key = $2 == "." ? "" : $2 == "\\075" ? "=" : $2 == "\\055" ? "-" : $2; gsub("/", "\001", key); print key "\t" $0 }' "$@" |
        sort -t "$TAB" -k1,1 | cut -f 2-
}

# Chooses the listing and takes its rows; without one, those of the INDEXes.
open_listing() {
    local k
    while ((${#listing_tops[@]})); do
        choose_listing
        listing_text "$chosen" SNAPSHOT >"$work/text" && break
        warn "the listing on disc ${numbers[chosen]} is damaged: trying the next, which may be older"
        unset "listing_tops[chosen]"
    done
    if ((${#listing_tops[@]} == 0)); then listing_of_indexes; return; fi
    settle_discs
    # Discs of a later run may be here, and its listing not: then this is not the newest state.
    [[ -n $snapshot ]] || for k in "${!dirs[@]}"; do
        ((tops[k] <= listing_tops[chosen])) || warn "no listing of snapshot ${tops[k]} (disc ${numbers[k]}) can be read: using an older one"
    done
    snapshot=${snapshot:-${listing_tops[chosen]}}
    take_listing
}

# Takes the rows of the snapshot: of the chosen listing or, where that has not got it, of the next one
# that has: the SNAPSHOT of that run, or SNAPSHOT and HISTORY together.
take_listing() {
    local k file listed=${known[chosen]:-${listing_known[chosen]}}
    for k in "$chosen" $(candidates | awk -v chosen="$chosen" '$1 != chosen'); do
        [[ ", $listed," == *", ${listing_known[k]},"* ]] || listed+=", ${listing_known[k]}"
        : >"$work/history"
        if ((snapshot != listing_tops[k])); then
            ((formats[k] == 2 && snapshot < listing_tops[k])) && [[ ", ${known[k]-}" == *", $snapshot ("* ]] || continue
            file=$(file_of "$k" HISTORY)
            [[ ! -f $file && ${histories[k]} != *HISTORY* ]] ||
                { matches "$k" "$file" "${file##*/}" && listing_text "$k" HISTORY >"$work/history"; } ||
                { warn "HISTORY of disc ${numbers[k]} is damaged"; continue; }
        fi
        [[ $k == "$chosen" ]] || listing_text "$k" SNAPSHOT >"$work/text" || continue
        [[ ! -s $work/history ]] || { sorted "$work"/{text,history} >"$work/both" && mv -- "$work/both" "$work/text"; }
        say "restoring snapshot $snapshot as disc ${numbers[k]} lists it"
        check_listing $((formats[k] + 15)) <"$work/text"
        return
    done
    die 1 "no disc given lists snapshot $snapshot; listed: $listed"
}

# A listing made of the INDEXes, which are chosen as listings are: each path as it was stored last.
listing_of_indexes() {
    local k other
    ((${#given[@]})) || die 1 "this disc has no listing of the whole set: give the directories of several discs"
    warn "no disc given has a whole listing: restoring what their INDEXes name"
    for k in "${!befores[@]}"; do
        listing_tops[k]=${tops[k]} listing_befores[k]=${befores[k]} listing_sums[k]=${index_sums[k]}
    done
    choose_listing
    [[ -z $chosen ]] || settle_discs
    for k in "${!dirs[@]}"; do : "${meant[${numbers[k]}]:=${uuids[k]}}"; done
    for k in $(for other in "${!dirs[@]}"; do echo "${numbers[other]} $other"; done | sort -n | cut -d ' ' -f 2); do
        [[ ${meant[${numbers[k]}]} != "${uuids[k]}" ]] || listing_text "$k" INDEX | awk -v no="${numbers[k]}" '!/^#/ { print no "\t" $0 }'
    done | awk -F '\t' -v OFS='\t' -v newest="${snapshot:-999999999}" "$AWK_COMMON"'
{ disc = $1; sub(/^[0-9]+\t/, "") }
!index_row() || $1 + 0 > newest || seen[disc, $7, $8, $10]++ { next }
{ p = whole($3); place = disc ":" $7; meta = $16; for (i = 17; i <= 25; i++) meta = meta "\t" $i }
{ link = link_of[p] = $2 == "h" ? whole($22) : "" }
$2 == "f" && $11 > 0 {
    if (id_of[p] != parent($4)) { id_of[p] = parent($4); places[p] = ""; parts[p] = 0 }
    places[p] = places[p] (parts[p]++ ? "," : "") place
    row[p] = "f\t" p "\t" $14 "\t" ($15 == "=" ? $6 : $15) "\t" places[p] ($12 == parts[p] ? "" : ",?") "\t" id_of[p] "\t" meta
    next
}
{
    has = $2 == "f" && $5 > 0
    row[p] = $2 "\t" p "\t" $5 "\t" $6 "\t" (has ? place : "-") "\t" (has ? member() : "-") "\t" meta
}
link != "" { was[p] = link in row ? row[link] : "f\t" link "\t0\t-\t?\t-\t" meta }
END {
    for (p in row) {
        # Another name of what has changed since is a file of its own.
        link = link_of[p]
        is_file = link != "" && (link in row) && row[link] != was[p]
        print is_file ? substr(was[p], 1, 2) p substr(was[p], 3 + length(link)) : row[p]
        for (up = parent(p); up != "." && !(whole(up) in row) && !(up in made); up = parent(up)) {
            made[up]
            print "d\t" up "\t0\t-\t-\t-\t0700\t0\t0\t-\t-\t0.000000000\t-\t-\t-\t-"
        }
    }
}
    ' | sorted | check_listing 16
    snapshot=${snapshot:-999999999}
}

# ---------------------------------------------------------------------- what is in TARGET already
# It stays as it is. Files with the right content count as done.
find_existing() {
    local there=(*)
    ((${#there[@]} > 1)) || return # only the directory of this script
    cut -f 2 "$work"/{OTHERS,FILES} >"$work/paths"
    facts_of . "$work/paths"
    awk -F '\t' -v there="$work/THERE" -v other="$work/OTHER" -v candidates="$work/candidates" -v wrong="$work/wrong" "$AWK_COMMON"'
        NR == FNR { facts[FNR] = $0; next }
        !is_there(facts[++row]) { next }
        $1 == "d" && !is_same(facts[row]) { print shown($2) > wrong; exit }
        $1 == "d" { next }
        { print $2 > there }
        !is_same(facts[row]) { print $2 > other; next }
        $1 == "f" && $3 > 0 { print sum_line($4, $2); print $2 > candidates }
    ' "$work"/{facts,OTHERS,FILES} >"$work/sums" || die 1 "awk failed: no room in $target?"
    [[ ! -s $work/wrong ]] || die 1 "$target/$(<"$work/wrong") is not a directory, and there is one in the snapshot"
    compare .
    paste "$work"/{answers,candidates} |
        awk -F '\t' -v good="$work/GOOD" -v other="$work/OTHER" '{ print $NF > (/: OK\t[^\t]*$/ ? good : other) }'
}

# A line for each path of a file of fields: kind and mode, names, mode, owner, group, time, size; where
# there is none, what stat says of that.
facts_of() { in_slices "$1" "$2" stat -c '%f %h %04a %u %g %.9Y %s' -- >"$work/facts" 2>&1; } # DIRECTORY FIELDS_FILE

compare() { # DIRECTORY
    (cd "$1" && sha256sum -c "$work/sums") >"$work/answers" 2>/dev/null
    (($(wc -l <"$work/answers") == $(wc -l <"$work/sums"))) || die 1 "sha256sum -c did not answer for each file"
}

# ----------------------------------------------------------------------------------- a disc's work
# What is wanted of one disc: for each archive a file plan.NUMBER.TURN with a row for each member and
# place: 1 frame offset, 2 frame length, 3 where it is unpacked: in the tree, where the member has a
# name of its own there, else in the directory new, 4 part, 5 sha256, 6 path (of a part: its ID),
# 7 mode, 8 uid, 9 gid, 10 mtime, 11 attributes; of a part also 12 parts, 13 sha256 of the whole file;
# and a file places.NUMBER.TURN with each field 3 that differs from the one before, for tar and stat.
# What is below a member that was a file once is for another turn. The turns go to the output.
restore_disc() { # K
    local k=$1 archives archive
    ((${has_index[k]-0})) || { say "disc ${numbers[k]} in ${dirs[k]} has no INDEX that can be used"; return; }
    rm -f -- "$work"/{plan,places}.* "$work/lost"
    mapfile -t archives < <({ listing_text "$k" INDEX || : >"$work/lost"; } | awk -F '\t' -v OFS='\t' -v disc="${numbers[k]}" -v snapshot="$snapshot" \
        -v work="$work/" -v placed="$work/PLACED" "$AWK_COMMON"'
phase == 0 { have[$1, $2]; next }
phase == 1 { done[$1]; next }
phase == 2 && !($2 in done) {
    want = $4 "\t" $2 "\t" $7 "\t" $8 "\t" $9 "\t" $12 "\t" $15
    if ($6 ~ /^\.coldcut-parts\//) ids[$6] = $4
    else if ($5 == "?") { unplaced[$2] = want; some_unplaced = 1 }
    else if (index($5, disc ":") == 1) {
        key = substr($5, length(disc) + 2) "/" $6
        if ($6 == $2) own[key] = want
        else copies[key] = copies[key] "\n" want
    }
}
phase == 2 || $2 != "f" { next }
{
    key = $7 "/" (name = member())
    dir = key in own ? "tree/" : key in copies ? "new/" : ""
    if ($11 == 0 && dir == "" && !some_unplaced || !index_row(dir == "tree/" && $4 == "=")) next
    if (dir == "tree/") put(own[key], dir)
    n = key in copies ? split(copies[key], want_of, "\n") : 0
    for (i = 2; i <= n; i++) put(want_of[i], dir)
    if (dir != "") next
    path = whole($3)
    total = $15 == "=" ? $6 : $15
    sum = path in unplaced && $1 == snapshot ? substr(unplaced[path], 1, index(unplaced[path], "\t") - 1) : "?"
}
$11 > 0 {
    id = parent(name)
    if (!(id in ids) && sum != "?") { ids[id] = sum; print path "\t" id >> placed }
    if (id in ids && !((id, $11) in have)) put($6 "\t" id "\t-\t-\t-\t-\t-\t" $12 "\t" total, "new/")
    next
}
$5 > 0 && (sum == "-" || sum == total) { put(total substr(unplaced[path], length(sum) + 1), path == name ? "tree/" : "new/") }
function put(want, dir,   turn, up) {
    if (dir == "new/") {
        is_new[$7, name]
        for (up = name; sub(/\/[^\/]*$/, "", up);) if (($7, up) in is_new) turn++
    }
    turn = $7 "." turn + 0
    if (turn != last) {
        close(plan); close(places); plan = work "plan." turn; places = work "places." turn
        if (!((last = turn) in last_place)) print turn
    }
    place = dir name
    print $8, $9, place, $11, want >> plan
    if (last_place[turn] != place) print (last_place[turn] = place) >> places
}
        ' phase=0 "$work/PARTS" phase=1 "$work/GOOD" "$work/THERE" \
        phase=2 "$work/FILES" phase=3 -)
    [[ ! -e $work/lost ]] || warn "the INDEX of disc ${numbers[k]} is damaged: what it lost is not found"
    ((${#archives[@]} == 0)) || say "disc ${numbers[k]}: restoring"
    for archive in "${archives[@]}"; do restore_archive "$k" "${archive%.*}" "$archive"; done
}

restore_archive() { # K NUMBER NUMBER.TURN
    local name file='' plan=$work/plan.$3 places=$work/places.$3 sound=1 full=0
    # Room for the script's own notes when the target is full: a file that is removed then.
    [[ -e $work/reserve ]] || head -c $((262144 + 2 * $(stat -c %s "$work/FILES"))) /dev/zero >"$work/reserve" 2>/dev/null ||
        rm -f -- "$work/reserve"
    printf -v name '%08d.tar' "$2"
    for name in "$name"{.bz2,.zst,}"$(ending)"; do
        [[ -f ${dirs[$1]}/archives/$name ]] && { file=${dirs[$1]}/archives/$name; break; }
    done
    [[ -n $file ]] || { say "archive $2 is not on disc ${numbers[$1]}"; return; }
    : >"$work/tar_words"
    if ((ignore_damage)); then
        [[ $(bytes_of "$file" | sha256sum) == "${sum_of[$1/archives/$name]-}  -" ]] || differs "$1" "$name"
    else
        unpacking=$places
        unpack_whole "$1" "$file"
        prove
        [[ ! -s $plan ]] || drop_unproved
        unpacking=''
        if ((sound)) && cannot_hold; then cut -f 6 "$plan" >>"$work/UNMADE"; : >"$plan"; fi
        clear_new
    fi
    [[ -s $plan ]] || return 0
    say "reading archive $2 of disc ${numbers[$1]} frame by frame"
    unpack_frames "$file"
    prove
    set_aside
    clear_new
}

# What tar says where the target has no such names; where it has no room, not even for these words.
# A directory where a member was a file once is no such thing.
cannot_hold() {
    [[ -s $plan ]] || return
    ((!full)) || { say "no room in $target"; return 0; }
    awk '/: Cannot (open|write|mkdir)/ && !/: (Is a directory|Not a directory|File exists)$/ { print; found = 1; exit } END { exit !found }' \
        "$work/tar_words" >"$work/why" && say "$(<"$work/why")"
}

clear_new() {
    local left=("$work"/new/*)
    ((${#left[@]} == 0)) || { remove "$work/new"; mkdir -- "$work/new"; }
}

differs() { # K NAME
    sound=0 trouble=1
    [[ -z ${sum_of[$1/archives/$2]-} ]] || say "archives/$2 of disc ${numbers[$1]} is not as it was written"
}

# Regular files come out with their names, times, modes and (for root) owners, nothing else; all of
# it is compared afterwards. With -s tar looks for one name after the other, as INDEX has them; with
# -C it would make a list of its own of all that come after the last.
untar() { # tree|new PLACES
    local names
    mapfile -t names < <(awk -v dir="$1/" 'index($0, dir) == 1 { print substr($0, length(dir) + 1) }' "$2")
    # Without any name tar would unpack all.
    ((${#names[@]})) && cd "$work/$1" && tar -x -p -s --numeric-owner --no-xattrs --no-acls --no-selinux --no-recursion --no-wildcards \
        --warning=no-timestamp -f - --null -T <(printf '%b\0' "${names[@]}") 2>>"$work/tar_words"
}

# What is wanted of a tar stream.
untar_both() {
    local where
    mapfile -t where < <(awk -F / '!seen[$1]++ { print $1 }' "$places")
    if ((${#where[@]} == 2)); then
        { tee -p /dev/fd/5 | to_the_end untar tree "$places" 5>&-; } 5>&1 | to_the_end untar new "$places"
    else
        to_the_end untar "${where[0]}" "$places"
    fi
}

# In one pass: the archive's sum and its members.
unpack_whole() { # K FILE
    local sum state
    sum=$({
        bytes_of "$2" | tee -p /dev/fd/4 | to_the_end expand "$2" 4>&- | untar_both >/dev/null
        states=("${PIPESTATUS[@]}")
        exit $((8 + 2 * (states[0] || states[2]) + (states[3] != 0)))
    } 4>&1 | sha256sum)
    state=$?
    if ((state & 1)); then
        head -c 65536 /dev/zero >"$work/probe" 2>/dev/null || full=1
        rm -f -- "$work"/{probe,reserve}
    fi
    [[ $sum == "${sum_of[$1/archives/${2##*/}]-}  -" ]] || differs "$1" "${2##*/}"
    ((state == 8 || state == 9)) || { warn "archives/${2##*/} of disc ${numbers[$1]} is damaged"; sound=0; }
}

# Each frame for itself, with the members that are wanted of it, in the directory new.
unpack_frames() { # FILE
    local file=$1 frame off
    if [[ $encryption != none ]]; then
        file=$work/archive
        bytes_of "$1" | decrypt >"$file" || trouble=1
    fi
    mkdir -- "$work/frames"
    awk -F '\t' -v OFS='\t' -v frames="$work/frames/" -v places="$places" '
        { sub(/^tree/, "new", $3); print }
        names != frames $1 "." $2 { close(names); names = frames $1 "." $2 }
        !seen[$1, $3]++ { print $3 >> names }
        $3 != place { print (place = $3) > places }
    ' "$plan" >"$work/bad" && mv -- "$work/bad" "$plan"
    for frame in "$work"/frames/*; do
        off=${frame##*/}
        bytes_of "$file" "${off%.*}" "${off#*.}" | expand "${1%.gpg}" | untar new "$frame"
    done
    rm -rf -- "$work"/{archive,frames}
}

# Proves what was unpacked for the plan: regular files with one name and the right content. They go
# to their places; whose metadata are to be set goes to MEND. What is not right stays in the plan.
prove() {
    local file failed="awk failed: no room in $target?"
    for file in sums locked bad rest; do : >"$work/$file"; done
    facts_of "$work" "$places"
    # The rows: before each, which line of the sums it is, 0 if its member is no regular file with one
    # name, and whether the metadata are to be set. The facts come in the order of the rows.
    awk -F '\t' -v OFS='\t' -v root="$root" -v facts="$work/facts" -v sums="$work/sums" -v locked="$work/locked" "$AWK_COMMON"'
$3 != last { last = $3; line = 0; fact = ""; getline fact < facts }
fact !~ /^8... 1 / { print 0, 0, $0; next }
{
    split(fact, has, " ")
    same = has[3] "" == $7 && (!root || has[4] "" == $8 && has[5] "" == $9) && has[6] "" == $10 && $11 == "-"
    if (!root && has[3] ~ /^.[0-3]/) { print $3 > locked; same = 0 }
    if (!line || $5 != sum) { line = ++count; print sum_line(sum = $5, $3) > sums }
    print line, !same, $0
}
    ' "$plan" >"$work/rows" || die 1 "$failed"
    in_slices "$work" "$work/locked" chmod u+r --
    compare "$work"
    # Parts are kept, the rest is moved (m) and copied (c) to its places. Moves come last.
    awk -F '\t' -v mend="$work/MEND" -v good="$work/GOOD" -v parts="$work/PARTS" -v bad="$work/bad" -v rest="$work/rest" '
phase == 1 { ok[FNR] = /: OK$/; next }
!ok[$1] { sub(/^[0-9]+\t[01]\t/, ""); print > bad; if ($3 != place) print (place = $3) > rest; next }
$6 > 0 { print "m\t" $5 "\tparts/" $8 "/" $6; print $8 "\t" $6 "\t" $14 "\t" $15 >> parts; next }
{
    print $8 >> good
    if ($2) print $8 >> mend
}
$5 ~ /^tree/ { if ($5 != "tree/" $8) print "c\t" $5 "\ttree/" $8; next }
{
    if ($5 in last) print "c\t" $5 "\ttree/" last[$5]; else order[++count] = $5
    last[$5] = $8
}
END { for (i = 1; i <= count; i++) print "m\t" order[i] "\ttree/" last[order[i]] }
    ' phase=1 "$work/answers" phase=2 "$work/rows" >"$work/ops" || die 1 "$failed"
    run_ops
    mv -- "$work/bad" "$plan"
    mv -- "$work/rest" "$places"
}

# Moves (m) and copies (c); what goes to one directory under its own name goes together.
run_ops() {
    local op from to dir last='' batch=()
    while IFS=$TAB read -r op from to; do
        printf -v from '%s/%b' "$work" "$from"
        printf -v to '%s/%b' "$work" "$to"
        dir=${to%/*}
        [[ -d $dir ]] || mkdir -p -- "$dir"
        [[ $op$dir == "$last" && ${#batch[@]} -lt SLICE ]] || { put_batch; last=$op$dir; }
        if [[ ${from##*/} == "${to##*/}" ]]; then batch+=("$from"); else put "$op" -T -- "$from" "$to"; fi
    done <"$work/ops"
    put_batch
}

put_batch() {
    ((${#batch[@]} == 0)) || put "${last:0:1}" -t "${last:1}" -- "${batch[@]}"
    batch=()
}

put() { # OP WORDS...
    local how=(mv -n)
    [[ $1 == m ]] || how=(cp -n "--preserve=mode,ownership,timestamps")
    "${how[@]}" "${@:2}" || say "no room in $target?"
}

# What is left of damaged files is kept beside the others.
damaged=''
set_aside() {
    local field path up
    while IFS= read -r field; do
        printf -v path '%b' "$field"
        [[ -f $work/$path && ! -L $work/$path ]] || continue
        if [[ -z $damaged ]]; then
            damaged=.coldcut-damaged
            mkdir -- "$damaged" 2>/dev/null || damaged=$(mktemp -d .coldcut-damaged.XXXXXXXX) || die 1 "$target cannot be written to"
        fi
        up=$damaged/${path#new/}
        chmod 0600 -- "$work/$path"
        mkdir -p -- "${up%/*}" && mv --backup=numbered -T -- "$work/$path" "$up"
    done <"$places"
}

# Parts that are all there become files; what has only some of its parts is no file.
join_parts() {
    local id count sum field path last='' from='' part
    [[ -s $work/PARTS ]] || return
    while IFS=$TAB read -r id count sum field; do
        printf -v path '%s/tree/%b' "$work" "$field"
        if [[ $id != "$last" ]]; then
            last=$id from=$work/joined
            : >"$from"
            for ((part = 1; part <= count; part++)); do append "$work/parts/$id/$part" "$from"; done
            if [[ $(sha256sum <"$from") == "$sum  -" ]]; then mv -n -T -- "$from" "$path"; else from=''; fi
        elif [[ -n $from ]]; then
            cp -n -T -- "$from" "$path"
        fi
        [[ -n $from ]] || continue
        from=$path
        printf '%s\n' "$field" | tee -a "$work/MEND" >>"$work/GOOD"
    done < <(awk -F '\t' '
phase == 1 { have[$1, $2]; if ($3 != "-") { count[$1] = $3; sum[$1] = $4 }; next }
phase == 2 { id_of[$1] = $2; next }
phase == 3 { done[$1]; next }
!($2 in done) {
    id = $2 in id_of ? id_of[$2] : $6
    if (!(id in count)) next
    for (i = 1; i <= count[id]; i++) if (!((id, i) in have)) next
    print id "\t" count[id] "\t" ($4 == "-" ? sum[id] : $4) "\t" $2
}
    ' phase=1 "$work/PARTS" phase=2 "$work/PLACED" phase=3 "$work/GOOD" "$work/THERE" phase=4 "$work/FILES" | sort -s -t "$TAB" -k1,1)
}

# Holes stay holes; the part goes when it is in the file.
append() { # PART FILE
    local size at
    size=$(stat -c %s -- "$1") at=$(stat -c %s -- "$2")
    dd if="$1" of="$2" bs=64K conv=sparse,notrunc oflag=seek_bytes seek="$at" status=none &&
        truncate -s "$((at + size))" -- "$2" && rm -f -- "$1" || die 1 "no room in $target"
}

# -------------------------------------------------------------------------------------- all discs
# The discs that the listing names for files that are still missing; ? where it knows none.
needed_discs() {
    awk -F '\t' '
        phase == 1 { done[$1]; next }
        $2 in done || $5 == last { next }
        { n = split(last = $5, place, ","); for (i = 1; i <= n; i++) { split(place[i], at, ":"); need[at[1]] } }
        END { for (no in need) print no }
    ' phase=1 "$work/GOOD" "$work/THERE" "$work/UNMADE" phase=2 "$work/FILES" | sort -n
}

# Whether what is missing is or can be on that disc.
still_needs() { [[ " $(needed_discs | tr '\n' ' ')" == *" "@("$1"|'?')" "* ]]; } # NUMBER

declare -A absent=()
restore_discs() {
    local no k needed
    mapfile -t needed < <(needed_discs)
    ((${#needed[@]} != 1)) || say "its files are on 1 disc: ${needed[0]}"
    ((${#needed[@]} < 2)) || say "its files are on ${#needed[@]} discs: ${needed[*]}"
    # What the listing does not place may be on any disc.
    [[ ${needed[0]-} != '?' ]] || mapfile -t needed < <(printf '%s\n' "${needed[@]:1}" "${!meant[@]}" | sort -nu)
    for no in "${needed[@]}"; do
        ((!asking)) || bring_disc "$no"
        absent[$no]=1
        for k in "${!dirs[@]}"; do
            [[ ${numbers[k]} == "$no" ]] || continue
            # With another copy, what the first one lost is tried again.
            [[ -n ${absent[$no]-} ]] || { still_needs "$no" && say "trying another copy of disc $no"; } || break
            unset "absent[$no]"
            restore_disc "$k"
        done
    done
    join_parts
}

# Asks for the disc until it is there; an empty answer goes on without it.
bring_disc() { # NUMBER
    local dir k
    for k in "${!dirs[@]}"; do
        [[ ${numbers[k]} == "$1" ]] && read_disc_txt "${dirs[k]}/DISC.txt" 2>/dev/null && [[ ${said[disc_uuid]} == "${uuids[k]}" ]] && return
        unset "dirs[k]" # the drive has one disc at a time
    done
    while ask_directory "disc $1 of $SET"; do
        k=${#numbers[@]}
        add_path "$dir"
        ((${#numbers[@]} > k)) && open_disc "$k" || continue
        [[ ${numbers[k]} == "$1" && ${meant[$1]-${uuids[k]}} == "${uuids[k]}" ]] && return
        say "that is $(name_disc "$k")"
        unset "dirs[k]"
    done
}

# Asks where something can be read; false if the answer is empty or nobody is there.
ask_directory() { # WHAT -> dir
    printf 'Directory of %s (empty: continue without it): ' "$1" >&2
    IFS= read -r dir && [[ -n $dir ]]
}

# --------------------------------------------------------------------------------------- the rest
# Rows of the listing as a tar stream, unpacked in DIRECTORY; CONDITION is awk's.
unpack_rows() { # DIRECTORY CONDITION FILES...
    local dir=$1 condition=$2
    shift 2
    awk -F '\t' -v root="$root" -v made="$made" "$AWK_COMMON$AWK_TAR$condition" "$@" |
        tar -x -p --numeric-owner --delay-directory-restore --warning=no-timestamp --xattrs --xattrs-include='*' -C "$dir" -f - 2>&"$not_set"
}

# Directories that nobody else can enter: their metadata come at the end.
make_directories() {
    unpack_rows "$work/tree" '$1 == "d" && $2 != "." { $8 = $9 = 0; $15 = "-"; entry(5, plain($2), "", "0700") }' "$work/OTHERS"
}

# Links, FIFOs, devices and empty files; then other names of what is there.
make_others() {
    unpack_rows "$work/tree" '
        phase == 1 { there[$1]; next }
        phase == 2 { good[$1]; next }
        phase == 4 { if ($1 == "h" && !($2 in there) && !($13 in there) && $13 in good) entry(1, plain($2), plain($13), "0600"); next }
        $1 == "d" || $1 == "h" || $1 ~ /[cb]/ && !root { next }
        { good[$2] }
        !($2 in there) { entry(type_of[$1], plain($2), $1 == "l" ? plain($13) : "", $7) }
    ' phase=1 "$work/THERE" phase=2 "$work/GOOD" phase=3 "$work/OTHERS" phase=4 "$work/OTHERS"
}

# Gives files the metadata of the listing where those of the archive are others: empty files made
# from the listing lend it to them.
mend() {
    local mode field path
    [[ -s $work/MEND ]] || return 0
    unpack_rows "$work/lend" '
        phase == 1 { mend[$1]; next }
        !($2 in mend) { next }
        substr($7, 2, 1) < 4 { print $7 "\t" $2 > hidden; $7 = substr($7, 1, 1) substr($7, 2, 1) + 4 substr($7, 3) }
        { entry(0, plain($2), "", $7) }
    ' hidden="$work/hidden" phase=1 "$work/MEND" phase=2 "$work/FILES"
    # cp would leave set-id bits where it sets an ACL.
    in_slices "$work/tree" "$work/MEND" chmod u+rw,a-st --
    cp -rT --attributes-only --preserve=mode,ownership,timestamps,xattr -- "$work/lend" "$work/tree" 2>&"$not_set"
    while IFS=$TAB read -r mode field; do
        printf -v path '%s/tree/%b' "$work" "$field"
        chmod "$mode" -- "$path"
    done <"$work/hidden"
}

# Moves what the tree has to TARGET, whole directories where TARGET has none of that name.
publish() { # DIRECTORY
    local path name batch=() last=m$1
    for path in "$work/tree/$1"/*; do
        name=$1/${path##*/}
        if [[ ! -e $name && ! -L $name ]]; then
            batch+=("$path")
            ((${#batch[@]} < SLICE)) || put_batch
        elif [[ -d $name && ! -L $name && -d $path && ! -L $path ]]; then
            chmod u+rwx -- "$name"
            publish "$name"
        fi
    done
    put_batch
}

# Directories get their metadata when nothing in them changes any more; TARGET itself at the very
# end, and all of them only if it was made here.
finish_directories() {
    local top
    unpack_rows . '$1 == "d" && $2 != "." { entry(5, plain($2), "", $7) }' "$work/OTHERS"
    top=$(awk -F '\t' '$2 == "."' "$work/OTHERS")
    remove "$work"
    work=''
    if [[ -n $top ]] && ((made)); then
        unpack_rows . '{ entry(5, ".", "", $7) }' <<<"$top"
        made=0 target_mode=''
    elif [[ -n $top ]]; then
        touch -d "@$(cut -f 12 <<<"$top")" . 2>/dev/null
    fi
}

# ------------------------------------------------------------------------------------- the report
# Before anything moves: what is missing, and why. What could not be made is not in the tree.
report() { # -> count
    cut -f 2 "$work/OTHERS" >"$work/paths"
    facts_of "$work/tree" "$work/paths"
    awk -F '\t' -v root="$root" -v absent=" ${!absent[*]} " "$AWK_COMMON"'
function why(   n, i, place, at, out) {
    if ($2 in unmade) return "could not be stored in the target"
    n = split($5, place, ",")
    for (i = 1; i <= n; i++) {
        split(place[i], at, ":")
        if (index(absent, " " at[1] " ") && !index(out ",", " " at[1] ",")) out = out (out == "" ? " " : ", ") at[1]
    }
    if (out != "") return "on disc" (out ~ /,/ ? "s" : "") out ", which " (out ~ /,/ ? "were" : "was") " not there"
    if (index($5, "?")) return "its disc was not known when the listing was written, and is not among those given"
    return "damaged on disc " substr($5, 1, index($5, ":") - 1)
}
function missing(reason) { print "missing: " shown($2) " (" reason ")" }
phase == 1 { good[$1]; next }
phase == 2 { good[$1]; print "not changed: " shown($1) " (was there, and is not as in the snapshot)"; next }
phase == 3 { unmade[$1]; next }
phase == 4 { there[$1]; next }
phase == 5 { facts[FNR] = $0; next }
phase == 6 { print "refused: " $1 " (" $2 ")"; next }
phase == 7 { if (root || !/Operation not permitted/) print "not set: " shown($0); next }
phase == 8 { if (!($2 in good)) { missing(why()); gone[$2] }; next }
$1 == "h" && $13 in gone { missing("link to a missing file"); next }
!is_same(facts[FNR]) && !($2 in there) { missing("could not be made") }
    ' phase=1 "$work/GOOD" phase=2 "$work/OTHER" \
        phase=3 "$work/UNMADE" phase=4 "$work/THERE" phase=5 "$work/facts" phase=6 "$work/REFUSED" phase=7 "$work/not_set" \
        phase=8 "$work/FILES" phase=9 "$work/OTHERS" >"$work/report"
    cat "$work/report"
    count=$(awk 'END { print NR }' "$work/report")
}

conclude() {
    [[ -z $damaged ]] || say "what is left of damaged files is in $target/$damaged"
    ((${#absent[@]} == 0)) || say "missing discs: $(printf '%s\n' "${!absent[@]}" | sort -n | paste -sd ' ')"
    ((count == 0)) || die 3 "$count paths are not restored as they were; they are listed above"
    ((!trouble)) || die 3 "everything in the listing is restored, but not all of the discs were sound: see above"
    say "done: everything is restored and its checksums agree"
}

# ------------------------------------------------------------------------------------------- main
find_discs() {
    local path k dir
    asking=$((${#given[@]} == 0))
    for path in "${given[@]}"; do add_path "$path"; done
    while ((asking && ${#numbers[@]} == 0)) && ask_directory "the disc of $SET with the highest number"; do
        add_path "$dir"
    done
    [[ -z $pass || $encryption != none ]] || encryption=passphrase
    for k in "${!dirs[@]}"; do open_disc "$k"; done
    ((${#dirs[@]} == 0)) || return
    ((${#numbers[@]} == 0)) || die 1 "none of the discs can be used"
    die 4 "no disc of the set $SET is here"
}

main() {
    local asking chosen='' count=0 started_in=$PWD
    parse_arguments "$@"
    check_tools
    read_passphrase
    [[ -z $signer || $signer == /* ]] || signer=$started_in/$signer
    enter_target
    read_signer
    find_discs
    open_listing
    find_existing
    make_directories
    restore_discs
    make_others
    mend
    report
    publish .
    finish_directories
    conclude
}

main "$@"
