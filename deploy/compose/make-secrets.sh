#!/bin/sh
# Makes the secrets of this installation at its first start and never again, in a
# volume that only PostgreSQL and the instances see. Run as root by docker-compose.yml.
set -eu
umask 077
for name in secret_key postgres_password; do
  file=/secrets/$name
  if [ ! -s "$file" ]; then
    od -An -N32 -tx1 /dev/urandom | tr -d ' \n' >"$file.new"
    mv "$file.new" "$file"
  fi
  # Read by the instances' account; PostgreSQL's start script reads it as root.
  chgrp 10001 "$file"
  chmod 440 "$file"
done
