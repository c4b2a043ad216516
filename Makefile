# SPDX-License-Identifier: GPL-2.0
# The front door. Everything that is built goes to build/, everything fetched to the cache.

ARCH ?= $(shell uname -m)
KDIR ?= /lib/modules/$(shell uname -r)/build
SCENARIO ?= slim
PYTHON := /usr/bin/python3
export PYTHONPATH := $(CURDIR)/harness
export PYTHONDONTWRITEBYTECODE := 1

.PHONY: help run test test-unit check module kernel stress clean

help:
	@echo "make run      find a real lost write on Debian's 6.1, and none on 6.12 (as root, in QEMU)"
	@echo "make test     this project's own tests, with a smoke test in a real guest"
	@echo "make check    every static check; a missing tool is a failure"
	@echo "make module   mmrace.ko for the running kernel (KDIR=$(KDIR))"
	@echo "make kernel   kernels from the sources of bookworm, trixie and sid, in the cache (SCENARIO=slim)"
	@echo "make stress   the races for ARCH=$(ARCH)"
	@echo "make clean    remove build/ (the cache stays: ~/.cache/mmrace)"
	@echo "make emulator build one of configs/emulators.toml (NAME=s390x-edat, an s390x with huge pages)"

run:
	@ci/install-packages run
	@./mmrace matrix configs/matrix/first.toml

test:
	@ci/install-packages run test cross
	$(MAKE) -C stress check-lib
	$(PYTHON) -m pytest harness/tests

# The unit tests of C and Python alone: no guest, no network.
test-unit:
	@ci/install-packages run test
	$(MAKE) -C stress check-lib
	$(PYTHON) -m pytest harness/tests -m "not guest"

check:
	@ci/install-packages run cross check test
	@ci/check

module:
	@test -e $(KDIR)/Makefile || { echo "make module: no kernel headers at $(KDIR); install linux-headers-$$(uname -r), or name them with KDIR=" >&2; exit 2; }
	@mkdir -p build/module
	@rm -rf build/module/src && mkdir -p build/module/src && cp -r module include build/module/src/
	$(MAKE) -C $(KDIR) M=$(CURDIR)/build/module/src/module modules
	@cp build/module/src/module/mmrace.ko build/module/mmrace.ko
	@echo "built build/module/mmrace.ko"

kernel:
	@ci/install-packages run kernel
	@./mmrace build --arch $(ARCH) $(foreach suite,bookworm trixie sid,--kernel source:$(suite)+$(SCENARIO))

stress:
	$(MAKE) -C stress O=$(CURDIR)/build/stress/$(ARCH)

clean:
	rm -rf build

.PHONY: emulator
NAME ?= s390x-edat
emulator:
	@ci/install-packages run
	@./mmrace build --emulator $(NAME)
