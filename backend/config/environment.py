"""The environment variables of the shop, typed and validated together."""

import os
from collections.abc import Callable, Collection, Mapping
from difflib import get_close_matches
from pathlib import Path
from typing import Any, Literal, Self
from urllib.parse import parse_qs, urlsplit

from pydantic import Field, ValidationError, model_validator
from pydantic_core import ErrorDetails, InitErrorDetails, PydanticCustomError
from pydantic_settings import BaseSettings, SettingsConfigDict

from backend.config.variable_types import (
    CollectorUrl,
    CommaSeparatedPairs,
    CorsOrigins,
    CountryCode,
    CsrfOrigins,
    Currency,
    HeaderNames,
    Hosts,
    Language,
    MetricsToken,
    RedisUrl,
    SearchLanguage,
    SentryDsn,
    SiteUrl,
    StorageBucket,
    StorageRegion,
    StorageUrl,
    StorefrontUrl,
)
from backend.core.redis_sentinels import is_sentinel_url, parse_sentinel_url

PROJECT_DIR = Path(__file__).resolve().parents[2]
# The published passwords and keys in .env.example and docker-compose.yml begin with this.
PUBLISHED_SECRET_PREFIX = "development-only"
# Similarity of a misspelt name to the name of a variable, from 0 to 1. SHOP_CURENCY has 0.96.
_MISSPELLING = 0.85
_MIN_COMPARED_NAME = 8
MIN_PAYMENT_SECRET_LENGTH = 16

_DEVELOPMENT_DEFAULTS = {
    "swagger_permission": "ALL",
    "storefront": True,
    "graphiql": True,
    "graphql_introspection": True,
    "rate_limit_per_address": 0,
    "rate_limit_per_account": 0,
}
_PRODUCTION_DEFAULTS = {
    "swagger_permission": "NONE",
    "storefront": False,
    "graphiql": False,
    "graphql_introspection": False,
    "rate_limit_per_address": 1200,
    "rate_limit_per_account": 600,
}


