#!/bin/sh
# Generates the secrets of this installation at its first start, in a volume that only
# PostgreSQL and the instances mount. docker-compose.yml runs it as root.
set -eu
umask 077
for name in secret_key postgres_password; do
  file=/secrets/$name
  if [ ! -s "$file" ]; then
    od -An -N32 -tx1 /dev/urandom | tr -d ' \n' >"$file.new"
    mv "$file.new" "$file"
  fi
  # 10001 is the instances' user; PostgreSQL's start script reads the file as root.
  chgrp 10001 "$file"
  chmod 440 "$file"
done
