"""The Strawberry extension that executes catalogue reads on the replica."""

from collections.abc import Iterator

from strawberry.extensions import SchemaExtension

from backend.core.graphql.context import Context
from backend.core.replica import use_replica


class ReplicaReads(SchemaExtension):
    """Execute an operation on the replica if all of its root fields read the catalogue only.

    It must follow `QueryLimits`, which finds the root fields. `use_replica` checks the request.
    """

    def on_execute(self) -> Iterator[None]:
        context = self.execution_context.context
        if isinstance(context, Context) and context.reads_only_catalogue:
            with use_replica():
                yield
        else:
            yield
