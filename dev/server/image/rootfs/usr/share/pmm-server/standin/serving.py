"""How a stand-in runs: on the port of the real one, until supervisord says stop."""

import signal
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


def serve(port: int, handler: type[BaseHTTPRequestHandler]) -> None:
    """Serve; a TERM ends the process at once."""
    stop = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: stop.set())
    server = ThreadingHTTPServer(("127.0.0.1", port), handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    stop.wait()
