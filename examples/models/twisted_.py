"""One thread; Twisted's reactor calls a protocol for each line, and a timer when it is due.

python examples/models/twisted_.py 8001 3
"""

import sys

from twisted.internet import reactor
from twisted.internet.protocol import ServerFactory
from twisted.protocols.basic import LineOnlyReceiver

HEAD = b"HTTP/1.0 200 OK\r\nContent-Length: 58\r\n\r\n"
BODY = b"Five clients at once: they wait in turn, or all together.\n"


class Respond(LineOnlyReceiver):
    """A client's connection."""

    delay: float

    def lineReceived(self, line: bytes) -> None:
        """After the blank line send the head of the response, and after the delay its body."""
        if not line:
            self.transport.write(HEAD)
            reactor.callLater(self.delay, self.finish)

    def finish(self) -> None:
        """Send the body; the transport of a client that has left ignores both calls."""
        self.transport.write(BODY)
        self.transport.loseConnection()


def main(port: int, delay: float) -> None:
    """A protocol and a timer for each client."""
    Respond.delay = delay
    factory = ServerFactory.forProtocol(Respond)
    reactor.listenTCP(port, factory, backlog=4096, interface="127.0.0.1")
    reactor.run()


if __name__ == "__main__":
    main(int(sys.argv[1]), float(sys.argv[2]))
