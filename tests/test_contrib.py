"""
What contrib/ and the guide for operators promise, as far as it can be tried here.
"""

from __future__ import annotations

import re
import tempfile
from pathlib import Path

from twisted.trial.unittest import SynchronousTestCase

from netd.settings import OPTIONS
from tests.certificates import certificate
from tests.clients import curl
from tests.running import MODULE, ROOT, Daemon, environment, run


class AlertTests(SynchronousTestCase):
    """
    contrib/prometheus/alerts.yaml.
    """

    file = ROOT / "contrib/prometheus/alerts.yaml"

    def test_rules(self) -> None:
        """
        promtool understands every rule.
        """
        done = run("promtool", "check", "rules", self.file)
        self.assertEqual(done.status, 0, done.out + done.err)

    def test_metrics(self) -> None:
        """
        Every metric that a rule or the guide names is one that a daemon has.
        """
        room = Path(self.enterContext(tempfile.TemporaryDirectory()))
        leaf, key = certificate(room)
        daemon = self.enterContext(
            Daemon("--https", "0", "--certificate", leaf, "--private-key", key)
        )
        said = curl(f"{daemon.url}/metrics").text
        there = set(re.findall(r"^# TYPE (\S+)", said, re.MULTILINE))
        guide = (ROOT / "docs/operations.md").read_text()
        named = set(re.findall(r"\b(?:netd_[a-z_]+|process_[a-z_]+s)\b", self.file.read_text()))
        named |= set(re.findall(r"\bnetd_[a-z_]+[a-z]\b", guide))
        self.assertEqual({each.removesuffix("_bucket") for each in named} - there, set())
        own = {each for each in there if each.startswith("netd_")}
        self.assertEqual(own - named, set(), "not in the guide")


class ContainerTests(SynchronousTestCase):
    """
    contrib/container/.
    """

    def test_environment(self) -> None:
        """
        The environment of the Dockerfile is a good configuration, and where its check asks.
        """
        text = (ROOT / "contrib/container/Dockerfile").read_text()
        said = dict(re.findall(r"\b(NETD_[A-Z_]+)=(\S+)", text))
        self.assertEqual(said["NETD_BIND"], "*")
        done = run(*MODULE, "--check-config", environ=environment(**said))
        self.assertEqual(done.status, 0, done.err)
        elsewhere = {**said, "NETD_METRICS_HTTP": "1"}
        done = run(*MODULE, "--healthcheck", environ=environment(**elsewhere))
        self.assertIn("http://127.0.0.1:1/healthz", done.err)

    def test_variables(self) -> None:
        """
        Every variable that the files set is one of an option.
        """
        known = {option.variable for option in OPTIONS}
        for name in ("Dockerfile", "compose.yaml", "kubernetes.yaml"):
            text = (ROOT / "contrib/container" / name).read_text()
            set_here = set(re.findall(r"\bNETD_[A-Z_]+\b", text))
            self.assertLessEqual(set_here, known, name)
            self.assertIn("there is no", text, "what was not tried")


class GuideTests(SynchronousTestCase):
    """
    docs/operations.md.
    """

    def test_haproxy(self) -> None:
        """
        HAProxy understands its configuration.
        """
        guide = (ROOT / "docs/operations.md").read_text()
        (block,) = [each for each in guide.split("```")[1::2] if "frontend" in each]
        path = Path(self.mktemp())
        path.write_text(block)
        done = run("haproxy", "-c", "-f", path)
        self.assertEqual(done.status, 0, done.out + done.err)

    def test_names(self) -> None:
        """
        Every name that a line of JSON may have is in its table.
        """
        guide = (ROOT / "docs/operations.md").read_text()
        daemon = self.enterContext(Daemon("--log", "json"))
        curl(f"{daemon.url}/get", "-e", "http://a/")
        said = daemon.logged('"access"')
        for name in set(re.findall(r'"([a-z]+)": ', said)):
            self.assertIn(f"`{name}`", guide)
