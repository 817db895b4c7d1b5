/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Which sleepers a wakeup wakes: all on an ident, those of a domain, those of a
 * CPU; and whether they ask for the CPU.
 */
#include "core/sleep/sleeper.h"

static int idents[64];

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
	sim_explore("a wakeup wakes all, on every CPU", all_body, NULL, 200);
	sim_explore("a wakeup in another domain wakes nobody",
	    domain_body, NULL, 100);
	sim_explore("wakeup_mycpu stays on its CPU", mycpu_body, NULL, 100);
	sim_explore("wakeup_oncpu wakes there", oncpu_body, NULL, 100);
	sim_explore("a sleeper that can wait does not ask for the CPU",
	    noresched_body, &cond, 50);
	sim_explore("nor does one of lwkt_sleep", noresched_body, NULL, 50);
	setenv("LWKT_TUNE", "lwkt.tslp_size=16", 1);
	sim_explore("idents that share a slot do not wake each other",
	    idents_body, NULL, 100);
	return tap_done();
}
