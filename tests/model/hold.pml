/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Leases, waiting, claims and yields, dated orders to the packet filter, restarts: never two hosts that answer. What it says and
 * what it leaves out: doc/SAFETY.md, "The model". Bounds and mistakes (M_...) are in tests/model/run.
 *
 * Time goes in ticks and has no end: there are no instants, only ages and what is left of a span, all bounded. Ticks are real time:
 * LEASE is the longest that a lease lasts on the slowest clock, WAIT the shortest that waiting takes on the quickest.
 * Every process is as slow as it likes: between any two of its steps there are any number of ticks, or its death.
 * An answer, a claim, a yield arrives at any later time, in any order, again, or never.
 */
#ifndef NODES
#define NODES 2
#endif
#ifndef EPOCHS
#define EPOCHS 2
#endif
#ifndef LEASE
#define LEASE 2
#endif
#define SENTINELS 3
#define TOKEN 1 /* so late may an order to the packet filter be carried out */
#define GUARD TOKEN

#ifdef M_ONE_SENTINEL
#define MAJORITY 1
#else
#define MAJORITY 2
#endif
#ifdef M_SMALL_BLOCKING_SET
#define BLOCKING 1
#else
#define BLOCKING 2
#endif
#if defined(M_NO_GUARD)
#define WAIT LEASE
#elif defined(M_NO_DRIFT)
#define WAIT (LEASE - 1 + GUARD)
#else
#define WAIT (LEASE + GUARD)
#endif

#if EPOCHS == 2
#define EACH_EPOCH(f) f(1) f(2)
#define ALL_EPOCHS(f) f(1) f(2)
#define ALL_OF(f, i) f(1, i) f(2, i)
#define EACH_PAIR(f) EACH_SENTINEL(f, 1) EACH_SENTINEL(f, 2)
#else
#define EACH_EPOCH(f) f(1) f(2) f(3)
#define ALL_OF(f, i) f(1, i) f(2, i) f(3, i)
#define ALL_EPOCHS(f) f(1) f(2) f(3) /* within the other; a macro can't use itself */
#define EACH_PAIR(f) EACH_SENTINEL(f, 1) EACH_SENTINEL(f, 2) EACH_SENTINEL(f, 3)
#endif
#define EACH_SENTINEL(f, e) f(e, 0) f(e, 1) f(e, 2)
#define ALL_SENTINELS(f, e) f(e, 0) f(e, 1) f(e, 2)
#define PAIR(e, i) (((e) - 1) * SENTINELS + (i))
#define OTHERS(x) (((1 << NODES) - 1) - (1 << (x)))

/* ---- Sentinels ---- */

/*
 * What a Sentinel may say, "epoch" for short: a number and the master that it names. A forced failover asks nobody; so two may have
 * the same number.
 */
byte name[EPOCHS + 1], number[EPOCHS + 1];
byte epoch[SENTINELS];
#define PAST(e, i) (number[epoch[i]] > number[e])

/*
 * How long ago a Sentinel was at an epoch last, and could be asked by the present process of the node that the epoch names; 0: it is,
 * or was within this tick; LEASE: too long ago to matter, or never.
 */
byte seen[EPOCHS * SENTINELS];
#define SEEN(e, i) seen[PAIR(e, i)]

/* ---- nodes ---- */

/* An epoch is of one node; so what that node knows of it stands under the epoch. */

/* Since when a blocking set of Sentinels has named it, as far as it has heard; up to WAIT. */
byte since[EPOCHS + 1];

#ifdef LATE_ANSWERS
/* Age of the question whose answer confirms the node; LEASE: worthless, or none. */
byte asked[EPOCHS * SENTINELS];
#define ASKED(e, i) asked[PAIR(e, i)]

