"""The environment variables of the shop, typed and validated together."""

import os
import re
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Literal, Self
from urllib.parse import parse_qs, urlsplit

from iso3166 import countries_by_alpha2
from pydantic import AfterValidator, BeforeValidator, Field, ValidationError, model_validator
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

from backend.core.redis_sentinels import is_sentinel_url, parse_sentinel_url

PROJECT_DIR = Path(__file__).resolve().parents[2]
# The published passwords and keys in .env.example and docker-compose.yml begin with this.
PUBLISHED_SECRET_PREFIX = "development-only"


def _split_commas(value: object) -> object:
    if isinstance(value, str):
        return [item.strip() for item in value.split(",") if item.strip()]
    return value


def _make_pattern_check(pattern: str, accepted: str) -> Callable[[list[str]], list[str]]:
    def check(values: list[str]) -> list[str]:
        for value in values:
            if not re.fullmatch(pattern, value):
                raise ValueError(f"{value!r} is not {accepted}")
        return values

    return check


CommaSeparated = Annotated[list[str], NoDecode, BeforeValidator(_split_commas)]
# Names of HTTP headers. The pattern is `token` of RFC 9110.
HeaderName = Annotated[str, Field(pattern=r"^[A-Za-z0-9!#$%&'*+.^_`|~-]+$")]
CommaSeparatedNames = Annotated[list[HeaderName], NoDecode, BeforeValidator(_split_commas)]


def _require_country_code(code: str) -> str:
    if code not in countries_by_alpha2:
        raise ValueError("must be an ISO 3166-1 alpha-2 code in capital letters")
    return code


CountryCode = Annotated[str, AfterValidator(_require_country_code)]

_HOST = r"([A-Za-z0-9-]+(\.[A-Za-z0-9-]+)*|\[[0-9A-Fa-f:.]+\])"
# Browsers send origins in lower case, and they are compared as texts.
_ORIGIN_HOST = r"([a-z0-9-]+(\.[a-z0-9-]+)*|\[[0-9a-f:.]+\])(:[0-9]+)?"
Hosts = Annotated[
    CommaSeparated,
    AfterValidator(
        _make_pattern_check(
            rf"\*|\.?{_HOST}",
            "a host name without scheme, port and path, such as shop.example.com, .example.com or *",
        )
    ),
]
CorsOrigins = Annotated[
    CommaSeparated,
    AfterValidator(
        _make_pattern_check(
            rf"[a-z][a-z0-9+.-]*://{_ORIGIN_HOST}",
            "an origin in lower case without path, such as https://www.example.com or http://localhost:3000",
        )
    ),
]
CsrfOrigins = Annotated[
    CommaSeparated,
    AfterValidator(
        _make_pattern_check(
            rf"https?://(\*\.)?{_ORIGIN_HOST}",
            "an origin in lower case without path, such as https://www.example.com or https://*.example.com",
        )
    ),
]

# The text search configurations that every supported version of PostgreSQL contains.
SearchLanguage = Literal[
    "arabic", "armenian", "basque", "catalan", "danish", "dutch", "english", "finnish", "french", "german",
    "greek", "hindi", "hungarian", "indonesian", "irish", "italian", "lithuanian", "nepali", "norwegian",
    "portuguese", "romanian", "russian", "serbian", "simple", "spanish", "swedish", "tamil", "turkish",
    "yiddish",
]  # fmt: skip


_DEVELOPMENT_DEFAULTS = {
    "swagger_permission": "ALL",
    "graphiql": True,
    "graphql_introspection": True,
    "rate_limit_per_address": 0,
    "rate_limit_per_account": 0,
}
_PRODUCTION_DEFAULTS = {
    "swagger_permission": "NONE",
    "graphiql": False,
    "graphql_introspection": False,
    "rate_limit_per_address": 1200,
    "rate_limit_per_account": 600,
}


def _check_sentinel_url(url: str) -> str:
    if is_sentinel_url(url):
        parse_sentinel_url(url)
    return url


