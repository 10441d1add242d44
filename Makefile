# make test is all that a fresh Debian machine with Go needs: it installs what
# the tests run against (a real Redis, OpenSSL, a JDK, an editor's language
# server, a browser), then tests everything.

GO ?= go
PACKAGES = curl:curl redis-server:redis-server openssl:openssl java:default-jdk-headless gcc:gcc node:nodejs npm:npm chromium:chromium
# What npm installs: an editor's language server, and what builds and draws the console.
NPM = cmd/yiqiao/testdata/editor proxy/console/ui

.PHONY: build test check bench fuzz setup

build:
	CGO_ENABLED=0 $(GO) build -trimpath -ldflags "-s -w" -o yiqiao ./cmd/yiqiao

test: setup check
	$(GO) test -race -timeout 20m ./...
	$(GO) test -run "Allocations|InFlight|PowerCut|Gate" ./proxy ./transform/... ./proxy/store/disk

check:
	@test -z "$$(gofmt -l .)" || { echo "not gofmt-ed:"; gofmt -l .; exit 1; }
	$(GO) vet ./...
	$(GO) run ./cmd/yiqiao check
	$(GO) run ./cmd/yiqiao test

# One run, three programs for one job: floor (the unavoidable passes), product,
# naive. Ratios count; bench.json holds the figures.
bench:
	YIQIAO_BENCH_JSON=$(CURDIR)/bench.json $(GO) test -run xxx -bench "^Benchmark(HotPath|Validation)$$" -benchtime 1s -count=1 ./proxy

FUZZ = transform/sheet:FuzzRows transform/columns:FuzzRecord transform/event:FuzzJSON transform/event:FuzzDecode transform/event:FuzzShorten transform/event:FuzzXML transform/event:FuzzMultipart transform/event:FuzzForm transform/event:FuzzKeyValue transform/event:FuzzRows transform/event:FuzzEncoding transform:FuzzApply transform:FuzzLoad transform:FuzzExpression transform:FuzzReadCapture transform:FuzzPropose transform:FuzzPolygon transform:FuzzIDCard transform:FuzzPlate transform:FuzzDict \
	transform/spec:FuzzCheckJSON proxy:FuzzReadEntry proxy:FuzzConfig proxy/device:FuzzParts proxy/seal:FuzzOpen proxy/seal:FuzzKeys proxy/platform:FuzzJudge proxy/platform:FuzzDictionary proxy/store/disk:FuzzReadRecord
FUZZTIME ?= 60s

fuzz:
	for f in $(FUZZ); do $(GO) test -run xxx -fuzz "^$${f##*:}$$" -fuzztime $(FUZZTIME) -fuzzminimizetime 100x ./$${f%%:*} || exit 1; done

setup:
	@missing=""; for p in $(PACKAGES); do command -v $${p%%:*} >/dev/null || missing="$$missing $${p##*:}"; done; \
	if [ -n "$$missing" ]; then \
		echo "installing$$missing"; \
		sudo=""; [ "$$(id -u)" = 0 ] || sudo=sudo; \
		$$sudo apt-get update -qq && DEBIAN_FRONTEND=noninteractive $$sudo apt-get install -y -qq --no-install-recommends $$missing; \
	fi
	@for dir in $(NPM); do cmp -s $$dir/package-lock.json $$dir/node_modules/.installed || \
		( cd $$dir && npm ci --ignore-scripts --no-audit --no-fund && cp package-lock.json node_modules/.installed ) || exit 1; done
