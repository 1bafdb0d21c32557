#!/bin/sh
# SPDX-License-Identifier: BSD-2-Clause
# Breaks the core in known ways (mutants/*.patch), one copy at a time, and says which broken cores the simulator finds.
# usage: mutants.sh [SEEDS [NAME...]]   SEEDS: how many of each mix, at most
set -u
top=$(cd "$(dirname "$0")/../.." && pwd)
work=$(mktemp -d) || exit 1
trap 'rm -rf "$work"' EXIT
seeds=${1:-2000}
[ $# -gt 0 ] && shift
missed=0

# build NAME: the simulator around that core.
build()
{
	rm -rf "$work/src" && mkdir -p "$work/src" && cp -r "$top/src/core" "$work/src/core" &&
	    patch -s -p1 -d "$work" <"$top/tests/sim/mutants/$1.patch" &&
	    ${CC:-cc} -std=gnu11 -O2 -D_GNU_SOURCE= -I"$top/include" -I"$top/src" -o "$work/sim" "$top"/tests/sim/*.c \
		"$work"/src/core/*.c "$top"/src/wire/address.c "$top"/src/wire/heartbeat.c "$top"/src/wire/cursor.c
}

# hunt NAME: every mix in turn, until one finds it.
hunt()
{
	tried=0
	for mix in all cuts flips relapses pauses lives single; do
		answer=$("$work/sim" -q -m $mix -n "$seeds" 2>&1)
		rc=$?
		if [ $rc -ne 0 ]; then
			seed=$(printf '%s\n' "$answer" | sed -n 's/^seed \([0-9]*\): .*/\1/p')
			echo "found   $1 after $((tried + ${seed:-0})) seeds ($mix): $(printf '%s\n' "$answer" | head -n 1)"
			return
		fi
		tried=$((tried + seeds))
	done
	missed=$((missed + 1))
	echo "MISSED  $1 in $tried seeds: $(head -n 1 "$top/tests/sim/mutants/$1.patch")"
}

[ $# -gt 0 ] || set -- $(cd "$top/tests/sim/mutants" && ls ./*.patch | sed 's|^\./||; s|\.patch$||')
for name in "$@"; do
	if build "$name"; then
		hunt "$name"
	else
		echo "BROKEN  $name: doesn't apply or compile"
		missed=$((missed + 1))
	fi
done
echo "$missed not found"
[ "$missed" -eq 0 ]
