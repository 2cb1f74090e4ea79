# The commands of everyday work. `make` alone lists them.
.DEFAULT_GOAL := help
SHELL := /bin/bash
ARGS ?=

.PHONY: help run test soak bench fuzz lint fixtures demo-down clean-up

help: ## list these targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-10s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

run: ## build the release, make sure of an engine and of something to see, and run the agent (ARGS="…")
	cargo build --release --locked -p plimsoll
	@scripts/engine-up.sh
	@scripts/demo-up.sh
	@exec target/release/plimsoll agent $(ARGS)

test: ## everything that has to hold: format, lints, tests, real engines, cgroup v2
	@scripts/test.sh

soak: ## thousands of random operations on containers (OPERATIONS=5000), delivery while everything dies (MINUTES=10, KILLS=1000), a Prometheus 3, hostile points
	PLIMSOLL_SOAK=$(or $(OPERATIONS),5000) cargo test --locked -p plimsoll --test lifecycle -- --nocapture --test-threads=1
	PLIMSOLL_SOAK_MINUTES=$(or $(MINUTES),10) cargo test --release --locked -p plimsoll --test delivery -- --nocapture --test-threads=1
	prometheus=$$(scripts/prometheus3.sh) && PLIMSOLL_PROMETHEUS3=$$prometheus PLIMSOLL_SOAK_MINUTES=$(or $(MINUTES),10) cargo test --release --locked -p plimsoll --test delivery -- --ignored --nocapture --test-threads=1
	PLIMSOLL_SOAK_POINTS=1000000 cargo test --release --locked -p plimsoll-wire --test live_influx --test line_protocol -- --nocapture
	PLIMSOLL_KILLS=$(or $(KILLS),1000) cargo test --locked -p plimsoll-deliver --test kill -- --nocapture

bench: ## measure, and compare with the figures on record
	@scripts/bench.sh

fuzz: ## give every parser made-up input for a minute each (ARGS="600 proc http" for ten minutes and these targets)
	@scripts/fuzz.sh $(ARGS)

lint: ## format and lints only
	cargo fmt --all --check
	cargo clippy --workspace --all-targets --locked -- -D warnings

fixtures: ## capture the kernel trees under fixtures/kernel again (wants a machine with hybrid cgroups)
	@scripts/capture-kernel.sh

demo-down: ## remove the demo containers, their network and image
	@scripts/demo-down.sh

clean-up: demo-down
