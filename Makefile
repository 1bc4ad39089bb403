# make app: set up what is missing and open the studio.  make test | lint | bench: for developers.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
PORT ?= 8501
CHROMIUM ?= $(or $(shell command -v chromium),/usr/bin/chromium)

# The search kernels, compiled beforehand so that the first stroke need not wait; without a compiler this only says so.
KERNELS = $(BIN)/python -c "from parmesan_engine.search import cell_kernel as cells, kernel; kernel.load(); kernel.compiled(cells.SOURCE, cells.FLAGS)"

.PHONY: app test lint bench clean

app: $(VENV)/.app
	$(BIN)/streamlit run app.py --server.port $(PORT)

test: $(VENV)/.test $(CHROMIUM)
	$(BIN)/python -m pytest -q

lint: $(VENV)/.test
	$(BIN)/ruff check .

bench: $(VENV)/.app
	$(BIN)/python -m parmesan_engine bench search --quick
	$(BIN)/python -m parmesan_engine bench edit --quick
	$(BIN)/python -m parmesan_engine bench encode --quick
	$(BIN)/python -m parmesan_engine bench memory --quick

clean:
	rm -rf $(VENV)

$(VENV)/bin/python:
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Python 3.11 or newer is needed; set PYTHON=python3.11")'
	$(PYTHON) -m venv $(VENV)

$(VENV)/.app: requirements.txt | $(VENV)/bin/python
	$(BIN)/pip install -q --disable-pip-version-check -r requirements.txt
	$(KERNELS)
	touch $@

$(VENV)/.test: .ci/requirements-test.txt requirements.txt | $(VENV)/bin/python
	$(BIN)/pip install -q --disable-pip-version-check -r .ci/requirements-test.txt
	$(KERNELS)
	touch $@ $(VENV)/.app

# The browser for the tests, from Debian's packages: Playwright's own download is not needed.
$(CHROMIUM):
	apt-get update -qq
	DEBIAN_FRONTEND=noninteractive apt-get install -y -qq chromium
