/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Serializing tokens.
 *
 * THEORY
 * A token serializes its holders only while they run.  The references stand in
 * the thread; the scheduler lets go of all of them when the thread leaves the
 * CPU and takes all of them again before it comes back (lwkt_switch.c).  So a
 * thread never waits while holding a token, and no order of taking them can
 * deadlock.
 *
 * A thread that cannot have a token stays runnable: its CPU tries again for it
 * and runs others meanwhile.  There is no queue of waiters and release costs
 * nothing extra - unless a CPU has nothing else to do.  Such a CPU sets NUDGE
 * in the token it wants and sleeps; whoever clears the way for it sees NUDGE
 * and wakes the CPUs that wait for tokens.  A CPU that runs a worse thread
 * meanwhile sets NUDGE as well, and goes on: RQF_TOKEN then makes that thread
 * switch at its next yield.  (On a host that takes cores away
 * the holder may be off its core for milliseconds; spinning would burn them.)
 *
 * An exclusive token is given back by a plain store, half the cost of taking
 * and giving back: while it is held exclusively nobody else changes t_count,
 * and the requests of others stand in a word of their own, t_want.  The fence
 * that should lie between the store and the look at t_want is executed by the
 * CPU that goes to sleep, on all CPUs (TO1): it is about to lose far more.
 *
 * Several CPUs may fight for overlapping sets, each holding what the other
 * lacks.  All let go of everything when they fail; a thread that failed often
 * takes its tokens in order of their addresses, so that one of them wins.
 *
 * t_count: bit 0 EXCLUSIVE, above it a count of shared holders and of repeated
 * takings by the exclusive one.  t_want: EXCLREQ, somebody waits to be
 * exclusive and new shared holders stand back; NUDGE.
 *
 * INVARIANTS
 * TK1 EXCLUSIVE set <=> exactly one reference is exclusive and not counted;
 *    t_ref is that one (set just after, cleared just before).
 * TK2 A running thread holds all its references; one that does not run, none.
 * TK3 Taken and given back in LIFO order; td_ntoks references are in use.  So
 *    the exclusive reference is the last one of its token to go, and t_count
 *    is EXCLUSIVE alone then.
 *
 * ORDER
 * TO1 sleeper: its bit in tokwait, NUDGE in t_want, FENCE on every CPU, reads
 *    t_count; releaser: t_count, then reads t_want, then tokwait.  Either the
 *    releaser sees NUDGE, and then the bit; or the sleeper sees the release.
 *
 * Source: DragonFly lwkt_token.c of 2017 (the rules of shared, EXCLREQ and
 * sorted retry); release before the slot is popped (b528f10fca) is kept.  The
 * nudge is ours.
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

void
lwkt_token_init(lwkt_token_t tok, const char *name)
{
	memset(tok, 0, sizeof(*tok));
	tok->t_name = name;
}

void
lwkt_token_uninit(lwkt_token_t tok)
{
	KASSERTF(atomic_load_64(&tok->t_count) == 0, "token \"%s\" is still "
	    "held, count %#llx", tok->t_name, (unsigned long long)tok->t_count);
}

/* Is the exclusive holder one of td's references? */
static inline int
own_exclusive(lwkt_token_t tok, lwkt_thread_t td)
{
	uintptr_t ref = atomic_load_ptr(&tok->t_ref);
	uintptr_t base = (uintptr_t)td->td_cold->tc_tok;

	return ref - base < sizeof(td->td_cold->tc_tok);
}

/* The token is ours alone: say so, and whose it was before. */
static inline void
own(lwkt_token_t tok, struct tokref *tr)
{
	uint64_t id = tr->tr_td->td_id;

	tr->tr_counted = 0;
	atomic_store_ptr(&tok->t_ref, (uintptr_t)tr);		/* TK1 */
	if (tok->t_owner != id) {
		tok->t_owner = id;
		/* Not by atomic.h, where each store is a step of a simulated
		 * run: t_owner outlives the run.  Only holders read t_gen. */
		__atomic_store_n(&tok->t_gen, tok->t_gen + 1,
		    __ATOMIC_RELAXED);
	}
}

/* One try.  `wait`: we shall wait for it, so ask new sharers to stand back. */
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

