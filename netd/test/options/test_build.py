"""
Tests for netd.options.build.
"""

from __future__ import annotations

import os
import platform
from pathlib import Path

from attrs import evolve

from netd import __version__, values
from netd.addresses import Network
from netd.options.cli import Options
from netd.settings import OPTIONS, SERVICES, Impairment, Settings
from netd.test.options.examples import COMPANY, EXAMPLES, Commands
from netd.values import Duration, Endpoint


class DefaultTests(Commands):
    """
    The defaults.
    """

    def test_address(self) -> None:
        """
        TCP and UDP listen on port 8000 of the loopback; there is no other listener.
        """
        config = self.settings()
        self.assertEqual(config.http.listen, (Endpoint("tcp", "127.0.0.1", 8000),))
        self.assertEqual(config.udp.listen, Endpoint("udp", "127.0.0.1", 8000))
        self.assertEqual(config.tls.listen, ())

    def test_values(self) -> None:
        """
        The delay is three seconds, the sample tree is served, and there are limits.
        """
        config = self.settings()
        self.assertEqual(config.http.delay, Duration(3_000_000))
        self.assertIsNone(config.files.root)
        self.assertEqual(config.http.limits.max_delay, 60.0)
        self.assertEqual(config.http.limits.max_body, 10 << 20)
        self.assertEqual(config.grace, Duration.parse("10s"))

    def test_parse(self) -> None:
        """
        Every default in the table is a text that its own option takes.
        """
        for option in OPTIONS:
            for text in option.split(option.default):
                option.type.parse(text)

    def test_delay(self) -> None:
        """
        A --delay beyond --max-delay is refused; the message names the one that is given.
        """
        for delay in ("61s", "uniform:1s-61s", "exponential:61s"):
            self.assertEqual(
                self.refuse(f"--delay={delay}"),
                f"--delay {delay}: not within --max-delay, which is 60s",
            )
        self.assertEqual(
            self.refuse(NETD_MAX_DELAY="1s"),
            "--max-delay 1s (NETD_MAX_DELAY): not at least --delay, which is 3s",
        )
        for good in (
            ("--delay=60s",),
            ("--delay=normal:60s,1h",),
            ("--delay=1h", "--max-delay=0"),
            ("--delay=1s", "--max-delay=1s"),
        ):
            self.settings(*good)

    def test_groups(self) -> None:
        """
        Without any text the settings are `Settings()` with the two listeners on --port.
        """
        config = self.settings()
        config = evolve(
            config, http=evolve(config.http, listen=()), udp=evolve(config.udp, listen=None)
        )
        self.assertEqual(config, Settings())

    def test_processEnvironment(self) -> None:
        """
        The environment is that of the process unless a test sets another.
        """
        self.patch(Options, "environ", {"NETD_PORT": "9"})
        options = Options()
        options.parseOptions([])
        self.assertEqual(options.settings.http.listen[0].port, 9)


class OptionTests(Commands):
    """
    Every option has a field of the settings.
    """

    def test_settingsChange(self) -> None:
        """
        Different texts of an option make different settings.
        """
        for option in OPTIONS:
            texts = EXAMPLES[option.name]
            company = [f"--{key}={value}" for key, value in COMPANY.get(option.name, ())]
            config = {self.settings(*company, f"--{option.name}={text}") for text in texts}
            self.assertEqual(len(config), len({option.type.parse(text) for text in texts}))

    def test_queue(self) -> None:
        """
        The URL of a queue comes from the option or from the file that it names.
        """
        path = Path(self.mktemp())
        path.write_text("rediss://:pw@h/3\n")
        queue = self.settings(f"--rpc-queue=@{path}").rpc.queue
        assert queue is not None
        self.assertEqual((queue.text, str(queue)), ("rediss://:pw@h/3", "rediss://***@h/3"))
        self.assertNotIn("pw", repr(self.settings(f"--rpc-queue=@{path}")))
        broker = self.settings("--rpc-queue=redis://h", "--rpc-broker=amqp://h").rpc.broker
        assert broker is not None
        self.assertEqual(broker.scheme, "amqp")
        self.assertEqual(
            self.refuse("--rpc-broker=amqp://u:pw@h"),
            "--rpc-broker amqp://***@h: needs --rpc-queue",
        )

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
        config = self.settings("--trust-forwarded=10.0.0.0/8")
        self.assertEqual(config.http.lab.trust_forwarded, (Network.parse("10.0.0.0/8"),))


