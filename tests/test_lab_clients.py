"""
The clients that people test against httpbin, pointed at netd.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

from twisted.trial.unittest import SynchronousTestCase

from netd.lab.endpoints.faults import FAULTS
from tests.certificates import certificate
from tests.clients import curl
from tests.programs import needs
from tests.running import ROOT, Daemon, run, shared, temporary_directory, tool_environment

QUIET = ("curl", "-qsS", "--noproxy", "*", "-o", "/dev/null")

CLIENTS = ROOT / "tests" / "lab_clients"

SEEN: dict[str, Any] = {
    "get": {"a": "1"},
    "post": {"a": 1},
    "status": 418,
    "redirects": 3,
    "redirected": "/get",
    "absolute": 2,
    "cookies": {"a": "1", "b": "2"},
    "deleted": {"b": "2"},
    "basic": "u",
    "digest": [200, 200, 200],
    "gzip": True,
    "deflate": True,
    "stream": 3,
    "drip": 5,
    "files": {"f": "text"},
    "bytes": "c5d71484f8cf9bf4b76f",
    "events": 3,
}
"""What every client sees that looks at it."""


def documented(client: str) -> dict[str, str]:
    """What `client` makes of each fault, by the table of docs/lab.md."""
    lines = (ROOT / "docs" / "lab.md").read_text().splitlines()
    rows = [[cell.strip(" `") for cell in line.split("|")[1:-1]] for line in lines]
    titles = next(row for row in rows if row[:1] == ["kind"])
    column = titles.index(client)
    return {row[0]: row[column] for row in rows if row and row[0] in FAULTS}


class ClientTests(SynchronousTestCase):
    """
    The results of each client, and the error that each fault causes in it.
    """

    def setUp(self) -> None:
        self.url = self.enterContext(shared()).url.replace("localhost", "127.0.0.1")

    def client(self, *command: str | Path) -> Any:
        """The results that a script prints."""
        done = run(*command, self.url, environ=tool_environment(no_proxy="*"))
        self.assertEqual(done.status, 0, done.err)
        return json.loads(done.out)

    def compare(self, seen: Any, faults: dict[str, str], timeout: str) -> None:
        """The results are those expected, and the faults are errors."""
        self.assertEqual(seen.pop("faults"), faults)
        self.assertEqual((seen.pop("timeout"), seen.pop("hang")), (timeout, timeout))
        for name in ("form", "brotli"):
            seen.pop(name, None)
        self.assertEqual(seen, {name: SEEN[name] for name in seen})

    def test_httpClient(self) -> None:
        """
        http.client gets the expected results.
        """
        faults = {
            "close": "RemoteDisconnected",
            "reset": "ConnectionResetError",
            "truncate": "IncompleteRead",
            "bad-chunk": "IncompleteRead",
            "garbage": "BadStatusLine",
        }
        seen = self.client(sys.executable, CLIENTS / "with_http_client.py")
        self.compare(seen, faults, "TimeoutError")

    def test_requests(self) -> None:
        """
        requests gets the expected results.
        """
        seen = self.client(sys.executable, CLIENTS / "with_requests.py")
        self.assertEqual(seen["form"], {"a": ["1", "2"]})
        faults = documented("requests")
        self.compare(seen, faults, faults.pop("hang"))

    def test_httpx(self) -> None:
        """
        httpx gets the expected results.
        """
        seen = self.client(sys.executable, CLIENTS / "with_httpx.py")
        faults = dict.fromkeys(
            ("close", "truncate", "bad-length", "bad-chunk", "garbage"), "RemoteProtocolError"
        )
        self.compare(seen, {**faults, "reset": "ReadError"}, "ReadTimeout")

    def test_aiohttp(self) -> None:
        """
        aiohttp gets the expected results.
        """
        seen = self.client(sys.executable, CLIENTS / "with_aiohttp.py")
        faults = {
            "close": "ServerDisconnectedError",
            "reset": "ClientPayloadError",
            "truncate": "ClientPayloadError",
            "bad-length": "ClientResponseError",
            "bad-chunk": "ClientResponseError",
            "garbage": "ClientResponseError",
        }
        self.compare(seen, faults, "TimeoutError")

    def test_treq(self) -> None:
        """
        treq gets the expected results.
        """
        seen = self.client(sys.executable, CLIENTS / "with_treq.py")
        faults = {
            "close": "ResponseNeverReceived",
            **dict.fromkeys(("reset", "truncate", "bad-chunk", "garbage"), "ResponseFailed"),
        }
        self.compare(seen, faults, "ResponseNeverReceived")

    @needs("node")
    def test_fetch(self) -> None:
        """
        Node's fetch gets the expected results.
        """
        seen = self.client("node", CLIENTS / "with_fetch.mjs")
        faults = documented("Node's fetch")
        self.compare(seen, faults, faults.pop("hang"))

    def test_scrapy(self) -> None:
        """
        A Scrapy spider finds each of the ten pages of links.
        """
        pages = self.client(sys.executable, CLIENTS / "spider.py")
        self.assertEqual(pages, [f"10/{number}" for number in range(10)])

    @needs("curl")
    def test_curl(self) -> None:
        """
        curl handles digest, cookies, compression, ranges, uploads, trailers, and every fault.
        """
        for algorithm in ("MD5", "SHA-256"):
            url = f"{self.url}/digest-auth/auth/u/p/{algorithm}"
            done = run(*QUIET, "--digest", "-u", "u:p", "-w", "%{http_code}", url)
            self.assertEqual(done.out, "200", algorithm)
        self.assertIn('"gzipped": true', curl(f"{self.url}/gzip", "--compressed").text)
        self.assertEqual(curl(f"{self.url}/range/26", "-r", "1-3").text, "bcd")
        self.assertIn('"bytes": 1000', curl(f"{self.url}/upload", "-d", "x" * 1000).text)
        self.assertEqual(curl(f"{self.url}/echo?size=1MB").body[:3], b' !"')
        for kind, status in documented("curl").items():
            limit = ("-m", "0.5") if kind == "hang" else ()
            done = run(*QUIET, *limit, f"{self.url}/fault/{kind}")
            self.assertEqual(f"{done.status}", status, f"{kind}: {done.err}")

    def test_documented(self) -> None:
        """
        docs/lab.md says of each fault what clients make of it.
        """
        for client in ("curl", "requests", "Node's fetch"):
            self.assertEqual([*documented(client)], [*FAULTS])


@needs("openssl", "curl")
class TLSTests(SynchronousTestCase):
    """
    `/tls`.
    """

    def test_facts(self) -> None:
        """
        Version, cipher and SNI are those of the client; url and cookies are secure.
        """
        folder = self.enterContext(temporary_directory())
        leaf, key = certificate(folder)
        daemon = self.enterContext(
            Daemon("--https", "0", "--certificate", leaf, "--private-key", key)
        )
        url = f"https://localhost:{daemon.where('https').port}"
        trust = ("--cacert", str(leaf))
        for flag, version in (("--tlsv1.3", "TLSv1.3"), ("--tls-max", "TLSv1.2")):
            more = ("1.2",) if flag == "--tls-max" else ()
            facts = json.loads(curl(f"{url}/tls", *trust, flag, *more).text)["tls"]
            self.assertEqual((facts["version"], facts["sni"]), (version, "localhost"))
            self.assertIsNone(facts["client_certificate"])
            self.assertGreaterEqual(facts["bits"], 128)
        self.assertIn(f'"url": "{url}/get"', curl(f"{url}/get", *trust).text)
        field = curl(f"{url}/cookies/set/a/b", *trust).headers["set-cookie"]
        self.assertEqual(field, "a=b; Secure; Path=/")
