#!/bin/sh
# SPDX-License-Identifier: BSD-2-Clause
# Every fuzz target once on each file of its corpus: one TAP line for each target. Fuzzing itself: make fuzz.
corpus=${srcdir:-.}/tests/fuzz/corpus
n=0
rc=0
set -- "$corpus"/*
echo "1..$#"
for dir; do
	n=$((n + 1))
	target=${dir##*/}
	if said=$(tests/fuzz/fuzz_"$target" "$dir" 2>&1); then
		echo "ok $n - $target: $(printf '%s\n' "$said" | tail -n 1)"
	else
		echo "not ok $n - $target"
		tests/fuzz/fuzz_"$target" -v "$dir" 2>&1 | tail -n 40 | sed 's/^/# /'
		rc=1
	fi
done
exit $rc
