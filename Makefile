# Every target does its own set-up and can be run again. `make help` lists them.
SHELL := bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
.ONESHELL:

ENV := . dev/env.sh

# Which demo ports, scenario, test and question: make demo DEMO_HTTP_PORT=9080, make molecule S=default, …
export DEMO_HTTP_PORT DEMO_HTTPS_PORT
S ?= default
T ?=
P ?=
Q ?= What changed since yesterday?

# Where all are run, these begin first: else the last of them would keep one core busy and the other one idle.
LONG_SCENARIOS := faults rpm upgrade cluster runtime grafana
SHORT_SCENARIOS := $(filter-out $(LONG_SCENARIOS),$(patsubst molecule/%/molecule.yml,%,$(wildcard molecule/*/molecule.yml)))

# One by one, as each worker gets free: in this mode nothing is handed out in batches.
IN_PARALLEL := --numprocesses=auto --dist=loadgroup
IN_PAIRS = $(MAKE) --no-print-directory --jobs=2 --output-sync=target

##@ Use
.PHONY: demo
demo: ## Deploy onto a throwaway PMM-like server and ask a question through its nginx
	@dev/demo/up

.PHONY: ask
ask: ## Ask the demo server: make ask Q="Why is it slow?"
	@dev/demo/ask "$$QUESTION"
ask: export QUESTION = $(value Q)

.PHONY: demo-shell
demo-shell: ## A shell on the demo server
	@$(ENV); podman exec -it "pmm-ai-chat-demo$${SERVER_SUFFIX:-}" bash

.PHONY: demo-down
demo-down: ## Remove the demo server
	@dev/demo/down

##@ Test
.PHONY: test
test: ## Lint, unit and service tests, ansible-test, the shorter molecule scenarios: under 25 minutes
	@$(MAKE) --no-print-directory lint test-service ansible-test molecule-short

.PHONY: test-all
test-all: ## The same with every scenario, as CI runs it
	@$(MAKE) --no-print-directory lint test-service ansible-test molecule-all

.PHONY: check
check: setup ## The quick loop, under a minute: lint and the quick ones of the service's tests, no containers
	@$(MAKE) --no-print-directory --jobs=2 --output-sync=target lint test-quick

.PHONY: test-quick
test-quick: setup
	@$(ENV); say "Service tests, the quick ones"
	dev/pytest-service -m "not starts_processes and not thorough" $(IN_PARALLEL) tests/service

.PHONY: lint
lint: setup ## Format, types, YAML, Ansible's production profile, locks
	@dev/lint

.PHONY: test-service
test-service: setup node postgres ## The service's tests
	@$(ENV); say "Service tests"
	dev/pytest-service $(IN_PARALLEL) tests/service

.PHONY: test-python
test-python: setup node postgres ## The service's tests on another Python: make test-python P=python3.13
	@$(ENV); [ -n "$(P)" ] || die "which Python?" "usage: make test-python P=python3.13"
	say "Service tests on $(P)"
	export SERVICE_ENVIRONMENT=$$CACHE/service-$(notdir $(P))
	UV_PROJECT_ENVIRONMENT=$$SERVICE_ENVIRONMENT "$$(dev/bootstrap uv)" sync --frozen --quiet --project service --python "$(P)"
	dev/pytest-service $(IN_PARALLEL) tests/service

.PHONY: test-one
test-one: setup node postgres ## One test of the service: make test-one T=tests/service/...::name
	@[ -n "$(T)" ] || { echo "usage: make test-one T=tests/service/...::name" >&2; exit 2; }
	dev/pytest-service "$(T)"

.PHONY: ansible-test
ansible-test: setup ## The collection: ansible-test sanity and units, the built tarball, supervisord's parser
	@$(ENV); say "ansible-test sanity and units"
	dev/ansible-test

.PHONY: molecule
molecule: molecule-$(S) ## Deploy onto a fresh server and probe it: make molecule S=default

.PHONY: molecule-short
molecule-short: ## The shorter scenarios, two at a time; each one's output comes when it has ended
	@$(IN_PAIRS) $(SHORT_SCENARIOS:%=molecule-%)

.PHONY: molecule-all
molecule-all: ## Every scenario, in the same way
	@$(IN_PAIRS) $(LONG_SCENARIOS:%=molecule-%) $(SHORT_SCENARIOS:%=molecule-%)

molecule-providers: browser

molecule-%: setup node image
	@$(ENV); say "Molecule scenario $*"
	molecule test --no-command-borders --scenario-name $*

.PHONY: bench
bench: setup ## What a relayed chunk costs, beside a raw pass-through: make bench ARGS=--quick
	@$(ENV); export UV_PROJECT_ENVIRONMENT=$$CACHE/service-production
	"$$(dev/bootstrap uv)" sync --frozen --quiet --no-dev --compile-bytecode --project service --python service/.venv/bin/python
	"$$UV_PROJECT_ENVIRONMENT/bin/python" -m tests.bench $(ARGS)

##@ Package
.PHONY: wheelhouse
wheelhouse: setup ## All packages in one file, for servers without a network: make wheelhouse PYTHON=3.12 ARCH=x86_64
	@$(ENV); ansible-playbook --inventory localhost, playbooks/make_wheelhouse.yml -e "wheelhouse_python=$(or $(PYTHON),3.12) wheelhouse_arch=$(or $(ARCH),x86_64) wheelhouse_dest=$$ROOT/dist"

.PHONY: rpm
rpm: setup ## The package pmm-aichat-backend, in dist/rpm: make rpm PYTHON=3.12 RELEASE=1
	@$(ENV); dev/bootstrap rpm
	dev/build-rpm "$(or $(PYTHON),3.12)" dist/rpm "$(or $(RELEASE),1)"

##@ Prepare
.PHONY: setup
setup: ## uv, both virtual environments, the community collections
	@dev/bootstrap tools service collections

.PHONY: node
node: ## Node, the mock of the model providers and the MCP servers that the tests start
	@dev/bootstrap node mcp_servers

.PHONY: postgres
postgres: ## The programs of PostgreSQL, of which the tests start servers of their own
	@dev/bootstrap postgres

.PHONY: lock
lock: setup ## Bring the locks up to date with the pyproject files and dev/node/package.json
	@dev/lock

.PHONY: browser
browser: ## The browser in which a scenario does what PMM's page does
	@dev/bootstrap browser

.PHONY: image
image: ## The image of the throwaway servers
	@dev/bootstrap tools packages
	dev/server/build-image

.PHONY: hooks
hooks: setup ## Run the quick checks before every commit
	@.venv/bin/pre-commit install

.PHONY: clean
clean: demo-down ## Remove what the project made for itself: environments, caches, images
	@$(ENV); ! command -v podman >/dev/null || podman images --quiet --filter reference='localhost/pmm-ai-chat-*' | sort -u | xargs --no-run-if-empty podman rmi --force
	rm -rf .cache .venv service/.venv

.PHONY: help
help: ## This list
	@awk 'BEGIN { FS = ":.*## " } /^##@/ { printf "\n%s\n", substr($$0, 5) } /^[a-z-]+:.*## / { printf "  %-14s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)
