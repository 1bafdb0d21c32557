/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * One Sentinel, one node: from the date d_i on the Sentinel has confirmed nobody at an epoch below (src/core/evidence.c). What it
 * leaves out: doc/SAFETY.md, "The model". That a view is of one instant: view.pml. Bounds, mistakes (M_...) and rules left out
 * that could be spared (C_...) are in tests/model/run.
 *
 * There is no time here, only order: each connection keeps its own, and they are not ordered against each other. Each may be as far
 * behind as it likes, and break.
 */
#ifndef EPOCHS
#define EPOCHS 3
#endif
#ifndef EVENTS
#define EVENTS 2 /* on their way at most; a Sentinel with more to say waits */
#endif
#ifndef QUESTIONS
#define QUESTIONS 1 /* on their way at most: 1 or 2 */
#endif
#define LAST (QUESTIONS - 1)

/* ---- the Sentinel ---- */

#define OLD 0 /* who is master at first */
#define ME 1
#define OTHER 2
byte epoch = 1;
byte get, master; /* GET-MASTER-ADDR-BY-NAME and SENTINEL MASTER differ on the leader of a failover */
bit down;

/* ---- two connections ---- */

mtype = { CLEARED, RESET, SWITCH, PONG, SUBSCRIBED, CLOSED };
chan events = [EVENTS] of { mtype, byte };
bit subscribing, subscribed; /* on its way; the Sentinel has it */
bit ping;                    /* on its way */

/* Questions and their answers, in their order. A question is two: SENTINEL MASTER has been answered at HALF. */
#define FREE 0
#define SENT 1
#define HALF 2
#define ANSWERED 3
byte stage[QUESTIONS], v_epoch[QUESTIONS], v_master[QUESTIONS], v_get[QUESTIONS];
bit v_down[QUESTIONS]; /* the master named is down */
bit after[QUESTIONS];  /* asked after this node listened */
bit switched_since[QUESTIONS], doubt_since[QUESTIONS]; /* news heard since it was asked */
bit gone; /* the Sentinel that was asked has ended: what isn't answered yet won't be */

/* ---- the node: struct evidence ---- */

bit listening;
bit ping_after; /* the PING was asked after the run's first view was heard */
bit running, run_proved, switched, open;
byte run_epoch, run_master, switch_to;
mtype = { NONE, FIRST, RUN };
mtype since = NONE;
byte since_epoch;
bit newest_me; /* the newest view */
byte newest_epoch;

/* ---- what really was ---- */

#define NOBODY (EPOCHS + 1)

/* The lowest epoch at which the Sentinel has confirmed anybody since the run's first view was heard. */
byte confirmed = NOBODY;
#define CONFIRMS (!(down && get == master))

inline happened()
{
	if
	:: running && CONFIRMS && epoch < confirmed -> confirmed = epoch
	:: else
	fi
}

inline publish(what, to)
{
	if
	:: subscribed -> events!what(to)
	:: else
	fi
}

inline answer_master(k)
{
	v_epoch[k] = epoch;
	v_master[k] = master;
	v_down[k] = down;
	stage[k] = HALF
}

/* Flags count only when both answers name one master: else they are the old one's. */
#ifdef M_OLD_FLAGS
#define OLD_FLAGS skip
#else
#define OLD_FLAGS v_down[k] = 0
#endif

inline answer_address(k)
{
	v_get[k] = get;
	if
	:: get == v_master[k]
	:: else -> OLD_FLAGS
	fi;
	v_master[k] = 0;
	stage[k] = ANSWERED
}

#define CAN_SAY (!subscribed || len(events) < EVENTS)

#define TO(e, w) \
	/* Another Sentinel's word. A new epoch of the same master comes without an event. */ \
	:: atomic { e <= EPOCHS && epoch < e && CAN_SAY -> \
		epoch = e; \
		if \
		:: master != w -> master = w; get = w; down = 0; publish(SWITCH, w) \
		:: else \
		fi; \
		happened() } \
	/* It leads a failover: names the new one, with the old one's flags beside it. */ \
	:: atomic { e <= EPOCHS && epoch < e && get == master && master != w && CAN_SAY -> \
		epoch = e; get = w; publish(SWITCH, w); happened() }
#define TO_ANY(e) TO(e, OLD) TO(e, ME) TO(e, OTHER)

