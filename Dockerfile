# The image of one service. make docker-build-all builds all of them; by hand:
#
#   docker build --build-arg SERVICE=web -t iotmon/web .
#
# It needs BuildKit, which Docker has by default since version 23.

ARG GO_IMAGE=golang:1.26-alpine
ARG RUNTIME_IMAGE=alpine:3.22

FROM ${GO_IMAGE} AS build
WORKDIR /src
ENV CGO_ENABLED=0
# Where modules come from; empty leaves that to Go.
ARG GOPROXY=
COPY go.mod go.sum ./
# Kept apart from the source, so that a change of the source brings no module again. The network may fail for a moment.
RUN --mount=type=cache,target=/go/pkg/mod \
    export GOMODCACHE=/go/pkg/mod; [ -n "$GOPROXY" ] || unset GOPROXY; \
    for attempt in 1 2 3; do go mod download && exit 0; sleep $((attempt * 5)); done; exit 1
COPY cmd cmd
COPY internal internal
COPY web web
COPY configs configs
ARG SERVICE=iotmon
ARG VERSION=
RUN --mount=type=cache,target=/go/pkg/mod --mount=type=cache,target=/root/.cache/go-build \
    export GOMODCACHE=/go/pkg/mod GOCACHE=/root/.cache/go-build GOPROXY=off; \
    go build -trimpath -tags grpcnotrace -ldflags "-s -w -X iotmon/internal/app/command.version=$VERSION" -o /rootfs/app/service "./cmd/$SERVICE"
# What the final image is made of. The page's files are there for configs/web.yaml, which names them. The data directory
# belongs to the user, and so does a volume that is mounted there for the first time.
RUN set -eu; cd /rootfs; mkdir -p app/configs etc/ssl/certs usr/local/bin; \
    cp "/src/configs/$SERVICE.yaml" app/configs/; \
    if [ "$SERVICE" = web ]; then mkdir app/web; cp -R /src/web/static /src/web/templates app/web/; fi; \
    if [ -f /etc/ssl/certs/ca-certificates.crt ]; then cp /etc/ssl/certs/ca-certificates.crt etc/ssl/certs/; fi; \
    ln -s /app/service "usr/local/bin/$SERVICE"; \
    mkdir -m 0750 data; chown 65532:65532 data

# Nothing is run in this stage, so that the base may as well be one without a shell, such as scratch.
FROM ${RUNTIME_IMAGE}
ARG SERVICE=iotmon
ARG VERSION=
LABEL org.opencontainers.image.title="iotmon $SERVICE" \
      org.opencontainers.image.version="$VERSION" \
      org.opencontainers.image.licenses="MIT"
COPY --from=build /rootfs /
WORKDIR /app
# The container listens on all addresses: how its port is published decides who may reach it. Other keys are set the same way, or in /app/configs/$SERVICE.yaml.
ENV IOTMON_SERVER_ADDR=:8080 \
    IOTMON_DATA_DIR=/data \
    IOTMON_LOG_FORMAT=json
EXPOSE 8080
USER 65532:65532
# Only whether the process lives: one that waits for Kafka is not helped by being replaced. /ready says more.
HEALTHCHECK --interval=10s --timeout=5s --start-period=30s --retries=3 CMD ["/app/service", "-probe", "/health"]
ENTRYPOINT ["/app/service"]
