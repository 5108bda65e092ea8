"""Why a call has no result, by what it means for who wants to call again."""

from __future__ import annotations


class CallFailed(Exception):
    """A call came to nothing. The message is for the model."""

    outcome = "failed"
    """For the metrics."""


class NotRun(CallFailed):
    """The tool did not run; calling again is safe."""

    outcome = "not_run"


class Unknown(CallFailed):
    """The tool may have run, wholly or in part. Nobody here calls it again."""

    outcome = "unknown"


class Refused(CallFailed):
    """The server answered with an error of the protocol."""

    outcome = "refused"


class ServerFailed(Exception):
    """A server cannot be used at the moment. Every user may read the message: it is in our words, without a path."""

    def __init__(self, message: str, *, said: str = "") -> None:
        """`said` are the server's own words, for the log alone: nobody knows what is in them."""
        super().__init__(f"{message}; the service's log has what it said" if said else message)
        self.said = said
