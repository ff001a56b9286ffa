"""The headers that pages of other origins may send and read."""

ALLOWED_HEADERS = [
    "accept",
    "authorization",
    "cache-control",
    "content-type",
    "idempotency-key",
    "if-none-match",
    "x-cart-token",
    "x-order-token",
    "x-request-id",
    "x-requested-with",
    # GraphQL clients: Apollo, and GraphQL Hive's plugins for Relay and urql.
    "apollo-require-preflight",
    "apollographql-client-name",
    "apollographql-client-version",
    "graphql-client-name",
    "graphql-client-version",
    "graphql-preflight",
    "x-apollo-operation-id",
    "x-apollo-operation-name",
    "x-apollo-operation-type",
    "x-graphql-client-name",
    "x-graphql-client-version",
    # Tracing: W3C Trace Context and Baggage (OpenTelemetry), and Sentry.
    "baggage",
    "sentry-trace",
    "traceparent",
    "tracestate",
]
EXPOSED_HEADERS = ["ETag", "RateLimit", "RateLimit-Policy", "Retry-After", "X-Request-ID"]
