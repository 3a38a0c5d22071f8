# docker-stat-prom in an image with nothing else in it, for linux/amd64 and linux/arm64.
#
#   docker build -t docker-stat-prom .                              for this machine
#   docker build -t docker-stat-prom --platform linux/arm64 .       for the other architecture
#
# In two steps, so that the cross compiler is fetched once for many builds:
#
#   docker build -t cts/rust-aarch64-linux-gnu:1.87 -f Dockerfile.toolchain .
#   docker build -t cts/docker-stat-prom:latest --platform linux/arm64 --build-arg TOOLCHAIN=cts/rust-aarch64-linux-gnu:1.87 .
# The image holds /licences, the texts for all that is linked in, and /sbom.cdx.json, a list of it (CycloneDX):
#
#   docker cp "$(docker create docker-stat-prom)":/sbom.cdx.json .
#
# To a host without a registry: docker save docker-stat-prom | xz > image.tar.xz, and there xz -d < image.tar.xz | docker load
ARG TOOLCHAIN=rust:1-bookworm

# What lists the parts of the program. It is made at the same time as the program, without optimisation, and made anew only when this
# line or the toolchain changes.
FROM --platform=${BUILDPLATFORM} ${TOOLCHAIN} AS sbom
RUN CARGO_PROFILE_DEV_DEBUG=0 cargo install --locked --debug --root /sbom --target-dir /tmp/sbom cargo-cyclonedx@0.5.9 && rm -rf /tmp/sbom

FROM --platform=${BUILDPLATFORM} ${TOOLCHAIN} AS build
# BuildKit says for what; a default here would win over what it says.
ARG TARGETARCH
ARG SOURCE_REVISION=
WORKDIR /build
# Only for another architecture, and only where the toolchain has no cross compiler yet.
RUN case "$TARGETARCH-$(uname -m)" in \
      amd64-aarch64) package=gcc-x86-64-linux-gnu libc=libc6-dev-amd64-cross target=x86_64-unknown-linux-gnu tool=x86_64-linux-gnu-gcc ;; \
      arm64-x86_64) package=gcc-aarch64-linux-gnu libc=libc6-dev-arm64-cross target=aarch64-unknown-linux-gnu tool=aarch64-linux-gnu-gcc ;; \
      *) exit 0 ;; \
    esac \
 && if ! command -v "$tool" >/dev/null; then \
      apt-get update && apt-get install -y --no-install-recommends "$package" "$libc" && rm -rf /var/lib/apt/lists/*; \
    fi \
 && if command -v rustup >/dev/null; then rustup target add "$target"; fi
COPY .cargo .cargo
COPY Cargo.toml Cargo.lock ./
COPY src src
COPY benches benches
COPY fixtures/demo-host.json.gz fixtures/demo-host.json.gz
COPY README.md LICENSE-MIT LICENSE-APACHE ./
COPY deploy/licences deploy/licences
# Static against glibc: no loader and no library in the image. Packed relocations make it smaller; they take glibc 2.36 (Debian 12)
# where this is built.
RUN --mount=type=cache,target=/root/.cargo/registry --mount=type=cache,target=/usr/local/cargo/registry --mount=type=cache,target=/build/target \
    case "$TARGETARCH" in \
      amd64) target=x86_64-unknown-linux-gnu gcc=x86_64-linux-gnu-gcc ;; \
      arm64) target=aarch64-unknown-linux-gnu gcc=aarch64-linux-gnu-gcc ;; \
      *) echo "no target for $TARGETARCH" >&2; exit 1 ;; \
    esac \
 && export SOURCE_REVISION="$SOURCE_REVISION" RUSTFLAGS="-C target-feature=+crt-static -C link-arg=-Wl,-z,pack-relative-relocs" \
 && case "$target" in "$(uname -m)"-*) ;; *) RUSTFLAGS="$RUSTFLAGS -C linker=$gcc" ;; esac \
 && cargo build --release --locked --target "$target" \
 && cp "target/$target/release/docker-stat-prom" /docker-stat-prom \
 && deploy/licences "$target" /licences \
 && mkdir -p /spool
COPY --from=sbom /sbom/bin/cargo-cyclonedx /usr/local/bin/
# The same for the same sources where BuildKit is given SOURCE_DATE_EPOCH.
ARG SOURCE_DATE_EPOCH
RUN --mount=type=cache,target=/root/.cargo/registry --mount=type=cache,target=/usr/local/cargo/registry \
    case "$TARGETARCH" in amd64) target=x86_64-unknown-linux-gnu ;; *) target=aarch64-unknown-linux-gnu ;; esac \
 && cargo cyclonedx --format json --spec-version 1.5 --target "$target" --no-build-deps --describe binaries -q \
 && mv docker-stat-prom_bin.cdx.json /sbom.cdx.json

FROM scratch
LABEL org.opencontainers.image.title="docker-stat-prom" \
      org.opencontainers.image.description="Prometheus exporter for Docker containers that reads cgroup v2 directly" \
      org.opencontainers.image.licenses="MIT OR Apache-2.0"
COPY --from=build /docker-stat-prom /docker-stat-prom
COPY --from=build /licences /licences
COPY --from=build /sbom.cdx.json /sbom.cdx.json
# A volume that is mounted here is at first empty and belongs to the user below: for --push_spool.
COPY --from=build --chown=65534:65534 /spool /spool
# nobody: add the group of the Docker socket with --group-add, or run as root and drop all capabilities.
USER 65534:65534
EXPOSE 12096
HEALTHCHECK --interval=30s --timeout=5s --start-period=10s CMD ["/docker-stat-prom", "--healthcheck"]
ENTRYPOINT ["/docker-stat-prom"]
