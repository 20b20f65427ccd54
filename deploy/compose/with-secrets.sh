#!/bin/sh
# Runs a command with the secrets of this installation in its environment.
set -eu
: "${SECRET_KEY:=$(cat /secrets/secret_key)}"
: "${DATABASE_URL:=postgres://numeneon:$(cat /secrets/postgres_password)@postgres/numeneon}"
export SECRET_KEY DATABASE_URL
exec "$@"
