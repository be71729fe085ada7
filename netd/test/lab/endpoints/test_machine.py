"""
What netd reveals of its machine.
"""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from netd.lab.call import BadCall
from netd.test.lab.calls import json_of, lab_state, reply_to


class MachineTests(SynchronousTestCase):
    """
    Facts about the machine.
    """

    def test_hidden(self) -> None:
        """Without --reveal hostname and version are a 403."""
        for name in ("hostname", "version"):
            self.assertEqual(self.assertRaises(BadCall, reply_to, f"GET /{name}").status, 403)

    def test_revealed(self) -> None:
        """With --reveal they are returned."""
        state = lab_state(hostname="box", version="1.2")
        self.assertEqual(json_of(reply_to("GET /hostname", state=state)), {"hostname": "box"})
        self.assertEqual(json_of(reply_to("GET /version", state=state)), {"version": "1.2"})

    def test_environment(self) -> None:
        """Only variables NETD_ENV_* are returned."""
        state = lab_state(
            environ={"NETD_ENV_A": "1", "NETD_PORT": "2", "PATH": "x", "XNETD_ENV_": "3"}
        )
        self.assertEqual(
            json_of(reply_to("GET /env", state=state)), {"env": {"NETD_ENV_A": "1"}}
        )
