#!/usr/bin/env python3
"""coldcut-reader.py: gets files back from coldcut discs, of format 1 and 2.

    coldcut-reader.py list    [-s N] [-p FILE] [-k FILE] [--disc UUID] DISC...
    coldcut-reader.py verify  [-p FILE] [-k FILE] DISC...
    coldcut-reader.py restore [-s N] [-p FILE] [-k FILE] [--disc UUID] DISC... TARGET

DISC is an image of a disc (disc.iso), a drive (/dev/sr0), a mounted disc, a copy of
what is on one in a directory, or a directory that holds several of these. TARGET is
a new directory, or one that an earlier run began: what is there and right is kept,
nothing is overwritten.

  -s N         the snapshot N instead of the newest; `list -s N` prints its paths
  -p FILE      the passphrase is the first line of FILE; else it is asked for
  -k FILE      a secret OpenPGP key to decrypt with; else gpg's own keys are used
  --disc UUID  the history with this disc is the right one, where there are several
  --indexes    make the listing of the INDEXes of the discs, as if no SNAPSHOT could be
               read: files that were deleted come back
  --signer FILE  only discs whose SHA256SUMS is signed by this OpenPGP certificate

Exit codes: 0 done; 1 could not work; 2 wrong command line; 3 done, but something is
missing or damaged (each is named); 4 no disc of a set was found.

It needs Python 3.8 or newer and no library but Python's own. These programs are
called, each only where there is something for it: gpg (encrypted discs, signatures),
zstd (archives in .zst), par2 (damaged or lost discs with recovery data).

It was written from FORMAT.txt, the page that is on each disc; "section" below means
a section of that page. Archives are read as streams; memory is taken by listings,
1 to 3 KB for each path of the snapshot.

To the extent possible under law, the authors have dedicated this program to the
public domain worldwide (CC0 1.0, https://creativecommons.org/publicdomain/zero/1.0/).
It comes without any warranty. Copy it, port it, print it.
"""

import argparse
import base64
import binascii
import bz2
import errno
import getpass
import hashlib
import heapq
import os
import re
import shutil
import signal
import stat
import struct
import subprocess
import sys
import tempfile
import threading

SECTOR = 2048
BLOCK = 1 << 17  # bytes read or expanded at once
NOTHING = hashlib.sha256().digest()  # the sum of an empty file


# ------------------------------------------------------------------ what goes wrong


class Stop(Exception):
    """The whole run cannot go on; `code` is the exit code."""

    def __init__(self, code, text):
        super().__init__(text)
        self.code = code


class Damage(Exception):
    """Something on a disc is not as it was written, or not as the page says."""


class WrongSum(Damage):
    """A member that was read to its end, with other bytes than were written."""


class NoKey(Exception):
    """gpg has no passphrase or secret key that opens a message."""


class Report:
    """Says what is wrong, each thing once. With `wrong` the exit code is 3."""

    def __init__(self):
        self.wrong = False
        self.said = set()

    def note(self, text):
        if text not in self.said:
            self.said.add(text)
            print("coldcut-reader: " + text, file=sys.stderr)

    def problem(self, text):
        self.wrong = True
        self.note(text)


REPORT = Report()


def show(text):
    """Text of a disc as it can be printed: no control characters, one line."""
    if isinstance(text, bytes):
        text = text.decode("utf-8", "surrogateescape")
    parts = []
    for char in text:
        if 0xDC80 <= ord(char) <= 0xDCFF:  # a byte that is not UTF-8
            parts.append("\\x%02x" % (ord(char) - 0xDC00))
        elif char.isprintable():
            parts.append(char)
        else:
            parts.append("".join("\\x%02x" % byte for byte in char.encode("utf-8", "surrogateescape")))
    return "".join(parts)


# -------------------------------------------------------------- streams of bytes
#
# A stream is an iterator over pieces of bytes. Each step from a disc to a file is a
# function that takes one stream and gives another.


def chunks(file, offset=0, length=None):
    """The bytes of `file` (an object with `size` and `pread`), from `offset` on."""
    end = file.size if length is None else offset + length
    if end > file.size:
        raise Damage("ends too early")
    while offset < end:
        data = file.pread(offset, min(BLOCK, end - offset))
        if not data:
            raise Damage("ends too early")
        yield data
        offset += len(data)


def hashing(stream, digest):
    """The same stream; what passes is added to `digest`."""
    for data in stream:
        digest.update(data)
        yield data


def expand_bzip2(stream):
    """Expands bzip2 streams that follow each other; a CRC that is wrong is Damage."""
    decompressor, begun = bz2.BZ2Decompressor(), False
    for data in stream:
        while True:
            begun = begun or bool(data)
            try:
                out = decompressor.decompress(data, BLOCK)
            except (OSError, ValueError):
                raise Damage("the compressed data is damaged") from None
            if out:
                yield out
            data = b""
            if decompressor.eof:
                data = decompressor.unused_data
                decompressor, begun = bz2.BZ2Decompressor(), False
                if not data:
                    break
            elif decompressor.needs_input:
                break
    if begun:
        raise Damage("the compressed data ends too early")


def expand_zstd(stream):
    def check(code, text):
        if code != 0:
            raise Damage("the compressed data is damaged")

    return run_through(["zstd", "-d", "-c", "-q"], stream, check)


def run_through(command, stream, check, secret=None):
    """What a program prints when `stream` is its input. `check(code, stderr)` is called
    at its end, and raises if that was not well. `secret` is a line for the program; its
    file descriptor takes the place of `FD` in `command`."""
    errors = tempfile.TemporaryFile()
    ends = []
    if secret is not None:
        ends = list(os.pipe())
        os.write(ends[1], secret + b"\n")
        os.close(ends.pop())
        command = [str(ends[0]) if word == "FD" else word for word in command]
    try:
        process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=errors,
            pass_fds=ends, env=environment())
    except FileNotFoundError:
        raise Stop(1, "the program %s is needed and not installed" % command[0]) from None
    finally:
        for end in ends:
            os.close(end)
    failures = []

    def feed():
        try:
            for data in stream:
                process.stdin.write(data)
        except BrokenPipeError:
            pass
        except Exception as failure:  # is raised again below, in the thread that reads
            failures.append(failure)
        try:
            process.stdin.close()
        except BrokenPipeError:
            pass

    feeder = threading.Thread(target=feed, daemon=True)
    feeder.start()
    try:
        while True:
            data = process.stdout.read1(BLOCK)
            if not data:
                break
            yield data
        feeder.join()
        code = process.wait()
        if failures:
            raise failures[0]
        errors.seek(0)
        check(code, errors.read().decode("utf-8", "replace"))
    finally:
        process.kill()
        process.stdout.close()
        process.wait()
        feeder.join()
        errors.close()


def environment():
    """No variable that changes what a program does, but those that gpg needs."""
    keep = ("PATH", "HOME", "GNUPGHOME", "TERM", "GPG_TTY", "DISPLAY", "WAYLAND_DISPLAY", "XDG_RUNTIME_DIR", "TMPDIR")
    return dict({name: os.environ[name] for name in keep if name in os.environ}, LC_ALL="C")


class Stream:
    """A stream that is read by number of bytes."""

    def __init__(self, stream):
        self.stream, self.position = stream, 0
        self.block, self.used = b"", 0  # what was read last, and how much of it was taken

    def some(self, most):
        """Between 1 and `most` bytes."""
        while self.used == len(self.block):
            try:
                self.block, self.used = next(self.stream), 0
            except StopIteration:
                raise Damage("the data ends too early") from None
        data = self.block[self.used:self.used + most]
        self.used += len(data)
        self.position += len(data)
        return data

    def exactly(self, length):
        parts = []
        while length > 0:
            parts.append(self.some(length))
            length -= len(parts[-1])
        return b"".join(parts)

    def skip_to(self, position):
        if position < self.position:
            raise Damage("INDEX names places that lie over each other")
        while self.position < position:
            self.some(position - self.position)

    def pieces(self, length):
        """A stream of the next `length` bytes."""
        while length > 0:
            data = self.some(min(length, BLOCK))
            length -= len(data)
            yield data

    def close(self):
        if hasattr(self.stream, "close"):
            self.stream.close()


# ------------------------------------------------------------ files of a directory


class File:
    """A file, or some extents of an image. Any thread may read any place of it."""

    def __init__(self, fd, extents, own):
        self.fd, self.extents, self.own = fd, extents, own
        self.size = sum(size for _, size in extents)

    def pread(self, offset, length):
        for start, size in self.extents:
            if offset < size:
                try:
                    return os.pread(self.fd, min(length, size - offset), start + offset)
                except OSError as error:
                    raise Damage("cannot be read: " + error.strerror) from None
            offset -= size
        return b""

    def close(self):
        if self.own:
            self.own = False
            os.close(self.fd)

    __del__ = close

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()


class Folder:
    """A mounted disc, or a copy of what is on one."""

    def __init__(self, path):
        self.path = path
        self.image = None  # (file descriptor, bytes) of an image

    def names(self, folder=""):
        """The paths of the files below `folder`, and of all with ""."""
        found = []
        top = os.path.join(self.path, folder)
        for place, folders, files in os.walk(top):
            folders.sort()
            for name in files:
                found.append(os.path.relpath(os.path.join(place, name), self.path))
        return sorted(found)

    def open(self, name):
        """A file of the disc; None if it is not there. Links are not followed."""
        place = os.path.join(self.path, name)
        flags = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
        try:
            fd = os.open(place, flags)
        except (FileNotFoundError, NotADirectoryError):
            return None
        except OSError as error:
            raise Damage("cannot be read: " + error.strerror) from None
        status = os.fstat(fd)
        if not stat.S_ISREG(status.st_mode):
            os.close(fd)
            raise Damage("is not a file")
        return File(fd, [(0, status.st_size)], True)


# ---------------------------------------------------------------- images of discs


