/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Serializing tokens.
 *
 * THEORY
 * A token serializes its holders only while they run.  Each thread keeps
 * references to its tokens.  When a thread leaves the CPU, the scheduler
 * releases all of its tokens; before the thread runs again, the scheduler takes
 * all of them again (lwkt_switch.c).  So a thread that waits off the CPU holds
 * no token, and no order of taking tokens can deadlock.
 *
 * A thread that is refused a token stays runnable.  Its CPU runs other threads
 * meanwhile and tries again at each switch.  So there is no queue of waiters,
 * and a release usually costs nothing extra.  The exception is a CPU that has
 * nothing else to run.  It sets NUDGE in the token that it wants, and sleeps.
 * The thread whose release frees the token sees NUDGE and wakes the CPUs that
 * wait for tokens.  (Spinning instead would burn milliseconds on a host that
 * takes the holder off its core.)  A CPU that runs a worse thread meanwhile
 * also sets NUDGE, but does not sleep: RQF_TOKEN then makes the worse thread
 * switch at its next yield.
 *
 * An exclusive holder releases its token by a plain store, which saves half the
 * cost of taking and releasing.  That is correct because no other thread
 * changes t_count while the token is held exclusively: the requests of other
 * threads are in a separate word, t_want.  A fence should separate the store
 * from the read of t_want.  The CPU that goes to sleep executes this fence, on
 * all CPUs (TO1), since its sleep costs far more anyway.
 *
 * Several CPUs may compete for overlapping sets of tokens, each with a token
 * that another one lacks.  A CPU that fails to take a whole set releases what
 * it took of it.  A thread that has failed often takes its tokens in the order
 * of their addresses, so that one of the threads wins.
 *
 * t_count: bit 0 is EXCLUSIVE.  The bits above it count the shared holders and
 * the recursive takings by the exclusive holder.  t_want: EXCLREQ, a thread
 * waits for exclusive access and new shared holders must wait; NUDGE.
 *
 * INVARIANTS
 * TK1 EXCLUSIVE set <=> exactly one reference is exclusive and not counted;
 *    t_ref points at that one (set just after, cleared just before).
 * TK2 A thread that runs, or has lent its CPU, holds all its references; any
 *    other thread holds none.
 * TK3 References are taken and released in LIFO order; td_ntoks of them are in
 *    use.  So the exclusive reference is the last one of its token to go, and
 *    t_count is EXCLUSIVE alone then.
 *
 * ORDER
 * TO1 A sleeper sets its bit in tokwait, sets NUDGE in t_want, executes a FENCE
 *    on every CPU, and reads t_count.  A releaser writes t_count, then reads
 *    t_want, then tokwait.  Either the releaser sees NUDGE, and then the bit;
 *    or the sleeper sees the release.
 *
 * Source: DragonFly lwkt_token.c of 2017 (the rules of shared, EXCLREQ and
 * sorted retry).  A token is released before its slot is popped, as there
 * (b528f10fca).  The nudge is ours.
 */
#include "kern/cpu/token_var.h"
#include "kern/sched/sched_var.h"

#include <string.h>

#include "base/kassert.h"

TRACEPOINT(fail, KTR_SCHED, "token.fail", "td=%llu count=%#llx");
TRACEPOINT(wait, KTR_SCHED, "token.wait", "td=%llu depth=%llu");
TRACEPOINT(nudge, KTR_SCHED, "token.nudge", "cpu=%llu count=%#llx");

COUNTER(collisions, "lwkt.token_collisions", "tokens waited for");
COUNTER(mp_collisions, "lwkt.mp_collisions", "of these, the mp token");
COUNTER(spins, "lwkt.token_spins", "tokens taken after a short spin");
COUNTER(sorted, "lwkt.token_sorted", "sets of tokens taken in order of "
    "address");
COUNTER(nudges, "lwkt.token_nudges", "CPUs woken because a token is free");

TUNABLE_INT(token_spin, "lwkt.token_spin", 64, 0, 100000,
    "tries for a token before the thread leaves the CPU");
TUNABLE_INT(token_backoff_max, "lwkt.token_backoff_max", 64, 1, 4096,
    "longest pause between two tries, in pause instructions");
TUNABLE_INT(spin_loops, "lwkt.spin_loops", 10, 0, 10000,
    "failures of the scheduler before it takes tokens in order of address");

TUNABLE_INT(debug_output, "lwkt.tokens_debug_output", 0, 0, 1000000,
    "how many waits for tokens are printed, with backtraces");

#define T_EXCLUSIVE	((uint64_t)1)		/* t_count */
#define T_UNIT		((uint64_t)2)
#define T_EXCLREQ	1u			/* t_want */
#define T_NUDGE		2u

