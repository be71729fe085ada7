"""
The plugin for twistd, and netd.tac.
"""

from __future__ import annotations

import ast
import os
import sys
from pathlib import Path
from typing import Any, cast

from twisted.application import service
from twisted.application.service import IServiceMaker
from twisted.internet import reactor
from twisted.plugin import IPlugin, getPlugins
from twisted.trial.unittest import SynchronousTestCase
from zope.interface.verify import verifyObject

from netd import tap
from netd.daemon import Daemon
from netd.options import cli
from netd.test.test_layers import PACKAGE, imports, read
from netd.transport.listener import Listener
from tests.running import ROOT


class PluginTests(SynchronousTestCase):
    """
    The plugin that `twistd netd` uses.
    """

    def maker(self) -> Any:
        """The plugin called netd."""
        (maker,) = [each for each in getPlugins(IServiceMaker) if each.tapname == "netd"]
        return maker

    def test_found(self) -> None:
        """
        twisted.plugin finds the plugin once, with the interfaces that twistd needs.
        """
        maker = self.maker()
        self.assertTrue(verifyObject(IServiceMaker, maker))
        self.assertTrue(verifyObject(IPlugin, maker))

    def test_described(self) -> None:
        """
        `twistd --help` describes netd in one line.
        """
        self.assertEqual(self.maker().description, "A network workbench daemon.")

    def test_leadsToTap(self) -> None:
        """
        Options and service of the plugin are those of netd.tap.
        """
        maker = self.maker()
        self.assertEqual(maker.module, "netd.tap")
        self.assertIs(maker.options, tap.Options)
        self.assertIs(maker.makeService, tap.makeService)

    def test_light(self) -> None:
        """
        The plugin file imports nothing of netd, because every twistd command reads it.
        """
        text = (ROOT / "twisted/plugins/netd_plugin.py").read_text()
        imports = [line for line in text.splitlines() if "import" in line]
        self.assertEqual(imports, ["from twisted.application.service import ServiceMaker"])

    def test_noPackage(self) -> None:
        """
        No `__init__.py` claims the twisted namespace for netd.
        """
        self.assertFalse((ROOT / "twisted/__init__.py").exists())
        self.assertFalse((ROOT / "twisted/plugins/__init__.py").exists())


class ImportTests(SynchronousTestCase):
    """
    The imports of the plugin and of netd.tac.
    """

    def test_doors(self) -> None:
        """
        The plugin imports nothing of netd; netd.tac imports tap and no reactor.
        """
        doors = {
            "plugin": ast.parse((ROOT / "twisted/plugins/netd_plugin.py").read_text()),
            "tac": ast.parse((ROOT / "netd.tac").read_text()),
        }
        ours = {
            (each.importer, each.target)
            for each in imports({**read(PACKAGE), **doors})
            if each.importer in doors and (each.module is not None or "reactor" in each.target)
        }
        self.assertEqual(ours, {("tac", "netd.tap")})


class TacTests(SynchronousTestCase):
    """
    `twistd -ny netd.tac`.
    """

    def setUp(self) -> None:
        self.patch(reactor, "seconds", reactor.seconds)
        # "", the current directory, which netd.xmlrpc.loading would add in front otherwise.
        self.patch(sys, "path", ["", *(entry for entry in sys.path if entry != str(ROOT))])

    def load(self, **environ: str) -> Daemon:
        """The daemon in the application of netd.tac."""
        self.addCleanup(os.umask, os.umask(0o022))
        self.patch(cli.Options, "environ", environ)
        application = service.loadApplication(str(ROOT / "netd.tac"), "python")
        self.assertEqual(service.IService(application).name, "netd")
        (daemon,) = cast(Any, service.IServiceCollection(application))
        for child in daemon:
            if isinstance(child, Listener):
                self.addCleanup(child.stopService)
        return cast(Daemon, daemon)

    def test_environment(self) -> None:
        """
        netd.tac makes the daemon that the environment asks for, bound to its addresses.
        """
        listening = self.load(NETD_PORT="0", NETD_UDP="0").listening()
        self.assertEqual(list(listening), ["http"])
        self.assertNotIn(":8000:", listening["http"])

    def test_config(self) -> None:
        """
        NETD_CONFIG names the file that configures it.
        """
        path = Path(self.mktemp())
        path.write_text('port = 0\nhttp = ["0"]\n')
        self.assertEqual(
            list(self.load(NETD_CONFIG=str(path)).listening()), ["http", "http-2", "udp"]
        )

    def test_arguments(self) -> None:
        """
        netd.tac ignores the arguments of twistd.
        """
        self.patch(sys, "argv", ["twistd", "-ny", "netd.tac", "--port=x"])
        self.assertEqual(list(self.load(NETD_PORT="0", NETD_UDP="0").listening()), ["http"])

    def test_wrong(self) -> None:
        """
        A wrong setting stops twistd with one line.
        """
        with self.assertRaises(SystemExit) as caught:
            self.load(NETD_PORT="x")
        self.assertEqual(
            caught.exception.code,
            "netd: --port x (NETD_PORT): not a port number from 0 to 65535",
        )

    def test_besideIt(self) -> None:
        """
        netd.tac finds the netd beside it, from any directory.
        """
        self.load(NETD_PORT="0", NETD_UDP="0")
        self.assertEqual(os.path.realpath(sys.path[0]), os.path.realpath(ROOT))
