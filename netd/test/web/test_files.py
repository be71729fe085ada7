"""
The static tree.
"""

from __future__ import annotations

from pathlib import Path

from twisted.python.usage import UsageError
from twisted.trial.unittest import SynchronousTestCase
from twisted.web.resource import getChildForRequest
from twisted.web.test.requesthelper import DummyRequest

from netd import settings
from netd.web.files import SAMPLE, resource


def fetch(path: bytes, root: Path | None = None) -> tuple[int, str, bytes]:
    """Status, type and body of `path` below the tree."""
    request = DummyRequest(path.split(b"/"))
    leaf = getChildForRequest(resource(settings.Files(root)), request)
    body = leaf.render(request)
    kind = request.responseHeaders.getRawHeaders("Content-Type", [""])[0]
    said = b"".join(request.written) if isinstance(body, int) else body
    return request.responseCode or 200, kind, said


class ResourceTests(SynchronousTestCase):
    """
    Which tree is served.
    """

    def test_sample(self) -> None:
        """Without a directory of the operator's, the sample tree is served."""
        self.assertEqual(fetch(b"hello.txt"), (200, "text/plain", b"Hello from netd.\n"))

    def test_index(self) -> None:
        """A directory with an index page answers with it."""
        page = (SAMPLE / "index.html").read_bytes()
        self.assertEqual(fetch(b""), (200, "text/html", page))

    def test_indexIsComplete(self) -> None:
        """The sample's index page names every other file of the sample, and nothing else."""
        page = (SAMPLE / "index.html").read_text()
        linked = {part.split('"')[0] for part in page.split('href="')[1:]}
        there = {path.name for path in SAMPLE.iterdir()} - {"index.html"}
        self.assertEqual(linked, there)

    def test_own(self) -> None:
        """A directory of the operator's is served instead."""
        root = Path(self.mktemp())
        root.mkdir()
        (root / "mine").write_bytes(b"mine")
        self.assertEqual(fetch(b"mine", root), (200, "application/octet-stream", b"mine"))

    def test_missing(self) -> None:
        """What is not there is a 404."""
        self.assertEqual(fetch(b"none")[0], 404)

    def test_refused(self) -> None:
        """A path that is no directory is refused in one line that names it."""
        file = Path(self.mktemp())
        file.write_bytes(b"")
        for path, reason in (
            (Path("/none/such"), "No such file or directory"),
            (file, "Not a directory"),
        ):
            wrong = self.assertRaises(UsageError, resource, settings.Files(path))
            self.assertEqual(str(wrong), f"--files {path}: {reason}")
