#!/usr/bin/env python3
"""Tests of src/format/by_hand/format/: the reader in Python and bunzip2 in C.

    COLDCUT=PROGRAM tests/python_reader.py [CLASS...]

The discs are golden ones, those that coldcut makes of random directories, and sets of
format 2 that are made here, by a writer that shares nothing with the reader.
"""

import base64
import bz2
import copy
import errno
import hashlib
import io
import os
import random
import re
import shutil
import stat
import subprocess
import sys
import tarfile
import tempfile
import unittest

HERE = os.path.dirname(os.path.abspath(__file__))
FORMAT = os.path.join(HERE, "../src/format/by_hand/format")
READER = os.environ.get("READER", os.path.join(FORMAT, "coldcut-reader.py"))
GOLDEN = os.path.join(HERE, "golden")
COLDCUT = os.environ.get("COLDCUT", "coldcut")


def manifest(root, all_links=False):
    """What can be seen of a directory: {path: everything}; names of one object are told of
    files, or of everything."""
    root = os.fsencode(root)
    seen, first = {}, {}

    def look(path):
        full = os.path.join(root, path)
        status = os.lstat(full)
        kind = stat.S_IFMT(status.st_mode)
        facts = [oct(status.st_mode), status.st_uid, status.st_gid, status.st_mtime_ns]
        if kind == stat.S_IFREG:
            with open(full, "rb") as file:
                facts += [hashlib.sha256(file.read()).hexdigest(), holes(full, status.st_size)]
        if kind == stat.S_IFLNK:
            facts.append(os.readlink(full))
        if kind in (stat.S_IFCHR, stat.S_IFBLK):
            facts.append(status.st_rdev)
        if (kind == stat.S_IFREG or (all_links and kind != stat.S_IFDIR)) and status.st_nlink > 1:
            facts.append((first.setdefault(status.st_ino, path), status.st_nlink))
        names = sorted(os.listxattr(full, follow_symlinks=False))
        facts.append([(name, os.getxattr(full, name, follow_symlinks=False)) for name in names])
        seen[path] = facts
        if kind == stat.S_IFDIR:
            for name in sorted(os.listdir(full)):
                look(name if path == b"." else path + b"/" + name)

    look(b".")
    return seen


def holes(path, size):
    """The regions of data of a file."""
    found, at = [], 0
    fd = os.open(path, os.O_RDONLY)
    try:
        while at < size:
            start = os.lseek(fd, at, os.SEEK_DATA)
            at = os.lseek(fd, start, os.SEEK_HOLE)
            found.append((start, at))
    except OSError as error:
        if error.errno != errno.ENXIO:
            raise
    finally:
        os.close(fd)
    return found


class Sandbox(unittest.TestCase):
    maxDiff = 4000

    def setUp(self):
        self.work = tempfile.mkdtemp(prefix="coldcut-reader-test.")
        self.addCleanup(shutil.rmtree, self.work, True)
        self.passphrase = os.path.join(self.work, "secret words")
        with open(self.passphrase, "w") as file:
            file.write("a passphrase that everybody may know\n")

    def path(self, name):
        return os.path.join(self.work, name)

    def read(self, *arguments, code=0, command="restore"):
        """Runs the reader; what it says, both ways."""
        done = subprocess.run([sys.executable, READER, command] + [os.fspath(a) for a in arguments],
                              stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=120)
        said = done.stdout.decode("utf-8", "replace")
        self.assertNotIn("Traceback", said)
        self.assertEqual(code, done.returncode, said)
        return said

    def coldcut(self, *arguments):
        environment = dict(os.environ, COLDCUT_CONFIG="/dev/null", HOME=self.work)
        done = subprocess.run([COLDCUT, "--catalog", self.path("catalog"), "--staging", self.path("staging")]
                              + list(arguments), env=environment, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                              stderr=subprocess.STDOUT)
        self.assertEqual(0, done.returncode, done.stdout.decode("utf-8", "replace"))

    def assert_same(self, one, two):
        one, two = manifest(one), manifest(two)
        self.assertEqual(sorted(one), sorted(two))
        for path in one:
            self.assertEqual(one[path], two[path], path)

    def golden(self, name):
        """The images of a golden set, in a directory of their own."""
        shelf = self.path(name)
        os.mkdir(shelf)
        for packed in sorted(os.listdir(os.path.join(GOLDEN, name))):
            if packed.endswith(".iso.bz2"):
                with bz2.open(os.path.join(GOLDEN, name, packed)) as source, \
                        open(os.path.join(shelf, packed[:-4]), "wb") as out:
                    shutil.copyfileobj(source, out)
        return shelf

    def images(self, shelf):
        return [os.path.join(shelf, name) for name in sorted(os.listdir(shelf)) if name.endswith(".iso")]


