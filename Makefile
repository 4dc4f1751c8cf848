# make            build the library and install the package into .venv, for development
# make test       all tests
# make test-portable    those of Python and C, with a library that does without what Linux alone has
# make bindings   what the module in Go takes along with the tag zinc_static: headers and archive
# make test-bindings    the tests of the bindings to Rust and Go
# make check      formatting, lints, types, headers, binaries
# make mutants    break the sources in many ways: does a test notice each?  NAMES=… or all
# make demo       Swift and Python hand over a real file: FILE=… or the largest one at hand; and one
#                 memory in every language that is installed
# make soak       storms of random operations and kills, MINUTES=… (10) each
# make fuzz       what others may have written in headers and descriptions, SECONDS=… (60) each
# make size       how large, how fast to load and to create
# make docs       the documentation as a site, in .build-docs/site
# make bench      everything, beside whatever else there is: tables, plots, a report
# make bench-python    what calls from Python cost beside multiprocessing.shared_memory and mmap
# make bench-dask      what a task of Dask takes to give an array to the next one, as root
# make wheel      build dist/, install it without Swift in every Python and in Debian roots, test
#                 ARCH=aarch64, or LIBC=musl: the wheel alone, for that kind of machine
# make test-aarch64   the C and Python tests on an emulated processor, with what ARCH=aarch64 builds;
#                 OPTIONS=… for pytest; PAGE_SIZE=65536 on a whole emulated machine with such pages
# make clean

PYTHON ?= python3
FILE ?=
MINUTES ?= 10
SECONDS ?= 60
SUITES ?= bookworm trixie
NAMES ?=
ARCH ?= $(shell uname -m)
LIBC ?= gnu
OPTIONS ?=

VENV := .venv
BIN := $(VENV)/bin
PROGRAMS := swift build -c release --package-path tests/programs
NATIVE := Package.swift pyproject.toml setup.py Sources/zinc.map \
	$(shell find Sources -name '*.swift' -o -name '*.[ch]')

# The tests of what depends on a user's rights: names and files, the kernel's word on who is there,
# limits, what goes to other processes, and what the command sees. As root they run as nobody, too.
AS_NOBODY := cli crash dumps examine exist forbidden group interleavings keep lifecycle limits linked \
	locks_recovery memory pages pickle presence seats sweep transitions

# What these look at are the sources, the packages and the documentation.
OF_THE_SOURCES := docs documentation package site typing

# What others measure, and what engines and the program make of it all: they wait for each other more
# than they compute.
OF_OTHERS := bench dask demo engines machines metrics mirror mirror_machines mpi ray top_machines

# What is measured beside others, and programs that are linked to the package's own library: on another
# one they would be the same.
SAME_ON_ANY := bench languages

# What the portable library does in another way: names and their life, waits, memory, who is dead.
OF_THE_SEAM := barrier crash event_fd exist keep lifecycle memory notification pages portable \
	primitives ref_crash seats sweep transitions

.PHONY: build test test-portable test-models test-others test-programs test-sources test-unprivileged check mutants docs demo soak fuzz size bench bench-dask bench-python wheel test-aarch64 bindings test-bindings binding-tools clean
build: $(VENV)/.installed

# Debian's python3 has no venv module of its own.
$(BIN)/python:
	$(PYTHON) -c 'import ensurepip, venv' 2>/dev/null || tests/install python3-venv
	$(PYTHON) -m venv $(VENV)

$(VENV)/.installed: $(BIN)/python $(NATIVE)
	$(BIN)/python -m pip install --quiet --editable '.[test,interop,bench,peers,bindings,check,docs]'
	touch $@ $(VENV)/.demo

# Little of what development takes, for who only wants to see it.
$(VENV)/.demo: $(BIN)/python $(NATIVE)
	$(BIN)/python -m pip install --quiet --editable '.[demo]'
	touch $@

test: build binding-tools
	tests/install strace spin valgrind redis-server hostname iproute2 util-linux chromium-headless-shell
	$(PROGRAMS)
	$(MAKE) --jobs 3 test-programs test-others test-models test-sources test-unprivileged test-bindings