/* By which Sentinels it has heard itself named; all: by enough of them. */
bit heard[EPOCHS * SENTINELS];
#define HEARD(e, i) heard[PAIR(e, i)]
#define IS_HEARD(e, i) +HEARD(e, i)
#define NAMED(e) ((0 EACH_SENTINEL(IS_HEARD, e)) == SENTINELS)
#else
/* What could be known is known at once: the youngest question that can have this answer, the first answer that can name it. */
#if defined(M_FROM_ANSWER)
#define ASKED(e, i) (SEEN(e, i) < LEASE -> 0 : LEASE)
#elif defined(M_MIXED_EPOCHS)
#define LATER(a, b) ((a) < (b) -> (a) : (b))
#define SEEN_AS(e, f, i) (name[f] == name[e] -> SEEN(f, i) : LEASE)
#define ASKED(e, i) LATER(SEEN_AS(e, 1, i), LATER(SEEN_AS(e, 2, i), SEEN_AS(e, 3, i)))
#else
#define ASKED(e, i) SEEN(e, i)
#endif
#define THERE(e, i) +(epoch[i] == e || PAST(e, i))
#define NAMED(e) ((0 EACH_SENTINEL(THERE, e)) >= BLOCKING)
#endif

/* Its claim; which nodes have answered to it (the answer can arrive at any time, so it has). */
bit claim[EPOCHS + 1];
byte yields[EPOCHS + 1];

mtype = { DEAD, CLEAR, DECIDED, DATED, TIMED, PASSED, HELD, LOST, ERASED };
mtype pc[NODES];
byte floor[NODES];     /* promised: no hold below */
byte hold[NODES];      /* its epoch */
bit renew[NODES];      /* the order under way prolongs */
byte left[NODES];      /* of the lease that the order is for */
byte span[NODES];      /* as worked out for the kernel */
byte token[NODES];     /* its age */
byte inherited[NODES]; /* left of the predecessor's lease */

/* ---- kernels ---- */

byte passes[NODES]; /* for so long the packet filter lets the traffic through: the host answers */
byte record[NODES]; /* for a successor: left of the lease noted */
byte noted[NODES];  /* and its epoch */

/* What must be possible, else the model says nothing. before: the epoch of the hold before. */
#if defined(S_BY_YIELDS)
#define STORY (before == 1 && hold[x] == 2 && since[2] < WAIT)
#elif defined(S_BY_WAITING)
#define STORY (before == 1 && hold[x] == 2 && yields[2] == 0)
#elif defined(S_BACK)
#define STORY (before == 2 && hold[x] == 3 && number[3] == 3)
#elif defined(S_SUCCESSOR)
#define STORY (renew[x] && inherited[x] > 0 && left[x] > inherited[x])
#elif defined(S_REGAINED)
#define STORY (before == hold[x] && !renew[x] && since[hold[x]] == 0)
#endif
#ifdef STORY
byte before;
#endif

byte t, n, k; /* scratch; 0 between steps */

/* ---- the arithmetic (src/core/lease.c) ---- */

#define FRESH(e, i) +(ASKED(e, i) < LEASE)
#define CONFIRMED(e) ((0 EACH_SENTINEL(FRESH, e)) >= MAJORITY)

/* lease_end(): of the MAJORITY-th youngest question. What is left of it goes into t. */
inline lease_left(e)
{
	t = LEASE;
	do
	:: t > 0 ->
		n = 0;
		k = 0;
		do
		:: k < SENTINELS && ASKED(e, k) + t <= LEASE -> n++; k++
		:: k < SENTINELS && ASKED(e, k) + t > LEASE -> k++
		:: k == SENTINELS -> break
		od;
		if
		:: n >= MAJORITY -> break
		:: else -> t--
		fi
	:: else -> break
	od;
	n = 0;
	k = 0
}

/* ---- what a process forgets ---- */

inline end_claim(e)
{
	claim[e] = 0;
	yields[e] = 0
}

inline end_order()
{
	renew[x] = 0;
	left[x] = 0;
	span[x] = 0;
	token[x] = 0
}

#ifdef LATE_ANSWERS
#define NO_ANSWER(e, i) asked[PAIR(e, i)] = LEASE; HEARD(e, i) = 0;
#define FORGET_VIEWS(e) EACH_SENTINEL(NO_ANSWER, e)
#else
#define FORGET_VIEWS(e)
#endif
#define FORGET(e) \
	if \
	:: name[e] == x -> FORGET_VIEWS(e) since[e] = 0; end_claim(e) \
	:: else \
	fi;

#define UNASKED(e, i) \
	if \
	:: name[e] == x && epoch[i] != e -> SEEN(e, i) = LEASE \
	:: else \
	fi;

