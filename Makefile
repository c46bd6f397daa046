# SPDX-License-Identifier: GPL-2.0-only
# The commands of the project; 'make help' lists them. Every product lands
# under build/. The parts build themselves (module/, lib/, examples/, tests/
# have makefiles of their own); this file only orders them and installs.
#
# Variables: KDIR (kernel tree to build the module for), BUILD, PREFIX, DESTDIR;
# W=1, C=1, V=1 and CC=… reach the kernel's build system.

SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help

BUILD ?= $(CURDIR)/build
override BUILD := $(abspath $(BUILD))
KDIR ?= /lib/modules/$(shell uname -r)/build
PREFIX ?= /usr/local
DESTDIR ?=
INSTALL_MOD_PATH ?= $(DESTDIR)

# The literal is in dkms.conf, because DKMS needs it there.
VERSION := $(shell sed -n 's/^PACKAGE_VERSION="\{0,1\}\([^"]*\)"\{0,1\}$$/\1/p' dkms.conf)
ifeq ($(VERSION),)
$(error no PACKAGE_VERSION= in dkms.conf)
endif

# The release that KDIR builds for: what 'uname -r' says on that kernel.
KREL = $(shell sed -n 's/.*UTS_RELEASE "\(.*\)".*/\1/p' '$(KDIR)/include/generated/utsrelease.h' 2>/dev/null)
MODDIR = $(BUILD)/module/$(KREL)
MODLIB = $(INSTALL_MOD_PATH)/lib/modules/$(KREL)
# A staged installation must not touch the module index of this machine.
DEPMOD = $(if $(INSTALL_MOD_PATH),true,depmod)

SUBMAKE = +$(MAKE) BUILD='$(BUILD)' VERSION='$(VERSION)'
DKMS_SRC = $(DESTDIR)/usr/src/nbread-$(VERSION)
C_FILES = git ls-files -co --exclude-standard -- \
	'lib/*.[ch]' 'examples/*.[ch]' 'tests/*.[ch]' 'module/*.[ch]' 'include/*.[ch]' '*.cc'

##@ Build

help: ## list these targets
	@awk -F':.*## ' '/^##@ / { printf "\n%s\n", substr($$0, 5) } \
		/^[a-z-]+:.*## / { printf "  make %-16s %s\n", $$1, $$2 }' $(firstword $(MAKEFILE_LIST))

