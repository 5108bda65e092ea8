"""Every setting of the service, its type, limits and default.

A setting `llm_model` is the variable `AICHAT_LLM_MODEL` and the key `llm_model` of a configuration file.
"""

# No `from __future__ import annotations`: msgspec would evaluate the texts at every start, in twice the time.

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Annotated, Literal
from urllib.parse import quote, urlencode

from msgspec import Meta, Struct, field, structs

from aichat_backend.config.providers import (
    CONTEXT_TOKENS,
    DEFAULT_MODELS,
    ChosenProvider,
    Fallback,
    FallbackChain,
    ProviderName,
    parse_fallback,
)
from aichat_backend.config.secrets import Secret
from aichat_backend.config.urls import secrets_in
from aichat_backend.config.values import AnyText, BareUrl, DatabaseUrl, HttpUrl, OneWord

PREFIX = "AICHAT_"

_LONGEST_SECONDS = 86_400
_CONTEXT_TOKENS = 100_000


def is_url(setting: str) -> bool:
    """Whether the setting is a URL, which may carry a password."""
    return setting.endswith("_url")


class Options(Struct, frozen=True, kw_only=True):
    """What can be set: each option, what it takes, its default, and what it means."""

    proxy_secret: OneWord | None = None
    """What the proxy must send as X-AIChat-Proxy-Secret; needed when `host` is not loopback."""

    host: str = "127.0.0.1"
    """Address to listen on. Any but a loopback one needs a proxy secret."""

    port: Annotated[int, Meta(ge=1, le=65_535)] = 3001
    """Port to listen on."""

    identity: Literal["pmm", "grafana"] = "pmm"
    """Who tells nginx the id of a caller: PMM, or this service, which asks PMM's Grafana."""

    grafana_url: BareUrl = "http://127.0.0.1:3000/graph"
    """Where that Grafana is."""

    grafana_timeout: Annotated[float, Meta(gt=0, le=60)] = 3
    """Seconds that Grafana may take to say who a caller is."""

    grafana_cache_seconds: Annotated[float, Meta(ge=0, le=60)] = 3
    """Seconds for which its word counts: as long, somebody who logged out is still known."""

    llm_provider: ChosenProvider = ProviderName.OPENAI
    """Who answers."""

    llm_model: Annotated[str, Meta(min_length=1, max_length=200)] | None = None
    """The provider's name of the model; unset: see below."""

    llm_fallback: FallbackChain | None = None
    """Whom to ask, in this order, when the provider fails before its answer begins."""

    llm_base_url: HttpUrl | None = None
    """Where the provider's API is, if not at the provider's own address."""

    llm_temperature: Annotated[float, Meta(ge=0, le=2)] | None = None
    """Sampling temperature; unset: the model's own."""

    llm_top_p: Annotated[float, Meta(gt=0, le=1)] | None = None
    """Nucleus sampling; unset: the model's own."""

    llm_reasoning: Literal["off", "low", "medium", "high"] | None = None
    """How much the model thinks before it answers; unset: the model's own."""

    llm_context_tokens: Annotated[int, Meta(ge=1_000, le=10_000_000)] | None = None
    """How much a question to the model may have, in tokens: instructions, tools, the conversation, and up to a quarter
    for the answer. The oldest of the conversation is left out. Unset: 8192 for ollama, 100000 for others.
    """

    llm_max_tokens: Annotated[int, Meta(ge=1, le=10_000_000)] | None = None
    """Longest answer in tokens; unset: the model's own limit."""

    llm_system_prompt: str | None = None
    """Instructions put before every conversation."""

    llm_first_byte_timeout: Annotated[float, Meta(gt=0, le=_LONGEST_SECONDS)] = 60
    """Seconds to wait for an answer to begin."""

    llm_idle_timeout: Annotated[float, Meta(gt=0, le=_LONGEST_SECONDS)] = 60
    """Seconds an answer may pause."""

    llm_total_timeout: Annotated[float, Meta(gt=0, le=_LONGEST_SECONDS)] = 600
    """Seconds an answer may take altogether."""

    api_key: OneWord | None = None
    """The provider's API key."""

    api_key_file: Path | None = None
    """A file that holds the API key; `api_key` wins."""

    mock_delay_ms: Annotated[int, Meta(ge=0, le=10_000)] = 40
    """Pause of the mock provider between words."""

    data_dir: Path = Path("/srv/aichat-backend")
    """Where the service keeps its data."""

    database_url: DatabaseUrl | None = None
    """The database; unset: the one that `db_host` names, or else the SQLite file chat.db in `data_dir`."""

    db_host: str | None = None
    """The PostgreSQL server, or the folder of its socket, for whoever has no `database_url`."""

    db_port: Annotated[int, Meta(ge=1, le=65_535)] = 5432
    """Port of the PostgreSQL server."""

    db_name: str = "aichat"
    """The database on that server."""

    db_user: str = "aichat"
    """The user there."""

    db_password: AnyText | None = None
    """The user's password."""

    db_password_file: Path | None = None
    """A file that holds the password; `db_password` wins."""

    db_sslmode: Literal["disable", "allow", "prefer", "require", "verify-ca", "verify-full"] | None = None
    """How the connection to that server is encrypted and who it must be; unset: encrypted if the server can."""

    db_sslrootcert: Path | None = None
    """The certificates that the server's is checked against."""

    retention_days: Annotated[int, Meta(ge=1, le=36_500)] | None = None
    """Days without activity after which a session is deleted; unset: never."""

    audit_retention_days: Annotated[int, Meta(ge=1, le=36_500)] | None = None
    """Days after which an entry of the audit trail is deleted; unset: never."""

    mcp_servers_file: Path = Path("/srv/aichat-backend/mcp-servers.json")
    """The tool servers of the assistant."""

    tool_timeout: Annotated[float, Meta(gt=0, le=3600)] = 60
    """Seconds a tool may take, where its server's entry does not say."""

    tool_output_bytes: Annotated[int, Meta(ge=1_024, le=4_194_304)] = 32_768
    """Most of a tool's output that a model gets, in bytes; never more than a quarter of the context."""

    approval_seconds: Annotated[int, Meta(ge=60, le=2_592_000)] = 86_400
    """How long a tool call that waits for approval can be approved."""

    max_tool_rounds: Annotated[int, Meta(ge=1, le=100)] = 10
    """How many times in a row one answer may turn to tools."""

    max_tool_calls: Annotated[int, Meta(ge=1, le=1000)] = 50
    """Tools that one answer may call altogether."""

    max_waiting_calls: Annotated[int, Meta(ge=1, le=1000)] = 20
    """Tool calls that one question for the user's approval may be about."""

    max_turn_seconds: Annotated[int, Meta(ge=1, le=86_400)] = 900
    """Seconds one answer may take, tools included."""

    max_turn_tokens: Annotated[int, Meta(ge=1_000, le=1_000_000_000)] = 1_000_000
    """Tokens one answer may cost before it turns to tools again."""

    auto_titles: bool = True
    """Let the model name a new session after its first answer."""

    max_message_bytes: Annotated[int, Meta(ge=1, le=16_777_216)] = 262_144
    """Longest message of a user, in bytes of UTF-8."""

    max_runs_per_user: Annotated[int, Meta(ge=1, le=1000)] = 8
    """Answers that one user may have under way at once."""

    max_messages_per_minute: Annotated[int, Meta(ge=1, le=100_000)] = 30
    """Messages one user may send in a minute."""

    max_tokens_per_day: Annotated[int, Meta(ge=1_000)] | None = None
    """Tokens one user may spend in a day (UTC), estimated where the provider does not count them, as for answers
    that were stopped; looked at before an answer and before it turns to tools again; unset: without limit.
    """

    max_files: Annotated[int, Meta(ge=0, le=100)] = 5
    """Files that go with one message."""

    max_file_bytes: Annotated[int, Meta(ge=1, le=104_857_600)] = 10_485_760
    """Largest file, in bytes."""

    max_files_per_hour: Annotated[int, Meta(ge=1, le=100_000)] = 200
    """Files one user may upload in an hour."""

    max_upload_bytes_per_hour: Annotated[int, Meta(ge=1, le=107_374_182_400)] = 1_073_741_824
    """Bytes of files one user may upload in an hour."""

    max_uploads_at_once: Annotated[int, Meta(ge=1, le=100)] = 3
    """Messages with files that may arrive from one user at once; each is held in memory."""

    shutdown_grace: Annotated[float, Meta(ge=0, le=3600)] = 10
    """Seconds that answers under way get to finish when the service stops."""

    log_level: Literal["debug", "info", "warning", "error"] = "info"
    """The least to log."""


