"""
The static tree as real clients see it.
"""

from __future__ import annotations

import os
import re
import select
import shutil
import socket
import struct
import threading
import time
import zlib
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import requests
import requests_cache
from twisted.trial.unittest import SynchronousTestCase

from tests.browser import resize, screenshot, shared_browser
from tests.certificates import certificate
from tests.clients import connect, curl, receive
from tests.programs import needs
from tests.running import DEADLINE, Daemon, eventually, run
from tests.workers import descriptors

LONG_AGO = 1_000_000_000
LARGE = os.urandom(1024) * 3000


def put(path: Path, data: bytes, mtime: float = LONG_AGO) -> Path:
    """Write a file with an old modification time."""
    path.write_bytes(data)
    os.utime(path, (mtime, mtime))
    return path


class TreeCase(SynchronousTestCase):
    """A daemon that serves a directory below /files/, and alone on a second port."""

    options: tuple[str, ...] = ()

    def setUp(self) -> None:
        """Start it."""
        self.root = Path(self.mktemp()).absolute()
        self.root.mkdir(parents=True)
        put(self.root / "small.txt", b"small\n")
        put(self.root / "large.bin", LARGE)
        arguments = ("--files", str(self.root), "--files-http", "tcp:0", *self.options)
        self.daemon = self.enterContext(Daemon(*arguments))
        self.url = f"http://localhost:{self.daemon.where('files-http').port}"

    def connect(self) -> socket.socket:
        """A TCP connection to the tree's own port."""
        sock = connect(self.daemon.address("files-http"))
        self.addCleanup(sock.close)
        return sock


