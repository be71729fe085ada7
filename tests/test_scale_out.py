"""
Several netds behind HAProxy, and the files of contrib/ that start them with their workers.
"""

from __future__ import annotations

import importlib
import importlib.util
import re
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Final, TypeVar

from twisted.trial.unittest import SynchronousTestCase

from examples import mandelbrot
from tests.clients import curl, listening
from tests.programs import need, needs
from tests.queues import Process, Redis, celery_needed, serving
from tests.running import (
    DEADLINE,
    MODULE,
    ROOT,
    Daemon,
    environment,
    eventually,
    free_port,
    run,
    temporary_directory,
    tool_environment,
)

T = TypeVar("T")

_CONTAINER: Final = ROOT / "contrib/container"
_HAPROXY: Final = ROOT / "contrib/haproxy/haproxy.cfg"
_SCALE: Final = ("compose.scale.yaml", "kubernetes-scale.yaml")


def _checker(name: str) -> str | None:
    """The path of a checker that pip installs beside Python; None where it is missing."""
    beside = Path(sys.executable).parent / name
    return str(beside) if beside.exists() else shutil.which(name)


def checked_by(name: str) -> Callable[[T], T]:
    """Skip a test without a checker, which .ci/run installs and no extra has."""

    def mark(item: T) -> T:
        if _checker(name) is None:
            setattr(item, "skip", f"{name} is not installed (pip)")  # noqa: B010
        return item

    return mark


def _check(*command: str | Path) -> tuple[int, str]:
    """The status and the output of a checker."""
    program = _checker(str(command[0]))
    assert program is not None
    done = run(program, *command[1:], environ=tool_environment())
    return done.status, done.out + done.err


