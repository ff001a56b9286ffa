"""How much memory this process takes."""

import resource
import sys


def peak_memory() -> int:
    """Return the most memory that this process has had, in megabytes."""
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    # Kilobytes on Linux, bytes on macOS.
    return peak // (1024 * 1024 if sys.platform == "darwin" else 1024)
