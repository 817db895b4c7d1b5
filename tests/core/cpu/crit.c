/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Critical sections: what comes meanwhile waits, and then comes in order.
 */
#include <lwkt/spinlock.h>
#include <lwkt/systimer.h>
#include <lwkt/token.h>

#include "core/util.h"

static struct log trail;		/* of the CPU whose section it is */
static uint32_t sent;

static void
letter(void *arg, int c)
{
	(void)arg;
	log_add(&trail, c);
}

struct sender {
	int		sn_cpu;		/* where to */
	const char	*sn_text;	/* a message each */
};

static void
sender(void *arg)
{
	const struct sender *sn = arg;
	const char *s;

	for (s = sn->sn_text; *s != '\0'; s++)
		lwkt_send_ipiq2(sn->sn_cpu, letter, NULL, *s);
	atomic_store_rel_32(&sent, 1);
}

/* Have another CPU send `text` to this one. */
static lwkt_thread_t
send_from_other(struct sender *sn, const char *text)
{
	*sn = (struct sender){ lwkt_cpuid(), text };
	atomic_store_32(&sent, 0);
	trail = (struct log){ 0 };
	return spawn(sender, sn, 0, other_cpu());
}

static int
messages_wait(void *arg)
{
	struct sender sn;
	lwkt_thread_t td;

	(void)arg;
	if (lwkt_ncpus() == 1)
		return 0;
	lwkt_crit_enter();
	td = send_from_other(&sn, "abcd");
	await_deaf(&sent, 1);
	check(trail.l_len == 0, "a callback ran in a critical section");
	lwkt_crit_exit();
	check(strcmp(trail.l_text, "abcd") == 0, "replayed %s",
	    trail.l_text);
	join(td);
	return 0;
}

static int
outermost_exit_replays(void *arg)
{
	struct sender sn;
	lwkt_thread_t td;
	int i;

	(void)arg;
	if (lwkt_ncpus() == 1)
		return 0;
	lwkt_crit_enter();
	td = send_from_other(&sn, "abc");
	await_deaf(&sent, 1);
	for (i = 0; i < 5; i++)
		lwkt_crit_enter();
	for (i = 0; i < 5; i++) {
		lwkt_crit_exit();
		check(trail.l_len == 0, "exit %d of 6 replayed", i + 1);
	}
	lwkt_yield_quick();
	lwkt_yield();
	check(trail.l_len == 0, "a yield in a critical section replayed");
	lwkt_crit_exit();
	check(strcmp(trail.l_text, "abc") == 0, "replayed %s", trail.l_text);
	join(td);
	return 0;
}

static void
other_thread(void *arg)
{
	struct lwkt_thread *td = curthread;

	check(td->td_critcount == 0, "a new thread has count %d",
	    td->td_critcount);
	*(int *)arg = trail.l_len;
}

/* The count is the thread's: who runs while it is blocked has none. */
static int
blocking_inside(void *arg)
{
	struct sender sn;
	lwkt_thread_t td;
	int seen = -1;

	(void)arg;
	if (lwkt_ncpus() == 1)
		return 0;
	lwkt_crit_enter();
	td = send_from_other(&sn, "abc");
	await_deaf(&sent, 1);
	join(spawn_pri(other_thread, &seen, LWKT_PRI_SOFT_NORM, 0,
	    lwkt_cpuid()));
	check(seen == 3, "%d messages ran on the other thread", seen);
	check(curthread->td_critcount == 1, "count %d after blocking",
	    curthread->td_critcount);
	lwkt_crit_exit();
	join(td);
	return 0;
}

/* The same message again while its callback's section is left: no nesting. */
static uint32_t depth, depth_max, ran;

static void
nesting_callback(void *arg)
{
	(void)arg;
	if (++depth > depth_max)
		depth_max = depth;
	lwkt_crit_enter();
	lwkt_crit_exit();
	depth--;
	ran++;
}

static void
nesting_sender(void *arg)
{
	int cpu = *(int *)arg, i;

	for (i = 0; i < 20; i++)
		lwkt_send_ipiq(cpu, nesting_callback, NULL);
}

static int
callbacks_do_not_nest(void *arg)
{
	int cpu = lwkt_cpuid();

	(void)arg;
	depth = depth_max = ran = 0;
	join(spawn(nesting_sender, &cpu, 0, other_cpu()));
	lwkt_synchronize_ipiqs("test");
	check(ran == 20 && depth_max == 1, "%u ran, depth %u", ran, depth_max);
	return 0;
}

static void
timer_letter(struct lwkt_systimer *st, void *arg)
{
	(void)st, (void)arg;
	log_add(&trail, 't');
}

