# Tasks of this repository. `make help` lists them.
#
# The product is built without cgo. Only tests with the race detector need cgo.
export CGO_ENABLED = 0

# Without the templates of its library for command lines the program is a tenth smaller, because the
# linker can leave out more methods. With TAGS=urfave_cli_no_template,noembed it has no NATS server inside.
TAGS = urfave_cli_no_template
export GOFLAGS := $(strip $(GOFLAGS) -tags=$(TAGS))

# The checks run with the build flags of the tests, so that packages are compiled once for all. By
# default, a test binary sleeps for a second before it exits, so that goroutines can still show races.
# The tests leave no goroutines behind, and check that.
CHECKED = CGO_ENABLED=1 GOFLAGS='$(strip $(GOFLAGS) -race)' GORACE='$(strip $(GORACE) atexit_sleep_ms=0)'

# Compilers and checkers collect garbage less often. They then need at most 0.6 GB instead of 0.3, a
# tenth less CPU time for compiling, and half as much for staticcheck.
RARE_GC = GOGC=400

SHELL      = /bin/bash
GO         = go
TOOL       = $(GO) tool -modfile=tools/go.mod
TEST_LIMIT = 10m
TEST_PACKAGES = 4
FUZZTIME   = 5m
SOAK_TIME  = 10m
SOAK_ARGS  =
TARGETS    = linux/amd64 linux/arm64 linux/arm darwin/amd64 darwin/arm64 windows/amd64 freebsd/amd64

.PHONY: help ui ui-check build cluster build-all setup lint vet staticcheck format test race bench bench-check openapi-check acme-check observe-test observe-check clients-check release-check fuzz soak clean

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-12s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

build: ## build the server for this machine, as ./boreas
	TAGS=$(TAGS) scripts/program.sh $$($(GO) env GOOS)/$$($(GO) env GOARCH) boreas$$($(GO) env GOEXE)

cluster: build ## start three nodes of a cluster on this machine, until Ctrl-C; see docs/cluster.md
	@scripts/cluster.sh

build-all: ## build the server for every platform, in dist/
	TAGS=$(TAGS) scripts/build-all.sh $(TARGETS)

setup: ## install the programs that the tests need, and list them
	scripts/setup.sh

lint: vet staticcheck format ## run vet, staticcheck and gofumpt

vet:
	$(CHECKED) $(RARE_GC) $(GO) vet ./...

staticcheck:
	staticcheck=$$($(RARE_GC) $(TOOL) -n staticcheck) && $(CHECKED) $(RARE_GC) $$staticcheck ./...

format:
	@unformatted=$$($(TOOL) gofumpt -l .) || exit 1; \
	if [ -n "$$unformatted" ]; then \
		echo "not formatted; run '$(TOOL) gofumpt -w .':"; echo "$$unformatted"; exit 1; \
	fi

test: setup ## set up, lint, and run every test under the race detector
	@scripts/test.sh

# With TEST_REAL_CLIENTS=1, a test that lacks curl, wsdump or node fails. Without it, the test is
# skipped. Vet is off, because `make vet` checks more. More packages run at once than there are
# processors, because the tests of several nodes mostly wait: for elections, and for silence.
race:
	$(CHECKED) TEST_REAL_CLIENTS=1 $(GO) test -vet=off -p $(TEST_PACKAGES) -timeout $(TEST_LIMIT) ./...

bench: ## compare Boreas with its alternatives; see bench/README.md
	cd bench && $(GO) run .

# Without optimization, the libraries of the other servers compile in half the time.
bench-check: FAST = -gcflags='github.com/...=-N -l'
bench-check: # the benchmarks are a module of their own, which ./... does not include
	cd bench && $(CHECKED) $(RARE_GC) $(GO) vet $(FAST) ./... && $(CHECKED) $(GO) test $(FAST) -vet=off ./...

openapi-check: # the description of the API; its validator is a module of its own too
	cd api/openapitest && $(CHECKED) $(RARE_GC) $(GO) vet ./... && $(CHECKED) $(GO) test -vet=off -count=1 ./...

ui: setup ## build the operator's page, ui/dist, from ui/src
	cd ui && node build.mjs

ui-check: # the built files in the repository are those of the sources
	@cd ui && node_modules/.bin/tsc && built=$$(mktemp -d) && trap 'rm -rf "$$built"' EXIT && node build.mjs "$$built" && \
	if ! diff -rq dist "$$built" || ! diff -q preact/LICENSE node_modules/preact/LICENSE; then echo "ui: the files differ from their sources; run 'make ui'"; exit 1; fi

