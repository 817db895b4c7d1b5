/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Sleeping on an address: wakeups, timeouts, interrupts, and their races.
 */
#include "core/util.h"

static uint32_t cond, turn, woken, asleep;
static int idents[64];

static int
sleep_forever(const void *ident, int flags)
{
	return lwkt_tsleep(ident, flags, "test", LWKT_FOREVER);
}

static void
make_true(void *arg)
{
	(void)arg;
	STORE(cond, 1);
	lwkt_wakeup(&cond);
}

/* Scenario D of the design: the condition changes on another CPU. */
static int
condition_body(void *arg)
{
	lwkt_thread_t td;

	(void)arg;
	STORE(cond, 0);
	td = spawn_on(1, make_true, NULL);
	for (;;) {
		lwkt_tsleep_interlock(&cond, 0);
		if (LOAD(cond))
			break;
		check(sleep_forever(&cond, LWKT_PINTERLOCKED) == 0,
		    "the sleep ended otherwise");
	}
	lwkt_tsleep_remove();
	join(td);
	return 0;
}

#define ROUNDS	20

static void
wait_turn(uint32_t mine)
{
	while (LOAD(turn) != mine) {
		lwkt_tsleep_interlock(&turn, 0);
		if (LOAD(turn) != mine)
			sleep_forever(&turn, LWKT_PINTERLOCKED);
	}
}

static void
ping(void *arg)
{
	uint32_t me = (uint32_t)(uintptr_t)arg, i;

	for (i = 0; i < ROUNDS; i++) {
		wait_turn(2 * i + me);
		STORE(turn, 2 * i + me + 1);
		lwkt_wakeup(&turn);
	}
	lwkt_tsleep_remove();
}

/* A lost wakeup stops this for ever: the mask is read after a full fence. */
static int
pingpong_body(void *arg)
{
	lwkt_thread_t td[2];

	(void)arg;
	STORE(turn, 0);
	td[0] = spawn_on(0, ping, (void *)0);
	td[1] = spawn_on(1, ping, (void *)1);
	join_all(td, 2);
	check(turn == 2 * ROUNDS, "turn %u", turn);
	return 0;
}

static int
timeout_body(void *arg)
{
	int64_t start = lwkt_time_ns(), took;
	int error;

	(void)arg;
	error = lwkt_tsleep(&cond, 0, "test", 2 * MS);
	took = lwkt_time_ns() - start;
	check(error == EWOULDBLOCK, "error %d", error);
	check(took >= 2 * MS, "%lld ns", (long long)took);
	return 0;
}

static int
poll_body(void *arg)
{
	int64_t t = 0;

	(void)arg;
	check(lwkt_tsleep(&cond, 0, "test", t) == EWOULDBLOCK, "no wakeup");
	lwkt_tsleep_interlock(&cond, 0);
	check(lwkt_tsleep(&cond, LWKT_PINTERLOCKED, "test", t) == EWOULDBLOCK,
	    "interlocked, no wakeup");
	lwkt_tsleep_interlock(&cond, 0);
	lwkt_wakeup(&cond);
	check(lwkt_tsleep(&cond, LWKT_PINTERLOCKED, "test", t) == 0,
	    "interlocked and woken");
	return 0;
}

static int
interlock_body(void *arg)
{
	(void)arg;
	lwkt_tsleep_interlock(&cond, 0);
	lwkt_wakeup(&cond);
	check(sleep_forever(&cond, LWKT_PINTERLOCKED) == 0, "woken before");
	/* Slept elsewhere in between: the interlock is gone. */
	lwkt_tsleep_interlock(&cond, 0);
	(void)lwkt_tsleep(&turn, 0, "test", 1);
	check(sleep_forever(&cond, LWKT_PINTERLOCKED) == 0, "interlock lost");
	return 0;
}

static void
wake_from_elsewhere(void *arg)
{
	lwkt_wakeup(arg);
	ADD(turn, 1);
	lwkt_wakeup(&turn);
}

/* The message arrives while the thread is queued but still runs. */
static int
interlock_remote_body(void *arg)
{
	lwkt_thread_t td;

	(void)arg;
	STORE(turn, 0);
	lwkt_tsleep_interlock(&cond, 0);
	td = spawn_on(1, wake_from_elsewhere, &cond);
	check(sleep_forever(&cond, LWKT_PINTERLOCKED) == 0, "woken");
	join(td);
	return 0;
}

static void
interlock_and_end(void *arg)
{
	lwkt_tsleep_interlock(arg, 0);
}

