"""The report of a run, as Markdown and charts."""

from collections.abc import Iterable, Sequence
from pathlib import Path

from benchmarks.performance.figures import Figures, Load, Result, Setting
from benchmarks.performance.goals import list_goals
from benchmarks.performance.operations import STATIC_MS
from benchmarks.performance.plots import draw_bars

_RESULT_COLUMNS = (
    "operation",
    *("requests/s", "p50 ms", "p95 ms", "p99 ms"),
    *("CPU ms", "of it web", "of it database"),
    *("SQL queries", "baseline: CPU ms", "ratio"),
)
_LOAD_COLUMNS = ("requests/s", "p50 ms", "p99 ms", "longest ms", "CPU ms")


def write_report(figures: Figures, directory: Path) -> None:
    """Write results.md, ratios.svg and growth.svg."""
    directory.mkdir(parents=True, exist_ok=True)
    (directory / "results.md").write_text(format_report(figures))
    largest = figures.results[max(figures.results)]
    # Of the largest catalogue with which each was measured.
    last = {result.name: result for size in sorted(figures.results) for result in figures.results[size]}
    compared = [
        result for result in last.values() if result.ratio is not None and result.compared_with == "raw SQL"
    ]
    (directory / "ratios.svg").write_text(
        draw_bars(
            f"CPU time relative to raw SQL, {max(figures.results):,} products (trees: fewer)",
            "times the CPU time of the view that sends one row of JSON; red: goal",
            {result.name: {"ratio": result.ratio or 0} for result in compared},
            {result.name: result.max_ratio for result in compared if result.max_ratio},
        )
    )
    names = [result.name for result in largest if "tree" not in result.name]
    (directory / "growth.svg").write_text(
        draw_bars(
            "CPU time by number of products",
            "CPU milliseconds per request, web and database. "
            "The catalogues were measured one after the other",
            {
                name: {
                    f"{products:,} products": result.load.cpu_ms
                    for products, results in figures.results.items()
                    for result in results
                    if result.name == name
                }
                for name in names
            },
        )
    )


def format_report(figures: Figures) -> str:
    """Return results.md."""
    goals = list_goals(figures)
    sections = [
        "# Results\n\n"
        f"Written by `make bench` on {figures.date}. {figures.machine}; {figures.categories:,} categories; "
        f"medians of {figures.rounds} rounds of {figures.seconds} seconds. "
        "[README.md](README.md) says what is measured.",
        "## Goals\n\nOperations show their worst figure of all catalogues. Scaled CPU ms are those of a "
        f"machine on which the static view, measured in the same round, takes {STATIC_MS} ms. "
        "Each ratio is the median of the ratios of the rounds, which is not the ratio of the medians in the "
        "tables below.\n\n"
        + _table(
            ("goal", "measured", "limit", ""),
            (
                (
                    goal.name,
                    f"{goal.measured:.2f}",
                    f"{goal.comparison} {goal.limit:g}",
                    "kept" if goal.is_kept else "**not kept**",
                )
                for goal in goals
            ),
        ),
        "![CPU time relative to raw SQL](ratios.svg)\n\n![CPU time by number of products](growth.svg)",
        *(
            f"## {products:,} products\n\n" + _table(_RESULT_COLUMNS, map(_result_row, results))
            for products, results in figures.results.items()
        ),
    ]
    if figures.growth:
        sections.append(
            "## Catalogues of different sizes\n\nThe same requests in turns, without a web server. A ratio "
            "is the median of the ratios of the rounds, with the range of the middle half.\n\n"
            + _table(
                ("request", "compared", "CPU ms before", "after", "ratio", "range"),
                (
                    (
                        growth.name,
                        growth.compared,
                        f"{growth.before_ms:.2f}",
                        f"{growth.after_ms:.2f}",
                        f"{growth.ratio:.2f}",
                        f"{growth.low:.2f} to {growth.high:.2f}",
                    )
                    for growth in figures.growth
                ),
            )
        )
    if figures.scaling:
        sections.append(
            "## Two web processes\n\nThe load generator and PostgreSQL share the cores with the web "
            'processes. "Cores" is the CPU time of all of them per second.\n\n'
            + _table(
                ("operation", "processes", *_LOAD_COLUMNS, "cores"),
                (
                    (scaling.name, str(number), *_load_cells(load), f"{load.cores:.2f}")
                    for scaling in figures.scaling
                    for number, load in ((1, scaling.one), (2, scaling.two))
                ),
            )
        )
    if figures.memory:
        memory = figures.memory
        sections.append(
            f"## Memory\n\nThe largest worker has {memory.few_mb:.0f} MB (resident) after "
            f"{memory.few_requests:,} mixed requests and {memory.many_mb:.0f} MB after "
            f"{memory.many_requests:,}."
        )
    return "\n\n".join(sections) + "\n"


def format_goals(figures: Figures) -> str:
    """Return a line for each goal, for the terminal."""
    return "\n".join(
        f"{goal.name:80}{goal.measured:>9.2f}  {goal.comparison} {goal.limit:<6g}"
        f"{'kept' if goal.is_kept else 'NOT KEPT'}"
        for goal in list_goals(figures)
    )


def format_settings(settings: Sequence[Setting], date: str, machine: str) -> str:
    """Return settings.md: a table for each operation, and the memory."""
    sections = [
        f"# Settings of the web server\n\nWritten by `make bench-settings` on {date}. {machine}. "
        "Medians. The memory is that of the largest worker: resident, and proportional, in which shared "
        "pages are divided among the processes that share them.",
        *(
            f"## {operation}\n\n"
            + _table(
                ("setting", *_LOAD_COLUMNS),
                ((setting.name, *_load_cells(setting.loads[operation])) for setting in settings),
            )
            for operation in settings[0].loads
        ),
        "## Memory\n\n"
        + _table(
            ("setting", "resident MB", "proportional MB"),
            (
                (setting.name, f"{setting.resident:.0f}", f"{setting.proportional:.0f}")
                for setting in settings
            ),
        ),
    ]
    return "\n\n".join(sections) + "\n"


def _result_row(result: Result) -> tuple[str, ...]:
    load = result.load
    return (
        result.name,
        *(f"{load.rate:,.0f}", f"{load.p50:.1f}", f"{load.p95:.1f}", f"{load.p99:.1f}"),
        *(f"{load.cpu_ms:.2f}", f"{load.web_ms:.2f}", f"{load.database_ms:.2f}"),
        str(result.queries),
        f"{result.baseline.cpu_ms:.2f}" if result.baseline else "",
        f"{result.ratio:.2f}" if result.ratio is not None else "",
    )


def _load_cells(load: Load) -> tuple[str, ...]:
    return (
        f"{load.rate:,.0f}",
        f"{load.p50:.1f}",
        f"{load.p99:.1f}",
        f"{load.longest:.0f}",
        f"{load.cpu_ms:.2f}",
    )


def _table(header: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = [header, ["---"] * len(header), *rows]
    return "\n".join(f"| {' | '.join(cells)} |" for cells in lines)
