"""Lavka, a GraphQL e-commerce backend. CHANGELOG.md describes its releases."""

__version__ = "1.0.0"
