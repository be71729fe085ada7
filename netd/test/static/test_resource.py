"""
The static tree, from the URL to the answer, under both engines.
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
from twisted.internet.task import Clock
from twisted.python.usage import UsageError
from twisted.trial.unittest import SynchronousTestCase, TestCase
from twisted.web.resource import Resource

from netd import settings
from netd.static.resource import SAMPLE, aside, resource
from netd.test.http.stages import LIMITS
from netd.test.static.stages import Room
from netd.test.static.test_tree import descriptors

_property = how(max_examples=25, deadline=None, database=None, derandomize=True)


class ResourceTests(SynchronousTestCase):
    """
    Which tree is served.
    """

    def test_sample(self) -> None:
        """Without a directory of the operator's, the sample tree is served."""
        made = resource(settings.Files(None), LIMITS, Clock())
        room = Room(SAMPLE)
        room.site.resource = made
        self.assertEqual(room.ask("/hello.txt").body, b"Hello from netd.\n")
        page = (SAMPLE / "index.html").read_bytes()
        self.assertEqual(room.ask("/").body, page)

    def test_sampleIsComplete(self) -> None:
        """The sample's index page names every other file of the sample, and nothing else."""
        page = (SAMPLE / "index.html").read_text()
        linked = {part.split('"')[0] for part in page.split('href="')[1:]}
        there = {path.name for path in SAMPLE.iterdir()} - {"index.html"}
        self.assertEqual(linked, there)

    def test_refused(self) -> None:
        """A path that is no directory is refused in one line that names it."""
        file = Path(self.mktemp())
        file.write_bytes(b"")
        for path, reason in (
            (Path("/none/such"), "No such file or directory"),
            (file, "Not a directory"),
        ):
            config = settings.Files(path)
            wrong = self.assertRaises(UsageError, resource, config, LIMITS, Clock())
            self.assertEqual(str(wrong), f"--files {path}: {reason}")


class AsideTests(TestCase):
    """
    Where directories are read.
    """

    def test_thread(self) -> Deferred[None]:
        """A reactor lends a thread."""

        def where() -> bytes:
            return threading.current_thread().name.encode()

        def check(name: bytes) -> None:
            self.assertNotEqual(name, threading.main_thread().name.encode())

        return aside(reactor)(where).addCallback(check)

    def test_clock(self) -> None:
        """A clock has none: it is done at once."""
        self.assertEqual(self.successResultOf(aside(Clock())(lambda: b"done")), b"done")