acme-check: # certificates from pebble, a test authority; a module of its own too
	cd internal/server/acmetest && $(CHECKED) $(RARE_GC) $(GO) vet ./... && $(CHECKED) $(GO) test -vet=off -count=1 -timeout 2m ./...

RELEASE_CHECKS += image-check
.PHONY: image-check
image-check: # the container image, built twice and run; a module of its own too
	programs=$$(mktemp -d) && trap 'rm -rf "$$programs"' EXIT && \
	for architecture in amd64 arm64; do TAGS=$(TAGS) scripts/program.sh linux/$$architecture "$$programs/boreas-linux-$$architecture" || exit 1; done && \
	cd packaging/image && $(GO) vet ./... && TEST_IMAGE_PROGRAMS=$$programs $(GO) test -vet=off -count=1 -timeout 10m ./...

RELEASE_CHECKS += chart-check
.PHONY: chart-check
chart-check: # the Helm chart, rendered with several sets of values; a module of its own too
	program=$$(mktemp -d) && trap 'rm -rf "$$program"' EXIT && $(GO) build -o "$$program/boreas" ./cmd/boreas && \
	cd packaging/chart/charttest && $(GO) vet ./... && TEST_BOREAS=$$program/boreas $(GO) test -vet=off -count=1 -timeout 5m ./...

RELEASE_CHECKS += compose-check
.PHONY: compose-check
compose-check: # the files for Docker Compose, whose nodes run as processes; a module of its own too
	program=$$(mktemp -d) && trap 'rm -rf "$$program"' EXIT && $(GO) build -o "$$program/boreas" ./cmd/boreas && \
	cd packaging/compose/composetest && $(GO) vet ./... && TEST_BOREAS=$$program/boreas $(GO) test -vet=off -count=1 -timeout 10m ./...

RELEASE_CHECKS += clients-check
clients-check: setup # the npm and Python packages, and the examples that need other packages
	scripts/npm.sh scripts/realclients/packed
	scripts/apt.sh python3-build python3-hatchling python3-venv twine mypy python3-fastapi python3-uvicorn python3-jwt
	TEST_CLIENT_PACKAGES=1 TEST_REAL_CLIENTS=1 $(GO) test -count=1 -run '^TestPacked' -v -timeout $(TEST_LIMIT) ./scripts/realclients

observe-test: # the dashboard and the rules for Prometheus, whose parser is in a module of its own
	cd packaging/observe && $(CHECKED) $(RARE_GC) $(GO) vet ./... && $(CHECKED) $(GO) test -vet=off -count=1 ./...

.PHONY: release package-check
release: ## make all files of a release in dist/: make release VERSION=2.0.0; see docs/release.md
	cd packaging/release && GOFLAGS= $(GO) run . -tree=../.. -dist=../../dist -replace -version='$(VERSION)' -tags=$(TAGS)

RELEASE_CHECKS += package-check
package-check: # the files of a release: built twice, installed on Debian, removed; the program of a module of its own
	cd packaging/release && GOFLAGS= $(GO) vet ./... && GOFLAGS= $(GO) test -vet=off -count=1 ./...
	TAGS=$(TAGS) scripts/package-check.sh

RELEASE_CHECKS += observe-check
observe-check: build # the rules with promtool and Prometheus, the dashboard with Grafana's description of its form
	scripts/prometheus.sh promtool check rules packaging/observe/alerts.yml packaging/observe/recording.yml
	scripts/prometheus.sh promtool test rules packaging/observe/alerts_test.yml packaging/observe/recording_test.yml
	prometheus=$$(scripts/prometheus.sh --where prometheus) && \
	cd packaging/observe && TEST_SERVER='$(CURDIR)/boreas' TEST_PROMETHEUS=$$prometheus $(GO) test -count=1 -tags=release ./...

fuzz: ## run each fuzz target for FUZZTIME (5m)
	scripts/fuzz.sh $(FUZZTIME)

soak: setup ## kill a process with messages on disk for SOAK_TIME (10m), then run the oracle (SOAK_ARGS, such as -seed=7) and a load as long
	scripts/soak.sh $(SOAK_TIME) $(SOAK_ARGS)

clean: ## remove the output of the other targets
	rm -rf boreas boreas.exe dist scripts/realclients/node_modules scripts/realclients/packed/node_modules examples/react-hook/node_modules js/node_modules ui/node_modules

release-check: setup $(RELEASE_CHECKS) ## check packages, image, chart and rules
