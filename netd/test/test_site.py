"""
The whole web site, without a socket and without waiting.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from attrs import evolve, frozen
from twisted.internet.address import IPv4Address, IPv6Address, UNIXAddress
from twisted.internet.error import ConnectionLost
from twisted.internet.task import Clock
from twisted.python.usage import UsageError
from twisted.trial.unittest import SynchronousTestCase
from twisted.web.resource import IResource, getChildForRequest
from twisted.web.test.requesthelper import DummyRequest

from netd import site
from netd.counters import Counters
from netd.lab.endpoints.echo import GREETING
from netd.lab.endpoints.probes import Probes
from netd.lab.router import Router
from netd.settings import Files, Settings
from netd.site import HostGuard, factory, files_only, local, probes_only, tree
from netd.test.http.stages import RecordingLog
from netd.test.http.stock import stock_site
from netd.test.lab.client import (
    HTTP,
    Client,
    Response,
    Transport,
    configured,
    limited,
    parse,
    request,
)
from netd.xmlrpc import service
from netd.xmlrpc.content_coding import LARGEST
from netd.xmlrpc.resource import RPCRoot


class TreeTests(SynchronousTestCase):
    """
    Which resource is at which path.
    """

    def child(self, *path: bytes) -> str:
        """The class of the resource at `path`, behind its guard."""
        requested = DummyRequest(list(path))
        root = tree(configured(), Client().clock)
        child = getChildForRequest(root, requested)
        return type(child.resource if isinstance(child, HostGuard) else child).__name__

    def test_rooms(self) -> None:
        """Files and XML-RPC have their names, the router has every other."""
        self.assertEqual(self.child(b"files", b"hello.txt"), "Files")
        self.assertEqual(self.child(b"RPC2"), "RPC")
        for path in ((b"",), (b"delay", b"3"), (b"rpc2",), (b"Files",)):
            self.assertEqual(self.child(*path), Router.__name__, path)

    def test_withoutFiles(self) -> None:
        """A system that cannot serve files says so to whoever asks for them, at start."""
        self.patch(site, "_HAS_FILES", False)
        self.assertEqual(self.child(b"files", b"hello.txt"), Router.__name__)
        clock = Client().clock
        named = evolve(configured(), files=Files(root=Path()))
        for make, config in ((files_only, configured()), (tree, named)):
            with self.assertRaisesRegex(UsageError, "^--files: this system"):
                make(config, clock)


@frozen
class Port:
    """A listening port, as a transport knows it."""

    host: str
    connected: bool = True

    def getHost(self) -> IPv4Address | IPv6Address:
        """Its address; a closed port has none."""
        assert self.connected, "a closed port has no address"
        kind = IPv6Address if ":" in self.host else IPv4Address
        return kind("TCP", self.host, 8000)


class GuardTests(SynchronousTestCase):
    """
    What a page of another site gets that lets its own name lead to this daemon.
    """

    def ask(
        self,
        line: str,
        host: str | None = "evil.example",
        *,
        port: Port | None = None,
        names: tuple[str, ...] = (),
        root: Callable[[Settings, Clock], IResource] = tree,
        version: str = "1.1",
    ) -> Response:
        """The response to a request for `host` at a listener that is bound to loopback."""
        config = configured(evolve(HTTP, hosts=names))
        transport = Transport(hostAddress=IPv4Address("TCP", "127.0.0.1", 8000))
        transport.server = port or Port("127.0.0.1")
        clock, counters = Clock(), Counters()
        client = Client(
            config,
            clock,
            counters,
            factory(config, clock, counters, root(config, clock)),
            transport=transport,
        )
        field = "" if host is None else f"Accept: */*\r\nHOST: {host} \r\n"
        return parse(client.send(f"{line} HTTP/{version}\r\n{field}\r\n".encode()))

    def test_refused(self) -> None:
        """Files, calls and metrics are a 421 whose one line names the option."""
        for line in (
            *("GET /files/hello.txt", "GET /files", "GET /%66iles/hello.txt", "GET /RPC2"),
            *("POST /RPC2", "GET /metrics", "GET /%6detrics", "OPTIONS /files/"),
        ):
            response = self.ask(line, "Evil.example.:8000")
            self.assertEqual(response.status, 421, line)
            self.assertEqual(
                response.body,
                b"evil.example is not a name of this daemon; "
                b"start netd with --host evil.example\n",
            )
            self.assertEqual(response.headers["content-type"], "text/plain; charset=utf-8")
            self.assertEqual(response.headers["x-content-type-options"], "nosniff")
            self.assertNotIn("access-control-allow-origin", response.headers)
        self.assertEqual(self.ask("HEAD /files/hello.txt").body, b"")

    def test_lab(self) -> None:
        """The lab, which every origin may read, and the probes of health have no such rule."""
        for path in ("/get", "/healthz", "/readyz", "/help", "/status/200", "/metricsx/.."):
            self.assertNotEqual(self.ask(f"GET {path}").status, 421, path)

    def test_answered(self) -> None:
        """A local host, a name of --host, and no Host at all get everything."""
        for path in ("/files/hello.txt", "/RPC2", "/metrics"):
            for host in ("127.0.0.1:8000", "[::1]:8000", "localhost:8000", "a.localhost", ""):
                self.assertEqual(self.ask(f"GET {path}", host).status, 200, (path, host))
            for names in (("evil.example",), ("a", "EVIL.Example.:80"), ("*",)):
                self.assertEqual(self.ask(f"GET {path}", names=names).status, 200, names)
            self.assertEqual(self.ask(f"GET {path}", None, version="1.0").status, 200)

    def test_absolute(self) -> None:
        """The authority of an absolute target overrules Host."""
        line = "GET http://evil.example/files/hello.txt"
        self.assertEqual(self.ask(line, "localhost").status, 421)
        line = "GET http://localhost:80/files/hello.txt"
        self.assertEqual(self.ask(line, "evil.example").status, 200)

    def test_listeners(self) -> None:
        """Only the address counts to which the listener is bound, not that of a connection."""
        for host, status in (
            *(("127.0.0.1", 421), ("127.8.9.1", 421), ("::1", 421), ("::ffff:127.0.0.1", 421)),
            *(("0.0.0.0", 200), ("::", 200), ("192.0.2.1", 200), ("fe80::1%1", 200)),
        ):
            got = self.ask("GET /files/hello.txt", port=Port(host)).status
            self.assertEqual(got, status, host)

    def test_closed(self) -> None:
        """Once the listener is closed, the address of the connection counts."""
        closed = Port("0.0.0.0", connected=False)
        self.assertEqual(self.ask("GET /metrics", port=closed).status, 421)

    def test_unix(self) -> None:
        """No browser reaches a UNIX socket, so every name is good there."""
        config = configured()
        client = Client(config, transport=Transport(hostAddress=UNIXAddress("/run/netd")))
        self.assertEqual(client.request("GET /files/hello.txt").status, 200)

    def test_alone(self) -> None:
        """Listeners of files, calls or probes alone have the same rule at their own paths."""
        probes = Probes()
        for root, line in (
            (files_only, "GET /hello.txt"),
            (files_only, "GET /"),
            (self.calls, "GET /"),
            (self.calls, "GET /RPC2"),
            (lambda config, clock: probes_only(config, clock, probes), "GET /metrics"),
        ):
            self.assertEqual(self.ask(line, root=root).status, 421, line)
            self.assertEqual(self.ask(line, "localhost", root=root).status, 200, line)
        own = lambda config, clock: probes_only(config, clock, probes)  # noqa: E731
        for path in ("/healthz", "/readyz"):
            self.assertEqual(self.ask(f"GET {path}", root=own).status, 200, path)

    def test_local(self) -> None:
        """The probes for denied loopback are counted, and /metrics has its guard."""
        clock, counters = Clock(), Counters()
        server = local(configured(), clock, counters, Probes())
        for name, status in (("localhost", b" 200 "), ("evil.example", b" 421 ")):
            transport = Transport(hostAddress=IPv4Address("TCP", "127.0.0.1", 8000))
            connection = server.buildProtocol(IPv4Address("TCP", "127.0.0.1", 5))
            connection.makeConnection(transport)
            connection.dataReceived(
                b"GET /metrics HTTP/1.0\r\nHost: %s\r\n\r\n" % name.encode()
            )
            self.assertIn(status, transport.value())
            connection.abort()
        self.assertEqual(counters.responses, {200: 1, 421: 1})

    def calls(self, config: Settings, clock: Clock) -> IResource:
        """The root of a listener for calls only."""
        return HostGuard(RPCRoot(service.build(clock).resource), config.http)

    def test_stock(self) -> None:
        """The guard does the same on Twisted's own server."""
        clock = Clock()
        for host, status in (("evil.example", 421), ("localhost", 200)):
            transport = Transport(hostAddress=IPv4Address("TCP", "127.0.0.1", 8000))
            site = stock_site(tree(configured(), clock), clock)
            client = Client(clock=clock, site=site, transport=transport)
            asked = f"GET /RPC2 HTTP/1.1\r\nHost: {host}\r\n\r\n".encode()
            self.assertEqual(parse(client.send(asked)).status, status)


