#!/bin/sh
# SPDX-License-Identifier: BSD-2-Clause
# Holds the borders between the rooms: who may include what, and what libcore.a may need.
# Speaks TAP. Run by `make check`; srcdir is the source tree, NM the symbol lister.
set -u
src=${srcdir:-.}/src
n=0
bad=0

# verdict NAME FINDINGS: one TAP line; any finding is a failure.
verdict()
{
	n=$((n + 1))
	if [ -z "$2" ]; then
		echo "ok $n - $1"
	else
		bad=$((bad + 1))
		echo "not ok $n - $1"
		echo "$2" | sed 's/^/# /'
	fi
}

# includes DIR...: "file:header" for every include, without brackets and quotes.
includes()
{
	(cd "$src" && grep -rHoE '^[[:space:]]*#[[:space:]]*include[[:space:]]*[<"][^>"]+' "$@" |
	    sed -E 's/:.*[<"]/:/')
}

# only PATTERN FILES: includes whose header matches PATTERN, in files that don't match FILES.
only()
{
	includes . | sed 's|^\./||' | grep -E ":($1)\$" | grep -vE "^($2):"
}

C='(assert|ctype|errno|inttypes|limits|stdarg|stdbool|stddef|stdint|stdio|stdlib|string|strings)\.h'
OWN='[a-z_]+\.h'

echo 1..13
verdict "core includes the vocabulary, itself and pure C only" \
    "$(includes core | grep -vE ":(svip/[a-z_]+\.h|core/[a-z_]+\.h|$OWN)\$";
    includes core | grep -E ':(stdio|stdlib|time|unistd|errno|ev|math)\.h$')"
verdict "wire includes neither core's insides nor io" \
    "$(includes wire | grep -E ':(\.\./|core/|io/|svipd/|svipctl/|unistd\.h|ev\.h|fcntl\.h|time\.h|sys/time\.h)')"
verdict "io includes neither core's insides nor the programs" \
    "$(includes io | grep -E ':(\.\./|core/|svipd/|svipctl/)')"
verdict "svipctl includes neither core's insides, nor io, nor the daemon" \
    "$(includes svipctl | grep -E ':(\.\./|core/|svipd/|ev\.h)'; includes svipctl | grep -E ':io/')"
verdict "the vocabulary includes the C library and netinet/in.h only" \
    "$(cd "${srcdir:-.}/include" && grep -rHoE '#[[:space:]]*include[[:space:]]*[<"][^>"]+' svip |
    sed -E 's/:.*[<"]/:/' | grep -vE ":($C|netinet/in\.h|svip/[a-z_]+\.h)\$")"
verdict "libconfuse is the configuration's" "$(only 'confuse\.h' 'svipd/conf[a-z_]*\.[ch]')"
verdict "libmicrohttpd is http's" "$(only 'microhttpd\.h' 'io/http\.c')"
verdict "libcap-ng is priv's" "$(only 'cap-ng\.h|sys/capability\.h' 'io/priv\.c')"
verdict "hiredis is used as a codec, in wire and in the Redis connection, and by svipctl" \
    "$(only '(hiredis/)?(hiredis|read|async|sds)\.h' '(wire/[a-z_]+|io/(rconn|sentinel|local_redis)|svipctl/generate)\.[ch]' ;
    only '(hiredis/)?(async|adapters/.*)\.h' '-')"
verdict "libsodium is used for seals, digests, keys and random numbers" \
    "$(only 'sodium\.h' 'io/(seal|rkeep)\.c|svipd/(conf_?[a-z_]*|main|rotating)\.c|wire/[a-z_]+\.c|svipctl/[a-z_]+\.c')"
verdict "only clock.c reads a clock" \
    "$(cd "$src" && grep -rnE '\b(clock_gettime|gettimeofday|time|ev_now|ev_time)[[:space:]]*\(' . |
    grep -E '(clock_gettime|gettimeofday|[^a-z_.>]time|ev_time)[[:space:]]*\(' |
    grep -v '^\./io/clock\.c:' | grep -vE ':[[:space:]]*(/?\*|//)')"

# A file that automake doesn't know is neither built, nor tested, nor shipped.
verdict "every source and every unit test is listed in a local.mk" "$(cd "${srcdir:-.}" &&
    for file in src/*/*.[ch] include/svip/*.h tests/unit/*.[ch]; do
	case $file in
	tests/unit/test_*.c) name=${file%.c} ;;
	*) name=$file ;;
	esac
	grep -qE "%D%/${name#*/}( |\$)" "${file%%/*}/local.mk" || echo "$file"
    done)"

# Whatever core needs from outside: comparing and copying bytes, its own assertions, the compiler's guards,
# and pure functions of the vocabulary.
allowed='hb_instances_fit svip_host_same
	memcpy memset memcmp memmove strcmp strncmp strlen strnlen
	__memcpy_chk __memset_chk __memmove_chk __stack_chk_fail __assert_fail _GLOBAL_OFFSET_TABLE_'
lib=libcore.a
if [ ! -f "$lib" ]; then
	verdict "libcore.a needs nothing that could see the world" "$lib has not been built"
else
	own=$(${NM:-nm} --defined-only "$lib" | awk 'NF == 3 { print $3 }')
	verdict "libcore.a needs nothing that could see the world" "$(
	    ${NM:-nm} -u "$lib" | awk '$1 == "U" { print $2 }' | sort -u |
		grep -vE '^__(asan|ubsan|gcov|sanitizer|llvm)' | while read -r symbol; do
		printf '%s\n' "$allowed" "$own" | tr -s ' \t' '\n' | grep -qxF "$symbol" || echo "$symbol"
	done)"
fi
exit $((bad != 0))
