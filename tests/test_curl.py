"""
HTTP as curl and netcat see it.
"""

from __future__ import annotations

import json
import os
import tempfile
import time

from twisted.trial.unittest import SynchronousTestCase

from tests.clients import GREETING, connect, curl, receive, waiting
from tests.programs import needs
from tests.running import Daemon, run, shared

_TEXT = "text/plain; charset=utf-8"


class EchoTests(SynchronousTestCase):
    """
    The delay-echo at `/`.
    """

    def setUp(self) -> None:
        self.daemon = self.enterContext(shared("--delay", "0.3s"))
        self.url = f"{self.daemon.url}/"

    @needs("curl")
    def test_greeting(self) -> None:
        """
        GET waits the delay and gets the 58 bytes as plain text with nosniff.
        """
        response = curl(self.url)
        self.assertEqual((response.status, response.body), (200, GREETING))
        self.assertEqual(len(response.body), 58)
        self.assertEqual(response.headers["content-type"], _TEXT)
        self.assertEqual(response.headers["content-length"], "58")
        self.assertEqual(response.headers["x-content-type-options"], "nosniff")
        self.assertEqual(response.headers["server"], "netd")
        self.assertGreaterEqual(response.seconds, 0.3)

    @needs("curl")
    def test_head(self) -> None:
        """
        HEAD waits too, and gets the header of GET without a body.
        """
        response = curl(self.url, "--head")
        self.assertEqual((response.status, response.body), (200, b""))
        self.assertEqual(response.headers["content-length"], "58")
        self.assertGreaterEqual(response.seconds, 0.3)

    @needs("curl")
    def test_body(self) -> None:
        """
        A POSTed body comes back byte for byte with its type, after the delay.
        """
        body = '{"answer": 42, "why": "é"}'
        response = curl(self.url, "--json", body)
        self.assertEqual((response.status, response.text), (200, body))
        self.assertEqual(response.headers["content-type"], "application/json")
        self.assertEqual(response.headers["x-content-type-options"], "nosniff")
        self.assertGreaterEqual(response.seconds, 0.3)

    @needs("curl")
    def test_chunkedBody(self) -> None:
        """
        A large body without a Content-Length comes back whole.
        """
        body = bytes(range(256)) * 4096
        with tempfile.NamedTemporaryFile() as file:
            file.write(body)
            file.flush()
            response = curl(
                self.url,
                *("--data-binary", f"@{file.name}", "-H", "Transfer-Encoding: chunked"),
                *("-H", "Content-Type: application/octet-stream"),
            )
        self.assertEqual((response.status, len(response.body)), (200, len(body)))
        self.assertEqual(response.body, body)
        self.assertEqual(response.headers["content-type"], "application/octet-stream")

    @needs("curl")
    def test_activeContent(self) -> None:
        """
        A body that a browser would execute comes back as plain text.
        """
        for kind in ("text/html", "image/svg+xml", "application/xhtml+xml", "text/html;a=b"):
            response = curl(self.url, "-H", f"Content-Type: {kind}", "-d", "<script>1</script>")
            self.assertEqual(response.text, "<script>1</script>")
            self.assertEqual(response.headers["content-type"], _TEXT, kind)

    @needs("curl")
    def test_http10(self) -> None:
        """
        An HTTP/1.0 client gets the 58 bytes and then the end of the connection.
        """
        response = curl(self.url, "--http1.0")
        self.assertEqual((response.status, response.body), (200, GREETING))
        with connect(self.daemon.address()) as sock:
            sock.sendall(b"GET / HTTP/1.0\r\n\r\n")
            self.assertTrue(receive(sock).endswith(b"\r\n\r\n" + GREETING))

    @needs("nc")
    def test_halfClosed(self) -> None:
        """
        `printf ... | nc -N`, which closes its side at once, gets its response.
        """
        host, port = self.daemon.address()
        # Ncat, which may be installed as nc, closes without an option.
        words = () if "Ncat" in run("nc", "-h").out else ("-N",)
        done = run("nc", *words, host, str(port), stdin="GET / HTTP/1.1\r\nHost: netd\r\n\r\n")
        self.assertEqual(done.status, 0, done.err)
        self.assertTrue(done.out.startswith("HTTP/1.1 200 OK\r\n"), done.out)
        self.assertTrue(done.out.endswith("\r\n\r\n" + GREETING.decode()), done.out)
        self.assertGreaterEqual(done.seconds, 0.3)

    @needs("curl")
    def test_leaving(self) -> None:
        """
        A client that leaves is logged as 499, and no timer is left.
        """
        daemon = self.enterContext(Daemon("--grace", "1h"))
        with connect(daemon.address()) as sock:
            sock.sendall(b"GET /delay/50s HTTP/1.1\r\nHost: netd\r\n\r\n")
            waiting(daemon)
            # A FIN that comes with the request would be a half-close.
            time.sleep(0.2)
        daemon.logged('"GET /delay/50s HTTP/1.1" 499 ')
        # It would wait for a response that is left over.
        daemon.stop()


