# SPDX-License-Identifier: BSD-2-Clause
# Unit tests speak TAP by cmocka; the rooms test is a shell script.

TEST_EXTENSIONS = .sh
SH_LOG_COMPILER = $(SHELL)
LOG_DRIVER = env AM_TAP_AWK='$(AWK)' CMOCKA_MESSAGE_OUTPUT=TAP $(SHELL) \
	$(top_srcdir)/build-aux/tap-driver.sh
SH_LOG_DRIVER = $(LOG_DRIVER)
AM_TESTS_ENVIRONMENT = NM='$(NM)'; export NM; \
	ASAN_OPTIONS=$${ASAN_OPTIONS-detect_leaks=1}; export ASAN_OPTIONS;

dist_check_SCRIPTS = %D%/rooms.sh
TESTS += %D%/rooms.sh
%D%/rooms.log: libcore.a

# Help, completion and manual pages know the same.
dist_check_SCRIPTS += %D%/help.sh
TESTS += %D%/help.sh
%D%/help.log: svipd svipctl

# Heartbeats, announcements and the conflict watch between two namespaces.
dist_check_SCRIPTS += %D%/smoke.sh
EXTRA_DIST += %D%/smoke/network.py
check_PROGRAMS += %D%/smoke/hands
TESTS += %D%/smoke.sh
%D%/smoke.log: %D%/smoke/hands
%C%_smoke_hands_LDADD = $(ROOM_LIBS)

# What doc/alerts.yml must find, for promtool.
EXTRA_DIST += %D%/metrics/alerts_test.yml

# The packet filter's lease.
dist_check_SCRIPTS += %D%/fence.sh
EXTRA_DIST += %D%/smoke/fence.py
check_PROGRAMS += %D%/smoke/fence
TESTS += %D%/fence.sh
%D%/fence.log: %D%/smoke/fence
%C%_smoke_fence_LDADD = $(ROOM_LIBS)

# The core among simulated Sentinels, networks, clocks and kernels.
dist_check_SCRIPTS += %D%/sim.sh
EXTRA_DIST += %D%/sim/mutants %D%/sim/mutants.sh
check_PROGRAMS += %D%/sim/sim
%C%_sim_sim_SOURCES = \
	%D%/sim/change.c \
	%D%/sim/fault.c \
	%D%/sim/hands.c \
	%D%/sim/kernel.c \
	%D%/sim/net.c \
	%D%/sim/node.c \
	%D%/sim/queue.c \
	%D%/sim/sentinel.c \
	%D%/sim/sim.c \
	%D%/sim/sim.h
%C%_sim_sim_LDADD = libcore.a libwire.a
TESTS += %D%/sim.sh
%D%/sim.log: %D%/sim/sim

# Each deliberate mistake in the core has to be found. Takes its time.
check-mutants:
	CC='$(CC)' $(SHELL) $(srcdir)/%D%/sim/mutants.sh
.PHONY: check-mutants

# The protocol's models, every run of them within small bounds, by Spin; the second: larger bounds, for hours of patience.
EXTRA_DIST += %D%/model
model:
	CC='$(CC)' $(SHELL) $(srcdir)/%D%/model/run
model-deep:
	CC='$(CC)' $(SHELL) $(srcdir)/%D%/model/run deep
.PHONY: model model-deep

# A hundred restarts of each kind under load: nobody may notice. Needs root.
soak: svipd svipctl
	SVIP_RESTARTS=100 SVIPD='$(abs_builddir)/svipd' SVIPCTL='$(abs_builddir)/svipctl' \
	    $(SHELL) $(srcdir)/%D%/integration/run test_restart.py test_successor.py \
	    -k 'noticed_by_nobody or nobody_notices'
.PHONY: soak

# Faults of every kind at random; what must hold is proved from the record. SECONDS of it in all, SEED of the first round. Needs root.
chaos: svipd svipctl
	SVIPD='$(abs_builddir)/svipd' SVIPCTL='$(abs_builddir)/svipctl' \
	    /usr/bin/python3 $(srcdir)/%D%/chaos/run -o chaos $(if $(SECONDS),-t $(SECONDS)) $(if $(SEED),-s $(SEED))
.PHONY: chaos

