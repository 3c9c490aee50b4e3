#!/usr/bin/env python3
"""Makes the contents of discs as docs/format.md describes them, with Python's standard library alone.

It shares nothing with coldcut, so that what coldcut and restore.sh read is what the format says.
Both formats come from one description; `mixed` begins with format 1 and goes on with format 2.

    make_discs.py make SCENARIO OUT [1|2|mixed]   OUT/discN, and for each run N OUT/manifest-N and
                                                  OUT/manifest-plain-N (no owners)
    make_discs.py manifest [--plain] DIRECTORY
    make_discs.py sums DISC                       writes SHA256SUMS anew
"""

import base64
import bz2
import copy
import hashlib
import io
import os
import random
import shutil
import stat
import subprocess
import sys
import tarfile

SET = b"demo"
SET_UUID = "11111111-2222-4333-8444-555555555555"
PASSPHRASE = "correct horse"
FRAME = 900_000


def escape(field, guarded=False):
    if guarded and field in (b"-", b"="):
        return b"\\%03o" % field[0]
    return field.replace(b"\\", b"\\\\").replace(b"\t", b"\\t").replace(b"\n", b"\\n")


def decimal(ns):
    sign, ns = ("-", -ns) if ns < 0 else ("", ns)
    return f"{sign}{ns // 10**9}.{ns % 10**9:09d}"


def record(key, value):
    body = b" " + key.encode() + b"=" + value + b"\n"
    size = len(body)
    while len(str(size)) + len(body) != size:
        size = len(str(size)) + len(body)
    return str(size).encode() + body


def block(name, mode, uid, gid, size, type_, link=b"", device=(0, 0)):
    head = bytearray(512)
    head[0:100] = name[:100].ljust(100, b"\0")
    for at, width, value in ((100, 8, mode), (108, 8, uid), (116, 8, gid), (124, 12, size), (136, 12, 0)):
        head[at:at + width] = b"%0*o\0" % (width - 1, value)
    head[148:156] = b" " * 8
    head[156:157] = type_
    head[157:257] = link[:100].ljust(100, b"\0")
    head[257:265] = b"ustar\x0000"
    head[329:337] = b"%07o\0" % device[0]
    head[337:345] = b"%07o\0" % device[1]
    head[148:156] = b"%06o\0 " % sum(head)
    return bytes(head)


def percent(name):
    plain = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._-"
    return "".join(chr(b) if b in plain else "%%%02X" % b for b in os.fsencode(name))


def padded(data):
    return data + b"\0" * (-len(data) % 512)


class Entry:
    """One path of the source."""

    def __init__(self, root, path):
        full = os.path.join(root, path)
        st = os.lstat(full)
        self.path = path
        self.kind = {
            stat.S_IFREG: "f", stat.S_IFDIR: "d", stat.S_IFLNK: "l",
            stat.S_IFIFO: "p", stat.S_IFCHR: "c", stat.S_IFBLK: "b",
        }[stat.S_IFMT(st.st_mode)]
        self.mode, self.uid, self.gid = stat.S_IMODE(st.st_mode), st.st_uid, st.st_gid
        self.mtime, self.inode = st.st_mtime_ns, (st.st_dev, st.st_ino, st.st_nlink)
        self.device = (os.major(st.st_rdev), os.minor(st.st_rdev)) if self.kind in "cb" else (0, 0)
        self.data = open(full, "rb").read() if self.kind == "f" else b""
        self.link = os.readlink(full) if self.kind == "l" else b""
        self.sha = hashlib.sha256(self.data).hexdigest()
        self.xattrs = [(n, os.getxattr(full, n, follow_symlinks=False)) for n in sorted(os.listxattr(full, follow_symlinks=False))]
        self.sparse = self.kind == "f" and st.st_blocks * 512 < st.st_size

    def meta(self, guarded=False):
        names = ",".join(f"{percent(n)}={base64.b64encode(v).decode()}" for n, v in self.xattrs)
        return b"\t".join([
            b"%04o" % self.mode, b"%d" % self.uid, b"%d" % self.gid, b"-", b"-",
            decimal(self.mtime).encode(), escape(self.link, guarded) or b"-",
            b"%d:%d" % self.device if self.kind in "cb" else b"-", names.encode() or b"-",
        ])

    def member(self, name, data):
        """The tar bytes of this entry under a name, with its slice of content."""
        type_ = {"f": b"0", "d": b"5", "l": b"2", "h": b"1", "p": b"6", "c": b"3", "b": b"4"}[self.kind]
        pax, stored = b"", data
        if self.sparse and len(data) > 8192:
            pax, stored = self.sparse_map(name, data)
        if len(name) > 100 or any(b > 127 for b in name):
            pax += record("path", name)
        if len(self.link) > 100:
            pax += record("linkpath", self.link)
        pax += record("mtime", decimal(self.mtime).encode())
        for attribute, value in self.xattrs:
            pax += record("SCHILY.xattr." + attribute.replace("%", "%25").replace("=", "%3D"), value)
        tar_name = name + b"/" if self.kind == "d" else name
        head = block(b"pax", 0o644, 0, 0, len(pax), b"x") + padded(pax)
        head += block(tar_name, self.mode, self.uid, self.gid, len(stored), type_, self.link, self.device)
        return head + padded(stored)

    def sparse_map(self, name, data):
        """GNU sparse format 1.0: the first and the last 4,096 bytes are data."""
        regions = [(0, 4096), (len(data) - 4096, 4096)]
        assert not any(data[4096:-4096])
        lines = [str(len(regions))] + [str(n) for region in regions for n in region]
        text = "".join(line + "\n" for line in lines).encode()
        pax = record("GNU.sparse.major", b"1") + record("GNU.sparse.minor", b"0")
        pax += record("GNU.sparse.name", name) + record("GNU.sparse.realsize", str(len(data)).encode())
        return pax, padded(text) + data[:4096] + data[-4096:]


