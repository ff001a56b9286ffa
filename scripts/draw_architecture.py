"""Write docs/architecture.md to the path $1, with its diagram drawn from the imports of the code."""

import sys
from collections import defaultdict
from pathlib import Path

import grimp

from scripts.generated_sections import write_sections

PAGE = Path("docs/architecture.md")
INTERFACES = {"graphql", "rest", "admin"}

Edges = dict[str, set[str]]


def read_imports() -> tuple[Edges, Edges]:
    """Return the packages that each package imports: from its domain modules, and from its interfaces."""
    graph = grimp.build_graph("backend", cache_dir=None)
    domain: Edges = defaultdict(set)
    interfaces: Edges = defaultdict(set)
    for module in graph.modules - {"backend"}:
        _, room, *inner = [*module.split("."), ""]
        # Everything in `api` is an interface, so its imports need no distinction.
        is_interface = room != "api" and inner[0] in INTERFACES
        # The package itself has only the version.
        for imported in graph.find_modules_directly_imported_by(module) - {"backend"}:
            other = imported.split(".")[1]
            if other != room:
                (interfaces if is_interface else domain)[room].add(other)
    return domain, interfaces


def find_reachable(edges: Edges, start: str) -> set[str]:
    """Return the packages that a package imports, directly or through others."""
    found: set[str] = set()
    pending = [start]
    while pending:
        new = edges.get(pending.pop(), set()) - found
        found |= new
        pending += new
    return found


def draw() -> str:
    """Return a Mermaid flowchart without the arrows that a path of other arrows implies."""
    domain, interfaces = read_imports()
    lines = ["flowchart TD"]
    for room in sorted(domain):
        reachable = {near: find_reachable(domain, near) for near in domain[room]}
        # Two packages that import each other imply nothing, or both would lose their arrows.
        implied = {
            far for near in reachable if room not in reachable[near] for far in reachable[near] - {near}
        }
        lines += [f"    {room} --> {other}" for other in sorted(domain[room] - implied)]
    for room in sorted(interfaces):
        known = find_reachable(domain, room)
        lines += [f"    {room} -.-> {other}" for other in sorted(interfaces[room] - known)]
    return "\n".join(["```mermaid", *lines, "```", ""])


def main() -> None:
    write_sections(PAGE, Path(sys.argv[1]), {"imports": draw()})


if __name__ == "__main__":
    main()
