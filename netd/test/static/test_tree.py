"""
The tree on the disk.
"""

from __future__ import annotations

import contextlib
import gc
import os
import socket
import threading
from pathlib import Path

from twisted.trial.unittest import SynchronousTestCase

from netd.settings import Symlinks
from netd.static import tree
from netd.static.tree import Forbidden, Missing, Tree

POLICIES: tuple[Symlinks, ...] = ("inside", "all", "none")


def descriptors() -> set[str]:
    """The descriptors that this process has open."""
    return set(os.listdir("/proc/self/fd" if os.path.exists("/proc/self/fd") else "/dev/fd"))


class DiskTests(SynchronousTestCase):
    """
    What is found, and what is not.
    """

    def setUp(self) -> None:
        """A tree with links of every kind, and something outside it."""
        self.base = Path(self.mktemp())
        self.root = self.base / "root"
        (self.root / "sub" / "deep").mkdir(parents=True)
        (self.root / "file").write_bytes(b"file")
        (self.root / "sub" / "deep" / "low").write_bytes(b"low")
        (self.base / "secret").write_bytes(b"secret")
        (self.base / "outside").mkdir()
        (self.base / "outside" / "secret").write_bytes(b"secret")
        (self.base / "root-too").mkdir()
        (self.base / "root-too" / "secret").write_bytes(b"secret")
        for name, target in (
            ("in", "sub/deep/low"),
            ("in-folder", "sub/deep"),
            ("in-absolute", str((self.root / "file").absolute())),
            ("self", "."),
            ("out", "../secret"),
            ("out-folder", "../outside"),
            ("out-neighbour", "../root-too"),
            ("out-absolute", "/etc/passwd"),
            ("up", ".."),
            ("loop", "loop"),
            ("broken", "nothing"),
        ):
            (self.root / name).symlink_to(target)

    def read(self, path: str, policy: Symlinks = "inside") -> bytes | None:
        """The file at `path`, None for a directory; no descriptor stays open."""
        before = descriptors()
        try:
            found = Tree(self.root, policy).find(tuple(os.fsencode(path).split(b"/")))
            if found.folder:
                return None
            try:
                return os.read(found.fd, 100)
            finally:
                os.close(found.fd)
        finally:
            self.assertEqual(descriptors(), before)

    def names(self, path: str = "", policy: Symlinks = "inside") -> set[bytes]:
        """What is listed of the directory `path`."""
        before = descriptors()
        names = tuple(os.fsencode(path).split(b"/")) if path else ()
        scan = Tree(self.root, policy).scan(names)
        self.assertEqual(descriptors(), before)
        return {entry.name for entry in scan.entries}

    def test_plain(self) -> None:
        """Files and directories are found, whatever the policy on links."""
        for policy in POLICIES:
            self.assertEqual(self.read("file", policy), b"file")
            self.assertEqual(self.read("sub/deep/low", policy), b"low")
            self.assertIsNone(self.read("sub/deep", policy))
            self.assertTrue(Tree(self.root, policy).find(()).folder)

    def test_missing(self) -> None:
        """What is not there is missing, and so is a name below a file or one too long."""
        for policy in POLICIES:
            for path in ("none", "none/none", "file/none", "sub/none", "x" * 300, "x/" * 3000):
                self.assertRaises(Missing, self.read, path, policy)
                self.assertRaises(Missing, self.names, path, policy)
            self.assertRaises(Missing, self.names, "file", policy)

    def test_missingLeaves(self) -> None:
        """What is missing leaves nothing, nor whoever asked for it, to the collector."""
        gc.collect()
        gc.disable()
        self.addCleanup(gc.enable)
        for policy in POLICIES:
            for path in (b"none", b"out", b"loop"):
                with contextlib.suppress(Missing, Forbidden):
                    os.close(Tree(self.root, policy).find((path,)).fd)
                with contextlib.suppress(Missing, Forbidden):
                    Tree(self.root, policy).scan((path,))
        self.assertEqual(gc.collect(), 0)

    def test_linksInside(self) -> None:
        """By default links are followed as long as they stay below the root."""
        self.assertEqual(self.read("in"), b"low")
        self.assertEqual(self.read("in-folder/low"), b"low")
        self.assertEqual(self.read("in-absolute"), b"file")
        self.assertEqual(self.read("self/self/file"), b"file")
        self.assertIsNone(self.read("self"))
        self.assertEqual(self.names("in-folder"), {b"low"})
        for path in (
            "out",
            "out-folder",
            "out-folder/secret",
            "out-neighbour/secret",
            "out-absolute",
            "up",
            "up/secret",
            "loop",
            "loop/x",
            "broken",
        ):
            self.assertRaises(Missing, self.read, path)
        self.assertRaises(Missing, self.names, "out-folder")

    def test_linksNone(self) -> None:
        """No link is followed when none is to be."""
        for path in (
            "in",
            "in-folder/low",
            "in-absolute",
            "self/file",
            "out",
            "loop",
            "broken",
        ):
            self.assertRaises(Missing, self.read, path, "none")
        self.assertRaises(Missing, self.names, "in-folder", "none")

    def test_linksAll(self) -> None:
        """Every link is followed when all are to be; a loop is missing all the same."""
        self.assertEqual(self.read("out", "all"), b"secret")
        self.assertEqual(self.read("up/outside/secret", "all"), b"secret")
        self.assertEqual(self.read("in-folder/low", "all"), b"low")
        self.assertEqual(self.names("out-folder", "all"), {b"secret"})
        for path in ("loop", "broken"):
            self.assertRaises(Missing, self.read, path, "all")

    def test_rootIsLink(self) -> None:
        """The root itself may be a link: that is the operator's word."""
        link = self.base / "link"
        link.symlink_to("root")
        for policy in POLICIES:
            found = Tree(link, policy).find((b"file",))
            os.close(found.fd)
        os.close(Tree(link).find((b"in-absolute",)).fd)

    def test_wholeDisk(self) -> None:
        """The root may be / itself."""
        path = tuple(os.fsencode((self.root / "in").absolute()).split(b"/")[1:])
        os.close(Tree("/").find(path).fd)

    def test_special(self) -> None:
        """FIFOs, sockets and devices are missing, and nobody waits for a writer."""
        os.mkfifo(self.root / "fifo")
        (self.root / "fifo-link").symlink_to("fifo")
        (self.root / "null").symlink_to("/dev/null")
        server = socket.socket(socket.AF_UNIX)
        self.addCleanup(server.close)
        here = os.open(self.root, os.O_RDONLY)
        self.addCleanup(os.close, here)
        server.bind(f"/proc/self/fd/{here}/socket")
        for policy in POLICIES:
            for path in ("fifo", "fifo-link", "socket", "null"):
                self.assertRaises(Missing, self.read, path, policy)
            listed = self.names("", policy)
            self.assertTrue(listed.isdisjoint({b"fifo", b"fifo-link", b"socket", b"null"}))

    def test_turnedFifo(self) -> None:
        """A file that turns into a FIFO just before it is opened is missing, and closed."""
        real = os.stat
        os.mkfifo(self.root / "fifo")

        def late(path: bytes, **how: object) -> os.stat_result:
            return real(b"file" if path == b"fifo" else path, **how)  # type: ignore[arg-type]

        self.patch(os, "stat", late)
        self.assertRaises(Missing, self.read, "fifo")

    def test_swapped(self) -> None:
        """While a directory is swapped with a link out of the root, nothing outside is read."""
        (self.root / "swap").mkdir()
        (self.root / "swap" / "secret").write_bytes(b"mine")
        (self.root / "spare").symlink_to("../outside")
        stop = threading.Event()

        def swap() -> None:
            while not stop.is_set():
                os.rename(self.root / "swap", self.root / "third")
                os.rename(self.root / "spare", self.root / "swap")
                os.rename(self.root / "swap", self.root / "spare")
                os.rename(self.root / "third", self.root / "swap")

        thread = threading.Thread(target=swap)
        thread.start()
        try:
            for policy in ("inside", "none"):
                for _ in range(300):
                    with contextlib.suppress(Missing):
                        self.assertEqual(self.read("swap/secret", policy), b"mine")
        finally:
            stop.set()
            thread.join()

    def test_forbidden(self) -> None:
        """What may not be read is said to be just that."""
        (self.root / "file").chmod(0)
        (self.root / "sub").chmod(0)
        self.addCleanup((self.root / "sub").chmod, 0o755)
        # Root reads everything: be somebody else, who must get here first.
        for path in (self.base, *Path(self.base).parents):
            path.chmod(0o755)
        user = os.geteuid()
        if not user:
            os.seteuid(65534)
        try:
            for policy in POLICIES:
                self.assertRaises(Forbidden, self.read, "file", policy)
                self.assertRaises(Forbidden, self.read, "sub/deep/low", policy)
                self.assertRaises(Forbidden, self.names, "sub", policy)
        finally:
            os.seteuid(user)

    def test_broken(self) -> None:
        """A fault of the disk stays what it is."""

        def broken(*_: object, **__: object) -> int:
            raise OSError(5, "Input/output error")

        self.patch(os, "open", broken)
        error = self.assertRaises(OSError, Tree(self.root).find, (b"file",))
        self.assertEqual(error.errno, 5)

    def test_entries(self) -> None:
        """A listing holds what can be asked for; links count as what they lead to."""
        (self.root / ".hidden").write_bytes(b"")
        (self.root / "back\\slash").write_bytes(b"")
        (self.root / ".well-known").mkdir()
        inside = {b"in", b"in-folder", b"in-absolute", b"self"}
        plain = {b"file", b"sub", b".well-known"}
        self.assertEqual(self.names(), plain | inside)
        self.assertEqual(self.names(policy="none"), plain)
        everything = plain | inside | {b"out", b"out-folder", b"out-neighbour", b"up"}
        self.assertEqual(self.names(policy="all"), everything | {b"out-absolute"})
        entries = {entry.name: entry for entry in Tree(self.root).scan(()).entries}
        self.assertEqual((entries[b"in"].size, entries[b"in"].folder), (3, False))
        self.assertTrue(entries[b"in-folder"].folder)
        self.assertTrue(entries[b"sub"].folder)

    def test_strange(self) -> None:
        """Names of any bytes are listed and found."""
        names = [
            b" ",
            b"a\nb",
            b"\"'<>&",
            b"%41",
            b"\xff\xfe",
            "\u202egpj.exe".encode(),
            b"~",
            b"-rf",
            b"#?;:",
            b"\x01",
        ]
        root = os.fsencode(self.root / "sub" / "deep")
        for name in names:
            with open(os.path.join(root, name), "wb") as file:
                file.write(name)
        self.assertEqual(self.names("sub/deep"), {b"low", *names})
        for name in names:
            found = Tree(self.root).find((b"sub", b"deep", name))
            self.assertEqual(os.read(found.fd, 100), name)
            os.close(found.fd)

    def test_many(self) -> None:
        """Of very many entries only so many are listed, and it says so."""
        self.patch(tree, "MOST_ENTRIES", 5)
        folder = self.root / "sub" / "deep"
        for number in range(4):
            (folder / f"{number}").write_bytes(b"")
        names = (b"sub", b"deep")
        scan = Tree(self.root).scan(names)
        self.assertEqual((len(scan.entries), scan.whole), (5, True))
        (folder / "more").write_bytes(b"")
        scan = Tree(self.root).scan(names)
        self.assertEqual((len(scan.entries), scan.whole), (5, False))
