"""Django settings, derived from the typed environment."""

import mimetypes
import socket
from datetime import timedelta
from typing import Any

from gqlauth.settings_type import GqlAuthSettings
from redis.backoff import NoBackoff
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.retry import Retry

from backend.config.cors_headers import ALLOWED_HEADERS, EXPOSED_HEADERS
from backend.config.environment import PROJECT_DIR, read_environment
from backend.config.logging_settings import make_logging_settings
from backend.config.periodic_tasks import PERIODIC_TASKS
from backend.core.db_watch import (
    REPLICA_STATEMENT_SECONDS,
    WatchedConnection,
    WatchedReplicaConnection,
    refuse_connection,
)
from backend.core.redis_sentinels import SENTINEL_OPTIONS, is_sentinel_url, parse_sentinel_url

ENV = read_environment()

# Django's debug mode stays off, also in development: clients get our errors instead of debug pages (stack
# traces are in the log), and Django does not record every query.
DEBUG = False
DEVELOPMENT = ENV.debug
SECRET_KEY = ENV.django_secret_key
ALLOWED_HOSTS = ENV.allowed_hosts or ["localhost", "127.0.0.1", "[::1]"]
CSRF_TRUSTED_ORIGINS = ENV.csrf_trusted_origins
ROOT_URLCONF = "backend.config.urls"
WSGI_APPLICATION = "backend.config.wsgi.application"
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"

INSTALLED_APPS = [
    "backend.core",
    "backend.accounts",
    "backend.addresses",
    "backend.carts",
    "backend.catalog",
    "backend.feeds",
    "backend.notifications",
    "backend.orders",
    "backend.recommendations",
    "backend.wishlists",
    "backend.accounts.apps.ShopAdminConfig",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.messages",
    "django.contrib.postgres",
    "django.contrib.sessions",
    "whitenoise.runserver_nostatic",
    "django.contrib.staticfiles",
    "corsheaders",
    "gqlauth",
    "health_check",
    "mptt",
    "ninja",
    "strawberry_django",
]
MIDDLEWARE = [
    "backend.core.middleware.observe_requests",
    "backend.core.middleware.free_requests",
    "backend.core.middleware.accept_scrapes",
    "django.middleware.security.SecurityMiddleware",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "backend.core.middleware.send_content_policy",
    "backend.core.error_pages.show_error_pages",
    "backend.core.middleware.forbid_caching",
    "backend.core.middleware.complete_errors",
    "corsheaders.middleware.CorsMiddleware",
    # After CORS, so that pages of other origins can read the refusal. Preflight requests are not counted.
    "backend.core.request_limits.limit_requests",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "backend.core.middleware.support_head",
    "backend.core.middleware.RefuseMethods",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "backend.core.middleware.limit_uploads",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
]
TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
            ]
        },
    }
]

# Accounts
AUTH_USER_MODEL = "accounts.User"
AUTH_PASSWORD_VALIDATORS = [
    {
        "NAME": "django.contrib.auth.password_validation.UserAttributeSimilarityValidator",
        "OPTIONS": {"user_attributes": ("email", "name")},
    },
    {"NAME": "django.contrib.auth.password_validation.MinimumLengthValidator"},
    {"NAME": "django.contrib.auth.password_validation.CommonPasswordValidator"},
    {"NAME": "django.contrib.auth.password_validation.NumericPasswordValidator"},
    {"NAME": "backend.accounts.password_hashing.OpaqueStringValidator"},
]
PASSWORD_HASHERS = [
    "django.contrib.auth.hashers.Argon2PasswordHasher",
    "django.contrib.auth.hashers.PBKDF2PasswordHasher",
]
ACCESS_TOKEN_LIFETIME = timedelta(minutes=10)
REFRESH_TOKEN_LIFETIME = timedelta(days=30)
# Long enough for parallel tabs and for repeating a request whose response was lost.
REFRESH_REUSE_INTERVAL = timedelta(seconds=10)
# A session ends after this time, however often its tokens are refreshed.
SESSION_LIFETIME = timedelta(days=90)
# gqlauth provides UserStatus only; access and refresh tokens are our own.
GQL_AUTH = GqlAuthSettings(
    LOGIN_REQUIRE_CAPTCHA=False,
    REGISTER_REQUIRE_CAPTCHA=False,
    SEND_ACTIVATION_EMAIL=False,
    JWT_EXPIRATION_DELTA=ACCESS_TOKEN_LIFETIME,
    JWT_REFRESH_EXPIRATION_DELTA=REFRESH_TOKEN_LIFETIME,
)

