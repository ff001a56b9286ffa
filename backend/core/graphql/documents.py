"""Parsing, validation and caching of query documents."""

import re
import sys
from bisect import bisect_right
from collections import OrderedDict
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from functools import cached_property
from threading import Lock

from django.conf import settings
from django.utils.translation import gettext_lazy as _
from graphql import (
    ASTValidationRule,
    DocumentNode,
    GraphQLError,
    GraphQLSchema,
    OperationDefinitionNode,
    Source,
    SourceLocation,
    parse,
    validate,
)
from graphql.validation.rules import overlapping_fields_can_be_merged
from strawberry.extensions import SchemaExtension
from strawberry.schema.validation_rules.maybe_null import MaybeNullValidationRule
from strawberry.schema.validation_rules.one_of import OneOfInputValidationRule

from backend.core.errors import ErrorCode, TooLarge
from backend.core.graphql.persisted_queries import register_persisted_query

# graphql-core compares every pair of fields with the same response name. Its own budget of 500,000 takes
# half a second of CPU. A query with every field of the schema, three levels deep, needs less than 100,
# and one that merges twenty copies of a page less than 3,000.
overlapping_fields_can_be_merged.MAX_COMPLEXITY_BUDGET = 20_000

# Upper bound of the memory of a token. Its nodes and locations take 240 to 700 bytes with graphql-core 3.3,
# and its part of a compiled function about 400, in up to four functions per document. The values of the
# tokens can repeat the whole text beside the text itself.
_BYTES_PER_TOKEN = 2_300
_COPIES_OF_TEXT = 2
# Upper bound of the memory of the hash of a persisted query, in two places.
_BYTES_PER_HASH = 500

_NEWLINE = re.compile(r"\r\n|[\n\r]")


class IndexedSource(Source):
    """Source text that finds the line of a position by binary search.

    graphql-core locates every error by a scan of the text from its beginning, so that many errors in
    a long document take quadratic time.
    """

    @cached_property
    def _line_starts(self) -> list[int]:
        return [0, *(newline.end() for newline in _NEWLINE.finditer(self.body))]

    def get_location(self, position: int) -> SourceLocation:
        """Return the line and column of a position, both counted from 1."""
        line = bisect_right(self._line_starts, position)
        return SourceLocation(line, position + 1 - self._line_starts[line - 1])


class DocumentCache:
    """Valid documents by their text, limited by the memory that they take.

    The least recently used documents are dropped first. Invalid documents are not stored: a client
    has no reason to repeat them.

    Args:
        max_bytes: upper bound of the estimated memory of all documents together.
    """

    def __init__(self, max_bytes: int) -> None:
        self.max_bytes = max_bytes
        self.size = 0
        self._entries: OrderedDict[str, _Entry] = OrderedDict()
        self._texts: dict[str, str] = {}
        self._lock = Lock()

    def __len__(self) -> int:
        return len(self._entries)

    def get(self, text: str) -> DocumentNode | None:
        """Return the document with this text, or None if it is not stored."""
        with self._lock:
            if text not in self._entries:
                return None
            self._entries.move_to_end(text)
            return self._entries[text].document

    def find_text(self, query_hash: str) -> str | None:
        """Return the text of the persisted query with this hash, or None if it is not stored."""
        with self._lock:
            return self._texts.get(query_hash)

    def add(self, text: str, document: DocumentNode, query_hash: str | None = None) -> None:
        """Store a valid document, dropping others until all fit.

        Args:
            query_hash: the SHA-256 of the text, if the document is a persisted query.
        """
        size = _COPIES_OF_TEXT * sys.getsizeof(text) + _BYTES_PER_TOKEN * document.token_count
        with self._lock:
            entry = self._entries.setdefault(text, _Entry(document, 0))
            if not entry.size:
                self._resize(entry, size)
            if query_hash and not entry.query_hash:
                entry.query_hash = query_hash
                self._texts[query_hash] = text
                self._resize(entry, entry.size + _BYTES_PER_HASH)
            while self.size > self.max_bytes:
                _, dropped = self._entries.popitem(last=False)
                self._texts.pop(dropped.query_hash or "", None)
                self.size -= dropped.size

    def _resize(self, entry: "_Entry", size: int) -> None:
        self.size += size - entry.size
        entry.size = size