class FilesTests(TreeCase):
    """
    The places of the tree, and its responses.
    """

    @needs("curl")
    def test_both(self) -> None:
        """The same file is below /files/ and at the root of its own port."""
        for url in (f"{self.daemon.url}/files", self.url):
            response = curl(f"{url}/small.txt")
            self.assertEqual((response.status, response.body), (200, b"small\n"))
            self.assertEqual(response.headers["content-type"], "text/plain; charset=utf-8")
            self.assertEqual(curl(f"{url}/none").status, 404)
        self.assertEqual(curl(f"{self.url}/", "-H", "Accept: application/json").status, 200)

    def test_large(self) -> None:
        """A large file arrives whole, and so do two on one connection."""
        got = requests.get(f"{self.url}/large.bin", timeout=DEADLINE)
        self.assertEqual(got.content, LARGE)
        sock = self.connect()
        ask = b"GET /large.bin HTTP/1.1\r\nHost: localhost\r\n\r\n"
        sock.sendall(ask + ask.replace(b"Host", b"Connection: close\r\nHost"))
        received = receive(sock)
        self.assertEqual(received.count(LARGE), 2)
        self.assertEqual(len(re.findall(rb"HTTP/1.1 200", received)), 2)

    @needs("curl")
    def test_tricks(self) -> None:
        """No path leads out of the tree or to a hidden file, and none causes a 5xx."""
        put(self.root / ".secret", b"secret")
        (self.root / "passwd").symlink_to("/etc/passwd")
        os.mkfifo(self.root / "fifo")
        for path in (
            "/../../../../etc/passwd",
            "/%2e%2e/%2e%2e/etc/passwd",
            "/..%2f..%2fetc/passwd",
            "/..%5c..%5cetc/passwd",
            "/%00",
            "/.secret",
            "/passwd",
            "/fifo",
            "//etc/passwd",
        ):
            response = curl(f"{self.url}{path}", "--path-as-is")
            self.assertIn(response.status, (400, 404), path)
            self.assertNotIn(b"root:", response.body)

    def test_growing(self) -> None:
        """Each response from a growing log is exactly as long as its Content-Length."""
        # The first response may come before the writer's first line.
        log = put(self.root / "live.log", b"line 0\nanother line\n")
        done = threading.Event()

        def write() -> None:
            with log.open("ab", buffering=0) as file:
                while not done.is_set():
                    file.write(b"another line\n" * 500)
                    time.sleep(0.0005)

        with ThreadPoolExecutor(1) as pool:
            writing = pool.submit(write)
            try:
                with requests.Session() as session:
                    for _ in range(30):
                        got = session.get(f"{self.url}/live.log", timeout=DEADLINE)
                        self.assertEqual(got.status_code, 200)
                        self.assertEqual(len(got.content), int(got.headers["content-length"]))
                        self.assertTrue(got.content.startswith(b"line 0\nanother line\n"))
            finally:
                done.set()
                writing.result()

    @needs("curl")
    def test_shrinking(self) -> None:
        """A file that shrinks meanwhile cuts its connection, and no other."""
        path = self.root / "shrinks.bin"
        with path.open("wb") as file:
            file.truncate(64 * 2**20)
        for fields in (b"", b"Range: bytes=0-20000000,30000000-60000000\r\n"):
            os.truncate(path, 64 * 2**20)
            sock = self.connect()
            sock.sendall(b"GET /shrinks.bin HTTP/1.1\r\nHost: localhost\r\n" + fields + b"\r\n")
            self.assertTrue(sock.recv(1000).startswith(b"HTTP/1.1 20"))
            os.truncate(path, 1000)
            with self.assertRaises(ConnectionResetError):
                while sock.recv(2**20):
                    pass
                raise AssertionError("closed as if all were well")
            self.assertEqual(curl(f"{self.url}/small.txt").status, 200)

    def test_descriptors(self) -> None:
        """Clients that leave in the middle of a file leave no descriptor open."""

        def large() -> int:
            names = descriptors(self.daemon.pid).values()
            return sum(str(self.root) in name for name in names)

        for _ in range(20):
            sock = self.connect()
            sock.sendall(b"GET /large.bin HTTP/1.1\r\nHost: localhost\r\n\r\n")
            sock.recv(10)
            sock.close()
        eventually(lambda: True if large() == 0 else None, "closed files")

    @needs("curl")
    def test_huge(self) -> None:
        """A range past 4 GiB of a sparse file of 5 GiB has the right bytes."""
        path = self.root / "huge"
        with path.open("wb") as file:
            file.truncate(5 * 2**30)
            file.seek(2**32 + 7)
            file.write(b"needle")
        response = curl(f"{self.url}/huge", "-r", f"{2**32 + 7}-{2**32 + 12}")
        self.assertEqual((response.status, response.body), (206, b"needle"))
        tail = requests.get(
            f"{self.url}/huge",
            headers={"Range": f"bytes={2**32}-{2**32 + 999_999}"},
            timeout=DEADLINE,
        )
        self.assertEqual(len(tail.content), 1_000_000)
        self.assertEqual(tail.content[7:13], b"needle")

    def test_many(self) -> None:
        """The listing of 20 000 entries is cut, and other requests do not wait for it."""
        folder = self.root / "many"
        folder.mkdir()
        for number in range(20_000):
            os.mknod(folder / f"{number}")
        self.addCleanup(shutil.rmtree, folder)
        entries = requests.get(f"{self.url}/many/?format=json", timeout=DEADLINE).json()
        self.assertEqual(len(entries["entries"]), 10_000)
        self.assertFalse(entries["complete"])

        def overtaken() -> bool:
            first, second = self.connect(), self.connect()
            first.sendall(b"GET /many/?format=json HTTP/1.1\r\nHost: localhost\r\n\r\n")
            second.sendall(b"GET /small.txt HTTP/1.1\r\nHost: localhost\r\n\r\n")
            self.assertIn(b"200 OK", second.recv(100))
            return not select.select([first], [], [], 0)[0]

        # One may be complete before a busy machine sends the other request.
        self.assertTrue(any(overtaken() for _ in range(10)))


def logged(daemon: Daemon, url: str) -> str:
    """The access log, which is written in batches, with all requests so far."""
    curl(f"{url}/the-end")
    return daemon.logged("GET /the-end")


