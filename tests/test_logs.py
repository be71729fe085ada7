"""
The forms of the log, and lines that cannot be written.
"""

from __future__ import annotations

import contextlib
import json
import os
import re
import signal
import socket
import subprocess
from functools import partial
from pathlib import Path
from typing import Any
from urllib.request import urlopen

from twisted.trial.unittest import SynchronousTestCase

from netd.ops.logging.log_fields import FIELDS
from tests.certificates import shared_certificate
from tests.clients import connect, curl, exchange, reset, samples, waiting
from tests.programs import needs
from tests.running import (
    DEADLINE,
    MODULE,
    Daemon,
    environment,
    eventually,
    run,
    temporary_directory,
)

_SECRETS = ("-H", "Authorization: Basic c2VjcmV0MQ==", "-b", "name=secret2", "-d", "secret3")


@needs("curl")
class FormTests(SynchronousTestCase):
    """
    `--log FORM`.
    """

    def use(self, daemon: Daemon) -> None:
        """Send a request with a body, a cookie and credentials."""
        curl(f"{daemon.url}/post?a=b", "-A", 'me "too"', *_SECRETS)

    def clean(self, log: str) -> None:
        """No credential, cookie or body is in `log`."""
        for secret in ("c2VjcmV0MQ", "secret1", "secret2", "secret3"):
            self.assertNotIn(secret, log)

    def test_text(self) -> None:
        """
        The daemon's own lines are twistd's; the access log has the combined format.
        """
        daemon = self.enterContext(Daemon("--log", "text"))
        self.use(daemon)
        log = daemon.logged('"POST /post?a=b HTTP/1.1" 200')
        self.assertIn("[netd.ops.systemd#info] ready: http://127.0.0.1:", log)
        self.assertIn(r'"me \x22too\x22"', log)
        self.assertNotIn("starting on", log)
        self.clean(log)

    def test_json(self) -> None:
        """
        Each line is a JSON object, those of the start and of the end too.
        """
        daemon = self.enterContext(Daemon("--log", "json"))
        self.use(daemon)
        daemon.logged('"event": "access"')
        daemon.stop()
        self.clean(daemon.log)
        entries: list[dict[str, Any]] = [json.loads(line) for line in daemon.log.splitlines()]
        for entry in entries:
            self.assertLessEqual({"time", "level", "event", "message"}, set(entry))
        (response,) = [entry for entry in entries if entry["event"] == "access"]
        self.assertEqual(
            (response["method"], response["target"], response["status"], response["agent"]),
            ("POST", "/post?a=b", 200, 'me "too"'),
        )
        messages = [entry["message"] for entry in entries]
        self.assertTrue(
            any(each.startswith("ready: http://127.0.0.1:") for each in messages), messages
        )
        self.assertFalse([each for each in messages if "starting on" in each])
        self.assertEqual(messages[-1], "Server Shut Down.")

    def test_error(self) -> None:
        """
        A line that a function of the operator prints is a JSON object too.
        """
        daemon = self.enterContext(Daemon("--log", "json", "--rpc", "builtins:print"))
        curl(
            f"{daemon.url}/RPC2",
            *("-H", "Content-Type: text/xml", "-d"),
            "<methodCall><methodName>print</methodName><params><param><value>hello"
            "</value></param></params></methodCall>",
        )
        line = next(x for x in daemon.logged('"hello"').splitlines() if '"hello"' in x)
        self.assertEqual(json.loads(line)["message"], "hello")

    def test_journal(self) -> None:
        """
        Requests are served where --log journal finds no journal.
        """
        daemon = self.enterContext(Daemon("--log", "journal"))
        self.use(daemon)
        if not os.path.exists("/run/systemd/journal/socket"):
            url, name = f"{daemon.url}/metrics", "netd_log_drops_total"
            eventually(lambda: samples(curl(url).text)[name,] > 1 or None, "lost lines")
        self.assertNotIn("POST /post", daemon.log)


