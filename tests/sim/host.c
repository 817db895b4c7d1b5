/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The simulated host keeps the contract of machine.h, and fails loudly.
 */
#include <errno.h>
#include <lwkt/panic.h>

#include "toy.h"

static uint32_t	word[4], failures;

/* Not a choice point. */
static void
wrong_if(int cond)
{
	if (cond)
		__atomic_fetch_add(&failures, 1, __ATOMIC_SEQ_CST);
}

static void
init(void)
{
	failures = 0;
	memset(word, 0, sizeof(word));
}

static int
nothing_wrong(void)
{
	return failures == 0;
}

static void
passes(const struct toy *t, uint64_t seeds)
{
	struct catch c = toy_hunt(t, 1, seeds);

	ok(c.c_seed == 0 && c.c_signal == 0 && c.c_runs == seeds, "%s",
	    t->t_name);
	if (c.c_seed != 0)
		diag("seed %llu: %s", (unsigned long long)c.c_seed,
		    c.c_report);
}

/* The first seed dies of sig and says both texts. */
static void
dies(const struct toy *t, int sig, const char *text)
{
	struct catch c = toy_hunt(t, 7, 1);

	ok(c.c_signal == sig && c.c_seed == 7, "%s: signal %d", t->t_name,
	    sig);
	ok(strstr(c.c_report, text) != NULL, "%s: says \"%s\"", t->t_name,
	    text);
	ok(strstr(c.c_report, "LWKT_SEED=7") != NULL &&
	    strstr(c.c_report, "sim.switch") != NULL &&
	    strstr(c.c_report, "cpu 1 ") != NULL,
	    "%s: says the seed, the last steps and where the CPUs are",
	    t->t_name);
	if (c.c_signal != sig || strstr(c.c_report, text) == NULL)
		diag("%s", c.c_report);
}

/* The report of the first seed ends with this command. */
static void
repeats(const struct toy *t, const char *text)
{
	struct catch c = toy_hunt(t, 7, 1);

	ok(strstr(c.c_report, text) != NULL, "%s: says \"%s\"", t->t_name,
	    text);
}

/* Each CPU has its errno. */

static void
errno_cpu(int cpu)
{
	int i;

	errno = 100 + cpu;
	for (i = 0; i < 20; i++) {
		machine_pause((unsigned)i);
		wrong_if(errno != 100 + cpu);
		wrong_if(mycpu_m() != &toy_mcpu[cpu] ||
		    machine_oncpu() != &toy_mcpu[cpu] ||
		    mycpu_m()->mc_cpuid != cpu);
	}
}

/* A timer is never early, ends an idle wait, and the clock does not go back. */

static void
timer_cpu(int cpu)
{
	int64_t start = machine_time_ns(), until, now;
	struct mcpu *mc = &toy_mcpu[cpu];
	int i;

	for (i = 1; i <= 5; i++) {
		until = start + i * (1 + cpu) * 100000;
		machine_timer_arm(until);
		do {
			if (i % 2 == 0)
				machine_idle(mc);
			else
				machine_pause(0);
			if (!(atomic_fetchand_32(&mc->mc_reqflags,
			    ~RQF_TIMER) & RQF_TIMER))
				continue;
			now = machine_time_ns();
			wrong_if(now < start);
			if (now < until)	/* spurious: arm again */
				machine_timer_arm(until);
		} while (machine_time_ns() < until);
	}
	machine_timer_arm(INT64_MAX);
	wrong_if(machine_time_ns() < start + 500000 * (1 + cpu));
}

/* An earlier deadline replaces a later one: else this takes an hour. */

static void
earlier_cpu(int cpu)
{
	int64_t start = machine_time_ns();

	machine_timer_arm(start + INT64_C(3600000000000));
	machine_timer_arm(start + 1000000);
	while (machine_time_ns() < start + 1000000)
		machine_idle(&toy_mcpu[cpu]);
	wrong_if(machine_time_ns() > start + 100000000);
	machine_timer_arm(INT64_MAX);
}

/* Ping-pong by doorbell. */

static void
ring(int cpu)
{
	if (atomic_fetchor_32(&toy_mcpu[cpu].mc_reqflags, RQF_IPIQ) &
	    RQF_SLEEPING)
		machine_doorbell(&toy_mcpu[cpu]);
}

static void
wait_ring(int cpu)
{
	while ((atomic_fetchand_32(&toy_mcpu[cpu].mc_reqflags, ~RQF_IPIQ) &
	    RQF_IPIQ) == 0)
		machine_idle(&toy_mcpu[cpu]);
}

static void
pong_cpu(int cpu)
{
	uint32_t i;

	for (i = 0; i < 10; i++) {
		if (cpu == 1)
			wait_ring(1);
		wrong_if(atomic_fetchadd_32(&word[0], 1) !=
		    2 * i + (uint32_t)cpu);
		ring(!cpu);
		if (cpu == 0)
			wait_ring(0);
	}
}

/* The bit alone, without a doorbell, wakes nobody. */

static void
silent_cpu(int cpu)
{
	if (cpu == 1) {
		while (!(atomic_load_32(&toy_mcpu[0].mc_reqflags) &
		    RQF_SLEEPING))
			machine_pause(0);
		atomic_set_32(&toy_mcpu[0].mc_reqflags, RQF_IPIQ);
	} else {
		machine_idle(&toy_mcpu[0]);
		while (atomic_load_32(&word[0]) == 0)
			machine_idle(&toy_mcpu[0]);
	}
}