@needs("curl")
class SiteTests(SynchronousTestCase):
    """
    Every other URL, under a default delay for which nothing here waits.
    """

    def setUp(self) -> None:
        self.url = self.enterContext(shared("--delay", "1m", "--max-body", "10kB")).url

    def test_delay(self) -> None:
        """
        `/echo?delay=250ms` waits 0.25 s for any method, an unknown one too, and echoes.
        """
        for method in ("GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "BREW"):
            response = curl(f"{self.url}/echo?delay=250ms", "-X", method)
            self.assertEqual((response.status, response.body), (200, GREETING), method)
            # The default delay is a minute.
            self.assertTrue(0.25 <= response.seconds < 60, method)
        response = curl(f"{self.url}/echo", "-X", "PUT", "-d", "a=1")
        self.assertEqual(response.text, "a=1")

    def test_badDelay(self) -> None:
        """
        An invalid duration is a 400 in JSON that says why.
        """
        for text in ("nan", "inf", "-1", "1_0", "x", "1s1m"):
            response = curl(f"{self.url}/delay/{text}")
            self.assertEqual(response.status, 400, text)
            self.assertEqual(response.headers["content-type"], "application/json")
            error = json.loads(response.body)
            self.assertEqual((error["status_code"], error["error"]), (400, "Bad Request"))
            self.assertIn("duration", error["detail"])

    def test_health(self) -> None:
        """
        `/healthz` says ok without the delay, and no cache may store it.
        """
        response = curl(f"{self.url}/healthz")
        self.assertEqual((response.status, response.body), (200, b"ok\n"))
        self.assertEqual(response.headers["cache-control"], "no-store")

    def test_help(self) -> None:
        """
        `/help` names every route in plain text.
        """
        response = curl(f"{self.url}/help")
        self.assertEqual((response.status, response.headers["content-type"]), (200, _TEXT))
        paths = [line.split()[0] for line in response.text.splitlines()]
        self.assertEqual(paths[0], "/")
        self.assertLessEqual({"/delay/<duration>", "/healthz", "/help"}, set(paths))

    def test_workers(self) -> None:
        """
        Five clients of one worker wait for each other: the last one for five delays.
        """
        url = f"{self.url}/echo?delay=200ms&workers=1&key=five"
        one = f"curl -s -o {os.devnull} -w '%{{time_total}}\\n' '{url}'"
        done = run("bash", "-c", f"for each in 1 2 3 4 5; do {one} & done; wait")
        times = sorted(map(float, done.out.split()))
        self.assertEqual(len(times), 5)
        for number, seconds in enumerate(times[1:], 2):
            # A client starts a little later than the first one.
            self.assertGreater(seconds, 0.2 * (number - 1))
        self.assertGreater(done.seconds, 1.0)

    def test_notFound(self) -> None:
        """
        An unknown path is a 404 in JSON.
        """
        for path in ("/nowhere", "/healthz/", "/delay/", "/delay/1s/2s", "/files/nothing"):
            self.assertEqual(curl(f"{self.url}{path}").status, 404, path)
        response = curl(f"{self.url}/nowhere")
        self.assertEqual(json.loads(response.body)["status_code"], 404)

    def test_wrongMethod(self) -> None:
        """
        An unsupported method is a 405 whose Allow lists the supported ones.
        """
        response = curl(f"{self.url}/healthz", "-d", "x")
        self.assertEqual(
            (response.status, response.headers["allow"]), (405, "GET, HEAD, OPTIONS")
        )
        response = curl(f"{self.url}/RPC2", "-X", "DELETE")
        self.assertEqual(response.status, 405)
        self.assertIn("POST", response.headers["allow"])

    def test_options(self) -> None:
        """
        OPTIONS is a 204 with the same Allow and no body.
        """
        response = curl(f"{self.url}/help", "-X", "OPTIONS")
        self.assertEqual((response.status, response.body), (204, b""))
        self.assertEqual(response.headers["allow"], "GET, HEAD, OPTIONS")

    def test_head(self) -> None:
        """
        HEAD of a page gets the length of the page and no body.
        """
        page = curl(f"{self.url}/help")
        response = curl(f"{self.url}/help", "--head")
        self.assertEqual((response.status, response.body), (200, b""))
        self.assertEqual(response.headers["content-length"], str(len(page.body)))

    def test_server(self) -> None:
        """
        Every response, a refusal too, has `Server: netd`.
        """
        for path in ("/healthz", "/nowhere", "/delay/x", "/files/", "/RPC2"):
            self.assertEqual(curl(f"{self.url}{path}").headers["server"], "netd", path)

    def test_largeBody(self) -> None:
        """
        A body longer than --max-body is a 413; a body of that length is echoed.
        """
        fits = "x" * 10_000
        self.assertEqual(curl(f"{self.url}/echo", "-d", fits).text, fits)
        for chunked in ((), ("-H", "Transfer-Encoding: chunked")):
            response = curl(f"{self.url}/echo", "-d", fits + "x", *chunked)
            self.assertEqual(response.status, 413, chunked)
            self.assertEqual(response.headers["server"], "netd")