/* ---- Sentinels' steps ---- */

/*
 * A Sentinel may go to any greater epoch, alone, at any time. Whether it has the master down is its own affair at any time; then its
 * answers don't confirm. So elections, flags, and the leader that names early are among what can happen.
 */
#define SWITCH(e) :: d_step { number[epoch[i]] < number[e] -> epoch[i] = e; SEEN(e, i) = 0 }

proctype sentinel(byte i)
{
	do
	EACH_EPOCH(SWITCH)
	od
}

/* ---- nodes' steps ---- */

#ifdef LATE_ANSWERS
/* An answer arrives. It was given at any instant since the question. */
#ifdef M_FROM_ANSWER
#define AGE(a) 0
#else
#define AGE(a) a
#endif
#define ANSWER(e, i, a) \
	:: d_step { name[e] == x && pc[x] != DEAD && SEEN(e, i) <= a && a < ASKED(e, i) -> \
		asked[PAIR(e, i)] = AGE(a) }
#if LEASE == 2
#define CONFIRM(e, i) ANSWER(e, i, 0) ANSWER(e, i, 1)
#else
#define CONFIRM(e, i) ANSWER(e, i, 0) ANSWER(e, i, 1) ANSWER(e, i, 2)
#endif
/* It names this node, whatever its flags: d_i. */
#define ENOUGH(e, i) HEARD(e, i) = 1;
#define HEAR(e, i) \
	:: d_step { name[e] == x && pc[x] != DEAD && (epoch[i] == e || PAST(e, i)) && !HEARD(e, i) -> \
		HEARD(e, i) = 1; \
		if \
		:: (0 ALL_SENTINELS(IS_HEARD, e)) >= BLOCKING -> ALL_SENTINELS(ENOUGH, e) \
		:: else \
		fi }
#endif

/* claim_make() */
#define CLAIM(e) \
	:: d_step { name[e] == x && pc[x] == CLEAR && !claim[e] && floor[x] <= number[e] && CONFIRMED(e) -> claim[e] = 1 }

/* claim_answer() */
#if defined(M_YIELD_WHILE_HOLDING)
#define MAY_YIELD (pc[x] != DEAD)
#elif defined(M_YIELD_WHILE_REMOVING)
#define MAY_YIELD (pc[x] == CLEAR || pc[x] == ERASED)
#else
#define MAY_YIELD (pc[x] == CLEAR)
#endif
#ifdef M_NO_PROMISE
#define PROMISE(e)
#else
#ifdef M_SMALL_PROMISE
#define PROMISED(e) (number[e] - 1)
#else
#define PROMISED(e) (number[e] + 1)
#endif
#define END_BELOW(e) \
	if \
	:: name[e] == x && floor[x] > number[e] -> end_claim(e) \
	:: else \
	fi;
#define PROMISE(e) \
	if \
	:: floor[x] < PROMISED(e) -> floor[x] = PROMISED(e) \
	:: else \
	fi; \
	ALL_EPOCHS(END_BELOW)
#endif
#ifdef M_YIELD_TO_ANY
#define ANSWERED(e, c) \
	if \
	:: name[e] == name[c] -> yields[e] = yields[e] | (1 << x) \
	:: else \
	fi;
#if EPOCHS == 2
#define COUNTS(e) ANSWERED(1, e) ANSWERED(2, e)
#else
#define COUNTS(e) ANSWERED(1, e) ANSWERED(2, e) ANSWERED(3, e)
#endif
#else
#define COUNTS(e) yields[e] = yields[e] | (1 << x);
#endif
#define YIELD(e) \
	:: d_step { claim[e] && name[e] != x && MAY_YIELD && !(yields[e] & (1 << x)) -> COUNTS(e) PROMISE(e) }

/* take() */
#ifdef M_ONE_YIELD
#define ALL_YIELDED(e) (claim[e] && yields[e] != 0)
#else
#define ALL_YIELDED(e) (claim[e] && yields[e] == OTHERS(x))
#endif
#define TAKE(e) \
	:: d_step { name[e] == x && pc[x] == CLEAR && floor[x] <= number[e] && CONFIRMED(e) && \
		    (ALL_YIELDED(e) || (NAMED(e) && since[e] == WAIT)) -> \
		lease_left(e); left[x] = t; t = 0; hold[x] = e; pc[x] = DECIDED }

