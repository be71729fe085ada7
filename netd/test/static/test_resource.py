"""
The static tree, from the URL to the response, on netd's server and on a stock site.
"""

from __future__ import annotations

import errno
import json
import os
import threading
from pathlib import Path
from unittest.mock import patch

from hypothesis import given
from hypothesis import settings as how
from hypothesis import strategies as st
from twisted.internet import reactor
from twisted.internet.defer import Deferred
from twisted.internet.error import ConnectionLost
from twisted.internet.interfaces import IReactorTime
from twisted.internet.task import Clock
from twisted.python.usage import UsageError
from twisted.trial.unittest import SynchronousTestCase, TestCase
from twisted.web.resource import Resource

from netd import settings
from netd.static.resource import SAMPLE, defer_to_thread, resource
from netd.test.chance import by_chance
from netd.test.http.stages import LIMITS
from netd.test.static.stages import FileSite
from netd.test.static.test_tree import descriptors


class ResourceTests(SynchronousTestCase):
    """
    The choice of the tree.
    """

    def test_sample(self) -> None:
        """Without a configured directory the sample tree is served."""
        tree = resource(settings.Files(None), LIMITS, Clock())
        site = FileSite(SAMPLE)
        site.site.resource = tree
        self.assertEqual(site.get("/hello.txt").body, b"Hello from netd.\n")
        page = (SAMPLE / "index.html").read_bytes()
        self.assertEqual(site.get("/").body, page)

    def test_sampleIsComplete(self) -> None:
        """The sample's index page links every other file of the sample, and nothing else."""
        page = (SAMPLE / "index.html").read_text()
        linked = {part.split('"')[0] for part in page.split('href="')[1:]}
        files = {path.name for path in SAMPLE.iterdir()} - {"index.html"}
        self.assertEqual(linked, files)

    def test_refused(self) -> None:
        """A path that is not a directory is refused in one line that names the path."""
        file = Path(self.mktemp())
        file.write_bytes(b"")
        for path, reason in (
            (Path("/none/such"), "No such file or directory"),
            (file, "Not a directory"),
        ):
            config = settings.Files(path)
            error = self.assertRaises(UsageError, resource, config, LIMITS, Clock())
            self.assertEqual(str(error), f"--files {path}: {reason}")


class DeferToThreadTests(TestCase):
    """
    The thread that reads directories.
    """

    def test_thread(self) -> Deferred[None]:
        """With a reactor the call is made in another thread."""

        def thread_name() -> bytes:
            return threading.current_thread().name.encode()

        def check(name: bytes) -> None:
            self.assertNotEqual(name, threading.main_thread().name.encode())

        return defer_to_thread(IReactorTime(reactor))(thread_name).addCallback(check)

    def test_clock(self) -> None:
        """With a clock, which has no threads, the call is made at once."""
        self.assertEqual(
            self.successResultOf(defer_to_thread(Clock())(lambda: b"done")), b"done"
        )