class FilesTests(SynchronousTestCase):
    """
    What each URL gives.
    """

    engine = True

    def setUp(self) -> None:
        """A tree; no descriptor may stay open."""
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
        self.room = Room(self.root, self.engine)

    def test_names(self) -> None:
        """Names are decoded once; what is none is a 4xx."""
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
            ("/../etc/passwd", 400),
            ("/sub/../sub/a.txt", 400),
            ("/%2e%2e/etc/passwd", 400),
            ("/sub/./a.txt", 400),
            ("/sub%2fa.txt", 400),
            ("/sub%5ca.txt", 400),
            ("/sub\\a.txt", 400),
            ("/a%00b", 400),
        ):
            with self.subTest(target=target):
                self.assertEqual(self.room.ask(target).code, code)

    def test_ranges(self) -> None:
        """Strange ranges are a 200 or a 416, never a 500, and never more than the file."""
        for value, code in (
            ("bytes=-100", 206),
            ("bytes=500-,600-", 416),
            ("bytes=", 200),
            ("bytes=\xb2-", 200),
            ("bytes=" + ",".join(["0-"] * 500), 200),
        ):
            answer = self.room.ask("/404.html", f"Range: {value}")
            self.assertEqual(answer.code, code)
            if code != 416:
                self.assertEqual(answer.body, b"<p>lost</p>")

    def test_redirect(self) -> None:
        """A directory without its slash is a path away, query and all."""
        answer = self.room.ask("/sub?sort=size")
        self.assertEqual(answer.code, 308)
        self.assertEqual(answer.field(b"location"), b"/sub/?sort=size")
        self.assertEqual(self.room.ask("/page").field(b"location"), b"/page/")

    def test_index(self) -> None:
        """A directory's index page stands for it, when it is a file."""
        self.assertEqual(self.room.ask("/page/").body, b"<p>page</p>")
        self.assertIn(b"index.html/", self.room.ask("/odd/").body)

    def test_listing(self) -> None:
        """A directory without one is listed, as a page or as JSON, in the order asked for."""
        page = self.room.ask("/sub/?sort=size&order=desc")
        self.assertEqual(page.code, 200)
        self.assertEqual(page.field(b"content-type"), b"text/html; charset=utf-8")
        self.assertEqual(page.field(b"vary"), b"Accept")
        self.assertEqual(page.field(b"cache-control"), b"no-cache")
        self.assertEqual(page.field(b"x-content-type-options"), b"nosniff")
        self.assertIn(b"default-src 'none'", page.field(b"content-security-policy") or b"")
        self.assertLess(page.body.index(b"b.txt"), page.body.index(b"a.txt"))
        for target, fields in (
            ("/sub/?format=json", ()),
            ("/sub/", ("Accept: application/json",)),
        ):
            answer = self.room.ask(target, *fields)
            self.assertEqual(answer.field(b"content-type"), b"application/json")
            names = [entry["name"] for entry in json.loads(answer.body)["entries"]]
            self.assertEqual(names, ["deep", "a.txt", "b.txt"])
        html = self.room.ask("/sub/?format=html", "Accept: application/json")
        self.assertEqual(html.field(b"content-type"), b"text/html; charset=utf-8")

    def test_listingHead(self) -> None:
        """HEAD of a listing says its length."""
        page = self.room.ask("/sub/")
        head = self.room.ask("/sub/", method="HEAD")
        self.assertEqual(head.field(b"content-length"), b"%d" % len(page.body))

    def test_listingRefused(self) -> None:
        """An order or a form that is none is a 400."""
        for query in ("sort=colour", "order=up", "format=xml", "sort=%ff"):
            self.assertEqual(self.room.ask(f"/sub/?{query}").code, 400)

    def test_listingHides(self) -> None:
        """Dot files are not listed."""
        self.assertNotIn(b".secret", self.room.ask("/").body)

    def test_listingLate(self) -> None:
        """The answer waits for the thread; a client that leaves is not answered."""
        self.room.patient = True
        client = self.room.connect()
        client.ask("/sub/")
        self.assertEqual(client.said(), b"")
        self.room.delayed.pop()()
        self.assertEqual(client.answer().code, 200)
        other = self.room.connect()
        other.ask("/sub/")
        other.leave(ConnectionLost())
        self.room.delayed.pop()()
        self.assertEqual(other.said(), b"")

    def test_listingGone(self) -> None:
        """What happens to a directory before it is read counts."""
        for change, code in (
            (lambda: (self.root / "sub").rename(self.root / "gone"), 404),
            (lambda: self.patch(os, "scandir", _raiser(errno.EACCES)), 403),
            (lambda: self.patch(os, "scandir", _raiser(errno.EIO)), 500),
        ):
            self.room.patient = True
            client = self.room.connect()
            client.ask("/sub/" if (self.root / "sub").exists() else "/gone/")
            change()
            self.room.delayed.pop()()
            self.assertEqual(client.answer().code, code)

    def test_listingBug(self) -> None:
        """A bug in a listing ends the connection and is logged."""
        client = self.room.connect()
        with patch("netd.static.listing.as_html", side_effect=ZeroDivisionError):
            client.ask("/sub/")
        self.assertTrue(client.transport.aborted)
        self.assertEqual(len(self.flushLoggedErrors(ZeroDivisionError)), 1)

    def test_methods(self) -> None:
        """GET, HEAD and OPTIONS; everything else is a 405 that says so."""
        options = self.room.ask("/sub/a.txt", method="OPTIONS")
        self.assertEqual((options.code, options.body), (204, b""))
        self.assertEqual(options.field(b"allow"), b"GET, HEAD, OPTIONS")
        self.assertNotIn(b"content-length", options.fields)
        for method in ("PUT", "DELETE", "POST", "PATCH", "PROPFIND", "BREW"):
            answer = self.room.ask("/sub/a.txt", method=method)
            self.assertEqual(answer.code, 405)
            self.assertEqual(answer.field(b"allow"), b"GET, HEAD, OPTIONS")

    def test_errors(self) -> None:
        """What may not be read is a 403, a want of descriptors a 503, a broken disk a 500."""
        for number, code in (
            (errno.EACCES, 403),
            (errno.EMFILE, 503),
            (errno.EIO, 500),
        ):
            with patch.object(os, "open", _raiser(number)):
                answer = self.room.ask("/sub/a.txt")
            self.assertEqual(answer.code, code)
            self.assertEqual(json.loads(answer.body)["status_code"], code)
            self.assertEqual(answer.fields.get(b"retry-after"), [b"1"] if code == 503 else None)

    def test_special(self) -> None:
        """A FIFO is a 404, at once."""
        os.mkfifo(self.root / "fifo")
        self.assertEqual(self.room.ask("/fifo").code, 404)

    def test_cors(self) -> None:
        """Scripts of other origins may read what the operator says, refusals included."""
        room = Room(self.root, self.engine, cors="https://a.example")
        for target in ("/sub/a.txt", "/none", "/sub/", "/sub"):
            answer = room.ask(target)
            self.assertEqual(answer.field(b"access-control-allow-origin"), b"https://a.example")
            self.assertIn(b"Origin", answer.field(b"vary") or b"")
        answer = room.ask(
            "/sub/a.txt",
            "Origin: https://a.example",
            "Access-Control-Request-Method: GET",
            "Access-Control-Request-Headers: range",
            method="OPTIONS",
        )
        self.assertEqual(answer.field(b"access-control-allow-headers"), b"range")
        self.assertNotIn(b"access-control-allow-origin", self.room.ask("/none").fields)

    def test_headers(self) -> None:
        """The operator's fields go with files and listings."""
        room = Room(self.root, self.engine, headers=(("X-One", "1"),))
        for target in ("/sub/a.txt", "/sub/"):
            self.assertEqual(room.ask(target).field(b"x-one"), b"1")

    def test_spa(self) -> None:
        """What is missing is the application's page to a browser, and missing to others."""
        room = Room(self.root, self.engine, spa="app.html")
        for target, accept, code in (
            ("/some/route", "text/html,*/*;q=0.8", 200),
            ("/some/route", "*/*", 200),
            ("/some/route", "application/json", 404),
            ("/missing.js", "*/*", 404),
            ("/sub/a.txt", "*/*", 200),
            ("/%2e%2e/x", "text/html", 400),
        ):
            answer = room.ask(target, f"Accept: {accept}")
            self.assertEqual(answer.code, code, target)
            self.assertEqual(answer.body == b"<p>app</p>", code == 200 and "route" in target)
        answer = room.ask("/some/route", 'If-Match: "other"')
        self.assertEqual(answer.code, 412)

    def test_missing(self) -> None:
        """A 404 has the operator's page, whole, with the status it is for."""
        room = Room(self.root, self.engine, missing="404.html")
        for fields in ((), ("Range: bytes=0-0", "If-None-Match: *")):
            answer = room.ask("/none", *fields)
            self.assertEqual((answer.code, answer.body), (404, b"<p>lost</p>"))
            self.assertEqual(answer.field(b"content-type"), b"text/html; charset=utf-8")
        self.assertEqual(room.ask("/none", method="HEAD").field(b"content-length"), b"11")

    def test_pagesGone(self) -> None:
        """When the pages themselves are missing, a plain 404 stands in."""
        for name in ("none.html", "sub"):
            room = Room(self.root, self.engine, missing=name, spa=name)
            answer = room.ask("/route")
            self.assertEqual(answer.code, 404)
            self.assertEqual(json.loads(answer.body)["status_code"], 404)

    def test_notKept(self) -> None:
        """A stand-in is not remembered as what was asked for."""
        room = Room(self.root, self.engine, missing="404.html", spa="app.html")
        self.assertEqual(room.ask("/late").body, b"<p>app</p>")
        (self.root / "late").write_bytes(b"here")
        self.assertEqual(room.ask("/late").body, b"here")
        self.assertEqual(room.ask("/x.js").code, 404)
        self.assertEqual(room.ask("/x.js").code, 404)


