#!/bin/sh
# SPDX-License-Identifier: BSD-2-Clause
# A few hundred simulated clusters of each kind, from the same seeds each time. More: tests/sim/sim -h.
seeds=${SIM_SEEDS:-200}
n=0
rc=0
echo 1..17
for mix in all cuts lives pauses flips relapses lates traps machines confs unseen changes lags successors single; do
	n=$((n + 1))
	if said=$(tests/sim/sim -q -m "$mix" -n "$seeds" 1 2>&1); then
		echo "ok $n - never two holders ($mix): $(printf '%s\n' "$said" | paste -sd ' ')"
	else
		echo "not ok $n - never two holders ($mix)"
		printf '%s\n' "$said" | sed 's/^/# /'
		rc=1
	fi
done
# one NAME OPTION...: of the same seeds fewer.
one()
{
	name=$1
	shift
	n=$((n + 1))
	if said=$(tests/sim/sim -q "$@" -n $((seeds / 4)) 1 2>&1); then
		echo "ok $n - $name: $(printf '%s\n' "$said" | paste -sd ' ')"
	else
		echo "not ok $n - $name"
		printf '%s\n' "$said" | sed 's/^/# /'
		rc=1
	fi
}
one 'the same seed, the same trace' -d
one 'clocks worse than is assumed' -x
exit $rc
