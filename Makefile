# SPDX-License-Identifier: Apache-2.0
# `make up` sets up, builds and runs the platform with the examples; `make test` sets up, builds and runs every test.
SHELL := /bin/bash
.DEFAULT_GOAL := help

export SERIN_CACHE ?= $(or $(XDG_CACHE_HOME),$(HOME)/.cache)/serin
export CCACHE_BASEDIR := $(CURDIR)
export CCACHE_NOHASHDIR := 1
# What the sanitizers watch: folders that link neither libtorch nor TensorFlow.
TSAN_TESTS := base_test telemetry_test net_test engine_test gateway_test platform_kubernetes_client_test

.PHONY: help
help: ## What there is
	@awk -F':.*## ' '/^[a-z-]+:.*## / {printf "  make %-13s %s\n", $$1, $$2}' Makefile

.PHONY: setup
setup: ## Install what is missing (Debian 12)
	@tools/setup

.PHONY: setup-cluster
setup-cluster: ## Install a real Kubernetes for tests (the first time ten minutes)
	@tools/setup --cluster

.PHONY: build
build: setup ## Build build/release/serin and its engines
	@cmake --preset release $(CMAKE_FLAGS) >build.log 2>&1 || { cat build.log; exit 1; }; rm -f build.log
	@cmake --build --preset release

.PHONY: image-context
image-context: build ## Collect in build/image what an image of the runtime is made of (docs/images.md)
	@rm -rf build/image && deploy/images/stage build/release build/image

.PHONY: up
up: build ## Run the platform with the example services on port 8080
	@tools/up

.PHONY: down
down: ## Stop what `make up` started
	@tools/up --stop

.PHONY: test
test: build ## Build and run every test
	@ctest --preset release
	@tools/sanitize asan
	@tools/sanitize tsan $(TSAN_TESTS)
	@echo "every test passed"

.PHONY: soak
soak: build ## Ten minutes of bad clients, ten of processes that are killed, stopped and slowed down
	@$(SERIN_CACHE)/venvs/test/bin/python tests/system/soak.py --seconds 600
	@$(SERIN_CACHE)/venvs/test/bin/python tests/system/faults.py --seconds 600
	@cd build/release && SERIN_CYCLES=1000 ./backends_contract_test --gtest_filter='*KeepsItsMemoryFlat*' --gtest_brief=1

.PHONY: bench
bench: setup ## Measure beside peers
	@tools/setup --bench
	@cmake --preset bench >/dev/null && cmake --build --preset bench
	@tools/bench

.PHONY: cuda
cuda: ## On a machine with a GPU: build for it, run what is labelled cuda, measure (docs/cuda.md)
	@tools/setup --cuda
	@cmake --preset cuda $(if $(TORCH),-DSERIN_LIBTORCH=$(TORCH)) $(CMAKE_FLAGS)
	@cmake --build --preset cuda
	@ctest --test-dir build/cuda -L '^cuda$$' --no-tests=error --output-on-failure
	@build/cuda/torch_loop examples/motion/package/model.pt cuda:0 3

.PHONY: format
format: ## Format every source file
	@git ls-files '*.h' '*.cc' | xargs clang-format-19 -i

.PHONY: lint
lint: setup ## Check formatting, and clang-tidy with warnings as errors
	@cmake --preset debug >/dev/null
	@git ls-files '*.h' '*.cc' | xargs clang-format-19 --dry-run -Werror
	@run-clang-tidy-19 -quiet -p build/debug '^(?!.*_test\.cc$$).*/src/.*\.cc$$'
	@run-clang-tidy-19 -quiet -checks='-performance-*' -p build/debug 'src/.*_test\.cc$$'
