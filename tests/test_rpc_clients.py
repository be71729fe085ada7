"""
XML-RPC clients of five languages, and the documentation page in a browser.
"""

from __future__ import annotations

import gzip
import http.client
import os
import signal
import xmlrpc.client
import zlib
from datetime import datetime
from pathlib import Path
from typing import Any

from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys
from selenium.webdriver.support.select import Select
from twisted.trial.unittest import SynchronousTestCase

from tests.browser import element, overflow, resize, shared_browser
from tests.clients import reset
from tests.programs import needs
from tests.running import (
    DEADLINE,
    ROOT,
    Daemon,
    alive,
    children,
    environment,
    eventually,
    run,
    run_netd,
    shared,
    succeed,
)

CLIENTS = ROOT / "tests" / "rpc_clients"
EXAMPLE = "shop=examples.rpc_methods"

_FIELDS = ("method", "parameters")
SELECT_ALL = Keys.CONTROL + "a" + Keys.NULL
CONTROL_ENTER = Keys.CONTROL + Keys.ENTER + Keys.NULL

FOUND = {
    "add": "5",
    "pow": str(2**62),
    "i8": str(2**32 + 1),
    "listed": "yes",
    "signature": "int int int",
    "fault": "fault -32601",
    "multicall": "3 -32601",
    "unicode": "h\u00e9<&>",
    "base64": "00ff",
    "date": "20261122T14:08:55",
    "nil": "yes",
    "struct": "6",
    "gzip": "5000",
}
"""What every client that can finds."""


class ClientTests(SynchronousTestCase):
    """
    Clients in other languages.
    """

    def setUp(self) -> None:
        self.daemon = self.enterContext(shared())
        self.url = f"{self.daemon.url}/RPC2"

    def findings(self, *command: str | Path) -> dict[str, str]:
        """The results that a client's script prints."""
        lines = succeed(*command, self.url).splitlines()
        return dict(line.split(" ", 1) for line in lines)

    @needs("perl")
    def test_perl(self) -> None:
        """
        Perl's RPC::XML introspects, calls and compresses.
        """
        self.assertEqual(self.findings("perl", CLIENTS / "client.pl"), FOUND)

    @needs("ruby")
    def test_ruby(self) -> None:
        """
        Ruby's xmlrpc introspects and calls; it reads i8 and does not write it.
        """
        wanted = {**FOUND}
        del wanted["i8"]
        self.assertEqual(self.findings("ruby", "-W0", CLIENTS / "client.rb"), wanted)

    @needs("php")
    def test_php(self) -> None:
        """
        PHP's xmlrpc introspects and calls; it has neither i8 nor nil.
        """
        wanted = {**FOUND, "pow": str(2**30), "deflate": "5000"}
        del wanted["i8"], wanted["nil"]
        self.assertEqual(self.findings("php", CLIENTS / "client.php"), wanted)

    def c_client(self, *words: str) -> str:
        """The output of xmlrpc-c's client for a call."""
        done = run("xmlrpc", self.url, *words, environ=environment(LC_ALL="C.UTF-8"))
        return done.out + done.err

    @needs("xmlrpc")
    def test_c(self) -> None:
        """
        C's xmlrpc-c introspects and calls; its tool has no arrays, structs and dates to send.
        """
        for words, printed in (
            (("add", "i/2", "i/3"), "Integer: 5"),
            (("pow", "i/2", "i/62"), f"64-bit integer: {2**62}"),
            (("add", "I/4294967296", "i/1"), f"64-bit integer: {2**32 + 1}"),
            (("system.listMethods",), "'system.multicall'"),
            (("system.methodSignature", "s/add"), "'int'"),
            (("nope",), "-32601"),
            # The tool prints bytes that are not ASCII in hexadecimal.
            (("lab.echo", "s/h\u00e9<&>"), r"'h\xc3\xa9<&>'"),
            (("lab.echo", "h/00ff"), "Bit string: 00ff"),
            (("lab.echo", "n/"), "Nil"),
            (("lab.echo", "d/0.5"), "Floating Point: 0.5"),
        ):
            self.assertIn(printed.lower(), self.c_client(*words).lower(), words)


