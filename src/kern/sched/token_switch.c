/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Tokens at a switch: release all, take all again, and sleep for one.
 *
 * THEORY
 * When a thread leaves the CPU and does not lend it, the scheduler releases all
 * of its tokens; before the thread runs again, the scheduler takes all of them
 * again (lwkt_switch.c).  Both happen on the CPU of the thread, in a critical
 * section, while the thread does not run or is about to leave.
 *
 * A thread that is refused a token stays runnable.  Its CPU runs other threads
 * meanwhile and tries again at each switch.  So there is no queue of waiters,
 * and a release usually costs nothing extra.  The exception is a CPU that has
 * nothing else to run.  It sets NUDGE in the token that it wants, and sleeps.
 * The thread whose release frees the token sees NUDGE and wakes all CPUs in
 * tokwait, whichever token each of them wants.  (Spinning instead would waste
 * milliseconds if the host takes the holder's CPU off its core.)  A CPU that
 * runs a worse thread meanwhile also sets NUDGE, but does not sleep: RQF_TOKEN
 * then makes the worse thread switch at its next preemption point.
 *
 * Several CPUs may try at the same time to take sets of tokens that overlap,
 * and each may hold a token that another CPU needs.  A CPU that fails to take a
 * whole set releases the tokens it took.  After more than lwkt.spin_loops
 * failures in a row, a thread's tokens are taken in the order of their
 * addresses, so that one of the competing threads gets all of its tokens.
 *
 * ORDER
 * TO1 A CPU that wants to sleep sets its bit in tokwait, sets NUDGE in t_want,
 *    executes a FENCE on every CPU, and reads t_count.  A releaser writes
 *    t_count, then reads t_want, then tokwait.  Either the releaser sees NUDGE,
 *    and then the bit; or the CPU sees the release and does not sleep.
 *
 * Source: DragonFly lwkt_token.c of 2017 (sorted retry).  The nudge is ours.
 */
#include "kern/sched/token_word.h"

TRACEPOINT(fail, KTR_SCHED, "token.fail", "td=%llu count=%#llx");
TRACEPOINT(nudge, KTR_SCHED, "token.nudge", "cpu=%llu count=%#llx");

COUNTER(sorted, "lwkt.token_sorted", "sets of tokens taken in order of "
    "address");
COUNTER(nudges, "lwkt.token_nudges", "CPUs woken because a token is free");

TUNABLE_INT(spin_loops, "lwkt.spin_loops", 10, 0, 10000,
    "failures of the scheduler before it takes tokens in order of address");

static lwkt_cpumask_t tokwait;		/* (a) CPUs to notify of releases */

/* Boot: no CPU is to be notified, though the last kernel may have left some. */
void
tokens_boot(void)
{
	tokwait = (lwkt_cpumask_t){ { 0 } };
}

/*
 * Clear NUDGE of tok, and notify every CPU in tokwait: set its RQF_TOKEN, and
 * wake it if it sleeps.  The CPU removes itself from tokwait (tokens_nudged).
 */
void
token_nudge(lwkt_token_t tok)
{
	struct globaldata *gd = mygd(), *tgd;
	int cpu;
	uint32_t old;

	atomic_clear_32(&tok->t_want, T_NUDGE);
	for (cpu = 0; cpu < lwkt__ncpus; cpu++) {
		if (!cpumask_test_atomic(&tokwait, cpu))	/* TO1 */
			continue;
		counter_inc(gd->gd_cntbias, nudges);
		ktr(gd, nudge, cpu, gd->gd_m.mc_cpuid);
		tgd = gd_find(cpu);
		old = atomic_fetchor_32(&tgd->gd_m.mc_reqflags, RQF_TOKEN);
		if ((old & (RQF_TOKEN | RQF_SLEEPING)) == RQF_SLEEPING)
			machine_doorbell(&tgd->gd_m);
	}
}

/*
 * Release the tokens that td holds: all but the last td_tokpend references.
 */
void
tokens_release(lwkt_thread_t td)
{
	int i;

	for (i = td->td_ntoks - td->td_tokpend; i-- > 0; )
		release_ref(&td->td_cold->tc_tok[i]);		/* TK2 */
}

/*
 * Fill order[] with the indices of the references of td.  They are in the order
 * of tc_tok; if `sorted` is 1, in the order of the addresses of the tokens.
 */
static void
token_order(lwkt_thread_t td, uint8_t order[LWKT_MAXTOKENS], int sorted)
{
	struct tokref *tr = td->td_cold->tc_tok;
	int i, j;

	for (i = 0; i < td->td_ntoks; i++) {
		/* Stable: of one token, the exclusive reference stays first. */
		for (j = i; sorted && j > 0 &&
		    tr[order[j - 1]].tr_tok > tr[i].tr_tok; j--)
			order[j] = order[j - 1];
		order[j] = (uint8_t)i;
	}
}

/*
 * Take all tokens of td, set td_tokwant to NULL and return 1.  If a token is
 * refused, release those taken, store the refused token in td_tokwant and
 * return 0.  td_contended counts the failures in a row.
 */
int
tokens_get(lwkt_thread_t td)
{
	struct tokref *tr = td->td_cold->tc_tok;
	uint8_t order[LWKT_MAXTOKENS];
	int sorted = td->td_contended > spin_loops;
	enum shared_rule rule = later_rule(td);
	int i, k;

	if (sorted)
		counter_inc(mygd()->gd_cntbias, sorted);
	token_order(td, order, sorted);
	for (k = 0; k < td->td_ntoks; k++) {
		i = order[k];
		if (try_ref(&tr[i], rule)) {
			tr[i].tr_gen += !tr[i].tr_counted;	/* TK4 */
			continue;
		}
		td->td_tokwant = tr[i].tr_tok;
		td->td_contended += td->td_contended < UINT16_MAX;
		ktr(mygd(), fail, td->td_id, __atomic_load_n(
		    &tr[i].tr_tok->t_count, __ATOMIC_RELAXED));
		while (k-- > 0)
			release_ref(&tr[order[k]]);
		return 0;
	}
	td->td_tokpend = 0;					/* TK2 */
	td->td_contended = 0;
	td->td_tokwant = NULL;
	return 1;
}

/*
 * Return whether the token of tr would be refused to td now.  td does not run,
 * so it holds no token (TK2).  The rules are those of try_ref().
 */
static int
ref_refused(lwkt_thread_t td, const struct tokref *tr)
{
	uint64_t count = atomic_load_64(&tr->tr_tok->t_count);

	if (tr->tr_mode == TOK_EXCL)
		return count != 0;
	return (count & T_EXCLUSIVE) != 0 ||
	    must_wait(tr->tr_tok, count, later_rule(td));
}

/*
 * Return whether td_tokwant would be refused to td now.  The refused reference
 * is td's first one to it.
 */
static int
token_refuses(lwkt_thread_t td)
{
	struct tokref *tr = td->td_cold->tc_tok;

	while (tr->tr_tok != td->td_tokwant)
		tr++;
	return ref_refused(td, tr);
}

/*
 * Before this CPU sleeps, ask to be notified of the release of td_tokwant.
 * Return 1 if the CPU may sleep until then, 0 if it should try again: no token
 * was refused to td, the token is free now, or the host cannot fence all CPUs.
 * The releaser has no fence between its store to t_count and its read of
 * t_want.  The fence on all CPUs here replaces it: after it, either this CPU
 * sees the release in t_count, or the releaser will see NUDGE (TO1).
 */
int
tokens_want_nudge(struct globaldata *gd, lwkt_thread_t td)
{
	if (td->td_tokwant == NULL)
		return 0;
	cpumask_set_atomic(&tokwait, gd->gd_m.mc_cpuid);	/* TO1 */
	atomic_set_32(&td->td_tokwant->t_want, T_NUDGE);
	if (!machine_fence_all())
		return 0;	/* the host cannot: do not sleep */
	return token_refuses(td);
}

/*
 * For liveness.c.  tokens_free: return 1 if td, which does not run, could take
 * all of its tokens now.  tokens_taken: return a number that changes when one
 * of td's tokens is taken exclusively, or is refused to td (unless td_contended
 * has its maximum).
 */
int
tokens_free(lwkt_thread_t td)
{
	int i;

	for (i = 0; i < td->td_ntoks; i++)
		if (ref_refused(td, &td->td_cold->tc_tok[i]))
			return 0;
	return 1;
}

uint64_t
tokens_taken(lwkt_thread_t td)
{
	uint64_t n = td->td_contended;
	int i;

	for (i = 0; i < td->td_ntoks; i++)
		n += atomic_load_64(&td->td_cold->tc_tok[i].tr_tok->t_gen);
	return n;
}

/*
 * The scheduler passes td over for a worse thread: ask to be notified of the
 * release of td_tokwant.  If that token is free already, request another
 * switch.  Setting NUDGE is a locked instruction, so this CPU reads t_count
 * after it.  But the releaser has no fence between its store to t_count and its
 * read of t_want, so the releaser may miss NUDGE (TO1).  Then the switch at the
 * next tick finds the token free.
 */
void
tokens_passed(struct globaldata *gd, lwkt_thread_t td)
{
	lwkt_token_t tok = td->td_tokwant;

	if (tok == NULL)
		return;
	if (!cpumask_test_atomic(&tokwait, gd->gd_m.mc_cpuid))
		cpumask_set_atomic(&tokwait, gd->gd_m.mc_cpuid);
	if ((atomic_load_32(&tok->t_want) & T_NUDGE) == 0)
		atomic_set_32(&tok->t_want, T_NUDGE);
	if (!token_refuses(td))
		gd->gd_ast |= AST_LWKT_RESCHED;
}

/*
 * Serve RQF_TOKEN: the next preemption point switches, and the scheduler tries
 * to take the tokens again.
 */
void
tokens_nudged(struct globaldata *gd)
{
	cpumask_clear_atomic(&tokwait, gd->gd_m.mc_cpuid);
	atomic_clear_32(&gd->gd_m.mc_reqflags, RQF_TOKEN);
	gd->gd_ast |= AST_LWKT_RESCHED;
	ast_raise(gd);
}

/*
 * td runs or is about to leave the CPU.  Panic if a reference of td does not
 * hold its token, except the reference for which td waits (TK1, TK2).
 */
void
token_check(lwkt_thread_t td)
{
	struct tokref *tr = td->td_cold->tc_tok;
	int i, held = td->td_ntoks - td->td_tokpend;

	for (i = 0; i < held; i++, tr++)
		KASSERTF(tr->tr_td == td && (tr->tr_counted ||
		    __atomic_load_n(&tr->tr_tok->t_ref, __ATOMIC_RELAXED) ==
		    (uintptr_t)tr), "thread \"%s\": reference %d does not hold "
		    "token \"%s\"", td->td_name, i, tr->tr_tok->t_name);
}
