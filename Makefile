# Everything runs in .venv, which is built once and again only when the pins below change.
PYTHON ?= python3
BIN := .venv/bin
READY := .venv/.ready
RUNS ?= runs
# Two threads that wait by spinning slow each other down on a busy two-core machine.
export OMP_WAIT_POLICY ?= passive

.PHONY: demo test quick check slow pins clean

demo: $(READY)
	$(BIN)/vcl run experiments/demo/pfnr.yaml --out $(RUNS)/demo-pfnr
	$(BIN)/vcl run experiments/demo/finetune.yaml --out $(RUNS)/demo-finetune
	$(BIN)/vcl compare --matrices $(RUNS)/demo-pfnr $(RUNS)/demo-finetune
	$(BIN)/vcl plot $(RUNS)/demo-pfnr $(RUNS)/demo-finetune

PARALLEL := -n logical --maxprocesses 4 --dist worksteal

# In random order; `pytest --randomly-seed=N` repeats it with the number that is printed.
test: $(READY)
	$(BIN)/python -m pytest $(PARALLEL) -m "not slow" --cov

# For the inner loop: all but what starts processes or trains many networks.
quick: $(READY)
	$(BIN)/python -m pytest $(PARALLEL) -m "not slow and not process"

slow: $(READY)
	$(BIN)/python -m pytest -m slow
	$(BIN)/python -m pytest notebooks --nbmake --nbmake-timeout=900

check: $(READY)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

$(READY): setup.cfg pyproject.toml constraints.txt
	$(PYTHON) -c "import sys; assert (3, 10) <= sys.version_info[:2] <= (3, 13), 'vcl needs Python 3.10 to 3.13'"
	$(PYTHON) -m venv --clear .venv
	$(BIN)/python -m pip install --quiet --disable-pip-version-check uv
	$(BIN)/uv pip install --quiet --python $(BIN)/python --constraint constraints.txt --editable ".[dev]"
	touch $(READY)

# Renews constraints.txt from setup.cfg, for every Python that is supported.
pins: $(READY)
	$(BIN)/uv pip compile --quiet --universal --python-version 3.10 --all-extras --no-header --no-annotate \
		--output-file constraints.txt setup.cfg

clean:
	rm -rf .venv
