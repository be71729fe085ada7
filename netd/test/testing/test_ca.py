"""
Tests of netd.testing.ca.
"""

from __future__ import annotations

import fcntl
import io
import os
import ssl
import stat
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from threading import Event, Thread, current_thread

from twisted.trial.unittest import SynchronousTestCase

from netd.testing import ca
from netd.testing.ca import CA, KEPT_SECONDS, Certificate, cache_directory, kept, trusted


class HandshakeTests(SynchronousTestCase):
    """
    What a client makes of each certificate.
    """

    def setUp(self) -> None:
        room = Path(self.mktemp())
        room.mkdir()
        self.ca = CA(room)

    def handshake(self, pair: Certificate, host: str, client: ssl.SSLContext) -> None:
        """A handshake in memory; ssl.SSLError when one side refuses."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(*pair)
        to_server, to_client = ssl.MemoryBIO(), ssl.MemoryBIO()
        server = context.wrap_bio(to_server, to_client, server_side=True)
        there = client.wrap_bio(to_client, to_server, server_hostname=host)
        for end in (there, server, there, server):
            try:
                end.do_handshake()
            except ssl.SSLWantReadError:
                continue

    def refused(self, pair: Certificate) -> str:
        """Why a client that trusts the authority refuses this certificate of localhost."""
        caught = self.assertRaises(
            ssl.SSLCertVerificationError, self.handshake, pair, "localhost", self.ca.context()
        )
        message: str = caught.verify_message
        return message

    def test_good(self) -> None:
        """The certificate of a server is good for localhost and the addresses of loopback."""
        for host in ("localhost", "127.0.0.1", "::1"):
            self.handshake(self.ca.server(), host, self.ca.context())
        self.handshake(self.ca.server("a.test"), "a.test", self.ca.context())

    def test_refused(self) -> None:
        """Each bad certificate is refused for its own reason."""
        self.assertEqual(self.refused(self.ca.expired()), "certificate has expired")
        self.assertIn("self-signed", self.refused(self.ca.self_signed()).replace(" ", "-"))
        self.assertIn("Hostname mismatch", self.refused(self.ca.wrong_name()))
        self.handshake(self.ca.wrong_name(), ca.WRONG_NAME, self.ca.context())

    def test_client(self) -> None:
        """The certificate of a client is the authority's too, and has its name."""
        pair = self.ca.client("Alice Smith")
        context = self.ca.context()
        context.load_cert_chain(*pair)
        text = ssl._ssl._test_decode_cert(pair.certificate)  # type: ignore[attr-defined]
        self.assertIn((("commonName", "Alice Smith"),), text["subject"])

    def test_files(self) -> None:
        """Only the user may read the keys; what was made is given again."""
        self.assertEqual(self.ca.server(), self.ca.server())
        pairs = [self.ca.server(), self.ca.expired(), self.ca.self_signed()]
        for key in (*(each.key for each in pairs), str(self.ca.directory / "ca.key")):
            self.assertEqual(stat.S_IMODE(os.stat(key).st_mode), 0o600)
        self.assertEqual([*self.ca.directory.glob(".*")], [])

    def test_together(self) -> None:
        """Of two processes that make a certificate at a time, both use that of the first."""
        issue = self.ca._ca.issue_cert

        def slowly(*names: str) -> object:
            self.patch(self.ca._ca, "issue_cert", issue)
            self.first = Path(self.ca.server().certificate).read_bytes()
            return issue(*names)

        self.patch(self.ca._ca, "issue_cert", slowly)
        self.assertEqual(Path(self.ca.server().certificate).read_bytes(), self.first)
        self.handshake(self.ca.server(), "localhost", self.ca.context())
        self.assertEqual([*self.ca.directory.glob(".*")], [])

    def test_names(self) -> None:
        """A name of any letters is a file of the directory."""
        for name in ("::1", "*.a.test", "a/../../b", "..", 'a"b<c>|d?'):
            for path in self.ca.client(name):
                self.assertEqual(Path(path).parent, self.ca.directory)
                self.assertNotRegex(Path(path).name, r'[:*/"<>|?\\]')

    def test_again(self) -> None:
        """An authority that is in the directory already goes on."""
        again = CA(self.ca.directory)
        self.handshake(again.server("b.test"), "b.test", self.ca.context())


class KeptTests(SynchronousTestCase):
    """
    The authority of the user's cache.
    """

    def setUp(self) -> None:
        self.cache = Path(self.mktemp()).absolute()
        self.patch(os, "environ", {"XDG_CACHE_HOME": str(self.cache), "HOME": "/h"})

    def test_week(self) -> None:
        """It is private, stays for a week, and is then another."""
        self.patch(sys, "platform", "linux")
        first = Path(kept().bundle).read_bytes()
        bundle = self.cache / "netd/authority/ca.pem"
        self.assertEqual(stat.S_IMODE(bundle.parent.stat().st_mode), 0o700)
        self.assertEqual(Path(kept().bundle).read_bytes(), first)
        old = time.time() - KEPT_SECONDS - 1
        os.utime(bundle, (old, old))
        self.assertNotEqual(Path(kept().bundle).read_bytes(), first)

    def test_renewedTwice(self) -> None:
        """Of two that renew it at the same moment, the second uses what the first made."""
        old = time.time() - KEPT_SECONDS - 1
        os.utime(kept().bundle, (old, old))
        others: list[CA] = []
        second = Thread(target=lambda: others.append(kept()))
        waits = Event()
        lock, iterdir = fcntl.flock, Path.iterdir

        def flock(descriptor: int, operation: int) -> None:
            if current_thread() is second:
                waits.set()
            lock(descriptor, operation)

        def look(directory: Path) -> Iterator[Path]:
            # The first has found an old authority and has not removed it yet.
            if not second.ident:
                second.start()
                while second.is_alive() and not waits.is_set():
                    waits.wait(0.01)
            return iterdir(directory)

        self.patch(fcntl, "flock", flock)
        self.patch(Path, "iterdir", look)
        first = kept()
        second.join()
        bundle = Path(first.bundle).read_bytes()
        for each in (first, *others):
            self.assertEqual(each._ca.cert_pem.bytes(), bundle)
        self.assertEqual(len(others), 1)

    def test_foreign(self) -> None:
        """A directory that others may write is refused."""
        directory = cache_directory()
        directory.mkdir(parents=True)
        directory.chmod(0o777)
        with self.assertRaisesRegex(PermissionError, "others may change it"):
            kept()

    def test_places(self) -> None:
        """Each system has its own place for caches."""
        for platform, place in (
            ("linux", self.cache / "netd/authority"),
            ("darwin", Path("/h/Library/Caches/netd/authority")),
            ("win32", Path("/h/AppData/Local/netd/authority")),
        ):
            self.patch(sys, "platform", platform)
            self.assertEqual(cache_directory(), place)

    def test_main(self) -> None:
        """The module prints the path of the bundle."""
        out = io.StringIO()
        self.patch(sys, "stdout", out)
        ca.main()
        self.assertEqual(out.getvalue(), f"{cache_directory() / 'ca.pem'}\n")

    def test_trusted(self) -> None:
        """It is used where a variable of the process names it, and nowhere else."""
        self.assertIsNone(trusted())
        os.environ["REQUESTS_CA_BUNDLE"] = kept().bundle
        used = trusted()
        assert used is not None
        self.assertEqual(used.bundle, kept().bundle)
        os.environ["REQUESTS_CA_BUNDLE"] = "/elsewhere"
        self.assertIsNone(trusted())
