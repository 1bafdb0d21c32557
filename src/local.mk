# SPDX-License-Identifier: BSD-2-Clause
# One library for each room, so that the linker sees the same borders as the reader.

noinst_LIBRARIES += libcore.a libwire.a libio.a libdaemon.a

# Pure decisions: no library, not even a header of one.
libcore_a_CPPFLAGS = $(ROOM_CPPFLAGS)
libcore_a_SOURCES = \
	%D%/core/claim.c \
	%D%/core/claim.h \
	%D%/core/core.c \
	%D%/core/decide.c \
	%D%/core/decide.h \
	%D%/core/evidence.c \
	%D%/core/evidence.h \
	%D%/core/joint.c \
	%D%/core/joint.h \
	%D%/core/lease.c \
	%D%/core/lease.h \
	%D%/core/peer.c \
	%D%/core/peer.h \
	%D%/core/words.c \
	%D%/core/writes.c \
	%D%/core/writes.h

# Bytes to structs and back.
libwire_a_SOURCES = \
	%D%/wire/address.c \
	%D%/wire/age.c \
	%D%/wire/age.h \
	%D%/wire/channel_msg.c \
	%D%/wire/channel_msg.h \
	%D%/wire/ctl_request.c \
	%D%/wire/ctl_request.h \
	%D%/wire/cursor.c \
	%D%/wire/cursor.h \
	%D%/wire/diag_msg.c \
	%D%/wire/diag_msg.h \
	%D%/wire/frames.c \
	%D%/wire/frames.h \
	%D%/wire/heartbeat.c \
	%D%/wire/hiredis_codec.h \
	%D%/wire/metrics.c \
	%D%/wire/metrics.h \
	%D%/wire/nearest.c \
	%D%/wire/nearest.h \
	%D%/wire/nft_msg.c \
	%D%/wire/nft_msg.h \
	%D%/wire/replication_reply.c \
	%D%/wire/replication_reply.h \
	%D%/wire/reply_in.c \
	%D%/wire/reply_in.h \
	%D%/wire/resp_reader.c \
	%D%/wire/resp_reader.h \
	%D%/wire/rtnl_msg.c \
	%D%/wire/rtnl_msg.h \
	%D%/wire/sentinel_reply.c \
	%D%/wire/sentinel_reply.h \
	%D%/wire/version.c \
	%D%/wire/version.h

# Descriptors, processes, the clock.
libio_a_SOURCES = \
	%D%/io/announcer.c \
	%D%/io/announcer.h \
	%D%/io/channel.c \
	%D%/io/channel.h \
	%D%/io/clock.c \
	%D%/io/clock.h \
	%D%/io/conflict.c \
	%D%/io/conflict.h \
	%D%/io/control.c \
	%D%/io/control.h \
	%D%/io/daemonise.c \
	%D%/io/daemonise.h \
	%D%/io/fence.c \
	%D%/io/fence.h \
	%D%/io/heartbeat_io.c \
	%D%/io/heartbeat_io.h \
	%D%/io/heartbeat_socket.c \
	%D%/io/heartbeat_socket.h \
	%D%/io/holds.c \
	%D%/io/holds.h \
	%D%/io/http.h \
	%D%/io/local_redis.c \
	%D%/io/local_redis.h \
	%D%/io/log.c \
	%D%/io/log.h \
	%D%/io/log_sink.c \
	%D%/io/log_sink.h \
	%D%/io/neighbours.c \
	%D%/io/neighbours.h \
	%D%/io/priv.c \
	%D%/io/priv.h \
	%D%/io/rconn.c \
	%D%/io/rconn.h \
	%D%/io/replicas.c \
	%D%/io/replicas.h \
	%D%/io/reset.c \
	%D%/io/reset.h \
	%D%/io/resolver.c \
	%D%/io/resolver.h \
	%D%/io/rkeep.c \
	%D%/io/rkeep.h \
	%D%/io/rtnl.c \
	%D%/io/rtnl.h \
	%D%/io/script.c \
	%D%/io/script.h \
	%D%/io/script_run.c \
	%D%/io/script_run.h \
	%D%/io/sdnotify.c \
	%D%/io/sdnotify.h \
	%D%/io/seal.c \
	%D%/io/seal.h \
	%D%/io/sentinel.c \
	%D%/io/sentinel.h \
	%D%/io/sentinel_ask.c \
	%D%/io/sentinel_in.h \
	%D%/io/sentinel_known.c \
	%D%/io/sentinel_news.c \
	%D%/io/sentinel_query.c \
	%D%/io/selftest.c \
	%D%/io/selftest.h \
	%D%/io/steady.c \
	%D%/io/steady.h \
	%D%/io/tcp.c \
	%D%/io/tcp.h \
	%D%/io/unreachable.c \
	%D%/io/unreachable.h \
	%D%/io/vip.c \
	%D%/io/vip.h