# They take what the other tests leave of two processors, so that those keep their time. So do those
# on the portable library; `make test-portable` runs everything so, which takes a quarter of an hour.
test-models: build
	nice -n 19 $(BIN)/python -m pytest -p no:cacheprovider tests/python/*_model.py
	nice -n 19 $(MAKE) test-portable PORTABLE_TESTS='$(OF_THE_SEAM)'

test-programs: build
	swift test --no-parallel # they look at their own /proc
	swift test --no-parallel --filter ThreadStorm --scratch-path .build-thread --sanitize thread
	ASAN_OPTIONS=detect_leaks=0 swift test --no-parallel --filter 'ThreadStorm|Task' \
		--scratch-path .build-address --sanitize address # XCTest leaks; pytest counts ours
	$(BIN)/python -m pytest --ignore-glob '*_model.py' \
		$(patsubst %,--ignore tests/python/test_%.py,$(OF_OTHERS) $(OF_THE_SOURCES))

test-others: build
	$(BIN)/python -m pytest -p no:cacheprovider $(OF_OTHERS:%=tests/python/test_%.py)

test-sources: build
	$(BIN)/python -m pytest -p no:cacheprovider $(OF_THE_SOURCES:%=tests/python/test_%.py)

test-unprivileged: build
	[ "$$(id -u)" != 0 ] || tests/unprivileged $(BIN)/python -m pytest -p no:cacheprovider \
		$(AS_NOBODY:%=tests/python/test_%.py)

# Another library beside, on which the tests run that are of it and not of the sources.
PORTABLE := .build-portable
WITH_PORTABLE := ZINC_PORTABLE=1 PYTHONPATH=$(CURDIR)/$(PORTABLE)/python
$(PORTABLE)/.built: $(VENV)/.installed $(shell find python -name '*.py')
	ZINC_PORTABLE=1 $(BIN)/python setup.py --quiet build --build-base $(PORTABLE)/build \
		--build-lib $(PORTABLE)/python
	touch $@

# The program is built here, as the tests would build it: it takes longer than a test may.
test-portable: $(PORTABLE)/.built
	tests/install strace hostname iproute2 util-linux
	$(PROGRAMS) --product zinc-peer --scratch-path tests/programs/.build/portable -Xcc -DCZINC_PORTABLE
	$(WITH_PORTABLE) $(BIN)/python -m pytest -p no:cacheprovider $(if $(PORTABLE_TESTS),\
		$(PORTABLE_TESTS:%=tests/python/test_%.py),\
		--ignore-glob '*_model.py' $(patsubst %,--ignore tests/python/test_%.py,$(SAME_ON_ANY) $(OF_THE_SOURCES)))

# Go comes with the extra `bindings` of the package. A machine that has Rust keeps its own.
binding-tools:
	tests/install pkgconf
	command -v cargo >/dev/null || tests/install cargo-web rustfmt-web rust-web-clippy

RELEASE := $(CURDIR)/.build-embedded/release
GO := PATH="$(CURDIR)/$(BIN):$$PATH" go
bindings: build
	rm -rf bindings/go/include bindings/go/lib
	mkdir -p bindings/go/include bindings/go/lib/linux_$$($(GO) env GOARCH)
	cp -r Sources/CZinc/include/zinc.h Sources/CZinc/include/zinc bindings/go/include
	cp $(RELEASE)/libzinc.a bindings/go/lib/linux_$$($(GO) env GOARCH)

test-bindings: bindings binding-tools
	cd bindings/rust && ZINC_LIB_DIR=$(RELEASE) ZINC_INCLUDE_DIR=$(CURDIR)/Sources/CZinc/include \
		CARGO_TARGET_DIR=$(CURDIR)/.build-bindings/static $(CURDIR)/$(BIN)/python ../../tests/apart.py \
		cargo test --offline
	cd bindings/go && $(CURDIR)/$(BIN)/python ../../tests/apart.py \
		env PATH="$(CURDIR)/$(BIN):$$PATH" go test -race -tags zinc_static ./...

check: build binding-tools
	$(MAKE) --jobs 2 docs check-rest check-types

check-%:
	tests/check $*

mutants: build
	tests/install strace spin
	$(BIN)/python tests/mutations.py $(NAMES)

SITE := .build-docs/site
docs: build
	$(BIN)/sphinx-build -q -W --keep-going -b html docs $(SITE)
	swift build -q --target Zinc --scratch-path .build-docs/swift -Xswiftc -emit-symbol-graph \
		-Xswiftc -emit-symbol-graph-dir -Xswiftc .build-docs/symbols
	docc convert --warnings-as-errors --additional-symbol-graph-dir .build-docs/symbols --output-path $(SITE)/swift \
		--fallback-display-name Zinc --fallback-bundle-identifier zinc \
		--transform-for-static-hosting --hosting-base-path swift

demo:
	$(MAKE) -j2 $(VENV)/.demo demo-program # one builds while the other fetches
	$(BIN)/python tests/programs/demo.py $(if $(FILE),'$(FILE)')
	$(BIN)/python tests/languages.py

.PHONY: demo-program
demo-program:
	$(PROGRAMS) --product zinc-demo
	$(PROGRAMS) --product zinc-peer

soak: build
	$(BIN)/python tests/storm.py $$(($(MINUTES) * 60))
	mkdir -p .build-storm
	for storm in lock_storm channel_storm queue_storm store_storm; do cc -O2 tests/c/$$storm.c -Ipython/zinc/include \
		python/zinc/libzinc.so -Wl,-rpath,$(CURDIR)/python/zinc -o .build-storm/$$storm || exit 1; done
	.build-storm/lock_storm $$(($(MINUTES) * 60))
	for channel in '16 8 overwrites' '4 8 waits' '64 4096 overwrites' '4 1048576 waits'; do \
		.build-storm/channel_storm soak-$$$$ $$(($(MINUTES) * 15)) $$channel 3 3 || exit 1; done
	for queue in '4 8 least' '64 4096 least' '4 8 most' '64 4096 most'; do \
		.build-storm/queue_storm soak-$$$$ $$(($(MINUTES) * 15)) $$queue 3 4 || exit 1; done
	for store in '4 100000 128 evict attended' '100 30000 256 wait attended' \
		'3 1048576 1024 error attended' '100 30000 256 evict alone'; do \
		.build-storm/store_storm soak-$$$$ $$(($(MINUTES) * 15)) $$store 6 || exit 1; done

fuzz: build
	tests/fuzz/header $(SECONDS)
	$(BIN)/python -m pip install --quiet --editable '.[fuzz]'
	mkdir -p .build-fuzz
	$(BIN)/python tests/fuzz/description.py -max_total_time=$(SECONDS) -artifact_prefix=.build-fuzz/

size: build
	$(BIN)/python tests/size.py

bench: build
	tests/install redis-server strace valgrind
	$(BIN)/zinc bench all

bench-dask: build
	tests/install hostname iproute2 util-linux
	$(BIN)/python tests/dask_speed.py

bench-python: build
	$(BIN)/python tests/python_calls.py

ifeq ($(ARCH)-$(LIBC),$(shell uname -m)-gnu)
wheel: build
	tests/install debootstrap python3-venv
	$(BIN)/python -m pip install --quiet --editable '.[wheel]'
	$(BIN)/python tests/wheel.py build
	$(BIN)/python tests/wheel.py test
	$(BIN)/python tests/wheel.py debian $(SUITES)
else
wheel: build
	tests/install $(CROSS)
	[ $(ARCH)-$(LIBC) != aarch64-musl ] || tests/install --into .build-musl musl-dev:arm64 musl:arm64
	$(BIN)/python -m pip install --quiet --editable '.[wheel]'
	$(BIN)/python tests/wheel.py build $(ARCH)-linux-$(LIBC)
endif

# What it takes to compile for other machines. Swift's clang finds the headers and libraries.
CROSS := gcc-aarch64-linux-gnu libc6-dev-arm64-cross musl-tools qemu-user-static

test-aarch64: build
	tests/install $(CROSS) debootstrap
	[ -z "$$PAGE_SIZE" ] || tests/install linux-source-6.1 flex bison bc libssl-dev qemu-system-arm
	$(MAKE) wheel ARCH=aarch64
	$(BIN)/python tests/emulated.py $(OPTIONS)

clean:
	rm -rf .build* tests/programs/.build* $(VENV) build dist python/*.egg-info
	rm -rf python/zinc/*.so python/zinc/include bindings/go/include bindings/go/lib