class FilesTests(SynchronousTestCase):
    """
    The response to each URL.
    """

    stock = False

    def setUp(self) -> None:
        """Make a tree; no descriptor may stay open."""
        self.root = Path(self.mktemp())
        (self.root / "sub" / "deep").mkdir(parents=True)
        (self.root / "sub" / "b.txt").write_bytes(b"bb")
        (self.root / "sub" / "a.txt").write_bytes(b"a")
        (self.root / "page").mkdir()
        (self.root / "page" / "index.html").write_bytes(b"<p>page</p>")
        (self.root / "odd" / "index.html").mkdir(parents=True)
        (self.root / ".secret").write_bytes(b"secret")
        (self.root / ".well-known").mkdir()
        (self.root / ".well-known" / "x").write_bytes(b"known")
        (self.root / "404.html").write_bytes(b"<p>lost</p>")
        (self.root / "app.html").write_bytes(b"<p>app</p>")
        before = descriptors()
        self.addCleanup(lambda: self.assertEqual(descriptors(), before))
        self.site = FileSite(self.root, self.stock)

    def test_names(self) -> None:
        """Names are percent-decoded once; an unusable name is a 4xx."""
        (self.root / "a b%20").write_bytes(b"odd")
        (self.root / os.fsdecode(b"\xff\n")).write_bytes(b"bytes")
        for target, code in (
            ("/sub/a.txt", 200),
            ("/sub/%61.txt", 200),
            ("/a%20b%2520", 200),
            ("/%ff%0a", 200),
            ("/.well-known/x", 200),
            ("/sub/%2561.txt", 404),
            ("/none", 404),
            ("/sub/a.txt/", 404),
            ("/sub/a.txt/x", 404),
            ("/.secret", 404),
            ("/%2esecret", 404),
            ("//sub/a.txt", 404),
            ("/sub//a.txt", 404),
            ("/" + "x" * 300, 404),
            ("/../etc/passwd", 404),
            ("/../sub/a.txt", 200),
            ("/sub/../sub/a.txt", 200),
            ("/sub/deep/..", 200),
            ("/sub/deep/.", 200),
            ("/%2e%2e/etc/passwd", 400),
            ("/sub/./a.txt", 200),
            ("/sub/%2e/a.txt", 400),
            ("/sub%2fa.txt", 400),
            ("/sub%5ca.txt", 400),
            ("/sub\\a.txt", 400),
            ("/a%00b", 400),
        ):
            with self.subTest(target=target):
                self.assertEqual(self.site.get(target).code, code)

    def test_ranges(self) -> None:
        """Odd ranges are a 200, 206 or 416, and never more than the file."""
        for value, code in (
            ("bytes=-100", 206),
            ("bytes=500-,600-", 416),
            ("bytes=", 200),
            ("bytes=\xb2-", 200),
            ("bytes=" + ",".join(["0-"] * 500), 200),
        ):
            response = self.site.get("/404.html", f"Range: {value}")
            self.assertEqual(response.code, code)
            if code != 416:
                self.assertEqual(response.body, b"<p>lost</p>")

    def test_redirect(self) -> None:
        """A directory without its slash is redirected, with its query."""
        response = self.site.get("/sub?sort=size")
        self.assertEqual(response.code, 308)
        self.assertEqual(response.field(b"location"), b"/sub/?sort=size")
        self.assertEqual(self.site.get("/page").field(b"location"), b"/page/")

    def test_index(self) -> None:
        """A directory is served as its index page, if that is a file."""
        self.assertEqual(self.site.get("/page/").body, b"<p>page</p>")
        self.assertIn(b"index.html/", self.site.get("/odd/").body)

    def test_listing(self) -> None:
        """A directory without an index page is listed as requested: HTML or JSON, sorted."""
        page = self.site.get("/sub/?sort=SIZE&order=Desc")
        self.assertEqual(page.code, 200)
        self.assertEqual(page.field(b"content-type"), b"text/html; charset=utf-8")
        self.assertEqual(page.field(b"vary"), b"Accept")
        self.assertEqual(page.field(b"cache-control"), b"no-cache")
        self.assertEqual(page.field(b"x-content-type-options"), b"nosniff")
        self.assertIn(b"default-src 'none'", page.field(b"content-security-policy") or b"")
        self.assertLess(page.body.index(b"b.txt"), page.body.index(b"a.txt"))
        for target, fields in (
            ("/sub/?format=JSON", ()),
            ("/sub/", ("Accept: application/json",)),
        ):
            response = self.site.get(target, *fields)
            self.assertEqual(response.field(b"content-type"), b"application/json")
            names = [entry["name"] for entry in json.loads(response.body)["entries"]]
            self.assertEqual(names, ["deep", "a.txt", "b.txt"])
        html = self.site.get("/sub/?format=html", "Accept: application/json")
        self.assertEqual(html.field(b"content-type"), b"text/html; charset=utf-8")

    def test_listingHead(self) -> None:
        """The response to HEAD of a listing has its Content-Length."""
        page = self.site.get("/sub/")
        head = self.site.get("/sub/", method="HEAD")
        self.assertEqual(head.field(b"content-length"), b"%d" % len(page.body))

    def test_listingRefused(self) -> None:
        """An unknown order or format is a 400."""
        for query in ("sort=colour", "order=up", "format=xml", "sort=%ff"):
            self.assertEqual(self.site.get(f"/sub/?{query}").code, 400)

    def test_listingHides(self) -> None:
        """Dot files are not listed."""
        self.assertNotIn(b".secret", self.site.get("/").body)

    def test_listingLater(self) -> None:
        """The response waits for the thread; a client that disconnects gets none."""
        self.site.hold_calls = True
        client = self.site.connect()
        client.send("/sub/")
        self.assertEqual(client.received(), b"")
        self.site.calls.pop()()
        self.assertEqual(client.response().code, 200)
        other = self.site.connect()
        other.send("/sub/")
        other.disconnect(ConnectionLost())
        self.site.calls.pop()()
        self.assertEqual(other.received(), b"")

    def test_listingGone(self) -> None:
        """The state of a directory when it is read decides."""
        for change, code in (
            (lambda: (self.root / "sub").rename(self.root / "gone"), 404),
            (lambda: self.patch(os, "scandir", _raiser(errno.EACCES)), 403),
            (lambda: self.patch(os, "scandir", _raiser(errno.EIO)), 500),
        ):
            self.site.hold_calls = True
            client = self.site.connect()
            client.send("/sub/" if (self.root / "sub").exists() else "/gone/")
            change()
            self.site.calls.pop()()
            self.assertEqual(client.response().code, code)

    def test_listingBug(self) -> None:
        """A bug in a listing aborts the connection and is logged."""
        client = self.site.connect()
        with patch("netd.static.listing.as_html", side_effect=ZeroDivisionError):
            client.send("/sub/")
        self.assertTrue(client.transport.aborted)
        self.assertEqual(len(self.flushLoggedErrors(ZeroDivisionError)), 1)

    def test_methods(self) -> None:
        """GET, HEAD and OPTIONS are allowed; any other method is a 405 with Allow."""
        options = self.site.get("/sub/a.txt", method="OPTIONS")
        self.assertEqual((options.code, options.body), (204, b""))
        self.assertEqual(options.field(b"allow"), b"GET, HEAD, OPTIONS")
        self.assertNotIn(b"content-length", options.fields)
        for method in ("PUT", "DELETE", "POST", "PATCH", "PROPFIND", "BREW"):
            response = self.site.get("/sub/a.txt", method=method)
            self.assertEqual(response.code, 405)
            self.assertEqual(response.field(b"allow"), b"GET, HEAD, OPTIONS")

    def test_errors(self) -> None:
        """A forbidden file is a 403, a lack of descriptors a 503, a disk fault a 500."""
        for number, code in (
            (errno.EACCES, 403),
            (errno.EMFILE, 503),
            (errno.EIO, 500),
        ):
            with patch.object(os, "open", _raiser(number)):
                response = self.site.get("/sub/a.txt")
            self.assertEqual(response.code, code)
            self.assertEqual(json.loads(response.body)["status_code"], code)
            self.assertEqual(
                response.fields.get(b"retry-after"), [b"1"] if code == 503 else None
            )

    def test_special(self) -> None:
        """A FIFO is a 404 at once."""
        os.mkfifo(self.root / "fifo")
        self.assertEqual(self.site.get("/fifo").code, 404)

    def test_cors(self) -> None:
        """Scripts of the configured origin may read every response, errors included."""
        site = FileSite(self.root, self.stock, cors="https://a.example")
        for target in ("/sub/a.txt", "/none", "/sub/", "/sub"):
            response = site.get(target)
            self.assertEqual(
                response.field(b"access-control-allow-origin"), b"https://a.example"
            )
            self.assertIn(b"Origin", response.field(b"vary") or b"")
        response = site.get(
            "/sub/a.txt",
            "Origin: https://a.example",
            "Access-Control-Request-Method: GET",
            "Access-Control-Request-Headers: range",
            method="OPTIONS",
        )
        self.assertEqual(response.field(b"access-control-allow-headers"), b"range")
        self.assertNotIn(b"access-control-allow-origin", self.site.get("/none").fields)

    def test_headers(self) -> None:
        """Configured fields are in the responses with files and listings."""
        site = FileSite(self.root, self.stock, headers=(("X-One", "1"),))
        for target in ("/sub/a.txt", "/sub/"):
            self.assertEqual(site.get(target).field(b"x-one"), b"1")

    def test_spa(self) -> None:
        """A browser gets the application's page for a missing path, other clients a 404."""
        site = FileSite(self.root, self.stock, spa="app.html")
        for target, accept, code in (
            ("/some/route", "text/html,*/*;q=0.8", 200),
            ("/some/route", "*/*", 200),
            ("/some/route", "application/json", 404),
            ("/missing.js", "*/*", 404),
            ("/sub/a.txt", "*/*", 200),
            ("/%2e%2e/x", "text/html", 400),
        ):
            response = site.get(target, f"Accept: {accept}")
            self.assertEqual(response.code, code, target)
            self.assertEqual(response.body == b"<p>app</p>", code == 200 and "route" in target)
        response = site.get("/some/route", 'If-Match: "other"')
        self.assertEqual(response.code, 412)

    def test_missing(self) -> None:
        """A 404 has the configured page as its body, whatever ranges or conditions are sent."""
        site = FileSite(self.root, self.stock, missing="404.html")
        for fields in ((), ("Range: bytes=0-0", "If-None-Match: *")):
            response = site.get("/none", *fields)
            self.assertEqual((response.code, response.body), (404, b"<p>lost</p>"))
            self.assertEqual(response.field(b"content-type"), b"text/html; charset=utf-8")
        self.assertEqual(site.get("/none", method="HEAD").field(b"content-length"), b"11")

    def test_pagesGone(self) -> None:
        """A missing path is a plain 404 when the configured pages are missing, too."""
        for name in ("none.html", "sub"):
            site = FileSite(self.root, self.stock, missing=name, spa=name)
            response = site.get("/route")
            self.assertEqual(response.code, 404)
            self.assertEqual(json.loads(response.body)["status_code"], 404)

    def test_notCached(self) -> None:
        """The page for a missing file is not cached as that file."""
        site = FileSite(self.root, self.stock, missing="404.html", spa="app.html")
        self.assertEqual(site.get("/late").body, b"<p>app</p>")
        (self.root / "late").write_bytes(b"here")
        self.assertEqual(site.get("/late").body, b"here")
        self.assertEqual(site.get("/x.js").code, 404)
        self.assertEqual(site.get("/x.js").code, 404)


