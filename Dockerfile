FROM golang:1.26 AS build
WORKDIR /src
COPY go.mod go.sum ./
RUN go mod download
COPY . .
RUN CGO_ENABLED=0 go build -trimpath -ldflags "-s -w" -o /yiqiao ./cmd/yiqiao
# The folders of a site and of data, owned by the user that the process runs as.
RUN mkdir -p /rootfs/site /rootfs/data /rootfs/tmp && chown -R 65532:65532 /rootfs

FROM scratch
COPY --from=build /etc/ssl/certs/ca-certificates.crt /etc/ssl/certs/
COPY --from=build --chown=65532:65532 /rootfs/ /
COPY --from=build /yiqiao /yiqiao
USER 65532:65532
WORKDIR /site
EXPOSE 8080
HEALTHCHECK --interval=15s --timeout=5s --start-period=10s CMD ["/yiqiao", "health", "-site", "/site"]
ENTRYPOINT ["/yiqiao"]
CMD ["serve", "-site", "/site"]
