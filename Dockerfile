# Build: docker build -t payonce .
# Run:   docker run -p 127.0.0.1:8080:8080 -v payonce-data:/data payonce

FROM debian:bookworm AS build
COPY . /source
WORKDIR /source
RUN ./scripts/build.sh
# The data folder of the image, for the last stage, which has no shell to make one.
RUN mkdir -p /image/data && cp build/release/payonce config.toml /image/

FROM scratch
COPY --from=build --chown=65532:65532 /image/data /data
COPY --from=build /image/payonce /image/config.toml /
# Whom to trust when calling a gateway, a webhook or a mail server over TLS.
COPY --from=build /etc/ssl/certs/ca-certificates.crt /etc/ssl/certs/ca-certificates.crt

# 0.0.0.0 and no key are safe only because the container is the boundary: nothing reaches the port
# until somebody maps it, and whoever maps it decides to whom. Before mapping it to more than this
# host, put something in front of it that knows the callers: there are no API keys yet.
ENV PAYONCE_SERVER_LISTEN=0.0.0.0:8080 \
    PAYONCE_AUTH_ALLOW_ANONYMOUS=true \
    PAYONCE_STORAGE_DATA=/data

USER 65532:65532
VOLUME /data
EXPOSE 8080
HEALTHCHECK --interval=10s --timeout=3s --start-period=5s --retries=3 CMD ["/payonce", "healthcheck"]
ENTRYPOINT ["/payonce", "serve"]
