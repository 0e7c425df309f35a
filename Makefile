# Every target works in a fresh clone. What a test needs beside Go and Node is installed by scripts/provision-test.sh.

GO ?= go
VERSION ?= $(shell git describe --tags --always --dirty 2>/dev/null)
# Without the tag, gRPC's own trace pages, which nothing here serves, make every program a quarter larger. The Dockerfile and
# scripts/build.sh build the same.
TAGS := grpcnotrace
LDFLAGS := -s -w -X iotmon/internal/app/command.version=$(VERSION)
GOLANGCI := github.com/golangci/golangci-lint/v2/cmd/golangci-lint@v2.15.0
# Packages to test or measure, such as PKG=./internal/iot.
PKG ?= ./...
# Where make build puts the programs.
BIN ?= bin
# What make build builds, such as CMD=./cmd/web.
CMD ?= ./cmd/...
# Arguments of the program for make run, such as ARGS='-devices 10000'.
ARGS ?=

# Images are called $(IMAGE_PREFIX)producer and so on, with the tag latest and that of the version.
IMAGE_PREFIX ?= iotmon/
# More arguments for docker build, such as DOCKER_BUILD_ARGS='--build-arg GOPROXY=https://proxy.example'.
DOCKER_BUILD_ARGS ?=
images := producer consumer websocket web iotmon

sources = find . -name '*.go' -not -path '*/node_modules/*'

.DEFAULT_GOAL := help
.PHONY: bench-libraries help run build build-all provision test test-go test-integration test-outside test-packages test-env-up test-env-down test-web test-chaos test-short check-format vet vet-project vet-modules lint fmt tidy bench clean

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z%-]+:.*## / {printf "  make %-16s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

run: ## run everything in one process; ARGS='-devices 10000'
	$(GO) run -tags $(TAGS) -ldflags '$(LDFLAGS)' ./cmd/iotmon $(ARGS)

build: ## build every service into bin/, as static programs
	CGO_ENABLED=0 $(GO) build -trimpath -tags $(TAGS) -ldflags '$(LDFLAGS)' -o '$(BIN)/' $(CMD)

build-all: build ## the same

provision: ## install what the tests need: C compiler, Chromium, promtool, fonts, servers
	./scripts/provision-test.sh

# What the first step downloads and installs is not waited for by what needs only Go or Node. The other modules need many libraries, which
# are compiled while tests wait.
#
# On a fresh machine the compiler, the linker and vet take a third of all processor time. Each of their processes ends before garbage is worth
# collecting: without it, below a gigabyte, they take a fifth less. What they make is the same, and in the same cache.
quick := '-toolexec=env GOGC=off GOMEMLIMIT=1GiB'
test: export GOFLAGS := $(shell $(GO) env GOFLAGS 2>/dev/null) $(quick)
test: ## run every test; takes minutes
	$(MAKE) -j 2 provision check-format vet-project test-web
	$(MAKE) -j 2 test-go vet-modules

# Packages whose tests wait longer than they work begin first. What packages print comes in the same order, so there is nothing to read until
# the first has ended.
waiting := ./internal/store/postgres ./internal/kafka/intake ./internal/source/...

# SQLite, Go code made from C, takes five times as long under the race detector, which would only look for races of its own. Packages beside
# it must not be exempted: the linker uses one copy of a generic function for all packages, and theirs would hide from the detector what
# others synchronize by it. Nobody debugs these programs, so nothing is written for a debugger, which is an eighth of the work of compiling them
# and a fourth of that of linking them. The client of Redis, with a method for every command, is the largest to compile: without inlining it takes half.
without_debugger := -dwarf=false
race := -race -gcflags=all=$(without_debugger) '-gcflags=github.com/redis/go-redis/v9=$(without_debugger) -l' \
	'-gcflags=modernc.org/sqlite/lib=$(without_debugger) -race=false' -ldflags=-w

# These test the programs from outside, in processes of their own, which are the shipped ones, or compare texts. The race detector would look only at
# who watches, and take as much of the processors as a fifth of all tests: comparing the translations takes twenty times as long with it. Their flags are those of build, so that what both need is compiled once.
#
# The integration tests take longest, mostly waiting: they have the processors first, so that what is beside them does not prolong the whole
# run. Beside them two other packages of these run at the same time, the longest first, and of the others one more than there are processors.
outside := integration browser operations testenv tutorial translation
outside_flags := -trimpath -tags $(TAGS) -ldflags=-w -vet=off -timeout 30m
yielding := nice -n 5

