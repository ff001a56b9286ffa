"""An executor that runs a validated GraphQL operation as one generated Python function."""

from backend.core.graphql.compiled.executor import CompiledExecutor

__all__ = ["CompiledExecutor"]
