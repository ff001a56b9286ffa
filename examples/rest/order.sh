#!/bin/sh
# Order a product as a guest with curl, and cancel the order: sh order.sh http://localhost:8000 HPH-004
set -eu
shop=$1
sku=$2

# Print a field of the JSON on the standard input.
field() {
    python3 -c 'import json, sys; print(json.load(sys.stdin)[sys.argv[1]])' "$1"
}
# Send a request with a JSON body. The status of a refused one is not 0, and its problem is printed.
send() {
    curl --silent --show-error --fail-with-body --max-time 10 -H 'Content-Type: application/json' "$@"
}

id=$(send "$shop/product?sku=$sku" | field id)
cart=$(send "$shop/cart" -d "{\"product_id\": $id, \"quantity\": 1}")
token=$(echo "$cart" | field token)
total=$(echo "$cart" | field total)

# With the same key, a repeated request returns the same order.
key=$(python3 -c 'import secrets; print(secrets.token_hex(16))')
order=$(send "$shop/order" -H "X-Cart-Token: $token" -H "Idempotency-Key: $key" -d '{
    "email": "guest@example.com",
    "contact": {"name": "Anna Petrova", "phone": "+7 812 555-35-35"},
    "expected_total": "'"$total"'"
}')
number=$(echo "$order" | field number)
echo "Order $number: $total, $(echo "$order" | field status)"

secret=$(echo "$order" | field token)
cancelled=$(send -X POST "$shop/order/cancel?number=$number" -H "X-Order-Token: $secret")
echo "Order $number: $(echo "$cancelled" | field status)"