#define POOL_MAX	16384
#define POOL_TOKENS	(config_hard ? 4 : POOL_MAX)	/* power of two */
#define OUTPUT_FRAMES	8

static struct lwkt_token pool[POOL_MAX];
static struct lwkt_token mp_token = LWKT_TOKEN_INITIALIZER("mp");
static lwkt_cpumask_t tokwait;		/* (a) CPUs that sleep for a token */

/* Initialise a free token.  Thread context; never blocks. */
void
lwkt_token_init(lwkt_token_t tok, const char *name)
{
	memset(tok, 0, sizeof(*tok));
	tok->t_name = name;
}

/* Check that the token is free.  Thread context; never blocks. */
void
lwkt_token_uninit(lwkt_token_t tok)
{
	KASSERTF(atomic_load_64(&tok->t_count) == 0, "token \"%s\" is still "
	    "held, count %#llx", tok->t_name, (unsigned long long)tok->t_count);
}

/* Tell whether td is the exclusive holder: t_ref lies in its references. */
static inline int
own_exclusive(lwkt_token_t tok, lwkt_thread_t td)
{
	uintptr_t ref = atomic_load_ptr(&tok->t_ref);
	uintptr_t base = (uintptr_t)td->td_cold->tc_tok;

	return ref - base < sizeof(td->td_cold->tc_tok);
}

/*
 * Note tr as the exclusive reference.  If another thread was the last exclusive
 * holder, count the change in t_gen.
 */
static inline void
own(lwkt_token_t tok, struct tokref *tr)
{
	uint64_t id = tr->tr_td->td_id;

	tr->tr_counted = 0;
	atomic_store_ptr(&tok->t_ref, (uintptr_t)tr);		/* TK1 */
	if (tok->t_owner != id) {
		tok->t_owner = id;
		/* Not by atomic.h: there each store is a step of a simulated
		 * run, but t_owner outlives the run, so runs of one seed would
		 * differ.  Only holders read t_gen. */
		__atomic_store_n(&tok->t_gen, tok->t_gen + 1,
		    __ATOMIC_RELAXED);
	}
}

/*
 * Try once to take the token exclusively.  `wait`: the caller will wait for it,
 * so set EXCLREQ, which keeps new shared holders away.
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

/* Whether a new shared holder yields to a thread that waits to be exclusive. */
enum manners {
	RUDE,		/* never: it has other tokens, for which that thread */
			/* might be waiting (83c891d5d2) */
	IF_SHARED,	/* only while others share the token: a second try */
	POLITE		/* until that thread has had the token */
};

/* Try once to take the token shared. */
static inline int
try_shared(lwkt_token_t tok, struct tokref *tr, enum manners manners)
{
	uint64_t c = atomic_load_64(&tok->t_count);

	do {
		if (c & T_EXCLUSIVE) {
			if (!own_exclusive(tok, tr->tr_td))
				return 0;
		} else if ((manners == POLITE ||
		    (manners == IF_SHARED && c != 0)) &&
		    (atomic_load_32(&tok->t_want) & T_EXCLREQ)) {
			return 0;
		}
	} while (!atomic_fcmpset_64(&tok->t_count, &c, c + T_UNIT));
	tr->tr_counted = 1;
	return 1;
}

static inline int
try_ref(struct tokref *tr, enum manners manners)
{
	if (tr->tr_mode == TOK_EXCL)
		return try_exclusive(tr->tr_tok, tr, 1);
	return try_shared(tr->tr_tok, tr, manners);
}

static inline enum manners
first_manners(lwkt_thread_t td)
{
	return td->td_ntoks == 1 ? POLITE : RUDE;
}

/* Clear NUDGE, and notify every CPU in tokwait: wake it if it sleeps. */
static __lwkt_noinline void
nudge(lwkt_token_t tok)
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
 * Release one reference.  The exclusive one needs no locked instruction: it is
 * the last of its token (TK3), and no other thread writes t_count meanwhile.
 * The fence before the read of t_want is executed by the sleeper (TO1).
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
		nudge(tok);
}

/*
 * The scheduler's side.  Context: the CPU of td, in a critical section; td does
 * not run or is about to leave.
 *
 * Release the tokens that td holds: all but the last td_tokpend references.
 */
void
tokens_release(lwkt_thread_t td)
{
	int i;

	for (i = td->td_ntoks - td->td_tokpend; i-- > 0; )
		release_ref(&td->td_cold->tc_tok[i]);		/* TK2 */
}

