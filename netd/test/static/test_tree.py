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


class TreeTests(SynchronousTestCase):
    """
    Which files a tree has.
    """

    def setUp(self) -> None:
        """Make a tree with links of every kind, and files outside of it."""
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
            file = Tree(self.root, policy).find(tuple(os.fsencode(path).split(b"/")))
            if file.directory:
                return None
            try:
                return os.read(file.fd, 100)
            finally:
                os.close(file.fd)
        finally:
            self.assertEqual(descriptors(), before)

    def names(self, path: str = "", policy: Symlinks = "inside") -> set[bytes]:
        """The listed names of the directory `path`."""
        before = descriptors()
        names = tuple(os.fsencode(path).split(b"/")) if path else ()
        listing = Tree(self.root, policy).scan(names)
        self.assertEqual(descriptors(), before)
        return {entry.name for entry in listing.entries}

    def test_plain(self) -> None:
        """Files and directories are found, whatever the policy on links."""
        for policy in POLICIES:
            self.assertEqual(self.read("file", policy), b"file")
            self.assertEqual(self.read("sub/deep/low", policy), b"low")
            self.assertIsNone(self.read("sub/deep", policy))
            self.assertTrue(Tree(self.root, policy).find(()).directory)

    def test_missing(self) -> None:
        """An absent file, a name below a file and a name that is too long are missing."""
        for policy in POLICIES:
            for path in ("none", "none/none", "file/none", "sub/none", "x" * 300, "x/" * 3000):
                self.assertRaises(Missing, self.read, path, policy)
                self.assertRaises(Missing, self.names, path, policy)
            self.assertRaises(Missing, self.names, "file", policy)

    def test_missingLeavesNoCycle(self) -> None:
        """A missing file leaves no reference cycle."""
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
        """By default links are followed while they stay below the root."""
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
        """With the policy `none` no link is followed."""
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
        """With the policy `all` every link is followed; a loop is missing."""
        self.assertEqual(self.read("out", "all"), b"secret")
        self.assertEqual(self.read("up/outside/secret", "all"), b"secret")
        self.assertEqual(self.read("in-folder/low", "all"), b"low")
        self.assertEqual(self.names("out-folder", "all"), {b"secret"})
        for path in ("loop", "broken"):
            self.assertRaises(Missing, self.read, path, "all")

    def test_rootIsLink(self) -> None:
        """The root itself may be a link, whatever the policy."""
        link = self.base / "link"
        link.symlink_to("root")
        for policy in POLICIES:
            file = Tree(link, policy).find((b"file",))
            os.close(file.fd)
        os.close(Tree(link).find((b"in-absolute",)).fd)

    def test_wholeDisk(self) -> None:
        """The root may be / itself."""
        path = tuple(os.fsencode((self.root / "in").absolute()).split(b"/")[1:])
        os.close(Tree("/").find(path).fd)

    def test_special(self) -> None:
        """FIFOs, sockets and devices are missing, and no open waits for a writer."""
        os.mkfifo(self.root / "fifo")
        (self.root / "fifo-link").symlink_to("fifo")
        (self.root / "null").symlink_to("/dev/null")
        server = socket.socket(socket.AF_UNIX)
        self.addCleanup(server.close)
        directory = os.open(self.root, os.O_RDONLY)
        self.addCleanup(os.close, directory)
        server.bind(f"/proc/self/fd/{directory}/socket")
        for policy in POLICIES:
            for path in ("fifo", "fifo-link", "socket", "null"):
                self.assertRaises(Missing, self.read, path, policy)
            listed = self.names("", policy)
            self.assertTrue(listed.isdisjoint({b"fifo", b"fifo-link", b"socket", b"null"}))

    def test_turnedFifo(self) -> None:
        """A file that becomes a FIFO just before it is opened is missing, and closed."""
        real = os.stat
        os.mkfifo(self.root / "fifo")

        def outdated(path: bytes, **how: object) -> os.stat_result:
            return real(b"file" if path == b"fifo" else path, **how)  # type: ignore[arg-type]

        self.patch(os, "stat", outdated)
        self.assertRaises(Missing, self.read, "fifo")

    def test_swapped(self) -> None:
        """A directory that is swapped with a link out of the root leads to no file outside."""
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
        """A file without permission is forbidden."""
        (self.root / "file").chmod(0)
        (self.root / "sub").chmod(0)
        self.addCleanup((self.root / "sub").chmod, 0o755)
        # Root reads everything: be another user, who must have access to the tree.
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
        """A disk fault stays an OSError."""

        def broken(*_: object, **__: object) -> int:
            raise OSError(5, "Input/output error")

        self.patch(os, "open", broken)
        error = self.assertRaises(OSError, Tree(self.root).find, (b"file",))
        self.assertEqual(error.errno, 5)

    def test_entries(self) -> None:
        """A listing has the entries that a URL can name; a link counts as its target."""
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
        self.assertEqual((entries[b"in"].size, entries[b"in"].directory), (3, False))
        self.assertTrue(entries[b"in-folder"].directory)
        self.assertTrue(entries[b"sub"].directory)

    def test_strange(self) -> None:
        """Names of any bytes are listed and file."""
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
            opened = Tree(self.root).find((b"sub", b"deep", name))
            self.assertEqual(os.read(opened.fd, 100), name)
            os.close(opened.fd)

    def test_many(self) -> None:
        """A listing has a limited number of entries and says when there are more."""
        self.patch(tree, "MAX_ENTRIES", 5)
        folder = self.root / "sub" / "deep"
        for number in range(4):
            (folder / f"{number}").write_bytes(b"")
        names = (b"sub", b"deep")
        listing = Tree(self.root).scan(names)
        self.assertEqual((len(listing.entries), listing.complete), (5, True))
        (folder / "more").write_bytes(b"")
        listing = Tree(self.root).scan(names)
        self.assertEqual((len(listing.entries), listing.complete), (5, False))
