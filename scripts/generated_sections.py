"""Sections of documents that are generated from the code, between comments that name them."""

import sys
from collections.abc import Mapping
from pathlib import Path


def write_sections(page: Path, target: Path, sections: Mapping[str, str]) -> None:
    """Write a page with new content between `<!-- NAME: begin -->` and `<!-- NAME: end -->`.

    Args:
        page: the page with the sections, which must have these lines.
        target: the file to write, which may be the page itself.
        sections: the content by name. It ends with a line break.
    """
    text = page.read_text()
    for name, content in sections.items():
        begin, end = f"<!-- {name}: begin -->\n", f"<!-- {name}: end -->\n"
        before, has_begin, rest = text.partition(begin)
        _, has_end, after = rest.partition(end)
        if not (has_begin and has_end):
            sys.exit(f"{page} must contain the lines {begin.strip()} and {end.strip()}, in this order.")
        text = before + begin + content + end + after
    target.write_text(text)
