# Tasks of this repository. `make help` lists them.
#
# The product is built without cgo. Only tests with the race detector need cgo.
export CGO_ENABLED = 0

# The checks run with the build flags of the tests, so that packages are compiled once for all.
CHECKED = CGO_ENABLED=1 GOFLAGS='$(strip $(GOFLAGS) -race)'

SHELL      = /bin/bash
GO         = go
TOOL       = $(GO) tool -modfile=tools/go.mod
TEST_LIMIT = 10m
FUZZTIME   = 5m
SOAK_TIME  = 10m
SOAK_ARGS  =
TARGETS    = linux/amd64 linux/arm64 darwin/amd64 darwin/arm64 windows/amd64

.PHONY: help build build-all setup lint vet staticcheck format test race bench bench-check openapi-check acme-check fuzz soak clean

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-12s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

build: ## build the server for this machine, as ./boreas
	$(GO) build -trimpath -o . ./cmd/boreas

build-all: ## build the server for every platform, in dist/
	scripts/build-all.sh $(TARGETS)

setup: ## install the programs that the tests need, and list them
	scripts/setup.sh

lint: vet staticcheck format ## run vet, staticcheck and gofumpt

vet:
	$(CHECKED) $(GO) vet ./...

staticcheck:
	staticcheck=$$($(TOOL) -n staticcheck) && $(CHECKED) $$staticcheck ./...

format:
	@unformatted=$$($(TOOL) gofumpt -l .) || exit 1; \
	if [ -n "$$unformatted" ]; then \
		echo "not formatted; run '$(TOOL) gofumpt -w .':"; echo "$$unformatted"; exit 1; \
	fi

test: setup ## set up, lint, and run every test under the race detector
	@scripts/test.sh

# With TEST_REAL_CLIENTS=1, a test that lacks curl, wsdump or node fails. Without it, the test is
# skipped. Vet is off, because `make vet` checks more.
race:
	$(CHECKED) TEST_REAL_CLIENTS=1 $(GO) test -vet=off -timeout $(TEST_LIMIT) ./...

bench: ## compare Boreas with its alternatives; see bench/README.md
	cd bench && $(GO) run .

# Without optimization, the libraries of the other servers compile in half the time.
bench-check: FAST = -gcflags='github.com/...=-N -l'
bench-check: # the benchmarks are a module of their own, which ./... does not include
	cd bench && $(CHECKED) $(GO) vet $(FAST) ./... && $(CHECKED) $(GO) test $(FAST) -vet=off ./...

openapi-check: # the description of the API; its validator is a module of its own too
	cd api/openapitest && $(CHECKED) $(GO) vet ./... && $(CHECKED) $(GO) test -vet=off -count=1 ./...

acme-check: # certificates from pebble, a test authority; a module of its own too
	cd internal/server/acmetest && $(CHECKED) $(GO) vet ./... && $(CHECKED) $(GO) test -vet=off -count=1 -timeout 2m ./...

fuzz: ## run each fuzz target for FUZZTIME (5m)
	scripts/fuzz.sh $(FUZZTIME)

soak: setup ## run the oracle (SOAK_ARGS, such as -seed=7) and a load for SOAK_TIME (10m)
	scripts/soak.sh $(SOAK_TIME) $(SOAK_ARGS)

clean: ## remove the output of the other targets
	rm -rf boreas boreas.exe dist scripts/realclients/node_modules js/node_modules