class UDPTests(Commands):
    """
    The endpoint of the datagram echo.
    """

    def test_follows(self) -> None:
        """
        By default the echo has the number of --port and the host of --bind.
        """
        config = self.settings("--port=7000", "--bind=10.0.0.1")
        self.assertEqual(config.udp.listen, Endpoint("udp", "10.0.0.1", 7000))

    def test_off(self) -> None:
        """
        0 turns the echo off, from every source.
        """
        for config in (
            self.settings("--udp", "0"),
            self.settings(NETD_UDP="0"),
            self.settings("--config", self.file("udp = 0")),
            self.settings("--config", self.file('udp = "0"')),
            self.settings("--port=0", "--udp=0"),
        ):
            self.assertIsNone(config.udp.listen)

    def test_own(self) -> None:
        """
        `--udp` replaces the number of --port for datagrams only.
        """
        config = self.settings("--udp=7", "--bind=10.0.0.1")
        self.assertEqual(config.udp.listen, Endpoint("udp", "10.0.0.1", 7))
        self.assertEqual(config.http.listen[0].port, 8000)
        config = self.settings(r"--udp=udp6:0:interface=\:\:1")
        self.assertEqual(config.udp.listen, Endpoint("udp6", "::1", 0))


class ServiceTests(Commands):
    """
    The small services.
    """

    def test_several(self) -> None:
        """
        Services add up; an endpoint without a host gets that of --bind.
        """
        config = self.settings(
            *("--service=echo=tcp:7", "--service=echo=udp:7", "--bind=10.0.0.1"),
            r"--service=time=tcp6:37:interface=\:\:1:backlog=5",
        )
        self.assertEqual(
            [(each.name, each.listen) for each in config.services],
            [
                ("echo", Endpoint("tcp", "10.0.0.1", 7)),
                ("echo", Endpoint("udp", "10.0.0.1", 7)),
                ("time", Endpoint("tcp6", "::1", 37, 5)),
            ],
        )
        self.assertEqual(config.services[0].listen.option, "--service echo=tcp:7")

    def test_off(self) -> None:
        """
        By default there is no small service.
        """
        self.assertEqual(self.settings().services, ())

    def test_explained(self) -> None:
        """
        The message lists the services, or names what is missing or the wrong transport.
        """
        for text, message in (
            ("nothing=tcp:7", "not one of echo, discard, "),
            ("echo=7", "not echo=tcp:PORT or echo=udp:PORT"),
            ("chargen=udp:19", "not offered over udp; chargen is offered over tcp"),
            ("stamp=tcp:7", "not offered over tcp; stamp is offered over udp"),
        ):
            self.assertIn(f"--service {text}: {message}", self.refuse(f"--service={text}"))

    def test_everyService(self) -> None:
        """
        Every service can be set up over each of its transports.
        """
        for name, kinds in SERVICES.items():
            for kind in kinds:
                (config,) = self.settings(f"--service={name}={kind}:0").services
                self.assertEqual((config.name, config.listen.kind), (name, kind))


class NetworkTests(Commands):
    """
    Who may connect, from the command line or from a file.
    """

    def test_several(self) -> None:
        """
        Networks of the same option add up.
        """
        config = self.settings(
            *("--allow=10.0.0.0/8", "--allow=::1", "--deny=10.1.0.0/16"),
            *("--proxy-from=10.2.0.1", "--connect-rate=5"),
        ).access
        self.assertEqual(config.allow, (Network.parse("10.0.0.0/8"), Network.parse("::1")))
        self.assertEqual(config.deny, (Network.parse("10.1.0.0/16"),))
        self.assertEqual(config.proxy_from, (Network.parse("10.2.0.1"),))
        self.assertEqual(config.connect_rate, 5)

    def test_anybody(self) -> None:
        """
        By default every network may connect, without a rate and without PROXY headers.
        """
        config = self.settings().access
        self.assertEqual((config.allow, config.deny, config.proxy_from), ((), (), ()))
        self.assertEqual(config.connect_rate, 0)

    def test_file(self) -> None:
        """
        A file lists networks, one a line, and may have comments and empty lines.
        """
        path = self.file("# ours\n10.0.0.0/8\n\n  192.0.2.7  # one\r\n::/0")
        config = self.settings(f"--deny=@{path}", "--deny=::1").access
        self.assertEqual(
            [str(each) for each in config.deny],
            ["10.0.0.0/8", "192.0.2.7/32", "::/0", "::1/128"],
        )
        self.assertEqual(self.settings(f"--allow=@{self.file('# none')}").access.allow, ())

    def test_line(self) -> None:
        """
        An error in a file is named with its line.
        """
        path = self.file("10.0.0.0/8\n10.0.0.1/8\n")
        self.assertIn(
            f"--allow @{path}: line 2: 10.0.0.1/8: not an IP network, ",
            self.refuse(f"--allow=@{path}"),
        )

    def test_oddLine(self) -> None:
        """
        An unprintable line of a file is shown escaped.
        """
        path = self.file("10.0.0.0/8\n\x1b[2J\n")
        self.assertIn(r"line 2: '\x1b[2J': ", self.refuse(f"--allow=@{path}"))

    def test_unreadable(self) -> None:
        """
        A file that is missing, a directory, a FIFO, or not UTF-8 is refused with its name.
        """
        binary = Path(self.mktemp())
        binary.write_bytes(b"\xff")
        fifo = self.mktemp()
        os.mkfifo(fifo)
        for path in (self.mktemp(), ".", str(binary), fifo):
            message = self.refuse(f"--deny=@{path}")
            self.assertTrue(message.startswith(f"--deny @{path}: "), message)