class Golden(Sandbox):
    """What is wrong with golden discs of format 1; tests/golden.rs has them come back."""

    def test_recovery_disc_makes_a_lost_disc_again(self):
        shelf = self.golden("group")
        one, two, recovery = self.images(shelf)
        self.read(one, two, self.path("whole"))
        self.read(one, recovery, self.path("without the second"))
        self.assert_same(self.path("whole"), self.path("without the second"))
        self.read(one, self.path("nothing to make it of"), code=3)

    def test_recovery_data_repairs_a_damaged_archive_and_listing(self):
        shelf = self.golden("parity")
        image = self.images(shelf)[0]
        self.read(image, self.path("whole"))
        places = {path: offset for path, offset, _ in files_of(image)}
        for path in ("SNAPSHOT.tsv.bz2", "archives/00000001.tar.bz2"):
            flip(image, places[path] + 60)
        said = self.read(image, self.path("repaired"), code=3)
        self.assertIn("was repaired by its recovery data", said)
        self.assert_same(self.path("whole"), self.path("repaired"))

    def test_the_signer_of_golden_discs(self):
        shelf = self.golden("signed")
        certificate = os.path.join(GOLDEN, "throwaway.cert")
        self.read("--signer", certificate, shelf, self.path("target"))
        self.read("--signer", certificate, self.golden("plain"), self.path("other"), code=1)

    def test_wrong_passphrase_is_no_damage(self):
        with open(self.passphrase, "w") as file:
            file.write("wrong\n")
        said = self.read("-p", self.passphrase, self.golden("passphrase"), self.path("target"), code=1)
        self.assertIn("opens disc 1", said)
        self.assertFalse(os.path.exists(self.path("target")))
        self.assertIn("opens", self.read("-p", self.passphrase, self.path("passphrase"), command="verify", code=1))
        self.assertIn("-p FILE", self.read(self.path("passphrase"), self.path("target"), code=1))

    def test_older_snapshot_is_not_taken_for_the_newest(self):
        shelf = self.golden("plain")
        image = self.images(shelf)[1]
        flip(image, {path: offset for path, offset, _ in files_of(image)}["SNAPSHOT.tsv.bz2"] + 60)
        said = self.read(shelf, self.path("target"), code=3)
        self.assertIn("has files of snapshot 2", said)
        self.assertIn("snapshot 1 of the set", said)
        self.assertIn("snapshot 2 of the set", self.read("--indexes", shelf, self.path("made"), code=3))

    def test_passphrase_means_that_plain_discs_are_refused(self):
        self.assertIn("it is refused", self.read("-p", self.passphrase, self.golden("plain"), self.path("t"), code=1))

    def test_every_file_of_an_image_is_checked(self):
        image = self.images(self.golden("plain"))[-1]
        files = files_of(image)
        self.assertEqual(9, len(files))
        for path, offset, size in files:
            broken = self.path("broken.iso")
            shutil.copy(image, broken)
            flip(broken, offset + size * 2 // 3)
            said = self.read(broken, command="verify", code=3)
            self.assertIn("DAMAGED", said)
            if path != "SHA256SUMS":
                self.assertIn(path, said)


def flip(path, offset, bit=4):
    with open(path, "r+b") as file:
        file.seek(offset)
        byte = file.read(1)[0]
        file.seek(offset)
        file.write(bytes([byte ^ bit]))


def files_of(image):
    """(path, offset, size) of the files of an image, as xorriso says."""
    out = subprocess.run(["xorriso", "-indev", image, "-find", "/", "-type", "f", "-exec", "report_lba"],
                         stdout=subprocess.PIPE, stderr=subprocess.DEVNULL).stdout.decode()
    return [(path, int(lba) * 2048, int(size)) for lba, size, path in
            re.findall(r"File data lba:\s+\d+\s*,\s*(\d+)\s*,\s*\d+\s*,\s*(\d+)\s*,\s*'/(.*)'", out)]


# ------------------------------------------------------------------------ random directories


NAMES = [b"a", b"-", b"=", b"-rf", b" blank ", b"new\nline", b"tab\t", b"back\\slash", b"\\055", b"\xff\xfe", b"*",
         b"n" * 255, "ü".encode(), b".coldcut-parts", b"%41", b"a=b,c", b"...", b"~", b"\x1b[31m", b"z.bz2"]


class Tree:
    """A directory of odd things that changes from day to day."""

    def __init__(self, root, seed):
        self.root, self.random = os.fsencode(root), random.Random(seed)
        os.mkdir(self.root)

    def everything(self):
        for place, folders, files in os.walk(self.root):
            for name in folders + files:
                yield os.path.join(place, name)

    def folder(self):
        return self.random.choice([self.root] + [p for p in self.everything()
                                                 if os.path.isdir(p) and not os.path.islink(p) and len(p) < 2500])

    def content(self):
        size = self.random.choice([0, 1, 511, 512, 513, 5000, 100_000, 950_000])
        if self.random.random() < 0.3:
            return b"the same again"
        return self.random.choice([lambda: self.random.randbytes(size) if hasattr(self.random, "randbytes") else
                                   bytes(self.random.getrandbits(8) for _ in range(size)),
                                   lambda: b"%d\n" % size * (size // 4)])()

    def add(self):
        path = os.path.join(self.folder(), self.random.choice(NAMES) + b"%d" % self.random.randrange(100))
        path = path if self.random.random() < 0.7 else os.path.join(os.path.dirname(path), self.random.choice(NAMES))
        if os.path.lexists(path) or len(os.path.basename(path)) > 255:
            return
        kind = self.random.choice("ffffffdddlphsscb")
        files = [p for p in self.everything() if os.path.islink(p) or not os.path.isdir(p)]
        if kind == "d":
            os.mkdir(path)
        elif kind == "l":
            os.symlink(self.random.choice([b"-", b"/etc/passwd", b"../x", b"l" * 300, b"a\nb\\c\td"]), path)
        elif kind == "p":
            os.mkfifo(path)
        elif kind in "cb":
            try:
                os.mknod(path, 0o600 | (stat.S_IFCHR if kind == "c" else stat.S_IFBLK), os.makedev(1, 3))
            except PermissionError:
                pass
        elif kind == "h" and files:
            os.link(self.random.choice(files), path, follow_symlinks=False)
        elif kind == "s":
            with open(path, "wb") as file:
                for at in sorted(self.random.sample(range(0, 4_000_000, 4096), 3)):
                    file.seek(at)
                    file.write(b"data")
                file.truncate(self.random.choice([4_100_000, file.tell()]))
        else:
            with open(path, "wb") as file:
                file.write(self.content())
        if os.path.lexists(path):
            self.dress(path)

    def dress(self, path):
        if os.geteuid() == 0:
            os.chown(path, self.random.choice([0, 1000, 4_000_000_000]), self.random.choice([0, 100]),
                     follow_symlinks=False)
        if not os.path.islink(path):
            os.chmod(path, self.random.choice([0o755, 0o644, 0o4711, 0o1777, 0o2770, 0o000, 0o400]))
        if os.path.isfile(path) and not os.path.islink(path) and self.random.random() < 0.4:
            for name, value in self.random.sample([
                    ("user.a=b", b"x"), ("user.%41", b"\0\xff"), ("user.empty", b""), ("user.,", b"y" * 200),
                    ("security.capability", bytes.fromhex("0100000200040000000000000000000000000000")),
                    ("trusted.t", b"t"),
                    ("system.posix_acl_access", acl((1, 6, -1), (2, 7, 1000), (4, 4, -1), (16, 7, -1), (32, 0, -1)))], 2):
                self.attribute(path, name, value)
        if os.path.isdir(path) and not os.path.islink(path) and self.random.random() < 0.3:
            self.attribute(path, "system.posix_acl_default",
                           acl((1, 7, -1), (2, 5, 1000), (4, 5, -1), (16, 7, -1), (32, 5, -1)))
        time = self.random.choice([-2_000_000_000, -1.5, 0, 0.000000001, 1_700_000_000.25, 7_000_000_000])
        os.utime(path, ns=(0, int(time * 10**9)), follow_symlinks=False)

    def attribute(self, path, name, value):
        try:
            os.setxattr(path, name, value)
        except OSError:
            pass  # not every file system or user may

    def day(self):
        for _ in range(self.random.randrange(10, 30)):
            self.add()
        there = list(self.everything())
        for path in self.random.sample(there, min(len(there), 6)):
            if not os.path.lexists(path):
                continue
            what = self.random.choice("rmdca")
            if what == "r":
                to = os.path.join(os.path.dirname(path), b"renamed%d" % self.random.randrange(1000))
                os.rename(path, to)
            elif what == "m":
                self.dress(path)
            elif what == "d" and os.path.isdir(path) and not os.path.islink(path):
                shutil.rmtree(path)
            elif what == "d":
                os.unlink(path)
            elif what == "a" and os.path.isfile(path) and not os.path.islink(path):
                with open(path, "ab") as file:
                    file.write(b"more")
        for path in [self.root] + list(self.everything()):
            if os.path.isdir(path) and not os.path.islink(path):
                os.utime(path, ns=(0, 1_600_000_000_000_000_000 + self.random.randrange(10**9)))


def acl(*entries):
    return (2).to_bytes(4, "little") + b"".join(
        tag.to_bytes(2, "little") + permissions.to_bytes(2, "little") + (who & 0xFFFFFFFF).to_bytes(4, "little")
        for tag, permissions, who in entries)


class Histories(Sandbox):
    """Random directories, as they change, from the discs that coldcut makes."""

    def history(self, seed, keys, *options):
        """{snapshot: a copy of the source of then}; of format 1 those that are listed on a disc."""
        tree = Tree(self.path("source"), seed)
        days, listed, discs = {}, set(), 0
        for day in range(1, 4):
            tree.day()
            self.coldcut("backup", self.path("source"), self.path("shelf"), "--name", "demo", "--yes", "--quiet",
                         "--allow-shrink", "--max-shrink", "100",
                         *(("--flush",) if day == 3 else ()),  # a last day without new content is on a disc, too
                         *(options if day == 1 else options[options.index("--passphrase-file"):][:2] if keys else ()))
            days[day] = self.path("day%d" % day)
            subprocess.run(["cp", "-a", "--sparse=always", self.path("source"), days[day]], check=True)
            if len(self.images(self.path("shelf"))) != discs:
                discs = len(self.images(self.path("shelf")))
                listed.add(day)
        self.format_2 = "format 2," in self.read(*keys, self.path("shelf"), command="list")
        return days if self.format_2 else {day: days[day] for day in listed}

    def one(self, *options, keys=()):
        seed = int(os.environ.get("SEED", random.randrange(10**9)))
        with self.subTest(seed=seed):
            days = self.history(seed, keys, *options)
            for number, copied in days.items():
                self.read(*keys, "-s", str(number), self.path("shelf"), self.path("back%d" % number))
                self.compare(copied, self.path("back%d" % number))
            self.read(*keys, self.path("shelf"), command="verify")
            self.without_one(random.Random(seed), keys, days)

    def without_one(self, dice, keys, days):
        """Without one of the discs nothing wrong comes back, and what does not is named."""
        left = self.images(self.path("shelf"))
        left.remove(dice.choice(left))
        done = subprocess.run([sys.executable, READER, "restore", *keys, *left, self.path("rest")],
                              stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        said = done.stdout.decode("utf-8", "replace")
        self.assertNotIn("Traceback", said)
        if not left or done.returncode == 1:
            return
        self.assertIn(done.returncode, (0, 3), said)
        number = int(re.search(r"^snapshot (\d+) of the set", said, re.M).group(1))
        source, back = manifest(days[number], self.format_2), manifest(self.path("rest"), self.format_2)
        self.assertEqual(done.returncode == 0, not set(source) - set(back) and "--indexes" not in said, said)
        self.assertEqual(set(), set(back) - set(source))
        self.assertEqual(len(set(source) - set(back)), said.count("\n  missing: "), said)
        for path, facts in back.items():
            self.assertEqual(source[path][:5], facts[:5], path)

    def compare(self, source, back):
        source, back = manifest(source, self.format_2), manifest(back, self.format_2)
        self.assertEqual(sorted(source), sorted(back))
        for path in source:
            for facts in (source[path], back[path]):  # where holes are is for the writer to say
                facts[:] = [fact for fact in facts if not (isinstance(fact, list) and fact and isinstance(fact[0][0], int))]
            self.assertEqual(source[path], back[path], path)

    def test_migrated_discs(self):
        seed = int(os.environ.get("SEED", random.randrange(10**9)))
        with self.subTest(seed=seed):
            days = self.history(seed, (), "--disc-size", "2M")
            self.coldcut("migrate", "--all", "--from", self.path("shelf"), "--to", self.path("new"), "--disc-size", "8M",
                         "--name", "demo", "--yes", "--quiet")
            for number in days if self.format_2 else [max(days)]:
                self.read("-s", str(number), self.path("new"), self.path("back%d" % number))
                self.compare(days[number], self.path("back%d" % number))
            self.read(self.path("new"), command="verify")

    def test_small_discs(self):
        self.one("--disc-size", "2M")

    def test_small_archives_without_compression(self):
        self.one("--compress", "none", "--archive-size", "200K", "--disc-size", "4M")

    def test_passphrase_and_zstd(self):
        self.one("--compress", "zstd", "--disc-size", "2M", "--encrypt", "--passphrase-file", self.passphrase,
                 keys=("-p", self.passphrase))



# ----------------------------------------------------------------- sets of format 2


def uuid(seed):
    digits = hashlib.sha256(seed.encode()).hexdigest()
    return "-".join((digits[:8], digits[8:12], digits[12:16], digits[16:20], digits[20:32]))


def escape(field):
    field = field.encode() if isinstance(field, str) else field
    if field in (b"-", b"="):
        return b"\\055" if field == b"-" else b"\\075"
    return field.replace(b"\\", b"\\\\").replace(b"\t", b"\\t").replace(b"\n", b"\\n")


def walk(path):
    return [] if path == b"." else path.split(b"/")


class Node:
    """An object of a source that exists only here."""

    def __init__(self, kind, data=b"", mode=0o644, time=1_500_000_000_123_456_789, xattrs=()):
        self.kind, self.data, self.mode, self.time, self.xattrs = kind, data, mode, time, dict(xattrs)

    def metadata(self):
        link = escape(self.data) if self.kind in "lh" else b"-"
        device = self.data if self.kind in "cb" else b"-"
        xattrs = b",".join(re.sub(rb"[^A-Za-z0-9._-]", lambda m: b"%%%02X" % m.group(0)[0], name.encode()) + b"="
                           + base64.b64encode(value) for name, value in sorted(self.xattrs.items()))
        sign, time = (b"-", -self.time) if self.time < 0 else (b"", self.time)
        return b"\t".join([b"%04o" % self.mode, b"0", b"0", b"root", b"root",
                           sign + b"%d.%09d" % divmod(time, 10**9), link, device, xattrs or b"-", b"-"])

    def sha(self):
        return hashlib.sha256(self.data).hexdigest().encode()


def tree(**files):
    """A source: file a_b is `a b`, with a directory."""
    nodes = {b".": Node("d", mode=0o755)}
    for name, value in files.items():
        path = name.replace("__", "/").encode()
        if b"/" in path:
            nodes.setdefault(path.split(b"/")[0], Node("d", mode=0o750))
        nodes[path] = value if isinstance(value, Node) else Node("f", value)
    return nodes


class Maker:
    """Writes the discs of a set, as directories, as the page says."""

    def __init__(self, out, name="demo", sources=(("-", "/home/demo"),)):
        self.out, self.name, self.sources = out, name, sources
        self.set = uuid("set " + name)
        self.disc = self.archive = self.snapshot = 0
        self.stored = {}  # sha: (where, member)
        self.known = set()  # objects without content that were stored
        self.rows, self.history = {}, []  # path: (fields 1 to 16, since); the same and until
        self.before, self.snapshots = [], []
        self.suffix = ""  # makes the UUIDs of another branch others
        self.names = []

    def branch(self, out):
        other = copy.deepcopy(self)
        other.out, other.suffix = out, self.suffix + "'"
        return other

    def run(self, nodes, breaks=(), split=None):
        """Stores a snapshot. A disc ends before each path of `breaks`; `split`: {path: sizes}
        of parts, each but the last of which ends a disc. Gives the discs' directories."""
        self.snapshot += 1
        self.names = []
        self.snapshots.append((self.snapshot, "2030-01-%02dT00:00:00Z" % self.snapshot,
                               uuid("snapshot %d%s" % (self.snapshot, self.suffix))))
        self.nodes = nodes
        self.index, self.archives, self.places = [], [], {}
        for path in sorted(nodes, key=walk):
            node = nodes[path]
            if node.kind == "f" and node.data:
                known = self.stored.get(node.sha())
                self.places[path] = known if known else ([b"?"], None)
        self.update()
        for path in sorted(nodes, key=walk):
            if path in breaks:
                self.close()
            self.store(path, nodes[path], (split or {}).get(path))
        self.close(last=True)
        return self.names

    def store(self, path, node, sizes):
        if node.kind != "f" or not node.data:
            key = (path, node.kind, node.data, node.metadata())
            if key not in self.known:
                self.known.add(key)
                self.member(path, node, path, node.data if node.kind == "f" else b"", 0, 0, 0)
            return
        if node.sha() in self.stored:
            self.places[path] = self.stored[node.sha()]
            return
        if not sizes:
            where = [b"%d:%d" % (self.disc + 1, self.next_archive())]
            self.stored[node.sha()] = self.places[path] = (where, path)
            self.member(path, node, path, node.data, 0, 0, 0)
            return
        member = b".coldcut-parts/" + hashlib.sha256(path + node.sha()).hexdigest()[:16].encode()
        where, at = [], 0
        for number, size in enumerate(sizes, 1):
            last = number == len(sizes)
            where.append(b"%d:%d" % (self.disc + 1, self.next_archive()))
            self.places[path] = (where[:] if last else where + [b"?"], member)
            self.member(path, node, member + b"/%04d" % number, node.data[at:at + size], number,
                        len(sizes) if last else 0, at)
            at += size
            if not last:
                self.close()
        self.stored[node.sha()] = (where, member)

    def next_archive(self):
        return self.archive + len(self.archives) + 1

    def member(self, path, node, name, data, part, parts, offset):
        info = tarfile.TarInfo(os.fsdecode(name))
        info.type = {"f": tarfile.REGTYPE, "d": tarfile.DIRTYPE, "l": tarfile.SYMTYPE, "h": tarfile.LNKTYPE,
                     "p": tarfile.FIFOTYPE, "c": tarfile.CHRTYPE, "b": tarfile.BLKTYPE}[node.kind]
        info.size, info.mode = len(data), node.mode
        if node.kind in "lh":
            info.linkname = os.fsdecode(node.data)
        tar = info.tobuf(tarfile.PAX_FORMAT, "utf-8", "surrogateescape") + data + bytes(-len(data) % 512)
        sha = hashlib.sha256(data).hexdigest().encode() if node.kind == "f" else b"-"
        whole = node.sha() if node.kind == "f" and (parts or not part) else b"-"
        row = [b"%d" % self.snapshot, node.kind.encode(), escape(path), b"=" if name == path else escape(name),
               b"%d" % len(data), sha, None, b"0", None, b"0", b"%d" % part, b"%d" % parts if parts else b"-",
               b"%d" % offset, b"%d" % (len(node.data) if node.kind == "f" else 0),
               b"=" if whole == sha != b"-" else whole, node.metadata()]
        self.archives.append((row, tar))

    def update(self):
        """Rows of the newest snapshot, and of older ones, as far as is known now."""
        was = {path: value for path, value in self.rows.items()}
        self.rows = {}
        for path, node in self.nodes.items():
            where, member = self.places.get(path, ([b"-"], None))
            unknown = b"?" in where
            fields = [node.kind.encode(), escape(path), b"%d" % (len(node.data) if node.kind == "f" else 0),
                      b"-" if node.kind != "f" or unknown else node.sha(), b",".join(where),
                      b"-" if member is None else b"=" if member == path else escape(member), node.metadata()]
            old = was.get(path)
            same = old is not None and old[1] < self.snapshot and old[2] == (node.kind, node.data, node.metadata())
            since = old[1] if same or (old is not None and old[1] == self.snapshot) else self.snapshot
            self.rows[path] = (fields, since, (node.kind, node.data, node.metadata()))
        for path, (fields, since, _) in was.items():
            if since < self.snapshot and (path not in self.rows or self.rows[path][1] == self.snapshot):
                self.history.append((path, fields, since, self.snapshot - 1))

    def close(self, last=False):
        self.disc += 1
        disc = os.path.join(self.out, "disc%d%s" % (self.disc, self.suffix))
        os.makedirs(os.path.join(disc, "archives"))
        index = []
        for row, tar in self.archives:
            self.archive += 1
            packed = bz2.compress(tar[:900_000])
            for at in range(900_000, len(tar), 900_000):
                packed += bz2.compress(tar[at:at + 900_000])
            row[6], row[8] = b"%d" % self.archive, b"%d" % len(packed)
            index.append(b"\t".join(row))
            with open(os.path.join(disc, "archives/%08d.tar.bz2" % self.archive), "wb") as file:
                file.write(packed + bz2.compress(bytes(1024)))
        self.archives = []
        self.update()
        own = uuid("disc %d%s %s" % (self.disc, self.suffix, self.name))
        everything = [(n, d, u) for n, d, u in self.snapshots]
        self.listing(disc, "INDEX", own, everything, index)
        listings = ["INDEX"]
        if last or not self.names:
            self.listing(disc, "SNAPSHOT", own, everything[-1:], [
                b"\t".join(self.rows[path][0] + [b"%d" % self.rows[path][1]]) for path in sorted(self.rows, key=walk)])
            listings.append("SNAPSHOT")
            if self.history:
                self.listing(disc, "HISTORY", own, everything, [
                    b"\t".join(fields + [b"%d" % since, b"%d" % until])
                    for path, fields, since, until in sorted(self.history, key=lambda row: (walk(row[0]), row[2]))])
                listings.append("HISTORY")
        text = ("format=2\nkind=data\nset=%s\nset_uuid=%s\ndisc=%d\ndisc_uuid=%s\nsnapshot=%d\ndate=2030-01-%02dT01:00:00Z\n"
                "coldcut=2.0\nencryption=none\ncompression=bzip2\ndigest=sha256\nparity=0\nlistings=%s\ntitle=A \\x41\n" % (
                    self.name, self.set, self.disc, own, self.snapshot, self.snapshot, " ".join(listings)))
        write(disc, "DISC.txt", text.encode())
        write(disc, "README.txt", b"A disc.\n-----BEGIN DISC.txt-----\n" + text.encode() + b"-----END DISC.txt-----\n")
        self.before.append((self.disc, own, seal(disc)))
        self.names.append(disc)

    def listing(self, disc, name, own, snapshots, rows):
        source = "-" if len(self.sources) > 1 else self.sources[0][1]
        lines = ["#coldcut-%s\t2" % name.lower(), "#set\t%s\t%s" % (self.name, self.set),
                 "#disc\t%d\t%s" % (self.disc, own)]
        lines += ["#snapshot\t%d\t%s\t%s\t%s" % (n, d, source, u) for n, d, u in snapshots]
        lines += ["#before\t%d\t%s\t%s" % line for line in self.before]
        lines += ["#source\t%s\t%s" % line for line in self.sources]
        lines += ["#digest\tsha256", "#charset\tUTF-8", "#something\tnew"]
        write(disc, name + ".tsv.bz2", bz2.compress(b"".join(line + b"\n" for line in [l.encode() for l in lines] + rows)))


def write(disc, name, data):
    with open(os.path.join(disc, name), "wb") as file:
        file.write(data)


def seal(disc):
    """Writes SHA256SUMS anew; its sum."""
    lines = []
    for place, _, files in os.walk(disc):
        for name in files:
            path = os.path.relpath(os.path.join(place, name), disc)
            if path != "SHA256SUMS":
                with open(os.path.join(disc, path), "rb") as file:
                    lines.append("%s  %s\n" % (hashlib.sha256(file.read()).hexdigest(), path))
    text = "".join(sorted(lines, key=lambda line: line[66:])).encode()
    write(disc, "SHA256SUMS", text)
    return hashlib.sha256(text).hexdigest()


def change(disc, name, action):
    """Changes a listing, and makes the sums fit, as somebody who means harm would."""
    path = os.path.join(disc, name)
    with open(path, "rb") as file:
        data = file.read()
    write(disc, name, bz2.compress(action(bz2.decompress(data))) if name.endswith(".bz2") else action(data))
    seal(disc)


ONE = dict(a=b"first a", b=b"first b", d__x=b"in d", d__y=b"in d, too", gone=b"will go", same=b"in d")
TWO = dict(a=b"second a", b=b"first b", d__x=b"in d", d__y=b"changed", new=b"new", moved=b"will go", same=b"in d")
THREE = dict(a=b"first a", b=b"third b", d=b"a file now", new=b"new", z__z=b"zzz")


class Format2(Sandbox):
    """Sets of format 2: snapshots, histories, gaps, twins, branches, refusals."""

    def setUp(self):
        super().setUp()
        os.mkdir(self.path("set"))
        self.maker = Maker(self.path("set"))
        self.count = 0

    def check(self, nodes, *arguments, code=0, without=()):
        """Restores, and compares with what the source was; what the reader said."""
        self.count += 1
        target = self.path("target%d" % self.count)
        said = self.read(*arguments, target, code=code)
        found = {}
        for path, facts in manifest(target).items():
            found[path] = facts
        wanted = {path: node for path, node in nodes.items() if path not in without}
        self.assertEqual(sorted(wanted), sorted(found), said)
        for path, node in wanted.items():
            full, real = os.path.join(os.fsencode(target), path), node
            while real.kind == "h":
                real = nodes[real.data]
            if node.kind == "h":
                self.assertTrue(os.path.samestat(os.lstat(full), os.lstat(os.path.join(os.fsencode(target), node.data))))
            if real.kind == "f":
                with open(full, "rb") as file:
                    self.assertEqual(real.data, file.read(), path)
            if real.kind == "l":
                self.assertEqual(real.data, os.readlink(full))
            else:
                self.assertEqual(real.mode, stat.S_IMODE(os.lstat(full).st_mode), path)
            self.assertEqual(real.time, os.lstat(full).st_mtime_ns, path)
            names = os.listxattr(full, follow_symlinks=False)
            self.assertEqual(real.xattrs, {n: os.getxattr(full, n, follow_symlinks=False) for n in names}, path)
        return said

    def three(self):
        one, = self.maker.run(tree(**ONE))
        two, = self.maker.run(tree(**TWO))
        three, = self.maker.run(tree(**THREE))
        return one, two, three

    def test_every_snapshot_comes_back(self):
        discs = self.three()
        self.check(tree(**THREE), *discs)
        for number, files in enumerate((ONE, TWO, THREE), 1):
            self.check(tree(**files), "-s", str(number), *discs)
            self.check(tree(**files), "-s", str(number), self.path("set"))
        self.assertIn("there are 1 2 3", self.read("-s", "4", *discs, self.path("t"), code=1))
        self.assertIn("there are 1 2 3", self.read("-s", "0", *discs, self.path("t2"), code=1))
        said = self.read(*discs, command="list")
        for number in (1, 2, 3):
            self.assertIn("snapshot %d  2030-01-%02dT" % (number, number), said)
        self.assertEqual(3, self.read(self.path("set"), command="verify").count(": sound"))

    def test_odd_objects(self):
        nodes = tree(file=Node("f", b"linked", 0o600, -1_500_000_000), empty=b"", fifo=Node("p", mode=0o640))
        nodes[b"-"], nodes[b"="] = Node("f", b"minus"), Node("f", b"equals", xattrs={"user.a=b%": b"\0"})
        nodes[b"to minus"] = Node("l", b"-", 0o777)
        nodes[b"other"] = Node("h", b"file", 0o600, -1_500_000_000)
        nodes[b"to minus again"], nodes[b"z fifo"] = Node("h", b"to minus", 0o777), Node("h", b"fifo", 0o640)
        nodes[b"z\nn\t\\"] = Node("d", mode=0o700)
        nodes[b"z\nn\t\\/" + b"n" * 255] = Node("f", b"deep", 0o4755)
        disc, = self.maker.run(nodes)
        self.check(nodes, disc)
        image = self.path("disc.iso")
        subprocess.run(["xorriso", "-as", "mkisofs", "-quiet", "-R", "-J", "-o", image, disc], check=True)
        self.check(nodes, image)
        self.read(image, command="verify")

    def test_several_sources(self):
        self.maker.sources = (("home", "/home"), ("srv", "/srv/data"))
        discs = self.maker.run(tree(home__a=b"a", srv__a=b"another a"))
        self.check(tree(home__a=b"a", srv__a=b"another a"), *discs)

    def test_last_disc_of_a_run_is_lost(self):
        big = bytes(range(256)) * 8000
        nodes = tree(**ONE, film=big, z=b"last")
        first, between, last, end = self.maker.run(nodes, breaks=(b"z",), split={b"film": [1_000_000, 500_000, 548_000]})
        self.check(nodes, first, between, last, end)
        self.check(nodes, end, last, between, first)
        said = self.check(nodes, first, between, last, code=3, without=(b"z", b"same"))
        self.assertIn("missing: z", said)
        said = self.check(nodes, first, between, end, code=3, without=(b"film", b"gone"))
        self.assertIn("disc 3 (%s)" % uuid("disc 3 demo"), said)

    def test_run_without_its_snapshots_gives_the_run_before(self):
        one, = self.maker.run(tree(**ONE))
        first, between, last = self.maker.run(tree(**TWO), breaks=(b"d", b"moved"))
        self.assertIn("--indexes", self.check(tree(**ONE), one, between, code=3))
        made = tree(**ONE)
        made[b"d/y"] = Node("f", b"changed")
        self.check(made, "--indexes", one, between, code=3, without=(b"same",))

    def test_listing_is_made_of_indexes(self):
        one, two, three = self.three()
        for disc in (one, two, three):
            flip(os.path.join(disc, "SNAPSHOT.tsv.bz2"), 30)
        nodes = tree(**dict(ONE, **TWO))
        nodes.update(tree(new=b"new", z__z=b"zzz", b=b"third b"))
        del nodes[b"moved"]
        nodes[b"d"], nodes[b"a"] = Node("f", b"a file now"), Node("f", b"second a")
        said = self.check({path: node for path, node in nodes.items() if not path.startswith(b"d/")},
                          one, two, three, code=3, without=(b"same",))
        self.assertIn("without a SNAPSHOT", said)

    def test_hard_link_in_a_made_listing_keeps_its_content(self):
        nodes = tree(a=b"old", b=b"b")
        nodes[b"z"] = Node("h", b"a")
        one, = self.maker.run(nodes)
        later = tree(a=b"new a", b=b"b")
        later[b"z"] = Node("f", b"old")
        two, = self.maker.run(later)
        for disc in (one, two):
            os.unlink(os.path.join(disc, "SNAPSHOT.tsv.bz2"))
            seal(disc)
        self.check(later, one, two, code=3)

    def test_history_that_cannot_be_read_is_replaced(self):
        one, two, three = self.three()
        flip(os.path.join(three, "HISTORY.tsv.bz2"), 40)
        self.check(tree(**TWO), "-s", "2", one, two, three, code=3)
        self.check(tree(**ONE), "-s", "1", one, two, three, code=3)
        self.read("-s", "2", one, three, self.path("none"), code=1)
        self.check(tree(**THREE), one, two, three)

    def test_disc_that_is_not_needed_is_not_missed(self):
        one, two, three = self.three()
        four, = self.maker.run(tree(a=b"all new", b=b"too"))
        self.check(tree(a=b"all new", b=b"too"), four)
        said = self.check(tree(**TWO), "-s", "2", four, two, code=3, without=(b"b", b"d/x", b"same", b"moved"))
        self.assertIn("disc 1 (%s) is not here" % uuid("disc 1 demo"), said)
        self.assertNotIn("disc 3", said)

    def branches(self):
        one, = self.maker.run(tree(**ONE))
        other = self.maker.branch(self.path("set"))
        two, = self.maker.run(tree(**TWO))
        twin, = other.run(tree(**THREE))
        return one, two, twin

    def test_two_branches_ask_which(self):
        one, two, twin = self.branches()
        for discs in ((one, two, twin), (twin, two, one)):
            said = self.read(*discs, self.path("none"), code=1)
            for disc in (uuid("disc 2 demo"), uuid("disc 2' demo")):
                self.assertIn(disc, said)
            self.assertIn("--disc UUID", said)
            self.check(tree(**TWO), "--disc", uuid("disc 2 demo"), *discs)
            said = self.check(tree(**THREE), "--disc", uuid("disc 2' demo"), *discs)
            self.assertIn("is not of the history", said)
            self.read("--disc", uuid("disc 1 demo"), *discs, self.path("none"), code=1)
        self.check(tree(**ONE), "--disc", uuid("disc 2 demo"), "-s", "1", one, two, twin)
        three, = self.maker.run(tree(**THREE, more=b"more"))
        self.read(one, two, three, twin, self.path("none"), code=1)
        self.check(tree(**THREE, more=b"more"), one, two, three)

    def test_disc_that_the_last_one_does_not_name_is_no_branch(self):
        one, two, three = (self.maker.run(tree(**nodes))[0] for nodes in (ONE, TWO, THREE))
        del self.maker.before[1]
        four, = self.maker.run(tree(last=b"last"))
        self.assertNotIn("is not of the history", self.check(tree(last=b"last"), one, two, three, four))
        # Without the one that names it, nothing does.
        self.read(one, two, four, self.path("none"), code=1)

    def test_twin_without_a_listing_is_passed_over(self):
        one, = self.maker.run(tree(**ONE))
        other = self.maker.branch(self.path("set"))
        first, between, last = self.maker.run(tree(**TWO), breaks=(b"b", b"new"))
        twins = other.run(tree(**dict(TWO, d__y=b"twin")), breaks=(b"b", b"new"))
        said = self.check(tree(**TWO), one, twins[1], first, between, last)
        self.assertIn("is not of the history", said)
        # The first disc's listing knows none of both, and they are of its history by their
        # INDEX only if they name it.
        self.check(tree(**TWO), one, first, twins[1], between, code=3, without=(b"new",))

    def test_older_listing_on_a_newer_disc_is_refused(self):
        one, two, three = self.three()
        shutil.copy(os.path.join(one, "SNAPSHOT.tsv.bz2"), os.path.join(three, "SNAPSHOT.tsv.bz2"))
        seal(three)
        said = self.check(tree(**TWO), one, two, three, code=3)
        self.assertIn("does not agree with DISC.txt", said)

    def test_header_must_agree(self):
        for what in (b"#snapshot\t1", b"#disc\t1\t", uuid("set demo").encode(), uuid("disc 1 demo").encode()):
            maker = Maker(self.path("set"))
            disc, = maker.run(tree(a=b"a"))
            change(disc, "SNAPSHOT.tsv.bz2", lambda text: text.replace(what, what[:-1] + b"7" + (b"\t" if what[-1:] == b"\t" else b""), 1))
            self.assertIn("does not agree", self.read(disc, self.path("t" + what[:5].hex()), code=3))
            shutil.rmtree(disc)

    def test_strict_rows(self):
        bad = [(b"\t0644\t", b"\t06440\t"), (b"\tf\t", b"\tq\t"), (b"a\t7", b"a\t07"), (b"=\t0644", b"=\t644"), (b"a\t7", b"\\x41\t7"),
               (b"a\t7", b"\\\t7"), (b"first", b"")]
        for old, new in bad[2:6]:
            maker = Maker(self.path("set"))
            disc, = maker.run(tree(a=b"first a", b=b"first b"))
            change(disc, "SNAPSHOT.tsv.bz2", lambda text: text.replace(b"f\t" + old if old[:1] == b"a" else old, b"f\t" + new if old[:1] == b"a" else new, 1))
            said = self.read(disc, self.path("t" + new.hex()), code=3)
            self.assertIn("without a SNAPSHOT", said)
            shutil.rmtree(disc)

    def test_nothing_is_written_elsewhere(self):
        victim = self.path("victim")
        os.mkdir(victim)
        for evil in (b"../victim/x", b"/" + os.fsencode(victim) + b"/x", b"a/../../victim/x", b"a//x", b"./x"):
            disc, = Maker(self.path("set")).run(tree(a=Node("d", mode=0o755), b=b"content"))
            change(disc, "SNAPSHOT.tsv.bz2", lambda text: re.sub(
                rb"(?m)^f\tb\t(.*)\t=\t0644", lambda row: b"f\t" + evil + b"\t" + row.group(1) + b"\tb\t0644", text))
            self.read(disc, self.path("target"), code=3)
            self.assertEqual([], os.listdir(victim))
            self.assertLessEqual(set(os.listdir(self.path("target"))), {"a", "b"})
            shutil.rmtree(disc)
            shutil.rmtree(self.path("target"))
        nodes = tree(b=b"content")
        nodes[b"a"] = Node("l", os.fsencode(victim), 0o777)
        nodes[b"a/x"] = Node("f", b"through a link")
        disc, = Maker(self.path("set")).run(nodes)
        self.assertIn("no directory", self.read(disc, self.path("target"), code=3))
        self.assertEqual([], os.listdir(victim))

    def test_nothing_is_overwritten_or_followed_in_the_target(self):
        one, = self.maker.run(tree(**ONE))
        victim, target = self.path("victim"), self.path("target")
        os.mkdir(victim)
        os.mkdir(target)
        os.symlink(victim, os.path.join(target, "d"))
        with open(os.path.join(target, "a"), "w") as file:
            file.write("mine")
        said = self.read(one, target, code=3)
        self.assertIn("something else is there", said)
        self.assertEqual([], os.listdir(victim))
        with open(os.path.join(target, "a")) as file:
            self.assertEqual("mine", file.read())

    def test_a_second_run_adds_what_was_missing(self):
        one, two, three = self.three()
        target = self.path("target1")
        self.check(tree(**THREE), three, code=3, without=(b"a", b"new"))
        self.count = 0
        self.check(tree(**THREE), one, two, three)
        self.count = 0
        self.check(tree(**THREE), one, two, three)

    def test_contents_must_have_the_sums_of_the_listing(self):
        """INDEX, archive and SHA256SUMS agree with each other, and say something else."""
        one, = self.maker.run(tree(a=b"right a", b=b"right b"))
        old, new = (hashlib.sha256(text).hexdigest().encode() for text in (b"right a", b"wrong a"))
        path = os.path.join(one, "archives/00000002.tar.bz2")
        with open(path, "rb") as file:
            tar = bz2.decompress(file.read()).replace(b"right a", b"wrong a")[:-1024]
        write(one, "archives/00000002.tar.bz2", bz2.compress(tar) + bz2.compress(bytes(1024)))

        def forge(text):
            rows = [line.split(b"\t") for line in text.split(b"\n")]
            for row in rows:
                if len(row) > 9 and row[5] == old:
                    row[5], row[8] = new, b"%d" % len(bz2.compress(tar))
            return b"\n".join(b"\t".join(row) for row in rows)

        change(one, "INDEX.tsv.bz2", forge)
        self.read(one, command="verify")
        self.assertIn("not the sum that the listing says",
                      self.check(tree(a=b"right a", b=b"right b"), one, code=3, without=(b"a",)))
        change(one, "INDEX.tsv.bz2", lambda text: text.replace(new, old))
        self.assertIn("not the sum that INDEX says", self.read(one, command="verify", code=3))

    def test_target_whose_default_acl_would_be_inherited(self):
        one, = self.maker.run(tree(**ONE))
        try:
            os.setxattr(self.work, "system.posix_acl_default",
                        acl((1, 7, -1), (2, 7, 1000), (4, 5, -1), (16, 7, -1), (32, 5, -1)))
        except OSError:
            self.skipTest("a file system without ACLs")
        self.check(tree(**ONE), one)

    def test_unfinished_run_is_not_mixed_with_another_of_its_number(self):
        nodes = tree(**TWO)
        first, between, last = self.maker.run(nodes, breaks=(b"d", b"moved"))
        self.check(nodes, first, between, code=3, without=(b"moved", b"new", b"same"))
        old = uuid("snapshot 1").encode()
        change(between, "INDEX.tsv.bz2", lambda text: text.replace(old, uuid("another").encode()))
        self.check(nodes, first, between, code=3,
                   without=(b"d/x", b"d/y", b"moved", b"new", b"same"))

    def test_target_and_discs_in_the_wrong_order(self):
        one, two, three = self.three()
        said = self.read(self.path("target"), three, code=2)
        self.assertIn("TARGET comes last", said)
        self.read(one, code=2)
        self.assertIn("no disc of a set", self.read(self.work, self.path("new"), code=4))

    def test_damaged_disc_txt_is_read_from_readme(self):
        one, two, three = self.three()
        flip(os.path.join(three, "DISC.txt"), 20)
        self.assertIn("DISC.txt is damaged", self.check(tree(**THREE), one, two, three, code=3))
        os.unlink(os.path.join(three, "DISC.txt"))
        self.check(tree(**THREE), one, two, three, code=3)

    def test_damaged_sums(self):
        one, two, three = self.three()
        flip(os.path.join(three, "SHA256SUMS"), 3)
        self.check(tree(**THREE), one, two, three, code=3)
        with open(os.path.join(three, "SHA256SUMS"), "r+b") as file:
            file.truncate(30)
        self.check(tree(**THREE), one, two, three, code=3)
        os.unlink(os.path.join(three, "SHA256SUMS"))
        self.check(tree(**THREE), one, two, three, code=3)

    def test_changed_disc_is_named_by_the_later_ones(self):
        one, two, three = self.three()
        write(one, "README.txt", b"another text")
        seal(one)
        said = "not the one that later discs know of disc 1"
        self.assertIn(said, self.check(tree(**THREE), one, two, three))
        # It is wrong only where a content is.
        flip(os.path.join(one, "archives/00000002.tar.bz2"), 60)
        seal(one)
        self.count = 0
        self.assertIn(said, self.read(one, two, three, self.path("damaged"), code=3))

    def test_unknown_format_is_refused(self):
        one, two, three = self.three()
        for disc in (one, two, three):
            change(disc, "DISC.txt", lambda text: text.replace(b"format=2", b"format=3"))
        self.assertIn("format 3", self.read(one, two, three, self.path("target"), code=1))

    def test_renamed_set_is_the_same_set(self):
        one, = self.maker.run(tree(**ONE))
        self.maker.name = "other-name"
        two, = self.maker.run(tree(**TWO))
        self.assertIn("other-name", self.check(tree(**TWO), one, two))

    def test_discs_of_two_sets(self):
        one, = self.maker.run(tree(**ONE))
        os.mkdir(self.path("second"))
        other, = Maker(self.path("second"), "second").run(tree(**TWO))
        self.assertIn("several sets", self.read(one, other, self.path("none"), code=1))
        self.check(tree(**TWO), "--disc", uuid("disc 1 second"), one, other)

    def test_encrypted_sets_refuse_what_is_plain(self):
        one, = self.maker.run(tree(**ONE))
        two, = self.maker.run(tree(**TWO))
        self.encrypt(two)
        said = self.check(tree(**TWO), "-p", self.passphrase, one, two, code=3, without=(b"b", b"d/x", b"moved", b"same"))
        self.assertIn("disc 1 of", said)
        self.encrypt(one)
        said = self.check(tree(**TWO), "-p", self.passphrase, one, two)
        self.assertIn("not the one that later discs know of disc 1", said)
        for name in ("archives/00000008.tar.bz2", "SNAPSHOT.tsv.bz2", "INDEX.tsv.bz2"):
            os.rename(os.path.join(two, name + ".gpg"), self.path("kept"))
            write(two, name, b"plain")
            seal(two)
            said = self.read("-p", self.passphrase, one, two, self.path("plain" + name[:4]), code=3)
            self.assertIn(name + " is not encrypted", said)
            os.rename(self.path("kept"), os.path.join(two, name + ".gpg"))
            os.unlink(os.path.join(two, name))
        # A message that only looks as if it were encrypted.
        plain = subprocess.run(["gpg", "--homedir", self.home, "--batch", "--store"], stderr=subprocess.DEVNULL,
                               input=bz2.compress(b"#coldcut-snapshot\t2\n"), stdout=subprocess.PIPE).stdout
        write(two, "SNAPSHOT.tsv.bz2.gpg", plain)
        seal(two)
        self.assertIn("SNAPSHOT", self.check(tree(**ONE), "-p", self.passphrase, one, two, code=3))

    def encrypt(self, disc):
        self.home = self.path("gnupg")
        os.makedirs(self.home, 0o700, exist_ok=True)
        for place, _, files in os.walk(disc):
            for name in files:
                if name.endswith(".bz2"):
                    path = os.path.join(place, name)
                    subprocess.run(["gpg", "--homedir", self.home, "--batch", "--quiet", "--pinentry-mode", "loopback",
                                    "--passphrase-file", self.passphrase, "--s2k-count", "65536", "-c", path],
                                   check=True)
                    os.unlink(path)
        change(disc, "DISC.txt", lambda text: text.replace(b"encryption=none", b"encryption=passphrase"))


class Bunzip2(Sandbox):
    """bunzip2.c expands what bzip2 packs, and no damaged input makes it do wrong."""

    def setUp(self):
        super().setUp()
        self.program = self.path("bunzip2")
        self.build("-std=c89", "-pedantic", "-Wall", "-Wextra", "-Werror", "-O2")

    def build(self, *options):
        subprocess.run(["cc", *options, "-o", self.program, os.path.join(FORMAT, "bunzip2.c")], check=True)

    def expand(self, data, code=0):
        done = subprocess.run([self.program], input=data, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                              env=dict(os.environ, ASAN_OPTIONS="exitcode=99", UBSAN_OPTIONS="exitcode=98"))
        self.assertEqual(code, done.returncode, done.stderr)
        return done.stdout

    def texts(self):
        dice = random.Random(7)
        yield b""
        yield b"a"
        for length in (3, 4, 5, 255, 258, 259, 260, 1000):
            yield b"x" * length + b"y" + b"z" * length
        yield bytes(dice.getrandbits(8) for _ in range(300_000))
        yield bytes(2_500_000)
        yield b"ab" * 500_000
        yield b"".join(b"%d\n" % n for n in range(250_000))
        yield b"".join(bytes([n % 256]) * (n % 300) for n in range(6000))
        yield bytes(range(256)) * 40

    def test_texts_come_back(self):
        for level in (1, 9):
            for text in self.texts():
                packed = subprocess.run(["bzip2", "-%d" % level], input=text, stdout=subprocess.PIPE, check=True).stdout
                self.assertEqual(text, self.expand(packed))
        self.assertEqual(b"one" + b"two" * 500, self.expand(bz2.compress(b"one") + bz2.compress(b"") + bz2.compress(b"two" * 500)))

    def test_damaged_input_is_found_and_does_no_harm(self):
        self.build("-g", "-O1", "-fsanitize=address,undefined", "-fno-sanitize-recover")
        dice = random.Random(int(os.environ.get("SEED", 11)))
        text = b"".join(b"%d " % (n * n) for n in range(3000))
        packed = bz2.compress(text)
        self.expand(b"", code=1)
        self.expand(b"no bzip2 data", code=1)
        for _ in range(int(os.environ.get("ROUNDS", 60))):
            self.expand(packed[:dice.randrange(len(packed))], code=1)
            broken = bytearray(packed)
            for _ in range(dice.choice([1, 1, 3])):
                place = dice.choice([dice.randrange(len(packed)), dice.randrange(60)])
                broken[place] ^= 1 << dice.randrange(8)
            if self.expands(broken) is None:
                self.expand(bytes(broken), code=1)

    def expands(self, data):
        try:
            return bz2.decompress(bytes(data))
        except (OSError, ValueError):
            return None


if __name__ == "__main__":
    unittest.main()
