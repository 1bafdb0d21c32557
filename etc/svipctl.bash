# SPDX-License-Identifier: BSD-2-Clause
# shellcheck shell=bash
# Completion for svipctl and svipd in bash. What there is to complete is read from their own help, and instances and
# nodes from the running svipd: there is no list here that could be out of date.

# The word in capitals behind this option in the help; nothing: it takes none.
_svip_value()
{
	local help=$1 option=$2

	[[ $help =~ (^|[[:space:],])$option(,\ --[a-z-]+)?\ ([A-Z][A-Z:]*) ]] && printf '%s\n' "${BASH_REMATCH[3]}"
}

# Of the running svipd: the values of a metric's label. Arguments: program, label, and -s SOCKET.
_svip_known()
{
	local program=$1 label=$2

	shift 2
	"$program" "$@" metrics 2>/dev/null | sed -n "s/^svipd_${label}_[a-z]*{$label=\"\\([^\"]*\\)\"} .*/\\1/p" | sort -u
}

# What may stand where the help has this word. Arguments: word, the beginning, program, and -s SOCKET.
_svip_offer()
{
	local word=$1 cur=$2 program=$3

	shift 3
	word=${word#\[} word=${word%\]}
	case $word in
	FILE | SOCKET | PIDFILE)
		compopt -o filenames 2>/dev/null
		compgen -f -- "$cur"
		;;
	NAME) compgen -W "$(_svip_known "$program" vip "$@")" -- "$cur" ;;
	NODE) compgen -W "$(_svip_known "$program" peer "$@")" -- "$cur" ;;
	LEVEL) compgen -W "error warning notice info debug" -- "$cur" ;;
	[a-z]*) compgen -W "${word//|/ }" -- "$cur" ;;
	esac
}

# Does the line of help, as words, begin with these? Words in capitals stand for any.
_svip_fits()
{
	local -a line
	local word i=0

	read -r -a line <<<"$1"
	shift
	for word in "$@"; do
		case ${line[i]-} in
		'') return 1 ;;
		\[* | [A-Z]*) ;;
		*'|'*) [[ "|${line[i]}|" == *"|$word|"* ]] || return 1 ;;
		*) [ "${line[i]}" = "$word" ] || return 1 ;;
		esac
		i=$((i + 1))
	done
	printf '%s\n' "${line[i]-}"
}

_svip()
{
	local program=${COMP_WORDS[0]} cur=${COMP_WORDS[COMP_CWORD]} help line next value i
	local -a words=() socket=()

	COMPREPLY=()
	help=$("$program" -h 2>/dev/null) || return 0
	for ((i = 1; i < COMP_CWORD; i++)); do
		case ${COMP_WORDS[i]} in
		-*)
			value=$(_svip_value "$help" "${COMP_WORDS[i]}")
			[ -n "$value" ] || continue
			if [ $((i + 1)) -eq "$COMP_CWORD" ]; then
				mapfile -t COMPREPLY < <(_svip_offer "$value" "$cur" "$program" "${socket[@]}")
				[[ $value != *FILE && $value != SOCKET ]] || compopt -o filenames 2>/dev/null
				return 0
			fi
			i=$((i + 1))
			[ "$value" != SOCKET ] || socket=(-s "${COMP_WORDS[i]}")
			;;
		*) words+=("${COMP_WORDS[i]}") ;;
		esac
	done
	if [[ $cur == -* ]]; then
		mapfile -t COMPREPLY < <(compgen -W "$(grep -E '^ +-' <<<"$help" | grep -oE -- '(^|[ ,])--?[A-Za-z][a-z-]*' |
		    tr -d ' ,')" -- "$cur")
		return 0
	fi
	while IFS= read -r line; do
		next=$(_svip_fits "$line" "${words[@]}") || continue
		mapfile -t -O "${#COMPREPLY[@]}" COMPREPLY < <(_svip_offer "$next" "$cur" "$program" "${socket[@]}")
		case $next in *FILE*) compopt -o filenames 2>/dev/null ;; esac
	done < <(sed -n 's/^  \([a-z].*\)/\1/p' <<<"$help" | sed 's/   *.*//')
	mapfile -t COMPREPLY < <(printf '%s\n' "${COMPREPLY[@]}" | sort -u | sed '/^$/d')
	return 0
}

complete -F _svip svipctl svipd