# PostgreSQL
# Search tolerates misspellings: 0.5 matches a word of five letters with one wrong letter, and few unrelated
# words.
_SEARCH_OPTION = "-c pg_trgm.word_similarity_threshold=0.5"
DATABASES: dict[str, dict[str, Any]] = {
    "default": {
        "ENGINE": "django.db.backends.postgresql",
        "NAME": ENV.db_name,
        "USER": ENV.db_user,
        "PASSWORD": ENV.db_password,
        "HOST": ENV.db_host,
        "PORT": ENV.db_port,
        "CONN_MAX_AGE": 600,
        "CONN_HEALTH_CHECKS": True,
        "OPTIONS": {
            # libpq raises 1 to 2 seconds. A request does not wait longer for a connection.
            "connect_timeout": 1,
            "options": f"{_SEARCH_OPTION} -c statement_timeout={ENV.db_statement_timeout}s",
        },
    }
}
# A server that exceeds its own statement timeout is frozen: see core/db_watch.py.
DB_SILENCE_SECONDS = ENV.db_statement_timeout + 1
if not ENV.db_host:
    # psycopg2 would try the default socket of this machine, where another PostgreSQL may listen.
    DATABASES["default"]["OPTIONS"]["connection_factory"] = refuse_connection
elif ENV.db_statement_timeout:
    DATABASES["default"]["OPTIONS"]["connection_factory"] = WatchedConnection
if ENV.db_replica_host:
    # See core/replica/.
    DATABASES["replica"] = DATABASES["default"] | {
        "ENGINE": "backend.core.replica",
        "HOST": ENV.db_replica_host,
        "PORT": ENV.db_replica_port,
        # A query on a broken connection runs on the primary.
        "CONN_HEALTH_CHECKS": False,
        "OPTIONS": {
            "connect_timeout": 1,
            "options": f"{_SEARCH_OPTION} -c statement_timeout={REPLICA_STATEMENT_SECONDS}s",
            "connection_factory": WatchedReplicaConnection,
        },
        "TEST": {"MIRROR": "default"},
    }
    DATABASE_ROUTERS = ["backend.core.replica.routing.Router"]

# Redis: the cache and Celery's broker, separated by key prefixes
# Without an address, Redis counts as down, and the path says why in the error message.
REDIS_URL = ENV.redis_url or "unix:///REDIS_URL-is-not-set"
CELERY_BROKER_URL = ENV.celery_broker_url or REDIS_URL.replace("unix:", "redis+socket:")
CACHES: dict[str, dict[str, Any]] = {
    "default": {
        "BACKEND": "django.core.cache.backends.redis.RedisCache",
        # A list, since Django splits a text at commas.
        "LOCATION": [REDIS_URL],
        "KEY_PREFIX": "lavka",
        "OPTIONS": {
            "socket_connect_timeout": 1,
            "socket_timeout": 1,
            # Reopen a connection that Redis has closed, once. The client's default retries three times, for
            # 15 seconds in all.
            "retry": Retry(NoBackoff(), 1, supported_errors=(RedisConnectionError,)),
        },
    }
}
CELERY_TASK_ACKS_LATE = True
CELERY_TASK_IGNORE_RESULT = True
CELERY_WORKER_HIJACK_ROOT_LOGGER = False
CELERY_BROKER_CONNECTION_RETRY_ON_STARTUP = True
# Without a limit. By default a worker ends after 100 attempts.
CELERY_BROKER_CONNECTION_MAX_RETRIES = None
# Without this, an error that Redis returns, for example because its memory is full, ends the worker.
CELERY_BROKER_CHANNEL_ERROR_RETRY = True
# In seconds, and milliseconds. Each system has some of them: only Linux has TCP_USER_TIMEOUT, and macOS has
# TCP_KEEPALIVE instead of TCP_KEEPIDLE.
_KEEPALIVE_OPTIONS = {
    "TCP_KEEPIDLE": 5,
    "TCP_KEEPALIVE": 5,
    "TCP_KEEPINTVL": 2,
    "TCP_KEEPCNT": 3,
    "TCP_USER_TIMEOUT": 10_000,
}
# No retries, so that no request waits for the broker. Beat enqueues failed tasks again.
CELERY_BROKER_TRANSPORT_OPTIONS: dict[str, Any] = {
    "socket_connect_timeout": 1,
    "socket_timeout": 2,
    # A worker waits for tasks without a timeout. These end its connection to a frozen server, after 6 to 11
    # seconds, and to a host that has vanished.
    "health_check_interval": 5,
    "socket_keepalive": True,
    "socket_keepalive_options": {
        getattr(socket, name): value for name, value in _KEEPALIVE_OPTIONS.items() if hasattr(socket, name)
    },
    "max_retries": 0,
}
if is_sentinel_url(REDIS_URL):
    CACHES["default"]["OPTIONS"]["pool_class"] = "backend.core.redis_sentinels.SentinelPool"
    CELERY_BROKER_TRANSPORT_OPTIONS |= {
        "master_name": parse_sentinel_url(REDIS_URL).master,
        "sentinel_kwargs": SENTINEL_OPTIONS,
    }

