# Everything runs in .venv, which is built once and again only when the pins below change.
PYTHON ?= python3
BIN := .venv/bin
READY := .venv/.ready
RUNS ?= runs
# Two threads that wait by spinning slow each other down on a busy two-core machine.
export OMP_WAIT_POLICY ?= passive
# Tests start many processes; where Python may not keep what it compiles, each compiles all that it imports anew.
unexport PYTHONDONTWRITEBYTECODE

.PHONY: demo test quick check slow pins clean

demo: $(READY)
	$(BIN)/vcl run experiments/demo/pfnr.yaml --out $(RUNS)/demo-pfnr
	$(BIN)/vcl run experiments/demo/finetune.yaml --out $(RUNS)/demo-finetune
	$(BIN)/vcl compare --matrices $(RUNS)/demo-pfnr $(RUNS)/demo-finetune
	$(BIN)/vcl plot $(RUNS)/demo-pfnr $(RUNS)/demo-finetune

# A worker per core and a thread per worker; VCL_TEST_DEVICE=cuda trains and decodes on another device than the CPU.
PYTEST := OMP_NUM_THREADS=1 $(BIN)/python -m pytest
PARALLEL := -p no:nbmake -n logical --maxprocesses 4 --dist worksteal

# The order is random: `pytest --randomly-seed=N` repeats that of the number N in the header.
test: $(READY)
	$(PYTEST) $(PARALLEL) -m "not slow" --cov

# For the inner loop: without the tests that start processes, train many networks or draw many figures.
quick: $(READY)
	$(PYTEST) $(PARALLEL) -m "not slow and not process"

slow: $(READY)
	$(PYTEST) -m slow
	$(PYTEST) notebooks --nbmake --nbmake-timeout=900 -n logical --maxprocesses 4 --dist worksteal

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
