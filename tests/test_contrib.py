"""
The promises of contrib/ and docs/operations.md that can be tested here.
"""

from __future__ import annotations

import re
from pathlib import Path

from twisted.trial.unittest import SynchronousTestCase

from netd.settings import OPTIONS
from tests.certificates import certificate
from tests.clients import curl
from tests.programs import needs
from tests.running import ROOT, Daemon, environment, run, run_netd, temporary_directory

SCALE = ("compose.scale.yaml", "kubernetes-scale.yaml")


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
        A daemon has every metric that a rule or the guide names.
        """
        folder = self.enterContext(temporary_directory())
        leaf, key = certificate(folder)
        options = ("--https", "0", "--certificate", leaf, "--private-key", key)
        daemon = self.enterContext(Daemon(*options, "--workers", "2"))
        metrics = curl(f"{daemon.url}/metrics").text
        present = set(re.findall(r"^# TYPE (\S+)", metrics, re.MULTILINE))
        guide = (ROOT / "docs/operations.md").read_text()
        named = set(re.findall(r"\b(?:netd_[a-z_]+|process_[a-z_]+s)\b", self.file.read_text()))
        named |= set(re.findall(r"\bnetd_[a-z_]+[a-z]\b", guide))
        self.assertEqual({each.removesuffix("_bucket") for each in named} - present, set())
        own = {each for each in present if each.startswith("netd_")}
        self.assertEqual(own - named, set(), "not in the guide")


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


class GuideTests(SynchronousTestCase):
    """
    docs/operations.md.
    """

    @needs("haproxy")
    def test_haproxy(self) -> None:
        """
        HAProxy accepts the configuration in the guide.
        """
        guide = (ROOT / "docs/operations.md").read_text()
        (block,) = [each for each in guide.split("```")[1::2] if "frontend" in each]
        path = Path(self.mktemp())
        path.write_text(block)
        done = run("haproxy", "-c", "-f", path)
        self.assertEqual(done.status, 0, done.out + done.err)

    @needs("curl")
    def test_names(self) -> None:
        """
        The guide lists every name in a JSON log line.
        """
        guide = (ROOT / "docs/operations.md").read_text()
        daemon = self.enterContext(Daemon("--log", "json"))
        curl(f"{daemon.url}/get", "-e", "http://a/")
        log = daemon.logged('"access"')
        for name in set(re.findall(r'"([a-z]+)": ', log)):
            self.assertIn(f"`{name}`", guide)