class Iso:
    """An image or a drive: ISO 9660 (ECMA-119) with Rock Ridge names, or Joliet's if
    the directory with Rock Ridge cannot be read."""

    def __init__(self, path):
        self.path = path
        self.fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        self.files = {}
        primary = joliet = None
        for number in range(16, 48):  # volume descriptors, ECMA-119 8
            sector = self.sectors(number, SECTOR)
            if sector[1:6] != b"CD001" or sector[0] == 255:
                break
            if sector[0] == 1 and primary is None:
                primary = sector
            if sector[0] == 2 and sector[88:91] in (b"%/@", b"%/C", b"%/E"):
                joliet = sector
        if primary is None and joliet is None:
            raise Damage("no image of a disc")
        head = primary or joliet
        self.image = (self.fd, struct.unpack_from("<I", head, 80)[0] * SECTOR)
        for descriptor, unicode_names in ((primary, False), (joliet, True)):
            if descriptor is None:
                continue
            self.files = {}
            try:
                self.skip = None if unicode_names else self.rock_ridge(descriptor)
                self.unicode_names = unicode_names
                self.directory("", descriptor[156:190], 0)
            except (Damage, struct.error, IndexError, UnicodeDecodeError):
                REPORT.problem("%s: a directory of the image is damaged" % show(path))
                continue
            if self.files:
                break

    def sectors(self, number, length):
        try:
            data = os.pread(self.fd, length, number * SECTOR)
        except OSError as error:
            raise Damage("cannot be read: " + error.strerror) from None
        if len(data) < length:
            raise Damage("the image ends too early")
        return data

    def rock_ridge(self, descriptor):
        """Bytes to skip in each system use area (SUSP 5.3), None without Rock Ridge."""
        extent = struct.unpack_from("<I", descriptor, 156 + 2)[0]
        record = self.sectors(extent, SECTOR)
        area = record[34:record[0]]  # behind "." of the root: one byte of name, no padding
        return area[6] if area[:2] == b"SP" and area[4:6] == b"\xbe\xef" else None

    def directory(self, path, record, depth):
        extent, size = struct.unpack_from("<I", record, 2)[0], struct.unpack_from("<I", record, 10)[0]
        if depth > 8 or size > 1 << 26:
            raise Damage("a directory that cannot be")
        data = self.sectors(extent, size)
        at = 0
        while at < size:
            length = data[at]
            if length == 0:  # records do not cross sectors (ECMA-119 6.8.1.1)
                at = (at // SECTOR + 1) * SECTOR
                continue
            entry = data[at:at + length]
            at += length
            if entry[33:33 + entry[32]] in (b"\0", b"\1"):  # "." and ".."
                continue
            self.entry(path, entry, depth)

    def entry(self, path, entry, depth):
        name = self.name(entry)
        if "/" in name or "\0" in name or name in ("", ".", ".."):
            raise Damage("a name that cannot be")
        name = path + name
        flags = entry[25]
        if flags & 2:
            self.directory(name + "/", entry, depth + 1)
            return
        place = (struct.unpack_from("<I", entry, 2)[0] * SECTOR, struct.unpack_from("<I", entry, 10)[0])
        self.files.setdefault(name, []).append(place)  # several: a file of several extents

    def name(self, entry):
        plain = entry[33:33 + entry[32]]
        if self.unicode_names:
            return plain.decode("utf-16-be").split(";")[0]
        if self.skip is not None:
            start = 33 + entry[32] + (entry[32] + 1) % 2 + self.skip
            name = self.long_name(entry[start:])
            if name:
                return name.decode("utf-8", "surrogateescape")
        return plain.decode("ascii").split(";")[0].rstrip(".")

    def long_name(self, area):
        """The name of the NM entries (RRIP 4.1.4), also of a continued area (SUSP 5.1)."""
        name, more, rounds = b"", None, 0
        while rounds < 32:
            at = 0
            while at + 4 <= len(area) and area[at + 2] >= 4:
                kind, field = area[at:at + 2], area[at:at + area[at + 2]]
                if kind == b"NM":
                    name += field[5:]
                elif kind == b"CE":
                    more = struct.unpack_from("<I4xI4xI", field, 4)
                elif kind == b"ST":
                    break
                at += area[at + 2]
            if more is None:
                break
            block, offset, length = more
            area, more, rounds = self.sectors(block, offset + length)[offset:], None, rounds + 1
        return name

    def names(self, folder=""):
        return sorted(name for name in self.files if not folder or name.startswith(folder + "/"))

    def open(self, name):
        extents = self.files.get(name)
        return None if extents is None else File(self.fd, extents, False)


# ------------------------------------------------------------ which disc (section 2)


class UnknownFormat(Exception):
    pass


UUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")
NUMBER = r"(?:0|[1-9][0-9]{0,18})"
DISC_KEYS = {
    "kind": "data|parity", "set": r"[A-Za-z0-9_-]{1,26}", "set_uuid": UUID.pattern, "disc": NUMBER,
    "disc_uuid": UUID.pattern, "snapshot": NUMBER, "date": r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9:]{8}Z",
    "encryption": "none|passphrase|recipients", "compression": "bzip2|zstd|none", "parity": NUMBER,
    "listings": r"[A-Za-z ]*",
}


def parse_disc_txt(text):
    """The keys of DISC.txt. Damage if they are not as section 2 says."""
    try:
        lines = text.decode("ascii").split("\n")
    except UnicodeDecodeError:
        raise Damage("is not ASCII") from None
    keys = {}
    for line in lines[:-1]:
        key, equals, value = line.partition("=")
        if not equals or key in keys:
            raise Damage("is not as DISC.txt is")
        keys[key] = value
    if lines[-1] or not re.fullmatch(NUMBER, keys.get("format", "")):
        raise Damage("is not as DISC.txt is")
    if keys["format"] not in ("1", "2"):
        raise UnknownFormat("is of format %s, which this reader does not know" % keys["format"])
    for key, pattern in DISC_KEYS.items():
        if not re.fullmatch(pattern, keys.get(key, "\n")):
            raise Damage("is not as DISC.txt is: " + key)
    if keys["kind"] == "parity":
        for key, pattern in (("group", r"[0-9]+( [0-9]+)*"), ("member", "[0-9]+/[0-9]+"), ("stripe", NUMBER)):
            if not re.fullmatch(pattern, keys.get(key, "")):
                raise Damage("is not as DISC.txt is: " + key)
    return keys


def keys_in_readme(text, names):
    """DISC.txt as README.txt repeats it; of format 1, what its first lines say."""
    match = re.search(rb"(?:^|\n)-----BEGIN DISC\.txt-----\r?\n(.*?)-----END DISC\.txt-----", text, re.S)
    if match:
        return parse_disc_txt(match.group(1).replace(b"\r\n", b"\n"))
    text = text.decode("utf-8", "replace")
    title = re.match(r'Disc (\d+) of the set "([A-Za-z0-9_-]+)", closed on (\S+), (?:with|for) files up to '
                     r'snapshot (\d+)(?:: recovery disc (\d+) of (\d+))?\.', text)
    uuids = [re.search(r"^%s:\s+(%s)$" % (word, UUID.pattern), text, re.M) for word in ("Set", "Disc")]
    if not title or None in uuids:
        raise Damage("does not say which disc it is")
    encrypted = any(name.endswith(".gpg") for name in names)
    listings = [name for name in ("INDEX", "SNAPSHOT") if any(n.startswith(name + ".tsv") for n in names)]
    keys = {
        "format": "1", "kind": "parity" if title.group(5) else "data", "set": title.group(2),
        "set_uuid": uuids[0].group(1), "disc": title.group(1), "disc_uuid": uuids[1].group(1),
        "snapshot": title.group(4), "date": title.group(3), "compression": "none", "parity": "0",
        "encryption": "passphrase" if encrypted else "none", "listings": " ".join(listings),
    }
    if title.group(5):  # which discs its group has is not known then
        keys.update(group="0", member="%s/%s" % title.group(5, 6), stripe="0")
    return keys


class Disc:
    """One copy of a disc."""

    def __init__(self, source, name):
        self.source, self.name = source, show(name)
        self.sums = self.read_sums()
        self.keys = self.identify()
        self.number, self.uuid = int(self.keys["disc"]), self.keys["disc_uuid"]
        self.version, self.snapshot = int(self.keys["format"]), int(self.keys["snapshot"])
        self.encrypted = self.keys["encryption"] != "none"
        self.recovery = self.keys["kind"] == "parity"
        self.index_head = None  # (header,) of INDEX once it was read

    def title(self):
        return "disc %d of %s (%s)" % (self.number, self.keys["date"], self.uuid)

    def small(self, name):
        """The bytes of a text on the disc, None if it is not there."""
        file = self.source.open(name)
        if file is None:
            return None
        with file:
            if file.size > 1 << 26:
                raise Damage("is too long")
            return b"".join(chunks(file))

    def read_sums(self):
        """SHA256SUMS: path to sum. What cannot be read of it is named, and left out."""
        try:
            text = self.small("SHA256SUMS")
        except Damage as damage:
            text, self.sums_digest = None, None
            REPORT.problem("%s: SHA256SUMS %s" % (self.name, damage))
            return {}
        if text is None:
            REPORT.problem("%s: SHA256SUMS is missing" % self.name)
            self.sums_digest = None
            return {}
        self.sums_digest = hashlib.sha256(text).hexdigest()
        sums = {}
        for line in text.decode("utf-8", "surrogateescape").split("\n")[:-1]:
            match = re.fullmatch(r"([0-9a-f]{64}) [ *]([^/].*)", line)
            if match is None or ".." in match.group(2).split("/") or match.group(2) in sums:
                REPORT.problem("%s: SHA256SUMS is damaged" % self.name)
            else:
                sums[match.group(2)] = match.group(1)
        if not sums or not text.endswith(b"\n"):
            REPORT.problem("%s: SHA256SUMS is damaged" % self.name)
        return sums

    def text_and_sum(self, name):
        """A text, and whether its sum is right (None: not known)."""
        try:
            text = self.small(name)
        except Damage:
            text = None
        if text is None:
            return None, False
        if name not in self.sums:
            return text, None
        return text, hashlib.sha256(text).hexdigest() == self.sums[name]

    def identify(self):
        """DISC.txt, or README.txt where that is damaged (section 2)."""
        text, right = self.text_and_sum("DISC.txt")
        keys = None
        try:
            if text is not None:
                keys = parse_disc_txt(text)
                if right or not self.sums:
                    return keys
        except Damage:
            pass
        except UnknownFormat:
            if right is not False:
                raise
        REPORT.problem("%s: DISC.txt is damaged" % self.name)
        readme, _ = self.text_and_sum("README.txt")
        try:
            if readme is not None:
                return keys_in_readme(readme, self.source.names())
        except Damage:
            pass
        if keys is None:
            raise Damage("neither DISC.txt nor README.txt says which disc it is")
        return keys  # well-formed: the headers of the listings must agree with it


def looks_like_disc(path):
    return any(os.path.lexists(os.path.join(path, name)) for name in ("DISC.txt", "SHA256SUMS", "archives"))


def open_sources(paths):
    """(source, name) of each disc that the command line names."""
    for path in paths:
        if not os.path.exists(path):
            raise Stop(1, "%s is not there" % show(path))
        if not os.path.isdir(path):
            inner = [path]
        elif looks_like_disc(path):
            inner = [path]
        else:
            inner = [os.path.join(path, name) for name in sorted(os.listdir(path))]
            inner = [p for p in inner if looks_like_disc(p) if os.path.isdir(p)] + \
                    [p for p in inner if os.path.isfile(p) and p.lower().endswith(".iso")]
            if not inner:
                REPORT.problem("%s: no disc is in it" % show(path))
        for place in inner:
            try:
                yield (Folder(place) if os.path.isdir(place) else Iso(place)), place
            except Damage as damage:
                REPORT.problem("%s: %s" % (show(place), damage))
            except OSError as error:
                REPORT.problem("%s: %s" % (show(place), error.strerror))


def open_discs(paths):
    discs, unknown = [], False
    for source, name in open_sources(paths):
        try:
            discs.append(Disc(source, name))
        except Damage as damage:
            REPORT.problem("%s: %s" % (show(name), damage))
        except UnknownFormat as failure:
            unknown = True
            REPORT.problem("%s %s" % (show(name), failure))
    if not discs:
        raise Stop(1, "no disc can be read by this reader") if unknown else Stop(4, "no disc of a set was found")
    return discs


# ------------------------------------------------------------- decryption (section 4)


