"""The standard library's SimpleXMLRPCServer with the seed's three methods, on HTTP/1.1.

Rules: nothing of netd.
"""

import operator
import sys
from typing import Any
from xmlrpc.server import SimpleXMLRPCRequestHandler, SimpleXMLRPCServer


class Persistent(SimpleXMLRPCRequestHandler):
    """Keeps a connection, one at a time, without waiting for the delayed ACK."""

    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    wbufsize = -1


def main(port: int) -> None:
    """Serve on 127.0.0.1 until a signal ends it."""
    made = SimpleXMLRPCServer(("127.0.0.1", port), requestHandler=Persistent, logRequests=False)
    functions: dict[str, Any] = {"add": operator.add, "mul": operator.mul, "pow": pow}
    for name, function in functions.items():
        made.register_function(function, name)
    made.serve_forever()


if __name__ == "__main__":
    main(int(sys.argv[1]))
