/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The word of a token: try to take the token once, and release it.
 *
 * THEORY
 * t_count: bit 0 is EXCLUSIVE.  The bits above it count the shared takings, or
 * the recursive takings by the exclusive holder.  t_want: EXCLREQ, a thread
 * waits for exclusive access, and most new shared requests must wait (enum
 * shared_rule); NUDGE, a CPU wants to be notified of the release
 * (token_switch.c).
 *
 * An exclusive holder releases its token by a plain store, which saves half the
 * cost of taking and releasing.  That is correct because no other thread
 * changes t_count while the token is held exclusively: the requests of other
 * threads are in a separate word, t_want.  The store and the read of t_want
 * that follows it need a fence between them.  The CPU that waits executes this
 * fence, on all CPUs (TO1 of token_switch.c), since its sleep costs far more
 * anyway.
 *
 * INVARIANTS
 * TK1 EXCLUSIVE set <=> exactly one reference is exclusive and has tr_counted
 *    0; t_ref points at it.  t_ref is set just after EXCLUSIVE, and cleared
 *    just before EXCLUSIVE is cleared.
 * TK2 A thread that runs, has lent its CPU, or was abandoned at shutdown holds
 *    the tokens of all its references, except the newest one until it has been
 *    taken; any other thread holds none.
 * TK3 References are taken and released in LIFO order; td_ntoks of them are in
 *    use.  (lwkt_token_swap() and tokens_get() keep the order of those to the
 *    same token.)  So of the references to a token the exclusive one is
 *    released last, and t_count is EXCLUSIVE alone then.
 * TK4 t_gen counts the exclusive takings of the token, not the recursive ones.
 *    Of a thread's references to the token, tr_gen of the first one grows with
 *    the takings that the scheduler makes for this thread.  So tr_gen differs
 *    from t_gen <=> the token was taken for another thread since the two were
 *    equal.
 *
 * Source: DragonFly lwkt_token.c of 2017 (the rules of shared and EXCLREQ).
 * There the release is a locked instruction; the plain store is ours.
 */
#ifndef LWKT_KERN_SCHED_TOKEN_WORD_H
#define LWKT_KERN_SCHED_TOKEN_WORD_H

#include "base/kassert.h"
#include "kern/sched/sched_var.h"

#define T_EXCLUSIVE	((uint64_t)1)	/* t_count: held exclusively */
#define T_UNIT		((uint64_t)2)	/* t_count: one counted taking */
#define T_EXCLREQ	1u	/* t_want: a thread waits to be exclusive */
#define T_NUDGE		2u	/* t_want: a CPU wants to know of the release */

/* token_switch.c: clear NUDGE; notify the CPUs that wait for tokens. */
void	token_nudge(lwkt_token_t tok);

/* Return whether td is the exclusive holder: t_ref is a reference of td. */
static inline int
own_exclusive(lwkt_token_t tok, lwkt_thread_t td)
{
	uintptr_t ref = atomic_load_ptr(&tok->t_ref);
	uintptr_t base = (uintptr_t)td->td_cold->tc_tok;

	return ref - base < sizeof(td->td_cold->tc_tok);
}

/*
 * The token has just been taken exclusively: store tr as its exclusive
 * reference, and add 1 to t_gen, which only the exclusive holder writes.
 */
static inline void
own(lwkt_token_t tok, struct tokref *tr)
{
	tr->tr_counted = 0;
	atomic_store_ptr(&tok->t_ref, (uintptr_t)tr);		/* TK1 */
	atomic_poke_64(&tok->t_gen, tok->t_gen + 1);		/* TK4 */
}

/*
 * Try to take the token exclusively; if the thread of tr holds it exclusively
 * already, this is a recursive taking.  Return 1 if it is taken, else 0.
 * `wait`: the caller will wait if it fails, so set EXCLREQ.
 */