class Archive:
    """Members in frames; what each row of INDEX needs to know of them."""

    def __init__(self, number, compress):
        self.number, self.compress, self.out, self.frame, self.waiting = number, compress, b"", b"", []

    def pack(self, data):
        return bz2.compress(data, 9) if self.compress else data

    def add(self, row, tar):
        if len(self.frame) + len(tar) > FRAME:
            self.flush()
        if len(tar) > FRAME:
            start = len(self.out)
            for at in range(0, len(tar), FRAME):
                self.out += self.pack(tar[at:at + FRAME])
            row(self.number, start, len(self.out) - start, 0)
            return
        self.waiting.append((row, len(self.frame)))
        self.frame += tar

    def flush(self):
        if self.frame:
            packed = self.pack(self.frame)
            for row, at in self.waiting:
                row(self.number, len(self.out), len(packed), at)
            self.out, self.frame, self.waiting = self.out + packed, b"", []

    def finish(self):
        self.flush()
        return self.out + self.pack(b"\0" * 1024)


class DiscSet:
    """A set, run by run. `branch` tells discs of one number apart."""

    def __init__(self, out, encryption="none", compress=True, form=2, branch=0):
        self.out, self.encryption, self.compress = out, encryption, compress
        self.mixed, self.form, self.branch = form == "mixed", 1 if form == "mixed" else int(form), branch
        self.snapshot, self.disc_no, self.archive_no = 0, 0, 0
        self.contents, self.rows, self.stored_dirs, self.ids = {}, {}, {}, 0
        self.index, self.archives, self.archive = [], [], None
        self.runs, self.before, self.names = {}, [], []

    def backup(self, source, breaks=(), parts=None, archives=()):
        """One run. A disc ends before each path of `breaks`, an archive before each of `archives`;
        `parts` cuts a file into slices and closes the disc after each but the last."""
        self.snapshot += 1
        if self.mixed and self.snapshot > 1:
            self.form = 2
        self.source, self.rows = source, {}
        entries, links = [], {}
        for path in walk(source):
            entry = Entry(os.fsencode(source), path)
            if entry.kind == "f" and entry.inode[2] > 1:
                first = links.setdefault(entry.inode, path)
                if first != path:
                    entry.kind, entry.link, entry.data, entry.xattrs = "h", first, b"", []
            entries.append(entry)
        for entry in entries:
            self.rows[entry.path] = (entry, None)
        self.runs[self.snapshot] = self.rows
        self.first_of_run = self.disc_no + 1
        for entry in entries:
            if entry.path in breaks:
                self.close_disc()
            if entry.path in archives:
                self.end_archive()
            self.store(entry, (parts or {}).get(entry.path))
        # A run that stored nothing has its listing all the same.
        self.close_disc(last=True)

    def open_archive(self):
        if self.archive is None:
            self.archive_no += 1
            self.archive = Archive(self.archive_no, self.compress)
        return self.archive

    def end_archive(self):
        if self.archive is not None:
            self.archives.append((self.archive.number, self.archive.finish()))
            self.archive = None

    def store(self, entry, slices):
        content = entry.kind == "f" and entry.data
        if content and entry.sha in self.contents:
            self.rows[entry.path] = (entry, self.contents[entry.sha])
            return
        if not content and self.stored_dirs.get(entry.path) == (entry.kind, entry.meta()):
            return
        self.stored_dirs[entry.path] = (entry.kind, entry.meta())
        if slices:
            return self.store_parts(entry, slices)
        name = entry.path
        if name.split(b"/")[0].startswith(b".coldcut-"):
            name = b".coldcut-source/" + name
        archive = self.open_archive()
        if content:
            self.contents[entry.sha] = ([(self.disc_no + 1, archive.number)], name)
            self.rows[entry.path] = (entry, self.contents[entry.sha])
        self.add_member(entry, name, entry.data, 0, b"-", 0, entry.sha if entry.kind == "f" else None)

    def store_parts(self, entry, slices):
        self.ids += 1
        name = b".coldcut-parts/%016x" % (0xabc0 + self.ids)
        places, at = [], 0
        for number, size in enumerate(slices, 1):
            last = number == len(slices)
            data = entry.data[at:] if last else entry.data[at:at + size]
            places.append((self.disc_no + 1, self.open_archive().number))
            self.rows[entry.path] = (entry, (places if last else places + ["?"], name))
            self.add_member(entry, name + b"/%04d" % number, data, number,
                            b"%d" % len(slices) if last else b"-", at, entry.sha if last else None)
            at += len(data)
            if not last:
                self.close_disc()
        self.contents[entry.sha] = (places, name)

    def add_member(self, entry, name, data, part, parts, offset, file_sha):
        sha = hashlib.sha256(data).hexdigest() if entry.kind == "f" else "-"
        whole = b"-" if file_sha is None else b"=" if file_sha == sha else file_sha.encode()
        form = self.form

        def row(archive, frame, length, at):
            self.index.append(b"\t".join([
                b"%d" % self.snapshot, entry.kind.encode(), escape(entry.path, form > 1),
                b"=" if name == entry.path else escape(name, True), b"%d" % len(data), sha.encode(),
                b"%d" % archive, b"%d" % frame, b"%d" % length, b"%d" % at, b"%d" % part, parts,
                b"%d" % offset, b"%d" % len(entry.data), whole, entry.meta(form > 1), b"-",
            ]))

        self.open_archive().add(row, entry.member(name, data))

    def row_text(self, entry, place):
        """The first 16 fields; where contents are now, whatever run they are of."""
        where, member = b"-", b"-"
        if entry.kind == "f" and entry.data:
            place = place or self.contents.get(entry.sha)
            if place is None:
                where = b"?"
            else:
                where = b",".join(p.encode() if p == "?" else b"%d:%d" % p for p in place[0])
                member = b"=" if place[1] == entry.path else escape(place[1], True)
        known = entry.kind == "f" and b"?" not in where
        return b"\t".join([
            entry.kind.encode(), escape(entry.path, self.form > 1), b"%d" % len(entry.data),
            entry.sha.encode() if known else b"-", where, member, entry.meta(self.form > 1), b"-",
        ])

    def spans(self):
        """For each path of each run: rows that were alike, with the first and last run they are of."""
        found = {}
        for run in sorted(self.runs):
            for path, (entry, place) in self.runs[run].items():
                look = (entry.kind, entry.sha, len(entry.data), entry.meta())
                spans = found.setdefault(path, [])
                if spans and spans[-1][1] == run - 1 and spans[-1][2] == look:
                    spans[-1][1], spans[-1][3], spans[-1][4] = run, entry, place
                else:
                    spans.append([run, run, look, entry, place])
        return found

    def head(self, kind):
        lines = [b"#coldcut-%s\t%d" % (kind, self.form), b"#set\t%s\t%s" % (SET, SET_UUID.encode())]
        if self.form > 1 or kind == b"index":
            lines.append(b"#disc\t%d\t%s" % (self.disc_no, self.uuid().encode()))
        for run in [self.snapshot] if kind == b"snapshot" else sorted(self.runs):
            line = b"#snapshot\t%d\t2026-01-%02dT00:00:00Z\t%s" % (run, run % 28 + 1, escape(os.fsencode(self.source)))
            lines.append(line + (b"\t-" if self.form > 1 else b""))
        if self.form > 1:
            lines += [b"#before\t%d\t%s\t%s" % tuple(before) for before in self.before]
            lines += [b"#source\t-\t%s" % escape(os.fsencode(self.source)), b"#digest\tsha256", b"#something\tnew"]
        return b"".join(line + b"\n" for line in lines)

    def snapshot_text(self):
        lines = []
        for path, spans in sorted(self.spans().items(), key=walk_order):
            since, until, _, entry, place = spans[-1]
            if until == self.snapshot:
                row = self.row_text(entry, place)
                lines.append(row + (b"\t%d\n" % since if self.form > 1 else b"\n"))
        return self.head(b"snapshot") + b"".join(lines)

    def history_text(self):
        lines = []
        for path, spans in sorted(self.spans().items(), key=walk_order):
            for since, until, _, entry, place in spans:
                if until < self.snapshot:
                    lines.append(self.row_text(entry, None) + b"\t%d\t%d\n" % (since, until))
        return self.head(b"history") + b"".join(lines) if lines else None

    def uuid(self):
        return f"{self.disc_no:08x}-0000-4000-8000-{self.branch:012x}"

    def close_disc(self, last=False):
        self.end_archive()
        self.disc_no += 1
        name = f"disc{self.disc_no}" + ("x" * self.branch)
        disc = os.path.join(self.out, name)
        self.names.append(name)
        os.makedirs(disc + "/archives")
        suffix = ".tar" + (".bz2" if self.compress else "")
        for number, data in self.archives:
            self.write(f"{disc}/archives/{number:08d}{suffix}", data)
        rows = b"".join(line + b"\n" for line in self.index)
        self.write(f"{disc}/INDEX.tsv.bz2", frames(self.head(b"index") + rows))
        listings = "INDEX"
        if last or self.disc_no == self.first_of_run:
            self.write(f"{disc}/SNAPSHOT.tsv.bz2", frames(self.snapshot_text()))
            listings += " SNAPSHOT"
            history = self.history_text()
            if self.form > 1 and history:
                self.write(f"{disc}/HISTORY.tsv.bz2", frames(history))
                listings += " HISTORY"
        text = (f"format={self.form}\nkind=data\nset={SET.decode()}\nset_uuid={SET_UUID}\ndisc={self.disc_no}\n"
                f"disc_uuid={self.uuid()}\nsnapshot={self.snapshot}\ndate=2026-01-01T00:00:00Z\ncoldcut=0\n"
                f"encryption={self.encryption}\ncompression=bzip2\nparity=0\nlistings={listings}\n")
        with open(f"{disc}/DISC.txt", "w") as f:
            f.write(text)
        with open(f"{disc}/README.txt", "w") as f:
            f.write("A disc.\n" + (f"-----BEGIN DISC.txt-----\n{text}-----END DISC.txt-----\n" if self.form > 1 else ""))
        sums = write_sums(disc)
        self.before.append([self.disc_no, self.uuid().encode(), hashlib.sha256(sums).hexdigest().encode()])
        self.archives, self.index = [], []

    def write(self, path, data):
        if self.encryption == "none":
            with open(path, "wb") as f:
                f.write(data)
            return
        home = os.path.join(self.out, "gnupg")
        os.makedirs(home, mode=0o700, exist_ok=True)
        if self.encryption == "recipients":
            cert = os.path.join(os.path.dirname(__file__), "../golden/throwaway.cert")
            subprocess.run(["gpg", "--homedir", home, "--batch", "--quiet", "--no-options", "--trust-model", "always", "--compress-algo", "none",
                            "--recipient-file", cert, "-o", path + ".gpg", "-e"], input=data, check=True)
            return
        subprocess.run(
            ["gpg", "--homedir", home, "--batch", "--quiet", "--yes", "--pinentry-mode", "loopback",
             "--passphrase", PASSPHRASE, "--cipher-algo", "AES256", "--compress-algo", "none",
             "--s2k-count", "65536", "-o", path + ".gpg", "-c"],
            input=data, check=True)