@needs("curl")
class CachingTests(TreeCase):
    """
    Caches that people use.
    """

    options = ("--files-cache", "*.css=max-age=3600")

    def test_requestsCache(self) -> None:
        """requests-cache revalidates no-cache files and serves others from its cache."""
        put(self.root / "style.css", b"body {}")
        session = requests_cache.CachedSession(
            str(self.root.parent / "cache"), backend="sqlite", cache_control=True
        )
        with session:
            first = session.get(f"{self.url}/small.txt")
            self.assertFalse(first.from_cache)
            again = session.get(f"{self.url}/small.txt")
            self.assertEqual((again.content, again.revalidated), (b"small\n", True))
            session.get(f"{self.url}/style.css")
            styled = session.get(f"{self.url}/style.css")
            self.assertEqual((styled.from_cache, styled.revalidated), (True, False))
            put(self.root / "small.txt", b"other\n", LONG_AGO + 1)
            self.assertEqual(session.get(f"{self.url}/small.txt").content, b"other\n")
            session.cache.close()
        log = logged(self.daemon, self.url)
        self.assertEqual(len(re.findall(r"GET /small\.txt HTTP/1\.1\" 304", log)), 1)
        self.assertEqual(len(re.findall(r"GET /small\.txt HTTP/1\.1\" 200", log)), 2)
        self.assertEqual(len(re.findall(r"GET /style\.css", log)), 1)

    def test_curlEtag(self) -> None:
        """curl --etag-compare fetches a file again only when it has changed."""
        tag = str(self.root.parent / "etag")
        url = f"{self.url}/small.txt"
        self.assertEqual(curl(url, "--etag-save", tag).status, 200)
        self.assertEqual(curl(url, "--etag-compare", tag).status, 304)
        self.assertEqual(curl(url, "-z", "Sun, 09 Sep 2001 01:46:40 GMT").status, 304)
        put(self.root / "small.txt", b"other\n", LONG_AGO + 1)
        self.assertEqual(curl(url, "--etag-compare", tag).body, b"other\n")

    def test_curlResume(self) -> None:
        """curl resumes a download; a replaced file is sent from its beginning."""
        url = f"{self.url}/large.bin"
        etag = curl(url, "--head").headers["etag"]
        part = self.root.parent / "part"
        part.write_bytes(LARGE[:1_000_000])
        resume = ("curl", "-q", "-sS", "--noproxy", "*", "-C", "-", "-o", str(part))
        self.assertEqual(run(*resume, url).status, 0)
        self.assertEqual(part.read_bytes(), LARGE)
        other = LARGE[::-1]
        put(self.root / "new", other, LONG_AGO + 1).rename(self.root / "large.bin")
        part.write_bytes(LARGE[:1_000_000])
        # curl itself refuses the whole file where it asked for a part (33), so that
        # nothing is mixed; without the part it gets the new one.
        done = run(*resume, "-H", f"If-Range: {etag}", url)
        self.assertEqual(done.status, 33)
        self.assertEqual(part.read_bytes(), LARGE[:1_000_000])
        fields = {"Range": "bytes=1000000-", "If-Range": etag}
        whole = requests.get(url, headers=fields, timeout=DEADLINE)
        self.assertEqual((whole.status_code, whole.content), (200, other))
        part.unlink()
        self.assertEqual(run(*resume, "-H", f"If-Range: {etag}", url).status, 0)
        self.assertEqual(part.read_bytes(), other)

    @needs("chromium", "chromedriver")
    def test_browser(self) -> None:
        """A browser that reloads an unchanged page gets a 304."""
        put(
            self.root / "page.html",
            b"<!doctype html><link rel=stylesheet href=style.css><p id=p>one</p><script>"
            b"if (!sessionStorage.again) { sessionStorage.again = 1; location.reload() }"
            b"else { document.getElementById('p').textContent = 'reloaded' }</script>",
        )
        driver = self.enterContext(shared_browser())
        driver.get(f"{self.url}/page.html")
        eventually(lambda: True if "reloaded" in driver.page_source else None, "the reload")
        self.daemon.logged('GET /page.html HTTP/1.1" 304')
        log = logged(self.daemon, self.url)
        self.assertEqual(len(re.findall(r'GET /page\.html HTTP/1\.1" 200', log)), 1)


