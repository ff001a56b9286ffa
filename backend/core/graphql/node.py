"""Relay's global object identification: the interface `Node` and the queries that refetch objects."""

from collections.abc import Mapping, Sequence
from typing import Annotated, Any

import strawberry
from django.utils.translation import gettext_lazy as _
from strawberry.utils.str_converters import to_camel_case

from backend.core.errors import Invalid
from backend.core.graphql.context import Info
from backend.core.graphql.limits import Constraint, Cost
from backend.core.identifiers import decode_global_id, parse_id

MAX_NODES = 100


@strawberry.interface
class Node:
    """An object that `node` and `nodes` can refetch by its id."""

    id: strawberry.ID = strawberry.field(
        description="Opaque id, unique among the objects of all types. Clients can use it as a cache key."
    )

    @classmethod
    def load_nodes(cls, info: Info, keys: Sequence[str]) -> Mapping[str, Any]:
        """Return objects by key, without those that do not exist or are not visible to the viewer.

        The number of queries does not depend on the number of keys.

        Args:
            keys: the second arguments of `encode_global_id`; not validated.
        """
        raise NotImplementedError


@strawberry.type
class NodeQuery:
    """Queries of objects of any type."""

    @strawberry.field(
        description="The object with this id. Null if it does not exist or is not visible to the viewer.",
        directives=[Cost(field=500)],
    )
    def node(
        self, info: Info, id: Annotated[strawberry.ID, strawberry.argument(description="Id of the object.")]
    ) -> Node | None:
        return _load(info, [id])[0]

    @strawberry.field(
        description="The objects with these ids, in the same order. Null for each object that does not exist "
        "or is not visible to the viewer.",
        directives=[Cost(field=2_000, item=20)],
    )
    def nodes(
        self,
        info: Info,
        ids: Annotated[
            list[strawberry.ID],
            strawberry.argument(
                description=f"Ids of the objects, at most {MAX_NODES}.",
                directives=[Constraint(max_items=MAX_NODES)],
            ),
        ],
    ) -> list[Node | None]:
        return _load(info, ids)


def parse_object_id(text: str, type_name: str, *, field: str) -> int:
    """Parse an argument that accepts a global id or a primary key. Return 0 if the text is neither.

    Args:
        type_name: the type of the object.
        field: path of the argument, with dots.

    Raises:
        Invalid: the text is the global id of an object of another type.
    """
    decoded = decode_global_id(text)
    if decoded is None:
        return parse_id(text)
    actual_type, key = decoded
    if actual_type != type_name:
        names = [part for part in field.split(".") if not part.isdigit()]
        raise Invalid(
            _("%(argument)s must be an id of type %(type_name)s, not of type %(actual_type)s."),
            field=field,
            params={"argument": to_camel_case(names[-1]), "type_name": type_name, "actual_type": actual_type},
        )
    return parse_id(key)


def _load(info: Info, ids: Sequence[str]) -> list[Node | None]:
    decoded = [decode_global_id(text) for text in ids]
    keys: dict[str, list[str]] = {}
    for type_name, key in filter(None, decoded):
        keys.setdefault(type_name, []).append(key)
    objects: dict[tuple[str, str], Any] = {}
    for type_name, type_keys in keys.items():
        definition = info.schema.get_type_by_name(type_name)
        origin = getattr(definition, "origin", None)
        if isinstance(origin, type) and issubclass(origin, Node) and origin is not Node:
            loaded = origin.load_nodes(info, list(dict.fromkeys(type_keys)))
            objects |= {(type_name, key): value for key, value in loaded.items()}
    return [objects.get(pair) if pair else None for pair in decoded]
