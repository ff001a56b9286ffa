"""Memory of a web process: the garbage collector and the allocator of the C library."""

import ctypes
import gc

# New objects after which the garbage collector runs: those of several large responses.
GC_THRESHOLD = 50_000

# Larger blocks, such as a response with the whole category tree, get a mapping of their own.
MAPPED_BYTES = 128 * 1024

# Parameters of `mallopt`, from glibc's malloc.h.
_M_TRIM_THRESHOLD = -1
_M_MMAP_THRESHOLD = -3
_M_ARENA_MAX = -8


def tune_garbage_collection() -> None:
    """Search the objects of requests for garbage, after many of them, and not the loaded modules.

    Requests free nearly all of their objects without the collector. By default it searches everything many
    times in each larger request.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(GC_THRESHOLD)


def tune_allocator() -> None:
    """Make glibc use one heap, and return large blocks to the system when they are freed.

    By default each thread has a heap of its own, and once a block of up to 32 MB has been freed, blocks of
    this size are taken from the heaps, which grow as they become fragmented. Must be called before threads
    are started. Other C libraries, such as musl, are left alone.
    """
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is not None:
        mallopt(_M_ARENA_MAX, 1)
        mallopt(_M_MMAP_THRESHOLD, MAPPED_BYTES)
        mallopt(_M_TRIM_THRESHOLD, MAPPED_BYTES)
