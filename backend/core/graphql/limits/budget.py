"""The cost and size of one request while it is executed."""

from collections.abc import Iterable, Mapping, Set

from django.conf import settings
from graphql import FieldNode

from backend.core.graphql.limits.measurement import Measurement


class Budget:
    """Cost and size of one request.

    Attributes:
        spent: cost so far: of the operation's text, and of what was charged while it was executed.
        text_length: number of characters in the strings of the response so far.
        is_mutation: true if the operation is a mutation.
        root_fields: names of the fields of the root type, skipped ones too; empty before the execution.
        selected_fields: names of the fields that the operation selects, at any depth.
    """

    spent: int = 0
    text_length: int = 0
    is_mutation: bool = False
    root_fields: Set[str] = frozenset()
    selected_fields: Set[str] = frozenset()
    _item_costs: Mapping[int, int] = {}
    # Copies, because every list of the response is checked against the settings.
    _max_cost: int = 0
    _max_length: int = 0

    def start(self, measured: Measurement) -> None:
        """Begin with the cost of the operation's text."""
        self.spent = measured.cost
        self.root_fields = measured.root_fields
        self.selected_fields = measured.selected_fields
        self.is_mutation = measured.is_mutation
        self._item_costs = measured.item_costs
        self._max_cost = settings.GRAPHQL_MAX_COST
        self._max_length = settings.GRAPHQL_MAX_RESPONSE_BYTES

    def charge(self, cost: int) -> bool:
        """Charge work that the operation's text does not bound, and return whether it may be done."""
        self.spent += cost
        return not self.is_over_budget

    def charge_items(self, nodes: Iterable[FieldNode], count: int) -> bool:
        """Charge the items of a list by the nodes of its field, and return whether they may be resolved."""
        return self.charge(count * sum(self._item_costs.get(id(node), 0) for node in nodes))

    def charge_text(self, length: int) -> None:
        """Add the characters of strings in the response."""
        self.text_length += length

    @property
    def is_over_budget(self) -> bool:
        """True if the request costs more than `GRAPHQL_MAX_COST`, or its response is too large."""
        return self.spent > self._max_cost or self.is_too_large

    @property
    def is_too_large(self) -> bool:
        """True if the strings alone exceed `GRAPHQL_MAX_RESPONSE_BYTES`."""
        return not self.is_mutation and self.text_length > self._max_length
