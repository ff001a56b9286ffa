"""Cached responses for anonymous reads of the catalogue. See README.md beside this file."""

from backend.core.response_cache.responses import cache_responses, mark_catalogue_changed, respond

__all__ = ["cache_responses", "mark_catalogue_changed", "respond"]