static inline int
try_exclusive(lwkt_token_t tok, struct tokref *tr, int wait)
{
	uint64_t c = 0;

	if (likely(atomic_fcmpset_64(&tok->t_count, &c, T_EXCLUSIVE))) {
		if (unlikely(atomic_load_32(&tok->t_want) & T_EXCLREQ))
			atomic_clear_32(&tok->t_want, T_EXCLREQ);
		own(tok, tr);
		return 1;
	}
	if ((c & T_EXCLUSIVE) && own_exclusive(tok, tr->tr_td)) {
		(void)atomic_fetchadd_64(&tok->t_count, T_UNIT);
		tr->tr_counted = 1;
		return 1;
	}
	if (wait && (atomic_load_32(&tok->t_want) & T_EXCLREQ) == 0)
		atomic_set_32(&tok->t_want, T_EXCLREQ);
	return 0;
}

/*
 * When EXCLREQ is set, a thread waits for exclusive access.  The rule says
 * whether a thread W that wants to share the token must then wait too.  If W
 * has no other tokens, WAIT is for the tries of W itself, WAIT_IF_SHARED for
 * those of the scheduler.
 */
enum shared_rule {
	OVERTAKE,	/* no: W has other tokens, for which the waiting */
			/* thread might wait (83c891d5d2) */
	WAIT_IF_SHARED,	/* yes, if the token is shared now; no, if it is free */
	WAIT		/* yes */
};

/*
 * Return whether a request to share the token must wait for a thread that waits
 * for exclusive access.  c: t_count, without EXCLUSIVE.
 */
static inline int
must_wait(lwkt_token_t tok, uint64_t c, enum shared_rule rule)
{
	return (rule == WAIT || (rule == WAIT_IF_SHARED && c != 0)) &&
	    (atomic_load_32(&tok->t_want) & T_EXCLREQ) != 0;
}

/*
 * Try once to take the token shared.  Return 1 if it is taken, else 0.  If the
 * thread of tr holds the token exclusively, this is a recursive taking.
 */
static inline int
try_shared(lwkt_token_t tok, struct tokref *tr, enum shared_rule rule)
{
	uint64_t c = atomic_load_64(&tok->t_count);

	do {
		if (c & T_EXCLUSIVE) {
			if (!own_exclusive(tok, tr->tr_td))
				return 0;
		} else if (must_wait(tok, c, rule)) {
			return 0;
		}
	} while (!atomic_fcmpset_64(&tok->t_count, &c, c + T_UNIT));
	tr->tr_counted = 1;
	return 1;
}

/*
 * Try once to take the token of tr in the mode of tr; 1 if it is taken.  An
 * exclusive try that fails sets EXCLREQ; `rule` is for a shared one.
 */
static inline int
try_ref(struct tokref *tr, enum shared_rule rule)
{
	if (tr->tr_mode == TOK_EXCL)
		return try_exclusive(tr->tr_tok, tr, 1);
	return try_shared(tr->tr_tok, tr, rule);
}

/* Return the rule for td's own tries to take its newest reference. */
static inline enum shared_rule
first_rule(lwkt_thread_t td)
{
	return td->td_ntoks == 1 ? WAIT : OVERTAKE;
}

/* Return the rule for the tries of the scheduler to take td's tokens. */
static inline enum shared_rule
later_rule(lwkt_thread_t td)
{
	return td->td_ntoks == 1 ? WAIT_IF_SHARED : OVERTAKE;
}

/*
 * Release the token once, for tr.  If it is free then and NUDGE is set, notify
 * the CPUs that wait for tokens.  The exclusive reference needs no locked
 * instruction: it is released last (TK3), and no other thread writes t_count
 * meanwhile.  The fence before the read of t_want is executed by the CPU that
 * wants to sleep, on all CPUs (TO1).
 */
static inline void
release_ref(struct tokref *tr)
{
	lwkt_token_t tok = tr->tr_tok;

	if (!tr->tr_counted) {
		KASSERTF(tok->t_ref == (uintptr_t)tr,
		    "token \"%s\" is released by a thread that does not hold "
		    "it", tok->t_name);				/* TK1 */
		INVARIANT(tok->t_count == T_EXCLUSIVE);		/* TK3 */
		atomic_store_ptr(&tok->t_ref, 0);
		atomic_store_rel_64(&tok->t_count, 0);
		cc_fence();					/* TO1 */
	} else if (atomic_fetchadd_64(&tok->t_count, -T_UNIT) != T_UNIT) {
		return;
	}
	if (unlikely(atomic_load_32(&tok->t_want) & T_NUDGE))
		token_nudge(tok);
}

#endif
