# make help lists the targets.

GO ?= go
BIN := bin/zkctl
PLATFORMS := linux/amd64 linux/arm64 darwin/amd64 darwin/arm64 windows/amd64 windows/arm64
FUZZTIME ?= 10s
TORTURETIME ?= 10m
TORTURETEST ?= .

# The date is the commit's, not the build's, so that a build can be repeated.
VERSION ?= $(shell git describe --tags --dirty 2>/dev/null)
COMMIT ?= $(shell git describe --always --abbrev=40 --dirty --exclude '*' 2>/dev/null)
DATE ?= $(shell TZ=UTC git log -1 --format=%cd --date=format-local:%Y-%m-%dT%H:%M:%SZ 2>/dev/null)
VERSION_PACKAGE := github.com/zkctl/zkctl/internal/version
LDFLAGS := -s -w -X $(VERSION_PACKAGE).Version=$(VERSION) -X $(VERSION_PACKAGE).Commit=$(COMMIT) -X $(VERSION_PACKAGE).Date=$(DATE)
# AdminServers speak HTTP/1.1 only; without HTTP/2 the binary is half a megabyte smaller.
BUILDFLAGS := -trimpath -tags nethttpomithttp2
BUILD := CGO_ENABLED=0 $(GO) build $(BUILDFLAGS) -ldflags '$(LDFLAGS)'

.DEFAULT_GOAL := build
.PHONY: build demo test lint bench bench-offline bench-local bench-ensemble bench-logs bench-find bench-transfer bench-watch performance cross release-snapshot screenshot fuzz torture torture-transfer zkcli matrix truth clean help

build: ## build bin/zkctl, a static binary for this machine
	@mkdir -p $(dir $(BIN))
	$(BUILD) -o $(BIN) ./cmd/zkctl

demo: build ## open the shell on a throw-away ZooKeeper with a small tree
	@scripts/install-zookeeper.sh
	@$(GO) build -o bin/demo ./internal/demo
	@bin/demo -zkctl $(BIN)

test: ## check the sources and run every test, also against a real ZooKeeper
	@GO='$(GO)' scripts/test.sh

lint: ## gofmt, go vet, staticcheck
	@GO='$(GO)' scripts/lint.sh

bench: build ## measure zkctl beside zkCli.sh and print the ratios
	@scripts/install-zookeeper.sh
	@$(GO) run ./internal/bench -zkctl $(BIN)

bench-offline: build ## measure the tools for logs and snapshots beside Apache's and print the ratios
	@scripts/install-zookeeper.sh
	@$(GO) run ./internal/bench -offline -zkctl $(BIN)

bench-logs: build ## measure log summary beside ripgrep and lnav, and session trace, and print the ratios
	@$(GO) run ./internal/bench -logs -zkctl $(BIN)

bench-find: build ## measure find and grep beside ls -R and a script over kazoo, and the memory of walks
	@scripts/install-zookeeper.sh
	@$(GO) run ./internal/bench -find -zkctl $(BIN)

bench-transfer: build ## measure export, import, diff and mirror beside scripts over kazoo and etcd's make-mirror, in 4 minutes
	@scripts/install-zookeeper.sh
	@$(GO) run ./internal/bench -transfer -zkctl $(BIN)

bench-watch: build ## measure how soon watch prints each of 5,000 changes a second, and the memory that it takes
	@$(GO) run ./internal/bench -watch -zkctl $(BIN)

bench-local: build ## measure the embedded server and ensemble beside Apache's, etcd and what the machine allows, and print the ratios
	@scripts/install-zookeeper.sh
	@$(GO) run ./internal/bench -local -zkctl $(BIN)

bench-ensemble: build ## measure the verbs for running ensembles beside zkServer.sh, nc and a loop in Python and print the ratios
	@scripts/install-zookeeper.sh
	@$(GO) run ./internal/bench -ensemble -zkctl $(BIN)
	@$(GO) test -count=1 -v -run 'TestRollingRestart$$' ./ensemble -restart.pause=3s | grep -E 'writes|^(ok|FAIL)'

performance: build ## run all benchmarks, which takes long, and write docs/performance.md anew
	@scripts/install-zookeeper.sh
	@scripts/install-clients.sh
	@GO='$(GO)' scripts/performance.sh $(BIN)

cross: ## build for linux, macOS and Windows, amd64 and arm64, into dist/
	@mkdir -p dist
	@set -e; for platform in $(PLATFORMS); do \
		export GOOS=$${platform%/*} GOARCH=$${platform#*/}; \
		ext=; if [ $$GOOS = windows ]; then ext=.exe; fi; \
		out=dist/zkctl-$$GOOS-$$GOARCH$$ext; \
		echo "$$out"; \
		$(BUILD) -o $$out ./cmd/zkctl; \
	done
	@set -e; for os in darwin windows; do \
		echo "go vet ./... ($$os)"; \
		GOOS=$$os GOARCH=amd64 CGO_ENABLED=0 $(GO) vet $(BUILDFLAGS) ./...; \
	done

release-snapshot: ## build archives, packages, manifests and the container image into dist/, publish nothing
	@GO='$(GO)' scripts/release.sh --snapshot

screenshot: build ## draw docs/shell.svg anew
	@$(GO) run ./internal/screenshot -zkctl $(BIN) -o docs/shell.svg

fuzz: ## run each fuzz target for FUZZTIME (10s)
	@GO='$(GO)' scripts/fuzz.sh $(FUZZTIME)

truth: ## end 200 sessions of real clients in known ways; session trace must tell at least 95 % of them, and none wrong
	@scripts/install-zookeeper.sh
	@ZKCTL_TRUTH=200 $(GO) test ./logs -run TestScriptedTruth -count 1 -timeout 30m -v

torture: ## kill, attack, starve and cut off the embedded servers, TORTURETIME (10m) for each test
	@GO='$(GO)' scripts/torture.sh $(TORTURETIME) '$(TORTURETEST)' $(TORTURESEED)

torture-transfer: ## mirror under a random writer, with partitions and restarts of both sides, then with kills and others' changes, each for TORTURETIME (10m)
	@scripts/install-zookeeper.sh
	$(GO) test -count=1 -timeout 24h -run "Torture|MirrorModel" ./transfer -args -torture=$(TORTURETIME)

zkcli: ## ask zkCli itself for its answers, and record them for the comparison with zkctl
	@scripts/install-zookeeper.sh
	$(GO) test -count=1 -timeout 30m -run TestSameAsZkCli ./cmd -args -zkcli=write

matrix: ## run every cell of the SASL matrix: clients, servers, mechanisms, situations
	@scripts/install-zookeeper.sh
	@scripts/install-clients.sh
	MATRIX=all $(GO) test -count=1 -timeout 30m -run TestSASLMatrix -v ./cmd

clean: ## remove what was built
	rm -rf bin build dist

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "make %-16s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)
