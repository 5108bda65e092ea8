"""As much of Galaxy as an installation asks: which versions of a collection there are, and the file of one."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

NAMESPACE, NAME = "percona", "pmm_ai_chat"
_COLLECTION = f"/api/v3/collections/{NAMESPACE}/{NAME}"


class GalaxyServer:
    """Offers the versions that were published on it."""

    def __init__(self, url: str) -> None:
        self.url = url
        self._published: dict[str, Path] = {}

    def publish(self, version: str, tarball: Path) -> None:
        """Offer one more version."""
        self._published[version] = tarball

    def answer(self, path: str) -> bytes | None:
        """What is to be had there; None for nothing."""
        versions = [{"version": version} for version in self._published]
        answers: dict[str, Mapping[str, object]] = {
            "/api/": {"available_versions": {"v3": "v3/"}},
            # Whoever has asked before asks again when that is another one.
            f"{_COLLECTION}/": {"updated_at": f"2026-01-01T00:00:{len(versions):02}Z"},
            f"{_COLLECTION}/versions/": {"data": versions, "links": {"next": None}},
        }
        for version, tarball in self._published.items():
            answers[f"{_COLLECTION}/versions/{version}/"] = self._details(version, tarball)
            if path == f"/{version}.tar.gz":
                return tarball.read_bytes()
        return json.dumps(answers[path]).encode() if path in answers else None

    def _details(self, version: str, tarball: Path) -> Mapping[str, object]:
        return {
            "namespace": {"name": NAMESPACE},
            "collection": {"name": NAME},
            "version": version,
            "href": f"{_COLLECTION}/versions/{version}/",
            "download_url": f"{self.url}/{version}.tar.gz",
            "artifact": {"sha256": hashlib.sha256(tarball.read_bytes()).hexdigest()},
            "metadata": {"dependencies": {}},
        }


@contextmanager
def galaxy_server() -> Iterator[GalaxyServer]:
    """A server on this machine that offers nothing yet."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            content = galaxy.answer(self.path.partition("?")[0])
            self.send_response(404 if content is None else 200)
            self.send_header("Content-Length", str(len(content or b"")))
            self.end_headers()
            self.wfile.write(content or b"")

        def log_message(self, *_arguments: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        galaxy = GalaxyServer(f"http://127.0.0.1:{server.server_port}")
        serving = Thread(target=server.serve_forever)
        serving.start()
        try:
            yield galaxy
        finally:
            server.shutdown()
            serving.join()