class BodiesTests(SynchronousTestCase):
    """
    Bodies that are too large for where they go.
    """

    def test_early(self) -> None:
        """A call that says it is larger than 1 MiB is refused before its body comes."""
        alone = HostGuard(RPCRoot(service.build(Clock()).resource), HTTP)
        config = configured(limited(max_body=10 << 20))
        for root, target, refused in (
            (None, "/RPC2", True),
            (None, "/RPC2?x", True),
            (None, "/post", False),
            (alone, "/", True),
            (alone, "/RPC2", True),
        ):
            clock, counters = Clock(), Counters()
            made = factory(config, clock, counters, root)
            client = Client(config, clock, counters, made)
            said = client.send(request(f"POST {target}", f"Content-Length: {LARGEST + 1}"))
            self.assertEqual(said.startswith(b"HTTP/1.1 413 "), refused, target)

    def test_chunked(self) -> None:
        """One that does not say it is refused as soon as it is too large."""
        client = Client(configured(limited(max_body=10 << 20)))
        asked = request("POST /RPC2", "Transfer-Encoding: chunked")
        self.assertEqual(client.send(asked + b"%x\r\n%b\r\n" % (LARGEST, bytes(LARGEST))), b"")
        self.assertTrue(client.send(b"1\r\n").startswith(b"HTTP/1.1 413 "))

    def test_smaller(self) -> None:
        """A smaller limit for all holds for calls too, also a new one."""
        client = Client(configured(limited(max_body=10 << 20)))
        client.site.change(limited(max_body=10).limits)
        said = client.send(request("POST /RPC2", "Content-Length: 11"))
        self.assertTrue(said.startswith(b"HTTP/1.1 413 "))


