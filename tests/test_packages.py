"""
The wheel and the sdist, and netd installed from them.
"""

from __future__ import annotations

import atexit
import functools
import shutil
import sys
import tarfile
import tempfile
import tomllib
import zipfile
from collections.abc import Iterable, Sequence
from pathlib import Path

from twisted.trial.unittest import SynchronousTestCase

from tests.clients import GREETING, curl
from tests.programs import needs
from tests.running import ROOT, Daemon, run, succeed, temporary_directory, tool_environment

_PLUGIN = "twisted/plugins/netd_plugin.py"

# Where pip has put uv and pipx.
_BESIDE = Path(sys.executable).parent

# pip may download the dependencies.
_PATIENCE = 600.0


def _strange(_: str, names: Iterable[str]) -> set[str]:
    """The files of a checkout that a clone does not have."""
    return {
        name
        for name in names
        if (name.startswith((".", "_trial_temp")) and name != ".gitignore")
        or name in {"__pycache__", "venv", "build", "dist"}
    }


def _checkout(folder: Path) -> Path:
    """What a clone has, in a folder of its own."""
    source = folder / "checkout"
    shutil.copytree(ROOT, source, ignore=_strange)
    return source


@functools.cache
def _wheel() -> Path:
    """The wheel, made once for the tests of this process, which only install it."""
    folder = Path(tempfile.mkdtemp(prefix="netd-dist-"))
    atexit.register(shutil.rmtree, folder)
    # `python -m build`, which takes longer, is the subject of other tests.
    make = "import sys; from hatchling.build import build_wheel; build_wheel(sys.argv[1])"
    command = (sys.executable, "-c", make, folder)
    succeed(*command, environ=tool_environment(), cwd=_checkout(folder))
    (wheel,) = folder.glob("*.whl")
    return wheel


class ContentTests(SynchronousTestCase):
    """
    The contents of the packages that `python -m build` makes.
    """

    def clean(self, names: Sequence[str]) -> None:
        """The package has the plugin, the console and the sample tree, and no stray files."""
        self.assertIn(_PLUGIN, names)
        self.assertIn("netd/py.typed", names)
        self.assertIn("netd/static/sample/index.html", names)
        self.assertIn("netd/look.css", names)
        for each in (ROOT / "netd/lab/documents/console").iterdir():
            self.assertIn(str(each.relative_to(ROOT)), names)
        for name in names:
            self.assertFalse(name.endswith(("dropin.cache", ".pyc", "twistd.log")), name)
            self.assertFalse(name.startswith("twisted/") and name != _PLUGIN, name)

    def test_both(self) -> None:
        """
        The wheel holds netd, the one plugin file and its metadata, and no twisted package; the
        sdist holds the sources of the wheel, the tests and the tac.
        """
        folder = self.enterContext(temporary_directory())
        source = _checkout(folder)
        # Files that the use of a checkout leaves behind.
        for litter in ("twisted/plugins/dropin.cache", "netd/__pycache__/x.pyc", "twistd.log"):
            (source / litter).parent.mkdir(exist_ok=True)
            (source / litter).write_bytes(b"litter")
        # Without isolation: hatchling is already here, and this works without a network.
        build = (sys.executable, "-m", "build", "--no-isolation", "--outdir", folder, source)
        succeed(*build, environ=tool_environment())
        (wheel,) = folder.glob("*.whl")
        (sdist,) = folder.glob("*.tar.gz")
        self.assertRegex(wheel.name, r"\Anetd_workbench-[0-9.a-z]+-py3-none-any\.whl\Z")
        with zipfile.ZipFile(wheel) as archive:
            names = archive.namelist()
        self.clean(names)
        rooms = {name.split("/")[0] for name in names if ".dist-info/" not in name}
        self.assertEqual(rooms, {"netd", "twisted"})
        with tarfile.open(sdist) as archive:
            names = [name.partition("/")[2] for name in archive.getnames()]
        self.clean(names)
        for name in ("netd.tac", "LICENSE", "tests/running.py", "contrib/systemd/netd.service"):
            self.assertIn(name, names)


