"""
Tests for netd.options.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Callable
from pathlib import Path
from typing import Any

from attrs import fields
from hypothesis import given, settings
from hypothesis import strategies as st
from twisted.python.usage import UsageError
from twisted.trial.unittest import SynchronousTestCase

import netd
from netd import values
from netd.options import OPTIONS, Options, Said, as_toml, collect, read_toml, to_settings
from netd.settings import SERVICES, Impairment, Settings
from netd.values import Duration, Network, Size, Where

PARSERS = {option.name: option.parse for option in OPTIONS}

_property = settings(max_examples=100, deadline=None, database=None, derandomize=True)

# For each way to parse, texts that mean different things, and texts that it refuses.
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
    Size.parse: (
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
    PARSERS["reveal"]: (("hostname", "version", "hostname"), ("", "Hostname", "all")),
}

# The same for the options whose texts mean something only beside those of others.
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
    "rpc-http": (_ENDPOINTS, _NO_ENDPOINTS),
    "access-log": (("-", "/a", "b"), ()),
    # Looked for when the daemon is built.
    "rpc": (("math:sqrt", "m=math:pow", "os.path:join"), ()),
    "https": (_ENDPOINTS, _NO_ENDPOINTS),
    "service": (
        ("echo=tcp:7", "daytime=udp:13", r"discard=tcp6:9:interface=\:\:1"),
        ("", "echo", "echo=", "echo=7", "nothing=tcp:7", "chargen=udp:19", "stamp=tcp:1"),
    ),
    "allow": _NETWORKS,
    "deny": _NETWORKS,
    "proxy-from": _NETWORKS,
}

EXAMPLES = {
    option.name: (ALONE.get(option.name) or KINDS[option.parse])[0] for option in OPTIONS
}
BAD = {option.name: (ALONE.get(option.name) or KINDS[option.parse])[1] for option in OPTIONS}

ORDER = ("flag", "environ", "file")
NAMES = [option.name for option in OPTIONS]
REPEATABLE = {option.name for option in OPTIONS if option.repeatable}

# What an option needs beside itself to be allowed.
COMPANY = {
    "https": (("certificate", "/company.pem"),),
    "certificate": (("https", "tcp:10443"),),
    "private-key": (("https", "tcp:10443"), ("certificate", "/company.pem")),
}


class _Commands(SynchronousTestCase):
    """
    Command lines in an environment of their own.
    """

    def file(self, text: str) -> str:
        """The path of a TOML file that holds `text`."""
        path = Path(self.mktemp())
        path.write_text(text, encoding="utf-8")
        return str(path)

    def parse(self, *arguments: str, **environ: str) -> Options:
        """What the options are, once parsed."""
        options = Options()
        options.environ = environ
        options.parseOptions(list(arguments))
        return options

    def settle(self, *arguments: str, **environ: str) -> Settings:
        """The settings they make."""
        return self.parse(*arguments, **environ).settings

    def refuse(self, *arguments: str, **environ: str) -> str:
        """The one line with which they are refused."""
        with self.assertRaises(UsageError, msg=f"{arguments} {environ}") as caught:
            self.parse(*arguments, **environ)
        said = str(caught.exception)
        self.assertTrue(said.isprintable(), said)
        return said


class DefaultTests(_Commands):
    """
    What holds when nothing is said.
    """

    def test_address(self) -> None:
        """
        TCP and UDP listen on port 8000 of the loopback, and nothing else does.
        """
        made = self.settle()
        self.assertEqual(made.http.listen, (Where("tcp", "127.0.0.1", 8000),))
        self.assertEqual(made.udp.listen, Where("udp", "127.0.0.1", 8000))
        self.assertEqual(made.tls.listen, ())

    def test_values(self) -> None:
        """
        The delay is three seconds, the sample tree is served, and limits hold.
        """
        made = self.settle()
        self.assertEqual(made.http.delay, Duration(3_000_000))
        self.assertIsNone(made.files.root)
        self.assertEqual(made.http.limits.max_delay, Duration.parse("1m"))
        self.assertEqual(made.http.limits.max_body, Size.parse("10MiB"))
        self.assertEqual(made.grace, Duration.parse("10s"))

    def test_parse(self) -> None:
        """
        Every default in the table is a value that its own option takes.
        """
        for option in OPTIONS:
            if option.default is not None:
                option.parse(option.default)

    def test_process_environment(self) -> None:
        """
        The environment is the process's own unless another one is given.
        """
        self.patch(Options, "environ", {"NETD_PORT": "9"})
        options = Options()
        options.parseOptions([])
        self.assertEqual(options.settings.http.listen[0].port, 9)


class TableTests(_Commands):
    """
    One table names every option.
    """

    def test_examples(self) -> None:
        """
        These tests have examples of every option: the parsers know the good from the bad.
        """
        for option in OPTIONS:
            for text in EXAMPLES[option.name]:
                option.parse(text)
            if option.name not in ALONE:
                for text in BAD[option.name]:
                    with self.assertRaises(ValueError, msg=f"{option.name} {text!r}"):
                        option.parse(text)

    def test_names(self) -> None:
        """
        A name is a flag, an environment variable and a bare TOML key at once.
        """
        for option in OPTIONS:
            self.assertRegex(option.name, r"\A[a-z]+(-[a-z0-9]+)*\Z")
            self.assertRegex(option.variable, r"\ANETD_[A-Z]+(_[A-Z0-9]+)*\Z")
        self.assertEqual(len(set(NAMES)), len(NAMES))

    def test_help(self) -> None:
        """
        `--help` lists exactly the options of the table and the few that are only flags.
        """
        said = str(Options())
        listed = set(re.findall(r"^ +(?:-\w, )?--([a-z0-9-]+)", said, re.MULTILINE))
        alone = {"config", "print-config", "check-config", "help", "version"}
        self.assertEqual(listed, {*NAMES, *alone})

    def test_help_texts(self) -> None:
        """
        `--help` says what each option is for, its default, and whether it may be repeated.
        """
        said = str(Options())
        texts = {
            name: " ".join(text.split())
            for name, text in re.findall(
                r"^ +--([a-z0-9-]+)=?((?:.*\n)(?: {10,}.*\n)*)", said, re.MULTILINE
            )
        }
        for option in OPTIONS:
            if option.repeatable:
                self.assertTrue(texts[option.name].endswith(", repeatable"), option.name)
            else:
                self.assertEqual(texts[option.name], option.doc)
        self.assertIn("[default: 8000]", said)
        self.assertIn("NETD_MAX_DELAY", said)

    def test_settings_change(self) -> None:
        """
        Every option reaches the settings: different texts make different daemons.
        """
        for option in OPTIONS:
            texts = EXAMPLES[option.name]
            company = [f"--{key}={value}" for key, value in COMPANY.get(option.name, ())]
            made = {self.settle(*company, f"--{option.name}={text}") for text in texts}
            self.assertEqual(len(made), len({option.parse(text) for text in texts}))

    def test_settings_filled(self) -> None:
        """
        Every group of the settings is made by the options, none is forgotten.
        """
        made = self.settle()
        for attribute in fields(Settings):
            self.assertIsNotNone(getattr(made, attribute.name))


class FlagTests(_Commands):
    """
    The command line.
    """

    def test_last_wins(self) -> None:
        """
        An option that is given twice means what it says the second time.
        """
        self.assertEqual(self.settle("--grace", "1", "--grace=2").grace.seconds, 2)

    def test_repeatable(self) -> None:
        """
        `--http` and `--https` add up, in their order, after `--port`.
        """
        made = self.settle(
            *("--http", "81", "--http=tcp:82", "--https", "443", "--https", "444"),
            *("--certificate", "/a", "--bind", "::1"),
        )
        self.assertEqual([where.port for where in made.http.listen], [8000, 81, 82])
        self.assertEqual([where.port for where in made.tls.listen], [443, 444])
        self.assertEqual({where.host for where in made.http.listen}, {"::1"})

    def test_unknown(self) -> None:
        """
        An unknown flag is refused by its name.
        """
        self.assertIn("--prot", self.refuse("--prot", "80"))

    def test_value_missing(self) -> None:
        """
        So is a flag whose value is missing.
        """
        self.assertIn("--port", self.refuse("--port"))

    def test_argument(self) -> None:
        """
        What is no option is refused, with a hint at the help.
        """
        self.assertEqual(self.refuse("8000"), "8000: not an option; see netd --help")

    def test_broken_argument(self) -> None:
        """
        Neither an argument nor a flag breaks the line.
        """
        self.refuse("a\nb")
        self.refuse("--a\nb")
        self.refuse("--config", "/nonexistent\nx")

    def test_version(self) -> None:
        """
        `--version` names netd's version, not Twisted's, and ends well.
        """
        written: list[str] = []
        self.patch(netd.options.sys.stdout, "write", written.append)  # type: ignore[attr-defined]
        with self.assertRaises(SystemExit) as caught:
            self.parse("--version")
        self.assertEqual(caught.exception.code, 0)
        self.assertEqual(written, [f"netd {netd.__version__}\n"])

    def test_bad(self) -> None:
        """
        A bad value is refused in one line that begins with the option and the value.
        """
        for name, texts in BAD.items():
            for text in texts:
                company = [f"--{key}={value}" for key, value in COMPANY.get(name, ())]
                said = self.refuse(*company, f"--{name}={text}")
                shown = text if text.isprintable() and text else repr(text)
                self.assertTrue(said.startswith(f"--{name} {shown}: "), said)

    def test_options_of_addresses(self) -> None:
        """
        An address knows the option that asked for it, for the message of a failing bind.
        """
        made = self.settle(
            *("--http=81", "--https=tcp:443", "--certificate=/a", "--udp=udp:7", "--port=0")
        )
        self.assertEqual(
            [each.option for each in (*made.http.listen, *made.tls.listen)],
            ["--port 0", "--http 81", "--https tcp:443"],
        )
        udp = made.udp.listen
        self.assertEqual(udp and udp.option, "--udp udp:7")
        bound = self.settle("--bind", "example.org")
        self.assertEqual(bound.http.listen[0].option, "--bind example.org")


class UDPTests(_Commands):
    """
    The datagram echo follows the port unless told otherwise.
    """

    def test_follows(self) -> None:
        """
        Unsaid, it has the number and the host of everything else.
        """
        made = self.settle("--port=7000", "--bind=10.0.0.1")
        self.assertEqual(made.udp.listen, Where("udp", "10.0.0.1", 7000))

    def test_off(self) -> None:
        """
        0 turns it off, from every source.
        """
        for made in (
            self.settle("--udp", "0"),
            self.settle(NETD_UDP="0"),
            self.settle("--config", self.file("udp = 0")),
            self.settle("--config", self.file('udp = "0"')),
            self.settle("--port=0", "--udp=0"),
        ):
            self.assertIsNone(made.udp.listen)

    def test_own(self) -> None:
        """
        A port or an endpoint of its own replaces the number, and only for datagrams.
        """
        made = self.settle("--udp=7", "--bind=10.0.0.1")
        self.assertEqual(made.udp.listen, Where("udp", "10.0.0.1", 7))
        self.assertEqual(made.http.listen[0].port, 8000)
        made = self.settle(r"--udp=udp6:0:interface=\:\:1")
        self.assertEqual(made.udp.listen, Where("udp6", "::1", 0))


class ServiceTests(_Commands):
    """
    The small services.
    """

    def test_several(self) -> None:
        """
        `--service` adds up, each at the endpoint of its own, or at --bind.
        """
        made = self.settle(
            *("--service=echo=tcp:7", "--service=echo=udp:7", "--bind=10.0.0.1"),
            r"--service=time=tcp6:37:interface=\:\:1:backlog=5",
        )
        self.assertEqual(
            [(each.name, each.listen) for each in made.services],
            [
                ("echo", Where("tcp", "10.0.0.1", 7)),
                ("echo", Where("udp", "10.0.0.1", 7)),
                ("time", Where("tcp6", "::1", 37, 5)),
            ],
        )
        self.assertEqual(made.services[0].listen.option, "--service echo=tcp:7")

    def test_off(self) -> None:
        """
        None is offered unless asked for.
        """
        self.assertEqual(self.settle().services, ())

    def test_explained(self) -> None:
        """
        The message says which there are, what is missing, and over what a service is offered.
        """
        for text, said in (
            ("nothing=tcp:7", "not one of echo, discard, "),
            ("echo=7", "tcp: or udp: must stand before the port"),
            ("chargen=udp:19", "chargen is not offered over udp"),
            ("stamp=tcp:7", "stamp is not offered over tcp"),
        ):
            self.assertIn(f"--service {text}: {said}", self.refuse(f"--service={text}"))

    def test_every_service(self) -> None:
        """
        Every service of the table can be asked for over everything it is offered over.
        """
        for name, kinds in SERVICES.items():
            for kind in kinds:
                (made,) = self.settle(f"--service={name}={kind}:0").services
                self.assertEqual((made.name, made.listen.kind), (name, kind))


class NetworkTests(_Commands):
    """
    Who may speak, from the command line or from a file.
    """

    def test_several(self) -> None:
        """
        Networks add up, each list on its own.
        """
        made = self.settle(
            *("--allow=10.0.0.0/8", "--allow=::1", "--deny=10.1.0.0/16"),
            *("--proxy-from=10.2.0.1", "--connect-rate=5"),
        ).access
        self.assertEqual(made.allow, (Network.parse("10.0.0.0/8"), Network.parse("::1")))
        self.assertEqual(made.deny, (Network.parse("10.1.0.0/16"),))
        self.assertEqual(made.proxy_from, (Network.parse("10.2.0.1"),))
        self.assertEqual(made.connect_rate, 5)

    def test_anybody(self) -> None:
        """
        Unless said otherwise anybody may speak, as often as they like, for themselves.
        """
        made = self.settle().access
        self.assertEqual((made.allow, made.deny, made.proxy_from), ((), (), ()))
        self.assertEqual(made.connect_rate, 0)

    def test_file(self) -> None:
        """
        A file lists networks, one a line, with comments and empty lines between.
        """
        path = self.file("# ours\n10.0.0.0/8\n\n  192.0.2.7  # one\r\n::/0")
        made = self.settle(f"--deny=@{path}", "--deny=::1").access
        self.assertEqual(
            [str(each) for each in made.deny], ["10.0.0.0/8", "192.0.2.7/32", "::/0", "::1/128"]
        )
        self.assertEqual(self.settle(f"--allow=@{self.file('# none')}").access.allow, ())

    def test_line(self) -> None:
        """
        What is wrong in a file is named by its line.
        """
        path = self.file("10.0.0.0/8\n10.0.0.1/8\n")
        self.assertIn(
            f"--allow @{path}: line 2: 10.0.0.1/8: has bits", self.refuse(f"--allow=@{path}")
        )

    def test_unreadable(self) -> None:
        """
        A file that is missing, a directory, or not UTF-8 is refused by its name.
        """
        binary = Path(self.mktemp())
        binary.write_bytes(b"\xff")
        for path in (self.mktemp(), ".", str(binary)):
            said = self.refuse(f"--deny=@{path}")
            self.assertTrue(said.startswith(f"--deny @{path}: "), said)


class ImpairmentTests(_Commands):
    """
    What happens to datagrams.
    """

    def test_none(self) -> None:
        """
        Unless asked for, nothing does.
        """
        self.assertEqual(self.settle().udp.impairment, Impairment())
        self.assertFalse(self.settle().udp.any_source)

    def test_each(self) -> None:
        """
        Each kind has its option.
        """
        made = self.settle(
            *("--udp-delay=uniform:1s-2s", "--udp-loss=5%", "--udp-duplicate=0.1"),
            *("--udp-reorder=0.2", "--udp-corrupt=1", "--udp-seed=7", "--udp-any-source=yes"),
        ).udp
        self.assertEqual(
            made.impairment,
            Impairment(
                delay=values.delay("uniform:1s-2s"),
                loss=0.05,
                duplicate=0.1,
                reorder=0.2,
                corrupt=1.0,
                seed=7,
            ),
        )
        self.assertTrue(made.any_source)


class HTTPSTests(_Commands):
    """
    HTTPS and its files need each other.
    """

    def test_certificate(self) -> None:
        """
        HTTPS without a certificate is refused, from every source, and the option is named.
        """
        self.assertEqual(self.refuse("--https=443"), "--https 443: needs --certificate")
        self.assertIn("needs --certificate", self.refuse(NETD_HTTPS="443"))
        self.assertIn("needs --certificate", self.refuse("--https=443", "--private-key=/a.key"))

    def test_https(self) -> None:
        """
        A certificate or key that nothing would use is refused.
        """
        self.assertEqual(self.refuse("--certificate=/a"), "--certificate /a: needs --https")
        self.assertEqual(self.refuse("--private-key=/a"), "--private-key /a: needs --https")
        self.assertEqual(
            self.refuse(NETD_CERTIFICATE="/a"),
            "--certificate /a (NETD_CERTIFICATE): needs --https",
        )

    def test_both(self) -> None:
        """
        Together they make the TLS group, the key being optional.
        """
        made = self.settle("--https=443", NETD_CERTIFICATE="/a")
        self.assertEqual(made.tls.listen, (Where("tcp", "127.0.0.1", 443),))
        self.assertEqual((made.tls.certificate, made.tls.private_key), (Path("/a"), None))
        made = self.settle("--https=443", "--certificate=/a", "--private-key=b")
        self.assertEqual(made.tls.private_key, Path("b"))


class EnvironmentTests(_Commands):
    """
    NETD_* variables.
    """

    def test_every_option(self) -> None:
        """
        A variable says what the flag of its name says.
        """
        for option in OPTIONS:
            company = {
                f"NETD_{key.upper()}": value for key, value in COMPANY.get(option.name, ())
            }
            flags = [f"--{key}={value}" for key, value in COMPANY.get(option.name, ())]
            for text in EXAMPLES[option.name]:
                self.assertEqual(
                    self.settle(**company, **{option.variable: text}),
                    self.settle(*flags, f"--{option.name}={text}"),
                )

    def test_bad(self) -> None:
        """
        A bad value is refused in one line that names option, value and variable.
        """
        for option in OPTIONS:
            for text in BAD[option.name]:
                if not text or (option.repeatable and text.split() != [text]):
                    continue
                company = {f"NETD_{k.upper()}": v for k, v in COMPANY.get(option.name, ())}
                said = self.refuse(**company, **{option.variable: text})
                shown = text if text.isprintable() else repr(text)
                self.assertTrue(
                    said.startswith(f"--{option.name} {shown} ({option.variable}): "), said
                )

    def test_empty(self) -> None:
        """
        An empty variable says nothing: what comes after it in precedence holds.
        """
        path = self.file('port = 81\nhttp = ["82"]')
        environ = {option.variable: "" for option in OPTIONS}
        self.assertEqual(
            self.settle("--config", path, **environ), self.settle("--config", path)
        )
        self.assertEqual(self.settle(**environ, NETD_CONFIG=""), self.settle())

    def test_blank(self) -> None:
        """
        A repeatable variable of mere space says nothing either.
        """
        path = self.file('http = ["82"]')
        self.assertEqual(
            self.settle("--config", path, NETD_HTTP="  "), self.settle("--config", path)
        )

    def test_several(self) -> None:
        """
        A repeatable variable holds several texts with space between.
        """
        made = self.settle(NETD_HTTP=" 81  tcp:82\n83 ")
        self.assertEqual([where.port for where in made.http.listen], [8000, 81, 82, 83])

    def test_config(self) -> None:
        """
        NETD_CONFIG names the file, unless the flag names another.
        """
        one, other = self.file("port = 1"), self.file("port = 2")
        self.assertEqual(self.settle(NETD_CONFIG=one).http.listen[0].port, 1)
        made = self.settle("--config", other, NETD_CONFIG=one)
        self.assertEqual(made.http.listen[0].port, 2)

    def test_others(self) -> None:
        """
        Variables of no option are nobody's business.
        """
        self.assertEqual(self.settle(NETD_="1", NETD_NAME="x", PORT="9"), self.settle())


class FileTests(_Commands):
    """
    The TOML file.
    """

    def test_every_option(self) -> None:
        """
        A key says what the flag of its name says.
        """
        for option in OPTIONS:
            company = COMPANY.get(option.name, ())
            flags = [f"--{key}={value}" for key, value in company]
            for text in EXAMPLES[option.name]:
                lines = [f"{key} = '{value}'" for key, value in (*company, (option.name, text))]
                self.assertEqual(
                    self.settle("--config", self.file("\n".join(lines))),
                    self.settle(*flags, f"--{option.name}={text}"),
                    lines,
                )

    def test_types(self) -> None:
        """
        Whole and broken numbers may be written as such; a list where several are allowed.
        """
        made = self.settle(
            "--config",
            self.file(
                'port = 81\ndelay = 0.25\nmax-body = 1000\nhttp = [82, "tcp:83"]\nudp = "udp:7"'
            ),
        )
        self.assertEqual([where.port for where in made.http.listen], [81, 82, 83])
        self.assertEqual(made.http.delay, Duration(250_000))
        self.assertEqual(made.http.limits.max_body, Size(1000))
        self.assertEqual(
            self.settle("--config", self.file("http = 82")).http.listen[1].port, 82
        )
        self.assertEqual(len(self.settle("--config", self.file("http = []")).http.listen), 1)

    def test_wrong_types(self) -> None:
        """
        A truth value, list, table or date is refused, with file, key and value.
        """
        for text in (
            "port = true",
            "port = [80]",
            "port = {}",
            "http = [true]",
            'http = [["80"]]',
            "delay = 2020-01-01",
            "delay = 07:32:00",
            "[delay]\nseconds = 1",
            "http = {a = 1}",
        ):
            path = self.file(text)
            key = text.strip("[").split()[0].rstrip("]")
            said = self.refuse("--config", path)
            self.assertTrue(said.startswith(f"--config {path}: {key} = "), said)
            self.assertTrue(said.endswith("not a string or a number"), said)

    def test_bad(self) -> None:
        """
        A bad value is refused in one line that names option, value and file.
        """
        for text, shown in (
            ("port = 65536", "--port 65536"),
            ("port = 80.0", "--port 80.0"),
            ("delay = -1", "--delay -1"),
            ("delay = nan", "--delay nan"),
            ("delay = inf", "--delay inf"),
            ('max-body = "1.5"', "--max-body 1.5"),
            ('http = ["80", "x"]', "--http x"),
            ('bind = "a\\nb"', r"--bind 'a\nb'"),
            ('files = ""', "--files ''"),
        ):
            path = self.file(text)
            said = self.refuse("--config", path)
            self.assertTrue(said.startswith(f"{shown} ({path}): "), said)

    def test_unknown(self) -> None:
        """
        An unknown key is refused, and the nearest known one is suggested.
        """
        for key, near in (("prot", "port"), ("max_delay", "max-delay"), ("certificat", "")):
            path = self.file(f"{key} = 1")
            said = self.refuse("--config", path)
            self.assertTrue(said.startswith(f"--config {path}: unknown key {key}, "), said)
            self.assertIn(f"did you mean {near}", said)

    def test_broken_key(self) -> None:
        """
        A key that would break the line is shown escaped.
        """
        self.assertIn(r"unknown key 'a\nb'", self.refuse("--config", self.file('"a\\nb" = 1')))

    def test_unlike(self) -> None:
        """
        A key that is like no other gets no suggestion.
        """
        path = self.file("zzz = 1")
        self.assertEqual(self.refuse("--config", path), f"--config {path}: unknown key zzz")

    def test_config_key(self) -> None:
        """
        A file does not name another one.
        """
        self.assertIn("unknown key config", self.refuse("--config", self.file('config = "a"')))

    def test_unreadable(self) -> None:
        """
        A file that is missing, a directory, no TOML or no UTF-8 is refused by its name.
        """
        directory = self.mktemp()
        Path(directory).mkdir()
        binary = self.mktemp()
        Path(binary).write_bytes(b'port = "\xff"')
        for path, said in (
            (self.mktemp(), "No such file"),
            (directory, "Is a directory"),
            (binary, "utf-8"),
            (self.file("port = \n"), "line 1"),
            (self.file("port = 1\nport = 2\n"), "line 2"),
        ):
            line = self.refuse("--config", path)
            self.assertTrue(line.startswith(f"--config {path}: "), line)
            self.assertIn(said, line)

    @_property
    @given(st.text(st.sampled_from("portdelay = 0189.-_\"'[]{}#,\\\n\t\0\x7fe+:")))
    def test_any_text(self, text: str) -> None:
        """
        Whatever stands in a file, it is read, or refused in a line that begins with its name.
        """
        path = self.file(text)
        try:
            read_toml(path)
        except UsageError as wrong:
            self.assertTrue(str(wrong).startswith(f"--config {path}: "))
            self.assertTrue(str(wrong).isprintable(), repr(str(wrong)))

    def test_nul(self) -> None:
        """
        A path that no file can have is refused like a missing file.
        """
        with self.assertRaises(UsageError):
            read_toml("a\0b")


class PrecedenceTests(_Commands):
    """
    Flag beats environment beats file beats default.
    """

    @_property
    @given(
        st.fixed_dictionaries(
            {}, optional={name: st.sets(st.sampled_from(ORDER)) for name in NAMES}
        )
    )
    def test_any_sources(self, sources: dict[str, set[str]]) -> None:
        """
        For any set of sources that speak, the highest wins and is named as the origin.
        """
        by_source: dict[str, dict[str, str]] = {each: {} for each in ORDER}
        expected: dict[str, tuple[tuple[str, ...], str]] = {}
        path = str(Path(self.mktemp()).absolute())
        for option in OPTIONS:
            speaking = [each for each in ORDER if each in sources.get(option.name, ())]
            for each in speaking:
                text = EXAMPLES[option.name][ORDER.index(each)]
                by_source[each][option.name] = text
            default = () if option.default is None else (option.default,)
            expected[option.name] = (default, "default")
            if speaking:
                text = EXAMPLES[option.name][ORDER.index(speaking[0])]
                origins = {"flag": "flag", "environ": option.variable, "file": path}
                expected[option.name] = ((text,), origins[speaking[0]])
        Path(path).write_text(
            "".join(f"{name} = '{text}'\n" for name, text in by_source["file"].items())
        )
        said = collect(
            {name: [text] for name, text in by_source["flag"].items()},
            {f"NETD_{n.upper().replace('-', '_')}": t for n, t in by_source["environ"].items()},
            path,
        )
        self.assertEqual({n: (each.texts, each.origin) for n, each in said.items()}, expected)

    def test_whole(self) -> None:
        """
        The same holds on a whole command line, option by option.
        """
        path = self.file('port = 1\ndelay = "1s"\ngrace = "1s"\nhttp = [11, 12]')
        made = self.settle(
            "--config", path, "--port", "3", NETD_PORT="2", NETD_DELAY="2s", NETD_HTTP="21"
        )
        self.assertEqual([where.port for where in made.http.listen], [3, 21])
        self.assertEqual(made.http.delay, Duration(2_000_000))
        self.assertEqual(made.grace.seconds, 1)
        self.assertEqual(made.http.limits.max_delay.seconds, 60)

    def test_overruled(self) -> None:
        """
        A bad value that a higher source overrules is not looked at.
        """
        self.assertEqual(self.settle("--port", "1", NETD_PORT="x").http.listen[0].port, 1)


class SaidTests(_Commands):
    """
    What was said of one option.
    """

    def test_value(self) -> None:
        """
        The last text is the value, none is None.
        """
        port = OPTIONS[0]
        self.assertEqual(Said(port, ("1", "2"), "flag").value(), 2)
        self.assertEqual(Said(port, ("1", "2"), "flag").values(), [1, 2])
        self.assertIsNone(Said(port, (), "default").value())

    def test_escaped(self) -> None:
        """
        A value that would break the line, or hide in it, is shown escaped.
        """
        port = OPTIONS[0]
        for text in ("", "a\nb", "\x1b[2J", "\u202e", "\udcff"):
            said = str(Said(port, (text,), "flag").refuse(text, "no"))
            self.assertEqual(said, f"--port {text!r}: no")

    def test_settings(self) -> None:
        """
        Settings are made of what was said, wherever that came from.
        """
        said = collect({"port": ["1"]}, {"NETD_DELAY": "2"}, None)
        made = to_settings(said)
        self.assertEqual(made.http.listen[0].port, 1)
        self.assertEqual(made.http.delay, Duration(2_000_000))


class PrintTests(_Commands):
    """
    `--print-config` writes a file that `--config` takes.
    """

    def printed(self, *arguments: str, **environ: str) -> str:
        """What is printed for these."""
        return as_toml(self.parse(*arguments, **environ).said)

    def test_defaults(self) -> None:
        """
        Every option has its line, those that are not set as a comment.
        """
        lines = self.printed().splitlines()
        self.assertEqual(len(lines), len(OPTIONS))
        self.assertEqual(lines[0], 'port = "8000"  # default')
        self.assertIn("# files is not set", lines)

    def test_origins(self) -> None:
        """
        Each line says where its value came from.
        """
        path = self.file("grace = 1")
        lines = self.printed("--config", path, "--port=1", NETD_DELAY="2").splitlines()
        for line in (
            'port = "1"  # flag',
            'delay = "2"  # NETD_DELAY',
            f'grace = "1"  # {path}',
        ):
            self.assertIn(line, lines)

    def test_repeatable(self) -> None:
        """
        What may be said several times is a list.
        """
        self.assertIn('http = ["81", "82"]  # flag', self.printed("--http=81", "--http=82"))

    def test_odd_characters(self) -> None:
        """
        A value or a file's name with a control character in it is printed so that it parses.
        """
        room = Path(self.mktemp())
        room.mkdir()
        path = room / "a\nb"
        path.write_text('grace = "1"')
        for arguments in (["--files=a\x7f"], [f"--config={path}"]):
            text = self.printed(*arguments)
            self.assertEqual(self.settle("--config", self.file(text)), self.settle(*arguments))

    def test_no_text(self) -> None:
        """
        A path that is no text, as a command line can hold, is printed all the same.
        """
        self.printed("--files=/\udcff").encode()

    @_property
    @given(
        st.fixed_dictionaries(
            {},
            optional={
                name: st.lists(st.sampled_from(EXAMPLES[name]), min_size=1, max_size=3)
                for name in NAMES
                if name not in COMPANY
            },
        ),
        st.text(
            st.characters(blacklist_characters="\0\x7f", blacklist_categories=["Cs"]),
            min_size=1,
        ),
        st.booleans(),
    )
    def test_back(self, flags: dict[str, list[str]], file: str, secure: bool) -> None:
        """
        The settings that the printed text makes are those it was printed for.
        """
        flags = {**flags, "files": [file]}
        if secure:
            flags |= {name: list(EXAMPLES[name][:1]) for name in COMPANY}
        said = collect(flags, {}, None)
        text = as_toml(said)
        self.assertEqual(
            set(tomllib.loads(text)), {n for n, each in said.items() if each.texts}
        )
        self.assertEqual(self.settle("--config", self.file(text)), to_settings(said))