@needs("curl", "openssl")
class FieldTests(SynchronousTestCase):
    """
    The members of a JSON line.
    """

    def setUp(self) -> None:
        leaf, key = shared_certificate()
        self.daemon = self.enterContext(
            Daemon(
                *("--log", "json", "--https", "0", "--certificate", leaf),
                *("--private-key", key, "--proxy-from", "192.0.2.1"),
            )
        )
        self.leaf = leaf

    def entries(self) -> list[dict[str, Any]]:
        """All lines of a daemon that was asked for a bit of everything, and has ended."""
        daemon = self.daemon
        ask = partial(run, "curl", "-q", "-s", "--noproxy", "*", "-o", "/dev/null")
        with connect(daemon.address()) as sock:
            sock.sendall(b"GET /delay/50 HTTP/1.1\r\nHost: a\r\n\r\n")
            waiting(daemon)
            reset(sock)
        ask(f"{daemon.url}/fault/reset")
        ask(f"{daemon.url}/echo", f"{daemon.url}/echo", "-o", "/dev/null")
        ask("--cacert", self.leaf, f"https://localhost:{daemon.where('https').port}/echo")
        call = "<methodCall><methodName>nothing</methodName></methodCall>"
        ask("-H", "Content-Type: text/xml", "-d", call, f"{daemon.url}/RPC2")
        for data in (b"nonsense\r\n\r\n", b"PROXY TCP4 192.0.2.9 192.0.2.2 4711 80\r\n"):
            with contextlib.suppress(ConnectionResetError):
                exchange(daemon.address(), data)
        daemon.stop()
        return [json.loads(line) for line in daemon.log.splitlines()]

    def test_told(self) -> None:
        """
        Clients that left, resets, faults of calls, listeners and refusals are told apart.
        """
        entries = self.entries()
        left, broken, first, second, secure, called, refused = (
            entry
            for entry in entries
            if entry["event"] == "access" and entry.get("target") != "/metrics"
        )
        self.assertEqual((left["status"], left["delay"], left["bytes"]), (499, 50, 0))
        self.assertTrue(0 < left["duration"] < left["delay"], left)
        self.assertEqual((broken["status"], broken["fault"]), (444, "reset"))
        self.assertGreater(broken["bytes"], 500)
        before = broken["connection"]
        connection = [
            (each["connection"] - before, each["connection_requests"])
            for each in (first, second)
        ]
        self.assertEqual(connection, [(1, 1), (1, 2)])
        self.assertEqual(first["peer_port"], second["peer_port"])
        self.assertEqual((first["listener"], secure["listener"]), ("http", "https"))
        self.assertEqual((called["rpc_method"], called["rpc_fault"]), ("nothing", -32601))
        self.assertEqual((refused["refusal"], refused["request"]), ("line", "nonsense"))
        (event,) = (entry for entry in entries if entry.get("refusal") == "proxy-forged")
        self.assertEqual((event["peer"], event["listener"]), ("127.0.0.1", "http"))

    def test_documented(self) -> None:
        """
        The table of the fields has every member and no other.
        """
        seen = set().union(*self.entries())
        # Of a client's certificate, of an error, of what curl does not send by itself, and
        # of several processes.
        seen |= {"user", "traceback", "referer", "worker"}
        self.assertEqual(set(FIELDS), seen)


@needs("curl")
class DurationTests(SynchronousTestCase):
    """
    `--access-log-duration`.
    """

    def test_text(self) -> None:
        """
        A line of the combined format ends in the seconds of its response.
        """
        options = ("--log", "text", "--access-log-duration", "yes")
        daemon = self.enterContext(Daemon(*options))
        curl(f"{daemon.url}/delay/0.2", "-A", "me")
        line = next(each for each in daemon.logged('"me"').splitlines() if '"me"' in each)
        duration = re.search(r' "me" ([0-9]+\.[0-9]{6})\Z', line)
        assert duration is not None, line
        self.assertGreaterEqual(float(duration[1]), 0.2)


@needs("curl")
class LossTests(SynchronousTestCase):
    """
    Lines that nobody reads.
    """

    def start(self, *words: str, **standard: Any) -> tuple[subprocess.Popen[bytes], str]:
        """A daemon whose output goes where `standard` says, and its URL."""
        folder = self.enterContext(temporary_directory())
        notify = self.enterContext(socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM))
        notify.bind(f"{folder}/notify")
        notify.settimeout(DEADLINE)
        process = self.enterContext(
            subprocess.Popen(
                [*MODULE, "--port", "0", *words],
                env=environment(NOTIFY_SOCKET=f"{folder}/notify"),
                stdin=subprocess.DEVNULL,
                **standard,
            )
        )
        self.addCleanup(process.kill)
        notification = notify.recv(65_536).decode()
        port = notification.partition("http=tcp:")[2].partition(":")[0]
        return process, f"http://127.0.0.1:{port}"

    def drops(self, url: str) -> float:
        """The number of lines lost."""
        return samples(curl(f"{url}/metrics").text)["netd_log_drops_total",]

    def lost(self, url: str) -> float | None:
        """The number of lines lost, None for zero."""
        return self.drops(url) or None

    def end(self, process: subprocess.Popen[bytes]) -> None:
        """Stop the daemon, which must end in the usual way."""
        process.send_signal(signal.SIGTERM)
        process.wait(DEADLINE)
        self.assertIn(process.returncode, (0, -signal.SIGTERM))

    def test_nobodyReads(self) -> None:
        """
        A pipe that nobody reads delays neither responses nor the end; lost lines are counted.
        """
        for form in ("text", "json"):
            read, write = os.pipe()
            self.addCleanup(os.close, read)
            process, url = self.start("--log", form, stdout=write, stderr=write)
            os.close(write)
            # Until the pipe is full; each request is a line of more than 4 KB.
            query = "x" * 7000
            while not self.drops(url):
                for _ in range(20):
                    with urlopen(f"{url}/healthz?{query}", timeout=DEADLINE) as response:
                        self.assertEqual(response.status, 200)
            self.end(process)

    def test_deadPipe(self) -> None:
        """
        A pipe whose reader has gone loses lines, never a response.
        """
        for form in ("text", "json"):
            read, write = os.pipe()
            process, url = self.start("--log", form, stdout=write, stderr=write)
            os.close(write)
            os.close(read)
            for _ in range(20):
                self.assertEqual(curl(f"{url}/healthz").status, 200)
            eventually(partial(self.lost, url), "a line that is lost")
            self.end(process)

    def test_fullDisk(self) -> None:
        """
        A full disk loses lines, never a response.
        """
        with Path("/dev/full").open("wb") as full:
            process, url = self.start("--log", "json", stdout=full, stderr=full)
            self.assertEqual(curl(f"{url}/healthz").status, 200)
            eventually(partial(self.lost, url), "a line that is lost")
            self.end(process)