test-go:
ifeq ($(PKG),./...)
	./scripts/test-env.sh run $(MAKE) -j 3 test-integration test-outside test-packages
else
	GO=$(GO) ./scripts/test-env.sh run ./scripts/test-go.sh $(race) -vet=off -timeout 30m $(PKG)
endif

test-integration:
	CGO_ENABLED=0 GO=$(GO) ./scripts/test-go.sh $(outside_flags) ./tests/integration

test-outside:
	CGO_ENABLED=0 GO=$(GO) $(yielding) ./scripts/test-go.sh $(outside_flags) -p 2 $(patsubst %,./tests/%,$(filter-out integration,$(outside)))

test-packages:
	GO=$(GO) $(yielding) ./scripts/test-go.sh $(race) -vet=off -timeout 30m -p $$(($$(getconf _NPROCESSORS_ONLN) + 1)) $(waiting) \
		$$($(GO) list ./... | grep -vxF $(outside:%=-e iotmon/tests/%))

test-env-up: ## start Kafka, PostgreSQL and Redis for tests, and keep them for an hour
	./scripts/test-env.sh up

test-env-down: ## stop them
	./scripts/test-env.sh down

test-web:
	./scripts/test-web.sh

test-chaos: provision ## strike the services for as long as faults take in the field: 100 kills, outages of a minute, 1,000 interruptions
	TEST_CHAOS=long $(GO) test $(race) -timeout 90m -v -run 'SurviveFaults|Kills|OneOwner' ./tests/integration
	TEST_CHAOS=long $(GO) test $(race) -timeout 90m -v -p 1 -run 'Faults$$/interruptions' ./internal/source/... ./internal/kafka/intake

test-short: ## run the tests that need only Go and a minute
	$(GO) test -short $(PKG)

check-format:
	@unformatted="$$($(sources) -exec gofmt -l {} +)"; \
	if [ -n "$$unformatted" ]; then echo "not formatted, run make fmt:"; echo "$$unformatted"; exit 1; fi

# The flags are those of build, with which tests build the programs, so that everything is compiled once without the race detector.
vet vet-project vet-modules: export CGO_ENABLED=0
vet: vet-project vet-modules
vet-project:
	$(GO) vet -trimpath -tags $(TAGS) ./...

# What is compared or checked with other projects' code is in modules of its own. Most of what the first two need is compiled for the programs already,
# by the same flags, as long as the versions are the same (make tidy). What Kubernetes needs is compiled for scripts/lib/chart.sh, whose
# flags these are.
vet-modules:
	cd tests/performance && $(yielding) $(GO) vet -trimpath .
	cd tests/otlp && $(yielding) $(GO) vet -trimpath .
	cd tests/kubernetes && $(yielding) $(GO) vet -trimpath '-gcflags=...=-N -l' -gcflags=std= ./...

lint: vet ## run golangci-lint; the first time builds it, which takes minutes
	@if golangci-lint version 2>/dev/null | grep -q 'version v\?2\.'; then golangci-lint run; else $(GO) run $(GOLANGCI) run; fi

fmt: ## format the Go code
	$(sources) -exec gofmt -s -w {} +

tidy: ## bring go.mod of every module up to date, as the others follow the first
	$(GO) mod tidy
	cd tests/performance && $(GO) mod tidy
	cd tests/kubernetes && $(GO) mod tidy
	cd tests/otlp && $(GO) mod tidy

bench: ## run the benchmarks; PKG=./internal/wire for some, BASE=main~3 to compare with a commit
ifdef BASE
	./scripts/bench-compare.sh --package '$(PKG)' '$(BASE)'
else
	$(GO) test -run '^$$' -bench . -benchmem $(PKG)
endif

bench-libraries: ## compare the libraries in use with their alternatives
	cd tests/performance && $(GO) test -run '^$$' -bench . -benchmem .

# It has a recipe so that the one below does not match it as well.
docker-build-all: $(images:%=docker-build-%) ## build the image of every service
	@echo 'built the images of $(images)'

docker-build-%: ## build the image of one: producer, consumer, websocket, web, iotmon
	@case " $(images) " in *" $* "*) ;; *) echo "there is no service $*; there are $(images)" >&2; exit 2;; esac
	DOCKER_BUILDKIT=1 docker build --build-arg SERVICE=$* --build-arg VERSION=$(VERSION) $(DOCKER_BUILD_ARGS) \
		-t $(IMAGE_PREFIX)$*:latest $(if $(VERSION),-t $(IMAGE_PREFIX)$*:$(VERSION)) .

clean: ## remove what build made
	rm -rf bin coverage.out