static void
interlock_and_move(void *arg)
{
	lwkt_tsleep_interlock(arg, 0);
	if (lwkt_ncpus() == 1)
		return;
	lwkt_migratecpu((lwkt_cpuid() + 1) % lwkt_ncpus());
	check(sleep_forever(arg, LWKT_PINTERLOCKED) == 0, "not queued");
}

static int
dangling_body(void *arg)
{
	lwkt_thread_t td[2];

	(void)arg;
	td[0] = spawn_on(1, interlock_and_end, &cond);
	td[1] = spawn_on(1, interlock_and_move, &cond);
	join_all(td, 2);
	lwkt_wakeup(&cond);
	lwkt_wakeup_one(&cond);
	return 0;
}

struct sleeper {
	const void	*s_ident;
	int		 s_flags;
	int		 s_error;
	uint32_t	 s_done;
};

static void
sleeper(void *arg)
{
	struct sleeper *s = arg;

	lwkt_tsleep_interlock(s->s_ident, s->s_flags);
	ADD(asleep, 1);
	lwkt_wakeup(&asleep);
	s->s_error = sleep_forever(s->s_ident, s->s_flags |
	    LWKT_PINTERLOCKED);
	STORE(s->s_done, 1);
	ADD(woken, 1);
	lwkt_wakeup(&woken);
}

static void
start_sleepers(struct sleeper *s, lwkt_thread_t *td, int n, const void *ident)
{
	STORE(woken, 0);
	STORE(asleep, 0);
	memset(s, 0, sizeof(*s) * (size_t)n);
	for (int i = 0; i < n; i++) {
		s[i].s_ident = ident != NULL ? ident : &idents[i];
		td[i] = spawn_on(i, sleeper, &s[i]);
	}
	await_asleep(&asleep, (uint32_t)n);
}

#define SLEEPERS	6

static int
all_body(void *arg)
{
	struct sleeper s[SLEEPERS];
	lwkt_thread_t td[SLEEPERS];

	(void)arg;
	start_sleepers(s, td, SLEEPERS, &cond);
	lwkt_wakeup(&cond);
	join_all(td, SLEEPERS);
	check(woken == SLEEPERS, "%u woke", woken);
	return 0;
}

/* More idents than the filter of a slot holds, in few slots. */
static int
idents_body(void *arg)
{
	struct sleeper s[24];
	lwkt_thread_t td[24];
	int i;

	(void)arg;
	start_sleepers(s, td, 24, NULL);
	for (i = 23; i >= 0; i--) {
		check(!LOAD(s[i].s_done), "%d woke early", i);
		lwkt_wakeup(&idents[i]);
		await_asleep(&woken, (uint32_t)(24 - i));
		check(LOAD(s[i].s_done), "%d did not wake", i);
	}
	join_all(td, 24);
	return 0;
}

static int
domain_body(void *arg)
{
	struct sleeper s = { .s_ident = &cond, .s_flags = LWKT_PDOMAIN_UMTX };
	lwkt_thread_t td;

	(void)arg;
	STORE(woken, 0);
	STORE(asleep, 0);
	td = spawn_on(1, sleeper, &s);
	await_asleep(&asleep, 1);
	lwkt_wakeup(&cond);
	lwkt_wakeup_domain(&cond, LWKT_PDOMAIN_XLOCK);
	lwkt_wakeup_domain_one(&cond, LWKT_PDOMAIN_XLOCK);
	lwkt_synchronize_ipiqs("test");
	lwkt_yield();
	check(!LOAD(s.s_done), "woken by another domain");
	lwkt_wakeup_domain_one(&cond, LWKT_PDOMAIN_UMTX);
	join(td);
	return 0;
}

static int
mycpu_body(void *arg)
{
	struct sleeper s[2] = { { .s_ident = &cond }, { .s_ident = &cond } };
	lwkt_thread_t td[2];

	(void)arg;
	STORE(woken, 0);
	STORE(asleep, 0);
	td[0] = spawn_on(lwkt_cpuid(), sleeper, &s[0]);
	await_asleep(&asleep, 1);
	lwkt_wakeup_mycpu_one(&cond);
	join(td[0]);
	if (lwkt_ncpus() > 1) {
		STORE(asleep, 0);
		td[1] = spawn_on(lwkt_cpuid() + 1, sleeper, &s[1]);
		await_asleep(&asleep, 1);
		lwkt_wakeup_mycpu(&cond);
		lwkt_synchronize_ipiqs("test");
		check(!LOAD(s[1].s_done), "a sleeper elsewhere woke");
		lwkt_wakeup(&cond);
		join(td[1]);
	}
	return 0;
}

