#!/bin/sh
# SPDX-License-Identifier: BSD-2-Clause
# What the programs' help lists is what they take, what bash completes, and what the manual pages tell. Speaks TAP. Run by
# `make check` in the build folder; srcdir is the source tree.
set -u
top=$(cd "${srcdir:-.}" && pwd)
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

# commands: "config diff", one a line, without their arguments.
commands()
{
	./svipctl -h | sed -n 's/^  \([a-z].*\)/\1/p' | sed 's/   *.*//; s/ [[A-Z].*//; s/ [a-z]*|.*//'
}

options()
{
	"$1" -h | grep -E '^ +-' | grep -oE -- '(^|[ ,])--?[A-Za-z][a-z-]*' | tr -d ' ,'
}

# completed WORD...: what bash offers for the last one.
completed()
{
	bash -c '. "$0" && COMP_WORDS=("$@") COMP_CWORD=$(($# - 1)) && _svip && printf "%s\n" "${COMPREPLY[@]}"' \
	    "$top/etc/svipctl.bash" "$@"
}

echo 1..7
verdict "svipctl's help lists every option that it takes" "$(
    sed -n 's/^\t\t{ "\([a-z-]*\)", [a-z]*_argument.*/--\1/p' "$top/src/svipctl/main.c" | while read -r option; do
	options ./svipctl | grep -qxFe "$option" || echo "$option"
    done; [ "$(options ./svipctl | wc -l)" -gt 8 ] && [ "$(commands | wc -l)" -gt 12 ] || echo "too few")"
verdict "svipd's help lists every option that it takes" "$(
    sed -n 's/.*getopt(argc, argv, "\(.*\)").*/\1/p' "$top/src/svipd/main.c" | tr -d ':' | fold -w 1 | while read -r letter; do
	options ./svipd | grep -qxFe "-$letter" || echo "-$letter"
    done; [ "$(options ./svipd | wc -l)" -gt 6 ] || echo "too few")"
verdict "svipctl(8) tells of every command" "$(commands | while read -r command; do
	grep -qE "^\.It Ic $command( |\$)" "$top/doc/svipctl.8" || echo "$command"
    done)"
verdict "svipctl(8) and svipd(8) tell of every option" "$(for program in svipctl svipd; do
	options ./$program | while read -r option; do
		flag=${option#-}
		grep -qE "^\.(It|Op|Nm|Fl).* ?Fl ([A-Za-z] [|] )*$flag( |\$)|Fl $flag( |\$)" "$top/doc/$program.8" || echo "$program $option"
	done
    done)"
if command -v bash >/dev/null; then
	verdict "every command is completed" "$(commands | while read -r command; do
		# shellcheck disable=SC2086 # words
		set -- $command
		eval "last=\${$#}"
		before=${command%"$last"}
		# shellcheck disable=SC2086
		completed ./svipctl $before "${last%?}" | grep -qxF "$last" || echo "$command"
	    done; completed ./svipctl -s x maintenance o | tr '\n' ' ' | grep -qx 'off on ' || echo "maintenance o")"
	verdict "every option is completed" "$(for program in ./svipctl ./svipd; do
		options $program | while read -r option; do
			completed $program "${option%?}" | grep -qxFe "$option" || echo "$program $option"
		done
	    done)"
	verdict "values are completed where they are known" "$(
	    completed ./svipd -l n | grep -qx notice || echo "svipd -l"
	    (cd "$top" && completed "$OLDPWD/svipctl" config apply READ) 2>/dev/null | grep -qx README.md || echo "a file"
	    completed ./svipctl -s /nonexistent status '' | grep . && echo "instances without a daemon"
	    completed ./svipctl nonsense '' | grep .)"
else
	for name in commands options values; do
		n=$((n + 1))
		echo "ok $n - $name # SKIP no bash"
	done
fi
exit $((bad != 0))
