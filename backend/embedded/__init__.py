"""PostgreSQL, Valkey and a mail sink for development, and the process runner behind ``make up``."""
