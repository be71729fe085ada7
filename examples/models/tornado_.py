"""One thread; Tornado's web server on the event loop of asyncio.

python examples/models/tornado_.py 8001 3
"""

import asyncio
import sys
from contextlib import suppress

from tornado.iostream import StreamClosedError
from tornado.web import Application, RequestHandler

BODY = b"Five clients at once: they wait in turn, or all together.\n"


class Respond(RequestHandler):
    """The response to every request."""

    async def get(self) -> None:
        """Send the head, and after the delay the body."""
        self.set_header("Content-Length", len(BODY))
        # The error means that the client has left.
        with suppress(StreamClosedError):
            await self.flush()
            await asyncio.sleep(self.settings["delay"])
            await self.finish(BODY)


async def main(port: int, delay: float) -> None:
    """A coroutine for each request."""
    Application([("/", Respond)], delay=delay).listen(port, "127.0.0.1", backlog=4096)
    await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(main(int(sys.argv[1]), float(sys.argv[2])))
