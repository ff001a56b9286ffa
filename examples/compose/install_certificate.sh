#!/bin/sh
# The deploy hook of certbot: install a new certificate and let nginx read it. 101 is nginx's group in its container.
set -eu
cd "$(dirname "$0")/../.."
install --mode 644 "$RENEWED_LINEAGE/fullchain.pem" var/certificates/fullchain.pem
install --mode 640 --group 101 "$RENEWED_LINEAGE/privkey.pem" var/certificates/privkey.pem
docker compose exec -T nginx nginx -s reload