class Environment(BaseSettings):
    """Every variable that the shop reads, under its own name in lower case.

    In production (``debug`` off), secrets and the addresses of PostgreSQL and Redis are required.
    """

    # Editors on Windows begin a file with a byte order mark.
    model_config = SettingsConfigDict(env_ignore_empty=True, extra="ignore", env_file_encoding="utf-8-sig")

    debug: bool = False
    django_secret_key: str = ""
    allowed_hosts: Hosts = []
    csrf_trusted_origins: CsrfOrigins = []
    cors_allowed_origins: CorsOrigins = []
    cors_allowed_headers: HeaderNames = []
    behind_tls_proxy: bool = False
    # Defaults to 1 behind a TLS proxy, else to 0.
    trusted_proxies: int | None = Field(default=None, ge=0, le=10)
    log_level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = "INFO"
    log_format: Literal["json", "text"] = "text"
    # Empty: no metrics.
    metrics_token: MetricsToken = ""
    sentry_dsn: SentryDsn = ""
    otel_exporter_otlp_endpoint: CollectorUrl = ""
    data_dir: Path = PROJECT_DIR / "var"
    port: int = Field(default=8000, ge=1, le=65535)
    public_url: SiteUrl = ""
    storefront_url: StorefrontUrl = ""
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

    redis_url: RedisUrl = ""

    object_storage_url: StorageUrl = ""
    object_storage_region: StorageRegion = ""
    object_storage_key_id: str = ""
    object_storage_secret_key: str = ""
    object_storage_bucket: StorageBucket = ""
    object_storage_public_url: StorageUrl = ""
    object_storage_addressing: Literal["path", "virtual"] = "path"
    object_storage_static: bool = False

    smtp_server_addr: str = ""
    smtp_port: int = Field(default=587, ge=1, le=65535)
    smtp_security: Literal["starttls", "tls", "none"] = "starttls"
    smtp_from_mail: str = "shop@localhost"
    smtp_from_password: str = ""

    # These four default to what developers need if debug is on, and to nothing otherwise. GraphiQL needs
    # introspection, and is off by default without it.
    swagger_permission: Literal["ALL", "AUTHENTICATED", "STAFF", "NONE"] | None = None
    graphiql: bool | None = None
    graphql_introspection: bool | None = None
    storefront: bool | None = None
    graphql_compiled_executor: bool = True
    graphql_persisted_queries: bool = True
    # Seconds; 0 caches nothing.
    catalog_cache_seconds: int = Field(default=30, ge=0, le=3600)
    # Days after its creation for which a product is new.
    new_product_days: int = Field(default=30, ge=0, le=3650)
    # Requests per minute; 0 means no limit. They default to 0 if debug is on, else to 1200 and 600.
    rate_limit_per_address: int | None = Field(default=None, ge=0, le=1_000_000)
    rate_limit_per_account: int | None = Field(default=None, ge=0, le=1_000_000)

    shop_currency: Currency = "RUB"
    shop_country: CountryCode = "RU"
    shop_language: SearchLanguage = "russian"
    default_language: Language = "en"
    order_require_delivery: bool = False
    guest_orders: bool = True
    # By the name of the payment provider: the dotted path of its module, and the secret of its signatures.
    payment_providers: CommaSeparatedPairs = {}
    payment_secrets: CommaSeparatedPairs = {}

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

    @model_validator(mode="wrap")
    @classmethod
    def _report_all_errors(cls, values: dict[str, Any], validate: Callable[[dict[str, Any]], Self]) -> Self:
        """Report the errors of single variables and those between variables at once.

        pydantic stops after the errors of single variables. The others are then validated again, with the
        defaults of the invalid ones.
        """
        invalid: set[str] = set()
        errors = _find_misspellings(values, cls.model_fields)
        try:
            env = validate(values)
        except ValidationError as error:
            for problem in error.errors():
                name = str(problem["loc"][0])
                invalid.add(name)
                errors.append(f"{name.upper()}: {_describe(problem)}")
            env = validate({name: value for name, value in values.items() if name not in invalid})
        env._set_defaults()
        errors += env._find_errors(invalid)
        if errors:
            raise ValidationError.from_exception_data(
                cls.__name__,
                [
                    # Without the input, which can be a secret.
                    InitErrorDetails(
                        type=PydanticCustomError("variable", "{error}", {"error": text}), input=None
                    )
                    for text in errors
                ],
            )
        return env

    def _set_defaults(self) -> None:
        """Set the defaults that depend on other variables, and resolve `data_dir`."""
        self.data_dir = (PROJECT_DIR / self.data_dir).resolve()
        if self.trusted_proxies is None:
            self.trusted_proxies = int(self.behind_tls_proxy)
        if self.db_replica_port is None:
            self.db_replica_port = self.db_port
        if self.object_storage_static and self.storefront is None:
            self.storefront = False
        if self.graphql_introspection is False and self.graphiql is None:
            self.graphiql = False
        defaults = _DEVELOPMENT_DEFAULTS if self.debug else _PRODUCTION_DEFAULTS
        for name, value in defaults.items():
            if getattr(self, name) is None:
                setattr(self, name, value)
        # Mail catchers have no TLS, and without a password nothing secret is sent.
        if self.debug and "smtp_security" not in self.model_fields_set and not self.smtp_from_password:
            self.smtp_security = "none"

    def _find_errors(self, invalid: Collection[str]) -> list[str]:
        """Return the errors between variables.

        Args:
            invalid: names of the variables that have an error of their own.
        """
        errors = [*self._find_object_storage_errors(invalid), *self._find_payment_errors(invalid)]
        if self.storefront and self.object_storage_static:
            errors.append(
                "STOREFRONT, OBJECT_STORAGE_STATIC: browsers load the storefront from the shop's own origin; "
                "set one of them to false"
            )
        if self.graphiql and not self.graphql_introspection and "graphql_introspection" not in invalid:
            errors.append("GRAPHIQL: needs GRAPHQL_INTROSPECTION; set both to true, or GRAPHIQL to false")
        if not self.debug and "debug" not in invalid:
            errors += self._find_production_errors(invalid)
        return errors

    def _find_object_storage_errors(self, invalid: Collection[str]) -> list[str]:
        required = [f"object_storage_{name}" for name in ("url", "region", "key_id", "secret_key", "bucket")]
        optional = ["object_storage_public_url", "object_storage_static"]
        given = [name for name in (*required, *optional) if getattr(self, name) or name in invalid]
        missing = [name for name in required if name not in given]
        if not missing or not given:
            return []
        return [f"{_join(missing)}: required since {_join(given)} is set; set all of them or none"]

    def _find_payment_errors(self, invalid: Collection[str]) -> list[str]:
        errors = []
        providers, secrets = self.payment_providers, self.payment_secrets
        is_valid = not {"payment_providers", "payment_secrets"}.intersection(invalid)
        if is_valid and providers.keys() != secrets.keys():
            errors.append("PAYMENT_PROVIDERS, PAYMENT_SECRETS: must name the same providers")
        if "manual" in providers:
            errors.append("PAYMENT_PROVIDERS: the name manual is reserved for payments that staff enter")
        if any(len(secret) < MIN_PAYMENT_SECRET_LENGTH for secret in secrets.values()):
            errors.append(
                f"PAYMENT_SECRETS: every secret must have at least {MIN_PAYMENT_SECRET_LENGTH} characters"
            )
        return errors

    def _find_production_errors(self, invalid: Collection[str]) -> list[str]:
        required = ("django_secret_key", "allowed_hosts", "db_host", "db_password", "redis_url")
        secrets = (
            *("django_secret_key", "db_password", "object_storage_secret_key", "smtp_from_password"),
            "metrics_token",
        )
        missing = [name for name in required if not getattr(self, name) and name not in invalid]
        known = [name for name in secrets if getattr(self, name).startswith(PUBLISHED_SECRET_PREFIX)]
        if any(secret.startswith(PUBLISHED_SECRET_PREFIX) for secret in self.payment_secrets.values()):
            known.append("payment_secrets")
        errors = []
        if missing:
            errors.append(f"{_join(missing)}: required unless DEBUG is on")
        if known:
            errors.append(f"{_join(known)}: published in .env.example, set your own unless DEBUG is on")
        return errors


