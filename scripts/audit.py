"""Compare pinned packages with advisories in a file, without network.

Run as ``python -m scripts.audit ADVISORIES``. ADVISORIES has records in the OSV format
(https://ossf.github.io/osv-schema): a JSON file, a directory of JSON files, or a zip archive of them, such as
the export PyPI/all.zip of https://osv.dev. Exits with status 1 if a pinned version is affected, and with
status 2 if there is no advisory to compare with.
"""

import json
import re
import sys
import zipfile
from argparse import ArgumentParser
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from packaging.utils import canonicalize_name
from packaging.version import InvalidVersion, Version

PROJECT_DIR = Path(__file__).resolve().parents[1]
_PIN = re.compile(r"(?m)^([A-Za-z0-9._-]+)==([^\s;\\]+)")

Packages = dict[str, set[str]]


def read_pins(files: list[Path]) -> Packages:
    """Return the pinned versions of each package. A package can have several, for different Pythons."""
    pins: Packages = {}
    for file in files:
        for name, version in _PIN.findall(file.read_text()):
            pins.setdefault(canonicalize_name(name), set()).add(version)
    return pins


def read_advisories(path: Path) -> Iterator[dict[str, Any]]:
    """Yield the records of a JSON file, a directory or a zip archive."""
    if path.is_dir():
        for file in sorted(path.rglob("*.json")):
            yield json.loads(file.read_bytes())
    elif zipfile.is_zipfile(path):
        with zipfile.ZipFile(path) as archive:
            for name in sorted(archive.namelist()):
                if name.endswith(".json"):
                    yield json.loads(archive.read(name))
    else:
        records = json.loads(path.read_bytes())
        yield from records if isinstance(records, list) else [records]


def is_affected(version: str, affected: Mapping[str, Any]) -> bool:
    """Return whether a version is listed, or in a range, of an entry of `affected`."""
    if version in affected.get("versions", ()):
        return True
    ranges = [part["events"] for part in affected.get("ranges", ()) if part["type"] == "ECOSYSTEM"]
    try:
        return any(_is_in_range(Version(version), events) for events in ranges)
    except InvalidVersion:
        # The list of versions is complete. Without it, somebody has to read the advisory.
        return not affected.get("versions")


def _is_in_range(version: Version, events: list[dict[str, str]]) -> bool:
    """Evaluate the events as the specification of the format says."""
    result = False
    for event in sorted(events, key=lambda event: Version(next(iter(event.values())))):
        ((kind, value),) = event.items()
        if kind == "introduced" and version >= Version(value):
            result = True
        elif (kind == "fixed" and version >= Version(value)) or (
            kind == "last_affected" and version > Version(value)
        ):
            result = False
    return result


def find_affected(pins: Packages, advisory: Mapping[str, Any]) -> Iterator[str]:
    """Yield a line for every pinned version that an advisory affects."""
    if "withdrawn" in advisory:
        return
    found: dict[tuple[str, str], set[str]] = {}
    for affected in advisory.get("affected", ()):
        package = affected.get("package", {})
        if package.get("ecosystem") != "PyPI":
            continue
        name = canonicalize_name(package["name"])
        for version in sorted(pins.get(name, ())):
            if is_affected(version, affected):
                events = (event for part in affected.get("ranges", ()) for event in part["events"])
                fixed = found.setdefault((name, version), set())
                fixed |= {event["fixed"] for event in events if re.match(r"[\d.]+$", event.get("fixed", ""))}
    for (name, version), fixed in found.items():
        identifiers = " ".join([advisory["id"], *advisory.get("aliases", ())])
        summary = advisory.get("summary") or advisory.get("details", "").partition("\n")[0]
        repair = f"Fixed in {', '.join(sorted(fixed))}." if fixed else "There is no fixed version."
        yield f"{name} {version}: {identifiers}: {summary.rstrip('.')}. {repair}"


def main(arguments: list[str] | None = None) -> int:
    parser = ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("advisories", type=Path)
    parser.add_argument(
        "--requirements", type=Path, nargs="+", default=sorted((PROJECT_DIR / "requirements").glob("*.txt"))
    )
    options = parser.parse_args(arguments)
    pins = read_pins(options.requirements)
    count = 0
    lines: set[str] = set()
    try:
        for advisory in read_advisories(options.advisories):
            count += 1
            lines.update(find_affected(pins, advisory))
    except (OSError, ValueError) as error:
        print(
            f"{options.advisories} cannot be read as advisories in the OSV format: {error}", file=sys.stderr
        )
        return 2
    if not count:
        print(f"{options.advisories} has no advisories in the OSV format.", file=sys.stderr)
        return 2
    for line in sorted(lines):
        print(line)
    print(f"{len(pins)} packages, {count} advisories, {len(lines)} affected versions.")
    return bool(lines)


if __name__ == "__main__":
    sys.exit(main())