def write_sums(disc):
    lines = []
    for folder, _, names in os.walk(disc):
        for name in names:
            path = os.path.relpath(os.path.join(folder, name), disc)
            if path not in ("SHA256SUMS", "SHA256SUMS.sig"):
                with open(os.path.join(disc, path), "rb") as f:
                    lines.append((path, hashlib.sha256(f.read()).hexdigest()))
    text = "".join(f"{sha}  {path}\n" for path, sha in sorted(lines)).encode()
    with open(f"{disc}/SHA256SUMS", "wb") as f:
        f.write(text)
    return text


def walk_order(item):
    return [] if item[0] == b"." else item[0].split(b"/")


def frames(text):
    out, at = b"", 0
    while at < len(text):
        end = len(text) if len(text) - at <= FRAME else text.rindex(b"\n", at, at + FRAME) + 1
        out, at = out + bz2.compress(text[at:end], 9), end
    return out


def walk(root):
    """Paths in walk order: a directory, then what is in it, names sorted by bytes."""
    root = os.fsencode(root)

    def below(path):
        yield path
        full = os.path.join(root, path)
        if os.path.isdir(full) and not os.path.islink(full):
            for name in sorted(os.listdir(full)):
                yield from below(name if path == b"." else path + b"/" + name)

    yield from below(b".")


