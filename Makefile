# SPDX-License-Identifier: GPL-2.0-only
# The commands of the project; 'make help' lists them. Every product lands
# under build/. The parts build themselves (module/, lib/, examples/, tests/
# have makefiles of their own); this file only orders them and installs.
#
# Variables: KDIR (kernel tree to build the module for), BUILD, PREFIX, INCLUDEDIR,
# DESTDIR; W=1, C=1, V=1 and CC=… reach the kernel's build system.

SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help

ifneq ($(words $(CURDIR)),1)
$(error the project lies in '$(CURDIR)': make cannot take a path with blanks. Move the tree to a plain path)
endif
BUILD ?= $(CURDIR)/build
override BUILD := $(abspath $(BUILD))
KDIR ?= /lib/modules/$(shell uname -r)/build
PREFIX ?= /usr/local
INCLUDEDIR ?= $(PREFIX)/include
DESTDIR ?=
INSTALL_MOD_PATH ?= $(DESTDIR)
# Each part would take it from a folder of its own.
ifneq ($(filter-out /%,$(firstword $(DESTDIR)) $(firstword $(INSTALL_MOD_PATH))),)
$(error DESTDIR='$(DESTDIR)' INSTALL_MOD_PATH='$(INSTALL_MOD_PATH)': write the whole path, from / on)
endif

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
# Where udev and systemd look, also when the rest goes to another PREFIX.
SYSLIB = $(DESTDIR)$(if $(filter /usr,$(PREFIX)),/usr,/usr/local)/lib
# Only what is installed on this very machine can be made known to it.
LIVE = $(if $(DESTDIR),,$(filter 0,$(shell id -u)))
C_FILES = git ls-files -co --exclude-standard -- \
	'lib/*.[ch]' 'examples/*.[ch]' 'tools/*.[ch]' 'tests/*.[ch]' 'bench/*.[ch]' 'module/*.[ch]' 'include/*.[ch]' '*.cc'

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

fio-engine: lib ## an engine for fio (examples/fio), whose source it fetches [FIO=…] [FIO_SRC=…]
	@if [ -z '$(FIO)$(FIO_SRC)' ]; then scripts/setup fio; fi
	$(SUBMAKE) -C examples/fio FIO='$(FIO)' FIO_SRC='$(FIO_SRC)'

tools: lib ## nbread-info and nbsum
	$(SUBMAKE) -C tools

tests: lib ## the test programs, without running them
	$(SUBMAKE) -C tests

backends-doc: tests ## docs/backends.md, out of the behaviour suite
	'$(BUILD)/tests/nbread-behave' --differences >'$(BUILD)/tests/backends.md'
	mv '$(BUILD)/tests/backends.md' docs/backends.md

##@ Try and check

demo: ## boot a stock kernel in a VM, load the module, read real files, check every byte
	scripts/setup build vm
	scripts/demo

bench: ## nbread and its peers side by side in a VM: build/bench/results.json, a table, pictures
	bench/run

bench-all: ## the same, then other kernels and file systems
	bench/run --all

check: ## all tests: unit tests here, device tests in a VM [CASE=name] [KERNEL=name]
	scripts/setup build vm
	+tests/check

check-all: ## the tests in the VM on every kernel of tests/vm/kernels, and one table
	scripts/setup build vm
	+tests/check-all

check-unit: ## only the tests that need no module [CASE=name]
	scripts/setup build
	+tests/check unit

check-vm: ## only the tests in the VM [CASE=name] [KERNEL=name]
	scripts/setup build vm
	+tests/check vm

check-package: ## install, upgrade and purge the packages in fresh Debian roots, use them in a VM
	scripts/setup build vm package
	+tests/package/check

check-breakages: ## break the module on purpose, many ways, and see a named test turn red each time
	scripts/setup build vm lint
	+tests/break/run

lint: ## sparse, W=1, checkpatch, clang-format, shellcheck, headers, licences, spelling
	scripts/lint

format: ## rewrite the C files in the project's style
	@command -v clang-format >/dev/null || scripts/setup lint
	$(C_FILES) | while read -r file; do if [ -e "$$file" ]; then clang-format -i "$$file"; fi; done

##@ Install

install: install-module install-device install-lib install-tools ## all of it on this machine (PREFIX, DESTDIR)

install-module: module ## only the module
	@for file in '$(MODLIB)'/updates/dkms/nbread.ko* '$(MODLIB)'/extra/nbread.ko*; do \
		[ ! -e "$$file" ] || { printf >&2 '%s\n' "DKMS has installed the module for this kernel: $$file." \
			"Which of two modprobe takes is not sure: remove that one first (make dkms-uninstall, or the package nbread-dkms)."; exit 1; }; \
	done
	+$(MAKE) -C '$(MODDIR)/module' KDIR='$(KDIR)' INSTALL_MOD_PATH='$(INSTALL_MOD_PATH)' \
		INSTALL_MOD_DIR=updates DEPMOD=true modules_install
	@# Not by the kernel's makefile: it skips it where the headers have no System.map (Debian's).
	$(DEPMOD) -a '$(KREL)'