static void
hang_cpu(int cpu)
{
	while (atomic_load_32(&word[0]) == 0)
		machine_idle(&toy_mcpu[cpu]);
}

/* A loop that polls and never pauses still lets the other one through. */

static void
poll_cpu(int cpu)
{
	if (cpu == 1)
		atomic_store_32(&word[0], 1);
	else
		while (atomic_load_32(&word[0]) == 0)
			;
}

static void
spin_cpu(int cpu)
{
	(void)cpu;
	for (;;)
		machine_pause(0);
}

static void
panic_cpu(int cpu)
{
	machine_pause(0);
	machine_pause(1);
	if (cpu == 0)
		lwkt_panic("as the test wants");
}

static volatile int *volatile wild = (volatile int *)64;

static void
fault_cpu(int cpu)
{
	machine_pause(0);
	machine_pause(1);
	if (cpu == 0)
		*wild = 1;
}

/* Faults: LWKT_FAIL by count, and by chance only when asked for. */

static void
fail_cpu(int cpu)
{
	int i;

	(void)cpu;
	for (i = 1; i <= 5; i++)
		word[i == 3] += (uint32_t)machine_fail("test.point");
}

static int
third_failed(void)
{
	return word[0] == 0 && word[1] == 1;
}

static int
none_failed(void)
{
	return word[0] == 0 && word[1] == 0;
}

static const struct toy
    t_errno = { "errno and the CPU itself are kept", 4, init, errno_cpu,
	nothing_wrong },
    t_timer = { "timers come, never early", 3, init, timer_cpu,
	nothing_wrong },
    t_earlier = { "an earlier deadline replaces a later one", 1, init,
	earlier_cpu, nothing_wrong },
    t_pong = { "doorbells end waits", 2, init, pong_cpu, nothing_wrong },
    t_poll = { "polling without a pause ends", 2, init, poll_cpu,
	nothing_wrong },
    t_silent = { "a bit without a doorbell", 2, init, silent_cpu,
	nothing_wrong },
    t_hang = { "everybody waits", 2, init, hang_cpu, nothing_wrong },
    t_spin = { "everybody spins", 2, init, spin_cpu, nothing_wrong },
    t_panic = { "a panic", 2, init, panic_cpu, nothing_wrong },
    t_fault = { "a wild store", 2, init, fault_cpu, nothing_wrong },
    t_third = { "LWKT_FAIL refuses the third call", 1, init, fail_cpu,
	third_failed },
    t_none = { "nothing fails uninvited", 1, init, fail_cpu, none_failed };

static void
faults(void)
{
	struct sim_options so = { .so_faults = 1 };
	struct catch c;

	passes(&t_none, 50);
	sim_configure(&so);
	c = toy_hunt(&t_none, 1, 50);
	sim_configure(NULL);
	ok(c.c_seed != 0, "with faults on, something fails");
	setenv("LWKT_FAIL", "test.point:3", 1);
	passes(&t_third, 50);
	unsetenv("LWKT_FAIL");
}

/* A wrong text in a variable of the environment is refused. */
static void
wrong_text(const char *name, const char *value)
{
	struct catch c;

	setenv(name, value, 1);
	c = toy_hunt(&t_errno, 7, 1);
	unsetenv(name);
	ok(c.c_signal == SIGABRT && strstr(c.c_report, "must be") != NULL &&
	    strstr(c.c_report, value) != NULL, "%s=%s is refused", name,
	    value);
	if (c.c_signal != SIGABRT)
		diag("signal %d: %s", c.c_signal, c.c_report);
}

static void
wrong_texts(void)
{
	wrong_text("LWKT_SIM", "pct:abc");
	wrong_text("LWKT_SIM", "pct:3x");
	wrong_text("LWKT_SIM", "dfs:");
	wrong_text("LWKT_SIM", "dfs:-1");
	wrong_text("LWKT_SIM", "pctx");
	wrong_text("LWKT_SIM_STEPS", "many");
	wrong_text("LWKT_SIM_STEPS", "-5");
	setenv("LWKT_SIM", "pct:5", 1);
	passes(&t_errno, 50);
	unsetenv("LWKT_SIM");
}

int
main(void)
{
	passes(&t_errno, 500);
	passes(&t_timer, 500);
	passes(&t_earlier, 200);
	passes(&t_pong, 500);
	passes(&t_poll, 500);
	dies(&t_silent, SIGABRT, "deadlock: every CPU waits");
	dies(&t_hang, SIGABRT, "deadlock: every CPU waits");
	dies(&t_panic, SIGABRT, "as the test wants");
	/* A checker reports after us and exits. */
	dies(&t_fault, LWKT_ASAN || LWKT_TSAN ? 0 : SIGSEGV,
	    "Segmentation fault");
	setenv("LWKT_SIM_STEPS", "10000", 1);
	dies(&t_spin, SIGABRT, "livelock");
	repeats(&t_spin, "again: LWKT_SIM_STEPS='10000' LWKT_SEED=7 ");
	setenv("LWKT_TUNE", "it's=1", 1);	/* no shell would take it */
	setenv("LWKT_ONLY", "two words", 1);
	repeats(&t_spin, "again: LWKT_SIM_STEPS='10000' "
	    "LWKT_ONLY='two words' LWKT_SEED=7 ");
	unsetenv("LWKT_TUNE");
	unsetenv("LWKT_ONLY");
	unsetenv("LWKT_SIM_STEPS");
	faults();
	wrong_texts();
	return tap_done();
}
