/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Serializing tokens.
 *
 * THEORY
 * A token serializes its holders only while they run.  Each thread keeps
 * references to its tokens.  When a thread leaves the CPU, the scheduler
 * releases all of its tokens; before the thread runs again, the scheduler takes
 * all of them again (lwkt_switch.c).  So a thread that waits off the CPU holds
 * no token, and no order of taking tokens can deadlock.  A thread that lends
 * its CPU to an interrupt thread keeps its tokens: it gets the CPU back as soon
 * as the interrupt thread has to wait.
 *
 * token_word.h explains the word of a token, token_switch.c what the scheduler
 * does with tokens.  This file has the calls.  A caller that is refused a token
 * spins for a while, because most holders release soon, and then leaves the
 * CPU.  The reference to that token is already on the caller's list, so the
 * scheduler takes this token together with the caller's others.
 *
 * Source: DragonFly lwkt_token.c of 2017.  As there (b528f10fca), a token is
 * released before its reference leaves the list.
 */
#include "kern/sched/token_word.h"

#include <string.h>

TRACEPOINT(wait, KTR_SCHED, "token.wait", "td=%llu depth=%llu");

COUNTER(collisions, "lwkt.token_collisions", "tokens waited for");
COUNTER(mp_collisions, "lwkt.mp_collisions", "of these, the mp token");
COUNTER(spins, "lwkt.token_spins", "tokens taken after a short spin");

TUNABLE_INT(token_spin, "lwkt.token_spin", 64, 0, 100000,
    "tries for a token before the thread leaves the CPU");
TUNABLE_INT(token_backoff_max, "lwkt.token_backoff_max", 64, 1, 4096,
    "longest pause between two tries, in pause instructions");

TUNABLE_INT(debug_output, "lwkt.tokens_debug_output", 0, 0, 1000000,
    "how many waits for tokens are printed, with backtraces");

#define POOL_MAX	16384
#define POOL_TOKENS	(config_hard ? 4 : POOL_MAX)	/* power of two */
#define OUTPUT_FRAMES	8

static struct lwkt_token pool[POOL_MAX];
static struct lwkt_token mp_token = LWKT_TOKEN_INITIALIZER("mp");

/* Initialise a free token.  Thread context; never blocks. */
void
lwkt_token_init(lwkt_token_t tok, const char *name)
{
	memset(tok, 0, sizeof(*tok));
	tok->t_name = name;
}

/* Panic if the token is still held.  Thread context; never blocks. */
void
lwkt_token_uninit(lwkt_token_t tok)
{
	KASSERTF(atomic_load_64(&tok->t_count) == 0, "token \"%s\" is still "
	    "held, count %#llx", tok->t_name, (unsigned long long)tok->t_count);
}

/*
 * Append a reference to tok to those of td, and return it.  The token is not
 * taken yet.  The reference is complete before td_ntoks counts it, because code
 * that interrupts this CPU may read the first td_ntoks references.  Panics if
 * td has LWKT_MAXTOKENS already.
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
 * Panic if td holds the token of tr shared and requests it exclusively: td
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
 * Try token_spin times to take the token of tr, with growing pauses: the holder
 * is likely to release it soon.  Return 1 if it is taken, else 0.
 */
static int
spin_for(struct tokref *tr)
{
	int i, pause, pauses = 1;

	for (i = 0; i < token_spin; i++) {
		for (pause = 0; pause < pauses; pause++)
			machine_pause(0);
		if (try_ref(tr, first_rule(tr->tr_td)))
			return 1;
		if (pauses < token_backoff_max)
			pauses += (pauses >> 1) + 1;
	}
	return 0;
}

/*
 * Print that td waits for tok, with a backtrace.  debug_output counts down, so
 * only the first lwkt.tokens_debug_output waits since the boot are printed.
 */
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
 * Wait for the token of tr, the last reference of td: spin for a while, then
 * leave the CPU.  td_tokpend tells the scheduler that the last reference is not
 * held yet.  Returns with the token taken.  Panics in a callback or hard
 * section, where td must not wait, and if td holds the token shared and
 * requests it exclusively.
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
	switch_away();		/* returns with all tokens of td taken */
	td->td_wmesg = NULL;
	crit_exit_td(td);
}

/* Take tok in the given mode; note its t_gen for lwkt_token_is_stale. */
static inline void
get(lwkt_token_t tok, enum tokmode mode)
{
	lwkt_thread_t td = caller_thread();
	struct tokref *tr = push_ref(td, tok, mode);

	if (unlikely(!try_ref(tr, first_rule(td))))
		get_slow(td, tr);
	tr->tr_gen = atomic_load_64(&tok->t_gen);
}

