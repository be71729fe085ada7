"""
Tests for netd.options.build.
"""

from __future__ import annotations

import platform
from pathlib import Path

from attrs import evolve

from netd import __version__, distribution
from netd.addresses import Network
from netd.options.cli import Options
from netd.settings import OPTIONS, SERVICES, Impairment, Settings
from netd.test.options.examples import COMPANY, EXAMPLES, Commands
from netd.values import Duration, Endpoint


class DefaultTests(Commands):
    """
    What holds when nothing is said.
    """

    def test_address(self) -> None:
        """
        TCP and UDP listen on port 8000 of the loopback, and nothing else does.
        """
        made = self.settings()
        self.assertEqual(made.http.listen, (Endpoint("tcp", "127.0.0.1", 8000),))
        self.assertEqual(made.udp.listen, Endpoint("udp", "127.0.0.1", 8000))
        self.assertEqual(made.tls.listen, ())

    def test_values(self) -> None:
        """
        The delay is three seconds, the sample tree is served, and limits hold.
        """
        made = self.settings()
        self.assertEqual(made.http.delay, Duration(3_000_000))
        self.assertIsNone(made.files.root)
        self.assertEqual(made.http.limits.max_delay, 60.0)
        self.assertEqual(made.http.limits.max_body, 10 << 20)
        self.assertEqual(made.grace, Duration.parse("10s"))

    def test_parse(self) -> None:
        """
        Every default in the table is a value that its own option takes.
        """
        for option in OPTIONS:
            for text in option.split(option.default):
                option.type.parse(text)

    def test_groups(self) -> None:
        """
        Without any text all but the two listeners on --port is as in `Settings()`.
        """
        made = self.settings()
        made = evolve(
            made, http=evolve(made.http, listen=()), udp=evolve(made.udp, listen=None)
        )
        self.assertEqual(made, Settings())

    def test_process_environment(self) -> None:
        """
        The environment is the process's own unless another one is given.
        """
        self.patch(Options, "environ", {"NETD_PORT": "9"})
        options = Options()
        options.parseOptions([])
        self.assertEqual(options.settings.http.listen[0].port, 9)


class OptionTests(Commands):
    """
    Every option has a field of the settings.
    """

    def test_settings_change(self) -> None:
        """
        Different texts of an option make different settings.
        """
        for option in OPTIONS:
            texts = EXAMPLES[option.name]
            company = [f"--{key}={value}" for key, value in COMPANY.get(option.name, ())]
            made = {self.settings(*company, f"--{option.name}={text}") for text in texts}
            self.assertEqual(len(made), len({option.type.parse(text) for text in texts}))

    def test_reveal(self) -> None:
        """
        `--reveal` names the facts that the lab shows; without it there are none.
        """
        lab = self.settings("--reveal=version").http.lab
        self.assertEqual((lab.hostname, lab.version), (None, __version__))
        lab = self.settings("--reveal=hostname").http.lab
        self.assertEqual((lab.hostname, lab.version), (platform.node(), None))
        lab = self.settings().http.lab
        self.assertEqual((lab.hostname, lab.version), (None, None))

    def test_trusted(self) -> None:
        """
        The networks of --trust-forwarded replace the loopback, and an empty list does not.
        """
        loopback = (Network.parse("127.0.0.0/8"), Network.parse("::1"))
        self.assertEqual(self.settings().http.lab.trust_forwarded, loopback)
        empty = self.settings("--config", self.file("trust-forwarded = []"))
        self.assertEqual(empty.http.lab.trust_forwarded, loopback)
        made = self.settings("--trust-forwarded=10.0.0.0/8")
        self.assertEqual(made.http.lab.trust_forwarded, (Network.parse("10.0.0.0/8"),))


class UDPTests(Commands):
    """
    The datagram echo follows the port unless told otherwise.
    """

    def test_follows(self) -> None:
        """
        Unsaid, it has the number and the host of everything else.
        """
        made = self.settings("--port=7000", "--bind=10.0.0.1")
        self.assertEqual(made.udp.listen, Endpoint("udp", "10.0.0.1", 7000))

    def test_off(self) -> None:
        """
        0 turns it off, from every source.
        """
        for made in (
            self.settings("--udp", "0"),
            self.settings(NETD_UDP="0"),
            self.settings("--config", self.file("udp = 0")),
            self.settings("--config", self.file('udp = "0"')),
            self.settings("--port=0", "--udp=0"),
        ):
            self.assertIsNone(made.udp.listen)

    def test_own(self) -> None:
        """
        A port or an endpoint of its own replaces the number, and only for datagrams.
        """
        made = self.settings("--udp=7", "--bind=10.0.0.1")
        self.assertEqual(made.udp.listen, Endpoint("udp", "10.0.0.1", 7))
        self.assertEqual(made.http.listen[0].port, 8000)
        made = self.settings(r"--udp=udp6:0:interface=\:\:1")
        self.assertEqual(made.udp.listen, Endpoint("udp6", "::1", 0))


class ServiceTests(Commands):
    """
    The small services.
    """

    def test_several(self) -> None:
        """
        `--service` adds up, each at the endpoint of its own, or at --bind.
        """
        made = self.settings(
            *("--service=echo=tcp:7", "--service=echo=udp:7", "--bind=10.0.0.1"),
            r"--service=time=tcp6:37:interface=\:\:1:backlog=5",
        )
        self.assertEqual(
            [(each.name, each.listen) for each in made.services],
            [
                ("echo", Endpoint("tcp", "10.0.0.1", 7)),
                ("echo", Endpoint("udp", "10.0.0.1", 7)),
                ("time", Endpoint("tcp6", "::1", 37, 5)),
            ],
        )
        self.assertEqual(made.services[0].listen.option, "--service echo=tcp:7")

    def test_off(self) -> None:
        """
        None is offered unless asked for.
        """
        self.assertEqual(self.settings().services, ())

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
                (made,) = self.settings(f"--service={name}={kind}:0").services
                self.assertEqual((made.name, made.listen.kind), (name, kind))