@dataclass(slots=True)
class _Entry:
    document: DocumentNode
    size: int
    query_hash: str | None = None


class DocumentLoader(SchemaExtension):
    """Parses and validates the document of a request, unless it is in the cache.

    In place of Strawberry's ParserCache and ValidationCache, which bound the number of documents and
    not their size, and which validate without a limit of errors.
    """

    def __init__(self, cache: DocumentCache) -> None:
        super().__init__()
        self._cache = cache
        self._is_cached = False

    def on_parse(self) -> Iterator[None]:
        context = self.execution_context
        text = context.query or ""
        document = self._cache.get(text)
        self._is_cached = document is not None
        if document is None:
            document = parse(IndexedSource(text), **context.parse_options)
        _check_operation(document, context._provided_operation_name)
        context.graphql_document = document
        yield

    def on_validate(self) -> Iterator[None]:
        context = self.execution_context
        errors: list[GraphQLError] = []
        if context.graphql_document and not self._is_cached:
            errors = _validate(
                context.schema._schema,
                context.graphql_document,
                (*context.validation_rules, MaybeNullValidationRule, OneOfInputValidationRule),
            )
        if context.graphql_document and not errors:
            self._store(context.query or "", context.graphql_document)
        # Strawberry validates only if this is None.
        context.pre_execution_errors = errors
        yield

    def _store(self, text: str, document: DocumentNode) -> None:
        """Cache a valid document, and register it if the client sent its hash."""
        context = self.execution_context.context
        query_hash: str | None = getattr(context, "query_hash", None)
        if not self._is_cached or query_hash is not None:
            self._cache.add(text, document, query_hash)
        if query_hash is not None and context.registers_query:
            register_persisted_query(query_hash, text)


def _validate(
    schema: GraphQLSchema, document: DocumentNode, rules: Collection[type[ASTValidationRule]]
) -> list[GraphQLError]:
    """Return the errors of a document, at most `GRAPHQL_MAX_ERRORS` and one that says so."""
    # Suggestions would disclose the names that introspection hides.
    errors = validate(
        schema,
        document,
        rules,
        max_errors=settings.GRAPHQL_MAX_ERRORS,
        hide_suggestions=not settings.GRAPHQL_INTROSPECTION,
    )
    return [
        _make_long_integer_error(error) if isinstance(error.original_error, ValueError) else error
        for error in errors
    ]


def _make_long_integer_error(error: GraphQLError) -> GraphQLError:
    """Return the error for an integer literal with more digits than Python converts."""
    return GraphQLError(
        "The number has too many digits.", error.nodes, extensions={"code": ErrorCode.OUT_OF_RANGE}
    )


def check_document_size(text: str) -> None:
    """Refuse a document that is too large to be parsed.

    Raises:
        TooLarge: the text has more than `GRAPHQL_MAX_DOCUMENT_BYTES` bytes.
    """
    size, maximum = len(text.encode()), settings.GRAPHQL_MAX_DOCUMENT_BYTES
    if size > maximum:
        raise TooLarge(
            _(
                "The query document has %(size)s bytes, at most %(maximum)s are "
                "accepted. Send values as variables."
            ),
            params={"size": size, "maximum": maximum},
        )


def _check_operation(document: DocumentNode, operation_name: str | None) -> None:
    """Refuse a request that does not say which operation of its document to run.

    Strawberry would run the first operation, a mutation too.
    """
    names = [
        definition.name.value if definition.name else None
        for definition in document.definitions
        if isinstance(definition, OperationDefinitionNode)
    ]
    if not names:
        message = "The document must contain an operation."
    elif operation_name is None and len(names) > 1:
        message = "operationName is required if the document contains several operations."
    elif operation_name is not None and operation_name not in names:
        message = "operationName must be the name of an operation in the document."
    else:
        return
    raise GraphQLError(message, extensions={"code": ErrorCode.MALFORMED})
