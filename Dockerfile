# docker build -t evolink-gateway .
#
# A static program on a base without shell and libraries. Everything that changes is under /data; the root may be
# read-only. Builds that must be repeatable name both bases by digest: --build-arg RUST_IMAGE=…@sha256:…
ARG RUST_IMAGE=docker.io/library/rust:1.95.0-bookworm
ARG BASE_IMAGE=gcr.io/distroless/static-debian12:nonroot

FROM ${RUST_IMAGE} AS build
WORKDIR /build
# glibc goes into the program. It reads /etc/hosts and /etc/resolv.conf by itself; other sources of names (NSS modules)
# are not in a distroless image anyway.
ENV RUSTFLAGS="-C target-feature=+crt-static"
# The dependencies are a layer of their own, built with an empty program: it holds until Cargo.lock changes. The target
# is named, so that the flags above leave macros and build scripts alone.
COPY Cargo.toml Cargo.lock ./
RUN mkdir -p src benches/gateway \
    && echo 'fn main() {}' > src/main.rs \
    && cp src/main.rs benches/gateway/main.rs \
    && touch src/lib.rs \
    && cargo build --release --locked --bin evolink-gateway --target "$(rustc --print host-tuple)"
COPY src src
# Copied files are as old as in the repository, and cargo would take the empty program for newer.
RUN find src -type f -exec touch {} + \
    && cargo build --release --locked --bin evolink-gateway --target "$(rustc --print host-tuple)" \
    && install -D "target/$(rustc --print host-tuple)/release/evolink-gateway" /out/evolink-gateway \
    && mkdir /out/data

# CA certificates, time zones, /etc/passwd, and nothing that runs.
FROM ${BASE_IMAGE}
ARG BASE_IMAGE
ARG VERSION=0.1.0
ARG REVISION=unknown
ARG CREATED=1970-01-01T00:00:00Z
ARG SOURCE=unknown
LABEL org.opencontainers.image.title="evolink-gateway" \
    org.opencontainers.image.description="OpenAI's synchronous Images API in front of Evolink's asynchronous image tasks" \
    org.opencontainers.image.licenses="Apache-2.0" \
    org.opencontainers.image.version="${VERSION}" \
    org.opencontainers.image.revision="${REVISION}" \
    org.opencontainers.image.created="${CREATED}" \
    org.opencontainers.image.source="${SOURCE}" \
    org.opencontainers.image.base.name="${BASE_IMAGE}"
COPY --from=build /out/evolink-gateway /usr/local/bin/evolink-gateway
COPY --from=build --chown=65532:65532 /out/data /data
# Large bodies would stay in glibc's arenas otherwise: docs/OPERATIONS.md, "Memory that glibc keeps".
ENV EVOLINK_GATEWAY__SERVER__LISTEN=0.0.0.0:8080 \
    EVOLINK_GATEWAY__SERVER__ADMIN_LISTEN=0.0.0.0:9090 \
    EVOLINK_GATEWAY__STATE__PATH=/data \
    EVOLINK_GATEWAY__IMAGES__PATH=/data/images \
    MALLOC_MMAP_THRESHOLD_=1048576
# A configuration mounted at /config is found: ./config/gateway.yaml is the default.
WORKDIR /
VOLUME ["/data"]
USER 65532:65532
EXPOSE 8080 9090
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=10s --timeout=6s --start-period=30s --retries=3 \
    CMD ["/usr/local/bin/evolink-gateway", "healthcheck"]
ENTRYPOINT ["/usr/local/bin/evolink-gateway"]
CMD ["serve"]