proctype sentinel()
{
	do
	:: atomic { !down -> down = 1 }
	:: atomic { down && CAN_SAY -> down = 0; publish(CLEARED, 0); happened() }
	TO_ANY(2)
	TO_ANY(3)
#if EPOCHS > 3
	TO_ANY(4)
#endif
	/* The failover has ended. */
	:: atomic { get != master && CAN_SAY -> master = get; down = 0; publish(SWITCH, get); happened() }
	/* SENTINEL RESET: a failover that it led is forgotten, too. */
	:: atomic { CAN_SAY -> down = 0; get = master; publish(RESET, 0); happened() }
	/* A restart: it forgets who was down, and its connections end in order. */
	:: atomic { CAN_SAY ->
		down = 0; master = get; gone = 1; publish(CLOSED, 0); subscribed = 0; subscribing = 0; ping = 0; happened() }

	:: atomic { subscribing && len(events) < EVENTS -> subscribing = 0; subscribed = 1; events!SUBSCRIBED(0) }
	:: atomic { ping && len(events) < EVENTS -> ping = 0; events!PONG(0) }
	:: d_step { !gone && stage[0] == SENT -> answer_master(0) }
	:: d_step { !gone && stage[0] == HALF -> answer_address(0) }
#if QUESTIONS > 1
	:: d_step { !gone && stage[0] == ANSWERED && stage[1] == SENT -> answer_master(1) }
	:: d_step { !gone && stage[0] == ANSWERED && stage[1] == HALF -> answer_address(1) }
#endif
	od
}

/* ---- src/core/evidence.c ---- */

inline end_run()
{
	running = 0;
	run_proved = 0;
	run_epoch = 0;
	run_master = 0;
	switched = 0;
	switch_to = 0;
	open = 0;
	ping_after = 0;
	confirmed = NOBODY
}

/* The claim itself: since = run_heard. */
inline since_the_run()
{
#if defined(S_OPEN)
	assert(!open);
#elif defined(S_SWITCHED)
	assert(!switched);
#elif defined(S_LEADER)
	assert(get == master);
#elif defined(S_SECOND_RUN)
	assert(run_epoch == 1);
#else
	assert(confirmed >= since_epoch);
#endif
	since = RUN
}

#ifdef M_DEAF_RUN
#define LISTENED 1
#else
#define LISTENED after[0]
#endif
#ifdef M_UNQUIET_RUN
#define QUIET 1
#else
#define QUIET (!switched_since[0] && !doubt_since[0])
#endif

#ifdef C_OTHER_VIEW
#define SAME_MASTER 1
#else
#define SAME_MASTER (run_epoch == v_epoch[0] && run_master == v_get[0])
#endif
#ifdef C_OLD_VIEW
#define AFTER_THE_SWITCH 0
#else
#define AFTER_THE_SWITCH (switched && !switched_since[0])
#endif

inline view_of_other()
{
	since = NONE;
	since_epoch = 0;
	open = 0;
	if
	:: !v_down[0] ->
#ifndef C_CLEAR_VIEW
		end_run()
#endif
	:: else ->
		if
		:: running && SAME_MASTER && !AFTER_THE_SWITCH
		:: else ->
			end_run();
			if
			:: LISTENED && QUIET ->
				running = 1;
				run_epoch = v_epoch[0];
				run_master = v_get[0];
				happened()
			:: else
			fi
		fi
	fi
}

#ifdef M_SKIPPED_EPOCH
#define NEXT_EPOCH 1
#else
#define NEXT_EPOCH (v_epoch[0] == run_epoch + 1)
#endif
#ifdef C_OTHER_SWITCH
#define TO_ME(w) 1
#else
#define TO_ME(w) (w == ME)
#endif

inline view_of_me()
{
	if
	:: since != NONE && since_epoch == v_epoch[0]
	:: else ->
		since = FIRST;
		since_epoch = v_epoch[0];
		if
		:: !running || !NEXT_EPOCH -> end_run()
		:: else ->
			if
#ifdef M_UNAWAITED_SWITCH
			:: !switched -> since_the_run(); end_run()
#else
			:: !switched -> open = 1
#endif
			:: else ->
				if
				:: TO_ME(switch_to) -> since_the_run()
				:: else
				fi;
				end_run()
			fi
		fi
	fi
}

#ifdef C_LAST_SWITCH
#define SECOND_SWITCH switch_to = to
#else
#define SECOND_SWITCH end_run()
#endif