class Keys:
    """Passphrase and secret keys, and gpg to use them."""

    def __init__(self, passphrase_file, key_files):
        self.given = passphrase_file is not None or bool(key_files)
        self.key_files = key_files
        self.secret = None
        self.home = None
        self.opened = self.closed = False  # whether anything could be opened, or not
        if passphrase_file is not None:
            try:
                with open(passphrase_file, "rb") as file:
                    self.secret = file.readline().rstrip(b"\n")
            except OSError as error:
                raise Stop(1, "%s: %s" % (show(passphrase_file), error.strerror)) from None

    def ask(self):
        if not sys.stdin.isatty():
            raise Stop(1, "a passphrase is needed: -p FILE")
        self.secret = os.fsencode(getpass.getpass("Passphrase: "))

    def gpg(self):
        """The command, with a home of its own unless the user's keys are wanted."""
        command = ["gpg", "--batch", "--no-options", "--lock-never", "--status-fd", "2"]
        if self.home is None and (self.secret is not None or self.key_files):
            self.home = tempfile.mkdtemp(prefix="coldcut-")
            for key in self.key_files:
                try:
                    done = subprocess.run(["gpg", "--homedir", self.home, "--batch", "--no-options", "--quiet",
                                           "--import", key], env=environment(), stderr=subprocess.PIPE,
                                          stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL)
                except FileNotFoundError:
                    raise Stop(1, "the program gpg is needed and not installed") from None
                if done.returncode != 0:
                    raise Stop(1, "%s: gpg does not take it as a key: %s" % (show(key), show(done.stderr)))
        if self.home is not None:
            command += ["--homedir", self.home, "--pinentry-mode", "loopback"]
        return command

    def decrypt(self, stream, encryption):
        """The content of one OpenPGP message. NoKey or Damage at its end."""
        if encryption == "passphrase" and self.secret is None:
            self.ask()
        command = self.gpg()
        if self.secret is not None:
            command += ["--passphrase-fd", "FD"]
        return run_through(command + ["--decrypt"], stream, self.check, self.secret)

    def check(self, code, text):
        said = set(re.findall(r"^\[GNUPG:\] (\w+)", text, re.M))
        if "BEGIN_DECRYPTION" not in said:
            raise Damage("is not encrypted, or damaged")
        if "PLAINTEXT" not in said:
            self.closed = True
            raise NoKey("no passphrase or key opens it")
        self.opened = True
        if code != 0 or "DECRYPTION_OKAY" not in said:
            raise Damage("is damaged, says gpg")

    def close(self):
        if self.home is not None:
            subprocess.run(["gpgconf", "--homedir", self.home, "--kill", "all"], env=environment(),
                           stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
            shutil.rmtree(self.home, ignore_errors=True)


def signed_by(disc, certificate, home):
    """Whether SHA256SUMS has a right signature by a key of `certificate` (section 4.1)."""
    gpg = ["gpg", "--homedir", home, "--batch", "--no-options", "--status-fd", "1"]
    quiet = {"env": environment(), "stdin": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    try:
        if subprocess.run(gpg + ["--import", certificate], stdout=subprocess.DEVNULL, **quiet).returncode != 0:
            raise Stop(1, "%s: gpg does not take it as a certificate" % show(certificate))
    except FileNotFoundError:
        raise Stop(1, "the program gpg is needed and not installed") from None
    paths = []
    for name in ("SHA256SUMS.sig", "SHA256SUMS"):
        text = disc.text_and_sum(name)[0]
        if text is None:
            return False
        paths.append(os.path.join(home, name))
        with open(paths[-1], "wb") as file:
            file.write(text)
    out = subprocess.run(gpg + ["--verify"] + paths, stdout=subprocess.PIPE, **quiet).stdout.decode("utf-8", "replace")
    return bool(re.search(r"^\[GNUPG:\] GOODSIG ", out, re.M) and re.search(r"^\[GNUPG:\] VALIDSIG ", out, re.M))


# ----------------------------------------------------------- listings (sections 5 to 8)


N = NUMBER.encode()
SUM = rb"[0-9a-f]{64}"
TEXT = rb"[^\t]+"
XATTR = rb"(?:[A-Za-z0-9._-]|%[0-9A-Fa-f]{2})+=[A-Za-z0-9+/]*={0,2}"
METADATA = [  # mode, uid, gid, user, group, mtime, link, device, xattrs, note
    rb"[0-7]{4}", N, N, TEXT, TEXT, rb"-?" + N + rb"\.[0-9]{9}", TEXT, rb"-|" + N + rb":" + N,
    rb"-|" + XATTR + rb"(?:," + XATTR + rb")*", TEXT]


def row_pattern(fields):
    return re.compile(rb"\t".join(b"(" + field + b")" for field in fields))


INDEX_ROW = row_pattern([
    N, rb"[fdlhpcb]", TEXT, TEXT, N, SUM + rb"|-", N, N, N, N, N, N + rb"|-", N, N, SUM + rb"|=|-"] + METADATA)
WHERE = rb"-|\?|" + N + rb":" + N + rb"(?:," + N + rb":" + N + rb")*(?:,\?)?"
SNAPSHOT_FIELDS = [rb"[fdlhpcb]", TEXT, N, SUM + rb"|-", WHERE, TEXT] + METADATA
SNAPSHOT_ROW = {
    ("SNAPSHOT", 1): row_pattern(SNAPSHOT_FIELDS),
    ("SNAPSHOT", 2): row_pattern(SNAPSHOT_FIELDS + [N]),
    ("HISTORY", 2): row_pattern(SNAPSHOT_FIELDS + [N, N]),
}


def unescape(field):
    """Undoes the escapes of section 5; there are no others."""
    if b"\\" not in field:
        return field
    if field in (b"\\055", b"\\075"):
        return b"-" if field == b"\\055" else b"="

    def one(match):
        try:
            return {b"\\\\": b"\\", b"\\t": b"\t", b"\\n": b"\n"}[match.group(0)]
        except KeyError:
            raise Damage("has an escape that does not exist") from None

    return re.sub(rb"\\.?", one, field, flags=re.S)


def nanoseconds(field):
    seconds, _, fraction = field.lstrip(b"-").partition(b".")
    value = int(seconds) * 10**9 + int(fraction)
    return -value if field.startswith(b"-") else value


def sound_path(path):
    """Whether a path stays inside of the target (section 10.3)."""
    if path == b".":
        return True
    return b"\0" not in path and not any(part in (b"", b".", b"..") for part in path.split(b"/"))


def walk_key(path):
    """Paths sorted by this are in walk order (section 3.4)."""
    return [] if path == b"." else path.split(b"/")


class Row:
    """One object of a snapshot. `member` is None where it equals the path."""

    __slots__ = ("kind", "path", "size", "sha", "where", "member", "mode", "uid", "gid", "mtime", "link", "device",
                 "xattrs", "since", "until")

    def take_metadata(self, fields, version):
        mode, uid, gid, _, _, mtime, link, device, xattrs, _ = fields
        self.mode, self.uid, self.gid, self.mtime = int(mode, 8), int(uid), int(gid), nanoseconds(mtime)
        # Section 15: in format 1 a link to "-" stands as "-".
        absent = link == b"-" and not (version == 1 and self.kind in "lh")
        self.link = None if absent else unescape(link)
        self.device = None if device == b"-" else device
        self.xattrs = None if xattrs == b"-" else xattrs
        if (self.link is not None) != (self.kind in "lh") or (self.device is not None) != (self.kind in "cb"):
            raise Damage("has a row that does not fit its kind")
        if self.link is not None and b"\0" in self.link:
            raise Damage("has a link with NUL")


def snapshot_row(line, listing, version):
    """A row of SNAPSHOT or HISTORY."""
    match = SNAPSHOT_ROW[listing, version].fullmatch(line)
    if match is None:
        raise Damage("has a row that is not as the page says")
    fields = match.groups()
    row = Row()
    row.kind, row.path, row.size = fields[0].decode(), unescape(fields[1]), int(fields[2])
    row.sha = None if fields[3] == b"-" else binascii.unhexlify(fields[3])
    row.where = sys.intern(fields[4].decode())
    row.member = None if fields[5] in (b"=", b"-") else unescape(fields[5])
    row.take_metadata(fields[6:16], version)
    row.since = int(fields[16]) if version > 1 else 0
    row.until = int(fields[17]) if listing == "HISTORY" else None
    if row.kind != "f" and (row.size or row.sha or row.where != "-"):
        raise Damage("has a row that does not fit its kind")
    if row.kind == "f" and row.where == "-" and row.size:
        raise Damage("has a file without a place")
    if "?" not in row.where and row.kind == "f" and row.sha is None:
        raise Damage("has a file without its sum")
    return row


class IndexRow(Row):
    """One member of an archive. Without `metadata` only what leads to its content."""

    __slots__ = ("snapshot", "archive", "frame", "length", "tar", "part", "parts", "offset", "file_size", "file_sha")


def index_row(line, version, metadata):
    match = INDEX_ROW.fullmatch(line)
    if match is None:
        raise Damage("has a row that is not as the page says")
    fields = match.groups()
    row = IndexRow()
    row.snapshot, row.kind, row.path = int(fields[0]), fields[1].decode(), unescape(fields[2])
    row.member = row.path if fields[3] == b"=" else unescape(fields[3])
    row.size, row.archive, row.frame, row.length, row.tar, row.part = \
        int(fields[4]), int(fields[6]), int(fields[7]), int(fields[8]), int(fields[9]), int(fields[10])
    row.sha = None if fields[5] == b"-" else binascii.unhexlify(fields[5])
    row.parts = None if fields[11] == b"-" else int(fields[11])
    row.offset, row.file_size = int(fields[12]), int(fields[13])
    row.file_sha = row.sha if fields[14] == b"=" else None if fields[14] == b"-" else binascii.unhexlify(fields[14])
    if metadata:
        row.take_metadata(fields[15:25], version)
    if (row.kind == "f") != (row.sha is not None):
        raise Damage("has a row that does not fit its kind")
    return row


class Header:
    """The lines with # at the beginning of a listing."""

    def __init__(self, name):
        self.name, self.version = name, None
        self.set_uuid = self.disc = None
        self.snapshots = {}  # number: (date, source, UUID or None)
        self.before = {}  # UUID: (number, sum of SHA256SUMS or None)
        self.ancestry = None
        self.sources, self.said = [], []

    def take(self, line):
        fields = [unescape(field) if field != b"-" else None for field in line.split(b"\t")]
        key, values = fields[0].decode("ascii", "replace"), fields[1:]
        texts = [None if value is None else value.decode("utf-8", "surrogateescape") for value in values]
        try:
            if self.version is None:
                if key != "#coldcut-" + self.name.lower() or texts not in (["1"], ["2"]):
                    raise Damage("does not begin as a listing of format 1 or 2")
                self.version = int(texts[0])
            elif key == "#set":
                self.set_uuid = texts[1]
            elif key == "#disc":
                self.disc = (int(texts[0]), texts[1])
            elif key == "#snapshot":
                self.snapshots[int(texts[0])] = (texts[1], values[2], texts[3] if self.version > 1 else None)
            elif key == "#before":
                self.before[texts[1]] = (int(texts[0]), texts[2])
            elif key == "#source":
                self.sources.append((values[0], values[1]))
            elif key in ("#option", "#excluded", "#skipped", "#charset"):
                self.said.append((key, values))
        except (IndexError, ValueError, TypeError):
            raise Damage("has a header line that is not as the page says") from None

    def agree(self, disc):
        """Raises Damage unless the listing is of this disc (section 5)."""
        wrong = self.set_uuid != disc.keys["set_uuid"] or not self.snapshots or self.version != disc.version
        if self.version > 1 or self.name == "INDEX":
            wrong = wrong or self.disc != (disc.number, disc.uuid)
        if self.version > 1 or self.name == "SNAPSHOT":
            wrong = wrong or max(self.snapshots) != disc.snapshot
        if self.version > 1 and self.name == "SNAPSHOT":
            wrong = wrong or len(self.snapshots) != 1
        if wrong:
            raise Damage("is not the listing of this disc: its header does not agree with DISC.txt")

    def newest(self):
        return max(self.snapshots)


def lines_of(stream):
    rest = b""
    for data in stream:
        lines = (rest + data).split(b"\n")
        rest = lines.pop()
        if len(rest) > 1 << 26:
            raise Damage("has a line that is too long")
        yield from lines
    if rest:
        raise Damage("ends inside of a line")


class Listing:
    """A listing on a disc: first `header`, then `rows`, once each."""

    def __init__(self, disc, name, keys, encrypted):
        self.disc, self.name = disc, name
        plain = name + ".tsv.bz2"
        path = plain + ".gpg" if encrypted else plain
        self.label = "%s: %s" % (disc.name, path)
        if encrypted:
            refuse_plain(disc, plain)
        file = disc.source.open(path)
        if file is None:
            raise Damage("is missing")
        self.file, self.path, self.digest = file, path, hashlib.sha256()
        stream = hashing(chunks(file), self.digest)
        if encrypted:
            stream = keys.decrypt(stream, disc.keys["encryption"])
        self.lines = lines_of(expand_bzip2(stream))
        self.header, self.first = Header(name), None
        for line in self.lines:
            if not line.startswith(b"#"):
                self.first = line
                break
            self.header.take(line)
        if self.header.version is None:
            raise Damage("is empty")
        self.header.agree(disc)

    def rows(self, metadata=True):
        self.metadata = metadata
        if self.first is not None:
            yield self.parse(self.first)
        for line in self.lines:
            yield self.parse(line)
        right = self.disc.sums.get(self.path)
        self.sum_is_right = right in (None, self.digest.hexdigest())
        if right is None:  # SHA256SUMS is damaged; what bzip2 expanded has its own sums
            REPORT.problem("%s: SHA256SUMS does not name it" % self.label)
        elif not self.sum_is_right:
            REPORT.problem("%s has not the sum that SHA256SUMS says" % self.label)

    def parse(self, line):
        if self.name == "INDEX":
            return index_row(line, self.header.version, self.metadata)
        return snapshot_row(line, self.name, self.header.version)


def refuse_plain(disc, path):
    if path in disc.source.names():
        REPORT.problem("%s: %s is not encrypted, the set is: it is refused" % (disc.name, path))


def has_listing(disc, name):
    return name in disc.keys["listings"].split() or any(n.startswith(name + ".tsv") for n in disc.source.names())


# --------------------------------------------- which discs, which listing (section 10)


class DiscSet:
    """The given discs of one set, and what is read of them."""

    def __init__(self, discs, keys, work=None):
        self.keys, self.work = keys, work
        self.copies = {}  # UUID: its copies, as given
        for disc in discs:
            self.copies.setdefault(disc.uuid, []).append(disc)
        self.heads, self.repaired, self.closed = {}, {}, []
        # Section 4: one encrypted disc, or a passphrase, says that the set is encrypted.
        self.encrypted = keys.given or any(disc.encrypted for disc in discs)
        if self.encrypted:
            for uuid in list(self.copies):
                for disc in self.copies[uuid]:
                    if not disc.encrypted and not disc.recovery:
                        REPORT.problem("%s: %s is not encrypted, the set is: it is refused" % (disc.name, disc.title()))
                self.copies[uuid] = [d for d in self.copies[uuid] if d.encrypted or d.recovery]
                if not self.copies[uuid]:
                    del self.copies[uuid]
        if not any(not copies[0].recovery for copies in self.copies.values()):
            raise Stop(1, "no disc with files of the set is left")

    def data(self):
        """One copy of each disc that has files, lowest number first."""
        discs = [copies[0] for copies in self.copies.values() if not copies[0].recovery]
        return sorted(discs, key=lambda disc: disc.number)

    def each_copy(self, uuid):
        """The copies of a disc, then what par2 makes of them."""
        copies = self.copies.get(uuid, [])
        yield from copies
        for disc in copies:
            if self.work is not None and disc.keys["parity"] != "0":
                if disc not in self.repaired:
                    self.repaired[disc] = repair(disc, self.work)
                if self.repaired[disc] is not None:
                    yield self.repaired[disc]

    def read(self, uuid, name, consume):
        """What `consume` makes of a listing: (result, whether its sum is right), None if no
        copy can be read. A copy with a wrong sum serves only if there is no other."""
        second = None
        for disc in self.each_copy(uuid):
            if not has_listing(disc, name):
                continue
            try:
                listing = Listing(disc, name, self.keys, self.encrypted)
                result = consume(listing)
                if listing.sum_is_right:
                    return result, True
                second = second or (result, False)
            except Damage as damage:
                REPORT.problem("%s: %s %s" % (disc.name, name, damage))
            except NoKey as failure:
                self.closed.append(disc)
                REPORT.problem("%s: %s: %s" % (disc.name, name, failure))
        return second

    def head(self, uuid, name):
        """The header of a listing, None if it cannot be read."""
        if (uuid, name) not in self.heads:
            self.heads[uuid, name] = None
            for disc in self.each_copy(uuid):
                if disc.recovery or not has_listing(disc, name):
                    continue
                try:
                    self.heads[uuid, name] = Listing(disc, name, self.keys, self.encrypted).header
                    break
                except Damage as damage:
                    REPORT.problem("%s: %s %s" % (disc.name, name, damage))
                except NoKey as failure:
                    self.closed.append(disc)
                    REPORT.problem("%s: %s: %s" % (disc.name, name, failure))
            if not self.keys.opened and self.closed:
                # Either the wrong key, or the first message is damaged: the next may tell.
                if not self.encrypted or len(self.closed) >= sum(len(c) for c in self.copies.values() if not c[0].recovery):
                    raise Stop(1, "no passphrase or key that was given opens disc %d" % self.closed[0].number)
        return self.heads[uuid, name]

    def is_of_history(self, uuid, head, own):
        """Section 10.2.2: whether a disc is of the history of the listing on the disc `own`."""
        if uuid == own or uuid in head.before or uuid in self.ancestry(head):
            return True
        version = self.copies[uuid][0].version if uuid in self.copies else None
        if head.version == 1 and version == 1:
            # Format 1 has no #before: the first that was given of each number counts.
            number = self.copies[uuid][0].number
            return next(u for u, c in self.copies.items() if c[0].number == number and not c[0].recovery) == uuid
        index = self.head(uuid, "INDEX") if version == 2 else None
        return index is not None and own in index.before

    def ancestry(self, head):
        """The discs that a header names in #before, those that their INDEXes name, and so on."""
        if head.ancestry is None:
            head.ancestry, waiting = set(head.before), list(head.before)
            while waiting:
                uuid = waiting.pop()
                index = None
                if uuid in self.copies and self.copies[uuid][0].version == 2 and not self.copies[uuid][0].recovery:
                    index = self.head(uuid, "INDEX")
                more = set(index.before if index is not None else ()) - head.ancestry
                head.ancestry |= more
                waiting += more
        return head.ancestry

    def sides(self, name, wanted):
        """The discs with a listing that can be read, newest first, as (head, UUID), after
        the choice of section 10.2.3: all are of one history."""
        found = []
        for place, disc in enumerate(self.data()):
            head = self.head(disc.uuid, name)
            if head is not None:
                found.append((head.newest(), disc.number, -place, disc.uuid, head))
        found = [(head, uuid) for _, _, _, uuid, head in sorted(found, key=lambda f: f[:3], reverse=True)]
        if wanted is not None:
            found = [(head, uuid) for head, uuid in found if self.is_of_history(wanted, head, uuid)]
            if not found:
                raise Stop(1, "no listing that can be read is of the history of disc %s" % wanted)
        if not found:
            return []
        newest, own = found[0]
        for head, uuid in found[1:]:
            if self.is_of_history(uuid, newest, own) or (newest.version == 1 and head.version == 1):
                continue
            raise Stop(1, "two histories of this set are here: one with %s, one with %s. Which is right? --disc UUID" %
                       (self.copies[own][0].title(), self.copies[uuid][0].title()))
        return [(head, uuid) for head, uuid in found if self.is_of_history(uuid, newest, own)]


def ordered(rows, strict):
    """The same rows; Damage if they are not in walk order (sections 7 and 8)."""
    last = None
    for row in rows:
        key = (walk_key(row.path), 0 if strict else row.since)
        if last is not None and key <= last:
            raise Damage("has rows that are not in order: at %s" % show(row.path))
        last = key
        yield row


class Chosen:
    """A snapshot: its rows, and which discs its listing means by their numbers."""

    def __init__(self, discs, head, own, number):
        self.discs, self.head, self.own, self.number = discs, head, own, number
        self.rows = []
        self.by_number = {}
        if head is None or head.version == 1:
            for disc in discs.data():
                self.by_number.setdefault(disc.number, disc.uuid)
        else:
            for uuid, (disc_number, _) in head.before.items():
                self.by_number[disc_number] = uuid
        if own is not None:
            self.by_number[discs.copies[own][0].number] = own


def choose(discs, wanted, number, indexes=False):
    """The snapshot `number` (None: the newest) by the rules of section 10.2."""
    if wanted is not None:
        order = sorted(discs.copies, key=lambda uuid: uuid != wanted)
        discs.copies = {uuid: discs.copies[uuid] for uuid in order}
    if indexes:
        return from_indexes(discs, wanted, number)
    doubtful = None
    while True:
        sides = discs.sides("SNAPSHOT", wanted)
        if not sides:
            if doubtful is not None:
                return doubtful
            return from_indexes(discs, wanted, number)
        head, own = sides[0]
        newest = head.newest()
        want = newest if number is None else number
        if number is not None:
            must_exist(discs, head, own, number)
        for head, uuid in sides:
            if head.newest() < want:
                break
            chosen, right = load(discs, head, uuid, want)
            if chosen is None:
                continue
            if right:
                name_strangers(discs, chosen)
                if number is None:
                    name_newer(discs, chosen)
                return chosen
            doubtful = doubtful or chosen
        if number is not None and doubtful is None and any(head.newest() > want for head, _ in sides):
            raise Stop(1, "no listing of the snapshot %d can be read from these discs" % want)
        if number is not None and doubtful is not None:
            return doubtful
        # The newest cannot be read after all: without it, choose again.
        for head, uuid in sides:
            if head.newest() == newest:
                discs.heads[uuid, "SNAPSHOT"] = None


def must_exist(discs, head, own, number):
    """Stops if the discs say that there is no such snapshot."""
    index = discs.head(own, "INDEX")
    known = set(head.snapshots) | set(index.snapshots if index is not None else [])
    if number > head.newest() or (index is not None and number not in known):
        raise Stop(1, "there is no snapshot %d; there are %s" % (number, " ".join(map(str, sorted(known)))))


def load(discs, head, uuid, number):
    """(snapshot or None, whether its sums are right)."""
    chosen = Chosen(discs, head, uuid, number)
    older = number < head.newest()
    if older and head.version == 1:
        return None, False
    snapshot = discs.read(uuid, "SNAPSHOT", lambda listing: [
        row for row in ordered(listing.rows(), True) if row.since <= number])
    if snapshot is None:
        return None, False
    rows, right = snapshot
    if older and any(has_listing(disc, "HISTORY") for disc in discs.copies[uuid]):
        history = discs.read(uuid, "HISTORY", lambda listing: [
            row for row in ordered(listing.rows(), False) if row.since <= number <= row.until])
        if history is None:
            return None, False
        right = right and history[1]
        rows = list(heapq.merge(rows, history[0], key=lambda row: walk_key(row.path)))
        try:
            rows = list(ordered(rows, True))
        except Damage as damage:
            REPORT.problem("%s: SNAPSHOT and HISTORY together: %s" % (discs.copies[uuid][0].name, damage))
            return None, False
    chosen.rows = rows
    return chosen, right


def name_strangers(discs, chosen):
    """Names the discs that are not used, and those that are not as later ones know them."""
    for disc in discs.data():
        if not discs.is_of_history(disc.uuid, chosen.head, chosen.own):
            REPORT.note("%s: %s is not of the history of the chosen listing, and is not used" % (disc.name, disc.title()))
    for uuid, (number, digest) in chosen.head.before.items():
        for disc in discs.copies.get(uuid, []):
            if digest is not None and disc.sums_digest is not None and disc.sums_digest != digest:
                REPORT.note("%s: SHA256SUMS is not the one that later discs know of disc %d" % (disc.name, number))


def name_newer(discs, chosen):
    """Names discs with files of snapshots that no listing here is of (section 10.5)."""
    for disc in discs.data():
        if not discs.is_of_history(disc.uuid, chosen.head, chosen.own):
            continue
        index = discs.head(disc.uuid, "INDEX")
        if index is not None and index.newest() > chosen.number:
            REPORT.problem("%s: %s has files of snapshot %d, and no SNAPSHOT of it can be read: --indexes gets them" %
                           (disc.name, disc.title(), index.newest()))


def from_indexes(discs, wanted, number):
    """Section 10.2.6: a listing made of the INDEXes, where no SNAPSHOT can be read."""
    sides = discs.sides("INDEX", wanted)
    if not sides:
        raise Stop(1, "no listing can be read from these discs")
    REPORT.problem("without a SNAPSHOT: files that were deleted come back, and what was never stored under its own "
                   "name is not found")
    head, own = sides[0]
    chosen = Chosen(discs, head if head.version > 1 else None, own, head.newest() if number is None else number)
    best, objects = {}, {}  # by path; by (snapshot, path), for hard links
    for uuid in sorted((uuid for _, uuid in sides), key=lambda uuid: discs.copies[uuid][0].number):
        disc = discs.copies[uuid][0].number

        def take(listing):
            return [row for row in listing.rows() if row.snapshot <= chosen.number]

        result = discs.read(uuid, "INDEX", take)
        for row in result[0] if result is not None else []:
            merge_row(best, objects, row, disc)
    for row in best.values():
        target = objects.get((row.since, row.link)) if row.kind == "h" else None
        if target is not None and best[target.path] is not target:
            # The first name has another content since: this is a file of its own now.
            row.kind, row.link = target.kind, target.link
            row.size, row.sha, row.where, row.member, row.device = \
                target.size, target.sha, target.where, target.member or target.path, target.device
    chosen.rows = sorted(best.values(), key=lambda row: walk_key(row.path))
    return chosen


def merge_row(best, objects, row, disc):
    """Takes a row of INDEX into the listing, if none of a later snapshot is there."""
    old = best.get(row.path)
    if old is not None and old.since > row.snapshot:
        return
    place = "%d:%d" % (disc, row.archive)
    if row.part > 1:
        if old is None or old.member != row.member.rpartition(b"/")[0] or old.where.count(",") + 2 != row.part + 1:
            return  # a part without those before it
        old.where = old.where.replace("?", place + ("" if row.parts else ",?"))
        old.sha, old.size = row.file_sha, row.file_size
        return
    made = Row()
    for name in ("kind", "path", "mode", "uid", "gid", "mtime", "link", "device", "xattrs"):
        setattr(made, name, getattr(row, name))
    made.size, made.sha, made.since, made.until = row.file_size, row.file_sha, row.snapshot, None
    made.where, made.member = "-", None
    if row.kind == "f":
        made.where, made.member = place, None if row.member == row.path else row.member
        if row.part:
            made.member = row.member.rpartition(b"/")[0]
            if not row.parts:
                made.where += ",?"
    best[row.path] = made
    if made.kind != "h":
        objects[row.snapshot, row.path] = made


# ---------------------------------------------------------------- archives (section 3)


class Archive:
    """An archive on a disc, of which frames are read from the front to the back."""

    def __init__(self, disc, number, keys, encrypted):
        stem = "archives/%08d.tar" % number
        names = [stem + ending for ending in ("", ".bz2", ".zst")]
        if encrypted:
            for name in names:
                refuse_plain(disc, name)
            names = [name + ".gpg" for name in names]
        self.file = None
        for name in names:
            self.file = self.file or disc.source.open(name)
            if self.file is not None:
                break
        if self.file is None:
            raise Damage("is missing")
        self.label = "%s: %s" % (disc.name, name)
        self.expand = expand_bzip2 if ".bz2" in name else expand_zstd if ".zst" in name else iter
        self.stream = Stream(keys.decrypt(chunks(self.file), disc.keys["encryption"])) if encrypted else None

    def frames(self, offset, length):
        """The expanded data of a row of frames."""
        if self.stream is None:
            return Stream(self.expand(chunks(self.file, offset, length)))
        self.stream.skip_to(offset)
        return Stream(self.expand(self.stream.pieces(length)))

    def close(self):
        if self.stream is not None:
            self.stream.close()
        self.file.close()


TAR_KINDS = {b"0": "f", b"\0": "f", b"5": "d", b"2": "l", b"1": "h", b"6": "p", b"3": "c", b"4": "b"}


class Member:
    """A member of a tar file: header, and with `data` its content."""

    def __init__(self, stream):
        self.stream = stream
        pax = {}
        while True:
            block = stream.exactly(512)
            size, kind = self.header(block)
            if kind != b"x":
                break
            if size > 1 << 26:
                raise Damage("a pax header that is too long")
            pax.update(self.pax(stream.exactly(size + -size % 512)[:size]))
        self.stored = int(pax.get(b"size", size)) if kind in (b"0", b"\0") else 0
        self.kind = TAR_KINDS.get(kind)
        prefix, name = (block[at:to].split(b"\0")[0] for at, to in ((345, 500), (0, 100)))
        self.name = pax.get(b"path") or (prefix + b"/" + name if prefix else name)
        self.sparse = pax.get(b"GNU.sparse.major") == b"1" and pax.get(b"GNU.sparse.minor") == b"0"
        if self.sparse:
            self.name = pax[b"GNU.sparse.name"]
            self.size = int(pax[b"GNU.sparse.realsize"])
        else:
            self.size = self.stored
        self.name = self.name.rstrip(b"/") if self.kind == "d" else self.name

    @staticmethod
    def header(block):
        counted = sum(block[:148]) + 8 * 32 + sum(block[156:])
        try:
            if block[257:262] != b"ustar" or int(block[148:156].split(b"\0")[0], 8) != counted:
                raise Damage("not a tar header")
            return int(block[124:136].strip(b" \0") or b"0", 8), block[156:157]
        except ValueError:
            raise Damage("not a tar header") from None

    @staticmethod
    def pax(data):
        records = {}
        while data:
            match = re.match(rb"([0-9]{1,9}) ([^=]+)=", data)
            length = int(match.group(1)) if match else 0
            if length <= (match.end() if match else 0) or data[length - 1:length] != b"\n":
                raise Damage("a pax header that is not one")
            records[match.group(2)] = data[match.end():length - 1]
            data = data[length:]
        return records

    def regions(self):
        """(offset, length) of what is data, by the map of GNU sparse format 1.0."""
        if not self.sparse:
            return [(0, self.size)], self.stored
        text, count, wanted = bytearray(), 0, 1  # the map, how many lines it has, and should
        while count < wanted:
            if len(text) == min(self.stored, 1 << 26):
                raise Damage("a sparse map without an end")
            block = self.stream.exactly(512)
            text += block
            count += block.count(b"\n")
            if wanted == 1 and count:
                wanted += 2 * int(text[:text.index(b"\n")])
        numbers = [int(line) for line in text.split(b"\n")[1:wanted]]
        regions, end = list(zip(numbers[::2], numbers[1::2])), 0
        for offset, length in regions:
            if offset < end or length < 0 or offset + length > self.size:
                raise Damage("a sparse map that is not one")
            end = offset + length
        return regions, self.stored - len(text)

    def data(self, digest):
        """(offset, bytes) of all that is not a hole; all bytes go to `digest`."""
        try:
            regions, left = self.regions()
        except ValueError:
            raise Damage("a sparse map that is not one") from None
        if sum(length for _, length in regions) != left:
            raise Damage("a sparse map that does not fit")
        at = 0
        for offset, length in regions:
            zeros(digest, offset - at)
            at = offset
            for data in self.stream.pieces(length):
                digest.update(data)
                yield at, data
                at += len(data)
        zeros(digest, self.size - at)


def zeros(digest, count):
    hole = bytes(min(count, BLOCK))
    while count > 0:
        digest.update(hole[:count])
        count -= min(count, BLOCK)


def open_member(stream, row):
    """The member of a row of INDEX, at its place in a row of frames."""
    stream.skip_to(row.tar)
    try:
        member = Member(stream)
    except (ValueError, KeyError):
        raise Damage("not a tar header") from None
    if member.name != row.member or member.kind != row.kind:
        raise Damage("holds %s where INDEX says %s" % (show(member.name), show(row.member)))
    if member.size != row.size and row.kind == "f":
        raise Damage("has another size than INDEX says: " + show(row.member))
    return member


def read_archive(disc, number, rows, keys, encrypted, take, fail):
    """Reads members of an archive: `take(row, member)` for each row that is there,
    `fail(row, reason)` for each that is not. A damaged frame costs no other."""
    rows = sorted(rows, key=lambda row: (row.frame, row.tar))
    archive, at = None, 0
    if not rows:
        return
    try:
        archive = Archive(disc, number, keys, encrypted)
        while at < len(rows):
            place = (rows[at].frame, rows[at].length)
            end = at
            while end < len(rows) and (rows[end].frame, rows[end].length) == place:
                end += 1
            stream = archive.frames(*place)
            try:
                while at < end:
                    row = rows[at]
                    try:
                        take(row, open_member(stream, row))
                    except WrongSum as damage:  # read to its end: not in the way of the next
                        fail(row, "%s: %s" % (archive.label, damage))
                    at += 1
            except Damage as damage:
                # What lies behind a damaged place of a frame is lost with it.
                for row in rows[at:end]:
                    fail(row, "%s: %s" % (archive.label, damage))
                at = end
            finally:
                stream.close()
    except (Damage, NoKey) as damage:
        label = archive.label if archive is not None else "%s: archive %d" % (disc.name, number)
        for row in rows[at:]:
            fail(row, "%s: %s" % (label, damage))
    finally:
        if archive is not None:
            archive.close()


# ------------------------------------------------------------------------- the target


KEPT_ATTRIBUTES = ("user.", "trusted.", "system.posix_acl_", "security.capability")
NO_FOLLOW = os.O_NOFOLLOW | os.O_CLOEXEC


class Target:
    """The directory to restore into. Everything is reached from its file descriptor, name
    by name and through no link, is made in a directory of its own first, and put in its
    place only if nothing is there. Directories are for the owner alone until the end."""

    def __init__(self, path):
        self.is_new = not os.path.isdir(path)
        os.makedirs(path, mode=0o700, exist_ok=True)
        self.path = os.path.realpath(os.fsencode(path))
        self.root = os.open(self.path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        self.was = os.fstat(self.root)
        self.begun = False  # whether anything was restored
        self.fresh = not os.listdir(self.root)
        self.is_root = os.geteuid() == 0
        self.shut(self.root)
        self.work = tempfile.mkdtemp(prefix=b".coldcut-reader-", dir=self.path)
        self.last = (None, None)  # path and descriptor of the directory that was used last
        self.counter = 0

    def shut(self, fd):
        try:
            if self.is_root:
                os.fchown(fd, 0, 0)
            os.fchmod(fd, 0o700)
        except OSError:
            pass  # somebody else's directory: writing shows whether it can be used

    def folder(self, path):
        """A descriptor of a directory, good until the next call."""
        if path == b".":
            return self.root
        if self.last[0] == path:
            return self.last[1]
        fd = self.root
        for name in path.split(b"/"):
            try:
                below = os.open(name, os.O_RDONLY | os.O_DIRECTORY | NO_FOLLOW, dir_fd=fd)
            finally:
                if fd != self.root:
                    os.close(fd)
            fd = below
        if self.last[1] is not None:
            os.close(self.last[1])
        self.last = (path, fd)
        return fd

    def parent(self, path):
        above, _, name = path.rpartition(b"/")
        return self.folder(above or b"."), name

    def make_folder(self, path):
        if path == b".":
            return
        parent, name = self.parent(path)
        try:
            os.mkdir(name, 0o700, dir_fd=parent)
            return
        except FileExistsError:
            status = os.stat(name, dir_fd=parent, follow_symlinks=False)
            if not stat.S_ISDIR(status.st_mode):
                raise
        if not self.is_root:
            os.chmod(name, 0o700, dir_fd=parent)  # one that an earlier run made unreadable
        self.shut(self.folder(path))

    def new_name(self):
        self.counter += 1
        return os.path.join(self.work, b"%d" % self.counter)

    def into_place(self, made, path):
        """Moves what was made to its path; FileExistsError if something is there."""
        parent, name = self.parent(path)
        try:
            os.link(made, name, dst_dir_fd=parent, follow_symlinks=False)
            os.unlink(made)
        except OSError as error:
            if error.errno not in (errno.EPERM, errno.ENOTSUP, errno.ENOSYS, errno.EMLINK, errno.EXDEV):
                raise
            # A file system without hard links.
            try:
                os.stat(name, dir_fd=parent, follow_symlinks=False)
            except FileNotFoundError:
                os.rename(made, name, dst_dir_fd=parent)
            else:
                raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST)) from None

    def look(self, path):
        """lstat() of a path; None if nothing is there."""
        try:
            parent, name = self.parent(path)
            return os.stat(name, dir_fd=parent, follow_symlinks=False)
        except (FileNotFoundError, NotADirectoryError):
            return None

    def open_file(self, path):
        parent, name = self.parent(path)
        flags = os.O_RDONLY | os.O_NONBLOCK | NO_FOLLOW
        try:
            return os.open(name, flags, dir_fd=parent)
        except PermissionError:
            if self.is_root:
                raise
            os.chmod(name, 0o600, dir_fd=parent)  # one's own file, which its mode closes
            return os.open(name, flags, dir_fd=parent)

    def dress(self, handle, row):
        """Gives an object the metadata of its row, and no other attributes. `handle` is a
        descriptor of a file or directory, or the path of something else in `work`."""
        named = {} if isinstance(handle, int) else {"follow_symlinks": False}

        def attempt(what, action, *arguments, **more):
            try:
                action(handle, *arguments, **more)
            except (OSError, OverflowError, ValueError) as error:
                reason = error.strerror if isinstance(error, OSError) else str(error)
                REPORT.problem("%s: %s could not be set: %s" % (show(row.path), what, reason))

        mode = row.mode
        if self.is_root:
            attempt("the owner", os.chown, row.uid, row.gid, **named)
        elif mode & 0o6000:
            mode &= 0o1777
            REPORT.note("not root: owners and set-id bits are left out")
        if row.kind != "l":
            attempt("the mode", os.chmod, mode)
        if hasattr(os, "setxattr"):
            wanted = attributes(row.xattrs)
            try:
                for name in os.listxattr(handle, **named):
                    if os.fsencode(name) not in wanted and name.startswith(KEPT_ATTRIBUTES):
                        attempt("attributes", os.removexattr, name, **named)
            except OSError:
                pass  # a file system without attributes
            for name, value in wanted.items():
                attempt("the attribute " + show(name), os.setxattr, name, value, **named)
        elif row.xattrs:
            REPORT.problem("%s: attributes cannot be set on this system" % show(row.path))
        attempt("the time", os.utime, ns=(row.mtime, row.mtime), **named)

    def clean(self):
        """Leaves nothing of its own behind; of a run that did not begin, nothing at all."""
        if self.work is not None:
            shutil.rmtree(self.work, ignore_errors=True)
            self.work = None
            if not self.begun and self.is_new:
                os.rmdir(self.path)
            elif not self.begun:
                if self.is_root:
                    os.fchown(self.root, self.was.st_uid, self.was.st_gid)
                os.fchmod(self.root, stat.S_IMODE(self.was.st_mode))


def attributes(field):
    """Field 24 of INDEX: {name: value}."""
    found = {}
    for pair in field.split(b",") if field else []:
        name, _, value = pair.partition(b"=")
        name = re.sub(rb"%(..)", lambda match: binascii.unhexlify(match.group(1)), name)
        try:
            found[name] = base64.b64decode(value, validate=True)
        except binascii.Error:
            REPORT.problem("a value of the attribute %s is not base64" % show(name))
    return found


# ------------------------------------------------------------------------- restoring


class Content:
    """What one or several files hold: `needs` is (disc number, archive, member, part) for
    each piece; part 0 is a whole file."""

    __slots__ = ("rows", "needs", "sha", "size", "left", "fd", "temporary", "tried")

    def __init__(self, row):
        self.rows, self.needs, self.sha, self.size = [], [], row.sha, row.size
        self.left, self.fd, self.temporary, self.tried = 0, None, None, frozenset()


PARTS = re.compile(rb"\.coldcut-parts/[0-9a-f]{16}")


class Restore:
    def __init__(self, discs, chosen, target):
        self.discs, self.chosen, self.target = discs, chosen, target
        self.missing = {}  # reason: paths
        self.folders, self.not_made = set(), set()
        self.count = 0

    def run(self):
        self.target.begun = True
        rows = list(self.sound(self.chosen.rows))
        names = {row.link for row in rows if row.kind == "h"}
        self.first_names = {row.path: row for row in rows if row.path in names and row.kind not in "hd"}
        self.links = {}
        for row in rows:
            if row.kind == "h":
                self.links[row.link] = self.links.get(row.link, 0) + 1
        for row in rows:
            if row.kind == "d":
                self.folder(row.path)
        self.contents(rows)
        for row in rows:
            self.guarded(row, self.special if row.kind in "lpcb" else None)
        for row in rows:
            self.guarded(row, self.hard_link if row.kind == "h" else None)
        self.target.clean()
        for row in reversed(rows):
            self.guarded(row, self.dress_folder if row.kind == "d" else None)
        self.tell()

    def guarded(self, row, action):
        if action is not None:
            try:
                action(row)
            except FileExistsError:
                self.miss(row, "something else is there already, and is left as it is")
            except OSError as error:
                if error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EROFS):
                    raise
                self.miss(row, "could not be made: %s" % error.strerror)

    def miss(self, row, reason):
        self.missing.setdefault(reason, []).append(row.path)

    def sound(self, rows):
        """The rows whose paths lead to nowhere else."""
        above = None
        for row in rows:
            if not sound_path(row.path) or (row.path == b"." and row.kind != "d"):
                self.miss(row, "is refused: a path that leads out of the target")
            elif above is not None and row.path.startswith(above + b"/"):
                self.miss(row, "is refused: a path through something that is no directory")
            else:
                if row.kind != "d":
                    above = row.path
                yield row

    def folder(self, path):
        """Makes a directory, and those above it that are missing."""
        if path in self.folders:
            return
        above = path.rpartition(b"/")[0]
        if above:
            self.folder(above)
        self.folders.add(path)
        row = Row()
        row.path = path
        self.guarded(row, self.make_folder)

    def make_folder(self, row):
        self.not_made.add(row.path)
        self.target.make_folder(row.path)
        self.not_made.remove(row.path)

    # Contents: which, where, and from the discs.

    def contents(self, rows):
        contents = {}
        for row in rows:
            if row.kind != "f":
                continue
            self.folder(row.path.rpartition(b"/")[0] or b".")
            if not self.target.fresh and row.sha is not None and self.is_there(row):
                continue
            if row.where == "-":
                self.guarded(row, self.empty)
                continue
            key = (row.path,) if "?" in row.where else (row.where, row.member or row.path)
            if key not in contents:
                contents[key] = Content(row)
            contents[key].rows.append(row)
        self.find_rest([content for key, content in contents.items() if len(key) == 1])
        wanted = {}  # disc number: {(archive, member): (content, part)}
        for content in contents.values():
            if not content.needs and content.rows:
                self.place_needs(content)
            content.left = len(content.needs)
            for number, archive, member, part in content.needs:
                wanted.setdefault(number, {})[archive, member] = (content, part)
            content.needs = ()
        del contents
        for number in sorted(wanted):
            self.from_disc(number, wanted.pop(number))

    def place_needs(self, content):
        """The pieces that fields 5 and 6 of a row name."""
        row = content.rows[0]
        member = row.member or row.path
        places = [place.split(":") for place in row.where.split(",") if place != "?"]
        if row.member is not None and PARTS.fullmatch(member):
            content.needs = [(int(disc), int(archive), member + b"/%04d" % part, part)
                             for part, (disc, archive) in enumerate(places, 1)]
        elif len(places) == 1:
            content.needs = [(int(places[0][0]), int(places[0][1]), member, 0)]
        else:
            self.lose(content, "is refused: several places, and no parts")

    def find_rest(self, contents):
        """Section 10.3.2: contents with `?` are named by INDEXes of later discs."""
        if not contents:
            return
        own = self.discs.copies[self.chosen.own][0]
        paths = {content.rows[0].path for content in contents}
        ids = {content.rows[0].member for content in contents if content.rows[0].member is not None}
        found = {}  # path or id of parts: [(disc number, row)]
        snapshot = self.chosen.head.newest() if self.chosen.head is not None else self.chosen.number
        identity = self.chosen.head.snapshots[snapshot][2] if self.chosen.head is not None else None

        def take(listing):
            return [row for row in listing.rows(False) if row.kind == "f" and row.snapshot == snapshot
                    and (row.path in paths or row.member.rpartition(b"/")[0] in ids)]

        for disc in [own] + [disc for disc in self.discs.data() if disc.number > own.number]:
            if self.chosen.head is not None and not self.discs.is_of_history(disc.uuid, self.chosen.head, self.chosen.own):
                continue
            index = self.discs.head(disc.uuid, "INDEX")
            if index is None or index.snapshots.get(snapshot, (None, None, ""))[2] != identity:
                continue  # another run of the same number, or none
            self.chosen.by_number.setdefault(disc.number, disc.uuid)
            if self.chosen.by_number[disc.number] != disc.uuid:
                continue
            result = self.discs.read(disc.uuid, "INDEX", take)
            for row in result[0] if result is not None else []:
                key = row.member.rpartition(b"/")[0] if row.part else row.path
                found.setdefault(key, []).append((disc.number, row))
                if row.part == 1:
                    found.setdefault(row.path, []).append((disc.number, row))
        for content in contents:
            self.take_rest(content, found)

    def take_rest(self, content, found):
        row = content.rows[0]
        self.place_needs(content) if row.where != "?" else None
        known = list(content.needs)
        member, last = row.member, None
        if row.where == "?":
            number, last = found.get(row.path, [(None, None)])[-1]
            if last is not None and last.part == 0:
                content.needs = [(number, last.archive, last.member, 0)]
                content.sha, content.size = last.file_sha, last.file_size
                return
            member = last.member.rpartition(b"/")[0] if last is not None else None
        parts = {r.part: (number, r) for number, r in found.get(member, [])} if member is not None else {}
        while last is None or last.parts is None:
            if len(known) + 1 not in parts:
                content.needs = []
                self.lose(content, "is on a disc after disc %d that is not here" %
                          self.discs.copies[self.chosen.own][0].number)
                return
            number, last = parts[len(known) + 1]
            known.append((number, last.archive, last.member, last.part))
        content.needs, content.sha, content.size = known, last.file_sha, last.file_size
        if last.parts != len(known):
            content.needs = []
            self.lose(content, "is refused: INDEX names another number of parts")

    def lose(self, content, reason):
        for row in content.rows:
            self.miss(row, reason)
        content.rows = []
        self.drop(content)

    def from_disc(self, number, jobs):
        """Takes contents from a disc: from its copies, then from what par2 repairs."""
        jobs = {key: job for key, job in jobs.items() if job[0].rows}
        uuid = self.chosen.by_number.get(number)
        if uuid not in self.discs.copies:
            reason = "disc %d%s is not here" % (number, " (%s)" % uuid if uuid else "")
            for content, _ in jobs.values():
                self.lose(content, reason)
            return
        found = self.discs.read(uuid, "INDEX", lambda listing: [
            row for row in listing.rows(False) if (row.archive, row.member) in jobs])
        reasons, waiting, taken = {}, {}, set()
        unread = found is None
        for row in found[0] if found is not None else []:
            if row.kind == "f" and row.part == jobs[row.archive, row.member][1]:
                waiting[row.archive, row.member] = row
        del found
        if waiting:
            for disc in self.discs.each_copy(uuid):
                self.from_copy(disc, jobs, waiting, reasons, taken)
                if not waiting:
                    break
        for key, (content, _) in jobs.items():
            if key in waiting:
                self.lose(content, reasons[key])
            elif key not in taken:
                self.lose(content, "INDEX of disc %d %s" % (
                    number, "cannot be read" if unread else "does not name it"))

    def from_copy(self, disc, jobs, waiting, reasons, taken):
        archives = {}
        for row in waiting.values():
            archives.setdefault(row.archive, []).append(row)

        def take(row, member):
            key = (row.archive, row.member)
            content, part = jobs[key]
            if content.rows:
                self.take(content, part, row, member)
            taken.add(key)
            del waiting[key]

        def fail(row, reason):
            REPORT.problem(reason)
            reasons[row.archive, row.member] = reason

        for archive in sorted(archives):
            read_archive(disc, archive, archives[archive], self.discs.keys, self.discs.encrypted, take, fail)

    def take(self, content, part, row, member):
        """Writes one piece; WrongSum if it is not what INDEX and the listing say."""
        if content.fd is None:
            content.temporary = self.target.new_name()
            content.fd = os.open(content.temporary, os.O_RDWR | os.O_CREAT | os.O_EXCL | NO_FOLLOW, 0o600)
        if part in content.tried:
            fill(content.fd, row.offset, row.size)  # what a damaged copy left there
        content.tried |= {part}
        digest = hashlib.sha256()
        try:
            for offset, data in member.data(digest):
                write_at(content.fd, data, row.offset + offset)
            if digest.digest() != row.sha:
                raise WrongSum("%s has not the sum that INDEX says" % show(row.path))
            if part == 0 and (row.file_sha != row.sha or row.offset):
                raise WrongSum("INDEX contradicts itself about %s" % show(row.path))
        except Damage:
            if part == 0:  # another copy begins anew
                self.drop(content)
                content.tried = frozenset()
            raise
        content.left -= 1
        if content.left == 0:
            os.ftruncate(content.fd, content.size)
            whole = digest.digest() if part == 0 and row.size == content.size else sum_of(content.fd)
            if whole != content.sha:
                self.lose(content, "has not the sum that the listing says")
            else:
                self.place(content)
            self.drop(content)

    def drop(self, content):
        if content.fd is not None:
            os.close(content.fd)
            content.fd = None
            try:
                os.unlink(content.temporary)
            except FileNotFoundError:
                pass

    def place(self, content):
        """Puts a content that is right under all its names."""
        rows, content.rows = content.rows, []
        for row in rows[1:]:
            copy = self.target.new_name()
            fd = os.open(copy, os.O_RDWR | os.O_CREAT | os.O_EXCL | NO_FOLLOW, 0o600)
            try:
                copy_data(content.fd, fd, content.size)
                row.sha, row.size = content.sha, content.size
                self.guarded(row, lambda row: self.finish(fd, copy, row))
            finally:
                os.close(fd)
        rows[0].sha, rows[0].size = content.sha, content.size
        self.guarded(rows[0], lambda row: self.finish(content.fd, content.temporary, row))

    def finish(self, fd, made, row):
        self.target.dress(fd, row)
        try:
            self.target.into_place(made, row.path)
            self.count += 1
        except FileExistsError:
            os.unlink(made)
            if not self.is_there(row):
                raise

    def empty(self, row):
        if row.sha not in (None, NOTHING):
            self.miss(row, "is refused: an empty file with the sum of another")
            return
        made = self.target.new_name()
        fd = os.open(made, os.O_RDWR | os.O_CREAT | os.O_EXCL | NO_FOLLOW, 0o600)
        try:
            self.finish(fd, made, row)
        finally:
            os.close(fd)

    def is_there(self, row):
        """Whether a file of this content is at the path; then it gets the row's metadata."""
        status = self.target.look(row.path)
        if status is None or not stat.S_ISREG(status.st_mode) or status.st_size != row.size \
                or status.st_nlink > 1 + self.links.get(row.path, 0):
            return False
        try:
            fd = self.target.open_file(row.path)
        except OSError:
            return False
        try:
            if sum_of(fd) != row.sha:
                return False
            self.target.dress(fd, row)
            return True
        finally:
            os.close(fd)

    # Everything that is no file.

    def special(self, row):
        """A symbolic link, FIFO or device."""
        self.folder(row.path.rpartition(b"/")[0] or b".")
        made = self.target.new_name()
        device = 0
        if row.kind == "l":
            os.symlink(row.link, made)
        elif row.kind == "p":
            os.mkfifo(made, 0o600)
        else:
            major, minor = row.device.split(b":")
            try:
                device = os.makedev(int(major), int(minor))
                os.mknod(made, 0o600 | (stat.S_IFCHR if row.kind == "c" else stat.S_IFBLK), device)
            except OverflowError:
                self.miss(row, "could not be made: a device number that is too large")
                return
        self.target.dress(made, row)
        try:
            self.target.into_place(made, row.path)
            self.count += 1
        except FileExistsError:
            status, mine = self.target.look(row.path), os.lstat(made)
            same = stat.S_IFMT(status.st_mode) == stat.S_IFMT(mine.st_mode) and status.st_rdev == mine.st_rdev
            if same and row.kind == "l":
                parent, name = self.target.parent(row.path)
                same = os.readlink(name, dir_fd=parent) == row.link
            os.unlink(made)
            if not same:
                raise

    def hard_link(self, row):
        self.folder(row.path.rpartition(b"/")[0] or b".")
        first = self.first_names.get(row.link)
        there = self.target.look(row.link) if first is not None else None
        if there is None:
            self.miss(row, "is another name of %s, which is missing" % show(row.link))
            return
        old = self.target.look(row.path)
        if old is not None and (old.st_dev, old.st_ino) == (there.st_dev, there.st_ino):
            return
        parent, name = self.target.parent(row.link)
        made = self.target.new_name()
        os.link(name, made, src_dir_fd=parent, follow_symlinks=False)
        try:
            self.target.into_place(made, row.path)
            self.count += 1
        except FileExistsError:
            os.unlink(made)
            raise

    def dress_folder(self, row):
        if row.path not in self.not_made:
            self.target.dress(self.target.folder(row.path), row)

    def tell(self):
        """Says what is missing, and why."""
        for reason, paths in sorted(self.missing.items()):
            REPORT.wrong = True
            print("%s:" % reason)
            for path in sorted(paths, key=walk_key):
                print("  missing: %s" % show(path))
        if not self.target.is_root:
            REPORT.note("not root: owners are not restored")
        print("restored %d objects of snapshot %d; %d missing" % (
            self.count + len(self.folders - self.not_made), self.chosen.number, sum(map(len, self.missing.values()))))


