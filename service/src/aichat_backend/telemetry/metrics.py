"""What Prometheus scrapes."""

from __future__ import annotations

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest
from prometheus_client.exposition import CONTENT_TYPE_LATEST

from aichat_backend import __version__

_LATENCY_BUCKETS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60)


class Metrics:
    """The measurements of one running service."""

    content_type = CONTENT_TYPE_LATEST

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self.requests = Counter(
            "aichat_http_requests", "Requests answered.", ["method", "route", "status"], registry=self.registry
        )
        self.latency = Histogram(
            "aichat_http_request_duration_seconds",
            "Time to the end of the answer, event streams left out.",
            ["route"],
            buckets=_LATENCY_BUCKETS,
            registry=self.registry,
        )
        self.runs_active = Gauge("aichat_runs_active", "Answers being generated.", registry=self.registry)
        self.runs = Counter("aichat_runs", "Answers that ended, by how.", ["outcome"], registry=self.registry)
        self.first_text = Histogram(
            "aichat_first_text_seconds",
            "Time from the question to the first text of the answer.",
            buckets=_LATENCY_BUCKETS,
            registry=self.registry,
        )
        self.provider_failures = Counter(
            "aichat_provider_failures", "Model calls that failed, by class.", ["failure"], registry=self.registry
        )
        self.tokens = Counter(
            "aichat_tokens",
            "Tokens of model calls; estimated where the provider did not count.",
            ["direction"],
            registry=self.registry,
        )
        self.tool_servers = Gauge("aichat_tool_servers", "Tool servers, by state.", ["state"], registry=self.registry)
        self.tool_calls = Counter(
            "aichat_tool_calls", "Calls of tools, by server and outcome.", ["server", "outcome"], registry=self.registry
        )
        self.tool_seconds = Histogram(
            "aichat_tool_call_duration_seconds",
            "Time that calls of tools took.",
            ["server"],
            buckets=_LATENCY_BUCKETS,
            registry=self.registry,
        )
        self.readers = Gauge("aichat_stream_readers", "Open event streams.", registry=self.registry)
        Gauge("aichat_build_info", "Which version runs.", ["version"], registry=self.registry).labels(__version__).set(
            1
        )

    def exposition(self) -> bytes:
        """All measurements in Prometheus' text format."""
        return generate_latest(self.registry)
