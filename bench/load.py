"""The load of `bench http`: the workloads as wrk scripts, and one run of wrk.

Rules: wrk is the only load generator and its summary is checked: a status of 400 or more or any
socket error makes the run a LoadError, never a figure.
"""

import subprocess
import time
from dataclasses import dataclass
from typing import NamedTuple

from bench import measure
from bench.process import Server, Stage

_PIPELINE = 16
_SETTLE_SECONDS = 0.05
_MARK = "netd-bench"

_CLOSE = 'wrk.headers["Connection"] = "close"'
_PIPELINED = f"""
init = function(args)
   local one = {{}}
   for i = 1, {_PIPELINE} do one[i] = wrk.format() end
   all = table.concat(one)
end
request = function() return all end
"""
# 12 headers with Host; the cookie's counter makes every head a new one.
_BROWSER = r"""
init = function(args)
   counter = 0
   head = "GET " .. wrk.path .. " HTTP/1.1\r\n" ..
      "Host: " .. wrk.host .. ":" .. wrk.port .. "\r\n" ..
      "User-Agent: Mozilla/5.0 (X11; Linux x86_64; rv:140.0) " ..
      "Gecko/20100101 Firefox/140.0\r\n" ..
      "Accept: text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8\r\n" ..
      "Accept-Language: en-GB,en;q=0.7,de;q=0.3\r\n" ..
      "Accept-Encoding: gzip, deflate, br, zstd\r\n" ..
      "Referer: http://" .. wrk.host .. ":" .. wrk.port .. "/help\r\n" ..
      "Connection: keep-alive\r\n" ..
      "Upgrade-Insecure-Requests: 1\r\n" ..
      "Sec-Fetch-Dest: document\r\n" ..
      "Sec-Fetch-Mode: navigate\r\n" ..
      "Sec-Fetch-Site: same-origin\r\n" ..
      "Cookie: session=6f1c2b7a9d3e4f508192a3b4c5d6e7f8; visit="
end
request = function()
   counter = counter + 1
   return head .. counter .. "\r\n\r\n"
end
"""
DONE = f"""
done = function(summary, latency, requests)
   local e = summary.errors
   print(string.format("{_MARK} %d %d %d %d %d %d %d", summary.requests, summary.duration,
      e.connect, e.read, e.write, e.timeout, e.status))
end
"""


@dataclass(frozen=True)
class Workload:
    """One way of asking."""

    name: str
    title: str
    script: str = ""
    tls: bool = False
    path: str = ""  # empty: the server's own


WORKLOADS = (
    Workload("keep-alive", "Keep-alive"),
    Workload("close", "One connection each (`Connection: close`)", _CLOSE),
    Workload("pipelined", f"Pipelined x{_PIPELINE}", _PIPELINED),
    Workload("browser", "Browser-like (12 headers, one unique)", _BROWSER),
    Workload("tls", "TLS keep-alive", tls=True),
)


class LoadError(Exception):
    """A run that yields no figure; the text says why."""


class Run(NamedTuple):
    """The result of one run of wrk against one server."""

    cpu_microseconds: float  # a request
    requests_per_second: float


def run(
    stage: Stage, server: Server, workload: Workload, seconds: int, connections: int
) -> Run:
    """Load the server for so many seconds and read what it cost."""
    script = stage.folder / f"{workload.name}.lua"
    script.write_text(workload.script + DONE)
    scheme, path = "https" if workload.tls else "http", workload.path or server.peer.path
    url = f"{scheme}://127.0.0.1:{server.port}{path}"
    command = ["wrk", "-t1", f"-c{connections}", f"-d{seconds}s", "-s", script, url]
    before = measure.cpu_seconds(server.pid)
    try:
        done = subprocess.run(
            stage.on_core(stage.client_core, command),
            capture_output=True,
            text=True,
            timeout=seconds + 15,
            check=True,
        )
    except subprocess.TimeoutExpired:
        raise LoadError(f"wrk did not end {seconds + 15} s after its start") from None
    except subprocess.CalledProcessError as error:
        raise LoadError(f"wrk: {(error.stderr or error.stdout).strip()}") from None
    # The server still has to close wrk's connections, which is part of its cost.
    time.sleep(_SETTLE_SECONDS)
    return result(done.stdout, measure.cpu_seconds(server.pid) - before)


def result(output: str, cpu_seconds: float) -> Run:
    """The figures of wrk's last line, checked."""
    line = next((one for one in output.splitlines() if one.startswith(_MARK)), "")
    if not line:
        raise LoadError("wrk printed no summary")
    requests, microseconds, *errors = (int(word) for word in line.split()[1:])
    names = ("connect", "read", "write", "timeout", "status")
    if bad := [f"{count} {name}" for name, count in zip(names, errors, strict=True) if count]:
        raise LoadError(f"wrk counted errors: {', '.join(bad)} of {requests} requests")
    if not requests or not microseconds:
        raise LoadError("no request got a response")
    if not cpu_seconds:
        raise LoadError(f"{requests} requests took less than a tick of CPU")
    return Run(cpu_seconds / requests * 1e6, requests / microseconds * 1e6)