def write_at(fd, data, offset):
    while data:
        written = os.pwrite(fd, data, offset)
        data, offset = data[written:], offset + written


def fill(fd, offset, size):
    while size > 0:
        write_at(fd, bytes(min(size, BLOCK)), offset)
        offset, size = offset + BLOCK, size - BLOCK


def sum_of(fd):
    digest, at = hashlib.sha256(), 0
    while True:
        data = os.pread(fd, BLOCK, at)
        if not data:
            return digest.digest()
        digest.update(data)
        at += len(data)


def copy_data(source, to, size):
    """Copies what is data between two files; holes stay holes."""
    at = 0
    while at < size:
        try:
            start = os.lseek(source, at, os.SEEK_DATA)
            end = os.lseek(source, start, os.SEEK_HOLE)
        except OSError as error:
            if error.errno == errno.ENXIO:  # nothing but a hole is left
                break
            start, end = at, size
        except AttributeError:
            start, end = at, size
        while start < end:
            data = os.pread(source, min(BLOCK, end - start), start)
            write_at(to, data, start)
            start += len(data)
        at = end
    os.ftruncate(to, size)


# ----------------------------------------------------- recovery data (sections 12, 13)


def par2(arguments, folder):
    try:
        return subprocess.run(["par2", "repair", "-q", "-q", "-B", folder + os.sep] + arguments, cwd=folder,
                              env=environment(), stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                              stderr=subprocess.DEVNULL).returncode
    except FileNotFoundError:
        REPORT.problem("the program par2 is not installed: nothing can be repaired")
        return None