/* How far a new shared holder stands back for one who waits to be exclusive. */
enum manners {
	RUDE,		/* not at all: holds other tokens, for which that one */
			/* might be waiting (83c891d5d2) */
	IF_SHARED,	/* while others share it: a second try */
	POLITE		/* until that one has had it */
};

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

/* Wake the CPUs that sleep for a token. */
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
 * The scheduler's side.  Owner CPU, critical section, td not running or about
 * to leave.
 */
void
tokens_release(lwkt_thread_t td)
{
	int i;

	for (i = td->td_ntoks - td->td_tokpend; i-- > 0; )
		release_ref(&td->td_cold->tc_tok[i]);		/* TK2 */
}

/* The order to take n references in: as they came, or by token address. */
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

/* The mode in which td was refused td_tokwant. */
static int
wanted_mode(lwkt_thread_t td)
{
	struct tokref *tr = td->td_cold->tc_tok;

	while (tr->tr_tok != td->td_tokwant)
		tr++;
	return tr->tr_mode;
}

/* Would td be refused td_tokwant now? */
static int
token_refuses(lwkt_thread_t td)
{
	uint64_t count = atomic_load_64(&td->td_tokwant->t_count);

	if (wanted_mode(td) == TOK_EXCL || count == 0)
		return count != 0;
	return (count & T_EXCLUSIVE) != 0 ||
	    (atomic_load_32(&td->td_tokwant->t_want) & T_EXCLREQ) != 0;
}

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
 * For liveness.c.  Could td, which does not run, have all of its tokens?
 * And a number that changes when somebody has had one of them, or td was
 * refused one.
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
 * The scheduler passes td over for a worse thread.  Here a locked instruction
 * lies between NUDGE and the look at t_count, but the releaser has no fence
 * between its store and its look at t_want: it may miss NUDGE (TO1).  Then the
 * tick finds the token free.
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

/* RQF_TOKEN: the next look at the scheduler's wish tries for the tokens. */
void
tokens_nudged(struct globaldata *gd)
{
	cpumask_clear_atomic(&tokwait, gd->gd_m.mc_cpuid);
	atomic_clear_32(&gd->gd_m.mc_reqflags, RQF_TOKEN);
	gd->gd_ast |= AST_LWKT_RESCHED;
	ast_raise(gd);
}

/* TK1 and TK2, of a thread that runs or is about to leave. */
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

/* Who takes exclusively what he shares would wait for himself. */
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

/* A few tries with growing pauses; the holder is likely about to let go. */
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

/* lwkt.tokens_debug_output: the first waits of all. */
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
	/* No use if the holder lent us this CPU. */
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

void
lwkt_gettoken(lwkt_token_t tok)
{
	get(tok, TOK_EXCL);
}

void
lwkt_gettoken_shared(lwkt_token_t tok)
{
	get(tok, TOK_SHARED);
}

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

int
lwkt_cnttoken(lwkt_token_t tok, lwkt_thread_t td)
{
	int i, n = 0;

	for (i = 0; i < td->td_ntoks; i++)
		n += td->td_cold->tc_tok[i].tr_tok == tok;
	return n;
}

int
lwkt_token_held_any(lwkt_token_t tok)
{
	return lwkt_cnttoken(tok, curthread) != 0;
}

int
lwkt_token_held_excl(lwkt_token_t tok)
{
	return (atomic_load_64(&tok->t_count) & T_EXCLUSIVE) != 0 &&
	    own_exclusive(tok, curthread);
}

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

lwkt_token_t
lwkt_token_pool_lookup(const volatile void *addr)
{
	uint64_t h = (uint64_t)machine_key(addr) * 0x9e3779b97f4a7c15u;
	lwkt_token_t tok = &pool[(h >> 40) & (POOL_TOKENS - 1)];

	if (tok->t_name == NULL)	/* the same value whoever comes */
		__atomic_store_n(&tok->t_name, "pool", __ATOMIC_RELAXED);
	return tok;
}

lwkt_token_t
lwkt_getpooltoken(const volatile void *addr)
{
	lwkt_token_t tok = lwkt_token_pool_lookup(addr);

	lwkt_gettoken(tok);
	return tok;
}

void
lwkt_relpooltoken(const volatile void *addr)
{
	lwkt_reltoken(lwkt_token_pool_lookup(addr));
}

lwkt_token_t
lwkt_mp_token(void)
{
	return &mp_token;
}