def _raiser(number: int) -> object:
    def fail(*_: object, **__: object) -> object:
        raise OSError(number, os.strerror(number))

    return fail


class StockFilesTests(FilesTests):
    """
    The same under a stock site.
    """

    engine = False


class AnythingTests(SynchronousTestCase):
    """
    Requests of any bytes.
    """

    @_property
    @given(st.binary(max_size=12), st.binary(max_size=12))
    def test_anything(self, path: bytes, value: bytes) -> None:
        """Whatever is asked, however it is encoded, the answer is no 5xx."""
        root = Path(self.mktemp())
        root.mkdir()
        target = "/" + "".join(f"%{byte:02x}" for byte in path)
        text = "".join(chr(byte) for byte in value if byte not in b"\r\n\0" and byte > 31)
        for name in ("Range", "If-None-Match", "If-Range", "Accept-Encoding", "Accept"):
            for engine in (True, False):
                answer = Room(root, engine).ask(target, f"{name}: {text}")
                self.assertLess(answer.code, 500)


class MountedTests(SynchronousTestCase):
    """
    The tree below a path of a larger site.
    """

    def test_redirect(self) -> None:
        """The mount is part of the way to a directory."""
        root = Path(self.mktemp())
        (root / "sub").mkdir(parents=True)
        for engine in (True, False):
            room = Room(root, engine)
            tree = Resource()
            tree.putChild(b"files", room.files)
            room.site.resource = tree
            for target, where in (("/files", b"/files/"), ("/files/sub?x", b"/files/sub/?x")):
                answer = room.ask(target)
                self.assertEqual((answer.code, answer.field(b"location")), (308, where))
            self.assertEqual(room.ask("/files/").code, 200)
