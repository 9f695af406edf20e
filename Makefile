PYTHON ?= python3

COMMANDS = lab copy reset install doctor test notebooks studies mutants bench

.PHONY: $(COMMANDS)

$(COMMANDS):
	$(PYTHON) course.py $@