/* decide_held(): the claim ends with the hold. */
#define END_CLAIM(e) \
	if \
	:: name[e] == x -> end_claim(e) \
	:: else \
	fi;

#ifdef M_UNDATED
#define IN_TIME 1
#else
#define IN_TIME (token[x] <= TOKEN)
#endif

proctype node(byte x)
{
	do
#ifdef LATE_ANSWERS
	EACH_PAIR(CONFIRM)
	EACH_PAIR(HEAR)
#endif
#ifndef NO_YIELDS
	EACH_EPOCH(CLAIM)
	EACH_EPOCH(YIELD)
#endif
	EACH_EPOCH(TAKE)

	/* Prolongs what is held (noted before), or takes again what was lost. */
	:: d_step { (pc[x] == HELD || pc[x] == LOST) && (CONFIRMED(hold[x]) || inherited[x] > 0) ->
		lease_left(hold[x]);
		left[x] = (t > inherited[x] -> t : inherited[x]);
		t = 0;
		if
		:: pc[x] == HELD ->
			renew[x] = 1;
#ifdef KILLS
			record[x] = left[x];
			noted[x] = hold[x]
#endif
		:: else
		fi;
		pc[x] = DECIDED }

	/* A dated order: token, clock, transaction. */
	:: d_step { pc[x] == DECIDED -> pc[x] = DATED }
	:: d_step { pc[x] == DATED && left[x] > 0 -> span[x] = left[x]; pc[x] = TIMED }
	:: d_step { pc[x] == TIMED && IN_TIME && (!renew[x] || passes[x] > 0) ->
		/* Never two. */
#if NODES == 2
		assert(passes[1 - x] == 0);
#else
		assert((x == 0 || passes[0] == 0) && (x == 1 || passes[1] == 0) && (x == 2 || passes[2] == 0));
#endif
#ifdef STORY
		assert(!(STORY));
		before = hold[x];
#endif
		passes[x] = span[x];
		if
		:: renew[x] -> end_order(); pc[x] = HELD
		:: else -> pc[x] = PASSED
		fi }
	:: d_step { pc[x] == PASSED ->
#ifdef KILLS
		record[x] = left[x];
		noted[x] = (left[x] > 0 -> hold[x] : 0);
#endif
		end_order();
		EACH_EPOCH(END_CLAIM)
		pc[x] = HELD }

	/* It failed: what was held is lost, what was to be taken is refused. */
	:: d_step { (pc[x] == DATED && left[x] == 0) ||
		    (pc[x] == TIMED && (!IN_TIME || (renew[x] && passes[x] == 0))) ->
		if
		:: renew[x] -> pc[x] = LOST
		:: else -> passes[x] = 0; hold[x] = 0; inherited[x] = 0; pc[x] = CLEAR
		fi;
		end_order() }

	/* Lets go, for whatever reason: the record first, then the packet filter; then peers may be told. */
	:: d_step { pc[x] == HELD || pc[x] == LOST ->
		inherited[x] = 0;
#ifndef M_RECORD_KEPT
		record[x] = 0;
		noted[x] = 0;
#endif
		EACH_EPOCH(END_CLAIM)
		pc[x] = ERASED }
	:: d_step { pc[x] == ERASED -> passes[x] = 0; hold[x] = 0; pc[x] = CLEAR }

#ifdef KILLS
	:: d_step { pc[x] != DEAD ->
		end_order(); hold[x] = 0; inherited[x] = 0; floor[x] = 0;
		EACH_EPOCH(FORGET)
		pc[x] = DEAD }
	/* A successor starts. It knows answers to its own questions only. */
	:: d_step { pc[x] == DEAD ->
#ifndef M_AMNESIA
		EACH_PAIR(UNASKED)
#endif
		if
#ifdef M_RECORD_KEPT
		:: record[x] > 0 ->
#else
		:: record[x] > 0 && passes[x] > 0 ->
#endif
			hold[x] = noted[x];
#ifdef M_INHERIT_FRESH
			inherited[x] = LEASE;
#else
			inherited[x] = record[x];
#endif
			pc[x] = HELD
		:: else -> passes[x] = 0; record[x] = 0; noted[x] = 0; pc[x] = CLEAR
		fi }
#endif
	od
}

