"""
The web site as curl and netcat see it.
"""

from __future__ import annotations

import json
import tempfile
import time

from twisted.trial.unittest import SynchronousTestCase

from tests.clients import GREETING, connect, curl, receive
from tests.running import Daemon, run, undisturbed

_TEXT = "text/plain; charset=utf-8"


class EchoTests(SynchronousTestCase):
    """
    Delay-echo at `/`.
    """

    def setUp(self) -> None:
        self.daemon = self.enterContext(Daemon("--delay", "0.3s"))
        self.url = f"{self.daemon.url}/"

    def test_greeting(self) -> None:
        """
        GET waits the delay and gives the constant 58 bytes as plain text that no one sniffs.
        """
        answer = curl(self.url)
        self.assertEqual((answer.status, answer.body), (200, GREETING))
        self.assertEqual(len(answer.body), 58)
        self.assertEqual(answer.headers["content-type"], _TEXT)
        self.assertEqual(answer.headers["content-length"], "58")
        self.assertEqual(answer.headers["x-content-type-options"], "nosniff")
        self.assertEqual(answer.headers["server"], "netd")
        self.assertGreaterEqual(answer.seconds, 0.3)

    def test_head(self) -> None:
        """
        HEAD waits as well, and has the head of GET and no body.
        """
        answer = curl(self.url, "--head")
        self.assertEqual((answer.status, answer.body), (200, b""))
        self.assertEqual(answer.headers["content-length"], "58")
        self.assertGreaterEqual(answer.seconds, 0.3)

    def test_body(self) -> None:
        """
        A POSTed body comes back byte for byte with its type, after the delay.
        """
        body = '{"answer": 42, "why": "é"}'
        answer = curl(self.url, "--json", body)
        self.assertEqual((answer.status, answer.text), (200, body))
        self.assertEqual(answer.headers["content-type"], "application/json")
        self.assertEqual(answer.headers["x-content-type-options"], "nosniff")
        self.assertGreaterEqual(answer.seconds, 0.3)

    def test_chunkedBody(self) -> None:
        """
        A large body without a Content-Length comes back whole.
        """
        body = bytes(range(256)) * 4096
        with tempfile.NamedTemporaryFile() as file:
            file.write(body)
            file.flush()
            answer = curl(
                self.url,
                *("--data-binary", f"@{file.name}", "-H", "Transfer-Encoding: chunked"),
                *("-H", "Content-Type: application/octet-stream"),
            )
        self.assertEqual((answer.status, len(answer.body)), (200, len(body)))
        self.assertEqual(answer.body, body)
        self.assertEqual(answer.headers["content-type"], "application/octet-stream")

    def test_activeContent(self) -> None:
        """
        What a browser would run comes back as plain text.
        """
        for kind in ("text/html", "image/svg+xml", "application/xhtml+xml", "text/html;a=b"):
            answer = curl(self.url, "-H", f"Content-Type: {kind}", "-d", "<script>1</script>")
            self.assertEqual(answer.text, "<script>1</script>")
            self.assertEqual(answer.headers["content-type"], _TEXT, kind)

    def test_http10(self) -> None:
        """
        An HTTP/1.0 client gets the 58 bytes and then the end of the connection.
        """
        answer = curl(self.url, "--http1.0")
        self.assertEqual((answer.status, answer.body), (200, GREETING))
        with connect(self.daemon.address()) as sock:
            sock.sendall(b"GET / HTTP/1.0\r\n\r\n")
            self.assertTrue(receive(sock).endswith(b"\r\n\r\n" + GREETING))

    def test_halfClosed(self) -> None:
        """
        `printf ... | nc -N`, which closes its side at once, gets its answer.
        """
        host, port = self.daemon.address()
        done = run("nc", "-N", host, str(port), say="GET / HTTP/1.1\r\nHost: netd\r\n\r\n")
        self.assertEqual(done.status, 0, done.err)
        self.assertTrue(done.out.startswith("HTTP/1.1 200 OK\r\n"), done.out)
        self.assertTrue(done.out.endswith("\r\n\r\n" + GREETING.decode()), done.out)
        self.assertGreaterEqual(done.seconds, 0.3)

    def test_leaving(self) -> None:
        """
        A client that leaves is logged as 499 and keeps nothing waiting.
        """
        done = run("curl", "-qsS", "--noproxy", "*", "-m", "1", f"{self.url}delay/50s")
        self.assertEqual(done.status, 28, done.err)
        self.daemon.logged('"GET /delay/50s HTTP/1.1" 499 ')
        started = time.monotonic()
        self.daemon.stop()
        # The default grace is 10 s, and the delay would have been far longer.
        self.assertLess(time.monotonic() - started, 5.0)


