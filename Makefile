# The commands of the project. Each says what it does; `make` alone lists them.
.DEFAULT_GOAL := help
.PHONY: help run build test lint e2e bench torture

help: ## List the commands
	@grep -E '^[a-z0-9]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 12

run: ## Build everything and start the demo at http://localhost:8080
	@scripts/needs.sh run
	@$(MAKE) --no-print-directory build
	@exec target/release/bedside serve --demo

build: ## Build pages and server for release
	@echo "Pages: installing dependencies and building (about 20 s the first time)"
	@npm --prefix frontend ci --no-audit --no-fund --loglevel=error
	@npm --prefix frontend run build
	@echo "Server: compiling for release (about 10 minutes the first time on two cores, seconds afterwards)"
	@cargo build --locked --release

test: ## Everything: format, lints, unit, integration on both engines, pages, browsers
	@scripts/needs.sh test
	@scripts/test.sh

lint: ## Format, lints, types, and licences where cargo-deny is installed
	cargo fmt --check
	cargo clippy --locked --all-targets -- -D warnings
	npm --prefix frontend run check
	@if command -v cargo-deny >/dev/null; then cargo deny check; else echo "cargo-deny is not installed: licences and advisories were not checked."; fi

e2e: ## Browser tests alone, against a fresh server
	@scripts/needs.sh test
	npm --prefix frontend ci --no-audit --no-fund --loglevel=error
	npm --prefix frontend run build
	cargo build --locked
	npm --prefix frontend run e2e

bench: ## Figures: gateway, audit log, sealing, policy decisions, start and idle memory
	@scripts/needs.sh test
	npm --prefix frontend ci --no-audit --no-fund --loglevel=error
	npm --prefix frontend run build
	cargo build --locked --release
	cargo bench --locked --bench services
	BEDSIDE_TEST_FSYNC=on cargo bench --locked --bench audit
	cargo bench --locked --bench gateway
	scripts/bench-server.sh
	BEDSIDE_BIN=$(CURDIR)/target/release/bedside node frontend/e2e/join-time.mjs
	BEDSIDE_BIN=$(CURDIR)/target/release/bedside node frontend/e2e/flood.mjs

torture: ## Property tests with many more cases
	PROPTEST_CASES=200000 cargo test --locked --lib -- room reorder webm presentation
