# The two commands are `make run` and `make test`; `make help` lists the rest.

SHELL := bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help

# PKCS#11 modules are C libraries.
export CGO_ENABLED := 1

# What the binary says of itself. Go's own stamping is off: it makes a build
# fail in a checkout that git does not trust, and this says the same.
VERSION = $(shell git describe --always --dirty --tags 2>/dev/null || echo unknown)

# nomsgpack: gin's MessagePack, which nobody speaks here, is a fifth of the program.
GO_BUILD = go build -tags nomsgpack -trimpath -buildvcs=false -ldflags '-X main.version=$(VERSION)'
DEV = var/dev
TEST_TIMEOUT ?= 20m
FUZZTIME ?= 10s
BENCH ?= .
SOAK ?= 10m
SOAK_OUT ?= $(CURDIR)/var/soak
TOKENS ?= 60000
KEYS ?= 1000000
DECISIONS ?= 1000000

.PHONY: help
help: ## this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "make %-12s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

.PHONY: setup
setup: ## install what is missing on this machine (silent when nothing is)
	@scripts/setup

.PHONY: build
build: setup ## build bin/mohur
	@$(GO_BUILD) -o bin/ ./cmd/...

.PHONY: run
run: build ## start the server on a development directory, made at the first run
	@[ -e $(DEV)/mohur.yaml ] || bin/mohur init --dir $(DEV) --development
	@exec bin/mohur serve --config $(DEV)/mohur.yaml

.PHONY: test
test: setup ## go vet, then every test under the race detector
	go vet ./...
	go test -race -timeout $(TEST_TIMEOUT) ./...

.PHONY: race
race: setup ## every test under the race detector, nothing from the cache
	go test -race -count=1 -timeout $(TEST_TIMEOUT) ./...

.PHONY: fuzz
fuzz: setup ## run every fuzz target for FUZZTIME (10s) each
	@scripts/fuzz $(FUZZTIME)

.PHONY: bench
bench: setup ## run the benchmarks that match BENCH (all)
	go test -run '^$$' -bench '$(BENCH)' -benchmem -timeout 60m ./...

.PHONY: lint
lint: setup ## gofmt, go vet, shellcheck, staticcheck, govulncheck
	@scripts/lint

.PHONY: lint-light
lint-light: setup ## the parts of lint that need no vulnerability database
	@scripts/lint format vet shell staticcheck

.PHONY: slow
slow: setup ## 10,000 slow connections beside log-ins, without the race detector
	go test -count=1 -run SlowConn -v ./cmd/mohur

.PHONY: import-million
import-million: setup ## import KEYS (1000000) tokens from PSKC: time, processor, memory, a kill in the middle
	MOHUR_IMPORT_KEYS=$(KEYS) go test -count=1 -timeout 5h -run ImportMillion -v ./cmd/mohur

.PHONY: simulate-million
simulate-million: setup ## write DECISIONS (1000000) decisions and try a policy on them: time and memory
	MOHUR_DECISIONS=$(DECISIONS) go test -count=1 -timeout 1h -run SimulateMillion -v ./store/bolt

.PHONY: soak
soak: setup ## the server under everything at once for SOAK (10m); profiles go to SOAK_OUT
	SOAK=$(SOAK) SOAK_OUT=$(SOAK_OUT) go test -count=1 -timeout 0 -run '^TestSoak$$' -v ./cmd/mohur

.PHONY: memory
memory: setup ## what the server has in memory: idle, with TOKENS (60000) imported, after 1,000 log-ins
	MOHUR_TOKENS=$(TOKENS) go test -count=1 -timeout 2h -run '^TestMemoryLoaded$$' -v ./cmd/mohur

# The agent's packages whose tests, too, are for every system.
CARD_PACKAGES = $(addprefix ./agent/,browser device dialog linked release words)

.PHONY: card-windows
card-windows: ## build bin/mohur-card.exe; vet the card agent for Windows and macOS
	@scripts/setup core card
	GOOS=darwin CGO_ENABLED=0 go vet $(CARD_PACKAGES)
	GOOS=darwin CGO_ENABLED=0 go build -o /dev/null ./cmd/mohur-card
	GOOS=windows CGO_ENABLED=0 go vet $(CARD_PACKAGES)
	GOOS=windows GOARCH=amd64 CC=x86_64-w64-mingw32-gcc $(GO_BUILD) -o bin/mohur-card.exe ./cmd/mohur-card

.PHONY: card-release
card-release: ## a signed release of mohur-card; MOHUR_CARD_RELEASE_KEY names the private key
	@scripts/setup core card
	@scripts/card-release

.PHONY: clauses
clauses: ## which clauses and attacks have a test, and which have none
	@go run ./house/clauses

.PHONY: clean
clean: ## remove what was built; the development directory stays
	rm -rf bin
