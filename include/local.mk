# SPDX-License-Identifier: BSD-2-Clause
# The vocabulary; not installed.
noinst_HEADERS += \
	%D%/svip/core.h \
	%D%/svip/heartbeat.h \
	%D%/svip/settings.h \
	%D%/svip/types.h