/*
 * Take the token exclusively.  Thread context; blocks while another thread
 * holds it.  Panics if the caller holds it shared only.
 */
void
lwkt_gettoken(lwkt_token_t tok)
{
	get(tok, TOK_EXCL);
}

/*
 * Take the token shared, or once more if the caller holds it exclusively.
 * Thread context; blocks while another thread holds it exclusively, and in some
 * cases while another thread waits to do so (enum shared_rule).
 */
void
lwkt_gettoken_shared(lwkt_token_t tok)
{
	get(tok, TOK_SHARED);
}

/*
 * Try to take the token exclusively.  Return 1 if it is taken.  Return 0 if
 * another thread holds it, or the caller holds it shared.  Any CPU context;
 * never blocks.
 */
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
 * Release tok; panic if it is not the token that was taken last.  Thread
 * context, or a callback that took it by lwkt_trytoken; never blocks.
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
	/* As long as tr is held, td_ntoks must count it (b528f10fca). */
	release_ref(tr);
	cc_fence();
	td->td_ntoks--;						/* TK3 */
}

/*
 * Exchange the last two references, so that the second last token can be
 * released first.  Thread context; never blocks.
 */
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
		return;		/* t_ref must point at the first (TK3) */
	tmp = *a;
	*a = *b;
	*b = tmp;
	if (!a->tr_counted)
		atomic_store_ptr(&a->tr_tok->t_ref, (uintptr_t)a);
	if (!b->tr_counted)
		atomic_store_ptr(&b->tr_tok->t_ref, (uintptr_t)b);
}

/*
 * Return how many references to tok td has.  Thread context; td is the caller
 * or does not run; never blocks.
 */
int
lwkt_cnttoken(lwkt_token_t tok, lwkt_thread_t td)
{
	int i, n = 0;

	for (i = 0; i < td->td_ntoks; i++)
		n += td->td_cold->tc_tok[i].tr_tok == tok;
	return n;
}

/*
 * Return whether the caller holds tok in any mode.  Thread context; never
 * blocks.
 */
int
lwkt_token_held_any(lwkt_token_t tok)
{
	return lwkt_cnttoken(tok, curthread) != 0;
}

/*
 * Return whether the caller holds tok exclusively.  Thread context; never
 * blocks.
 */
int
lwkt_token_held_excl(lwkt_token_t tok)
{
	return (atomic_load_64(&tok->t_count) & T_EXCLUSIVE) != 0 &&
	    own_exclusive(tok, curthread);
}

/*
 * Return 1 if another thread has held tok exclusively since the caller took it
 * or last made this call, else 0.  The result may also be 1 if the scheduler
 * has taken tok for a thread to which it could not give all of its tokens.
 * Panics if the caller does not hold tok.  Thread context; never blocks.
 */
int
lwkt_token_is_stale(lwkt_token_t tok)
{
	lwkt_thread_t td = caller_thread();
	struct tokref *tr = td->td_cold->tc_tok;
	uint64_t gen = atomic_load_64(&tok->t_gen), seen;

	KASSERTF(lwkt_token_held_any(tok), "thread \"%s\" does not hold token "
	    "\"%s\"", td->td_name, tok->t_name);
	while (tr->tr_tok != tok)
		tr++;
	seen = tr->tr_gen;
	tr->tr_gen = gen;
	return seen != gen;					/* TK4 */
}

/* Hash addr to a token of the pool.  Thread context; never blocks. */
lwkt_token_t
lwkt_token_pool_lookup(const volatile void *addr)
{
	uint64_t h = (uint64_t)machine_key(addr) * 0x9e3779b97f4a7c15u;
	lwkt_token_t tok = &pool[(h >> 40) & (POOL_TOKENS - 1)];

	if (tok->t_name == NULL)	/* every caller stores the same value */
		__atomic_store_n(&tok->t_name, "pool", __ATOMIC_RELAXED);
	return tok;
}

/*
 * Take the pool's token for addr exclusively, and return it.  Thread context;
 * blocks while another thread holds it.
 */
lwkt_token_t
lwkt_getpooltoken(const volatile void *addr)
{
	lwkt_token_t tok = lwkt_token_pool_lookup(addr);

	lwkt_gettoken(tok);
	return tok;
}

/*
 * Release the pool's token for addr, which was taken last.  Thread context;
 * never blocks.
 */
void
lwkt_relpooltoken(const volatile void *addr)
{
	lwkt_reltoken(lwkt_token_pool_lookup(addr));
}

/* Return the mp token.  Any CPU context; never blocks. */
lwkt_token_t
lwkt_mp_token(void)
{
	return &mp_token;
}
