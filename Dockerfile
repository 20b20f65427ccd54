# syntax=docker/dockerfile:1

# --- build --------------------------------------------------------------------
FROM rust:1.95-slim-bookworm AS build

# OpenSSL's headers: TLS to PostgreSQL. All else that is C is compiled from the crates.
RUN apt-get update \
 && apt-get install --yes --no-install-recommends libssl-dev pkg-config \
 && rm -rf /var/lib/apt/lists/*

WORKDIR /numeneon

# The dependencies, in a layer of their own: built again only when Cargo.lock or a
# manifest changes. The sources here are empty stand-ins.
COPY Cargo.toml Cargo.lock ./
COPY fuzz/Cargo.toml fuzz/
COPY tools/Cargo.toml tools/
RUN mkdir -p src fuzz/src/bin tools/src \
 && touch src/lib.rs fuzz/src/lib.rs fuzz/src/bin/numeneon-fuzz.rs tools/src/lib.rs \
 && printf 'fn main() {}\n' >src/main.rs \
 && cargo build --release --locked --features tls,otlp --bin numeneon

# The service itself. Its files may be older than the stand-ins, and cargo goes by time.
COPY . .
RUN touch src/lib.rs src/main.rs \
 && cargo build --release --locked --features tls,otlp --bin numeneon \
 && strip target/release/numeneon

# --- run ----------------------------------------------------------------------
FROM debian:bookworm-slim

# libssl3: TLS to PostgreSQL. ca-certificates: whom to believe.
RUN apt-get update \
 && apt-get install --yes --no-install-recommends ca-certificates libssl3 \
 && rm -rf /var/lib/apt/lists/* \
 && useradd --uid 10001 --no-create-home --shell /usr/sbin/nologin numeneon \
 && install --directory --owner=numeneon --group=numeneon /data

COPY --from=build /numeneon/target/release/numeneon /usr/local/bin/

# By number, so that an orchestrator can see that it is not root.
USER 10001
# Without settings the database is a file here; with PostgreSQL nothing is written.
WORKDIR /data
ENV HOST=0.0.0.0 PORT=8000
EXPOSE 8000

# Alive, not ready: a container must not be replaced because PostgreSQL is away.
HEALTHCHECK --interval=10s --timeout=3s --start-period=30s --retries=3 CMD ["numeneon", "healthy"]

# No entrypoint, so that `docker run … numeneon migrate` and a platform's own
# command work alike. The service takes SIGTERM as process 1.
CMD ["numeneon", "serve"]