def repair(disc, work):
    """The same disc as par2 repairs a copy of it; None if it cannot."""
    folder = os.fsdecode(tempfile.mkdtemp(dir=work))
    names = disc.source.names()
    for name in names:
        to = os.path.join(folder, name)
        os.makedirs(os.path.dirname(to), exist_ok=True)
        copy_readable(disc.source, name, to)
    mains = [name for name in names if re.fullmatch(r"parity/disc[^/]*\.par2", name)]
    mains.sort(key=lambda name: name != "parity/disc.par2")
    for main in mains:
        code = par2([os.path.join(folder, main)], folder)
        if code == 0:
            REPORT.note("%s: a copy of it was repaired by its recovery data" % disc.name)
            try:
                return Disc(Folder(folder), disc.name + " (repaired)")
            except (Damage, UnknownFormat):
                return None
        if code is None:
            return None
    REPORT.problem("%s: its recovery data do not repair it" % disc.name)
    return None


def copy_readable(source, name, to):
    """Copies a file; what cannot be read of it becomes zeros."""
    with open(to, "wb") as out:
        try:
            file = source.open(name)
        except Damage:
            return
        with file:
            at = 0
            while at < file.size:
                length = min(BLOCK if at % BLOCK == 0 else SECTOR, file.size - at)
                try:
                    data = file.pread(at, length)
                except Damage:
                    if length > SECTOR:  # sector by sector through what is damaged
                        for place in range(at, at + length, SECTOR):
                            try:
                                data = file.pread(place, min(SECTOR, file.size - place))
                            except Damage:
                                data = b""
                            out.write(data.ljust(min(SECTOR, file.size - place), b"\0"))
                        at += length
                        continue
                    data = b""
                data = data.ljust(length, b"\0")
                out.write(data)
                at += length


