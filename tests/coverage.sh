#!/bin/sh
# SPDX-License-Identifier: BSD-2-Clause
# What has been run so far of a build with --enable-coverage: a table by file, and whether anything is left out in core or
# wire. Run by `make coverage` in the build folder; srcdir is the source tree, GCOV what reads this compiler's notes.
#
# Not counted: the failing side of an assertion, and what says GCOV_EXCL with its reason in the source.
set -u
build=$PWD
cd "${srcdir:-.}" || exit 1
command -v gcovr >/dev/null || { echo "coverage: gcovr is not installed" >&2; exit 1; }

# told ARGUMENT...: a report of gcovr's about src.
told()
{
	gcovr "$build" -r . --gcov-executable "${GCOV:-gcov}" --exclude-branches-by-pattern '.*assert\(.*' "$@"
}

csv=$(told --filter src/ --csv) || exit 1
printf '%s\n' "$csv" | awk -F, '
function show(name, l, lc, b, bc) {
	printf "%-28s %6d of %6d  %6.2f %%   %6d of %6d  %6.2f %%\n", name, lc, l, l ? 100 * lc / l : 100, bc, b, b ? 100 * bc / b : 100
}
NR == 1 {
	for (i = 1; i <= NF; i++)
		at[$i] = i
	printf "%-28s %27s   %27s\n", "", "lines run", "branches taken"
	next
}
{
	name = $at["filename"]
	split(name, part, "/")
	room = part[1] "/" part[2]
	if (!(room in l))
		rooms[++n] = room
	if (room == "src/core" || room == "src/wire")
		show(name, $at["line_total"], $at["line_covered"], $at["branch_total"], $at["branch_covered"])
	split(room " whole", sums, " ")
	for (i = 1; i <= 2; i++) {
		l[sums[i]] += $at["line_total"]
		lc[sums[i]] += $at["line_covered"]
		b[sums[i]] += $at["branch_total"]
		bc[sums[i]] += $at["branch_covered"]
	}
}
END {
	print ""
	for (i = 1; i <= n; i++)
		show(rooms[i], l[rooms[i]], lc[rooms[i]], b[rooms[i]], bc[rooms[i]])
	show("the whole", l["whole"], lc["whole"], b["whole"], bc["whole"])
	for (i = split("src/core src/wire", must, " "); i > 0; i--) {
		if (!l[must[i]] || lc[must[i]] < l[must[i]] || bc[must[i]] < b[must[i]])
			bad = 1
	}
	exit bad
}' && exit 0

echo
echo "core or wire is not complete. Lines, then branches:"
told --filter src/core/ --filter src/wire/ | grep -E '^src/.*%.*[0-9]$'
told --filter src/core/ --filter src/wire/ --branches | grep -E '^src/.*%.*[0-9]$'
exit 1
