#!/usr/bin/env bash
# Makes the certificates of the TLS tests, for a hundred years. Their keys are known to everybody:
# they are for 127.0.0.1 and tests alone.
set -euo pipefail
cd "$(dirname "$0")"
names=subjectAltName=DNS:localhost,IP:127.0.0.1

own() { # NAME: a certificate that signs itself
  openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 36500 \
    -keyout "$1.key.pem" -out "$1.pem" -subj "/CN=$1" -addext "$names"
}

own first
own second
own authority
own stranger
openssl req -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes \
  -keyout client.key.pem -out client.csr -subj /CN=client
openssl x509 -req -in client.csr -CA authority.pem -CAkey authority.key.pem -CAcreateserial \
  -days 36500 -out client.pem
rm -f client.csr authority.key.pem authority.srl
