PYTHON ?= python3

.PHONY: install lab test notebooks bench doctor

install lab test notebooks bench doctor:
	$(PYTHON) course.py $@