def manifest(root, plain):
    first = {}
    for path in walk(root):
        entry = Entry(os.fsencode(root), path)
        fields = [path, entry.kind, "%04o" % entry.mode, entry.mtime, entry.sha if entry.kind == "f" else entry.link]
        if entry.kind == "f":
            fields.append(first.setdefault(entry.inode, path) if entry.inode[2] > 1 else b"-")
        if entry.kind == "l":
            fields[2] = "-"
        fields.append(entry.xattrs)
        if not plain:
            fields += [entry.uid, entry.gid, entry.device]
        yield repr(fields)


# ------------------------------------------------------------------------------------ scenarios


def put(root, path, data=b"", mode=0o644, mtime=1_700_000_000_123_456_789):
    full = os.path.join(os.fsencode(root), path if isinstance(path, bytes) else path.encode())
    os.makedirs(os.path.dirname(full), exist_ok=True)
    with open(full, "wb") as f:
        f.write(data)
    os.chmod(full, mode)
    os.utime(full, ns=(mtime, mtime))
    return full


def noise(size, seed=0):
    blocks = (hashlib.sha256(b"%d %d" % (seed, n)).digest() for n in range(size // 32 + 1))
    return b"".join(blocks)[:size]


def settle(root, mtime=1_600_000_000_987_654_321):
    """Gives all directories a time of their own."""
    for path in reversed(list(walk(root))):
        full = os.path.join(os.fsencode(root), path)
        if os.path.isdir(full) and not os.path.islink(full):
            os.utime(full, ns=(mtime + len(path), mtime + len(path)))


def everything(src):
    put(src, "a/one.txt", b"one\n")
    put(src, "a/two.bin", noise(1_500_000, 2))
    put(src, "a/b/deep.txt", b"deep\n" * 1000, mode=0o400)
    put(src, "empty", b"", mode=0o600, mtime=-1_500_000_000)
    put(src, "old", b"old", mtime=-86_400_000_000_000 * 365 - 1)
    put(src, "secret", b"secret", mode=0o000)
    put(src, "suid", b"#!/bin/sh\n", mode=0o4755)
    put(src, ".coldcut-parts/x", b"not a part")
    put(src, "=", b"equals")
    put(src, "-", b"minus")
    for name in (b"new\nline", b"tab\there", b"quote'\"", b"back\\slash\\n", b"-rf", b"--help", b"\xff\xfe", b" blank ",
                 b"cr\r", b"[a-z]*?", b"$(touch x)`", b"n" * 255, "ä ö".encode(), b"nl at end\n", b"%s%b"):
        put(src, b"names/" + name, b"content of " + name)
        put(src, b"names/dirs/" + name + b"/f", b"in " + name)
    os.makedirs(os.path.join(src, "hollow/inner"))
    os.symlink("a/one.txt", os.path.join(src, "link"))
    os.symlink("/etc/passwd", os.path.join(src, "abslink"))
    os.symlink(b"-", os.path.join(os.fsencode(src), b"names/to minus"))
    os.symlink(b"x" * 300 + b"\n\\", os.path.join(os.fsencode(src), b"names/long link"))
    for name in ("link", "abslink", "names/to minus", "names/long link"):
        os.utime(os.path.join(src, name), ns=(5_000_000_007, 5_000_000_007), follow_symlinks=False)
    os.mkfifo(os.path.join(src, "fifo"), 0o640)
    os.utime(os.path.join(src, "fifo"), ns=(7_000_000_009, 7_000_000_009))
    os.link(os.path.join(src, "a/one.txt"), os.path.join(src, "a/one again"))
    os.link(os.path.join(src, "a/one.txt"), os.path.join(src, "zz one"))
    put(src, "locked/in/f", b"locked in")
    hole = put(src, "sparse", b"")
    with open(hole, "r+b") as f:
        f.write(b"s" * 4096)
        f.seek(3_000_000)
        f.write(b"e" * 4096)
    os.utime(hole, ns=(9, 9))
    for path, name, value in ((hole, "user.note", b"a\0b=,"), (os.path.join(src, "a").encode(), "user.dir", b"\xff\0x")):
        os.setxattr(path, name, value)
    settle(src)
    os.chmod(os.path.join(src, "locked/in"), 0o500)
    os.chmod(os.path.join(src, "locked"), 0o555)
    os.chmod(os.path.join(src, "hollow/inner"), 0o2711)


def second_day(src):
    """Moves, copies, changes of metadata, deletions."""
    join = lambda name: os.path.join(src, name)
    os.rename(join("a/b"), join("b moved"))
    os.rename(join("names"), join("names2"))
    os.rename(join("="), join("was equals"))
    os.rename(join("-"), join("was minus"))
    shutil.copy(join("old"), join("copy of old"))
    shutil.copytree(join("names2/dirs"), join("names2/dirs copied"))
    os.chmod(join("suid"), 0o6711)
    os.utime(join("suid"), ns=(123, 123))
    os.chmod(join("locked"), 0o755)
    os.remove(join("link"))
    put(src, "link", b"a file now")
    os.remove(join("fifo"))
    os.makedirs(join("fifo/now a directory"))
    put(src, "a/one.txt", b"one\nchanged, and no longer the same inode?\n")
    put(src, "new", b"new")
    os.setxattr(join("suid"), "user.later", b"x")
    settle(src)


def history(out, form, seed):
    """Some random days."""
    rng, src = random.Random(seed), os.path.join(out, "source")
    discs = DiscSet(out, "passphrase" if seed % 3 == 0 else "none", seed % 4 != 1, form)
    put(src, "a", b"first")
    for day in range(1, 5):
        for _ in range(12 if day == 1 else rng.randrange(0, 9)):
            change(rng, src, day)
        settle(src, 1_600_000_000_000_000_000 + day * 1_000_000_007)
        paths = [path for path in walk(src) if path != b"."]
        looks = {p: os.lstat(os.path.join(os.fsencode(src), p)) for p in paths}
        files = [p for p in paths if looks[p].st_size > 3000 and stat.S_ISREG(looks[p].st_mode)]
        parts = {p: [1000, 500, 0] for p in rng.sample(files, min(len(files), rng.randrange(3)))}
        yield discs.backup(src, breaks=set(rng.sample(paths, min(1, len(paths)))), parts=parts,
                           archives=set(rng.sample(paths, min(2, len(paths)))))


NAMES = [b"a", b"b", b"b/c", b"c\td", b"e\nf", b"=", b"-", b"g\\n", b"\xff", b"h ", b"d/e/f", b"d/e", b"d/g", b"cr\r", b"-x"]


def change(rng, src, day):
    root = os.fsencode(src)
    old = [path for path in walk(src) if path != b"."]
    at, new = os.path.join(root, rng.choice(old)) if old else root, os.path.join(root, rng.choice(NAMES))
    is_file = os.path.isfile(at) and not os.path.islink(at)
    what = rng.choice(["write"] * 4 + ["sparse", "rename", "rename", "swap", "copy", "link", "symlink", "fifo", "mkdir",
                                       "delete", "chmod", "xattr", "no xattr", "touch"])
    parent = os.path.dirname(new)
    if what in ("write", "sparse", "rename", "copy", "link", "symlink", "fifo", "mkdir"):
        if os.path.lexists(new) and not (what == "write" and os.path.isfile(new) and not os.path.islink(new)):
            return
        while not os.path.lexists(parent):
            parent = os.path.dirname(parent)
        if not os.path.isdir(parent) or os.path.islink(parent):
            return
        os.makedirs(os.path.dirname(new), exist_ok=True)
    if what == "write":
        put(src, os.path.relpath(new, root), rng.choice([b"", b"x%d" % day, noise(5000, rng.randrange(5))]), mtime=rng.randrange(10**18))
    elif what == "sparse":
        put(src, os.path.relpath(new, root), b"s" * 4096 + bytes(50_000) + b"e" * 4096)
    elif what == "rename" and at != root and not (new + b"/").startswith(at + b"/"):
        os.rename(at, new)
    elif what == "swap" and is_file:
        other = os.path.join(root, rng.choice(old))
        if os.path.isfile(other) and not os.path.islink(other) and not os.path.samefile(at, other):
            os.rename(at, at + b".t")
            os.rename(other, at)
            os.rename(at + b".t", other)
    elif what == "copy" and is_file:
        shutil.copy2(at, new)
    elif what == "link" and is_file:
        os.link(at, new)
    elif what == "symlink":
        os.symlink(rng.choice([b"a", b"nowhere", b"-", b"/etc/passwd", b"x\ty\n"]), new)
    elif what == "fifo":
        os.mkfifo(new)
    elif what == "mkdir":
        os.mkdir(new)
    elif what == "delete" and at != root:
        shutil.rmtree(at) if os.path.isdir(at) and not os.path.islink(at) else os.remove(at)
    elif what == "chmod" and is_file:
        os.chmod(at, rng.choice([0o600, 0o444, 0o4755, 0o000]))
    elif what == "xattr" and is_file:
        os.setxattr(at, rng.choice(["user.a", "user.a=b", "user.%25 x"]), b"v\0=%d" % day)
    elif what == "no xattr" and is_file:
        for name in os.listxattr(at):
            os.removexattr(at, name)
    elif what == "touch" and is_file:
        os.utime(at, ns=(day, day * 10**9 - 5 * 10**9 + 1))


def missed(out, form):
    """Four runs; the last disc does not name the second, as of a catalog that did not know it."""
    src = os.path.join(out, "source")
    discs = DiscSet(out, form=form)
    for run in range(1, 5):
        put(src, "first", b"first")
        put(src, f"of run {run}", b"%d" % run)
        settle(src)
        if run == 4:
            os.remove(os.path.join(src, "of run 2"))
            settle(src)
            del discs.before[1]
        yield discs.backup(src)


def twins(out, form):
    """Two histories after run 1: an old catalog was put back."""
    src = os.path.join(out, "source")
    put(src, "a", b"a\n")
    discs = DiscSet(out, form=form)
    yield discs.backup(src)
    other = copy.deepcopy(discs)
    other.branch = 1
    put(src, "b", b"b\n")
    put(src, "both", b"this one\n")
    yield discs.backup(src)
    os.remove(os.path.join(src, "b"))
    put(src, "c", b"c\n")
    put(src, "both", b"that one\n")
    other.snapshot = 1
    yield other.backup(src)


def hostile(out):
    """Another archive for INDEX as it is: nothing of it but the contents of etc/conf and z is right."""
    outside = os.path.join(out, "outside")
    put(outside, "secret", b"secret")
    path = os.path.join(out, "disc1/archives/00000001.tar")
    with tarfile.open(path, "w", format=tarfile.PAX_FORMAT) as tar:
        def add(name, data=b"", **more):
            member = tarfile.TarInfo(name)
            member.size, member.mode = len(data), 0o644
            for key, value in more.items():
                setattr(member, key, value)
            tar.addfile(member, io.BytesIO(data))
        add("esc", type=tarfile.SYMTYPE, linkname=outside)
        add("esc/evil", b"evil")
        add(".ssh/authorized_keys", b"evil")
        add("a", type=tarfile.SYMTYPE, linkname=outside + "/secret")
        add("zzz", b"zzz")
        add("b", type=tarfile.LNKTYPE, linkname=outside + "/secret")
        add("etc/conf", b"conf", mode=0o4777, mtime=1, uid=12345, pax_headers={"SCHILY.xattr.user.evil": "x"})
        add("z", b"not zzz")
    write_sums(os.path.join(out, "disc1"))


def scenario(name, out, form):
    if name.startswith("history-"):
        yield from history(out, form, int(name.split("-")[1]))
        return
    if name == "missed":
        yield from missed(out, form)
        return
    if name == "twins":
        yield from twins(out, form)
        return
    src = os.path.join(out, "source")
    os.makedirs(src)
    encryption = name if name in ("passphrase", "recipients") else "none"
    discs = DiscSet(out, encryption, compress=name not in ("uncompressed", "hostile"), form=form)
    if name in ("plain", "passphrase", "recipients", "uncompressed"):
        everything(src)
        yield discs.backup(src, archives=(b"a/two.bin", b"names"), breaks=(b"old",))
    elif name == "two-snapshots":
        everything(src)
        yield discs.backup(src, breaks=(b"names",))
        second_day(src)
        yield discs.backup(src)
    elif name == "split":
        put(src, "a small", b"first")
        put(src, "film", noise(3_000_000), mode=0o444)
        hole = put(src, "hole")
        with open(hole, "r+b") as f:
            f.write(b"h" * 4096)
            f.seek(2_004_096)
            f.write(b"e" * 4096)
        os.utime(hole, ns=(9, 9))
        put(src, "z copy of film", noise(3_000_000), mode=0o600, mtime=77)
        put(src, "z small", b"last")
        settle(src)
        yield discs.backup(src, parts={b"film": [1_000_000, 1_200_000, 800_000], b"hole": [1_000_000, 1_008_192]})
    elif name == "damage":
        for n in range(40):
            put(src, f"d/{n:03d}", noise(100_000, n))
        settle(src)
        yield discs.backup(src)
        path = os.path.join(out, "disc1/archives/00000001.tar.bz2")
        with open(path, "r+b") as f:
            f.seek(os.path.getsize(path) // 2)
            f.write(b"\0" * 2048)
    elif name == "rows":
        for n in range(40):
            put(src, f"d/{n:03d}", noise(10, n))
        settle(src)
        yield discs.backup(src)
    elif name == "hostile":
        for path, data in (("a", b"secret"), ("b", b"zzz"), ("etc/conf", b"conf"), ("z", b"not zzz")):
            put(src, path, data)
        settle(src)
        yield discs.backup(src)
        hostile(out)
    elif name == "same-content":
        # Equal content, other metadata; a name with = among attributes; all of it changes later.
        for path, attributes in (("capable", {"user.a=b": b"v", "user.%25": b"w"}), ("plain", {}), ("other", {"user.x": b"x"})):
            full = put(src, path, b"#!/bin/sh\n", mode=0o755)
            for attribute, value in attributes.items():
                os.setxattr(full, attribute, value)
        os.makedirs(os.path.join(src, "d"))
        os.setxattr(os.path.join(src, "d"), "user.a=b", b"v")
        settle(src)
        yield discs.backup(src)
        os.removexattr(os.path.join(src, "capable"), "user.a=b")
        os.rename(os.path.join(src, "other"), os.path.join(src, "renamed"))
        settle(src)
        yield discs.backup(src)
    elif name == "many":
        for n in range(20_000):
            put(src, f"d{n // 1000:02d}/f{n:05d}", b"%d\n" % n * 20)
        settle(src)
        yield discs.backup(src)
        os.rename(os.path.join(src, "d03"), os.path.join(src, "moved"))
        shutil.copytree(os.path.join(src, "d04"), os.path.join(src, "copied"))
        settle(src)
        put(src, "new", b"new")
        yield discs.backup(src)
    else:
        sys.exit(f"no scenario {name}")


def main():
    if sys.argv[1] == "manifest":
        plain = sys.argv[2] == "--plain"
        print("\n".join(manifest(sys.argv[-1], plain)))
        return
    if sys.argv[1] == "sums":
        write_sums(sys.argv[2])
        return
    name, out = sys.argv[2:4]
    form = sys.argv[4] if len(sys.argv) > 4 else "2"
    os.umask(0o022)
    for number, _ in enumerate(scenario(name, out, form), 1):
        for plain in (False, True):
            suffix = "-plain" if plain else ""
            with open(f"{out}/manifest{suffix}-{number}", "w") as f:
                f.write("\n".join(manifest(out + "/source", plain)) + "\n")
    shutil.rmtree(out + "/source")
    subprocess.run(["chmod", "-R", "a+rX", out], check=True)


main()