static int
timers_wait(void *arg)
{
	struct lwkt_systimer st = { 0 };
	int64_t end;

	(void)arg;
	trail = (struct log){ 0 };
	lwkt_crit_enter();
	lwkt_systimer_init_oneshot(&st, timer_letter, NULL, 10000);
	end = lwkt_time_ns() + 1000000;
	while (lwkt_time_ns() < end)
		machine_pause(0);
	check(trail.l_len == 0, "a timer fired in a critical section");
	lwkt_crit_exit();
	while (trail.l_len == 0)
		lwkt_sleep_ns(100000);
	check(trail.l_len == 1, "it fired %d times", trail.l_len);
	return 0;
}

/* What came is served by the next exit, or by lwkt_splz. */
static int
noyield_replays_nothing(void *arg)
{
	struct sender sn;
	lwkt_thread_t td;

	if (lwkt_ncpus() == 1)
		return 0;
	lwkt_crit_enter();
	check(lwkt_crit_test(lwkt_self()), "it is in no section");
	td = send_from_other(&sn, "ab");
	await_deaf(&sent, 1);
	lwkt_crit_exit_noyield();
	check(!lwkt_crit_test(lwkt_self()), "it is in a section still");
	check(trail.l_len == 0, "a callback ran");
	if (arg != NULL) {
		lwkt_crit_enter();
		lwkt_splz();
		check(trail.l_len == 0, "splz served in a section");
		lwkt_crit_exit();
	} else {
		lwkt_splz();
	}
	check(strcmp(trail.l_text, "ab") == 0, "then %s", trail.l_text);
	join(td);
	return 0;
}

static struct lwkt_spin spin;

/* Spinlocks, messages and schedules are fine in there. */
static int
hard_section(void *arg)
{
	struct lwkt_token tok = LWKT_TOKEN_INITIALIZER("hard");
	struct sender sn;
	lwkt_thread_t td, other = NULL;

	(void)arg;
	lwkt_spin_init(&spin, "hard");
	td = spawn(util_nothing, NULL, LWKT_NOSTART, lwkt_cpuid());
	lwkt_crit_enter_hard();
	lwkt_crit_enter_hard();
	if (lwkt_ncpus() > 1) {
		other = send_from_other(&sn, "abc");
		await_deaf(&sent, 1);
	}
	lwkt_spin_lock(&spin);
	lwkt_spin_unlock(&spin);
	check(lwkt_trytoken(&tok), "a free token");
	lwkt_gettoken(&tok);
	lwkt_reltoken(&tok);
	lwkt_reltoken(&tok);
	lwkt_schedule(td);
	lwkt_crit_exit_hard();
	lwkt_splz();
	check(other == NULL || trail.l_len == 0, "a callback ran inside");
	lwkt_crit_exit_hard();
	check(other == NULL || strcmp(trail.l_text, "abc") == 0,
	    "replayed %s", trail.l_text);
	if (other != NULL)
		join(other);
	join(td);
	return 0;
}

static int
hard_blocks(void *arg)
{
	(void)arg;
	lwkt_crit_enter_hard();
	lwkt_sleep_ns(MS);
	return 0;
}

static struct lwkt_token wanted = LWKT_TOKEN_INITIALIZER("wanted");

static void
keeps_token(void *arg)
{
	lwkt_gettoken(&wanted);
	atomic_store_rel_32(arg, 1);
	for (;;)
		machine_pause(1000);
}

static int
hard_waits_for_token(void *arg)
{
	static uint32_t has;

	(void)arg;
	spawn_on(1, keeps_token, &has);
	await_deaf(&has, 1);
	lwkt_crit_enter_hard();
	lwkt_gettoken(&wanted);
	return 0;
}

static int
hard_underflow(void *arg)
{
	(void)arg;
	lwkt_crit_enter();
	lwkt_crit_exit_hard();
	return 0;
}

int
main(void)
{
	static int again;

	panics("blocking in a hard section panics", hard_blocks,
	    "blocks in a hard section");
	panics("waiting for a token in a hard section panics",
	    hard_waits_for_token, "waited for in a hard section");
	panics("leaving a hard section too often panics", hard_underflow,
	    "thread \"main\" on cpu 0 leaves a hard section");
	sim_explore("messages wait for the end of the section, in order",
	    messages_wait, NULL, 200);
	sim_explore("only the outermost exit replays",
	    outermost_exit_replays, NULL, 200);
	sim_explore("blocking inside lends the CPU without the section",
	    blocking_inside, NULL, 200);
	sim_explore("a section inside a callback replays nothing",
	    callbacks_do_not_nest, NULL, 200);
	sim_explore("timers wait as well", timers_wait, NULL, 50);
	sim_explore("lwkt_splz serves what an exit left",
	    noyield_replays_nothing, NULL, 200);
	sim_explore("not in a section, whose exit does",
	    noyield_replays_nothing, &again, 200);
	sim_explore("hard sections nest and wait like others", hard_section,
	    NULL, 100);
	return tap_done();
}
