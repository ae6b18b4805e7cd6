# rkd: `make demo` runs the main job, `make test` all tests; both set up what is missing. `make help` lists the rest.
# It runs on GNU make 3.81, the one of macOS, too: that ignores .SHELLFLAGS, so recipes of several commands set them
# again.
SHELL := bash
.SHELLFLAGS := -eu -o pipefail -c
.DELETE_ON_ERROR:
.DEFAULT_GOAL := help

STRICT := set -eu -o pipefail
TOOL := go tool -modfile=.ci/tools/go.mod
VERSION = $(shell .ci/version)

# Not Go's own stamp: in a checkout of another user, usual in containers, it is an error.
export GOFLAGS := $(strip -buildvcs=false $(filter-out -buildvcs=%,$(shell go env GOFLAGS 2>/dev/null)))

CONFIG ?= examples/mnist-unseen.yaml
SEEDS ?=
FUZZTIME ?= 20s
BENCHTIME ?= 1s
PYTHON ?= python3
DOCS ?= docs
CASE ?=
HOSTILE ?= 100
UPDATE ?=
ARGS ?=
MOBILENET ?=
PHOTOGRAPHS ?=

.PHONY: setup
setup: ## fetch ONNX Runtime's library and MNIST into the cache folder, pinned and checksummed
	@.ci/setup

.PHONY: build
build: ## build bin/rkd
	go build -trimpath -ldflags "-X main.version=$(VERSION)" -o bin/rkd ./cmd/rkd

.PHONY: image
image: setup build ## write bin/rkd-image.tar, a container image of the program and what it links to, without Docker
	@go -C .ci/image run . -program '$(CURDIR)/bin/rkd' -out '$(CURDIR)/bin/rkd-image.tar'

.PHONY: release
release: ## build stripped binaries of each platform that has a C compiler here into bin/release, with checksums
	@.ci/release $(VERSION)

.PHONY: docs
docs: build ## write the command reference, the man page and the completion scripts into DOCS
	mkdir -p $(DOCS)/completion
	bin/rkd docs markdown >$(DOCS)/commands.md
	bin/rkd docs man >$(DOCS)/rkd.1
	bin/rkd completion bash >$(DOCS)/completion/rkd.bash
	bin/rkd completion zsh >$(DOCS)/completion/_rkd
	bin/rkd completion fish >$(DOCS)/completion/rkd.fish

.PHONY: check-docs
check-docs: ## compare what `make docs` writes with docs/
	@$(STRICT); \
	fresh=$$(mktemp -d); trap 'rm -rf "$$fresh"' EXIT; \
	$(MAKE) --silent docs DOCS="$$fresh"; \
	for file in commands.md rkd.1 completion/rkd.bash completion/_rkd completion/rkd.fish; do \
		diff -u "docs/$$file" "$$fresh/$$file" || { echo "docs/$$file is out of date, run make docs" >&2; exit 1; }; \
	done

.PHONY: demo
demo: setup build ## distil a real teacher on real images (SEEDS=1,2,3 for three seeds)
	bin/rkd run $(CONFIG)$(if $(SEEDS), --set 'seeds=[$(SEEDS)]')

.PHONY: test
test: setup ## run all tests
	go test -timeout 15m ./...
	@# and as processors compute that have AVX2, or no vector instructions: kernels of ours, not those of ONNX Runtime
	GODEBUG=cpu.avx512f=off go test ./student/internal/... ./student/op ./student/engine ./pipeline/eval/internal/...
	GODEBUG=cpu.avx=off,cpu.avx2=off,cpu.avx512f=off go test ./student/...
	GODEBUG=cpu.avx2=off,cpu.bmi2=off,cpu.avx512f=off go test ./datasets/internal/... ./pipeline/eval/internal/...
	@echo "kernels in assembly:"; go test -v -run '^TestKernels$$' ./student/internal/conv ./student/internal/vector \
		./student/loss | sed -n 's/.*_test.go:[0-9]*: /  /p'

.PHONY: test-crash
test-crash: setup ## kill precompute and distill at random moments and require the bytes of an undisturbed run (slow)
	go test -timeout 40m -tags crash -run Crash -v ./cmd/rkd/...
	go test -timeout 40m -tags crash -count 1 -run 'Race|Killed|Tasks|Writers|OneKey' ./pipeline/cache
	go test -timeout 40m -tags crash -count 1 -run '^(TestFolder|TestBucket)$$' ./pipeline/storage

