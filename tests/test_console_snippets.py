"""
The commands that the console writes, run by their clients.
"""

from __future__ import annotations

import io
import json
import os
import random
import re
import shlex
import string
import subprocess
from collections.abc import Callable
from contextlib import redirect_stdout
from pathlib import Path
from typing import Any, Final
from unittest import mock

from httpie.context import Environment
from httpie.core import main as httpie

from tests.console import ConsoleTests, link
from tests.programs import need, needs
from tests.running import DEADLINE, environment, temporary_directory

_FORMS: Final = """
const [forms, done] = arguments;
const status = document.getElementById("status"), send = document.getElementById("send");
const fill = (input, text) => {
  input.value = text;
  input.dispatchEvent(new Event("input", { bubbles: true }));
};
const press = (word) =>
  [...document.querySelectorAll(".chip")].find((chip) => chip.textContent === word).click();
const follow = async (hash) => {
  const followed = new Promise((go) => addEventListener("hashchange", go, { once: true }));
  location.hash = hash;
  await followed;
};
const responded = () => new Promise((go) => {
  const observer = new MutationObserver(() => {
    if (!status.textContent || send.textContent !== "Send") return;
    observer.disconnect();
    go();
  });
  for (const each of [status, send]) observer.observe(each, { childList: true });
});
async function perform({ link, headers, body }) {
  await follow(link);
  if (body !== null) {
    press("request body");
    fill(document.querySelector("[data-name='request body'] textarea"), body);
  }
  for (const [name, value] of headers) {
    press("request header");
    const row = [...document.querySelectorAll("[data-name='request header'] .pair")].at(-1);
    const [left, right] = row.querySelectorAll("input");
    fill(left, name);
    fill(right, value);
  }
  const snippets = {};
  for (const tab of document.querySelectorAll("#snippets [role=tab]")) {
    tab.click();
    snippets[tab.textContent] = document.getElementById("snippet").textContent;
  }
  status.textContent = "";
  const over = responded();
  send.click();
  await over;
  return { snippets, shown: document.querySelector("#result pre").textContent };
}
(async () => {
  const results = [];
  for (const form of forms) results.push(await perform(form));
  done(results);
})().catch((wrong) => done(wrong.message));
"""
_COUNT: Final = 60
"""Chromium drops the 201st change of an address in 10 seconds."""
_TEXT: Final = string.printable[:95] + "äé☃😀"
_LATIN: Final = string.ascii_letters + string.digits + " '\"$`!&;,=:/()<>@\\-"
_END: Final = "\x1e"
"""What the shell prints after each command."""


@needs("chromium", "chromedriver", "curl", "bash")
class SnippetTests(ConsoleTests):
    """
    The commands of the clients.
    """

    def test_equal(self) -> None:
        """
        curl, requests, httpx, HTTPie and the page send one and the same request.

        The commands for curl are one script of a shell; the others run in this process.
        """
        folder = self.enterContext(temporary_directory())
        # HTTPie would look for a newer HTTPie and for plugins, and all for all authorities.
        (folder / "config.json").write_text('{"disable_update_warnings": true}')
        self.enterContext(mock.patch("httpie.core.plugin_manager.load_installed_plugins"))
        certificate = re.search(r"temporary certificate: (\S+)", self.daemon.log)
        assert certificate is not None
        self.enterContext(mock.patch.dict(os.environ, SSL_CERT_FILE=certificate[1]))
        chance = random.Random(19)
        forms = [self.form(chance) for _ in range(_COUNT)]
        self.open()
        pages = self.driver.execute_async_script(_FORMS, forms)
        self.assertIsInstance(pages, list, pages)
        names = [form["names"] for form in forms]
        wanted = [
            request_in(page["shown"], *each) for page, each in zip(pages, names, strict=True)
        ]
        texts = {
            client: [page["snippets"][client] for page in pages]
            for client in ("curl", "requests", "httpx", "HTTPie")
        }
        clients: dict[str, Callable[[str], str]] = {
            "requests": python,
            "httpx": python,
            "HTTPie": lambda text: httpie_in(folder, text),
        }
        with (folder / "out").open("w+b") as printed:
            script = "".join(f"{text}\nprintf '{_END}'\n" for text in texts["curl"])
            shell = subprocess.Popen(
                [need("bash"), "-c", script.replace("curl -i", "curl -s")],
                env=environment(),
                stdin=subprocess.DEVNULL,
                stdout=printed,
            )
            outs = {name: list(map(run, texts[name])) for name, run in clients.items()}
            shell.wait(DEADLINE)
            printed.seek(0)
            outs["curl"] = printed.read().decode().split(_END)[:-1]
        for client, found in outs.items():
            for said, text, out, each in zip(names, texts[client], found, wanted, strict=True):
                self.assertEqual(request_in(out, *said), each, f"{client}:\n{text}")

    def form(self, chance: random.Random) -> dict[str, Any]:
        """What to fill into the form."""
        some = [_some(chance, _TEXT, 40) for _ in range(4)]
        # A segment of dots alone is no segment to a browser.
        path, name, value = map(_quote, some[:3])
        method = chance.choice(["GET", "POST", "PUT", "PATCH", "DELETE"])
        names = chance.sample(["X-Fruit", "X-Empty", "X-Other", "Accept"], 2)
        return {
            "link": link(_quote(f"/anything/p{path}?{name or 'a'}={value}"), method),
            "names": names,
            "headers": [[each, _some(chance, _LATIN, 30).strip()] for each in names],
            "body": None if method == "GET" or chance.random() < 0.3 else some[3] + "\n'x'",
        }


def _some(chance: random.Random, letters: str, most: int) -> str:
    """A random text."""
    return "".join(chance.choices(letters, k=chance.randrange(most)))


def _quote(text: str) -> str:
    """`text` with every byte but letters and digits percent-encoded."""
    return "".join(
        chr(each) if chr(each).isalnum() and each < 128 else f"%{each:02X}"
        for each in text.encode()
    )


def request_in(shown: str, *names: str) -> tuple[object, ...]:
    """Method, URL, the headers of these names and the body in what /anything has shown."""
    try:
        seen = json.loads(shown)
    except ValueError:
        return (shown,)
    said = [seen["headers"].get(name) for name in names]
    kind = seen["headers"].get("Content-Type") if seen["data"] else None
    return seen["method"], seen["url"], said, kind, seen["data"]


def python(text: str) -> str:
    """The response's body in what a program of Python prints."""
    printed = io.StringIO()
    with redirect_stdout(printed):
        exec(text, {})  # noqa: S102
    return printed.getvalue().partition(" ")[2]


def httpie_in(folder: Path, text: str) -> str:
    """The response's body in what a command of HTTPie prints."""
    words = shlex.split(text.replace(" \\\n  ", " "))
    with (folder / "httpie").open("w+", encoding="utf-8", newline="") as printed:
        env = Environment(
            config_dir=folder, stdin=None, stdin_isatty=True, stdout=printed, stderr=printed
        )
        httpie([words[0], "--body", "--pretty=none", *words[1:]], env)
        printed.seek(0)
        return printed.read()