install-device: ## only the group nbread, the udev rule of /dev/nbread and loading at boot
	install -D -m 644 packaging/60-nbread.rules '$(SYSLIB)/udev/rules.d/60-nbread.rules'
	install -D -m 644 packaging/nbread.modules-load '$(SYSLIB)/modules-load.d/nbread.conf'
	install -D -m 644 packaging/nbread.sysusers '$(SYSLIB)/sysusers.d/nbread.conf'
ifneq ($(LIVE),)
	getent group nbread >/dev/null || groupadd --system nbread
	@# A module that is loaded already gets its rule now.
	-if [ -S /run/udev/control ]; then udevadm control --reload && udevadm trigger --settle --sysname-match=nbread; fi
endif

install-lib: lib ## only the library, the headers and the manual
	$(SUBMAKE) -C lib install PREFIX='$(PREFIX)' INCLUDEDIR='$(INCLUDEDIR)' DESTDIR='$(DESTDIR)'
	install -D -m 644 include/uapi/linux/nbread.h '$(DESTDIR)$(INCLUDEDIR)/linux/nbread.h'
	$(SUBMAKE) -C docs/man install PREFIX='$(PREFIX)' DESTDIR='$(DESTDIR)'
	$(if $(LIVE),ldconfig)

install-tools: tools ## only nbread-info and nbsum
	$(SUBMAKE) -C tools install PREFIX='$(PREFIX)' DESTDIR='$(DESTDIR)'

uninstall: uninstall-device ## remove what 'make install' put there, for the kernel of KDIR
	$(SUBMAKE) -C lib uninstall PREFIX='$(PREFIX)' INCLUDEDIR='$(INCLUDEDIR)' DESTDIR='$(DESTDIR)'
	$(SUBMAKE) -C tools uninstall PREFIX='$(PREFIX)' DESTDIR='$(DESTDIR)'
	rm -f '$(DESTDIR)$(INCLUDEDIR)/linux/nbread.h'
	$(SUBMAKE) -C docs/man uninstall PREFIX='$(PREFIX)' DESTDIR='$(DESTDIR)'
	$(if $(LIVE),ldconfig)
	@if [ -n '$(KREL)' ]; then \
		rm -fv '$(MODLIB)'/updates/nbread.ko*; \
		$(DEPMOD) -a '$(KREL)'; \
	else \
		echo "There is no kernel tree at $(KDIR): no module was removed. Name it with KDIR=…"; \
	fi

uninstall-device:
	rm -f '$(SYSLIB)/udev/rules.d/60-nbread.rules' '$(SYSLIB)/modules-load.d/nbread.conf' \
		'$(SYSLIB)/sysusers.d/nbread.conf'
ifneq ($(LIVE),)
	@if getent group nbread >/dev/null; then \
		echo "The group nbread stays, since you chose its members. To remove it: groupdel nbread"; fi
endif

# What DKMS and the package nbread-dkms build from.
dkms-source:
	rm -rf '$(DKMS_SRC)'
	mkdir -p '$(DKMS_SRC)/module' '$(DKMS_SRC)/include'
	cp dkms.conf '$(DKMS_SRC)/'
	cp $(wildcard module/*.[ch] module/Kbuild* module/Makefile) '$(DKMS_SRC)/module/'
	cp -r include/uapi '$(DKMS_SRC)/include/'

dkms-install: ## the module through DKMS: rebuilt by itself for each new kernel
ifeq ($(DESTDIR),)
	@mkdir -p '$(BUILD)'
	@# DKMS refuses to add what it has already, and would go back to an older one one day.
	scripts/dkms-forget >'$(BUILD)/dkms-kernels'
endif
	$(MAKE) dkms-source install-device
ifeq ($(DESTDIR),)
	dkms add nbread/$(VERSION)
	dkms build nbread/$(VERSION) $(if $(KREL),-k '$(KREL)')
	dkms install nbread/$(VERSION) $(if $(KREL),-k '$(KREL)')
	@# And for those it had been built for: one of them may be that of the next boot.
	@while read -r k; do \
		if [ "$$k" != '$(KREL)' ] && [ -e "/lib/modules/$$k/build" ]; then \
			dkms install nbread/$(VERSION) -k "$$k" </dev/null || \
				echo >&2 "DKMS had the module for the kernel $$k, and this version could not be built for it."; \
		fi; \
	done <'$(BUILD)/dkms-kernels'
endif

dkms-uninstall: uninstall-device ## remove it from DKMS
ifeq ($(DESTDIR),)
	scripts/dkms-forget >/dev/null
endif
	rm -rf '$(DKMS_SRC)'

deb: ## Debian packages in build/deb: nbread-dkms, libnbread0, libnbread-dev, nbread-tools
	scripts/setup deb
	packaging/build-deb '$(BUILD)/deb'

##@ Clean up

clean: ## remove what was built; the VM's kernels, package roots, fio's source and the lint's downloads stay
	@if [ -d '$(BUILD)' ]; then \
		find '$(BUILD)' -mindepth 1 -maxdepth 1 ! -name vm ! -name lint ! -name package ! -name fio -exec rm -rf {} +; fi

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

.PHONY: backends-doc help module lib examples fio-engine tools tests demo bench bench-all check check-all check-unit check-vm check-package \
	check-breakages lint format install \
	install-module install-device install-lib install-tools uninstall \
	uninstall-device dkms-source dkms-install dkms-uninstall deb clean distclean version kdir