static int
pcatch_body(void *arg)
{
	struct sleeper s[2] = {
		{ .s_ident = &cond, .s_flags = LWKT_PCATCH },
		{ .s_ident = &cond },
	};
	lwkt_thread_t td[2];

	(void)arg;
	STORE(woken, 0);
	STORE(asleep, 0);
	td[0] = spawn_on(1, sleeper, &s[0]);
	td[1] = spawn_on(2, sleeper, &s[1]);
	await_asleep(&asleep, 2);
	lwkt_interrupt(td[0]);
	lwkt_interrupt(td[1]);
	join(td[0]);
	check(s[0].s_error == EINTR, "error %d", s[0].s_error);
	lwkt_synchronize_ipiqs("test");
	check(!LOAD(s[1].s_done), "interrupted without LWKT_PCATCH");
	lwkt_wakeup(&cond);
	join(td[1]);
	check(s[1].s_error == 0, "error %d", s[1].s_error);
	return 0;
}

static int
pending_body(void *arg)
{
	(void)arg;
	lwkt_interrupt(lwkt_self());
	check(lwkt_tsleep(&cond, 0, "test", 1) == EWOULDBLOCK, "not asked");
	check(sleep_forever(&cond, LWKT_PCATCH) == EINTR, "pending");
	check(lwkt_tsleep(&cond, LWKT_PCATCH, "test", 1) == EWOULDBLOCK,
	    "taken once");
	lwkt_interrupt(lwkt_self());
	check(lwkt_sleep("test", LWKT_PCATCH) == EINTR, "lwkt_sleep");
	return 0;
}

static void
plain_sleeper(void *arg)
{
	int *error = arg;

	*error = lwkt_sleep("test", LWKT_PCATCH);
}

static int
plain_interrupt_body(void *arg)
{
	lwkt_thread_t td;
	int error = -1;

	(void)arg;
	td = spawn_on(1, plain_sleeper, &error);
	lwkt_interrupt(td);
	join(td);
	check(error == EINTR, "error %d", error);
	return 0;
}

static void
scheduled(void *arg)
{
	uint32_t *flag = arg;

	lwkt_crit_enter();
	while (LOAD(*flag) == 0)
		lwkt_sleep("test", 0);
	lwkt_crit_exit();
}

static int
schedule_body(void *arg)
{
	lwkt_thread_t td;

	(void)arg;
	STORE(cond, 0);
	td = spawn_on(1, scheduled, &cond);
	lwkt_schedule(td);		/* for nothing: it sleeps again */
	STORE(cond, 1);
	lwkt_schedule(td);
	join(td);
	return 0;
}

static void
timed(void *arg)
{
	int64_t ns = *(int64_t *)arg, start = lwkt_time_ns();

	check(lwkt_sleep_ns(ns) == 0, "result");
	check(lwkt_time_ns() - start >= ns, "too early");
	ADD(woken, 1);
}

static int
sleep_ns_body(void *arg)
{
	static int64_t ns[20];
	lwkt_thread_t td[20];
	int i;

	(void)arg;
	STORE(woken, 0);
	for (i = 0; i < 20; i++) {
		ns[i] = (20 - i) * MS / 10;
		td[i] = spawn_on(i, timed, &ns[i]);
	}
	join_all(td, 20);
	check(lwkt_sleep_ns(0) == 0 && lwkt_sleep_ns(-5) == 0, "no time");
	check(woken == 20, "%u", woken);
	return 0;
}

static void
sleep_ns_scheduled(void *arg)
{
	int64_t start = lwkt_time_ns();

	(void)arg;
	lwkt_sleep_ns(MS);
	check(lwkt_time_ns() - start >= MS, "ended by lwkt_schedule");
}

static int
sleep_ns_spurious_body(void *arg)
{
	lwkt_thread_t td = spawn_on(1, sleep_ns_scheduled, NULL);
	int i;

	(void)arg;
	for (i = 0; i < 5; i++) {
		lwkt_schedule(td);
		lwkt_sleep_ns(MS / 10);
	}
	join(td);
	return 0;
}

static uint32_t oncpu_woken[8];

static void
oncpu_sleeper(void *arg)
{
	int cpu = lwkt_cpuid();

	(void)arg;
	(void)sleep_forever(&cond, 0);
	ADD(oncpu_woken[cpu], 1);
}