# Whoever doesn't want the library and what comes with it: ./configure --without-http.
if HTTP
libio_a_SOURCES += %D%/io/http.c
else
libio_a_SOURCES += %D%/io/http_none.c
endif

# The daemon without its main, for the tests of its parts.
libdaemon_a_SOURCES = \
	%D%/svipd/answer.c \
	%D%/svipd/change.c \
	%D%/svipd/change.h \
	%D%/svipd/changing.c \
	%D%/svipd/check.c \
	%D%/svipd/check.h \
	%D%/svipd/conf.c \
	%D%/svipd/conf.h \
	%D%/svipd/conf_block.c \
	%D%/svipd/conf_check.c \
	%D%/svipd/conf_compare.c \
	%D%/svipd/conf_confuse.c \
	%D%/svipd/conf_digest.c \
	%D%/svipd/conf_file.c \
	%D%/svipd/conf_global.c \
	%D%/svipd/conf_in.h \
	%D%/svipd/conf_keys.c \
	%D%/svipd/conf_network.c \
	%D%/svipd/conf_nodes.c \
	%D%/svipd/conf_report.c \
	%D%/svipd/conf_scan.c \
	%D%/svipd/conf_script.c \
	%D%/svipd/conf_secret.c \
	%D%/svipd/conf_take.c \
	%D%/svipd/conf_tree.c \
	%D%/svipd/conf_value.c \
	%D%/svipd/conf_vip.c \
	%D%/svipd/daemon.c \
	%D%/svipd/daemon.h \
	%D%/svipd/daemon_state.h \
	%D%/svipd/hands.c \
	%D%/svipd/hands.h \
	%D%/svipd/expedite.c \
	%D%/svipd/expedite.h \
	%D%/svipd/exporter.c \
	%D%/svipd/handing.c \
	%D%/svipd/handover.c \
	%D%/svipd/handover.h \
	%D%/svipd/history.c \
	%D%/svipd/history.h \
	%D%/svipd/host.c \
	%D%/svipd/host.h \
	%D%/svipd/keeper.c \
	%D%/svipd/keeper.h \
	%D%/svipd/named.c \
	%D%/svipd/named.h \
	%D%/svipd/peers.c \
	%D%/svipd/peers.h \
	%D%/svipd/reload.c \
	%D%/svipd/report.c \
	%D%/svipd/report.h \
	%D%/svipd/rotate.c \
	%D%/svipd/rotate.h \
	%D%/svipd/rotating.c \
	%D%/svipd/self.c \
	%D%/svipd/sentence.c \
	%D%/svipd/sentence.h \
	%D%/svipd/spread.c \
	%D%/svipd/spread.h \
	%D%/svipd/spreading.c \
	%D%/svipd/tell.c \
	%D%/svipd/why.c \
	%D%/svipd/why.h \
	%D%/svipd/why_next.c

ROOM_LIBS = libio.a libcore.a libwire.a $(EV_LIBS) $(HIREDIS_LIBS) $(JANSSON_LIBS) $(MNL_LIBS) $(NFTNL_LIBS) \
	$(SODIUM_LIBS) $(CAPNG_LIBS) $(MICROHTTPD_LIBS)
SVIPD_LIBS = libdaemon.a $(ROOM_LIBS) $(CONFUSE_LIBS)

sbin_PROGRAMS += svipd
svipd_SOURCES = %D%/svipd/main.c
svipd_LDADD = $(SVIPD_LIBS)

# The operator's command: no core, no hands.
noinst_LIBRARIES += libctl.a
libctl_a_SOURCES = \
	%D%/svipctl/apply.c \
	%D%/svipctl/apply.h \
	%D%/svipctl/check.c \
	%D%/svipctl/check.h \
	%D%/svipctl/cluster.c \
	%D%/svipctl/cluster.h \
	%D%/svipctl/client.c \
	%D%/svipctl/client.h \
	%D%/svipctl/diff.c \
	%D%/svipctl/diff.h \
	%D%/svipctl/field.c \
	%D%/svipctl/field.h \
	%D%/svipctl/generate.c \
	%D%/svipctl/generate.h \
	%D%/svipctl/health.c \
	%D%/svipctl/health.h \
	%D%/svipctl/keygen.c \
	%D%/svipctl/keygen.h \
	%D%/svipctl/out.c \
	%D%/svipctl/out.h \
	%D%/svipctl/problem.c \
	%D%/svipctl/show.c \
	%D%/svipctl/show.h \
	%D%/svipctl/steps.c \
	%D%/svipctl/steps.h \
	%D%/svipctl/wait.c \
	%D%/svipctl/wait.h

bin_PROGRAMS += svipctl
svipctl_SOURCES = %D%/svipctl/main.c
svipctl_LDADD = $(SVIPCTL_LIBS)
SVIPCTL_LIBS = libctl.a libwire.a $(HIREDIS_LIBS) $(JANSSON_LIBS) $(SODIUM_LIBS)