def _raiser(number: int) -> object:
    def fail(*_: object, **__: object) -> object:
        raise OSError(number, os.strerror(number))

    return fail


class StockFilesTests(FilesTests):
    """
    The same on a stock site.
    """

    stock = True


class AnythingTests(SynchronousTestCase):
    """
    Requests of any bytes.
    """

    @how(by_chance, max_examples=25)
    @given(st.binary(max_size=12), st.binary(max_size=12))
    def test_anything(self, path: bytes, value: bytes) -> None:
        """No path and no field value leads to a 5xx."""
        root = Path(self.mktemp())
        root.mkdir()
        target = "/" + "".join(f"%{byte:02x}" for byte in path)
        text = "".join(chr(byte) for byte in value if byte > 31 and byte != 127)
        for name in ("Range", "If-None-Match", "If-Range", "Accept-Encoding", "Accept"):
            for stock in (False, True):
                response = FileSite(root, stock).get(target, f"{name}: {text}")
                self.assertLess(response.code, 500)


class MountedTests(SynchronousTestCase):
    """
    The tree below a path of a site.
    """

    def test_redirect(self) -> None:
        """A redirect names the path of the tree, too."""
        root = Path(self.mktemp())
        (root / "sub").mkdir(parents=True)
        for stock in (False, True):
            site = FileSite(root, stock)
            tree = Resource()
            tree.putChild(b"files", site.files)
            site.site.resource = tree
            for target, where in (("/files", b"/files/"), ("/files/sub?x", b"/files/sub/?x")):
                response = site.get(target)
                self.assertEqual((response.code, response.field(b"location")), (308, where))
            page = site.get("/files/")
            self.assertEqual(page.code, 200)
            self.assertIn(b"<h1><bdi>/files/</bdi>", page.body)