def _join(names: list[str]) -> str:
    return ", ".join(name.upper() for name in names)


def _find_misspellings(values: Mapping[str, Any], known: Collection[str]) -> list[str]:
    """Return an error for each unknown name in a .env file that is similar to a known one.

    Other unknown names are accepted, since Docker Compose and other programs read the same file.
    """
    return [
        f"{name.upper()}: unknown; did you mean {similar[0].upper()}?"
        for name in values
        # Short names of other programs are similar to ours: PORTS to PORT.
        if len(name) >= _MIN_COMPARED_NAME
        and name not in known
        and (similar := get_close_matches(name, known, n=1, cutoff=_MISSPELLING))
    ]


def _describe(error: ErrorDetails) -> str:
    """Return the message of an error of a single variable."""
    if error["type"] == "bool_parsing":
        return "must be true or false"
    message = error["msg"].removeprefix("Value error, ")
    return message.replace("Input should be", "must be", 1)


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
        SystemExit: variables are missing or invalid, and the message lists all of them; or the file is not
            encoded in UTF-8.
    """
    env_file = os.environ.get("ENV_FILE", PROJECT_DIR / ".env")
    try:
        env = Environment(_env_file=env_file)
        if env.debug and beside_running_shop:
            env = Environment(_env_file=(env_file, get_addresses_file(env.data_dir)))
    except UnicodeDecodeError as error:
        raise SystemExit(f"{env_file} must be encoded in UTF-8: {error}.") from None
    except ValidationError as error:
        raise SystemExit(
            "The environment is incomplete or invalid (see .env.example; `make up` writes a .env for "
            "development):\n" + "\n".join(f"  {problem['msg']}" for problem in error.errors())
        ) from None
    return env