inline news_of_switch(to)
{
	switched_since[0] = (stage[0] != FREE);
	switched_since[LAST] = (stage[LAST] != FREE);
	if
	:: !running
#ifndef M_UNPROVED_RUN
	:: running && !run_proved -> end_run()
	:: running && run_proved && open ->
#else
	:: running && open ->
#endif
		if
		:: newest_me && newest_epoch == since_epoch && TO_ME(to) -> since_the_run()
		:: else
		fi;
		end_run()
	:: else ->
		if
		:: !switched -> switched = 1; switch_to = to
		:: switched && to != switch_to -> SECOND_SWITCH
		:: else
		fi
	fi
}

inline news_of_doubt()
{
	doubt_since[0] = (stage[0] != FREE);
	doubt_since[LAST] = (stage[LAST] != FREE);
	end_run()
}

/* EV_SESSION; it listens anew at best, then. */
inline session()
{
	after[0] = 0;
	after[LAST] = 0;
#ifndef M_BROKEN_RUN
	end_run()
#endif
}

/* ---- connections ---- */

inline shift()
{
#if QUESTIONS > 1
	stage[0] = stage[1];
	v_epoch[0] = v_epoch[1];
	v_get[0] = v_get[1];
	v_master[0] = v_master[1];
	v_down[0] = v_down[1];
	after[0] = after[1];
	switched_since[0] = switched_since[1];
	doubt_since[0] = doubt_since[1];
#endif
	stage[LAST] = FREE;
	v_epoch[LAST] = 0;
	v_get[LAST] = 0;
	v_master[LAST] = 0;
	v_down[LAST] = 0;
	after[LAST] = 0;
	switched_since[LAST] = 0;
	doubt_since[LAST] = 0
}

inline tell_view()
{
	newest_me = (v_get[0] == ME);
	newest_epoch = (v_get[0] == ME -> v_epoch[0] : 0);
	if
	:: v_get[0] == ME -> view_of_me()
	:: else -> view_of_other()
	fi;
	shift()
}

inline break_query()
{
	shift();
	shift();
	gone = 0;
	session()
}

inline break_events()
{
	do
	:: len(events) > 0 -> events?_, _
	:: else -> break
	od;
	subscribing = 0;
	subscribed = 0;
	listening = 0;
	ping = 0;
	session()
}

inline ask(k)
{
	stage[k] = SENT;
	after[k] = listening
}

byte to; /* scratch; 0 between steps */

proctype node()
{
	do
	:: d_step { stage[0] == FREE -> ask(0) }
#if QUESTIONS > 1
	:: d_step { stage[0] != FREE && stage[1] == FREE -> ask(1) }
#endif
	:: d_step { stage[0] == ANSWERED -> tell_view() }
	:: d_step { stage[0] == ANSWERED -> shift() } /* not told; which are, doesn't matter here: view.pml */
	:: atomic { break_query() }
	:: d_step { shift(); shift(); gone = 0 } /* the spare goes on: no session ends */
	:: atomic { listening || subscribed || subscribing || len(events) > 0 -> break_events() }
	:: d_step { !listening && !subscribed && !subscribing && len(events) == 0 -> subscribing = 1 }
	:: atomic { events?SUBSCRIBED(_) -> listening = 1 }
	:: atomic { events?SWITCH(to) ->
		if
		:: listening -> news_of_switch(to)
		:: else
		fi;
		to = 0 }
	:: atomic { events?CLEARED(_) ->
#ifndef M_NO_EVENTS
		if
		:: listening -> news_of_doubt()
		:: else
		fi
#endif
	}
	:: atomic { events?RESET(_) ->
#ifndef M_NO_EVENTS
		if
		:: listening -> news_of_doubt(); since = NONE; since_epoch = 0
		:: else
		fi
#endif
	}
	:: atomic { events?CLOSED(_) -> break_events() }
	:: d_step { listening && !ping && !(events??[PONG(0)]) -> ping = 1; ping_after = running }
	:: atomic { events?PONG(_) ->
		if
		:: running && ping_after -> run_proved = 1
		:: else
		fi;
		ping_after = 0 }
	od
}

init
{
	atomic {
		/* Maybe it leads a failover already. */
		if
		:: get = OLD
		:: get = ME
		fi;
		run sentinel();
		run node()
	}
}
