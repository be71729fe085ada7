"""
Tests of netd.testing.httpbin, by a run of pytest in this process.
"""

from __future__ import annotations

import os
import socket
import ssl
import urllib.request
from types import SimpleNamespace

from twisted.trial.unittest import SynchronousTestCase

from netd.test.testing.test_plugin import run_pytest, set_variable
from netd.testing import httpbin
from netd.testing.ca import kept


class SuiteTests(SynchronousTestCase):
    """
    A suite for pytest-httpbin.
    """

    def test_unchanged(self) -> None:
        """The modules, classes and fixtures of pytest-httpbin 2.1 are there."""
        outcome = run_pytest(
            self,
            """
            import os, ssl, unittest, urllib.request
            import pytest_httpbin.certs
            from pytest_httpbin import certs, serve
            from pytest_httpbin.serve import SecureServer, Server
            from pytest_httpbin.version import __version__

            CONTEXT = ssl.create_default_context(cafile=pytest_httpbin.certs.where())
            Server.__str__ = lambda self: self.url

            def get(url):
                context = CONTEXT if url.startswith("https") else None
                with urllib.request.urlopen(url, context=context) as response:
                    return response

            def test_plain(httpbin):
                assert isinstance(httpbin, Server)
                assert get(httpbin + "/get").status == 200
                assert str(httpbin) == f"http://{httpbin.host}:{httpbin.port}"
                assert httpbin.join("foo") == httpbin.url + "/foo"

            def test_exact(httpbin):
                assert get(httpbin + "/response-headers?Set-Cookie=a").headers["Set-Cookie"]

            def test_both(httpbin_both):
                assert get(httpbin_both + "/get").status == 200
                assert httpbin_both.url.startswith(httpbin_both.protocol + ":")

            def test_bundle(httpbin_ca_bundle):
                assert os.environ["REQUESTS_CA_BUNDLE"] == certs.where()

            @pytest_httpbin.use_class_based_httpbin
            @pytest_httpbin.use_class_based_httpbin_secure
            class TestClass(unittest.TestCase):
                def test_it(self):
                    assert get(self.httpbin + "/get").status == 200
                    assert isinstance(self.httpbin_secure, SecureServer)

            def test_blocked(pytestconfig):
                assert pytestconfig.pluginmanager.is_blocked("httpbin")

            def test_log(httpbin):
                assert not httpbin.lines
            """,
            plugin="netd.testing.httpbin",
        )
        wrong = {name: each for name, each in outcome.outcomes.items() if each != "passed"}
        self.assertEqual(wrong, {"test_log": "failed"}, outcome.text)


class ServerTests(SynchronousTestCase):
    """
    `Server` without the fixtures.
    """

    def test_application(self) -> None:
        """httpbin's application is netd itself; any other is an error that says so."""
        httpbin.Server(application=SimpleNamespace(import_name="httpbin.core"))
        with self.assertRaisesRegex(TypeError, "no application but httpbin's, not my.app"):
            httpbin.Server(application=SimpleNamespace(import_name="my.app"))

    def fixed_port(self, kind: type[httpbin.Server]) -> int:
        """A free port, which the variable of this kind of server names."""
        # Bound, so that nobody else takes it; a server that may reuse it can.
        free = socket.socket()
        self.addCleanup(free.close)
        free.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        free.bind(("127.0.0.1", 0))
        port: int = free.getsockname()[1]
        set_variable(self, kind.port_envvar, str(port))
        return port

    def test_lazy(self) -> None:
        """
        A server that nobody asks anything is not started; one that is starts once, on the port
        that the variable names.
        """
        port = self.fixed_port(httpbin.Server)
        server = httpbin.Server()
        self.assertEqual(server.lines, [])
        server.stop()
        self.assertEqual(server.port, port)
        self.addCleanup(server.stop)
        daemon = server._daemon
        with server:
            self.assertIs(server._daemon, daemon)

    def test_authority(self) -> None:
        """The authority of the cache is used where a variable names it, on the port of one."""
        port = self.fixed_port(httpbin.SecureServer)
        cache = os.path.abspath(self.mktemp())
        set_variable(self, "XDG_CACHE_HOME", cache)
        bundle = kept().bundle
        set_variable(self, "SSL_CERT_FILE", bundle)
        httpbin.authority.cache_clear()
        self.addCleanup(httpbin.authority.cache_clear)
        self.assertEqual(httpbin.where(), bundle)
        context = ssl.create_default_context(cafile=bundle)
        with httpbin.SecureServer() as server:
            self.assertEqual(server.port, port)
            url = server + "/get"
            with urllib.request.urlopen(url, context=context) as response:
                self.assertEqual(response.status, 200)
