"""Serve both stand-ins on the ports of the real ones until supervisord says stop."""

import signal
import threading
from http.server import ThreadingHTTPServer

from .grafana import Grafana
from .managed import PMMManaged

SERVERS = (
    ThreadingHTTPServer(("127.0.0.1", 3000), Grafana),
    ThreadingHTTPServer(("127.0.0.1", 7772), PMMManaged),
)


def main() -> None:
    """Serve; a TERM ends the process at once."""
    stop = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: stop.set())
    for server in SERVERS:
        threading.Thread(target=server.serve_forever, name=str(server.server_address), daemon=True).start()
    stop.wait()


main()