class Settings(Options, frozen=True, kw_only=True):
    """The effective settings of one process: what is set, the keys that were found, and what follows from both."""

    fallback_keys: Mapping[ProviderName, Secret] = field(default_factory=dict)
    """The keys of providers in the chain that are not the configured one."""

    @property
    def effective_model(self) -> str:
        """The model, with the provider's default filled in."""
        return self.llm_model or DEFAULT_MODELS[self.llm_provider]

    @property
    def effective_context_tokens(self) -> int:
        """The budget of a question to the configured provider, with its default filled in."""
        return self.context_tokens_of(self.llm_provider)

    def context_tokens_of(self, provider: ProviderName) -> int:
        """The budget of a question to a provider, which may be one that stands in for the configured one."""
        return self.llm_context_tokens or CONTEXT_TOKENS.get(provider, _CONTEXT_TOKENS)

    @property
    def fallbacks(self) -> tuple[Fallback, ...]:
        """Whom to ask when the provider fails, in this order."""
        return parse_fallback(self.llm_fallback) if self.llm_fallback else ()

    @property
    def effective_database_url(self) -> str:
        """The database's URL, with the default filled in."""
        if self.database_url:
            return self.database_url
        return postgres_url(self) if self.db_host else f"sqlite:///{self.data_dir / 'chat.db'}"

    @property
    def database_setting(self) -> str:
        """The name of the setting that decides where the database is."""
        if self.database_url:
            return "database_url"
        return "db_host" if self.db_host else "data_dir"

    @property
    def secrets(self) -> tuple[str, ...]:
        """The texts that must never be shown."""
        return tuple(self._secrets())

    def _secrets(self) -> Iterator[str]:
        for setting, value in structs.asdict(self).items():
            match value:
                case Secret():
                    yield value.reveal()
                case str() if is_url(setting):
                    yield from secrets_in(value)
        for key in self.fallback_keys.values():
            yield key.reveal()
        yield from secrets_in(self.effective_database_url)


def postgres_url(options: Options) -> str:
    """The URL of the database that the parts name."""
    password = f":{quote(options.db_password.reveal(), safe='')}" if options.db_password else ""
    host = options.db_host or ""
    parameters: dict[str, object] = {"sslmode": options.db_sslmode, "sslrootcert": options.db_sslrootcert}
    if host.startswith("/"):
        parameters["host"] = host
        host = ""
    elif ":" in host:
        host = f"[{host}]"
    given = urlencode({name: str(value) for name, value in parameters.items() if value is not None})
    address = f"{quote(options.db_user, safe='')}{password}@{host}:{options.db_port}/{quote(options.db_name, safe='')}"
    return f"postgresql://{address}?{given}".rstrip("?")
