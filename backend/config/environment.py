"""The shop's environment variables, read once, typed and checked together."""

import os
from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import Field, ValidationError, model_validator
from pydantic.functional_validators import BeforeValidator
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

PROJECT_DIR = Path(__file__).resolve().parents[2]
# How the passwords and keys begin that .env.example and docker-compose.yml give out: everybody knows them.
KNOWN_SECRET = "development-only"


def _split_commas(value: object) -> object:
    if isinstance(value, str):
        return [item.strip() for item in value.split(",") if item.strip()]
    return value


CommaSeparated = Annotated[list[str], NoDecode, BeforeValidator(_split_commas)]


class Environment(BaseSettings):
    """Every variable the shop reads. Names are the variables' own, in lower case.

    With ``debug`` on, a service whose variables are unset is embedded (see ``backend.embedded``);
    with ``debug`` off, everything secret must be given.
    """

    model_config = SettingsConfigDict(
        env_file=os.environ.get("ENV_FILE", PROJECT_DIR / ".env"),
        env_ignore_empty=True,
        extra="ignore",
    )

    debug: bool = False
    django_secret_key: str = ""
    allowed_hosts: CommaSeparated = []
    csrf_trusted_origins: CommaSeparated = []
    cors_allowed_origins: CommaSeparated = []
    behind_tls_proxy: bool = False
    # Unset: one where TLS ends at a proxy, else none.
    trusted_proxies: int | None = Field(default=None, ge=0, le=10)
    log_level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = "INFO"
    data_dir: Path = PROJECT_DIR / "var"
    port: int = Field(default=8000, ge=1, le=65535)
    public_url: str = Field(default="", pattern=r"^$|^https?://[^/]+$")
    web_workers: int = Field(default=2, ge=1, le=64)

    db_name: str = "lavka"
    db_user: str = "lavka"
    db_password: str = ""
    db_host: str = ""
    db_port: int = Field(default=5432, ge=1, le=65535)
    # Seconds; 0 is no limit. The web processes have one of their own: see gunicorn.py.
    db_statement_timeout: int = Field(default=0, ge=0, le=3600)

    # Embedded Valkey's database; parallel tests take one each.
    valkey_database: int = Field(default=0, ge=0)
    redis_url: str = Field(default="", pattern=r"^$|^rediss?://")

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

    swagger_permission: Literal["ALL", "AUTHENTICATED", "STAFF", "NONE"] = "ALL"
    graphiql: bool = True
    graphql_introspection: bool = True

    shop_currency: str = Field(default="RUB", pattern=r"^[A-Z]{3}$")
    shop_language: str = Field(default="russian", pattern=r"^[a-z_]+$")
    order_require_delivery: bool = False

    @property
    def object_storage_address(self) -> str:
        """Where the provider itself shows the bucket to everybody."""
        scheme, _, host = self.object_storage_url.rstrip("/").partition("://")
        if self.object_storage_addressing == "virtual":
            return f"{scheme}://{self.object_storage_bucket}.{host}"
        return f"{scheme}://{host}/{self.object_storage_bucket}"

    @model_validator(mode="after")
    def _require_what_is_needed(self) -> Self:
        self.data_dir = (PROJECT_DIR / self.data_dir).resolve()
        if self.trusted_proxies is None:
            self.trusted_proxies = int(self.behind_tls_proxy)
        wrong = [*self._lacks_of_object_storage(), *([] if self.debug else self._lacks_of_production())]
        if wrong:
            raise ValueError("; ".join(wrong))
        # Mail catchers speak no TLS; nothing secret is lost without a password.
        if self.debug and "smtp_security" not in self.model_fields_set and not self.smtp_from_password:
            self.smtp_security = "none"
        return self

    def _lacks_of_object_storage(self) -> list[str]:
        needed = [f"object_storage_{name}" for name in ("url", "region", "key_id", "secret_key", "bucket")]
        used = [*needed, "object_storage_public_url", "object_storage_static"]
        missing = [name.upper() for name in needed if not getattr(self, name)]
        given = [name.upper() for name in used if getattr(self, name)]
        if not missing or not given:
            return []
        return [f"{', '.join(missing)}: required since {', '.join(given)} is set; give all of them or none"]

    def _lacks_of_production(self) -> list[str]:
        needed = ("django_secret_key", "allowed_hosts", "db_host", "db_password", "redis_url")
        secrets = ("django_secret_key", "db_password", "object_storage_secret_key", "smtp_from_password")
        missing = [name.upper() for name in needed if not getattr(self, name)]
        known = [name.upper() for name in secrets if getattr(self, name).startswith(KNOWN_SECRET)]
        wrong = []
        if missing:
            wrong.append(f"{', '.join(missing)}: required unless DEBUG is on")
        if known:
            wrong.append(f"{', '.join(known)}: known to everybody, choose your own unless DEBUG is on")
        return wrong


def read_environment() -> Environment:
    """Read the variables, or stop the program with one message that lists everything wrong.

    Raises:
        SystemExit: a variable is missing or has a wrong value.
    """
    try:
        return Environment()
    except ValidationError as error:
        lines = []
        for problem in error.errors():
            name = ".".join(str(part) for part in problem["loc"]).upper()
            message = problem["msg"].removeprefix("Value error, ")
            lines.append(f"  {name}: {message}" if name else f"  {message}")
        raise SystemExit(
            "The environment is not complete (see .env.example; `make up` writes a .env for development):\n"
            + "\n".join(lines)
        ) from None