def rebuild_lost(discs, work):
    """Images of the discs that the given recovery discs can make again (section 13)."""
    groups = {}
    for disc in discs:
        if disc.recovery and disc.keys["group"] != "0":
            groups.setdefault((disc.keys["set_uuid"], disc.keys["group"]), {}).setdefault(disc.keys["member"], disc)
    made = []
    for (set_uuid, group), recovery in groups.items():
        numbers = [int(number) for number in group.split(" ")]
        there = {disc.number: disc for disc in reversed(discs)
                 if not disc.recovery and disc.keys["set_uuid"] == set_uuid and disc.number in numbers}
        lost = [number for number in numbers if number not in there]
        images = {number: disc for number, disc in there.items() if disc.source.image is not None}
        if not lost:
            continue
        if len(numbers) - len(images) > len(recovery):
            REPORT.problem("of the group of discs %s more are lost than its recovery discs make again; images are "
                           "needed of the others, not directories" % group)
            continue
        for number in lost:
            path = os.path.join(os.fsdecode(work), "%04d.iso" % number)
            REPORT.note("disc %d is made again from recovery discs" % number)
            open(path, "wb").close()
        if rebuild_group(list(recovery.values()), images, lost, os.fsdecode(work)):
            for number in lost:
                path = os.path.join(os.fsdecode(work), "%04d.iso" % number)
                try:
                    made.append(Disc(Iso(path), "disc %d as made again" % number))
                except (Damage, UnknownFormat) as failure:
                    REPORT.problem("disc %d as made again: %s" % (number, failure))
    return made


