# Two commands on a fresh machine: `make demo` and `make test`. Both set themselves up.
SHELL := /bin/bash
PY := .venv/bin/python
.DEFAULT_GOAL := help

.PHONY: help
help: ## this list
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed 's/:.*##/\t/' | expand -t 14

.venv/.runtime: requirements.lock pyproject.toml tools/setup.sh
	@tools/setup.sh runtime

.venv/.dev: requirements-dev.lock pyproject.toml tools/setup.sh
	@tools/setup.sh dev

.PHONY: setup
setup: .venv/.dev ## virtual environment and system packages for developing

# Byte code, which pip makes at an install: without it the first start of everything compiles what it imports.
BYTECODE = $(PY) -m compileall -q api apiserver client controllers kctl machinery network nodeagent runtime scheduler standalone

.PHONY: demo
demo: .venv/.runtime ## the main job from nothing to the end, every step verified
	@$(BYTECODE)
	@$(PY) -m standalone.demo

.PHONY: test
test: .venv/.dev ## the whole test suite
	@tools/setup.sh test-packages
	@$(PY) -m pytest

.PHONY: vm-test
vm-test: .venv/.dev ## tests in virtual machines: cgroup v2 alone, a cluster over two machines (minutes)
	@tools/setup.sh vm-packages
	@$(BYTECODE)
	@KCTL_VM_TESTS=1 $(PY) -m pytest tests/vm -s

SECONDS_EACH ?= 20
.PHONY: fuzz
fuzz: .venv/.dev ## schemathesis over every served group version of a real cluster (SECONDS_EACH=20; a quarter of an hour)
	@tools/setup.sh fuzz-packages
	@$(PY) tests/fuzz/live.py --seconds $(SECONDS_EACH)

.PHONY: upstream
upstream: .venv/.dev ## the same requests at upstream's own API server and at ours, compared (RECORD=1 writes fixtures, ONLY='watch-*')
	@[ -n "$$KCTL_UPSTREAM" ] || tools/setup.sh upstream-packages
	@$(PY) tests/upstream/upstream_live.py $(if $(RECORD),--record) $(if $(ONLY),--only '$(ONLY)') $(if $(SHOW),--show)

.PHONY: upstream-120
upstream-120: .venv/.dev ## built-in kinds at Kubernetes' own kube-apiserver 1.20 and at ours, compared (RECORD=1 writes fixtures, ONLY='pod')
	@[ -n "$$KCTL_KUBERNETES" ] || tools/setup.sh kubernetes-packages
	@$(PY) tests/upstream120/upstream120_live.py $(if $(RECORD),--record) $(if $(ONLY),--only '$(ONLY)') $(if $(SHOW),--show)

.PHONY: conformance
conformance: .venv/.dev ## Kubernetes' own conformance suite on real containers (ONLY='a regular expression'; a quarter of an hour)
	@[ -n "$$KCTL_KUBERNETES" ] || tools/setup.sh kubernetes-packages
	@$(PY) tests/conformance/conformance_live.py "$${KCTL_KUBERNETES:-$${XDG_CACHE_HOME:-$$HOME/.cache}/kctl/upstream/kubernetes-1.20}" \
	  $(if $(UP),--up '$(UP)') $(if $(ONLY),--only '$(ONLY)',--record tests/conformance/outcomes.tsv)

CASES ?= 2000
SEED ?= 1
.PHONY: oracle
oracle: .venv/.dev ## fresh random questions to upstream's own libraries and to ours (CASES=2000 an area, SEED=1)
	@[ -n "$$KCTL_ORACLE" ] || tools/setup.sh upstream-packages
	@$(PY) tests/oracle/fresh.py "$${KCTL_ORACLE:-$${XDG_CACHE_HOME:-$$HOME/.cache}/kctl/upstream/oracle}" --cases $(CASES) --seed $(SEED)

.PHONY: check
check: .venv/.dev ## format, lint, types, direction of imports
	@.venv/bin/ruff format --check -q .
	@.venv/bin/ruff check -q .
	@.venv/bin/lint-imports --no-logo
	@.venv/bin/mypy

.PHONY: bench
bench: .venv/.dev ## figures and peers, to benchmarks/
	@tools/setup.sh bench-packages
	@$(BYTECODE)
	@$(PY) -m benchmarks