module: kdir ## the kernel module, for KDIR=… (default: the running kernel)
	@mkdir -p '$(MODDIR)/module'
	@# Kernels before 6.13 build in the source folder only: give them one of links.
	@find '$(MODDIR)/module' -maxdepth 1 -type l -delete
	@ln -s $(addprefix $(CURDIR)/,$(wildcard module/*.[ch] module/Kbuild* module/Makefile)) '$(MODDIR)/module/'
	@ln -sfn '$(CURDIR)/include' '$(MODDIR)/include'
	@ln -sfn '$(CURDIR)/dkms.conf' '$(MODDIR)/dkms.conf'
	+$(MAKE) -C '$(MODDIR)/module' KDIR='$(KDIR)' modules
	@ln -sfn module/nbread.ko '$(MODDIR)/nbread.ko'

lib: ## libnbread, shared and static
	$(SUBMAKE) -C lib

examples: lib ## the example programs
	$(SUBMAKE) -C examples

tests: lib ## the test programs, without running them
	$(SUBMAKE) -C tests

##@ Try and check

demo: ## boot a stock kernel in a VM, load the module, read real files, check every byte
	scripts/setup build vm
	scripts/demo

check: ## all tests: unit tests here, device tests in a VM [CASE=name] [KERNEL=name]
	scripts/setup build vm
	+tests/check

check-unit: ## only the tests that need no module [CASE=name]
	scripts/setup build
	+tests/check unit

check-vm: ## only the tests in the VM [CASE=name] [KERNEL=name]
	scripts/setup build vm
	+tests/check vm

check-breakages: ## break the module on purpose, ten ways, and see a named test turn red each time
	scripts/setup build vm
	+tests/break/run

lint: ## sparse, W=1, checkpatch, clang-format, shellcheck, headers, licences, spelling
	scripts/lint

format: ## rewrite the C files in the project's style
	@command -v clang-format >/dev/null || scripts/setup lint
	$(C_FILES) | while read -r file; do if [ -e "$$file" ]; then clang-format -i "$$file"; fi; done

##@ Install

install: install-module install-lib ## module and library on this machine (PREFIX, DESTDIR)

install-module: module ## only the module
	+$(MAKE) -C '$(MODDIR)/module' KDIR='$(KDIR)' INSTALL_MOD_PATH='$(INSTALL_MOD_PATH)' \
		INSTALL_MOD_DIR=updates DEPMOD=true modules_install
	@# Not by the kernel's makefile: it skips it where the headers have no System.map (Debian's).
	$(DEPMOD) -a '$(KREL)'

install-lib: lib ## only the library and the headers
	$(SUBMAKE) -C lib install PREFIX='$(PREFIX)' DESTDIR='$(DESTDIR)'
	install -D -m 644 include/uapi/linux/nbread.h '$(DESTDIR)$(PREFIX)/include/linux/nbread.h'

uninstall: ## remove what 'make install' put there, for the kernel of KDIR
	$(SUBMAKE) -C lib uninstall PREFIX='$(PREFIX)' DESTDIR='$(DESTDIR)'
	rm -f '$(DESTDIR)$(PREFIX)/include/linux/nbread.h'
	@if [ -n '$(KREL)' ]; then \
		rm -fv '$(MODLIB)'/updates/nbread.ko*; \
		$(DEPMOD) -a '$(KREL)'; \
	else \
		echo "There is no kernel tree at $(KDIR): no module was removed. Name it with KDIR=…"; \
	fi

dkms-install: ## the module through DKMS: rebuilt by itself for each new kernel
	@command -v dkms >/dev/null || { echo >&2 \
		"The command 'dkms' is not installed. Debian: apt-get install dkms. 'make install' works without it, for one kernel."; exit 1; }
	@# DKMS refuses to add what it has already.
	@if [ -n "$$(dkms status nbread/$(VERSION))" ]; then dkms remove nbread/$(VERSION) --all; fi
	rm -rf '$(DKMS_SRC)'
	mkdir -p '$(DKMS_SRC)/module' '$(DKMS_SRC)/include'
	cp dkms.conf '$(DKMS_SRC)/'
	cp $(wildcard module/*.[ch] module/Kbuild* module/Makefile) '$(DKMS_SRC)/module/'
	cp -r include/uapi '$(DKMS_SRC)/include/'
	dkms add nbread/$(VERSION)
	dkms build nbread/$(VERSION)
	dkms install nbread/$(VERSION)

dkms-uninstall: ## remove it from DKMS
	dkms remove nbread/$(VERSION) --all
	rm -rf '$(DKMS_SRC)'

##@ Clean up

clean: ## remove what was built; the VM's kernels and the lint's downloads stay
	@if [ -d '$(BUILD)' ]; then \
		find '$(BUILD)' -mindepth 1 -maxdepth 1 ! -name vm ! -name lint -exec rm -rf {} +; fi

distclean: ## remove build/
	rm -rf '$(BUILD)'

version: ## print the version
	@echo '$(VERSION)'

kdir:
	@test -e '$(KDIR)/Makefile' || { printf >&2 '%s\n' \
		"There is no kernel tree at $(KDIR)." \
		"For the running kernel install its headers. Debian: apt-get install linux-headers-$$(uname -r)" \
		"For another kernel name its tree: make module KDIR=/path/to/linux-headers" \
		"The tests need none of this: tests/vm/run builds the module for the VM's kernel by itself."; exit 1; }
	@test -n '$(KREL)' || { printf >&2 '%s\n' \
		"The kernel tree $(KDIR) is not prepared: include/generated/utsrelease.h is missing." \
		"In a kernel source tree run 'make modules_prepare' first."; exit 1; }

.PHONY: help module lib examples tests demo check check-unit check-vm lint format install \
	install-module install-lib uninstall dkms-install dkms-uninstall clean distclean version kdir