def rebuild_group(recovery, images, lost, work):
    stripe = int(recovery[0].keys["stripe"])
    numbers = sorted({name[8:13] for disc in recovery for name in disc.source.names("stripes")
                      if re.fullmatch(r"stripes/[0-9]{5}\.vol[0-9]+\+[0-9]+\.par2", name)})
    for number in numbers:
        folder = tempfile.mkdtemp(dir=work)
        files = []
        for disc in recovery:
            for name in disc.source.names("stripes"):
                if name.startswith("stripes/%s." % number):
                    files.append(os.path.join(folder, os.path.basename(name)))
                    copy_readable(disc.source, name, files[-1])
        for disc_number, disc in images.items():
            fd, size = disc.source.image
            start = int(number) * stripe
            if start < size:
                files.append(os.path.join(folder, "%04d.%s" % (disc_number, number)))
                with open(files[-1], "wb") as out:
                    for data in chunks(File(fd, [(0, size)], False), start, min(stripe, size - start)):
                        out.write(data)
        if par2(files, folder) not in (0,):
            REPORT.problem("par2 cannot make the stripe %s again" % number)
            return False
        for disc_number in lost:
            for name in sorted(os.listdir(folder)):
                if re.fullmatch(r"%04d\.%s\.[0-9a-fA-F]{4}" % (disc_number, number), name):
                    with open(os.path.join(folder, name), "rb") as piece, \
                            open(os.path.join(work, "%04d.iso" % disc_number), "ab") as out:
                        shutil.copyfileobj(piece, out, BLOCK)
        shutil.rmtree(folder)
    return True