class NetworkTests(Commands):
    """
    Who may speak, from the command line or from a file.
    """

    def test_several(self) -> None:
        """
        Networks add up, each list on its own.
        """
        made = self.settings(
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
        made = self.settings().access
        self.assertEqual((made.allow, made.deny, made.proxy_from), ((), (), ()))
        self.assertEqual(made.connect_rate, 0)

    def test_file(self) -> None:
        """
        A file lists networks, one a line, with comments and empty lines between.
        """
        path = self.file("# ours\n10.0.0.0/8\n\n  192.0.2.7  # one\r\n::/0")
        made = self.settings(f"--deny=@{path}", "--deny=::1").access
        self.assertEqual(
            [str(each) for each in made.deny], ["10.0.0.0/8", "192.0.2.7/32", "::/0", "::1/128"]
        )
        self.assertEqual(self.settings(f"--allow=@{self.file('# none')}").access.allow, ())

    def test_line(self) -> None:
        """
        What is wrong in a file is named by its line.
        """
        path = self.file("10.0.0.0/8\n10.0.0.1/8\n")
        self.assertIn(
            f"--allow @{path}: line 2: 10.0.0.1/8: has bits", self.refuse(f"--allow=@{path}")
        )

    def test_odd_line(self) -> None:
        """
        A line that would hide in the message is shown escaped.
        """
        path = self.file("10.0.0.0/8\n\x1b[2J\n")
        self.assertIn(r"line 2: '\x1b[2J': ", self.refuse(f"--allow=@{path}"))

    def test_unreadable(self) -> None:
        """
        A file that is missing, a directory, or not UTF-8 is refused by its name.
        """
        binary = Path(self.mktemp())
        binary.write_bytes(b"\xff")
        for path in (self.mktemp(), ".", str(binary)):
            said = self.refuse(f"--deny=@{path}")
            self.assertTrue(said.startswith(f"--deny @{path}: "), said)


class ImpairmentTests(Commands):
    """
    What happens to datagrams.
    """

    def test_none(self) -> None:
        """
        Unless asked for, nothing does.
        """
        self.assertEqual(self.settings().udp.impairment, Impairment())
        self.assertFalse(self.settings().udp.any_source)

    def test_each(self) -> None:
        """
        Each kind has its option.
        """
        made = self.settings(
            *("--udp-delay=uniform:1s-2s", "--udp-loss=5%", "--udp-duplicate=0.1"),
            *("--udp-reorder=0.2", "--udp-corrupt=1", "--udp-seed=7", "--udp-any-source=yes"),
        ).udp
        self.assertEqual(
            made.impairment,
            Impairment(
                delay=distribution.delay("uniform:1s-2s"),
                loss=0.05,
                duplicate=0.1,
                reorder=0.2,
                corrupt=1.0,
                seed=7,
            ),
        )
        self.assertTrue(made.any_source)


class HTTPSTests(Commands):
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
        made = self.settings("--https=443", NETD_CERTIFICATE="/a")
        self.assertEqual(made.tls.listen, (Endpoint("tcp", "127.0.0.1", 443),))
        self.assertEqual((made.tls.certificate, made.tls.private_key), (Path("/a"), None))
        made = self.settings("--https=443", "--certificate=/a", "--private-key=b")
        self.assertEqual(made.tls.private_key, Path("b"))

    def test_directory(self) -> None:
        """
        A directory of certificates stands in for one, but not a key for a certificate.
        """
        made = self.settings("--https=443", "--certificate-dir=/d")
        self.assertEqual((made.tls.certificate, made.tls.directory), (None, Path("/d")))
        self.assertEqual(
            self.refuse("--https=443", "--certificate-dir=/d", "--private-key=/k"),
            "--private-key /k: needs --certificate",
        )
        self.assertEqual(
            self.refuse("--certificate-dir=/d"), "--certificate-dir /d: needs --https"
        )

    def test_clients(self) -> None:
        """
        Clients are asked for certificates where there is an authority, and only over HTTPS.
        """
        both = ("--https=443", "--certificate=/a")
        made = self.settings(*both, "--client-ca=/c")
        self.assertEqual((made.tls.client_ca, made.tls.client_ca_optional), (Path("/c"), False))
        made = self.settings(*both, "--client-ca=/c", "--client-ca-optional=yes")
        self.assertTrue(made.tls.client_ca_optional)
        self.assertEqual(self.refuse("--client-ca=/c"), "--client-ca /c: needs --https")
        self.assertEqual(
            self.refuse(*both, "--client-ca-optional=yes"),
            "--client-ca-optional yes: needs --client-ca",
        )


class WatchTests(Commands):
    """
    What the operator's tools see.
    """

    def test_watch(self) -> None:
        """
        The probes are on the web site and the log finds its form, unless said otherwise.
        """
        made = self.settings().monitoring
        self.assertEqual((made.listen, made.log), ((), "auto"))
        made = self.settings("--metrics-http=9100", "--bind=10.0.0.1", "--log=json").monitoring
        self.assertEqual(
            (made.listen, made.log), ((Endpoint("tcp", "10.0.0.1", 9100),), "json")
        )
        self.assertEqual(made.listen[0].option, "--metrics-http 9100")
