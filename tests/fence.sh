#!/bin/sh
# SPDX-License-Identifier: BSD-2-Clause
# The packet filter's lease on the real kernel: runs tests/smoke/fence.py with its program. Needs root for namespaces.
for tool in ip nft ping /usr/bin/python3; do
	command -v "$tool" >/dev/null || skip="$tool is not installed"
done
[ "$(id -u)" = 0 ] || skip="needs root"
if [ -n "${skip:-}" ]; then
	echo "1..0 # SKIP $skip"
	exit 0
fi
PYTHONDONTWRITEBYTECODE=1 exec /usr/bin/python3 "${srcdir:-.}/tests/smoke/fence.py" "$PWD/tests/smoke/fence"