/* Only the sleepers of that CPU: one of them, then all. */
static int
oncpu_body(void *arg)
{
	int n = lwkt_ncpus() < 8 ? lwkt_ncpus() : 8, i;
	lwkt_thread_t td[16];

	(void)arg;
	memset(oncpu_woken, 0, sizeof(oncpu_woken));
	for (i = 0; i < 2 * n; i++)
		td[i] = spawn_pri(oncpu_sleeper, NULL, LWKT_PRI_KERN_USER, 0,
		    i % n);
	for (i = 0; i < n; i++)
		settle(i, LWKT_PRI_USER_NORM);
	lwkt_wakeup_oncpu_one(n - 1, &cond);
	settle(n - 1, LWKT_PRI_USER_NORM);
	for (i = 0; i < n; i++)
		check(LOAD(oncpu_woken[i]) == (i == n - 1), "cpu %d: %u", i,
		    oncpu_woken[i]);
	for (i = 0; i < n; i++) {
		lwkt_wakeup_oncpu(i, &cond);
		settle(i, LWKT_PRI_USER_NORM);
		check(LOAD(oncpu_woken[i]) == 2, "cpu %d: %u", i,
		    oncpu_woken[i]);
		check(i + 1 >= n - 1 || LOAD(oncpu_woken[i + 1]) == 0,
		    "cpu %d too", i + 1);
	}
	join_all(td, 2 * n);
	return 0;
}

static void
sleeps_noresched(void *arg)
{
	if (arg != NULL)
		(void)sleep_forever(&cond, LWKT_PNORESCHED);
	else
		(void)lwkt_sleep("test", LWKT_PNORESCHED);
	ADD(woken, 1);
}

/* A better thread that sleeps so does not ask the waker to give way. */
static int
noresched_body(void *arg)
{
	int64_t ticks;
	lwkt_thread_t td;

	STORE(woken, 0);
	td = spawn_pri(sleeps_noresched, arg, LWKT_PRI_SOFT_NORM, 0,
	    lwkt_cpuid());
	lwkt_yield();
	ticks = counter("lwkt.ticks");
	if (arg != NULL)
		lwkt_wakeup(&cond);
	else
		lwkt_schedule(td);
	lwkt_yield_quick();
	check(woken == 0 || counter("lwkt.ticks") != ticks, "it asked");
	lwkt_switch();
	check(woken == 1, "it does not run at a switch");
	join(td);
	return 0;
}

int
main(void)
{
	sim_explore("a condition made true elsewhere ends the sleep",
	    condition_body, NULL, 200);
	sim_explore("two CPUs take turns and lose no wakeup",
	    pingpong_body, NULL, 200);
	sim_explore("a sleep ends at its time, not before",
	    timeout_body, NULL, 50);
	sim_explore("a timeout of 0 polls", poll_body, NULL, 20);
	sim_explore("a wakeup after the interlock ends the sleep at once",
	    interlock_body, NULL, 20);
	sim_explore("a wakeup from elsewhere after the interlock is not lost",
	    interlock_remote_body, NULL, 200);
	sim_explore("an interlock left behind harms nobody",
	    dangling_body, NULL, 100);
	sim_explore("a wakeup wakes all, on every CPU", all_body, NULL, 200);
	sim_explore("a wakeup in another domain wakes nobody",
	    domain_body, NULL, 100);
	sim_explore("wakeup_mycpu stays on its CPU", mycpu_body, NULL, 100);
	sim_explore("wakeup_oncpu wakes there", oncpu_body, NULL, 100);
	sim_explore("a sleeper that can wait does not ask for the CPU",
	    noresched_body, &cond, 50);
	sim_explore("nor does one of lwkt_sleep", noresched_body, NULL, 50);
	sim_explore("an interrupt ends only an interruptible sleep",
	    pcatch_body, NULL, 100);
	sim_explore("an interrupt waits for the next interruptible sleep",
	    pending_body, NULL, 20);
	sim_explore("an interrupt ends lwkt_sleep or keeps it from beginning",
	    plain_interrupt_body, NULL, 100);
	sim_explore("lwkt_schedule ends lwkt_sleep", schedule_body, NULL, 100);
	sim_explore("lwkt_sleep_ns takes its time", sleep_ns_body, NULL, 50);
	sim_explore("lwkt_sleep_ns is not ended by others",
	    sleep_ns_spurious_body, NULL, 50);
	setenv("LWKT_TUNE", "lwkt.tslp_size=16", 1);
	sim_explore("idents that share a slot do not wake each other",
	    idents_body, NULL, 100);
	return tap_done();
}
