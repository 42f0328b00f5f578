# make report   the report of sample_models/simple_net.py, as a page and as a PDF
# make test     all tests
# make help     the rest

VENV := .venv
BIN := $(VENV)/bin
SETUP := pyproject.toml constraints.txt scripts/setup.sh
PDF_PROBLEM := $(BIN)/python -c 'import sys; from nnreport.render.pdf import pdf_problem; sys.exit(pdf_problem())'

.PHONY: report test lint docs clean help
.DEFAULT_GOAL := help

help:
	@echo "make report   write nnreport-SimpleNet.html and .pdf, the report of the sample network"
	@echo "make test     run the tests             (make test ARGS='-k pdf' for some)"
	@echo "make lint     run ruff and mypy"
	@echo "make docs     write docs/checks.md: the page of every check, and the table of their score"
	@echo "make clean    remove what these made"

# A machine without Pango still gets the page; what is missing was said.
report: $(VENV)/.ready
	@pdf="-o nnreport-SimpleNet.pdf"; $(PDF_PROBLEM) || pdf=""; \
	$(BIN)/nnreport sample_models/simple_net.py:SimpleNet --input 1,784 -o nnreport-SimpleNet.html $$pdf

test: $(VENV)/.ready-dev
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n auto --maxprocesses 4 --dist worksteal $(ARGS)

lint: $(VENV)/.ready-dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

# The checks' own pages, and how they did on the labelled networks of tests/networks.
docs: $(VENV)/.ready-dev
	$(BIN)/nnreport checks --markdown > docs/checks.md
	$(BIN)/python tests/score_networks.py --table

clean:
	rm -rf $(VENV) build dist *.egg-info .pytest_cache .ruff_cache .mypy_cache nnreport-SimpleNet.html nnreport-SimpleNet.pdf
	find . -name __pycache__ -prune -exec rm -rf {} +

$(VENV)/.ready: $(SETUP)
	@scripts/setup.sh
	@touch $@

$(VENV)/.ready-dev: $(SETUP)
	@scripts/setup.sh dev
	@touch $(VENV)/.ready $@