class DelayEchoTests(SynchronousTestCase):
    """
    Delay-echo at the root.
    """

    def test_waits(self) -> None:
        """The response leaves after the delay, not before, and is 58 bytes."""
        client = Client()
        self.assertEqual(client.send(request("GET /")), b"")
        self.assertEqual(client.advance(2.999), b"")
        response = parse(client.advance(0.001))
        self.assertEqual((response.status, len(response.body)), (200, 58))
        self.assertEqual(response.headers["content-length"], "58")
        self.assertEqual(response.headers["content-type"], "text/plain; charset=utf-8")

    def test_cutAnywhere(self) -> None:
        """Wherever the request is cut in two, the response is the same."""
        data = request("POST /", "Content-Type: text/plain", body=b"hello")
        for cut in range(1, len(data)):
            client = Client()
            client.send(data[:cut])
            client.send(data[cut:])
            self.assertEqual(parse(client.advance(3)).body, b"hello", cut)

    def test_byteByByte(self) -> None:
        """A request that comes in single bytes gets the same response as a whole one."""
        client = Client()
        for byte in request("GET /"):
            client.send(bytes([byte]))
        self.assertEqual(parse(client.advance(3)).body, GREETING)

    def test_manyAtOnce(self) -> None:
        """Clients that came together get their responses together: none waits for another."""
        first = Client()
        others = [
            Client(first.settings, first.clock, first.counters, first.site) for _ in range(99)
        ]
        for client in (first, *others):
            client.send(request("GET /"))
        first.clock.advance(3)
        bodies = {parse(client.received()).body for client in (first, *others)}
        self.assertEqual(bodies, {GREETING})
        self.assertEqual(first.counters.responses, {200: 100})

    def test_oldProtocol(self) -> None:
        """HTTP/1.0 without Host gets a response, and the connection is closed."""
        client = Client()
        client.send(b"GET / HTTP/1.0\r\n\r\n")
        response = parse(client.advance(3))
        self.assertEqual((response.status, response.body), (200, GREETING))
        self.assertTrue(client.transport.disconnecting)

    def test_keepAlive(self) -> None:
        """HTTP/1.1 connections stay for the next request."""
        client = Client()
        for _ in range(3):
            client.send(request("GET /"))
            self.assertEqual(parse(client.advance(3)).body, GREETING)
        self.assertFalse(client.transport.disconnecting)


