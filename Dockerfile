# docker-stat-prom in an image with nothing else in it, for linux/amd64 and linux/arm64.
#
#   docker build -t cts/rust-aarch64-linux-gnu:1.87 -f Dockerfile.toolchain .
#   docker build -t docker-stat-prom .                              for this machine
#   docker build -t docker-stat-prom --platform linux/arm64 .       for the other
#
# Without a registry: docker save docker-stat-prom | xz > image.tar.xz, and there xz -d < image.tar.xz | docker load
ARG TOOLCHAIN=cts/rust-aarch64-linux-gnu:1.87
FROM --platform=${BUILDPLATFORM} ${TOOLCHAIN} AS build
# BuildKit says for what; a default here would win over what it says.
ARG TARGETARCH
ARG SOURCE_REVISION=
WORKDIR /build
COPY Cargo.toml Cargo.lock ./
COPY src src
COPY benches benches
COPY fixtures/debian13-docker26.1-linux6.12 fixtures/debian13-docker26.1-linux6.12
COPY README.md ./
# Static against glibc: no loader and no library in the image. Packed relocations are 0.3 MB less; they take
# glibc 2.36 (Debian 12) where this is built.
RUN case "$TARGETARCH" in \
      amd64) target=x86_64-unknown-linux-gnu ;; \
      arm64) target=aarch64-unknown-linux-gnu ;; \
      *) echo "no target for $TARGETARCH" >&2; exit 1 ;; \
    esac \
 && export SOURCE_REVISION="$SOURCE_REVISION" RUSTFLAGS="-C target-feature=+crt-static -C link-arg=-Wl,-z,pack-relative-relocs" \
 && cargo build --release --locked --target "$target" \
 && cp "target/$target/release/docker-stat-prom" /docker-stat-prom

FROM scratch
LABEL org.opencontainers.image.title="docker-stat-prom" \
      org.opencontainers.image.description="Prometheus exporter for Docker containers that reads cgroup v2 directly" \
      org.opencontainers.image.licenses="MIT OR Apache-2.0"
COPY --from=build /docker-stat-prom /docker-stat-prom
# nobody: add the group of the Docker socket with --group-add, or run as root and drop all capabilities.
USER 65534:65534
EXPOSE 12096
HEALTHCHECK --interval=30s --timeout=5s --start-period=10s CMD ["/docker-stat-prom", "--healthcheck"]
ENTRYPOINT ["/docker-stat-prom"]