class Environment(BaseSettings):
    """Every variable that the shop reads, under its own name in lower case.

    In production (``debug`` off), secrets and the addresses of PostgreSQL and Redis are required.
    """

    model_config = SettingsConfigDict(env_ignore_empty=True, extra="ignore")

    debug: bool = False
    django_secret_key: str = ""
    allowed_hosts: Hosts = []
    csrf_trusted_origins: CsrfOrigins = []
    cors_allowed_origins: CorsOrigins = []
    cors_allowed_headers: CommaSeparatedNames = []
    behind_tls_proxy: bool = False
    # Defaults to 1 behind a TLS proxy, else to 0.
    trusted_proxies: int | None = Field(default=None, ge=0, le=10)
    log_level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = "INFO"
    log_format: Literal["json", "text"] = "text"
    # Printable ASCII without spaces, as a header can carry it. Empty: no metrics.
    metrics_token: str = Field(default="", pattern=r"^$|^[!-~]{16,200}$")
    sentry_dsn: str = Field(default="", pattern=r"^$|^https?://[^@/\s]+@[^/\s]+/\S+$")
    otel_exporter_otlp_endpoint: str = Field(default="", pattern=r"^$|^https?://[^/\s]+\S*$")
    data_dir: Path = PROJECT_DIR / "var"
    port: int = Field(default=8000, ge=1, le=65535)
    public_url: str = Field(default="", pattern=r"^$|^https?://[^/]+$")
    web_workers: int = Field(default=2, ge=1, le=64)

    db_name: str = "lavka"
    db_user: str = "lavka"
    db_password: str = ""
    db_host: str = ""
    db_port: int = Field(default=5432, ge=1, le=65535)
    # A streaming replica with the same database and user. It defaults to the port of the primary.
    db_replica_host: str = ""
    db_replica_port: int | None = Field(default=None, ge=1, le=65535)
    # Seconds; 0 means no limit. gunicorn.py sets a limit for the web processes.
    db_statement_timeout: int = Field(default=0, ge=0, le=3600)

    redis_url: Annotated[
        str,
        Field(default="", pattern=r"^$|^rediss?://|^unix:///|^redis\+sentinel://"),
        AfterValidator(_check_sentinel_url),
    ]

    object_storage_url: str = Field(default="", pattern=r"^$|^https?://[^/\s]+")
    object_storage_region: str = Field(default="", pattern=r"^[A-Za-z0-9-]*$")
    object_storage_key_id: str = ""
    object_storage_secret_key: str = ""
    object_storage_bucket: str = Field(default="", pattern=r"^[A-Za-z0-9._-]{0,255}$")
    object_storage_public_url: str = Field(default="", pattern=r"^$|^https?://[^/\s]+")
    object_storage_addressing: Literal["path", "virtual"] = "path"
    object_storage_static: bool = False

    smtp_server_addr: str = ""
    smtp_port: int = Field(default=587, ge=1, le=65535)
    smtp_security: Literal["starttls", "tls", "none"] = "starttls"
    smtp_from_mail: str = "shop@localhost"
    smtp_from_password: str = ""

    # These three default to what developers need if debug is on, and to nothing otherwise.
    swagger_permission: Literal["ALL", "AUTHENTICATED", "STAFF", "NONE"] | None = None
    graphiql: bool | None = None
    graphql_introspection: bool | None = None
    graphql_compiled_executor: bool = True
    graphql_persisted_queries: bool = True
    # Seconds; 0 caches nothing.
    catalog_cache_seconds: int = Field(default=30, ge=0, le=3600)
    # Days after its creation for which a product is new.
    new_product_days: int = Field(default=30, ge=0, le=3650)
    # Requests per minute; 0 means no limit. They default to 0 if debug is on, else to 1200 and 600.
    rate_limit_per_address: int | None = Field(default=None, ge=0, le=1_000_000)
    rate_limit_per_account: int | None = Field(default=None, ge=0, le=1_000_000)

    shop_currency: str = Field(default="RUB", pattern=r"^[A-Z]{3}$")
    shop_country: CountryCode = "RU"
    shop_language: SearchLanguage = "russian"
    order_require_delivery: bool = False

    @property
    def celery_broker_url(self) -> str:
        """``redis_url`` as Celery spells it, which has its own schemes for Unix sockets and Sentinels."""
        if is_sentinel_url(self.redis_url):
            return parse_sentinel_url(self.redis_url).celery_url
        url = urlsplit(self.redis_url)
        if url.scheme != "unix":
            return self.redis_url
        database = parse_qs(url.query).get("db", ["0"])[0]
        return f"redis+socket://{url.path}?virtual_host={database}"

    @property
    def object_storage_address(self) -> str:
        """The bucket's public URL at the provider."""
        scheme, _, host = self.object_storage_url.rstrip("/").partition("://")
        if self.object_storage_addressing == "virtual":
            return f"{scheme}://{self.object_storage_bucket}.{host}"
        return f"{scheme}://{host}/{self.object_storage_bucket}"

    @model_validator(mode="after")
    def _validate_together(self) -> Self:
        self.data_dir = (PROJECT_DIR / self.data_dir).resolve()
        if self.trusted_proxies is None:
            self.trusted_proxies = int(self.behind_tls_proxy)
        if self.db_replica_port is None:
            self.db_replica_port = self.db_port
        defaults = _DEVELOPMENT_DEFAULTS if self.debug else _PRODUCTION_DEFAULTS
        for name, value in defaults.items():
            if getattr(self, name) is None:
                setattr(self, name, value)
        errors = [
            *self._find_object_storage_errors(),
            *([] if self.debug else self._find_production_errors()),
        ]
        if errors:
            raise ValueError("; ".join(errors))
        # Mail catchers have no TLS, and without a password nothing secret is sent.
        if self.debug and "smtp_security" not in self.model_fields_set and not self.smtp_from_password:
            self.smtp_security = "none"
        return self

    def _find_object_storage_errors(self) -> list[str]:
        required = [f"object_storage_{name}" for name in ("url", "region", "key_id", "secret_key", "bucket")]
        optional = ["object_storage_public_url", "object_storage_static"]
        missing = [name.upper() for name in required if not getattr(self, name)]
        given = [name.upper() for name in (*required, *optional) if getattr(self, name)]
        if not missing or not given:
            return []
        return [f"{', '.join(missing)}: required since {', '.join(given)} is set; set all of them or none"]

    def _find_production_errors(self) -> list[str]:
        required = ("django_secret_key", "allowed_hosts", "db_host", "db_password", "redis_url")
        secrets = (
            *("django_secret_key", "db_password", "object_storage_secret_key", "smtp_from_password"),
            "metrics_token",
        )
        missing = [name.upper() for name in required if not getattr(self, name)]
        known = [name.upper() for name in secrets if getattr(self, name).startswith(PUBLISHED_SECRET_PREFIX)]
        errors = []
        if missing:
            errors.append(f"{', '.join(missing)}: required unless DEBUG is on")
        if known:
            errors.append(f"{', '.join(known)}: published in .env.example, set your own unless DEBUG is on")
        return errors


