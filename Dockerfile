# Pages, then server, then a small image that runs as a user without rights and keeps everything below /data.

FROM node:20-bookworm-slim AS pages
WORKDIR /build/frontend
COPY frontend/package.json frontend/package-lock.json frontend/.npmrc ./
RUN npm ci --no-audit --no-fund
COPY frontend/ ./
RUN npm run build

FROM rust:1.95-bookworm AS server
WORKDIR /build
COPY Cargo.toml Cargo.lock build.rs ./
# the manifest names the benchmarks, so their sources must be there
COPY benches/ benches/
COPY src/ src/
COPY migrations/ migrations/
COPY policies/ policies/
COPY --from=pages /build/frontend/dist/ frontend/dist/
RUN cargo build --locked --release --bin bedside --bin bedside-verify

FROM debian:12-slim
RUN useradd --system --uid 10001 --home-dir /data --shell /usr/sbin/nologin bedside \
    && install -d -o bedside -g bedside -m 0700 /data
COPY --from=server /build/target/release/bedside /build/target/release/bedside-verify /usr/local/bin/
COPY LICENSE /usr/share/doc/bedside/LICENSE
USER bedside
# The defaults of `bedside serve` are relative: data/bedside.db, data/recordings, data/keys. From here they are /data/….
WORKDIR /
VOLUME /data
EXPOSE 8080/tcp 8081/udp
STOPSIGNAL SIGTERM
# There is no curl here; bash opens the connection itself. /healthz answers under any host name.
HEALTHCHECK --interval=30s --timeout=5s --start-period=10s --retries=3 \
    CMD ["bash", "-c", "exec 3<>/dev/tcp/127.0.0.1/8080 && printf 'GET /healthz HTTP/1.0\\r\\n\\r\\n' >&3 && IFS= read -r line <&3 && [[ $line == *' 200 '* ]]"]
ENTRYPOINT ["bedside"]
CMD ["serve"]
