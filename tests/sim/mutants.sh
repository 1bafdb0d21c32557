#!/bin/sh
# SPDX-License-Identifier: BSD-2-Clause
# Breaks the core in known ways (mutants/*.patch), one copy at a time, and the daemon's hands (mutants/*.switch), and says which
# of these the simulator finds.
# What a plain mutant hides behind a courtesy (letting go for a newer epoch) is tried again without courtesies.
# usage: mutants.sh [SEEDS [NAME...]]   SEEDS: how many of each mix, at most
set -u
top=$(cd "$(dirname "$0")/../.." && pwd)
patches=$top/tests/sim/mutants
work=$(mktemp -d) || exit 1
trap 'rm -rf "$work"' EXIT
missed=0

# build NAME...: the simulator around the core with these patches.
build()
{
	rm -rf "$work/src" && mkdir -p "$work/src" && cp -r "$top/src/core" "$work/src/core" || return 1
	define=
	for name in "$@"; do
		if [ -f "$patches/$name.switch" ]; then
			define=$(tail -n 1 "$patches/$name.switch")
			continue
		fi
		patch -s -p1 -d "$work" <"$patches/$name.patch" || return 1
	done
	${CC:-cc} -std=gnu11 -O2 -D_GNU_SOURCE= ${define:+"$define"} -I"$top/include" -I"$top/src" -o "$work/sim" "$top"/tests/sim/*.c \
	    "$work"/src/core/*.c "$top"/src/wire/address.c "$top"/src/wire/heartbeat.c "$top"/src/wire/cursor.c
}

# hunt_in MIX SEEDS WHAT: with a quick and a slow kernel. 1: not found.
hunt_in()
{
	for kernel in '' -k; do
		# shellcheck disable=SC2086
		answer=$("$work/sim" -q $kernel -m "$1" -n "$2" 2>&1) || {
			seed=$(printf '%s\n' "$answer" | sed -n 's/^seed \([0-9]*\): .*/\1/p')
			echo "found   $3 after $((tried + ${seed:-0})) seeds ($1$kernel): $(printf '%s\n' "$answer" | head -n 1)"
			return 0
		}
		tried=$((tried + $2))
	done
	return 1
}

# hunt NAME WHAT: first and longest in the mix that the mutant's file names ("mix: NAME"), then in every one. 1: not found.
hunt()
{
	tried=0
	mix=$(sed -n 's/^mix: //p' "$patches/$1".[ps]*)
	[ -n "$mix" ] && hunt_in "$mix" $((seeds * 8)) "$2" && return
	for mix in all relapses lates confs changes lags traps cuts flips pauses lives single; do
		hunt_in "$mix" $((seeds / 2)) "$2" && return
	done
	return 1
}

# judge NAME
judge()
{
	if ! build "$1"; then
		echo "BROKEN  $1: doesn't apply or compile"
	elif hunt "$1" "$1"; then
		return
	elif [ "$1" = no-courtesy ]; then
		echo "fine    $1: not found in $tried seeds, as it should be"
		return
	elif build "$1" no-courtesy && hunt "$1" "$1, without courtesies,"; then
		return
	else
		echo "MISSED  $1 in $tried seeds, twice: $(head -n 1 "$patches/$1".[ps]*)"
	fi
	missed=$((missed + 1))
}

main()
{
	seeds=${1:-2000}
	[ $# -gt 0 ] && shift
	if [ $# -gt 0 ]; then
		for name in "$@"; do
			judge "$name"
		done
	else
		for patch in "$patches"/*; do
			patch=${patch##*/}
			judge "${patch%.*}"
		done
	fi
	echo "$missed not found"
	[ "$missed" -eq 0 ]
}

main "$@"
exit
