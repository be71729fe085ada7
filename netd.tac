"""
`twistd -ny netd.tac`, configured by NETD_* and the TOML file that NETD_CONFIG names.
"""

import sys
from os.path import abspath, dirname

sys.path.insert(0, dirname(abspath(__file__)))

from twisted.application.service import Application

from netd import tap

_options = tap.Options()
_options.parseOptions([])
application = Application("netd")
tap.makeService(_options).setServiceParent(application)