class PythonTests(SynchronousTestCase):
    """
    Python's xmlrpc.client, and the example module.
    """

    def setUp(self) -> None:
        arguments = ("--rpc", EXAMPLE, "--rpc-http", "tcp:0", "--rpc-workers", "1")
        self.daemon = self.enterContext(Daemon(*arguments, cwd=ROOT))
        self.host, self.port = self.daemon.address("rpc-http")
        self.proxy: Any = self.server(f"http://localhost:{self.port}")

    def server(self, url: str) -> Any:
        """A client of `url`."""
        proxy = xmlrpc.client.ServerProxy(url, allow_none=True, use_builtin_types=True)
        return self.enterContext(proxy)

    def code(self, name: str, *values: object) -> int:
        """The fault code of a call."""
        call: Any = self.proxy
        for part in name.split("."):
            call = getattr(call, part)
        fault = self.assertRaises(xmlrpc.client.Fault, call, *values)
        return int(fault.faultCode)

    def post(self, body: bytes, **headers: str) -> tuple[int, bytes]:
        """Status and body of the response to a POST on a fresh connection."""
        connection = http.client.HTTPConnection(self.host, self.port, timeout=DEADLINE)
        try:
            named = {name.replace("_", "-"): value for name, value in headers.items()}
            connection.request("POST", "/RPC2", body, {"Content-Type": "text/xml", **named})
            response = connection.getresponse()
            return response.status, response.read()
        finally:
            connection.close()

    def test_example(self) -> None:
        """
        The example publishes typed, async and offloaded functions, and one with a struct.
        """
        shop = self.proxy.shop
        self.assertEqual(shop.price("tea", 3), 7.5)
        self.assertEqual(shop.order("tea", 2), {"article": "tea", "count": 2, "total": 5.0})
        self.assertEqual(shop.ready(0.01), "ready")
        self.assertEqual(shop.largest_prime(100), 97)
        self.assertEqual(self.code("shop.price", "gold"), 404)
        self.assertEqual(self.code("shop.price", 1), -32602)
        self.assertEqual(
            self.proxy.system.methodSignature("shop.price"),
            [["double", "string"], ["double", "string", "int"]],
        )

    def test_values(self) -> None:
        """
        Values of every type come back unchanged.
        """
        now = datetime(2026, 11, 22, 14, 8, 55)
        value: list[Any] = [
            1,
            -0.5,
            True,
            None,
            "h\u00e9<&>",
            b"\x00\xff",
            now,
            {"a": [], "": {}},
        ]
        self.assertEqual(self.proxy.lab.echo(value), value)
        self.assertEqual(self.proxy.lab.echo("x" * 500_000), "x" * 500_000)

    def test_multicall(self) -> None:
        """
        MultiCall gives results and faults in order.
        """
        many: Any = xmlrpc.client.MultiCall(self.proxy)
        many.add(2, 3)
        many.lab.burn(0.01)
        many.nope()
        results = many()
        self.assertEqual(results[0], 5)
        self.assertGreater(results[1]["rounds"], 0)
        self.assertRaises(xmlrpc.client.Fault, results.__getitem__, 2)

    def test_compression(self) -> None:
        """
        deflate and gzip are accepted, a bomb is refused.
        """
        body = xmlrpc.client.dumps((2, 3), "add").encode()
        for coding, pack in (("gzip", gzip.compress), ("deflate", zlib.compress)):
            status, response = self.post(pack(body), Content_Encoding=coding)
            self.assertEqual((status, xmlrpc.client.loads(response)[0]), (200, (5,)))
            status, _ = self.post(pack(bytes(50_000_000)), Content_Encoding=coding)
            self.assertEqual(status, 413)

    def test_hostile(self) -> None:
        """
        Calls that froze or broke stock twisted.web.xmlrpc are refused, and nothing is logged.
        """
        call = "<methodCall><methodName>lab.echo</methodName><params><param><value>{}"
        deep = call.format("<array><data><value>" * 20_000)
        entity = "<!DOCTYPE x [<!ENTITY a 'aaaa'>]>" + call.format("&a;")
        for body in (deep, entity, call.format(""), "<methodResponse/>", "x" * 900_000):
            status, response = self.post(body.encode())
            self.assertEqual(status, 200)
            self.assertRaises(xmlrpc.client.Fault, xmlrpc.client.loads, response)
        self.assertEqual(self.post(b"x" * 1_100_000)[0], 413)
        self.assertEqual(self.code("pow", 7, 10**9), -32602)
        self.assertEqual(self.code("mul", "a", 3 * 10**7), -32602)

    def worker(self) -> int | None:
        """The process id of the daemon's worker; None without one."""
        return next(iter(children(self.daemon.pid)), None)

    def burn(self, seconds: float) -> http.client.HTTPConnection:
        """A connection on which a worker computes for `seconds`."""
        connection = http.client.HTTPConnection(self.host, self.port, timeout=DEADLINE)
        self.addCleanup(connection.close)
        body = xmlrpc.client.dumps((seconds,), "lab.burn")
        connection.request("POST", "/", body, {"Content-Type": "text/xml"})
        return connection

    def test_killedWorker(self) -> None:
        """
        A worker killed during a call faults that call only, and is replaced.
        """
        connection = self.burn(25.0)
        pid = eventually(self.worker, "a worker")
        os.kill(pid, signal.SIGKILL)
        response = connection.getresponse().read()
        fault = self.assertRaises(xmlrpc.client.Fault, xmlrpc.client.loads, response)
        self.assertEqual(fault.faultCode, -32603)
        self.assertEqual(self.proxy.shop.largest_prime(10), 7)

    def test_leftWorker(self) -> None:
        """
        A client that leaves frees its worker at once.
        """
        connection = self.burn(25.0)
        first = eventually(self.worker, "a worker")
        reset(connection.sock)
        self.assertEqual(self.proxy.shop.largest_prime(10), 7)
        self.assertNotEqual(self.worker(), first)

    def test_killedDaemon(self) -> None:
        """
        A busy worker ends when the daemon is killed.
        """
        self.burn(25.0)
        pid = eventually(self.worker, "a worker")
        self.daemon.signal(signal.SIGKILL)
        self.daemon.ended()
        eventually(lambda: None if alive(pid) else True, "the end of the worker")

    def test_stop(self) -> None:
        """
        A stop lets the call in flight end, and leaves no worker.
        """
        connection = self.burn(0.5)
        pid = eventually(self.worker, "a worker")
        self.daemon.signal(signal.SIGTERM)
        results: Any = xmlrpc.client.loads(connection.getresponse().read())[0]
        burnt = results[0]
        self.assertGreaterEqual(burnt["seconds"], 0.5)
        connection.close()
        self.daemon.ended()
        self.assertFalse(alive(pid))

    def test_refused(self) -> None:
        """
        An object that cannot be published stops the start with one line.
        """
        for text, why in (("nosuch_mod:x", "ModuleNotFoundError"), ("math:pow", "two methods")):
            command = ("--port", "0", "--rpc", text)
            done = run_netd(*command, cwd=ROOT)
            self.assertEqual(done.status, 1)
            self.assertIn(f"netd: --rpc {text}: ", done.err)
            self.assertIn(why, done.err)
            self.assertEqual(done.err.count("\n"), 1)