/* Order the references of td: as they were taken, or by token address. */
static void
token_order(lwkt_thread_t td, uint8_t order[LWKT_MAXTOKENS], int sorted)
{
	struct tokref *tr = td->td_cold->tc_tok;
	int i, j;

	for (i = 0; i < td->td_ntoks; i++) {
		/* Stable: of one token's references the first is exclusive. */
		for (j = i; sorted && j > 0 &&
		    tr[order[j - 1]].tr_tok > tr[i].tr_tok; j--)
			order[j] = order[j - 1];
		order[j] = (uint8_t)i;
	}
}

/*
 * Take all tokens of td and return 1, or take none and return 0.  Then
 * td_tokwant is the token that was refused.
 */
int
tokens_get(lwkt_thread_t td)
{
	struct tokref *tr = td->td_cold->tc_tok;
	uint8_t order[LWKT_MAXTOKENS];
	int sorted = td->td_contended > spin_loops;
	enum manners manners = td->td_ntoks == 1 ? IF_SHARED : RUDE;
	int i, k;

	if (sorted)
		counter_inc(mygd()->gd_cntbias, sorted);
	token_order(td, order, sorted);
	for (k = 0; k < td->td_ntoks; k++) {
		i = order[k];
		if (try_ref(&tr[i], manners))
			continue;
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

/* Return the mode in which td was refused td_tokwant. */
static int
wanted_mode(lwkt_thread_t td)
{
	struct tokref *tr = td->td_cold->tc_tok;

	while (tr->tr_tok != td->td_tokwant)
		tr++;
	return tr->tr_mode;
}

/* Tell whether td would be refused td_tokwant if it tried now. */
static int
token_refuses(lwkt_thread_t td)
{
	uint64_t count = atomic_load_64(&td->td_tokwant->t_count);

	if (wanted_mode(td) == TOK_EXCL || count == 0)
		return count != 0;
	return (count & T_EXCLUSIVE) != 0 ||
	    (atomic_load_32(&td->td_tokwant->t_want) & T_EXCLREQ) != 0;
}

/*
 * Ask for a nudge before this CPU sleeps: 1 if it may sleep until td_tokwant is
 * released, 0 if td should try again.  The releaser has no fence between its
 * store to t_count and its read of t_want; the fence here, on all CPUs,
 * replaces it: a release that it misses will see NUDGE (TO1).
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
 * For liveness.c.  tokens_free: tell whether td, which does not run, could take
 * all of its tokens now.  tokens_taken: return a number that changes when one
 * of them gets another exclusive holder, or when td is refused one.
 */
int
tokens_free(lwkt_thread_t td)
{
	struct tokref *tr = td->td_cold->tc_tok;
	uint64_t count;
	int i;

	for (i = 0; i < td->td_ntoks; i++, tr++) {
		count = atomic_load_64(&tr->tr_tok->t_count);
		if (tr->tr_mode == TOK_EXCL ? count != 0 :
		    (count & T_EXCLUSIVE) != 0 ||
		    (atomic_load_32(&tr->tr_tok->t_want) & T_EXCLREQ) != 0)
			return 0;
	}
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
 * Ask for a nudge because the scheduler passes td over for a worse thread.
 * Setting NUDGE is a locked instruction, so this CPU reads t_count after it.
 * But the releaser has no fence between its store and its read of t_want, so it
 * may miss NUDGE (TO1).  In that case the next tick finds the token free.
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

/* Serve RQF_TOKEN: the next preemption point switches, and tries again. */
void
tokens_nudged(struct globaldata *gd)
{
	cpumask_clear_atomic(&tokwait, gd->gd_m.mc_cpuid);
	atomic_clear_32(&gd->gd_m.mc_reqflags, RQF_TOKEN);
	gd->gd_ast |= AST_LWKT_RESCHED;
	ast_raise(gd);
}

/* Check TK1 and TK2 for a thread that runs or is about to leave. */
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

/*
 * Callers' side.
 *
 * Append a reference; it is complete before td_ntoks counts it.
 */
static inline struct tokref *
push_ref(lwkt_thread_t td, lwkt_token_t tok, enum tokmode mode)
{
	struct tokref *tr = &td->td_cold->tc_tok[td->td_ntoks];

	KASSERTF(td->td_ntoks < LWKT_MAXTOKENS, "thread \"%s\" takes token "
	    "\"%s\" as number %d; LWKT_MAXTOKENS is the limit", td->td_name,
	    tok->t_name, td->td_ntoks + 1);
	tr->tr_tok = tok;
	tr->tr_td = td;
	tr->tr_mode = (uint8_t)mode;
	cc_fence();
	td->td_ntoks++;
	return tr;
}

/*
 * Check that td does not hold the token shared and request it exclusively: it
 * would wait for itself.
 */
static void
assert_no_upgrade(lwkt_thread_t td, struct tokref *tr)
{
	struct tokref *at;

	for (at = td->td_cold->tc_tok; at < tr; at++)
		KASSERTF(at->tr_tok != tr->tr_tok || at->tr_mode == TOK_EXCL ||
		    tr->tr_mode != TOK_EXCL, "thread \"%s\" holds token "
		    "\"%s\" shared and requests it exclusively: it would wait "
		    "for itself", td->td_name, tr->tr_tok->t_name);
}

/*
 * Try token_spin times, with growing pauses: the holder is likely to release
 * the token soon.
 */
static int
spin_for(struct tokref *tr)
{
	int i, pause, pauses = 1;

	for (i = 0; i < token_spin; i++) {
		for (pause = 0; pause < pauses; pause++)
			machine_pause(0);
		if (try_ref(tr, first_manners(tr->tr_td)))
			return 1;
		if (pauses < token_backoff_max)
			pauses += (pauses >> 1) + 1;
	}
	return 0;
}

/* Print the wait, for the first lwkt.tokens_debug_output waits of all. */
static __lwkt_noinline void
show_wait(lwkt_thread_t td, lwkt_token_t tok)
{
	void *pcs[OUTPUT_FRAMES];

	if (__atomic_sub_fetch(&debug_output, 1, __ATOMIC_RELAXED) < 0) {
		__atomic_store_n(&debug_output, 0, __ATOMIC_RELAXED);
		return;
	}
	lwkt_printf("lwkt: thread \"%s\" waits for token \"%s\", which is held "
	    "%llu times", td->td_name, tok->t_name, (unsigned long long)
	    (__atomic_load_n(&tok->t_count, __ATOMIC_RELAXED) / T_UNIT +
	    (__atomic_load_n(&tok->t_count, __ATOMIC_RELAXED) & T_EXCLUSIVE)));
	machine_backtrace_print(pcs, machine_backtrace(pcs, OUTPUT_FRAMES,
	    NULL, NULL));
}

/*
 * Wait for the token of tr: spin for a while, then leave the CPU.  td_tokpend
 * tells the scheduler that the last reference is not held yet.
 */
static __lwkt_noinline void
get_slow(lwkt_thread_t td, struct tokref *tr)
{
	struct globaldata *gd = mygd();

	if (gd->gd_intr_nesting != 0)
		lwkt_panic("token \"%s\" is held by another thread and waited "
		    "for in a %s on cpu %d", tr->tr_tok->t_name,
		    gd->gd_hard != 0 ? "hard section" : "callback",
		    gd->gd_m.mc_cpuid);
	assert_no_upgrade(td, tr);
	/* Spinning is useless if the holder lent this CPU to the caller. */
	if (!(td->td_leave & TDL_PREEMPTING) && spin_for(tr)) {
		crit_enter_td(td);
		counter_inc(mygd()->gd_cntbias, spins);
		crit_exit_td(td);
		return;
	}
	crit_enter_td(td);
	gd = mygd();
	counter_inc(gd->gd_cntbias, collisions);
	if (tr->tr_tok == &mp_token)
		counter_inc(gd->gd_cntbias, mp_collisions);
	if (unlikely(debug_output > 0))
		show_wait(td, tr->tr_tok);
	(void)atomic_fetchadd_64(&tr->tr_tok->t_collisions, 1);
	ktr(gd, wait, td->td_id, td->td_ntoks);
	td->td_wmesg = tr->tr_tok->t_name;
	td->td_tokwant = tr->tr_tok;
	td->td_tokpend = 1;
	switch_away();		/* comes back with all of them */
	td->td_wmesg = NULL;
	crit_exit_td(td);
}

static inline void
get(lwkt_token_t tok, enum tokmode mode)
{
	lwkt_thread_t td = caller_thread();
	struct tokref *tr = push_ref(td, tok, mode);

	if (unlikely(!try_ref(tr, first_manners(td))))
		get_slow(td, tr);
	tr->tr_gen = atomic_load_64(&tok->t_gen);
}

/* Thread context; blocks until the token is free. */
void
lwkt_gettoken(lwkt_token_t tok)
{
	get(tok, TOK_EXCL);
}

/* Thread context; blocks until the token can be shared. */
void
lwkt_gettoken_shared(lwkt_token_t tok)
{
	get(tok, TOK_SHARED);
}

/* Any CPU context; never blocks. */
int
lwkt_trytoken(lwkt_token_t tok)
{
	lwkt_thread_t td = caller_thread();
	struct tokref *tr = push_ref(td, tok, TOK_EXCL);

	if (!try_exclusive(tok, tr, 0)) {
		td->td_ntoks--;
		return 0;
	}
	tr->tr_gen = atomic_load_64(&tok->t_gen);
	return 1;
}

/*
 * Release the token taken last.  Thread context, or a callback that took it by
 * lwkt_trytoken; never blocks.
 */
void
lwkt_reltoken(lwkt_token_t tok)
{
	lwkt_thread_t td = curthread;
	struct tokref *tr = td->td_cold->tc_tok + td->td_ntoks;

	if (unlikely(td->td_ntoks == 0 || (--tr)->tr_tok != tok))
		lwkt_panic("thread \"%s\" releases token \"%s\", but the last "
		    "one it took is \"%s\"", td->td_name, tok->t_name,
		    td->td_ntoks != 0 ? tr->tr_tok->t_name : "none");
	/* Released before popped: b528f10fca. */
	release_ref(tr);
	cc_fence();
	td->td_ntoks--;						/* TK3 */
}

/* Exchange the last two references.  Thread context; never blocks. */
void
lwkt_token_swap(void)
{
	lwkt_thread_t td = caller_thread();
	struct tokref *a, *b, tmp;

	KASSERTF(td->td_ntoks >= 2, "thread \"%s\" swaps its last two tokens, "
	    "but holds %d", td->td_name, td->td_ntoks);
	a = &td->td_cold->tc_tok[td->td_ntoks - 2];
	b = a + 1;
	if (a->tr_tok == b->tr_tok)
		return;		/* t_ref must stay at the deeper one */
	tmp = *a;
	*a = *b;
	*b = tmp;
	if (!a->tr_counted)
		atomic_store_ptr(&a->tr_tok->t_ref, (uintptr_t)a);
	if (!b->tr_counted)
		atomic_store_ptr(&b->tr_tok->t_ref, (uintptr_t)b);
}

/* Thread context, td the caller or not running; never blocks. */
int
lwkt_cnttoken(lwkt_token_t tok, lwkt_thread_t td)
{
	int i, n = 0;

	for (i = 0; i < td->td_ntoks; i++)
		n += td->td_cold->tc_tok[i].tr_tok == tok;
	return n;
}

/* Thread context; never blocks. */
int
lwkt_token_held_any(lwkt_token_t tok)
{
	return lwkt_cnttoken(tok, curthread) != 0;
}

/* Thread context; never blocks. */
int
lwkt_token_held_excl(lwkt_token_t tok)
{
	return (atomic_load_64(&tok->t_count) & T_EXCLUSIVE) != 0 &&
	    own_exclusive(tok, curthread);
}

/*
 * Compare t_gen with its value when the token was taken, or last compared.
 * Thread context; never blocks.
 */
int
lwkt_token_is_stale(lwkt_token_t tok)
{
	lwkt_thread_t td = caller_thread();
	uint64_t gen = atomic_load_64(&tok->t_gen);
	int i, stale = 0;

	KASSERTF(lwkt_token_held_any(tok), "thread \"%s\" does not hold token "
	    "\"%s\"", td->td_name, tok->t_name);
	for (i = 0; i < td->td_ntoks; i++) {
		if (td->td_cold->tc_tok[i].tr_tok != tok)
			continue;
		stale |= td->td_cold->tc_tok[i].tr_gen != gen;
		td->td_cold->tc_tok[i].tr_gen = gen;
	}
	return stale;
}

/* Hash addr to a token of the pool.  Thread context; never blocks. */
lwkt_token_t
lwkt_token_pool_lookup(const volatile void *addr)
{
	uint64_t h = (uint64_t)machine_key(addr) * 0x9e3779b97f4a7c15u;
	lwkt_token_t tok = &pool[(h >> 40) & (POOL_TOKENS - 1)];

	if (tok->t_name == NULL)	/* the same value whoever comes */
		__atomic_store_n(&tok->t_name, "pool", __ATOMIC_RELAXED);
	return tok;
}

/* Thread context; blocks until the token is free. */
lwkt_token_t
lwkt_getpooltoken(const volatile void *addr)
{
	lwkt_token_t tok = lwkt_token_pool_lookup(addr);

	lwkt_gettoken(tok);
	return tok;
}

/* Thread context; never blocks. */
void
lwkt_relpooltoken(const volatile void *addr)
{
	lwkt_reltoken(lwkt_token_pool_lookup(addr));
}

/* Any CPU context; never blocks. */
lwkt_token_t
lwkt_mp_token(void)
{
	return &mp_token;
}