.PHONY: test-slurm
test-slurm: setup ## run batch jobs on a real Slurm of two nodes on this machine (as root; installs Debian's packages)
	go test -timeout 20m -tags slurm -run Slurm -count 1 -v ./cmd/rkd

.PHONY: test-s3
test-s3: setup ## run stores and an experiment in buckets against servers of S3, Google and Azure (fetched into the cache folder)
	@.ci/buckets
	go test -timeout 20m -tags s3 -run S3 -count 1 ./pipeline/storage/cloud ./cmd/rkd

.PHONY: test-hostile
test-hostile: setup ## pairs of processes, kills, flipped bytes, bombs, a soak (hours; HOSTILE=percent of the rounds)
	HOSTILE=$(HOSTILE) go test -timeout 6h -tags hostile -run Hostile -v ./cmd/rkd

.PHONY: test-kubernetes
test-kubernetes: setup build ## run batch jobs on a real Kubernetes of two nodes on this machine (as root; builds it once)
	.ci/kubernetes/cluster build
	@.ci/buckets
	go -C .ci/kubernetes test -count 1 -trimpath -vet=off . # as the programs are built, whose packages it shares
	go test -timeout 40m -tags kubernetes -run Kubernetes -count 1 -v ./cmd/rkd

.PHONY: test-cluster
test-cluster: test-slurm test-kubernetes test-s3 ## run what runs on real clusters and buckets

.PHONY: test-torch
test-torch: setup ## train torchvision's networks here and in PyTorch and compare ten steps (PYTHON=interpreter)
	PYTHON=$(PYTHON) go test -tags torch -run TenSteps -timeout 20m -v ./student/importer
	PYTHON=$(PYTHON) go test -tags torch -run ReadmeExports -count 1 -v ./cmd/rkd

.PHONY: test-readers
test-readers: ## read a cache with pandas, Polars, DuckDB and Hugging Face datasets (PYTHON=interpreter that has them)
	PYTHON=$(PYTHON) go test -tags readers -run Readers -count 1 -v ./pipeline/cache

.PHONY: test-report
test-report: setup ## look at a report in headless Chromium, light and dark (UPDATE=1 takes the pictures of the README)
	@command -v chromium >/dev/null || { echo "chromium is missing (Debian: apt-get install chromium)" >&2; exit 1; }
	go test -tags browser -run Browser -count 1 -v ./cmd/rkd $(if $(UPDATE),-args -update-pictures)

.PHONY: test-tensorboard
test-tensorboard: setup ## read event files with TensorBoard (PYTHON=interpreter that has PyPI's tensorboard)
	PYTHON=$(PYTHON) go test -tags tensorboard -run TensorBoardReads -count 1 -v ./cmd/rkd

.PHONY: test-snippets
test-snippets: setup ## run the programs of `rkd export --snippet` and of docs/use.md (PYTHON=interpreter, npm)
	@$(STRICT); \
	work=$$(mktemp -d); trap 'rm -rf "$$work"' EXIT; \
	(cd "$$work" && npm install --ignore-scripts --no-audit --no-fund onnxruntime-node@1.30.0 sharp@0.34.5 >npm.log 2>&1) || \
		{ cat "$$work/npm.log" >&2; exit 1; }; \
	NODE_WORKPLACE="$$work" PYTHON=$(PYTHON) go test -tags snippets -run 'Snippet(InPython|ForNode)' -count 1 -v ./cmd/rkd

.PHONY: test-scale
test-scale: ## write, open and map a cache of 1,000,000 rows within 1 GiB and 100 ms (slow, 5 GB of disk)
	go test -tags scale -run Scale -count 1 -timeout 60m -v ./pipeline/cache

.PHONY: sim-scale
sim-scale: ## plan, look at, finalize and open a cache of 1,000,000 shards within 1 GiB (a million empty files)
	go test -tags scale -run Simulation -count 1 -timeout 30m -v ./pipeline/cache

.PHONY: race
race: setup ## run all tests under the race detector (slow)
	go test -race -timeout 30m ./...

.PHONY: fuzz
fuzz: setup ## run every fuzz target, each for FUZZTIME
	@$(STRICT); \
	packages=$$(grep -rl --include='*_test.go' '^func Fuzz' . | xargs -n 1 dirname | sort -u); \
	for package in $$packages; do \
		targets=$$(go test -list '^Fuzz' "$$package" | grep '^Fuzz'); \
		for target in $$targets; do \
			echo "$$package $$target"; \
			go test -run '^$$' -fuzz "^$$target\$$" -fuzztime $(FUZZTIME) -fuzzminimizetime 10x "$$package"; \
		done; \
	done

