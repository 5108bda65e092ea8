"""Whom connections to providers trust."""

from __future__ import annotations

import ssl
from functools import cache


@cache
def tls() -> ssl.SSLContext:
    """Trusts whom this machine trusts. The first call reads the certificates of them all, so it belongs on a thread."""
    context = ssl.create_default_context()
    context.set_alpn_protocols(("http/1.1",))
    return context
