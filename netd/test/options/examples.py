"""
Command lines to try, and the texts that each option takes and refuses.

Rules: no tests here.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from twisted.python.usage import UsageError
from twisted.trial.unittest import SynchronousTestCase

from netd import setting_types, values
from netd.addresses import Network
from netd.options.cli import Options
from netd.settings import OPTIONS, Settings
from netd.values import Duration

PARSERS = {option.name: option.type.parse for option in OPTIONS}


# For each parser, texts of different meaning, and texts that the parser refuses.
KINDS: dict[Callable[[str], Any], tuple[tuple[str, ...], tuple[str, ...]]] = {
    values.port: (("1", "2", "3"), ("", "x", "-1", "65536", "8_0", "80 ", "1.5", "tcp:80")),
    values.host: (("10.0.0.1", "10.0.0.2", "::1"), ("", "a b", "a/b", "[::1", "\n")),
    Duration.parse: (
        ("1s", "2", "1m30s"),
        ("", "x", "-1", "nan", "inf", "1e3", "1s1m", "400d", "uniform:1s-2s"),
    ),
    values.delay: (
        ("1s", "250ms", "uniform:1s-3s"),
        ("", "-1", "nan", "1e3", "uniform:3s-1s", "normal:1s", "cauchy:1s", ":"),
    ),
    setting_types.SECONDS.parse: (
        ("1s", "2", "1m30s"),
        ("", "x", "-1", "nan", "inf", "1e3", "1s1m", "400d"),
    ),
    setting_types.COUNT.parse: (("1", "20", "300"), ("", "-1", "1.5", "1e3", "1_0", "9" * 20)),
    setting_types.BYTES.parse: (
        ("1MiB", "5", "3MB"),
        ("", "-1", "1.5", "10mb", "1e6", "9" * 30, "1 MB"),
    ),
    values.share: (("0.5", "5%", "1"), ("", "-1", "1.1", "101%", "nan", "1e-3", "%")),
    values.switch: (("yes", "off", "true"), ("", "maybe", "1", "0", "yes ")),
    Network.parse: (
        ("10.0.0.0/8", "192.0.2.7", "2001:db8::/32"),
        ("", "x", "10.0.0.1/8", "10.0.0.0/33", "::/129", "1.2.3", "@file"),
    ),
    PARSERS["files"]: (("/a", "/b", "c/d"), ("", "a\0b")),
    PARSERS["connect-rate"]: (("1", "20", "300"), ("", "-1", "1.5", "1e3", "1_0", "9" * 20)),
    PARSERS["exclude-header"]: (("x-a", "x-*", "*"), ("", "a b", "ä", "\n")),
    PARSERS["files-symlinks"]: (("inside", "all", "none"), ("", "Inside", "yes", "some")),
    PARSERS["files-cache"]: (
        ("*.css=no-store", "*=max-age=60", "a/*=private"),
        ("", "*.css", "=no-store", "*=\x01", "*=ä", "*=a\nb"),
    ),
    PARSERS["files-header"]: (
        ("X-A:1", "x-b:", "X-C:a,b"),
        ("", "X-A", ":1", "X A:1", "X-A:a\nb", "X-A:ä", "Date:1", "content-LENGTH:1"),
    ),
    PARSERS["files-cors"]: (
        ("*", "https://example.org", "http://[::1]:80"),
        ("", "example.org", "https://a/b", "https://a b", "HTTPS://a", "**"),
    ),
    PARSERS["files-spa"]: (
        ("index.html", "app/a.html", "404.html"),
        ("", "/a", "a/", "../a", "a//b", ".a", "a\0b"),
    ),
    PARSERS["rpc-workers"]: (("1", "3", "64"), ("", "0", "65", "-1", "1.5")),
    PARSERS["workers"]: (("1", "3", "auto"), ("", "0", "257", "-1", "1.5", "Auto")),
    PARSERS["console-watchers"]: (("0", "3", "10000"), ("", "10001", "-1", "1.5")),
    PARSERS["rpc-backlog"]: (("1", "3", "100000"), ("", "0", "100001", "-1", "1.5")),
    PARSERS["log"]: (("auto", "text", "json", "journal"), ("", "JSON", "syslog", "auto ")),
    PARSERS["reveal"]: (("hostname", "version", "hostname"), ("", "Hostname", "all")),
}

# The same for options whose texts have a meaning only together with other options.
_ENDPOINTS = ("tcp:81", "82", r"tcp6:83:interface=\:\:1")
_NO_ENDPOINTS = ("", "x", "65536", "udp:7", "ssl:443", "tcp:80:interface=::1", "tcp:80:x=1")
_NETWORKS = (KINDS[Network.parse][0], ("", "x", "10.0.0.1/8", "@", "@/nonexistent", "@a\0b"))
ALONE: dict[str, tuple[tuple[str, ...], tuple[str, ...]]] = {
    "udp": (
        ("0", "udp:7", "9"),
        ("", "x", "-1", "65536", "tcp:7", "udp:", "udp:7:backlog=1", "00x"),
    ),
    "http": (_ENDPOINTS, _NO_ENDPOINTS),
    "files-http": (_ENDPOINTS, _NO_ENDPOINTS),
    "metrics-http": (_ENDPOINTS, _NO_ENDPOINTS),
    "rpc-http": (_ENDPOINTS, _NO_ENDPOINTS),
    "access-log": (("-", "/a", "b"), ()),
    # Imported when the daemon is built.
    "rpc": (("math:sqrt", "m=math:pow", "os.path:join"), ()),
    "https": (_ENDPOINTS, _NO_ENDPOINTS),
    "service": (
        ("echo=tcp:7", "daytime=udp:13", r"discard=tcp6:9:interface=\:\:1"),
        ("", "echo", "echo=", "echo=7", "nothing=tcp:7", "chargen=udp:19", "stamp=tcp:1"),
    ),
    "rpc-queue": (
        ("redis://h", "rediss://h:1/2", "unix:///s"),
        ("", "h", "amqp://h", "redis://", "redis://h:x", "@", "@/nonexistent"),
    ),
    "rpc-broker": (
        ("amqp://h", "amqps://h:1/v", "amqp://h/2"),
        ("", "h", "redis://h", "amqp://", "amqp://h:x", "@", "@/nonexistent"),
    ),
    "allow": _NETWORKS,
    "deny": _NETWORKS,
    "proxy-from": _NETWORKS,
}

_TEXTS = {option.name: ALONE.get(option.name) or KINDS[option.type.parse] for option in OPTIONS}
EXAMPLES = {name: texts for name, (texts, _) in _TEXTS.items()}
BAD = {name: texts for name, (_, texts) in _TEXTS.items()}

ORDER = ("flag", "environ", "file")
NAMES = [option.name for option in OPTIONS]
REPEATABLE = {option.name for option in OPTIONS if option.repeatable}

# The other options that an option needs.
COMPANY: dict[str, tuple[tuple[str, str], ...]] = {
    "max-delay": (("delay", "0"),),
    "https": (("certificate", "/company.pem"),),
    "certificate": (("https", "tcp:10443"),),
    "private-key": (("https", "tcp:10443"), ("certificate", "/company.pem")),
    "certificate-dir": (("https", "tcp:10443"),),
    "client-ca": (("https", "tcp:10443"), ("certificate", "/company.pem")),
    "rpc-broker": (("rpc-queue", "redis://company"),),
    "client-ca-optional": (
        ("https", "tcp:10443"),
        ("certificate", "/company.pem"),
        ("client-ca", "/company.pem"),
    ),
}


class Commands(SynchronousTestCase):
    """
    Command lines in an environment of their own.
    """

    def file(self, text: str) -> str:
        """The path of a TOML file that holds `text`."""
        path = Path(self.mktemp())
        path.write_text(text, encoding="utf-8")
        return str(path)

    def parse(self, *arguments: str, **environ: str) -> Options:
        """The parsed options."""
        options = Options()
        options.environ = environ
        options.parseOptions(list(arguments))
        return options

    def settings(self, *arguments: str, **environ: str) -> Settings:
        """The settings of these arguments and variables."""
        return self.parse(*arguments, **environ).settings

    def refuse(self, *arguments: str, **environ: str) -> str:
        """The one line of the error for these."""
        with self.assertRaises(UsageError, msg=f"{arguments} {environ}") as caught:
            self.parse(*arguments, **environ)
        message = str(caught.exception)
        self.assertTrue(message.isprintable(), message)
        return message