def get_addresses_file(data_dir: Path) -> Path:
    """Return the path of the file with the addresses of the services that ``make up`` runs, and the port.

    It has the format of a .env file and exists while the services run.
    """
    return data_dir / "services.env"


def read_environment(*, beside_running_shop: bool = True) -> Environment:
    """Read the variables from the environment and from ``ENV_FILE``, which defaults to ``.env``.

    In development, the addresses of the services that ``make up`` runs take precedence over ``ENV_FILE``,
    so that ``manage.py`` reaches the same services as the running shop.

    Args:
        beside_running_shop: whether to read those addresses.

    Raises:
        SystemExit: a variable is missing or invalid; the message lists all of them.
    """
    env_file = os.environ.get("ENV_FILE", PROJECT_DIR / ".env")
    try:
        env = Environment(_env_file=env_file)
        if env.debug and beside_running_shop:
            env = Environment(_env_file=(env_file, get_addresses_file(env.data_dir)))
    except ValidationError as error:
        lines = []
        for problem in error.errors():
            name = ".".join(str(part) for part in problem["loc"]).upper()
            message = problem["msg"].removeprefix("Value error, ")
            lines.append(f"  {name}: {message}" if name else f"  {message}")
        raise SystemExit(
            "The environment is incomplete or invalid (see .env.example; `make up` writes a .env for "
            "development):\n" + "\n".join(lines)
        ) from None
    return env