class EngineTests(SynchronousTestCase):
    """
    What the site takes from its settings.
    """

    def test_limits(self) -> None:
        """The limits of the settings are those of the connection."""
        client = Client(configured(limited(max_body=10)))
        response = client.request("POST /", body=b"0123456789a")
        self.assertEqual(response.status, 413)
        self.assertEqual(client.counters.refusals, {"large-body": 1})

    def test_halfClosed(self) -> None:
        """A client that closes its side with the request gets its response, then the close."""
        client = Client()
        client.send(request("GET /"))
        client.channel.readConnectionLost()
        self.assertEqual(parse(client.advance(3)).body, GREETING)
        self.assertTrue(client.transport.disconnecting)

    def test_drained(self) -> None:
        """A response in flight is delivered, says that it is the last, and then all is done."""
        client = Client()
        client.send(request("GET /"))
        done = client.site.drain()
        self.assertNoResult(done)
        response = parse(client.advance(3))
        self.assertEqual((response.status, response.headers["connection"]), (200, "close"))
        client.disconnect()
        self.successResultOf(done)

    def test_left(self) -> None:
        """A reset while waiting is counted as 499 and leaves no timer."""
        client = Client()
        client.send(request("GET /"))
        client.disconnect(ConnectionLost)
        self.assertEqual(client.counters.responses, {499: 1})
        self.assertEqual(client.clock.getDelayedCalls(), [])

    def test_log(self) -> None:
        """Each response is recorded in the log that was handed in."""
        client, log = Client(), RecordingLog()
        log.detailed = False
        client.site = factory(configured(), client.clock, client.counters, log=log)
        again = Client(client.settings, client.clock, client.counters, client.site)
        again.request("GET /healthz", "User-Agent: me")
        entry = (b"127.0.0.1", b"GET /healthz HTTP/1.1", 200, 3, b"-", b"me", b"-", None)
        self.assertEqual(log.entries, [entry])

    def test_alone(self) -> None:
        """A site of one resource serves that one only."""
        client = Client()
        alone = factory(
            configured(), client.clock, client.counters, files_only(configured(), client.clock)
        )
        again = Client(client.settings, client.clock, client.counters, alone)
        self.assertEqual(again.request("GET /hello.txt").body, b"Hello from netd.\n")


class StockTests(SynchronousTestCase):
    """
    The same tree under Twisted's own engine, which is the oracle.
    """

    def test_same(self) -> None:
        """Status, body and type of responses that come at once are the same."""
        clock = Clock()
        stock = stock_site(tree(configured(), clock), clock)
        for line in ("GET /healthz", "HEAD /healthz", "GET /nope", "POST /help", "GET /RPC2"):
            mine = Client().request(line)
            theirs = Client(clock=clock, site=stock).request(line)
            self.assertEqual((mine.status, mine.body), (theirs.status, theirs.body), line)
            for name in ("content-type", "allow", "content-length"):
                self.assertEqual(mine.headers.get(name), theirs.headers.get(name), line)
