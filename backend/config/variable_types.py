"""Types of environment variables. Their errors say what is accepted, and never repeat a secret."""

import re
from typing import Annotated, Literal

from iso3166 import countries_by_alpha2
from pydantic import AfterValidator, BeforeValidator
from pydantic_settings import NoDecode

from backend.core.redis_sentinels import is_sentinel_url, parse_sentinel_url


def _require_pattern(pattern: str, accepted: str) -> AfterValidator:
    """Return a validator of a text that is empty or matches a pattern as a whole."""

    def check(value: str) -> str:
        if value and not re.fullmatch(pattern, value):
            raise ValueError(f"must be {accepted}")
        return value

    return AfterValidator(check)


def _require_patterns(pattern: str, accepted: str) -> AfterValidator:
    """Return a validator of a list whose items match a pattern as a whole."""

    def check(values: list[str]) -> list[str]:
        for value in values:
            if not re.fullmatch(pattern, value):
                raise ValueError(f"{value!r} is not {accepted}")
        return values

    return AfterValidator(check)


def _split_commas(value: object) -> object:
    if isinstance(value, str):
        return [item.strip() for item in value.split(",") if item.strip()]
    return value


def _split_pairs(value: object) -> object:
    """Return the pairs of a text such as "a=1,b=2" as a dictionary."""
    if not isinstance(value, str):
        return value
    pairs: dict[str, str] = {}
    for item in value.split(","):
        if item.strip():
            name, separator, text = item.strip().partition("=")
            # The text can be secret, so the message does not contain it.
            if not (re.fullmatch("[a-z][a-z0-9-]{0,31}", name) and separator and text) or name in pairs:
                raise ValueError(
                    "must be pairs such as name=value separated by commas, each with a different name of up "
                    "to 32 lower-case letters, digits and hyphens"
                )
            pairs[name] = text
    return pairs


CommaSeparated = Annotated[list[str], NoDecode, BeforeValidator(_split_commas)]
CommaSeparatedPairs = Annotated[dict[str, str], NoDecode, BeforeValidator(_split_pairs)]
HeaderNames = Annotated[
    CommaSeparated,
    # `token` of RFC 9110.
    _require_patterns(r"[A-Za-z0-9!#$%&'*+.^_`|~-]+", "the name of a header, such as X-Client-Version"),
]

_HOST = r"([A-Za-z0-9-]+(\.[A-Za-z0-9-]+)*|\[[0-9A-Fa-f:.]+\])"
# Browsers send origins in lower case, and they are compared as texts.
_ORIGIN_HOST = r"([a-z0-9-]+(\.[a-z0-9-]+)*|\[[0-9a-f:.]+\])(:[0-9]+)?"
Hosts = Annotated[
    CommaSeparated,
    _require_patterns(
        rf"\*|\.?{_HOST}",
        "a host name without scheme, port and path, such as shop.example.com, .example.com or *",
    ),
]
CorsOrigins = Annotated[
    CommaSeparated,
    _require_patterns(
        rf"[a-z][a-z0-9+.-]*://{_ORIGIN_HOST}",
        "an origin in lower case without path, such as https://www.example.com or http://localhost:3000",
    ),
]
CsrfOrigins = Annotated[
    CommaSeparated,
    _require_patterns(
        rf"https?://(\*\.)?{_ORIGIN_HOST}",
        "an origin in lower case without path, such as https://www.example.com or https://*.example.com",
    ),
]

MetricsToken = Annotated[
    # As a header can carry it.
    str, _require_pattern(r"[!-~]{16,200}", "16 to 200 printable ASCII characters without spaces")
]
SentryDsn = Annotated[
    str,
    _require_pattern(r"https?://[^@/\s]+@[^/\s]+/\S+", "a DSN, such as https://key@sentry.example.com/1"),
]
CollectorUrl = Annotated[
    str, _require_pattern(r"https?://[^/\s]+\S*", "a URL, such as http://collector.example.com:4318")
]
SiteUrl = Annotated[
    str, _require_pattern(r"https?://[^/]+", "a URL without a path, such as https://shop.example.com")
]
StorefrontUrl = Annotated[
    str,
    _require_pattern(
        r"https?://[^/?#\s]+(/[^?#\s]*[^/?#\s])?",
        "a URL without query, fragment and / at its end, such as https://www.example.com",
    ),
]
StorageUrl = Annotated[
    str, _require_pattern(r"https?://[^/\s]+.*", "a URL, such as https://s3.eu-central-1.amazonaws.com")
]
StorageRegion = Annotated[
    str, _require_pattern(r"[A-Za-z0-9-]+", "letters, digits and hyphens, such as eu-central-1")
]
StorageBucket = Annotated[
    str,
    _require_pattern(r"[A-Za-z0-9._-]{1,255}", "1 to 255 letters, digits, dots, underscores and hyphens"),
]