class ImpairmentTests(Commands):
    """
    Impairments of UDP responses.
    """

    def test_none(self) -> None:
        """
        By default there is no impairment.
        """
        self.assertEqual(self.settings().udp.impairment, Impairment())
        self.assertFalse(self.settings().udp.any_source)

    def test_each(self) -> None:
        """
        Each kind of impairment has its option.
        """
        config = self.settings(
            *("--udp-delay=uniform:1s-2s", "--udp-loss=5%", "--udp-duplicate=0.1"),
            *("--udp-reorder=0.2", "--udp-corrupt=1", "--udp-seed=7", "--udp-any-source=yes"),
        ).udp
        self.assertEqual(
            config.impairment,
            Impairment(
                delay=values.delay("uniform:1s-2s"),
                loss=0.05,
                duplicate=0.1,
                reorder=0.2,
                corrupt=1.0,
                seed=7,
            ),
        )
        self.assertTrue(config.any_source)


class HTTPSTests(Commands):
    """
    HTTPS and the files that HTTPS needs.
    """

    def test_certificate(self) -> None:
        """
        HTTPS without a certificate is refused, from every source, and --certificate is named.
        """
        self.assertEqual(self.refuse("--https=443"), "--https 443: needs --certificate")
        self.assertIn("needs --certificate", self.refuse(NETD_HTTPS="443"))
        self.assertIn("needs --certificate", self.refuse("--https=443", "--private-key=/a.key"))

    def test_https(self) -> None:
        """
        A certificate or key without HTTPS is refused.
        """
        self.assertEqual(self.refuse("--certificate=/a"), "--certificate /a: needs --https")
        self.assertEqual(self.refuse("--private-key=/a"), "--private-key /a: needs --https")
        self.assertEqual(
            self.refuse(NETD_CERTIFICATE="/a"),
            "--certificate /a (NETD_CERTIFICATE): needs --https",
        )

    def test_both(self) -> None:
        """
        HTTPS with a certificate is accepted with and without a file for the key.
        """
        config = self.settings("--https=443", NETD_CERTIFICATE="/a")
        self.assertEqual(config.tls.listen, (Endpoint("tcp", "127.0.0.1", 443),))
        self.assertEqual((config.tls.certificate, config.tls.private_key), (Path("/a"), None))
        config = self.settings("--https=443", "--certificate=/a", "--private-key=b")
        self.assertEqual(config.tls.private_key, Path("b"))

    def test_directory(self) -> None:
        """
        A directory of certificates can replace the certificate; a key cannot.
        """
        config = self.settings("--https=443", "--certificate-dir=/d")
        self.assertEqual((config.tls.certificate, config.tls.directory), (None, Path("/d")))
        self.assertEqual(
            self.refuse("--https=443", "--certificate-dir=/d", "--private-key=/k"),
            "--private-key /k: needs --certificate",
        )
        self.assertEqual(
            self.refuse("--https=443", "--certificate=temporary", "--private-key=/k"),
            "--private-key /k: needs --certificate FILE, as a temporary one has its own",
        )
        self.assertEqual(
            self.refuse("--certificate-dir=/d"), "--certificate-dir /d: needs --https"
        )

    def test_clients(self) -> None:
        """
        `--client-ca` needs HTTPS, and `--client-ca-optional` needs `--client-ca`.
        """
        both = ("--https=443", "--certificate=/a")
        config = self.settings(*both, "--client-ca=/c")
        self.assertEqual(
            (config.tls.client_ca, config.tls.client_ca_optional), (Path("/c"), False)
        )
        config = self.settings(*both, "--client-ca=/c", "--client-ca-optional=yes")
        self.assertTrue(config.tls.client_ca_optional)
        self.assertEqual(self.refuse("--client-ca=/c"), "--client-ca /c: needs --https")
        self.assertEqual(
            self.refuse(*both, "--client-ca-optional=yes"),
            "--client-ca-optional yes: needs --client-ca",
        )


class WatchTests(Commands):
    """
    Settings of probes and log.
    """

    def test_watch(self) -> None:
        """
        By default the probes are on the web site and the form of the log is automatic.
        """
        config = self.settings().monitoring
        self.assertEqual((config.listen, config.log), ((), "auto"))
        config = self.settings(
            "--metrics-http=9100", "--bind=10.0.0.1", "--log=json"
        ).monitoring
        self.assertEqual(
            (config.listen, config.log), ((Endpoint("tcp", "10.0.0.1", 9100),), "json")
        )
        self.assertEqual(config.listen[0].option, "--metrics-http 9100")
