# SPDX-License-Identifier: BSD-2-Clause
dist_man_MANS += \
	%D%/svipctl.8 \
	%D%/svipd.8 \
	%D%/svipd.conf.5
dist_doc_DATA += \
	%D%/ARCHITECTURE.md \
	%D%/PROTOCOL.md \
	%D%/RESULTS.md \
	%D%/SAFETY.md \
	%D%/alerts.yml \
	%D%/grafana.json \
	%D%/svip.lua

# Timelines of RESULTS.md.
EXTRA_DIST += %D%/bench
