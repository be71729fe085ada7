"""nginx in front of threads.py: nginx waits for clients, the threads behind it for the delay.

python examples/models/nginx.py 8001 3
"""

import os
import resource
import signal
import socket
import subprocess
import sys
import tempfile
import threading
from pathlib import Path

import threads

CONFIGURATION = """\
daemon off;
pid {folder}/nginx.pid;
{user}
events {{ worker_connections {files}; }}
http {{
    access_log off;
    client_body_temp_path {folder};
    proxy_temp_path {folder};
    fastcgi_temp_path {folder};
    uwsgi_temp_path {folder};
    scgi_temp_path {folder};
    server {{
        listen 127.0.0.1:{port} backlog=4096;
        location / {{ proxy_pass http://127.0.0.1:{behind}; proxy_buffering off; }}
    }}
}}
"""


def main(port: int, delay: float) -> None:
    """Run both until SIGTERM, with a configuration that is gone afterwards."""
    os.environ["PATH"] += ":/usr/sbin"
    with socket.create_server(("127.0.0.1", 0)) as free:
        behind = free.getsockname()[1]
    threading.Thread(target=threads.main, args=(behind, delay), daemon=True).start()
    with tempfile.TemporaryDirectory() as folder:
        # nginx needs a user when root starts it.
        user = "" if os.geteuid() else "user root;"
        files, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
        words = {"folder": folder, "user": user, "files": files, "port": port, "behind": behind}
        configuration = Path(folder) / "nginx.conf"
        configuration.write_text(CONFIGURATION.format(**words))
        with subprocess.Popen(["nginx", "-e", "stderr", "-c", configuration]) as nginx:
            for number in (signal.SIGINT, signal.SIGTERM):
                signal.signal(number, lambda *_: nginx.terminate())


if __name__ == "__main__":
    main(int(sys.argv[1]), float(sys.argv[2]))