@needs("curl", "haproxy")
class HAProxyTests(SynchronousTestCase):
    """
    contrib/haproxy/haproxy.cfg.
    """

    def front(self, *daemons: Daemon) -> str:
        """The URL of an HAProxy with that file."""
        port = free_port()
        places = {f"NETD_{n}": f"127.0.0.1:{d.where().port}" for n, d in enumerate(daemons, 1)}
        process = subprocess.Popen(
            [need("haproxy"), "-db", "-f", str(_HAPROXY)],
            env=environment(NETD_FRONT=f"127.0.0.1:{port}", **places),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        self.addCleanup(process.wait, DEADLINE)
        self.addCleanup(process.terminate)
        eventually(lambda: listening(("127.0.0.1", port)), "HAProxy's listening")
        return f"http://127.0.0.1:{port}"

    def test_valid(self) -> None:
        """
        HAProxy takes the file without a warning.
        """
        done = run("haproxy", "-c", "-f", _HAPROXY)
        self.assertEqual(done.status, 0, done.err)
        self.assertNotIn("WARNING", (done.out + done.err).upper())

    def test_sameURL(self) -> None:
        """
        Requests for one URL reach one netd, whose counter counts them; metrics are refused.
        """
        daemons = [
            self.enterContext(Daemon("--proxy-from", "127.0.0.1", "--host", "*"))
            for _ in range(2)
        ]
        url = self.front(*daemons)
        for key in ("a", "b", "c"):
            statuses = [curl(f"{url}/retry/3/{key}").status for _ in range(4)]
            self.assertEqual(statuses, [503, 503, 503, 200])
        self.assertEqual(curl(f"{url}/metrics").status, 403)
        for number in range(40):
            curl(f"{url}/anything/{number}", "-A", "through-haproxy")
        for each in daemons:
            self.assertIn("through-haproxy", each.logged("through-haproxy"))

    def test_rolling(self) -> None:
        """
        While a netd stops, and when it is gone, no request fails.
        """
        daemons = [
            self.enterContext(
                Daemon("--proxy-from", "127.0.0.1", "--host", "*", "--grace", "3s")
            )
            for _ in range(2)
        ]
        url = self.front(*daemons)
        self.assertEqual(curl(f"{url}/RPC2").status, 200)
        daemons[0].signal()
        for number in range(20):
            self.assertEqual(curl(f"{url}/RPC2").status, 200)
            self.assertEqual(curl(f"{url}/anything/{number}").status, 200)
        daemons[0].ended()
        self.assertEqual(curl(f"{url}/RPC2").status, 200)


class FileTests(SynchronousTestCase):
    """
    contrib/container/compose.scale.yaml and kubernetes-scale.yaml.
    """

    @checked_by("kubernetes-validate")
    def test_kubernetes(self) -> None:
        """
        Both files for Kubernetes are valid, and a misspelt key is found.
        """
        for name in ("kubernetes.yaml", "kubernetes-scale.yaml"):
            status, output = _check("kubernetes-validate", "--strict", _CONTAINER / name)
            self.assertEqual(status, 0, output)
        wrong = Path(self.mktemp())
        text = (_CONTAINER / "kubernetes-scale.yaml").read_text()
        wrong.write_text(text.replace("replicas:", "replicaz:"))
        self.assertNotEqual(_check("kubernetes-validate", "--strict", wrong)[0], 0)

    @checked_by("check-jsonschema")
    def test_compose(self) -> None:
        """
        Both files for Compose are valid, and a misspelt key is found.
        """
        schema = ("check-jsonschema", "--builtin-schema", "vendor.compose-spec")
        for name in ("compose.yaml", "compose.scale.yaml"):
            status, output = _check(*schema, _CONTAINER / name)
            self.assertEqual(status, 0, output)
        wrong = self.enterContext(temporary_directory()) / "wrong.yaml"
        text = (_CONTAINER / "compose.scale.yaml").read_text()
        wrong.write_text(text.replace("read_only:", "read_onli:"))
        self.assertNotEqual(_check(*schema, wrong)[0], 0)

    @checked_by("hadolint")
    def test_dockerfile(self) -> None:
        """
        hadolint finds nothing in the Dockerfile.
        """
        self.assertEqual(_check("hadolint", _CONTAINER / "Dockerfile"), (0, ""))

    def documents(self, name: str) -> Iterator[Any]:
        """The documents of a file."""
        yaml: Any = importlib.import_module("yaml")
        yield from yaml.safe_load_all((_CONTAINER / name).read_text())

    def containers(self) -> Iterator[tuple[list[str], dict[str, str]]]:
        """The command line and the environment of each container that names a command."""
        (compose,) = self.documents("compose.scale.yaml")
        for service in compose["services"].values():
            words = service.get("entrypoint", []) + service.get("command", [])
            yield words, service.get("environment", {})
        for document in self.documents("kubernetes-scale.yaml"):
            pod = document["spec"].get("template", {}).get("spec", {})
            for each in pod.get("containers", ()):
                variables = {one["name"]: one["value"] for one in each.get("env", ())}
                yield each.get("command", []) + each.get("args", []), variables

    @celery_needed
    @needs("redis-server", "redis-cli")
    def test_commands(self) -> None:
        """
        Every command line in the files starts what it names, with its environment.
        """
        if importlib.util.find_spec("yaml") is None:
            self.skipTest("PyYAML is not installed")
        folder = self.enterContext(temporary_directory())
        port = free_port()
        (folder / "redis_conf").write_text(f"requirepass x\nport {port}\nbind 127.0.0.1\n")
        (folder / "queue_url").write_text(f"redis://:x@127.0.0.1:{port}/0\n")
        (folder / "data").mkdir()
        plan: dict[str, list[tuple[list[str], dict[str, str]]]] = {}
        for words, variables in self.containers():
            places = {"/run/secrets/netd": str(folder), "/run/secrets": str(folder)}
            places["/data"] = str(folder / "data")
            texts = [*words, *variables.values()]
            for old, new in places.items():
                texts = [text.replace(old, new) for text in texts]
            words, values = texts[: len(words)], texts[len(words) :]  # noqa: PLW2901
            environ = environment(**dict(zip(variables, values, strict=True)))
            environ.pop("PYTHONWARNINGS", None)
            name = "haproxy" if "NETD_1" in variables else words[0] if words else "netd"
            if name == "netd":
                words = [*MODULE, "--check-config"]  # noqa: PLW2901
            elif name == "celery":
                words = [sys.executable, "-m", *words]  # noqa: PLW2901
            plan.setdefault(name, []).append((words, environ))
        counts = {name: len(each) for name, each in plan.items()}
        self.assertEqual(counts, {"redis-server": 2, "netd": 3, "haproxy": 1, "celery": 2})
        first, second = plan["redis-server"]
        with _Command(*first) as redis:
            redis.logged("Ready to accept connections")
        self.enterContext(_Command(*second)).logged("Ready to accept connections")
        workers, checks = (
            [self.enterContext(_Command(*each)) for each in plan[name]]
            for name in ("celery", "netd")
        )
        for check in checks:
            self.assertEqual(check.process.wait(DEADLINE), 0, check.log)
        for worker in workers:
            worker.logged(" ready.")

    def test_notTried(self) -> None:
        """
        The files say what was not tried, and a worker may stop for longer than a call takes.
        """
        for name in _SCALE:
            text = (_CONTAINER / name).read_text()
            self.assertRegex(text, "there is no (container engine|cluster)")
            graces = re.findall(r"(?:stop_grace_period|GracePeriodSeconds): ([0-9]+)", text)
            self.assertGreater(max(map(int, graces)), 35)


class _Command(Process):
    """A command that runs until the context is left."""

    def __init__(self, words: list[str], environ: dict[str, str]) -> None:
        super().__init__()
        # A bare name is a program of tests/programs.py.
        self._words = words if "/" in words[0] else [need(words[0]), *words[1:]]
        self._environ = environ

    def __enter__(self) -> _Command:
        self._start(*self._words, environ=self._environ)
        return self


@celery_needed
@needs("redis-server", "redis-cli")
class ExampleTests(SynchronousTestCase):
    """
    examples/mandelbrot.py, on workers.
    """

    def test_picture(self) -> None:
        """
        The picture that workers compute is the one that a single process computes.
        """
        self.patch(mandelbrot, "WIDTH", 60)
        self.patch(mandelbrot, "HEIGHT", 40)
        redis = self.enterContext(Redis())
        publish = "art=examples.mandelbrot"
        _, netd = self.enterContext(serving(redis.url, "--rpc", publish, NETD_RPC=publish))
        path = Path(self.mktemp())
        mandelbrot.main(netd.url, str(path))
        alone = b"".join(mandelbrot.rows(60, 40, first, 10) for first in range(0, 40, 10))
        self.assertEqual(path.read_bytes(), b"P5 60 40 255\n" + alone)
        self.assertGreater(len(set(alone)), 20)
