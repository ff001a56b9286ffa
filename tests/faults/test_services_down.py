"""A service that is down is said clearly and at once, or is done without.

Each test starts a PostgreSQL or a Valkey of its own kind of silence: nothing listening, or a socket
that takes the connection and never answers.
"""
