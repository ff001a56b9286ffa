"""Sources and validation of the environment variables."""

from pathlib import Path
from typing import get_args

import pytest
from django.db import connection

from backend.config.environment import Environment, get_addresses_file, read_environment
from backend.config.variable_types import SearchLanguage


@pytest.fixture
def env_file(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """The file that ENV_FILE names, in an environment without variables of the shop."""
    for name in Environment.model_fields:
        monkeypatch.delenv(name.upper(), raising=False)
    file = tmp_path / "env"
    file.write_text(f"DEBUG=true\nDATA_DIR={tmp_path}\nSMTP_PORT=587\nDB_HOST=\n")
    monkeypatch.setenv("ENV_FILE", str(file))
    return file


@pytest.fixture
def addresses(env_file: Path, tmp_path: Path) -> Path:
    """The addresses of a running shop."""
    file = get_addresses_file(tmp_path)
    file.write_text("DB_HOST='/a path/run'\nSMTP_PORT='2525'\n")
    return file


def test_addresses_of_the_running_shop_take_precedence_over_the_env_file(addresses: Path) -> None:
    env = read_environment()

    assert (env.db_host, env.smtp_port) == ("/a path/run", 2525)


def test_environment_takes_precedence_over_addresses_of_the_running_shop(
    addresses: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DB_HOST", "db.example.com")
    monkeypatch.setenv("SMTP_PORT", "")

    env = read_environment()

    assert (env.db_host, env.smtp_port) == ("db.example.com", 2525)


def test_addresses_of_the_running_shop_can_be_ignored(addresses: Path) -> None:
    env = read_environment(beside_running_shop=False)

    assert (env.db_host, env.smtp_port) == ("", 587)


def test_production_ignores_addresses_of_a_running_shop(
    addresses: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in {
        "DEBUG": "false",
        "DJANGO_SECRET_KEY": "k" * 50,
        "ALLOWED_HOSTS": "shop.example.com",
        "DB_HOST": "db.example.com",
        "DB_PASSWORD": "p",
        "REDIS_URL": "redis://redis.example.com",
    }.items():
        monkeypatch.setenv(name, value)

    assert read_environment().smtp_port == 587


@pytest.mark.parametrize(
    ("redis_url", "broker_url"),
    [
        ("redis://:p@redis.example.com:6379/1", "redis://:p@redis.example.com:6379/1"),
        ("rediss://redis.example.com", "rediss://redis.example.com"),
        ("unix:///run/a%20path/valkey.sock?db=3", "redis+socket:///run/a%20path/valkey.sock?virtual_host=3"),
        ("unix:///run/valkey.sock", "redis+socket:///run/valkey.sock?virtual_host=0"),
        (
            "redis+sentinel://:p%40ss%2Fword@a:1,b/main/3",
            "sentinel://:p%40ss%2Fword@a:1/3;sentinel://:p%40ss%2Fword@b:26379/3",
        ),
        ("redis+sentinel://user:p@a/main", "sentinel://user:p@a:26379/0"),
        ("redis+sentinel://a/main", "sentinel://a:26379/0"),
        ("", ""),
    ],
)
def test_celery_broker_is_derived_from_redis_url(env_file: Path, redis_url: str, broker_url: str) -> None:
    assert Environment(_env_file=env_file, redis_url=redis_url).celery_broker_url == broker_url


@pytest.mark.parametrize("redis_url", ["redis.example.com", "http://redis", "unix://run/valkey.sock"])
def test_redis_url_with_another_scheme_or_a_relative_path_is_refused(
    env_file: Path, monkeypatch: pytest.MonkeyPatch, redis_url: str
) -> None:
    monkeypatch.setenv("REDIS_URL", redis_url)

    with pytest.raises(SystemExit, match="REDIS_URL: must be a URL such as redis"):
        read_environment()


@pytest.mark.parametrize(
    "redis_url",
    [
        "redis+sentinel://a:26379",
        "redis+sentinel://a:26379/",
        "redis+sentinel:///main",
        "redis+sentinel://a:x/main",
        "redis+sentinel://a,/main",
        "redis+sentinel://a/main/x",
        "redis+sentinel://a/main?db=1",
    ],
)
def test_sentinel_url_of_another_form_is_refused(
    env_file: Path, monkeypatch: pytest.MonkeyPatch, redis_url: str
) -> None:
    monkeypatch.setenv("REDIS_URL", redis_url)

    with pytest.raises(
        SystemExit, match="REDIS_URL: must have the form redis\\+sentinel://:password@host:26379"
    ):
        read_environment()


def test_replica_has_the_port_of_the_primary_by_default(
    env_file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DB_PORT", "6432")
    assert read_environment().db_replica_port == 6432
    monkeypatch.setenv("DB_REPLICA_PORT", "6433")
    assert read_environment().db_replica_port == 6433


@pytest.mark.parametrize("country", ["XX", "ru", "RUS", "Russia"])
def test_unknown_shop_country_is_refused(
    env_file: Path, monkeypatch: pytest.MonkeyPatch, country: str
) -> None:
    monkeypatch.setenv("SHOP_COUNTRY", "KZ")
    assert read_environment().shop_country == "KZ"
    monkeypatch.setenv("SHOP_COUNTRY", country)
    with pytest.raises(SystemExit, match="SHOP_COUNTRY: must be an ISO 3166-1 alpha-2 code"):
        read_environment()


_INVALID = {
    "ALLOWED_HOSTS": (
        ["http://x", "shop.example.com:8000", "shop.example.com/", "*.example.com", "a b", "shop..example"],
        "is not a host name without scheme, port and path, such as shop.example.com, .example.com or \\*",
    ),
    "CORS_ALLOWED_ORIGINS": (
        ["evil", "https://", "*", "https://a.example/", "https://A.example", "https://*.a.example", "null"],
        "is not an origin in lower case without path, such as https://www.example.com or http://localhost:3000",
    ),
    "CSRF_TRUSTED_ORIGINS": (
        ["evil", "https://", "*", "https://a.example/", "ftp://a.example", "https://A.example"],
        "is not an origin in lower case without path, such as https://www.example.com or https://\\*.example",
    ),
    "SHOP_LANGUAGE": (["klingon", "Russian", "ru", "pg_catalog"], "must be 'arabic', .+'russian', "),
    "STOREFRONT_URL": (
        ["www.example.com", "https://", "https://a.example/", "https://a.example?x", "https://a.example/#x"],
        "must be a URL without query, fragment and / at its end, such as https://www.example.com",
    ),
}
_COMMA_SEPARATED = {"allowed_hosts", "csrf_trusted_origins", "cors_allowed_origins", "cors_allowed_headers"}
_VALID = {
    "ALLOWED_HOSTS": ["*", "localhost", "Shop.example.com", ".example.com", "127.0.0.1", "[::1]", "a,b, .c"],
    "CORS_ALLOWED_ORIGINS": [
        "https://a.example",
        "http://localhost:3000, https://b.example",
        "http://[::1]:80",
        "capacitor://localhost",
    ],
    "CSRF_TRUSTED_ORIGINS": ["https://a.example", "http://localhost:3000", "https://*.a.example"],
    "STOREFRONT_URL": ["https://a.example", "http://localhost:3000", "https://a.example/shop"],
    "SHOP_LANGUAGE": ["russian", "english", "simple"],
}


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [(name, value, message) for name, (values, message) in _INVALID.items() for value in values],
)
def test_invalid_value_stops_the_start_with_the_accepted_form(
    env_file: Path, monkeypatch: pytest.MonkeyPatch, name: str, value: str, message: str
) -> None:
    monkeypatch.setenv(name, value)

    with pytest.raises(SystemExit, match=f"\n  {name}: .*{message}"):
        read_environment()


@pytest.mark.parametrize(
    ("name", "value"), [(name, value) for name, values in _VALID.items() for value in values]
)
def test_valid_value_is_accepted(
    env_file: Path, monkeypatch: pytest.MonkeyPatch, name: str, value: str
) -> None:
    monkeypatch.setenv(name, value)

    assert getattr(read_environment(), name.lower()) in (value, [part.strip() for part in value.split(",")])


def test_all_invalid_values_are_in_one_message(env_file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, (values, _) in _INVALID.items():
        monkeypatch.setenv(name, f"{values[0]}")

    with pytest.raises(SystemExit) as stop:
        read_environment()

    assert all(f"\n  {name}: " in str(stop.value) for name in _INVALID)


@pytest.mark.django_db
def test_search_languages_are_those_of_postgresql() -> None:
    with connection.cursor() as cursor:
        cursor.execute("SELECT cfgname FROM pg_ts_config WHERE cfgnamespace = 'pg_catalog'::regnamespace")
        names = {name for (name,) in cursor.fetchall()}

    # Estonian is new in PostgreSQL 18.
    assert set(get_args(SearchLanguage)) == names - {"estonian"}


@pytest.mark.parametrize("token", ["", "t" * 16, "t" * 200, "!~" * 8])
def test_metrics_token_of_16_to_200_printable_characters_is_accepted(env_file: Path, token: str) -> None:
    assert Environment(_env_file=env_file, metrics_token=token).metrics_token == token


@pytest.mark.parametrize("token", ["t" * 15, "t" * 201, "two words of a token", "ключ-к-метрикам-лавки"])
def test_other_metrics_token_is_refused(env_file: Path, token: str) -> None:
    with pytest.raises(ValueError, match="METRICS_TOKEN: must be 16 to 200 printable ASCII characters"):
        Environment(_env_file=env_file, metrics_token=token)


def test_errors_of_single_variables_and_between_variables_are_in_one_message(
    env_file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    env_file.write_text("SHOP_CURENCY=RUB\n")
    for name, value in {
        "DEBUG": "false",
        "DB_PORT": "many",
        "REDIS_URL": "redis.example.com",
        "OBJECT_STORAGE_URL": "s3.example.com",
        "GRAPHIQL": "true",
        "DJANGO_SECRET_KEY": "development-only-key",
    }.items():
        monkeypatch.setenv(name, value)

    with pytest.raises(SystemExit) as stop:
        read_environment()

    # An invalid value does not count as a missing one.
    names = [line.partition(":")[0].strip() for line in str(stop.value).splitlines()[1:]]
    assert sorted(names) == [
        "ALLOWED_HOSTS, DB_HOST, DB_PASSWORD",
        "DB_PORT",
        "DJANGO_SECRET_KEY",
        "GRAPHIQL",
        "OBJECT_STORAGE_REGION, OBJECT_STORAGE_KEY_ID, OBJECT_STORAGE_SECRET_KEY, OBJECT_STORAGE_BUCKET",
        "OBJECT_STORAGE_URL",
        "REDIS_URL",
        "SHOP_CURENCY",
    ]


def test_invalid_debug_does_not_report_what_production_requires(
    env_file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DEBUG", "perhaps")

    with pytest.raises(SystemExit) as stop:
        read_environment()

    assert str(stop.value).splitlines()[1:] == ["  DEBUG: must be true or false"]


@pytest.mark.parametrize("name", list(Environment.model_fields))
def test_error_message_has_no_pattern_and_no_value(
    env_file: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    monkeypatch.setenv("DEBUG", "true")
    monkeypatch.setenv(name.upper(), "zebra zebra\nzebra")

    try:
        read_environment()
    except SystemExit as stop:
        message = str(stop)
        assert f"\n  {name.upper()}: " in message or f"{name.upper()} is set" in message
        assert "pattern" not in message
        assert not any(sign in message for sign in ("^", "$", "[^"))
        if name not in _COMMA_SEPARATED:
            assert "zebra" not in message


@pytest.mark.parametrize(
    ("name", "known"),
    [
        ("SHOP_CURENCY", "SHOP_CURRENCY"),
        ("smtp_form_mail", "SMTP_FROM_MAIL"),
        ("DB_PASWORD", "DB_PASSWORD"),
        ("ALLOWED_HOST", "ALLOWED_HOSTS"),
    ],
)
def test_misspelt_name_in_the_env_file_is_refused(env_file: Path, name: str, known: str) -> None:
    env_file.write_text(f"DEBUG=true\n{name}=x\n")

    with pytest.raises(SystemExit, match=f"\n  {name.upper()}: unknown; did you mean {known}\\?$"):
        read_environment()


def test_names_of_other_programs_in_the_env_file_are_accepted(env_file: Path) -> None:
    env_file.write_text(
        "DEBUG=true\nPORTS=80\nCOMPOSE_PROJECT_NAME=x\nPOSTGRES_PASSWORD=x\nDB_SSLMODE=x\nSHOP_CURENCY=\n"
    )

    assert read_environment().debug


def test_env_file_with_a_byte_order_mark_is_read(env_file: Path) -> None:
    env_file.write_text("SMTP_PORT=2525\nDEBUG=true\n", encoding="utf-8-sig")

    assert read_environment().smtp_port == 2525


@pytest.mark.parametrize("encoding", ["cp1251", "utf-16"])
def test_env_file_in_another_encoding_is_refused(env_file: Path, encoding: str) -> None:
    env_file.write_text("DEBUG=true\nSMTP_FROM_PASSWORD=секрет\n", encoding=encoding)

    with pytest.raises(SystemExit, match="must be encoded in UTF-8") as stop:
        read_environment()

    assert str(env_file) in str(stop.value)


def test_storefront_is_served_by_the_shop_only(env_file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert read_environment().storefront
    for name in ("URL", "REGION", "KEY_ID", "SECRET_KEY", "BUCKET"):
        value = "https://s3.example.com" if name == "URL" else "example"
        monkeypatch.setenv(f"OBJECT_STORAGE_{name}", value)
    monkeypatch.setenv("OBJECT_STORAGE_STATIC", "true")
    assert not read_environment().storefront
    monkeypatch.setenv("STOREFRONT", "true")
    with pytest.raises(SystemExit, match="\n  STOREFRONT, OBJECT_STORAGE_STATIC: browsers load"):
        read_environment()


def test_graphiql_without_introspection_is_refused(env_file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GRAPHQL_INTROSPECTION", "false")
    assert not read_environment().graphiql
    monkeypatch.setenv("GRAPHIQL", "true")
    with pytest.raises(SystemExit, match="\n  GRAPHIQL: needs GRAPHQL_INTROSPECTION"):
        read_environment()
    monkeypatch.setenv("GRAPHQL_INTROSPECTION", "true")
    assert read_environment().graphiql


@pytest.mark.parametrize("currency", ["ZZZ", "rub", "RUR", "XAU", "XTS", "DEM", "Р", "RUBL"])
def test_unknown_shop_currency_is_refused(
    env_file: Path, monkeypatch: pytest.MonkeyPatch, currency: str
) -> None:
    monkeypatch.setenv("SHOP_CURRENCY", "KZT")
    assert read_environment().shop_currency == "KZT"
    monkeypatch.setenv("SHOP_CURRENCY", currency)
    with pytest.raises(SystemExit, match="SHOP_CURRENCY: must be an ISO 4217 code in capital letters"):
        read_environment()


def test_published_payment_secret_is_refused_in_production(
    env_file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PAYMENT_PROVIDERS", "acme=shop.acme")
    monkeypatch.setenv("PAYMENT_SECRETS", "acme=development-only-secret")
    assert read_environment().payment_secrets
    monkeypatch.setenv("DEBUG", "false")

    with pytest.raises(SystemExit, match="PAYMENT_SECRETS: published in"):
        read_environment()


def test_payment_providers_and_secrets_are_pairs(env_file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PAYMENT_PROVIDERS", " acme=shop.acme, other-pay=shop.other ,")
    monkeypatch.setenv("PAYMENT_SECRETS", "other-pay=0123456789abcde=,acme=0123456789abcdef")

    env = read_environment()

    assert env.payment_providers == {"acme": "shop.acme", "other-pay": "shop.other"}
    assert env.payment_secrets == {"acme": "0123456789abcdef", "other-pay": "0123456789abcde="}


@pytest.mark.parametrize(
    ("providers", "secrets", "message"),
    [
        ("acme", "", "PAYMENT_PROVIDERS: must be pairs such as name=value"),
        ("acme=", "", "PAYMENT_PROVIDERS: must be pairs"),
        ("Acme=shop.acme", "", "PAYMENT_PROVIDERS: must be pairs"),
        ("acme=shop.a,acme=shop.b", "", "PAYMENT_PROVIDERS: must be pairs"),
        (f"{'a' * 33}=shop.acme", "", "PAYMENT_PROVIDERS: must be pairs"),
        ("acme=shop.acme", "", "PAYMENT_PROVIDERS, PAYMENT_SECRETS: must name the same providers"),
        ("", "acme=0123456789abcdef", "PAYMENT_PROVIDERS, PAYMENT_SECRETS: must name the same providers"),
        ("acme=shop.acme", "acme=0123456789abcde", "every secret must have at least 16 characters"),
        ("manual=shop.acme", "manual=0123456789abcdef", "the name manual is reserved"),
    ],
)
def test_malformed_payment_providers_are_refused(
    env_file: Path, monkeypatch: pytest.MonkeyPatch, providers: str, secrets: str, message: str
) -> None:
    monkeypatch.setenv("PAYMENT_PROVIDERS", providers)
    monkeypatch.setenv("PAYMENT_SECRETS", secrets)

    with pytest.raises(SystemExit) as raised:
        read_environment()

    assert message in str(raised.value)
    assert "0123456789" not in str(raised.value)
