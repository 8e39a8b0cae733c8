# The project's verbs; `make` alone lists them. CI calls the same ones.
CARGO ?= cargo
TARGET_DIR := $(or $(CARGO_TARGET_DIR),target)

.DEFAULT_GOAL := help
.PHONY: help demo run test test-rust test-sdk test-s3 test-chart test-container lint fmt fmt-check bench deny ci

help: ## list the verbs
	@awk -F ':.*## ' '/^[a-z0-9-]+:.*## / { printf "  make %-14s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

demo: ## a gateway and a simulated Evolink: no account, no network
	$(CARGO) run --release --locked -- demo

run: ## the gateway itself (config/gateway.yaml, or built-in defaults)
	$(CARGO) run --release --locked -- serve

test: test-rust test-sdk test-chart ## all tests but test-container

test-rust: ## unit and integration tests
	$(CARGO) test --locked

# Built together with the tests, the binary has the same dependencies: nothing is compiled a second time.
test-sdk: ## OpenAI's SDKs and other clients against the binary; installs them
	$(CARGO) build --locked --bins --tests
	EVOLINK_GATEWAY_BIN="$(TARGET_DIR)/debug/evolink-gateway" tests/sdk/run

test-s3: ## the picture store in a bucket of a real S3 server, one suite of test-sdk; installs the server
	$(CARGO) build --locked --bins --tests
	EVOLINK_GATEWAY_BIN="$(TARGET_DIR)/debug/evolink-gateway" tests/sdk/run s3

test-chart: ## the Helm chart and the Dockerfile, without cluster and container engine; installs Helm and validators
	$(CARGO) build --locked --bins --tests
	EVOLINK_GATEWAY_BIN="$(TARGET_DIR)/debug/evolink-gateway" tests/chart/run

test-container: ## build the image and run it on a read-only root (docker or buildah; takes a release build)
	tests/container/run

lint: ## clippy, warnings are errors
	$(CARGO) clippy --locked --all-targets -- -D warnings

fmt: ## format the code
	$(CARGO) fmt

fmt-check: ## fail if the code is not formatted
	$(CARGO) fmt --check

bench: ## the gateway beside a bare floor; fails when a bar of docs/BENCHMARKS.md is missed
	$(CARGO) bench --locked --bench gateway

deny: ## licences, bans, sources and advisories of all dependencies
	.ci/deny

ci: ## what CI does
	.ci/run