class SiteTests(SynchronousTestCase):
    """
    Everything beside `/`, under a default delay that nothing here waits for.
    """

    def setUp(self) -> None:
        self.url = self.enterContext(Daemon("--delay", "1h", "--max-body", "10kB")).url

    def test_delay(self) -> None:
        """
        `/echo?delay=250ms` waits 0.25 s whatever the method, an invented one too, and echoes.
        """
        for method in ("GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "BREW"):

            def measure(method: str = method) -> float:
                answer = curl(f"{self.url}/echo?delay=250ms", "-X", method)
                self.assertEqual((answer.status, answer.body), (200, GREETING), method)
                self.assertGreaterEqual(answer.seconds, 0.25, method)
                return answer.seconds

            self.assertLessEqual(undisturbed(measure, 0.55), 0.55, method)
        answer = curl(f"{self.url}/echo", "-X", "PUT", "-d", "a=1")
        self.assertEqual(answer.text, "a=1")

    def test_badDelay(self) -> None:
        """
        A duration that is none is a 400 in JSON that says so.
        """
        for text in ("nan", "inf", "-1", "1_0", "x", "1s1m"):
            answer = curl(f"{self.url}/delay/{text}")
            self.assertEqual(answer.status, 400, text)
            self.assertEqual(answer.headers["content-type"], "application/json")
            said = json.loads(answer.body)
            self.assertEqual((said["status_code"], said["error"]), (400, "Bad Request"))
            self.assertIn("duration", said["detail"])

    def test_health(self) -> None:
        """
        `/healthz` says ok without the delay, and no cache may keep it.
        """
        answer = curl(f"{self.url}/healthz")
        self.assertEqual((answer.status, answer.body), (200, b"ok\n"))
        self.assertEqual(answer.headers["cache-control"], "no-store")

    def test_help(self) -> None:
        """
        `/help` names every route in plain text.
        """
        answer = curl(f"{self.url}/help")
        self.assertEqual((answer.status, answer.headers["content-type"]), (200, _TEXT))
        paths = [line.split()[0] for line in answer.text.splitlines()]
        self.assertEqual(paths[0], "/")
        self.assertLessEqual({"/delay/<duration>", "/healthz", "/help"}, set(paths))

    def test_notFound(self) -> None:
        """
        A path that nobody answers is a 404 in JSON.
        """
        for path in ("/nowhere", "/healthz/", "/delay/", "/delay/1s/2s", "/files/nothing"):
            self.assertEqual(curl(f"{self.url}{path}").status, 404, path)
        answer = curl(f"{self.url}/nowhere")
        self.assertEqual(json.loads(answer.body)["status_code"], 404)

    def test_wrongMethod(self) -> None:
        """
        A method that a path does not take is a 405 whose Allow lists those it takes.
        """
        answer = curl(f"{self.url}/healthz", "-d", "x")
        self.assertEqual((answer.status, answer.headers["allow"]), (405, "GET, HEAD, OPTIONS"))
        answer = curl(f"{self.url}/RPC2", "-X", "DELETE")
        self.assertEqual(answer.status, 405)
        self.assertIn("POST", answer.headers["allow"])

    def test_options(self) -> None:
        """
        OPTIONS is a 204 with the same Allow and no body.
        """
        answer = curl(f"{self.url}/help", "-X", "OPTIONS")
        self.assertEqual((answer.status, answer.body), (204, b""))
        self.assertEqual(answer.headers["allow"], "GET, HEAD, OPTIONS")

    def test_head(self) -> None:
        """
        HEAD of a page gives its length and not the page.
        """
        page = curl(f"{self.url}/help")
        answer = curl(f"{self.url}/help", "--head")
        self.assertEqual((answer.status, answer.body), (200, b""))
        self.assertEqual(answer.headers["content-length"], str(len(page.body)))

    def test_server(self) -> None:
        """
        Every answer, a refusal too, says that netd gave it.
        """
        for path in ("/healthz", "/nowhere", "/delay/x", "/files/", "/RPC2"):
            self.assertEqual(curl(f"{self.url}{path}").headers["server"], "netd", path)

    def test_largeBody(self) -> None:
        """
        A body longer than --max-body is a 413, one of that length is echoed.
        """
        fits = "x" * 10_000
        self.assertEqual(curl(f"{self.url}/echo", "-d", fits).text, fits)
        for chunked in ((), ("-H", "Transfer-Encoding: chunked")):
            answer = curl(f"{self.url}/echo", "-d", fits + "x", *chunked)
            self.assertEqual(answer.status, 413, chunked)
            self.assertEqual(answer.headers["server"], "netd")
