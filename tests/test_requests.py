"""
The sample tree as requests reads it.
"""

from __future__ import annotations

import requests
from twisted.trial.unittest import SynchronousTestCase

from tests.clients import GREETING
from tests.running import DEADLINE, ROOT, Daemon, shared, temporary_directory

_SAMPLE = ROOT / "netd" / "static" / "sample"


class RequestsTests(SynchronousTestCase):
    """
    `requests.get` on a kept connection.
    """

    def setUp(self) -> None:
        self.session = self.enterContext(requests.Session())
        # Without this machine's proxy.
        self.session.trust_env = False

    def get(self, url: str) -> requests.Response:
        """The response, which must come within the deadline."""
        return self.session.get(url, timeout=DEADLINE)

    def test_sampleTree(self) -> None:
        """
        The sample tree has an index page and files of several types, byte for byte.
        """
        url = self.enterContext(shared()).url
        index = self.get(f"{url}/files/")
        self.assertEqual((index.status_code, index.reason), (200, "OK"))
        self.assertEqual(index.headers["content-type"].split(";")[0], "text/html")
        self.assertEqual(index.content[:15].lower(), b"<!doctype html>")
        types = set()
        for path in _SAMPLE.iterdir():
            response = self.get(f"{url}/files/{path.name}")
            self.assertEqual(response.content, path.read_bytes(), path.name)
            self.assertEqual(response.headers["content-length"], str(path.stat().st_size))
            self.assertEqual(response.headers["x-content-type-options"], "nosniff")
            types.add(response.headers["content-type"].split(";")[0])
        self.assertLessEqual(
            {"text/html", "text/plain", "application/json", "text/csv", "image/png"}, types
        )

    def test_ownTree(self) -> None:
        """
        `--files DIR` serves that directory instead, with subdirectories and odd names.
        """
        root = self.enterContext(temporary_directory())
        (root / "deep" / "er").mkdir(parents=True)
        (root / "deep" / "er" / "a b%2F.txt").write_bytes(b"odd")
        (root / "empty.bin").touch()
        url = self.enterContext(Daemon("--files", root)).url
        self.assertEqual(self.get(f"{url}/files/deep/er/a%20b%252F.txt").content, b"odd")
        empty = self.get(f"{url}/files/empty.bin")
        self.assertEqual((empty.status_code, empty.content), (200, b""))
        self.assertEqual(self.get(f"{url}/files/hello.txt").status_code, 404)
        outside = self.get(f"{url}/files/..%2F..%2Fetc/passwd")
        self.assertIn(outside.status_code, (400, 404))

    def test_keptConnection(self) -> None:
        """
        Requests on one connection get their responses in order.
        """
        url = self.enterContext(Daemon("--delay", "10ms")).url
        for number in range(20):
            body = b"%d" % number
            response = self.session.put(f"{url}/", data=body, timeout=DEADLINE)
            self.assertEqual((response.status_code, response.content), (200, body))
            self.assertEqual(self.get(f"{url}/").content, GREETING)
