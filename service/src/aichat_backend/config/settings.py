"""Every setting of the service, its type, limits and default.

A setting `llm_model` is the variable `AICHAT_LLM_MODEL` and the key `llm_model` of a configuration file.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    PrivateAttr,
    SecretStr,
    ValidationInfo,
    field_validator,
)

from aichat_backend.config.providers import (
    CONTEXT_TOKENS,
    DEFAULT_MODELS,
    ChosenProvider,
    Fallback,
    FallbackChain,
    ProviderName,
    parse_fallback,
)
from aichat_backend.config.urls import secrets_in
from aichat_backend.config.values import DatabaseUrl, HttpUrl, Secret, is_loopback

PREFIX = "AICHAT_"

_LONGEST_SECONDS = 86_400
_CONTEXT_TOKENS = 100_000


def _off_in_yaml(value: Any) -> Any:
    return "off" if value is False else value


def is_url(setting: str) -> bool:
    """Whether the setting is a URL, which may carry a password."""
    return setting.endswith("_url")


class Settings(BaseModel):
    """The effective settings of one process."""

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)

    proxy_secret: Secret | None = Field(
        None, description="What the proxy must send as X-AIChat-Proxy-Secret; needed when `host` is not loopback."
    )
    host: str = Field("127.0.0.1", description="Address to listen on. Any but a loopback one needs a proxy secret.")
    port: int = Field(3001, ge=1, le=65_535, description="Port to listen on.")

    llm_provider: ChosenProvider = Field(ProviderName.OPENAI, description="Who answers.")
    llm_model: str | None = Field(
        None, min_length=1, max_length=200, description="The provider's name of the model; unset: see below."
    )
    llm_fallback: FallbackChain | None = Field(
        None, description="Whom to ask, in this order, when the provider fails before its answer begins."
    )
    llm_base_url: HttpUrl | None = Field(
        None, description="Where the provider's API is, if not at the provider's own address."
    )
    llm_temperature: float | None = Field(None, ge=0, le=2, description="Sampling temperature; unset: the model's own.")
    llm_top_p: float | None = Field(None, gt=0, le=1, description="Nucleus sampling; unset: the model's own.")
    llm_reasoning: Annotated[
        Literal["off", "low", "medium", "high"] | None,
        BeforeValidator(_off_in_yaml),
        Field(description="How much the model thinks before it answers; unset: the model's own."),
    ] = None
    llm_context_tokens: int | None = Field(
        None,
        ge=1_000,
        le=10_000_000,
        description="How much of a conversation is sent, in tokens; the oldest is left out. Unset: 8192 for ollama, "
        "100000 for others.",
    )
    llm_max_tokens: int | None = Field(
        None, ge=1, le=10_000_000, description="Longest answer in tokens; unset: the model's own limit."
    )
    llm_system_prompt: str | None = Field(None, description="Instructions put before every conversation.")
    llm_first_byte_timeout: float = Field(
        60, gt=0, le=_LONGEST_SECONDS, description="Seconds to wait for an answer to begin."
    )
    llm_idle_timeout: float = Field(60, gt=0, le=_LONGEST_SECONDS, description="Seconds an answer may pause.")
    llm_total_timeout: float = Field(
        600, gt=0, le=_LONGEST_SECONDS, description="Seconds an answer may take altogether."
    )
    api_key: Secret | None = Field(None, description="The provider's API key.")
    api_key_file: Path | None = Field(None, description="A file that holds the API key; `api_key` wins.")
    mock_delay_ms: int = Field(40, ge=0, le=10_000, description="Pause of the mock provider between words.")

    data_dir: Path = Field(Path("/srv/aichat-backend"), description="Where the service keeps its data.")
    database_url: DatabaseUrl | None = Field(
        None, description="The database; unset: the SQLite file chat.db in `data_dir`."
    )
    mcp_servers_file: Path = Field(
        Path("/srv/aichat-backend/mcp-servers.json"),
        description="The tool servers of the assistant.",
    )
    tool_timeout: float = Field(
        60, gt=0, le=3600, description="Seconds a tool may take, where its server's entry does not say."
    )
    tool_output_bytes: int = Field(
        32_768, ge=1_024, le=4_194_304, description="Most of a tool's output that a model gets, in bytes."
    )
    approval_seconds: int = Field(
        86_400, ge=60, le=2_592_000, description="How long a tool call that waits for approval can be approved."
    )
    max_tool_rounds: int = Field(10, ge=1, le=100, description="How many times in a row one answer may turn to tools.")
    max_tool_calls: int = Field(50, ge=1, le=1000, description="Tools that one answer may call altogether.")
    max_waiting_calls: int = Field(
        20, ge=1, le=1000, description="Tool calls that one question for the user's approval may be about."
    )
    max_turn_seconds: int = Field(900, ge=1, le=86_400, description="Seconds one answer may take, tools included.")
    max_turn_tokens: int = Field(
        1_000_000, ge=1_000, le=1_000_000_000, description="Tokens one answer may cost before it turns to tools again."
    )
    auto_titles: bool = Field(True, description="Let the model name a new session after its first answer.")

    max_message_bytes: int = Field(
        262_144, ge=1, le=16_777_216, description="Longest message of a user, in bytes of UTF-8."
    )
    max_runs_per_user: int = Field(8, ge=1, le=1000, description="Answers that one user may have under way at once.")
    max_messages_per_minute: int = Field(30, ge=1, le=100_000, description="Messages one user may send in a minute.")
    max_tokens_per_day: int | None = Field(
        None,
        ge=1_000,
        description="Tokens one user may spend in a day (UTC), estimated where the provider does not count them, as "
        "for answers that were stopped; unset: without limit.",
    )
    max_files: int = Field(5, ge=0, le=100, description="Files that go with one message.")
    max_file_bytes: int = Field(10_485_760, ge=1, le=104_857_600, description="Largest file, in bytes.")
    max_files_per_hour: int = Field(200, ge=1, le=100_000, description="Files one user may upload in an hour.")
    max_upload_bytes_per_hour: int = Field(
        1_073_741_824, ge=1, le=107_374_182_400, description="Bytes of files one user may upload in an hour."
    )
    max_uploads_at_once: int = Field(
        3,
        ge=1,
        le=100,
        description="Messages with files that may arrive from one user at once; each is held in memory.",
    )
    shutdown_grace: float = Field(
        10, ge=0, le=3600, description="Seconds that answers under way get to finish when the service stops."
    )
    log_level: Annotated[Literal["debug", "info", "warning", "error"], Field(description="The least to log.")] = "info"

    _fallback_keys: Mapping[ProviderName, SecretStr] = PrivateAttr(default_factory=dict)

    @field_validator("host")
    @classmethod
    def _wide_bind_needs_secret(cls, host: str, info: ValidationInfo) -> str:
        if not is_loopback(host) and info.data.get("proxy_secret") is None:
            raise ValueError(
                "is reachable from other machines, where identity headers could be forged: listen on 127.0.0.1, "
                f"or set {PREFIX}PROXY_SECRET and let the proxy send it as X-AIChat-Proxy-Secret"
            )
        return host

    @field_validator("data_dir")
    @classmethod
    def _fits_into_url(cls, data_dir: Path) -> Path:
        if "?" in str(data_dir):
            raise ValueError("must not contain a question mark: the URL of the database in it could not be written")
        return data_dir

    @property
    def effective_model(self) -> str:
        """The model, with the provider's default filled in."""
        return self.llm_model or DEFAULT_MODELS[self.llm_provider]

    @property
    def effective_context_tokens(self) -> int:
        """The budget for a conversation, with the provider's default filled in."""
        return self.llm_context_tokens or CONTEXT_TOKENS.get(self.llm_provider, _CONTEXT_TOKENS)

    @property
    def fallbacks(self) -> tuple[Fallback, ...]:
        """Whom to ask when the provider fails, in this order."""
        return parse_fallback(self.llm_fallback) if self.llm_fallback else ()

    @property
    def fallback_keys(self) -> Mapping[ProviderName, SecretStr]:
        """The keys of providers in the chain that are not the configured one. No setting holds them."""
        return self._fallback_keys

    def with_fallback_keys(self, keys: Mapping[ProviderName, SecretStr]) -> Self:
        """The same settings with the keys that were found for the chain."""
        copy = self.model_copy()
        copy._fallback_keys = dict(keys)  # noqa: SLF001 - it is one of us
        return copy

    @property
    def effective_database_url(self) -> str:
        """The database's URL, with the default filled in."""
        return self.database_url or f"sqlite:///{self.data_dir / 'chat.db'}"

    @property
    def database_setting(self) -> str:
        """The name of the setting that decides where the database is."""
        return "database_url" if self.database_url else "data_dir"

    @property
    def secrets(self) -> tuple[str, ...]:
        """The texts that must never be shown."""
        held: list[str] = []
        for name in type(self).model_fields:
            match getattr(self, name):
                case SecretStr() as secret:
                    held.append(secret.get_secret_value())
                case str(url) if is_url(name):
                    held.extend(secrets_in(url))
        held.extend(key.get_secret_value() for key in self._fallback_keys.values())
        return tuple(held)
