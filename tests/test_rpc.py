"""
XML-RPC as Python's xmlrpc.client speaks it.
"""

from __future__ import annotations

import socket
import sys
import time
from xmlrpc.client import Fault, ServerProxy, dumps

from twisted.trial.unittest import SynchronousTestCase

from tests.clients import curl, reset
from tests.programs import needs
from tests.running import DEADLINE, TWISTD, Daemon, eventually, run, shared

_AWAITED = "netd.test.xmlrpc.published:awaited"

_SEED = """
import sys
import xmlrpc.client

s = xmlrpc.client.ServerProxy(sys.argv[1])
print(s.pow(2,3))  # Returns 2**3 = 8
print(s.add(2,3))  # Returns 5
print(s.mul(5,2))  # Returns 5*2 = 10

# Print list of available methods
print(s.system.listMethods())
"""


class SeedTests(SynchronousTestCase):
    """
    `xmlrpc.client.ServerProxy("http://localhost:PORT")`.
    """

    def setUp(self) -> None:
        self.url = self.enterContext(shared("--delay", "1m")).url
        self.proxy = self.enterContext(ServerProxy(self.url))

    def fault(self, name: str, *parameters: object) -> Fault:
        """The Fault that a call ends in."""
        fault: Fault = self.assertRaises(Fault, getattr(self.proxy, name), *parameters)
        return fault

    def test_seedScript(self) -> None:
        """
        A client script in an interpreter of its own prints 8, 5, 10 and the methods.
        """
        done = run(sys.executable, "-c", _SEED, self.url)
        self.assertEqual(done.status, 0, done.err)
        results, _, methods = done.out.partition("[")
        self.assertEqual(results, "8\n5\n10\n")
        for name in ("add", "mul", "pow", "system.listMethods", "system.methodSignature"):
            self.assertIn(f"'{name}'", methods)

    def test_doubles(self) -> None:
        """
        Doubles are added, multiplied and raised as doubles.
        """
        proxy = self.proxy
        self.assertEqual(proxy.add(0.5, 2), 2.5)
        self.assertEqual(proxy.mul(0.5, 0.5), 0.25)
        self.assertEqual(proxy.pow(2.0, -1), 0.5)

    def test_introspection(self) -> None:
        """
        Every method has a help text and signatures.
        """
        methods = self.proxy.system.listMethods()
        assert isinstance(methods, list)
        for name in methods:
            self.assertTrue(self.proxy.system.methodHelp(name), name)
            self.assertTrue(self.proxy.system.methodSignature(name), name)
        self.assertIn(["int", "int", "int"], self.proxy.system.methodSignature("pow"))

    def test_faults(self) -> None:
        """
        An unknown method, wrong parameters and a result that cannot be sent are Faults.
        """
        self.assertEqual(self.fault("sub", 1, 2).faultCode, -32601)
        self.assertEqual(self.fault("add", 1).faultCode, -32602)
        self.assertEqual(self.fault("add", "1", "2").faultCode, -32602)
        self.assertEqual(self.fault("pow", 2, -1).faultCode, -32602)
        self.assertEqual(self.fault("pow", 0.0, -1).faultCode, -32602)

    def test_hugePower(self) -> None:
        """
        `pow(7, 10**9)` is refused, and not computed, which would take minutes.
        """
        started = time.monotonic()
        self.assertIn("64 bits", self.fault("pow", 7, 10**9).faultString)
        self.assertLess(time.monotonic() - started, DEADLINE)

    def test_longResult(self) -> None:
        """
        A result beyond 32 bits arrives whole.
        """
        self.assertEqual(self.proxy.pow(2, 62), 2**62)

    @needs("curl")
    def test_notXML(self) -> None:
        """
        A body that is not a call is a Fault, and a DTD is refused.
        """
        for body in ("", "nothing", "<methodCall/>", "<!DOCTYPE a><methodCall/>"):
            response = curl(f"{self.url}/RPC2", "-H", "Content-Type: text/xml", "-d", body)
            self.assertEqual(response.status, 200, body)
            self.assertIn("<fault>", response.text)
            self.assertTrue(response.headers["content-type"].startswith("text/xml"))


class OwnFunctionTests(SynchronousTestCase):
    """
    Functions that wait, published by `--rpc`.
    """

    def test_asyncio(self) -> None:
        """
        On asyncio's reactor a coroutine awaits both kinds, and is cancelled with its client.

        So it is when a stop cuts its client: it gets to its `finally` before the process ends.
        """
        way = (*TWISTD, "--reactor=asyncio", "netd")
        daemon = self.enterContext(Daemon("--rpc", _AWAITED, "--grace", "0s", way=way))
        proxy = self.enterContext(ServerProxy(daemon.url))
        self.assertEqual(proxy.own.mixed(0.01), "mixed")
        body = dumps((50.0,), "own.mixed").encode()
        call = (
            b"POST /RPC2 HTTP/1.1\r\nHost: localhost\r\nContent-Type: text/xml\r\n"
            b"Content-Length: %d\r\n\r\n%b" % (len(body), body)
        )
        with socket.create_connection(daemon.address()) as client:
            client.sendall(call)
            # The call has begun when a later one on another connection is over.
            self.assertEqual(proxy.own.mixed(0.01), "mixed")
            reset(client)
        eventually(lambda: daemon.log.count("mixed is over") == 3 or None, "the cancellation")
        with socket.create_connection(daemon.address()) as client:
            client.sendall(call)
            self.assertEqual(proxy.own.mixed(0.01), "mixed")
            daemon.stop()
        self.assertEqual(daemon.log.count("mixed is over"), 5)

    def test_held(self) -> None:
        """
        The log names a function that holds the reactor, once.
        """
        daemon = self.enterContext(Daemon("--rpc", _AWAITED))
        proxy = self.enterContext(ServerProxy(daemon.url))
        for _ in range(3):
            self.assertEqual(proxy.own.nap(0.15), "awake")
        daemon.stop()
        self.assertEqual(daemon.log.count("own.nap held the reactor for "), 1)
