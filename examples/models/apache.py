"""Apache and a CGI script that sleeps; a process (prefork) or a thread (event) for each client.

python examples/models/apache.py 8001 3 prefork
"""

import os
import signal
import subprocess
import sys
import tempfile
from pathlib import Path

MODULES = "/usr/lib/apache2/modules"  # of Debian
CONFIGURATION = """\
ServerRoot {folder}
DefaultRuntimeDir {folder}
PidFile httpd.pid
ErrorLog error.log
ServerName localhost
User nobody
Group nogroup
Listen 127.0.0.1:{port}
ListenBacklog 4096
LoadModule mpm_{kind}_module {modules}/mod_mpm_{kind}.so
LoadModule authz_core_module {modules}/mod_authz_core.so
LoadModule alias_module {modules}/mod_alias.so
LoadModule {cgi}_module {modules}/mod_{cgi}.so
ScriptAliasMatch .* {folder}/respond
"""
SCRIPT = """\
#!/bin/sh
printf 'Content-Type: text/plain\\n\\n'
sleep {delay}
echo 'Five clients at once: they wait in turn, or all together.'
"""


def main(port: int, delay: float, kind: str) -> None:
    """Run Apache until SIGTERM, with files that are gone afterwards."""
    os.environ["PATH"] += ":/usr/sbin"
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        folder.chmod(0o755)  # Apache serves as the user nobody.
        configuration, script = folder / "httpd.conf", folder / "respond"
        cgi = "cgi" if kind == "prefork" else "cgid"
        words = {"folder": folder, "port": port, "kind": kind, "cgi": cgi, "modules": MODULES}
        configuration.write_text(CONFIGURATION.format(**words))
        script.write_text(SCRIPT.format(delay=delay))
        script.chmod(0o755)
        command = ["apache2", "-DFOREGROUND", "-f", configuration]
        # Apache ends its whole process group.
        with subprocess.Popen(command, process_group=0) as apache:
            for number in (signal.SIGINT, signal.SIGTERM):
                signal.signal(number, lambda *_: apache.terminate())


if __name__ == "__main__":
    main(int(sys.argv[1]), float(sys.argv[2]), sys.argv[3])
