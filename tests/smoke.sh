#!/bin/sh
# SPDX-License-Identifier: BSD-2-Clause
# The hands on a real network: runs tests/smoke/network.py with its program. Needs root for namespaces.
for tool in ip nft tcpdump /usr/bin/python3; do
	command -v "$tool" >/dev/null || skip="$tool is not installed"
done
[ "$(id -u)" = 0 ] || skip="needs root"
if [ -n "${skip:-}" ]; then
	echo "1..0 # SKIP $skip"
	exit 0
fi
PYTHONDONTWRITEBYTECODE=1 exec /usr/bin/python3 "${srcdir:-.}/tests/smoke/network.py" "$PWD/tests/smoke/hands"
