PYTHON ?= python3

.PHONY: install lab test notebooks mutants bench doctor

install lab test notebooks mutants bench doctor:
	$(PYTHON) course.py $@