.PHONY: bench
bench: setup ## run all benchmarks, each for BENCHTIME
	go test -timeout 30m -run '^$$' -bench . -benchtime $(BENCHTIME) ./...

# The virtual environment of bench-setup, and the interpreter of peers: PYTHON where it was given, else that environment's.
BENCH_ENV = $(or $(RKD_CACHE_DIR),$(if $(filter Darwin,$(shell uname)),$(HOME)/Library/Caches/rkd,$(or $(XDG_CACHE_HOME),$(HOME)/.cache)/rkd))/bench
PEER = $(if $(filter-out file,$(origin PYTHON)),$(PYTHON),$(or $(wildcard $(BENCH_ENV)/bin/python),$(PYTHON)))

.PHONY: bench-setup
bench-setup: ## install the peers of benchmarks, PyTorch among them, into the cache folder (6 GB; development only)
	$(PYTHON) -m venv '$(BENCH_ENV)'
	'$(BENCH_ENV)/bin/python' -m pip install --disable-pip-version-check --requirement bench/requirements.txt

.PHONY: bench-peer
bench-peer: setup ## compare with PyTorch, write bench/results.json (PYTHON=program, MOBILENET=file; CASE=regexp prints)
	@'$(PEER)' -c 'import numpy, torch' 2>/dev/null || { echo "PyTorch is missing in $(PEER):" \
		"make bench-setup installs it, or name another interpreter with PYTHON=" >&2; exit 1; }
	go run ./bench/peer -python '$(PEER)' $(if $(MOBILENET),-mobilenet '$(MOBILENET)') \
		$(if $(CASE),-case '$(CASE)',-out bench/results.json)

.PHONY: bench-precompute
bench-precompute: setup ## embeddings of photographs, beside a loop in Python (PHOTOGRAPHS=folder, MOBILENET=file, ARGS)
	@'$(PEER)' -c 'import onnxruntime, torchvision' 2>/dev/null || { echo "onnxruntime or torchvision is missing in" \
		"$(PEER): make bench-setup installs them, or name another interpreter with PYTHON=" >&2; exit 1; }
	go run ./bench/precompute -python '$(PEER)' -photographs '$(PHOTOGRAPHS)' -model '$(MOBILENET)' -output embedding $(ARGS)

.PHONY: reproduce
reproduce: setup build ## try the paper's claims on real data and write docs/results.md (six minutes on two cores)
	rm -rf runs/reproduce-self-distillation/cache # of a teacher that the first plan makes, perhaps anew
	for plan in examples/reproduce/*.yaml; do bin/rkd run "$$plan" || exit; done
	go run ./bench/reproduce

.PHONY: cache-cost
cache-cost: setup build ## what each dtype and pca of a cache costs a student (CONFIG, ARGS of bench/cachecost; slow)
	go run ./bench/cachecost -config $(CONFIG) $(ARGS)

.PHONY: generate
generate: ## generate the Go files of the ONNX messages (needs protoc)
	@command -v protoc >/dev/null || \
		{ echo "protoc is missing (Debian: apt-get install protobuf-compiler; macOS: brew install protobuf)" >&2; exit 1; }
	go build -o bin/protoc-gen-go google.golang.org/protobuf/cmd/protoc-gen-go
	PATH="$(CURDIR)/bin:$$PATH" go generate ./...

.PHONY: lint
lint: ## run the linters, the rule on layers among them
	$(TOOL) golangci-lint run

.PHONY: fmt
fmt: ## format all Go files
	$(TOOL) gofumpt -l -w .

.PHONY: check
check: lint check-docs ## lint, vet, and check formatting, go.mod and the generated documents without writing
	@$(STRICT); \
	unformatted=$$($(TOOL) gofumpt -l .); \
	if [ -n "$$unformatted" ]; then echo "not formatted, run make fmt:" $$unformatted >&2; exit 1; fi
	go vet -tags crash,hostile,torch,slurm,kubernetes,browser,tensorboard,snippets,s3,scale ./...
	go mod tidy -diff

.PHONY: clean
clean: ## remove what was built and run here; the cache folder stays
	rm -rf bin runs

.PHONY: help
help: ## show this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  %-12s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)