/* ---- time ---- */

#define OLDER(age, most) \
	if \
	:: age < most -> age++ \
	:: else \
	fi;
#define LESS(rest) \
	if \
	:: rest > 0 -> rest-- \
	:: else \
	fi;
#ifdef LATE_ANSWERS
#define ASKED_OLDER(e, i) OLDER(asked[PAIR(e, i)], LEASE)
#define RANK(e, i) +((SEEN(e, i) + 4 * ASKED(e, i) + 16 * HEARD(e, i)) << (2 + 5 * (e)))
#define SWAP_PAIR(e, i) SWAP(SEEN(e, i), SEEN(e, i + 1)) SWAP(ASKED(e, i), ASKED(e, i + 1)) SWAP(HEARD(e, i), HEARD(e, i + 1))
#else
#define ASKED_OLDER(e, i)
#define RANK(e, i) +(SEEN(e, i) << (2 * (e)))
#define SWAP_PAIR(e, i) SWAP(SEEN(e, i), SEEN(e, i + 1))
#endif

/* Sentinels differ in their state alone: kept in order, there are fewer states. */
#define SWAP(a, b) t = a; a = b; b = t;
#define ORDER(i) \
	if \
	:: epoch[i] ALL_OF(RANK, i) > epoch[i + 1] ALL_OF(RANK, (i + 1)) -> \
		SWAP(epoch[i], epoch[i + 1]) \
		ALL_OF(SWAP_PAIR, i) \
		t = 0 \
	:: else \
	fi;
#define PAIR_OLDER(e, i) \
	ASKED_OLDER(e, i) \
	if \
	:: epoch[i] != e && SEEN(e, i) < LEASE -> SEEN(e, i)++ \
	:: else \
	fi;
#define EPOCH_OLDER(e) \
	if \
	:: pc[name[e]] != DEAD && NAMED(e) && since[e] < WAIT -> since[e]++ \
	:: else \
	fi;

proctype clock()
{
	do
	:: d_step { true ->
		EACH_PAIR(PAIR_OLDER)
		ORDER(0)
		ORDER(1)
		ORDER(0)
		EACH_EPOCH(EPOCH_OLDER)
		do
		:: n < NODES ->
#ifdef M_CLOCK_BEFORE_TOKEN
			if
			:: pc[n] == PASSED && left[n] > 0 -> left[n]--
			:: else
			fi;
#else
			LESS(left[n])
#endif
			if
			:: pc[n] == DATED || pc[n] == TIMED -> OLDER(token[n], TOKEN + 1)
			:: else
			fi;
			LESS(inherited[n])
			LESS(passes[n])
			LESS(record[n])
			if
			:: record[n] == 0 -> noted[n] = 0
			:: else
			fi;
			n++
		:: else -> break
		od;
		n = 0 }
	od
}

#ifdef LATE_ANSWERS
#define NOT_ASKED(e, i) asked[PAIR(e, i)] = LEASE;
#else
#define NOT_ASKED(e, i)
#endif
#define AT_FIRST(e, i) NOT_ASKED(e, i) seen[PAIR(e, i)] = (e == 1 -> 0 : LEASE);

init
{
	atomic {
		d_step {
			EACH_PAIR(AT_FIRST)
			do
			:: n < SENTINELS -> epoch[n] = 1; n++
			:: else -> break
			od;
			n = 0;
			do
			:: n < NODES -> pc[n] = CLEAR; n++
			:: else -> break
			od;
			n = 0;
			name[1] = 0;
			number[1] = 1;
			name[2] = 1;
			number[2] = 2
		}
#if EPOCHS > 2
		/* Another master, or one that was before. */
		if
		:: name[3] = 0; number[3] = 3
		:: name[3] = 0; number[3] = 2
#if NODES > 2
		:: name[3] = 2; number[3] = 3
#endif
		fi;
#endif
		do
		:: n < SENTINELS -> run sentinel(n); n++
		:: else -> break
		od;
		n = 0;
		do
		:: n < NODES -> run node(n); n++
		:: else -> break
		od;
		n = 0;
		run clock()
	}
}