CELERY_BEAT_SCHEDULE = PERIODIC_TASKS

# Mail
EMAIL_HOST = ENV.smtp_server_addr
EMAIL_PORT = ENV.smtp_port
EMAIL_HOST_USER = ENV.smtp_from_mail
EMAIL_HOST_PASSWORD = ENV.smtp_from_password
EMAIL_USE_TLS = ENV.smtp_security == "starttls"
EMAIL_USE_SSL = ENV.smtp_security == "tls"
EMAIL_TIMEOUT = 10
DEFAULT_FROM_EMAIL = ENV.smtp_from_mail

# Files
MEDIA_ROOT = ENV.data_dir / "media"
SAMPLES_DIR = PROJECT_DIR / "samples"
# Absolute URLs, since the React application and mails are not served by the shop's host.
PUBLIC_URL = ENV.public_url or (f"http://localhost:{ENV.port}" if DEVELOPMENT else "")
MEDIA_URL = f"{PUBLIC_URL}/media/"
# Links in mails.
STOREFRONT = ENV.storefront
STOREFRONT_URL = ENV.storefront_url or (PUBLIC_URL if STOREFRONT else "")
STATIC_URL = "/static/"
# Debian's slim images lack these types.
mimetypes.add_type("image/webp", ".webp")
mimetypes.add_type("image/avif", ".avif")
# In development static files are served from the source directories.
STATIC_ROOT = None if DEVELOPMENT else PROJECT_DIR / "staticfiles"
STORAGES: dict[str, Any] = {
    "default": {"BACKEND": "backend.core.media.storage.LocalStorage"},
    "staticfiles": {"BACKEND": "whitenoise.storage.CompressedStaticFilesStorage"},
}
MEDIA_THROUGH_SHOP = False
if ENV.object_storage_url:
    # In development the shop serves the pictures, since browsers may be unable to resolve the bucket's host.
    _own_url = MEDIA_URL
    _public_url = ENV.object_storage_public_url or (_own_url if DEVELOPMENT else ENV.object_storage_address)
    MEDIA_URL = f"{_public_url.rstrip('/')}/"
    MEDIA_THROUGH_SHOP = _own_url == MEDIA_URL
    STORAGES["default"] = {
        "BACKEND": "backend.core.media.object_storage.ObjectStorage",
        "OPTIONS": {
            "url": ENV.object_storage_url,
            "region": ENV.object_storage_region,
            "key_id": ENV.object_storage_key_id,
            "secret_key": ENV.object_storage_secret_key,
            "bucket": ENV.object_storage_bucket,
            "addressing": ENV.object_storage_addressing,
            "public_url": MEDIA_URL,
        },
    }
    if ENV.object_storage_static:
        STATIC_URL = f"{MEDIA_URL}static/"
        STORAGES["staticfiles"] = {
            "BACKEND": "backend.core.media.object_storage.ObjectStorage",
            "OPTIONS": STORAGES["default"]["OPTIONS"] | {"location": "static"},
        }
WHITENOISE_USE_FINDERS = DEVELOPMENT
# Their names contain the digests of their contents.
WHITENOISE_IMMUTABLE_FILE_TEST = r"/storefront/assets/"

# The shop
SHOP_CURRENCY = ENV.shop_currency
SHOP_COUNTRY = ENV.shop_country
SHOP_LANGUAGE = ENV.shop_language
# Of messages and mails to people without an account whose Accept-Language accepts none of LANGUAGES.
DEFAULT_LANGUAGE = ENV.default_language
ORDER_REQUIRE_DELIVERY = ENV.order_require_delivery
PAYMENT_PROVIDERS = ENV.payment_providers
PAYMENT_SECRETS = ENV.payment_secrets
GUEST_ORDERS = ENV.guest_orders

