# SPDX-License-Identifier: GPL-2.0
# The front door. Everything that is built goes to build/, everything fetched to the cache.

ARCH ?= $(shell uname -m)
KDIR ?= /lib/modules/$(shell uname -r)/build
SCENARIO ?= slim
PYTHON := /usr/bin/python3
export PYTHONPATH := $(CURDIR)/harness
export PYTHONDONTWRITEBYTECODE := 1

.PHONY: help run test test-unit check module dkms-install dkms-remove kernel stress man clean

help:
	@echo "make run      find a real lost write on Debian's 6.1, and none on 6.12 (as root, in QEMU)"
	@echo "make test     this project's own tests, with a smoke test in a real guest"
	@echo "make check    every static check; a missing tool is a failure"
	@echo "make module   mmrace.ko for the running kernel (KDIR=$(KDIR))"
	@echo "make kernel   kernels from the sources of bookworm, trixie and sid, in the cache (SCENARIO=slim)"
	@echo "make dkms-install   mmrace.ko for this kernel and those to come, through dkms (as root)"
	@echo "make stress   the races for ARCH=$(ARCH)"
	@echo "make man      build/mmrace.1, the manual page (man -l build/mmrace.1)"
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

VERSION = $(shell sed -n 's/^MODULE_VERSION("\(.*\)");/\1/p' module/main.c)
DKMS_KERNEL ?= $(shell uname -r)
DKMS_SOURCE = /usr/src/mmrace-$(VERSION)

dkms-install:
	@command -v dkms > /dev/null || { echo "make dkms-install: there is no dkms here; apt-get install dkms" >&2; exit 2; }
	@dkms remove mmrace/$(VERSION) --all > /dev/null 2>&1 || true
	@rm -rf $(DKMS_SOURCE) && mkdir -p $(DKMS_SOURCE)
	@cp -r module include COPYING $(DKMS_SOURCE)/
	@sed 's/@VERSION@/$(VERSION)/' dkms/dkms.conf.in > $(DKMS_SOURCE)/dkms.conf
	dkms install mmrace/$(VERSION) -k $(DKMS_KERNEL)

dkms-remove:
	dkms remove mmrace/$(VERSION) --all
	@rm -rf $(DKMS_SOURCE)

stress:
	$(MAKE) -C stress O=$(CURDIR)/build/stress/$(ARCH)

man:
	@mkdir -p build
	@$(PYTHON) -m mmrace.manpage > build/mmrace.1.new && mv build/mmrace.1.new build/mmrace.1

clean:
	rm -rf build

.PHONY: emulator
NAME ?= s390x-edat
emulator:
	@ci/install-packages run
	@./mmrace build --emulator $(NAME)
