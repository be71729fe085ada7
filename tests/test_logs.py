"""
The forms of the log, and lines that cannot be written.
"""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
from functools import partial
from pathlib import Path
from typing import Any
from urllib.request import urlopen

from twisted.trial.unittest import SynchronousTestCase

from tests.clients import curl, samples
from tests.programs import needs
from tests.running import MODULE, Daemon, environment, eventually, temporary_directory

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
            metrics = samples(curl(f"{daemon.url}/metrics").text)
            self.assertGreater(metrics["netd_log_drops_total",], 1)
        self.assertNotIn("POST /post", daemon.log)


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
        notify.settimeout(60)
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
        process.wait(60)
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
                    with urlopen(f"{url}/healthz?{query}", timeout=60) as response:
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
