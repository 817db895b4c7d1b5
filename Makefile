# SPDX-License-Identifier: BSD-2-Clause
#
# A thin door to meson and ninja; `make help` lists what it can do.

BUILD	?= build
PREFIX	?= /usr/local
WERROR	?= true
ARGS	?=
JOBS	?=
SLOW	?= 1

# CC given by the caller reaches meson when BUILD is first configured.
ifneq ($(origin CC),default)
export CC
endif

ninja	= ninja -C $(BUILD) $(if $(JOBS),-j$(JOBS))
suites	= meson test -C $(BUILD) --no-rebuild --print-errorlogs \
	    --timeout-multiplier $(SLOW) \
	    $(if $(JOBS),--num-processes $(JOBS))
tally	= ; status=$$?; tools/dev/tally.py $(BUILD) && exit $$status
setup	= @tools/dev/setup.sh
# UBSan would only print.
strict	= UBSAN_OPTIONS=halt_on_error=1:print_stacktrace=1
memcheck = valgrind -q --fair-sched=yes --error-exitcode=9 \
	    --child-silent-after-fork=yes \
	    --suppressions=$(CURDIR)/tools/dev/valgrind.supp
port	= 6379

.NOTPARALLEL:
.PHONY: all build quick check test full bench install run asan tsan ubsan \
	hard clang valgrind fuzz mutants clean distclean help lint

all:
	$(setup) build
	@$(MAKE) --no-print-directory build

build: $(BUILD)/build.ninja
	@$(ninja)

$(BUILD)/build.ninja:
	meson setup $(BUILD) -Dwerror=$(WERROR) $(SETUP)

lint: build
	@tools/dev/layers.py --self-test
	@tools/dev/layers.py $(BUILD)
	@tools/dev/leaf.py --self-test
	@tools/dev/leaf.py
	@tools/dev/api.py --self-test
	@tools/dev/api.py --complete $(BUILD)
	@tools/dev/manual.py --self-test
	@tools/dev/manual.py
	@tools/dev/calls.py --self-test
	@tools/dev/calls.py
	@tools/dev/syscalls.py --self-test
	@tools/dev/syscalls.py --check
	@tools/dev/links.py --self-test
	@tools/dev/links.py
	@tools/dev/names.py --self-test
	@tools/dev/names.py
	@tools/dev/quotes.py --self-test
	@tools/dev/quotes.py
	@tools/dev/limits.py --self-test
	@tools/dev/limits.py
	@tools/dev/mutants.py --self-test
	@tools/dev/tally.py --self-test

quick: build
	@$(suites) --suite quick $(tally)

check:
	$(setup) test
	@$(MAKE) --no-print-directory lint
	@$(suites) --quiet --suite quick $(tally)

test:
	$(setup) test
	@$(MAKE) --no-print-directory lint
	@$(suites) --suite quick --suite test $(tally)

full:
	$(setup) full
	@$(MAKE) --no-print-directory lint
	@$(suites) $(tally)

bench:
	$(setup) bench
	@$(MAKE) --no-print-directory build
	@meson setup --reconfigure $(BUILD) >/dev/null	# peers, new since
	@$(ninja) bench-programs
	@LWKT_BUILD=$(BUILD) bench/run $(ARGS)

run:
	$(setup) run
	@test -f $(BUILD)/build.ninja || \
	    $(MAKE) --no-print-directory $(BUILD)/build.ninja
	@$(ninja) apps/kv/lwkt-kv
	@exec $(BUILD)/apps/kv/lwkt-kv --port-auto $(port) $(ARGS)

install:
	$(setup) install
	@test -f $(BUILD)/build.ninja || \
	    $(MAKE) --no-print-directory $(BUILD)/build.ninja
	@meson configure $(BUILD) --prefix=$(PREFIX)
	@$(ninja)
	@DESTDIR='$(DESTDIR)' meson install -C $(BUILD) --no-rebuild

asan:
	$(setup) test
	@$(strict) $(MAKE) --no-print-directory quick BUILD=build-asan SLOW=5 \
	    SETUP='-Db_lundef=false -Db_sanitize=address,undefined'

tsan:
	$(setup) test
	@$(MAKE) --no-print-directory quick BUILD=build-tsan SLOW=10 \
	    SETUP='-Db_lundef=false -Db_sanitize=thread'

ubsan:
	$(setup) test
	@$(strict) $(MAKE) --no-print-directory quick BUILD=build-ubsan \
	    SETUP='-Db_lundef=false -Db_sanitize=undefined'

hard:
	$(setup) test
	@$(MAKE) --no-print-directory quick BUILD=build-hard SLOW=3 \
	    SETUP='-Dhard=true -Dinvariants=true'

clang:
	$(setup) clang
	@$(MAKE) --no-print-directory quick BUILD=build-clang CC=clang

# The core and the public functions.  Only one host thread runs at a time.
valgrind:
	$(setup) valgrind
	@$(MAKE) --no-print-directory build BUILD=build-valgrind
	@LWKT_ROUNDS=100 meson test -C build-valgrind --no-rebuild \
	    --print-errorlogs --timeout-multiplier 30 --num-processes 1 \
	    --suite core --suite api --no-suite full --no-suite test \
	    --wrapper '$(memcheck)'; \
	    status=$$?; tools/dev/tally.py build-valgrind && exit $$status

# Two fuzz targets of the store, one after the other.
SECONDS	?= 60
fuzz:
	$(setup) clang
	@tests/kv/fuzz.sh $(CURDIR) resp $(SECONDS)
	@tests/kv/fuzz.sh $(CURDIR) op $(SECONDS)

mutants:
	$(setup) test
	@tools/dev/mutants.py

clean:
	@test ! -f $(BUILD)/build.ninja || $(ninja) -t clean

distclean:
	rm -rf $(BUILD) build-asan build-tsan build-ubsan build-hard \
	    build-clang build-valgrind build-mutants build-bench

help:
	@echo 'make              build into build/'
	@echo 'make run          start the key-value store on port 6379 (or the next free one)'
	@echo 'make test         build and run all tests of everyday size'
	@echo 'make check        the quick tests and the checks of the source, < 60 s'
	@echo 'make full         every test, long ones included'
	@echo "make bench        measure; ARGS='--only NAME'"
	@echo 'make install      DESTDIR= PREFIX=/usr/local'
	@echo 'make asan         quick tests under a sanitizer; also tsan, ubsan'
	@echo 'make hard         quick tests with tiny limits and every assertion'
	@echo 'make clang        quick tests, built with clang'
	@echo 'make valgrind     the core and api tests under memcheck'
	@echo 'make fuzz         the fuzz targets of the store; SECONDS=60'
	@echo 'make mutants      known bugs put back in: do the tests notice?'
	@echo 'make clean        remove what was built; distclean: all build directories'
	@echo
	@echo 'Variables: BUILD=build CC= JOBS= SLOW=1 WERROR=true'
	@echo '(CC and WERROR count when BUILD is first configured;'
	@echo ' SLOW multiplies the time limits of tests)'
