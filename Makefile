# The two commands of a newcomer: `make demo` and `make test`. Everything sets itself up.
SHELL := /bin/bash
PY := .venv/bin/python
PACKAGES := -e . -e packages/verify -e packages/witness

.PHONY: setup demo test check bench campaign wheels lock clean

setup: .venv/ready

.venv/ready: requirements/dev.txt pyproject.toml packages/verify/pyproject.toml packages/witness/pyproject.toml
	@python3 -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "Python 3.11 or newer is needed (Debian: apt-get install python3 python3-venv)"; exit 1; }
	@test -x .venv/bin/python || python3 -m venv .venv || { echo "python3-venv is needed (Debian: apt-get install python3-venv)"; exit 1; }
	$(PY) -m pip install -q --disable-pip-version-check --require-hashes -r requirements/dev.txt
	$(PY) -m pip install -q --disable-pip-version-check --no-build-isolation --no-deps $(PACKAGES)
	@touch $@

demo: setup
	@.venv/bin/indelible demo $(if $(ONCE),--once) $(if $(EVENTS),--events $(EVENTS)) $(if $(DIR),--dir $(DIR))

test: setup
	$(PY) -m pytest -n 2 --dist worksteal

check: setup
	.venv/bin/ruff check .
	.venv/bin/mypy
	.venv/bin/lint-imports
	$(PY) -m pytest tests/test_tidy.py

bench: setup
	$(PY) -m bench.run

campaign: setup
	$(PY) -m tests.campaign $(ARGS)

wheels: setup
	for package in . packages/verify packages/witness; do $(PY) -m pip wheel -q --no-build-isolation --no-deps -w dist $$package || exit 1; done

lock:
	cd requirements && for name in run dev; do ../.venv/bin/uv pip compile -q --generate-hashes --no-annotate --no-header --no-emit-index-url --python-version 3.11 --universal -o $$name.txt $$name.in || exit 1; done

clean:
	rm -rf .venv dist build .mypy_cache .ruff_cache .pytest_cache .hypothesis
