"""The executor class for a Strawberry schema."""

from collections.abc import Sequence
from typing import Any

from graphql import FieldNode, OperationType
from graphql.pyutils import Path
from strawberry.schema.schema import StrawberryGraphQLCoreExecutionContext

from backend.core.graphql.compiled.plans import Plan, Selection, find_plan, forget_plans
from backend.core.graphql.compiled.values import Unsupported


class CompiledExecutor(StrawberryGraphQLCoreExecutionContext):
    """Execute operations by generated functions, and by graphql-core where these cannot.

    The functions contain no error handling: if one of them raises an exception, its part of the operation is
    executed again by graphql-core, which reports the error. That part is the whole operation for a query,
    and the selection set of the payload for a mutation, whose own resolver runs only once.

    A subclass may override `complete_list` and `count_text`, which both ways of execution call, and
    `save_state` and `restore_state`.

    Attributes:
        is_enabled: false to leave every operation to graphql-core.
        uses_before_compilation: number of times that an operation is executed by graphql-core first,
            since compilation costs as much as several executions.
    """

    is_enabled = True
    uses_before_compilation = 1

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._plan: Plan | None = None
        # Arguments that the objects of a list share, by the `Arguments` of their field.
        self.arguments: dict[Any, dict[str, Any]] = {}

    def complete_list(self, nodes: Sequence[FieldNode], items: Sequence[Any]) -> Sequence[Any]:
        """Return the items of a list that are executed.

        Args:
            nodes: the nodes of the field in the document.
            items: the list that the field has returned.
        """
        return items

    def count_text(self, length: int) -> None:
        """Receive the number of characters in the strings of a part of the response."""

    def save_state(self) -> Any:
        """Return the state that an interrupted execution may change."""

    def restore_state(self, state: Any) -> None:
        """Restore the state that `save_state` has returned."""

    def execute_operation(self, serially: bool | None = None) -> Any:
        is_supported = (
            self.is_enabled
            and serially is None
            and self.abort_signal is None
            and not (self.middleware_manager and self.middleware_manager.middlewares)
            and self.hooks is None
        )
        self._plan = find_plan(self, self.uses_before_compilation) if is_supported else None
        if self._plan and self._plan.query:
            is_complete, data = self._run(self._plan.query, self.root_value, None)
            if is_complete:
                return self.finish(self.build_response(data))
        return super().execute_operation(serially)

    def collect_and_execute_subfields(
        self, return_type: Any, field_details_list: Any, path: Path, result: Any, position_context: Any
    ) -> Any:
        if self._plan and path.prev is None and self.operation.operation is OperationType.MUTATION:
            payload = self._plan.payloads.get(str(path.key))
            if payload:
                is_complete, data = self._run(payload, result, path)
                if is_complete:
                    return data
        return super().collect_and_execute_subfields(
            return_type, field_details_list, path, result, position_context
        )

    def _run(self, selection: Selection, source: Any, path: Path | None) -> tuple[bool, Any]:
        state = self.save_state()
        try:
            return True, selection(source, self, path)
        except Unsupported:
            # The resolvers will return the same kinds of values next time.
            forget_plans(self.operation)
        except Exception:  # noqa: S110  graphql-core will report the error.
            pass
        self.restore_state(state)
        return False, None

    def complete_list_value(
        self,
        return_type: Any,
        field_details_list: Any,
        info: Any,
        path: Path,
        result: Any,
        position_context: Any,
    ) -> Any:
        if isinstance(result, list | tuple):
            result = self.complete_list([details.node for details in field_details_list], result)
        return super().complete_list_value(
            return_type, field_details_list, info, path, result, position_context
        )

    def complete_leaf_value(self, return_type: Any, result: Any) -> Any:  # type: ignore[override]
        value = super().complete_leaf_value(return_type, result)
        if type(value) is str:
            self.count_text(len(value))
        return value