@needs("curl")
class InstallTests(SynchronousTestCase):
    """
    netd installed into a virtual environment, run from an empty directory.
    """

    def setUp(self) -> None:
        self.folder = self.enterContext(temporary_directory())
        self.environ = tool_environment()

    def venv(self) -> Path:
        """The `bin` directory of a fresh virtual environment."""
        without = ("--without-pip", self.folder / "venv")
        succeed(sys.executable, "-m", "venv", *without, environ=self.environ)
        return self.folder / "venv" / "bin"

    def pip(self, venv: Path, *arguments: str | Path) -> None:
        """Run pip, of this environment, for that one."""
        succeed(
            *(sys.executable, "-m", "pip", "--python", venv / "python", *arguments),
            environ=self.environ,
            deadline=_PATIENCE,
        )

    def uv(self, venv: Path, *requirements: str) -> None:
        """Install what is not netd by uv, which is quicker."""
        uv = (_BESIDE / "uv", "pip", "install", "-q", "--python", venv / "python")
        succeed(*uv, *requirements, environ=self.environ, deadline=_PATIENCE)

    def commands(self, scripts: Path) -> None:
        """`twistd -n netd`, `netd` and `python -m netd` run."""
        self.runs(scripts / "twistd", "-n", "--pidfile=", "netd")
        self.runs(scripts / "netd")
        self.runs(scripts / "python", "-m", "netd")

    def runs(self, *way: str | Path, **variables: str) -> None:
        """The daemon started this way responds."""
        with Daemon("--port", "0", way=way, environ={**self.environ, **variables}) as daemon:
            self.assertEqual(curl(f"{daemon.url}/echo").body, GREETING)
            self.assertEqual(curl(f"{daemon.url}/files/hello.txt").status, 200)

    def test_pip(self) -> None:
        """
        With netd's dependencies `twistd -ny netd.tac` runs from a bare checkout; after
        `pip install -e .`, and with the wheel in its place, all commands run from anywhere.
        """
        scripts = self.venv()
        project = tomllib.loads((ROOT / "pyproject.toml").read_text())
        self.uv(scripts, *project["project"]["dependencies"])
        alone = run(
            scripts / "python", "-c", "import netd", environ=self.environ, cwd=self.folder
        )
        self.assertIn("No module named 'netd'", alone.err)
        source = _checkout(self.folder)
        tac = (scripts / "twistd", "-n", "--pidfile=", "-y", source / "netd.tac")
        with Daemon(way=tac, environ=self.environ) as daemon:
            self.assertEqual(curl(f"{daemon.url}/echo").body, GREETING)
        self.pip(scripts, "install", "-q", "-e", source)
        self.commands(scripts)
        self.pip(scripts, "install", "-q", "--no-deps", _wheel())
        self.pip(scripts, "check")
        shutil.rmtree(source)
        self.commands(scripts)

    def test_uv(self) -> None:
        """
        After `uv tool install` the `netd` script stands in for twistd.
        """
        self.environ["UV_TOOL_DIR"] = str(self.folder / "tools")
        self.environ["UV_TOOL_BIN_DIR"] = str(self.folder / "bin")
        succeed(
            *(_BESIDE / "uv", "tool", "install", "--python", sys.executable, _wheel()),
            environ=self.environ,
            deadline=_PATIENCE,
        )
        self.runs(self.folder / "bin" / "netd")

    def test_pipx(self) -> None:
        """
        After `pipx install` the `netd` script stands in for twistd.
        """
        self.environ["PIPX_HOME"] = str(self.folder / "pipx")
        self.environ["PIPX_BIN_DIR"] = str(self.folder / "bin")
        self.environ["PIPX_MAN_DIR"] = str(self.folder / "man")
        succeed(
            *(_BESIDE / "pipx", "install", "--python", sys.executable, _wheel()),
            environ=self.environ,
            deadline=_PATIENCE,
        )
        self.runs(self.folder / "bin" / "netd")