@needs("chromium", "chromedriver")
class ListingTests(TreeCase):
    """
    The listing in a browser.
    """

    def setUp(self) -> None:
        """Fill the tree with names that are hard to show."""
        super().setUp()
        folder = os.fsencode(self.root)
        for number, name in enumerate(
            (
                b"notes with spaces.txt",
                b"new\nline.txt",
                b"quotes \" and ' & <b>tags<b>.html",
                b"100%41.txt",
                b"latin-1 \xe9\xff.txt",
                "right-to-left \u202egpj.exe".encode(),
                "Grüße 日本語 🎈.txt".encode(),
                b"a-very-long-name-" + b"that-goes-on-" * 14 + b".tar.gz",
                b"javascript:alert(1)",
            )
        ):
            with open(os.path.join(folder, name), "wb") as file:
                file.truncate(37**number % 2**33)
        for each in ("archive", "photos 2026"):
            (self.root / each).mkdir()
        self.pictures = Path(os.environ.get("NETD_TEST_PICTURES", self.mktemp()))
        self.pictures.mkdir(parents=True, exist_ok=True)

    def test_pictures(self) -> None:
        """The listing follows the preferred colour scheme on a wide and on a narrow screen."""
        driver = self.enterContext(shared_browser())
        driver.get(f"{self.url}/")
        for width in (1100, 500):
            resize(driver, width, 900)
            light, dark = (screenshot(driver, dark=dark) for dark in (False, True))
            for scheme, png in (("light", light), ("dark", dark)):
                (self.pictures / f"listing-{scheme}-{width}.png").write_bytes(png)
                self.assertEqual(struct.unpack(">II", png[16:24]), (width, 900))
            self.assertGreater(brightness(light), 200)
            self.assertLess(brightness(dark), 60)

    def test_document(self) -> None:
        """A browser shows every name as text and runs no script; every link leads to a file."""
        driver = self.enterContext(shared_browser())
        driver.get(f"{self.url}/?sort=size&order=desc")
        page = driver.page_source
        self.assertNotIn("<b>", page)
        self.assertNotIn("<script", page)
        self.assertIn("new\\nline.txt", page)
        self.assertIn("\\u202e", page)
        links = re.findall(r'<td><a href="([^"]+)"', page)
        self.assertEqual(len(links), 13)
        for link in links:
            self.assertIn(
                requests.head(f"{self.url}/{link}", timeout=DEADLINE).status_code, (200,)
            )


def brightness(png: bytes) -> int:
    """The brightness of the top left pixel, 0 to 255 (PNG, 8 bits a channel)."""
    at, data = 8, b""
    while at < len(png):
        size, kind = struct.unpack(">I4s", png[at : at + 8])
        data += png[at + 8 : at + 8 + size] if kind == b"IDAT" else b""
        at += 12 + size
    # The first pixel of the first row is as it is under filter 0, 1 and 2 alike.
    row = zlib.decompress(data)
    return sum(row[1:4]) // 3


@needs("openssl")
class SecureTests(SynchronousTestCase):
    """
    The tree over TLS.
    """

    def test_whole(self) -> None:
        """A large file and its ranges arrive intact, also after a client that left."""
        root = Path(self.mktemp()).absolute()
        root.mkdir()
        put(root / "large.bin", LARGE)
        leaf, key = certificate(root.parent)
        arguments = ("--files", root, "--https", "0", "--certificate", leaf)
        daemon = self.enterContext(Daemon(*arguments, "--private-key", key))
        url = f"https://localhost:{daemon.where('https').port}/files/large.bin"
        with requests.Session() as session:
            session.trust_env, session.verify = False, str(leaf)
            session.get(url, stream=True, timeout=DEADLINE).close()
            self.assertEqual(session.get(url, timeout=DEADLINE).content, LARGE)
            part = session.get(url, headers={"Range": "bytes=100000-1999999"}, timeout=DEADLINE)
        self.assertEqual((part.status_code, part.content), (206, LARGE[100_000:2_000_000]))