@needs("chromium", "chromedriver")
class BrowserTests(SynchronousTestCase):
    """
    The documentation page in headless Chromium.
    """

    def setUp(self) -> None:
        self.daemon = self.enterContext(shared())
        self.driver = self.enterContext(shared_browser())
        self.driver.get(f"{self.daemon.url}/RPC2")

    def test_form(self) -> None:
        """
        The form calls a method with the keyboard alone, and shows results and faults.
        """
        self.driver.execute_script("document.querySelector('#method').focus()")
        self.driver.switch_to.active_element.send_keys("add" + Keys.TAB)
        parameters = self.driver.switch_to.active_element
        self.assertEqual(parameters.get_attribute("id"), "parameters")
        parameters.send_keys(SELECT_ALL + "40, 2" + CONTROL_ENTER)
        self.assertEqual(eventually(self.output, "a result"), "42")
        parameters.send_keys(SELECT_ALL + '40, "x"')
        element(self.driver, "form button").click()
        fault = eventually(
            lambda: text if "Fault" in (text := self.output() or "") else None, "a fault"
        )
        self.assertEqual(fault, "Fault -32602: add: y must be int or double, got string")

    def output(self) -> str | None:
        """The result or fault that the form shows; None before there is one."""
        text = element(self.driver, "output").get_property("textContent")
        assert isinstance(text, str)
        return text if text not in ("", "...") else None

    def test_try(self) -> None:
        """
        The button of a method calls it with its example, and a struct is shown as JSON.
        """
        element(self.driver, 'button[data-method="ip.network"]').click()
        self.assertIn('"num_addresses": "16"', eventually(self.output, "a result"))
        self.assertEqual(self.filled(), ("ip.network", '"192.0.2.0/28"'))

    def test_chosen(self) -> None:
        """
        Another method in the select brings its own parameters, and the old result goes.
        """
        self.assertEqual(self.filled(), ("add", "3, 3"))
        element(self.driver, "form button").click()
        self.assertEqual(eventually(self.output, "a result"), "6")
        Select(element(self.driver, "#method")).select_by_visible_text("ip.contains")
        self.assertEqual(self.filled(), ("ip.contains", '"192.0.2.0/24", "192.0.2.7"'))
        self.assertIsNone(self.output())

    def test_folded(self) -> None:
        """
        A suite is folded until its link is followed; its texts are sent as its types.
        """
        many = element(self.driver, 'button[data-method="validator1.manyTypesTest"]')
        self.assertFalse(many.is_displayed())
        element(self.driver, 'a[href="#validator1.*"]').click()
        eventually(lambda: many.is_displayed() or None, "the suite")
        many.click()
        result = eventually(self.output, "a result")
        self.assertIn("dateTime.iso8601 20261127T12:30:00,\n  base64 Ynl0ZXM=", result)

    def filled(self) -> tuple[str, str]:
        """The method and the parameters that the form shows."""
        method, parameters = (element(self.driver, f"#{name}") for name in _FIELDS)
        return str(method.get_property("value")), str(parameters.get_property("value"))

    def test_phone(self) -> None:
        """
        The page is no wider than a phone, and its script has filled in the examples.
        """
        resize(self.driver, 390, 844)
        self.assertEqual(overflow(self.driver), 0)
        examples = self.driver.find_elements(By.CSS_SELECTOR, "pre")
        self.assertGreater(len(examples), 9)
        self.assertIn(f"{self.daemon.url}/RPC2", str(examples[0].get_property("textContent")))
