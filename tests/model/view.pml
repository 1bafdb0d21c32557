/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * One Sentinel, one connection: a view, made of two answers, is of one instant (tell_view() in src/io/sentinel_query.c): then the
 * Sentinel was at that epoch, named that node, and had it down or not. The instant isn't before the first answer. With RESETS, for a
 * pair that names two masters, it isn't before the second answer of the pair before.
 * What it leaves out: doc/SAFETY.md, "The model". Mistakes (M_...) are in tests/model/run.
 *
 * A question is never younger than its answer; so to look from the first answer on is enough. Answers come in the order of the questions.
 */
#ifndef EPOCHS
#define EPOCHS 5
#endif

/* ---- the Sentinel, as in evidence.pml ---- */

byte epoch = 1;
byte get, master; /* differ on the leader of a failover */
bit down;

/* ---- the node ---- */

#define NOTHING 3
bit half;                         /* one of the two answers is there */
byte m_epoch, m_master = NOTHING; /* the answer to SENTINEL MASTER */
bit m_down;
byte addr = NOTHING; /* to GET-MASTER-ADDR-BY-NAME */
byte odd_epoch, odd_master = NOTHING, odd_addr = NOTHING; /* struct disagreement */

/* ---- what really was since the first answer, at its epoch ---- */

byte at;           /* the epoch of the first answer; then */
bit led;           /* it led a failover */
bit up[3], lay[3]; /* named and not down, named and down */
bit odd_whole;     /* what two answers that named two masters would have told was so at the second */

inline was()
{
	if
	:: half && epoch == at ->
		if
		:: get == master && down -> lay[get] = 1
		:: else -> up[get] = 1
		fi
	:: else
	fi
}

inline forget()
{
	half = 0;
	at = 0;
	led = 0;
	up[0] = 0;
	up[1] = 0;
	up[2] = 0;
	lay[0] = 0;
	lay[1] = 0;
	lay[2] = 0;
	m_epoch = 0;
	m_master = NOTHING;
	m_down = 0;
	addr = NOTHING
}

#define TO(e, w) \
	:: d_step { e <= EPOCHS && epoch < e -> \
		epoch = e; \
		if \
		:: master != w -> master = w; get = w; down = 0 \
		:: else \
		fi; \
		was() } \
	:: d_step { e <= EPOCHS && epoch < e && get == master && master != w -> epoch = e; get = w; was() }
#define TO_ANY(e) TO(e, 0) TO(e, 1) TO(e, 2)

proctype sentinel()
{
	do
	TO_ANY(2)
	TO_ANY(3)
	TO_ANY(4)
	TO_ANY(5)
	:: d_step { !down -> down = 1; was() }
	:: d_step { down -> down = 0; was() }
	:: d_step { get != master -> master = get; down = 0; was() }
#ifdef RESETS
	:: d_step { get != master || down -> get = master; down = 0; was() } /* SENTINEL RESET, for a failover that it leads */
#endif
	od
}

#ifdef M_ONE_PAIR
#define SAME_DISAGREEMENT 1
#else
#define SAME_DISAGREEMENT (odd_epoch == m_epoch && odd_master == m_master && odd_addr == addr)
#endif
#ifdef M_OLD_FLAGS
#define V_DOWN m_down
#else
#define V_DOWN (agree && m_down)
#endif

#define WHOLE (m_epoch == at && (V_DOWN -> lay[addr] : up[addr]))

/* The leader's old master may be told beside the leader's new epoch (doc/SAFETY.md): it is being replaced, and no more is claimed. */
#if defined(S_OLD_MASTER)
#define CLAIM WHOLE
#elif defined(S_LEADER)
#define CLAIM agree
#elif defined(RESETS) && !defined(M_SECOND_QUESTION)
#define CLAIM (agree -> WHOLE || led : odd_whole)
#else
#define CLAIM (WHOLE || (agree && led))
#endif

bit agree;

inline tell_view()
{
	agree = (m_master == addr);
	if
	:: agree || SAME_DISAGREEMENT -> assert(CLAIM)
	:: else
	fi;
	if
	:: agree -> odd_epoch = 0; odd_master = NOTHING; odd_addr = NOTHING; odd_whole = 0
	:: else -> odd_epoch = m_epoch; odd_master = m_master; odd_addr = addr; odd_whole = (epoch == m_epoch)
	fi;
	agree = 0;
	forget()
}

inline answer_master()
{
	m_epoch = epoch;
	m_master = master;
	m_down = down
}

inline first()
{
	half = 1;
	at = epoch;
	led = (get != master);
	was()
}

proctype answers()
{
	do
#ifdef M_ADDRESS_FIRST
	:: d_step { !half -> addr = get; first() }
	:: d_step { half -> answer_master(); tell_view() }
#else
	:: d_step { !half -> answer_master(); first() }
	:: d_step { half -> addr = get; tell_view() }
#endif
	od
}

init
{
	atomic {
		forget();
		run sentinel();
		run answers()
	}
}