def _check_sentinel_url(url: str) -> str:
    if is_sentinel_url(url):
        parse_sentinel_url(url)
    return url


RedisUrl = Annotated[
    str,
    _require_pattern(
        r"rediss?://.*|unix:///.*|redis\+sentinel://.*",
        "a URL such as redis://:password@host:6379/0, rediss://host, unix:///path/to/socket or "
        "redis+sentinel://host:26379/name",
    ),
    AfterValidator(_check_sentinel_url),
]


def _require_country_code(code: str) -> str:
    if code not in countries_by_alpha2:
        raise ValueError("must be an ISO 3166-1 alpha-2 code in capital letters, such as RU")
    return code


CountryCode = Annotated[str, AfterValidator(_require_country_code)]

# ISO 4217 without funds, precious metals and codes for testing.
CURRENCIES = frozenset([
    "AED", "AFN", "ALL", "AMD", "AOA", "ARS", "AUD", "AWG", "AZN", "BAM", "BBD", "BDT", "BHD", "BIF",
    "BMD", "BND", "BOB", "BRL", "BSD", "BTN", "BWP", "BYN", "BZD", "CAD", "CDF", "CHF", "CLP", "CNY",
    "COP", "CRC", "CUP", "CVE", "CZK", "DJF", "DKK", "DOP", "DZD", "EGP", "ERN", "ETB", "EUR", "FJD",
    "FKP", "GBP", "GEL", "GHS", "GIP", "GMD", "GNF", "GTQ", "GYD", "HKD", "HNL", "HTG", "HUF", "IDR",
    "ILS", "INR", "IQD", "IRR", "ISK", "JMD", "JOD", "JPY", "KES", "KGS", "KHR", "KMF", "KPW", "KRW",
    "KWD", "KYD", "KZT", "LAK", "LBP", "LKR", "LRD", "LSL", "LYD", "MAD", "MDL", "MGA", "MKD", "MMK",
    "MNT", "MOP", "MRU", "MUR", "MVR", "MWK", "MXN", "MYR", "MZN", "NAD", "NGN", "NIO", "NOK", "NPR",
    "NZD", "OMR", "PAB", "PEN", "PGK", "PHP", "PKR", "PLN", "PYG", "QAR", "RON", "RSD", "RUB", "RWF",
    "SAR", "SBD", "SCR", "SDG", "SEK", "SGD", "SHP", "SLE", "SOS", "SRD", "SSP", "STN", "SVC", "SYP",
    "SZL", "THB", "TJS", "TMT", "TND", "TOP", "TRY", "TTD", "TWD", "TZS", "UAH", "UGX", "USD", "UYU",
    "UZS", "VED", "VES", "VND", "VUV", "WST", "XAF", "XCD", "XCG", "XOF", "XPF", "YER", "ZAR", "ZMW",
    "ZWG",
])  # fmt: skip


def _require_currency(code: str) -> str:
    if code not in CURRENCIES:
        raise ValueError("must be an ISO 4217 code in capital letters, such as RUB")
    return code


Currency = Annotated[str, AfterValidator(_require_currency)]

# LANGUAGES of the settings.
Language = Literal["en", "ru"]

# The text search configurations that every supported version of PostgreSQL contains.
SearchLanguage = Literal[
    "arabic", "armenian", "basque", "catalan", "danish", "dutch", "english", "finnish", "french", "german",
    "greek", "hindi", "hungarian", "indonesian", "irish", "italian", "lithuanian", "nepali", "norwegian",
    "portuguese", "romanian", "russian", "serbian", "simple", "spanish", "swedish", "tamil", "turkish",
    "yiddish",
]  # fmt: skip