# -------------------------------------------------------------------------- commands


def sets_of(discs):
    """{UUID of the set: its discs}."""
    sets = {}
    for disc in discs:
        sets.setdefault(disc.keys["set_uuid"], []).append(disc)
    return sets


def only_signed(discs, certificate):
    """The discs with a right signature; a recovery disc has none, and needs none."""
    kept = []
    for disc in discs:
        home = tempfile.mkdtemp(prefix="coldcut-")
        try:
            if disc.recovery or signed_by(disc, certificate, home):
                kept.append(disc)
            else:
                REPORT.problem("%s: no right signature of this signer: it is not used" % disc.name)
        finally:
            shutil.rmtree(home, ignore_errors=True)
    if not any(not disc.recovery for disc in kept):
        raise Stop(1, "no disc has a right signature of this signer")
    return kept


def one_set(discs, wanted):
    sets = sets_of(discs)
    if wanted is not None:
        sets = {uuid: found for uuid, found in sets.items() if any(d.uuid == wanted for d in found)} or sets
    if len(sets) > 1:
        raise Stop(1, "these are discs of several sets: %s; give those of one, or --disc UUID" % ", ".join(
            "%s (%s)" % (found[-1].keys["set"], uuid) for uuid, found in sets.items()))
    return next(iter(sets.values()))


def restore(options, keys):
    target = options.target
    order = "TARGET comes last: coldcut-reader.py restore DISC... TARGET"
    if os.path.lexists(target) and not os.path.isdir(target):
        raise Stop(2, "%s is no directory. %s" % (show(target), order))
    if os.path.isdir(target) and looks_like_disc(target):
        raise Stop(2, "%s holds a disc. %s" % (show(target), order))
    discs = open_discs(options.discs)
    place = Target(target)
    try:
        discs += rebuild_lost(discs, place.work)
        if options.signer:
            discs = only_signed(discs, options.signer)
        discs = DiscSet(one_set(discs, options.disc), keys, place.work)
        chosen = choose(discs, options.disc, options.snapshot, options.indexes)
        print("snapshot %d of the set %s" % (chosen.number, show(name_of(discs))))
        Restore(discs, chosen, place).run()
    finally:
        place.clean()


def name_of(discs):
    """The name on the disc with the highest number counts (section 1)."""
    return max((copies[0] for copies in discs.copies.values()), key=lambda disc: disc.number).keys["set"]


def list_discs(options, keys):
    all_discs = open_discs(options.discs)
    if options.signer:
        all_discs = only_signed(all_discs, options.signer)
    if options.snapshot is not None or options.disc is not None:
        all_discs = one_set(all_discs, options.disc)
    for uuid, discs in sets_of(all_discs).items():
        print("set %s (%s)" % (max(discs, key=lambda disc: disc.number).keys["set"], uuid))
        for disc in sorted(discs, key=lambda disc: disc.number):
            tell_disc(disc)
        if any(disc.encrypted for disc in discs) and not keys.given and not sys.stdin.isatty():
            print("  its listings are encrypted: -p FILE or -k FILE")
            continue
        if not any(not disc.recovery for disc in discs):
            continue
        tell_snapshots(DiscSet(discs, keys), options)


def tell_disc(disc):
    kind = "recovery disc %s for discs %s" % (disc.keys["member"], disc.keys["group"]) if disc.recovery else \
        "snapshots up to %d" % disc.snapshot
    if disc.encrypted:
        kind += ", encrypted"
    print("  disc %d  %s  %s  format %d, %s: %s" % (
        disc.number, disc.keys["date"], disc.uuid, disc.version, kind, disc.name))
    for key in ("title", "description", "contact", "rights", "hint"):
        if key in disc.keys:
            print("    %s: %s" % (key, show(disc.keys[key])))


def tell_snapshots(discs, options):
    chosen = choose(discs, options.disc, options.snapshot, options.indexes)
    known = dict(chosen.head.snapshots) if chosen.head is not None else {}
    for _, uuid in discs.sides("INDEX", options.disc):
        for number, values in discs.head(uuid, "INDEX").snapshots.items():
            known.setdefault(number, values)
    for number in sorted(known):
        date, source, _ = known[number]
        print("  snapshot %d  %s  %s" % (number, show(date or "-"), show(source or "-")))
    for number, uuid in sorted(chosen.by_number.items()):
        if uuid not in discs.copies:
            needed = any(place.startswith("%d:" % number) for row in chosen.rows for place in row.where.split(","))
            if needed:
                REPORT.problem("disc %d (%s) is not here, and the snapshot needs it" % (number, uuid))
    if chosen.head is not None:
        for key, values in chosen.head.said:
            print("  %s %s" % (key[1:], " ".join(show(value) for value in values if value is not None)))
    if options.snapshot is not None:
        for row in chosen.rows:
            print("%s %04o %d:%d %d %s" % (row.kind, row.mode, row.uid, row.gid, row.size, show(row.path)))
    else:
        print("  %d paths in snapshot %d" % (len(chosen.rows), chosen.number))


def verify(options, keys):
    discs = open_discs(options.discs)
    if options.signer:
        only_signed(discs, options.signer)
    for found in sets_of(discs).values():
        encrypted = keys.given or any(disc.encrypted for disc in found)
        for disc in found:
            before = REPORT.wrong
            REPORT.wrong = False
            verify_disc(disc, keys, encrypted)
            print("%s: %s: %s" % (disc.name, disc.title(), "DAMAGED" if REPORT.wrong else "sound"))
            REPORT.wrong = REPORT.wrong or before
        if keys.closed and not keys.opened:
            raise Stop(1, "no passphrase or key that was given opens these discs")


def verify_disc(disc, keys, encrypted):
    """Reads every byte, and compares it with every sum."""
    names = disc.source.names()
    for name, right in sorted(disc.sums.items()):
        digest = hashlib.sha256()
        try:
            file = disc.source.open(name)
            if file is None:
                raise Damage("is missing")
            with file:
                for _ in hashing(chunks(file), digest):
                    pass
            if digest.hexdigest() != right:
                raise Damage("has not the sum that SHA256SUMS says")
        except Damage as damage:
            REPORT.problem("%s: %s %s" % (disc.name, name, damage))
    for name in names:
        if name not in disc.sums and name not in ("SHA256SUMS", "SHA256SUMS.sig"):
            REPORT.problem("%s: %s is not in SHA256SUMS" % (disc.name, name))
    if disc.recovery:
        return
    if encrypted and not disc.encrypted:
        REPORT.problem("%s: is not encrypted, the set is" % disc.name)
        return
    if encrypted and not keys.given:
        REPORT.note("%s: is encrypted: without -p FILE or -k FILE its files were checked, and not what is in them"
                    % disc.name)
        return
    for name in ("SNAPSHOT", "HISTORY", "INDEX"):
        if has_listing(disc, name):
            try:
                listing = Listing(disc, name, keys, encrypted)
                if name == "INDEX":
                    verify_contents(disc, listing, keys, encrypted)
                else:
                    for _ in ordered(listing.rows(), name == "SNAPSHOT"):
                        pass
            except (Damage, NoKey) as damage:
                REPORT.problem("%s: %s %s" % (disc.name, name, damage))


def verify_contents(disc, listing, keys, encrypted):
    """Compares each member of the archives with INDEX."""
    group, number, seen = [], None, set()

    def take(row, member):
        digest = hashlib.sha256()
        for _ in member.data(digest):
            pass
        if row.kind == "f" and digest.digest() != row.sha:
            raise WrongSum("%s has not the sum that INDEX says" % show(row.path))

    def fail(row, reason):
        REPORT.problem("%s: %s" % (reason, show(row.path)))

    for row in listing.rows():
        if row.archive != number:
            read_archive(disc, number, group, keys, encrypted, take, fail)
            group, number = [], row.archive
            seen.add(number)
        group.append(row)
    read_archive(disc, number, group, keys, encrypted, take, fail)
    for name in disc.source.names("archives"):
        match = re.match(r"archives/([0-9]{8,})\.tar", name)
        if match is None or int(match.group(1)) not in seen:
            REPORT.problem("%s: %s is not in INDEX" % (disc.name, name))


def command_line():
    parser = argparse.ArgumentParser(
        prog="coldcut-reader.py", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter,
        usage="coldcut-reader.py list|verify|restore [OPTION...] DISC... [TARGET]")
    commands = parser.add_subparsers(dest="command", required=True, metavar="list|verify|restore")
    for name in ("list", "verify", "restore"):
        command = commands.add_parser(name)
        command.add_argument("-s", dest="snapshot", type=int, metavar="N")
        command.add_argument("-p", dest="passphrase", metavar="FILE")
        command.add_argument("-k", dest="keys", metavar="FILE", action="append", default=[])
        command.add_argument("--disc", metavar="UUID", type=str.lower)
        command.add_argument("--indexes", action="store_true")
        command.add_argument("--signer", metavar="FILE")
        command.add_argument("discs", nargs="+", metavar="DISC")
        if name == "restore":
            command.add_argument("target", metavar="TARGET")
    options = parser.parse_args()
    if options.disc is not None and not UUID.fullmatch(options.disc):
        parser.error("--disc takes a UUID, as DISC.txt has it")
    return options


def main():
    for stream in (sys.stdout, sys.stderr):
        stream.reconfigure(errors="backslashreplace")
    options = command_line()
    os.umask(0o077)
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # to clean up, as Ctrl-C does
    keys = None
    try:
        keys = Keys(options.passphrase, options.keys)
        {"list": list_discs, "verify": verify, "restore": restore}[options.command](options, keys)
    except Stop as stop:
        print("coldcut-reader: %s" % stop, file=sys.stderr)
        return stop.code
    except OSError as error:
        place = show(error.filename) + ": " if error.filename else ""
        print("coldcut-reader: %s%s" % (place, error.strerror), file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("coldcut-reader: interrupted", file=sys.stderr)
        return 1
    finally:
        if keys is not None:
            keys.close()
    return 3 if REPORT.wrong else 0


if __name__ == "__main__":
    sys.exit(main())