# Each fuzz target on its corpus. Fuzzing itself needs clang: make fuzz SECONDS=600 TARGET='conf core'
fuzz_targets = \
	%D%/fuzz/fuzz_channel \
	%D%/fuzz/fuzz_conf \
	%D%/fuzz/fuzz_core \
	%D%/fuzz/fuzz_ctl \
	%D%/fuzz/fuzz_diag \
	%D%/fuzz/fuzz_frames \
	%D%/fuzz/fuzz_heartbeat \
	%D%/fuzz/fuzz_holds \
	%D%/fuzz/fuzz_nft \
	%D%/fuzz/fuzz_rtnl \
	%D%/fuzz/fuzz_sentinel \
	%D%/fuzz/fuzz_show
check_PROGRAMS += $(fuzz_targets)
noinst_HEADERS += %D%/fuzz/fuzz.h
dist_check_SCRIPTS += %D%/fuzz.sh
EXTRA_DIST += %D%/fuzz/corpus %D%/fuzz/run %D%/fuzz/conf.dict %D%/fuzz/sentinel.dict %D%/fuzz/show.dict
TESTS += %D%/fuzz.sh
%D%/fuzz.log: $(fuzz_targets)
%C%_fuzz_fuzz_channel_SOURCES = %D%/fuzz/fuzz_channel.c %D%/fuzz/replay.c
%C%_fuzz_fuzz_channel_LDADD = $(SVIPD_LIBS)
%C%_fuzz_fuzz_conf_SOURCES = %D%/fuzz/fuzz_conf.c %D%/fuzz/replay.c
%C%_fuzz_fuzz_conf_LDADD = $(SVIPD_LIBS)
%C%_fuzz_fuzz_core_SOURCES = %D%/fuzz/fuzz_core.c %D%/fuzz/replay.c
%C%_fuzz_fuzz_core_LDADD = $(SVIPD_LIBS)
%C%_fuzz_fuzz_ctl_SOURCES = %D%/fuzz/fuzz_ctl.c %D%/fuzz/replay.c
%C%_fuzz_fuzz_ctl_LDADD = libwire.a
%C%_fuzz_fuzz_diag_SOURCES = %D%/fuzz/fuzz_diag.c %D%/fuzz/replay.c
%C%_fuzz_fuzz_diag_LDADD = $(ROOM_LIBS)
%C%_fuzz_fuzz_frames_SOURCES = %D%/fuzz/fuzz_frames.c %D%/fuzz/replay.c
%C%_fuzz_fuzz_frames_LDADD = libwire.a
%C%_fuzz_fuzz_heartbeat_SOURCES = %D%/fuzz/fuzz_heartbeat.c %D%/fuzz/replay.c
%C%_fuzz_fuzz_heartbeat_LDADD = $(ROOM_LIBS)
%C%_fuzz_fuzz_holds_SOURCES = %D%/fuzz/fuzz_holds.c %D%/fuzz/replay.c
%C%_fuzz_fuzz_holds_LDADD = $(ROOM_LIBS)
%C%_fuzz_fuzz_nft_SOURCES = %D%/fuzz/fuzz_nft.c %D%/fuzz/replay.c
%C%_fuzz_fuzz_nft_LDADD = $(ROOM_LIBS)
%C%_fuzz_fuzz_rtnl_SOURCES = %D%/fuzz/fuzz_rtnl.c %D%/fuzz/replay.c
%C%_fuzz_fuzz_rtnl_LDADD = $(ROOM_LIBS)
%C%_fuzz_fuzz_sentinel_SOURCES = %D%/fuzz/fuzz_sentinel.c %D%/fuzz/replay.c
%C%_fuzz_fuzz_sentinel_LDADD = $(ROOM_LIBS)
%C%_fuzz_fuzz_show_SOURCES = %D%/fuzz/fuzz_show.c %D%/fuzz/replay.c
%C%_fuzz_fuzz_show_LDADD = $(SVIPCTL_LIBS)

SECONDS = 60
fuzz:
	$(SHELL) $(srcdir)/%D%/fuzz/run -s $(SECONDS) -o fuzz $(TARGET)
.PHONY: fuzz

