# syntax=docker/dockerfile:1

# --- build --------------------------------------------------------------------
FROM rust:1.95-slim-bookworm AS build

# libssl-dev and pkg-config: libpq's TLS. All other C code is part of the crates.
RUN apt-get update \
 && apt-get install --yes --no-install-recommends libssl-dev pkg-config \
 && rm -rf /var/lib/apt/lists/*

WORKDIR /numeneon

# The dependencies, in a layer of their own, which is rebuilt only when Cargo.lock or a
# manifest changes. The source files here are empty placeholders.
COPY Cargo.toml Cargo.lock ./
COPY fuzz/Cargo.toml fuzz/
COPY tools/Cargo.toml tools/
RUN mkdir -p src fuzz/src/bin tools/src \
 && touch src/lib.rs fuzz/src/lib.rs fuzz/src/bin/numeneon-fuzz.rs tools/src/lib.rs \
 && printf 'fn main() {}\n' >src/main.rs \
 && cargo build --release --locked --features tls,otlp --bin numeneon

# The service itself. `touch`, because cargo compares times and the real files may be older
# than the placeholders.
COPY . .
RUN touch src/lib.rs src/main.rs \
 && cargo build --release --locked --features tls,otlp --bin numeneon \
 && strip target/release/numeneon

# --- run ----------------------------------------------------------------------
FROM debian:bookworm-slim

# libssl3: libpq's TLS. ca-certificates: the authorities that TLS clients trust.
RUN apt-get update \
 && apt-get install --yes --no-install-recommends ca-certificates libssl3 \
 && rm -rf /var/lib/apt/lists/* \
 && useradd --uid 10001 --no-create-home --shell /usr/sbin/nologin numeneon \
 && install --directory --owner=numeneon --group=numeneon /data

COPY --from=build /numeneon/target/release/numeneon /usr/local/bin/

# A number, so that an orchestrator can verify that it is not root.
USER 10001
# Standalone mode keeps its database and key in the working folder. With PostgreSQL and Redis
# nothing is written, so that the root file system can be read-only.
WORKDIR /data
ENV HOST=0.0.0.0 PORT=8000
EXPOSE 8000

# Liveness, not readiness: a container must not be replaced because PostgreSQL is down.
HEALTHCHECK --interval=10s --timeout=3s --start-period=30s --retries=3 CMD ["numeneon", "healthy"]

# No entrypoint, so that `docker run … numeneon migrate` and a platform's own command both
# work. As process 1 the service handles SIGTERM itself.
CMD ["numeneon", "serve"]
