"""`python -m aichat_backend`."""

from __future__ import annotations

import sys

from aichat_backend.cli import main

sys.exit(main())