# The two APIs
CORS_ALLOWED_ORIGINS = ENV.cors_allowed_origins
# In development, a React application may run on any port of this machine.
CORS_ALLOWED_ORIGIN_REGEXES = [r"^https?://(localhost|127\.0\.0\.1|\[::1\])(:\d+)?$"] if DEVELOPMENT else []
CORS_ALLOW_HEADERS = [*ALLOWED_HEADERS, *ENV.cors_allowed_headers]
CORS_EXPOSE_HEADERS = EXPOSED_HEADERS
CORS_URLS_REGEX = r"^/(?!admin/).*$"
SWAGGER_PERMISSION = ENV.swagger_permission
GRAPHIQL = ENV.graphiql
GRAPHQL_INTROSPECTION = ENV.graphql_introspection
GRAPHQL_COMPILED_EXECUTOR = ENV.graphql_compiled_executor
GRAPHQL_PERSISTED_QUERIES = ENV.graphql_persisted_queries
# Documents of all clients in Redis: at most 32 MB. A storefront has about 50.
GRAPHQL_MAX_PERSISTED_QUERIES = 1000
# See core/response_cache/README.md.
CATALOG_CACHE_SECONDS = ENV.catalog_cache_seconds
NEW_PRODUCT_DAYS = ENV.new_product_days
# Memory for cached responses in each web process: 190 to 375 lists of 20 products. Others come from Redis.
# A worker grows to 147 to 151 MB with 8 MB, and to 178 MB with 32 MB (measured). The goal is at most 150 MB.
RESPONSE_CACHE_BYTES = 5 * 1024 * 1024
# Responses that are stored in Redis within CATALOG_CACHE_SECONDS. Up to twice as many are there at a time.
RESPONSE_CACHE_REDIS_BYTES = 64 * 1024 * 1024
# The tree of 10,000 categories is smaller. A process with such a response has memory for few others.
RESPONSE_CACHE_MAX_BODY_BYTES = 4 * 1024 * 1024
# A full introspection query has 1.5 KB, a query of every field, three levels deep, 5 KB, and a query with
# the maximum number of tokens about 12 KB.
GRAPHQL_MAX_DOCUMENT_BYTES = 32 * 1024
# Estimated memory of the parsed documents in each process: about 150 documents of 150 tokens each.
GRAPHQL_DOCUMENT_CACHE_BYTES = 16 * 1024 * 1024
# A full cart of 200 lines has about 600 values; 10,000 take up to 0.1 seconds of CPU to coerce.
GRAPHQL_MAX_VARIABLE_VALUES = 10_000
GRAPHQL_MAX_ERRORS = 10
GRAPHQL_MAX_DEPTH = 15
GRAPHQL_MAX_ALIASES = 30
GRAPHQL_MAX_TOKENS = 2000
# See core/graphql/limits/. The tree of 5,000 categories and a cart of 200 lines cost less.
GRAPHQL_MAX_COST = 50_000
# The size of a response. Long descriptions reach it sooner than the number of fields.
GRAPHQL_MAX_RESPONSE_BYTES = 2_000_000
GRAPHQL_MAX_MUTATIONS = 5
# As many as aliases. A document can also repeat fields without an alias.
GRAPHQL_MAX_ROOT_FIELDS = 30
# The maximum number of lines in a cart, which is the longest list that an argument accepts.
GRAPHQL_MAX_LIST_ITEMS = 200
# Requests per minute. See core/request_limits.py.
RATE_LIMIT_PER_ADDRESS = ENV.rate_limit_per_address
RATE_LIMIT_PER_ACCOUNT = ENV.rate_limit_per_account
DATA_UPLOAD_MAX_MEMORY_SIZE = 1024 * 1024
# Requests of staff to the admin, for example with a dozen pictures.
STAFF_UPLOAD_MAX_BYTES = 256 * 1024 * 1024

# Transport
BEHIND_PROXY = ENV.behind_tls_proxy
TRUSTED_PROXIES = ENV.trusted_proxies
if BEHIND_PROXY:
    SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https")
    SECURE_SSL_REDIRECT = True
    SECURE_HSTS_SECONDS = 31_536_000
    # HSTS applies to this host only, since other subdomains may lack TLS. `check --deploy` recommends
    # SECURE_HSTS_INCLUDE_SUBDOMAINS and SECURE_HSTS_PRELOAD.
    SILENCED_SYSTEM_CHECKS = ["security.W005", "security.W021"]
    SECURE_REDIRECT_EXEMPT = [r"^health/", r"^metrics$"]
SESSION_COOKIE_SECURE = CSRF_COOKIE_SECURE = BEHIND_PROXY
CSRF_FAILURE_VIEW = "backend.core.error_pages.refuse_form"

# Operations
METRICS_TOKEN = ENV.metrics_token

# Languages and time
# The language of the texts in the code, and of logs and commands.
LANGUAGE_CODE = "en"
LOCALE_PATHS = [PROJECT_DIR / "backend" / "locale"]
LANGUAGES = [("en", "English"), ("ru", "Русский")]
TIME_ZONE = "UTC"
USE_TZ = True

LOGGING = make_logging_settings(ENV.log_level, ENV.log_format)

if ENV.sentry_dsn:
    # This package and those of tracing take memory and time to import.
    from backend.config.sentry import start_sentry

    start_sentry(ENV.sentry_dsn)

if ENV.otel_exporter_otlp_endpoint:
    from backend.config.tracing import start_tracing

    start_tracing(ENV.otel_exporter_otlp_endpoint)
    # After `observe_requests`, whose record names the operation.
    MIDDLEWARE.insert(1, "backend.config.tracing.trace_requests")
