"""Reads of the catalogue from a streaming replica of PostgreSQL.

`response_cache.respond` permits the replica for requests without credentials, and never while the replica
has not replayed the edits that the version of the catalogue counts. Within it, `use_replica` sends the
queries of a catalogue read there. Everything else reads and writes the primary.
"""

from backend.core.replica.monitor import REPLICA
from backend.core.replica.routing import get_read_alias, permit_replica, use_replica

__all__ = ["REPLICA", "get_read_alias", "permit_replica", "use_replica"]