if HAVE_CMOCKA
unit_tests = \
	%D%/unit/test_address \
	%D%/unit/test_age \
	%D%/unit/test_change \
	%D%/unit/test_channel_msg \
	%D%/unit/test_claim \
	%D%/unit/test_conf \
	%D%/unit/test_conf_compare \
	%D%/unit/test_conf_digest \
	%D%/unit/test_conf_files \
	%D%/unit/test_control \
	%D%/unit/test_core \
	%D%/unit/test_ctl_request \
	%D%/unit/test_cursor \
	%D%/unit/test_daemonise \
	%D%/unit/test_decide \
	%D%/unit/test_diag_msg \
	%D%/unit/test_evidence \
	%D%/unit/test_expedite \
	%D%/unit/test_facts \
	%D%/unit/test_handover \
	%D%/unit/test_frames \
	%D%/unit/test_heartbeat \
	%D%/unit/test_holds \
	%D%/unit/test_instances \
	%D%/unit/test_joint \
	%D%/unit/test_lease \
	%D%/unit/test_log \
	%D%/unit/test_metrics \
	%D%/unit/test_nft_msg \
	%D%/unit/test_no_memory \
	%D%/unit/test_peer \
	%D%/unit/test_priv \
	%D%/unit/test_rconn \
	%D%/unit/test_replication_reply \
	%D%/unit/test_report \
	%D%/unit/test_rotate \
	%D%/unit/test_rtnl_msg \
	%D%/unit/test_script \
	%D%/unit/test_sdnotify \
	%D%/unit/test_seal \
	%D%/unit/test_sentinel \
	%D%/unit/test_sentinel_reply \
	%D%/unit/test_spread \
	%D%/unit/test_svipctl \
	%D%/unit/test_version \
	%D%/unit/test_why \
	%D%/unit/test_writes
check_PROGRAMS += $(unit_tests)
TESTS += $(unit_tests)
endif

# A test with %D%/unit/NAME.c alone needs no more than its line above; the archives give what it uses.
LDADD = $(ROOM_LIBS) $(CMOCKA_LIBS)
%C%_unit_test_change_LDADD = $(SVIPD_LIBS) $(CMOCKA_LIBS)
%C%_unit_test_conf_LDADD = $(SVIPD_LIBS) $(CMOCKA_LIBS)
%C%_unit_test_conf_compare_LDADD = $(SVIPD_LIBS) $(CMOCKA_LIBS)
%C%_unit_test_conf_digest_LDADD = $(SVIPD_LIBS) $(CMOCKA_LIBS)
%C%_unit_test_conf_files_LDADD = $(SVIPD_LIBS) $(CMOCKA_LIBS)
%C%_unit_test_expedite_LDADD = $(SVIPD_LIBS) $(CMOCKA_LIBS)
%C%_unit_test_handover_LDADD = $(SVIPD_LIBS) $(CMOCKA_LIBS)
%C%_unit_test_metrics_LDADD = $(SVIPD_LIBS) $(CMOCKA_LIBS)
%C%_unit_test_report_LDADD = $(SVIPD_LIBS) $(CMOCKA_LIBS)
%C%_unit_test_rotate_LDADD = $(SVIPD_LIBS) $(CMOCKA_LIBS)
%C%_unit_test_spread_LDADD = $(SVIPD_LIBS) $(CMOCKA_LIBS)
%C%_unit_test_svipctl_LDADD = $(SVIPCTL_LIBS) $(CMOCKA_LIBS)
%C%_unit_test_version_LDADD = $(SVIPD_LIBS) $(CMOCKA_LIBS)
%C%_unit_test_why_LDADD = $(SVIPD_LIBS) $(CMOCKA_LIBS)
noinst_HEADERS += \
	%D%/unit/conf_temp.h \
	%D%/unit/core_fixture.h \
	%D%/unit/report_fixture.h

# How much of the code these tests run: all of core and wire. coverage-report tells of whatever has run, other tests included.
EXTRA_DIST += %D%/coverage.sh
if COVERAGE
coverage:
	find . -name '*.gcda' -exec rm -f {} +
	$(MAKE) $(AM_MAKEFLAGS) check
	$(MAKE) $(AM_MAKEFLAGS) coverage-report
coverage-report:
	$(AM_V_at)srcdir='$(srcdir)' $(SHELL) $(srcdir)/%D%/coverage.sh
clean-local:
	find . \( -name '*.gcda' -o -name '*.gcno' \) -exec rm -f {} +
else
coverage coverage-report:
	@echo "make $@: this build doesn't count what it runs; configure with --enable-coverage" >&2; exit 1
endif
.PHONY: coverage coverage-report

# Whole folders: what the tests read, and the tests in namespaces.
EXTRA_DIST += %D%/bench %D%/chaos %D%/demo %D%/integration %D%/unit/svipctl
dist-hook:
	find $(distdir)/tests -name __pycache__ -exec rm -rf {} +
