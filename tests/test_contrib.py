"""
The promises of contrib/ and docs/ that can be tested here.
"""

from __future__ import annotations

import json
import re
import subprocess
from pathlib import Path
from typing import Final

from twisted.trial.unittest import SynchronousTestCase

from netd.settings import OPTIONS
from tests.certificates import certificate
from tests.clients import curl, listening
from tests.programs import need, needs
from tests.running import (
    DEADLINE,
    ROOT,
    Daemon,
    environment,
    eventually,
    free_port,
    run,
    run_netd,
    shared,
    temporary_directory,
)

NGINX: Final = """\
daemon off;
master_process off;
pid nginx.pid;
events {}
http {
    access_log off;
    client_body_temp_path body;
    proxy_temp_path proxy;
    fastcgi_temp_path fastcgi;
    uwsgi_temp_path uwsgi;
    scgi_temp_path scgi;
SERVER
}
"""
"""A configuration that touches no file but those below nginx's prefix."""
SCALE = ("compose.scale.yaml", "kubernetes-scale.yaml")


def code(page: Path, language: str) -> list[str]:
    """The blocks of a page in a language."""
    return re.findall(
        rf"^```{language}\n(.*?)^```$", page.read_text(), re.MULTILINE | re.DOTALL
    )


class AlertTests(SynchronousTestCase):
    """
    contrib/prometheus/alerts.yaml.
    """

    file = ROOT / "contrib/prometheus/alerts.yaml"

    @needs("promtool")
    def test_rules(self) -> None:
        """
        promtool accepts every rule.
        """
        done = run("promtool", "check", "rules", self.file)
        self.assertEqual(done.status, 0, done.out + done.err)

    @needs("openssl", "curl")
    def test_metrics(self) -> None:
        """
        A daemon has every metric that a rule or the reference names.
        """
        folder = self.enterContext(temporary_directory())
        leaf, key = certificate(folder)
        options = ("--https", "0", "--certificate", leaf, "--private-key", key)
        daemon = self.enterContext(Daemon(*options, "--workers", "2"))
        metrics = curl(f"{daemon.url}/metrics").text
        present = set(re.findall(r"^# TYPE (\S+)", metrics, re.MULTILINE))
        guide = (ROOT / "docs/reference/metrics.md").read_text()
        named = set(re.findall(r"\b(?:netd_[a-z_]+|process_[a-z_]+s)\b", self.file.read_text()))
        named |= set(re.findall(r"\bnetd_[a-z_]+[a-z]\b", guide))
        self.assertEqual({each.removesuffix("_bucket") for each in named} - present, set())
        own = {each for each in present if each.startswith("netd_")}
        self.assertEqual(own - named, set(), "not in the reference")


class ContainerTests(SynchronousTestCase):
    """
    contrib/container/.
    """

    def test_environment(self) -> None:
        """
        The environment of the Dockerfile is valid, and its health check asks the right port.
        """
        text = (ROOT / "contrib/container/Dockerfile").read_text()
        variables = dict(re.findall(r"\b(NETD_[A-Z_]+)=(\S+)", text))
        self.assertEqual(variables["NETD_BIND"], "*")
        done = run_netd("--check-config", environ=environment(**variables))
        self.assertEqual(done.status, 0, done.err)
        other_port = {**variables, "NETD_METRICS_HTTP": "1"}
        done = run_netd("--healthcheck", environ=environment(**other_port))
        self.assertIn("http://127.0.0.1:1/healthz", done.err)

    def test_variables(self) -> None:
        """
        Every variable that the files set belongs to an option.
        """
        known = {option.variable for option in OPTIONS}
        for name in ("Dockerfile", "compose.yaml", "kubernetes.yaml", *SCALE):
            text = (ROOT / "contrib/container" / name).read_text()
            set_here = set(re.findall(r"\bNETD_[A-Z_]+\b", text))
            # Those of contrib/haproxy/haproxy.cfg.
            set_here -= {"NETD_", "NETD_FRONT"}
            self.assertLessEqual(set_here, known, name)
            self.assertIn("there is no", text, "what was not tried")


class PrometheusTests(SynchronousTestCase):
    """
    docs/prometheus.md.
    """

    @needs("promtool")
    def test_config(self) -> None:
        """
        promtool accepts the configuration in the guide, beside the alerts.
        """
        (config,) = code(ROOT / "docs/prometheus.md", "yaml")
        folder = self.enterContext(temporary_directory())
        (folder / "prometheus.yml").write_text(config)
        (folder / "alerts.yaml").write_text(AlertTests.file.read_text())
        done = run("promtool", "check", "config", folder / "prometheus.yml")
        self.assertEqual(done.status, 0, done.out + done.err)


class NginxTests(SynchronousTestCase):
    """
    docs/nginx.md.
    """

    @needs("nginx", "curl")
    def test_proxy(self) -> None:
        """
        Behind nginx as the guide configures it netd tells a client its address and URL.
        """
        daemon = self.enterContext(shared("--host", "example.org"))
        folder = self.enterContext(temporary_directory())
        address = ("127.0.0.1", free_port())
        (server,) = code(ROOT / "docs/nginx.md", "nginx")
        server = server.replace("listen 80;", f"listen 127.0.0.1:{address[1]};")
        server = server.replace("127.0.0.1:8000", f"127.0.0.1:{daemon.where().port}")
        config = folder / "nginx.conf"
        config.write_text(NGINX.replace("SERVER", server))
        command = [need("nginx"), "-e", "stderr", "-p", str(folder), "-c", str(config)]
        with (folder / "log").open("wb") as log:
            process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stderr=log)
        self.addCleanup(process.wait, DEADLINE)
        self.addCleanup(process.terminate)
        eventually(lambda: listening(address), "nginx")
        url = f"http://127.0.0.1:{address[1]}/get"
        shown = json.loads(
            curl(url, "-H", "Host: example.org", "--interface", "127.0.0.2").text
        )
        self.assertEqual(
            (shown["url"], shown["origin"]), ("http://example.org/get", "127.0.0.2")
        )
