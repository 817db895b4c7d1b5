/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Boot and shutdown: again and again, with refusals, and in the middle of
 * everything.
 */
#include <lwkt/systimer.h>

#include "core/util.h"

static int
number(void *arg)
{
	return *(int *)arg;
}

static void
values(void)
{
	int n = 4711, result = -1, error;

	error = lwkt_boot_result(NULL, number, &n, &result);
	ok(error == 0 && result == 4711, "main's value comes back");
	is_int(lwkt_boot(NULL, number, &n), 4711, "also in the short form");
	is_int(lwkt_ncpus(), 0, "afterwards there are no CPUs");
	ok(lwkt_self() == NULL && lwkt_cpuid() == -1, "nor threads");
	error = lwkt_boot_result(NULL, number, &n, NULL);
	is_int(error, 0, "nobody need ask for the value");
}

static void
absurd_configs(void)
{
	struct lwkt_config many = { .lc_ncpus = LWKT_MAXCPU + 1 };
	struct lwkt_config huge = { .lc_stksize = (size_t)1 << 40 };
	int n = 1, result = 5;

	is_int(lwkt_boot_result(&many, number, &n, &result), EINVAL,
	    "too many CPUs are refused");
	is_int(lwkt_boot_result(&huge, number, &n, &result), EINVAL,
	    "stacks of 1 TiB are refused");
	is_int(result, 5, "and no value is stored");
	is_int(lwkt_boot(&huge, number, &n), -1, "the short form returns -1");
	is_int(lwkt_boot(NULL, number, &n), 1, "the next boot works");
}

static int
stack_size(void *arg)
{
	*(size_t *)arg = curthread->td_stksize;
	return 0;
}

static void
stack_sizes(void)
{
	static const size_t sizes[] = { 1, 16384, 100000, 1 << 20, 16 << 20 };
	struct lwkt_config cfg = { 0 };
	size_t got = 0, i;

	for (i = 0; i < nitems(sizes); i++) {
		cfg.lc_stksize = sizes[i];
		(void)lwkt_boot(&cfg, stack_size, &got);
		ok(got > sizes[i] / 2 && got >= 8192 && got < 32 << 20,
		    "a default stack of %zu gives %zu", sizes[i], got);
	}
	(void)lwkt_boot(NULL, stack_size, &got);
	ok(got > 32768 && got <= 65536, "without one it is %zu", got);
}

static int
boots_inside(void *arg)
{
	struct lwkt_config cfg = { .lc_stksize = 1 << 20 };
	int n = 1, result = 5;
	size_t size = 0;

	(void)arg;
	check(lwkt_boot_result(&cfg, number, &n, &result) == EBUSY &&
	    result == 5, "a boot inside a boot");
	(void)stack_size(&size);
	check(size <= 65536, "a stack of %zu", size);
	return 0;
}

/*
 * Shutdown finds threads in every state.  Simulated CPUs that keep each other
 * busy may starve the one that wants to stop, so there they end.
 */
#define A_WHILE		TIMES(1 << 30, 100)

static uint32_t running;

static void
sleeps(void *arg)
{
	(void)arg;
	atomic_fetchadd_32(&running, 1);
	for (;;)
		lwkt_tsleep(&running, 0, "ever", LWKT_FOREVER);
}

static void
naps(void *arg)
{
	(void)arg;
	atomic_fetchadd_32(&running, 1);
	for (;;)
		lwkt_sleep_ns(1000);
}

static void
yields(void *arg)
{
	atomic_fetchadd_32(&running, 1);
	for (;;)
		(*(void (*const *)(void))arg)();
}

static void
migrates(void *arg)
{
	int i;

	(void)arg;
	atomic_fetchadd_32(&running, 1);
	for (i = 0; i < A_WHILE; i++) {
		lwkt_migratecpu(other_cpu());
		lwkt_yield();
	}
	sleeps(arg);
}

static void
nothing2(void *arg, int n)
{
	(void)arg, (void)n;
}

static void
sends(void *arg)
{
	int i;

	(void)arg;
	atomic_fetchadd_32(&running, 1);
	for (i = 0; i < A_WHILE; i++) {
		lwkt_send_ipiq_bcast(nothing2, NULL, 0);
		lwkt_yield();
	}
	sleeps(arg);
}

static void
creates(void *arg)
{
	int i;

	(void)arg;
	atomic_fetchadd_32(&running, 1);
	for (i = 0; i < A_WHILE; i++) {
		(void)lwkt_create(util_nothing, NULL, NULL, NULL, 0,
		    LWKT_CPU_ROTATE, "child");
		lwkt_yield();
	}
	sleeps(arg);
}

static void
joins(void *arg)
{
	int i;

	(void)arg;
	atomic_fetchadd_32(&running, 1);
	for (i = 0; i < A_WHILE; i++) {
		join(spawn(util_nothing, NULL, 0, other_cpu()));
		lwkt_yield();
	}
	sleeps(arg);
}

static void
synchronizes(void *arg)
{
	int i;

	(void)arg;
	atomic_fetchadd_32(&running, 1);
	for (i = 0; i < A_WHILE; i++) {
		lwkt_synchronize_ipiqs("test");
		lwkt_yield();
	}
	sleeps(arg);
}

struct crowd {
	void	(*c_fn)(void *);
	void	*c_arg;
};

/* One of these on each CPU; then main returns. */
static int
shutdown_in_the_middle(void *arg)
{
	const struct crowd *c = arg;
	uint32_t i, n = 2 * (uint32_t)lwkt_ncpus();

	running = 0;
	for (i = 0; i < n; i++)
		if (lwkt_create(c->c_fn, c->c_arg, NULL, NULL, 0,
		    (int)i % lwkt_ncpus(), "crowd") != 0)
			lwkt_panic("test: create");
	await(&running, n);
	return 0;
}

/* Nobody has run yet when main returns. */
static int
shutdown_at_once(void *arg)
{
	int i;

	(void)arg;
	for (i = 0; i < 50; i++)
		(void)lwkt_create(sleeps, NULL, NULL, NULL, 0,
		    LWKT_CPU_ROTATE, "late");
	return 0;
}

/* main may have moved. */
static int
shutdown_elsewhere(void *arg)
{
	(void)arg;
	(void)lwkt_create(naps, NULL, NULL, NULL, 0, 0, "naps");
	return lwkt_migratecpu(lwkt_ncpus() - 1);
}

static uint32_t fired;

static void
fires(struct lwkt_systimer *st, void *arg)
{
	(void)st, (void)arg;
	fired++;
}

static int
shutdown_with_timer(void *arg)
{
	static struct lwkt_systimer st;

	(void)arg;
	memset(&st, 0, sizeof(st));
	lwkt_systimer_init_periodic(&st, fires, NULL, 10000, 0);
	lwkt_sleep_ns(50000);
	return 0;
}

/*
 * Whatever the host refuses: the boot or the creation fails, or all is well;
 * and in the end nothing is lost.
 */
static int
under_faults(void *arg)
{
	lwkt_thread_t td[40];
	int i, n = 0, error;

	(void)arg;
	for (i = 0; i < (int)nitems(td); i++) {
		error = lwkt_create(util_nothing, NULL, &td[n], NULL,
		    LWKT_JOINABLE, LWKT_CPU_ROTATE, "maybe");
		check(error == 0 || error == ENOMEM, "create: %d", error);
		n += error == 0;
	}
	check(counter("vm.threads_refused") == i - n, "refused %d, counted %d",
	    i - n, (int)counter("vm.threads_refused"));
	while (n-- > 0)
		join(td[n]);
	return 0;
}

static void
crowds(void)
{
	static void (*yield)(void) = lwkt_yield;
	static void (*quick)(void) = lwkt_yield_quick;
	static void (*useryield)(void) = lwkt_user_yield;
	static void (*sw)(void) = lwkt_switch;
	static const struct { const char *name; struct crowd c; } list[] = {
		{ "shutdown finds sleepers", { sleeps, NULL } },
		{ "shutdown finds timed sleepers", { naps, NULL } },
		{ "shutdown stops who yields", { yields, &yield } },
		{ "shutdown stops who yields quickly", { yields, &quick } },
		{ "shutdown stops who yields as a user", { yields,
		    &useryield } },
		{ "shutdown stops who switches", { yields, &sw } },
		{ "shutdown finds moving threads", { migrates, NULL } },
		{ "shutdown finds messages under way", { sends, NULL } },
		{ "shutdown finds threads being made", { creates, NULL } },
		{ "shutdown finds joiners", { joins, NULL } },
		{ "shutdown finds synchronizers", { synchronizes, NULL } },
	};
	size_t i;

	for (i = 0; i < nitems(list); i++) {
		if (list[i].c.c_fn == yields && !TICKS_COME)
			skip("%s: no dependable ticks", list[i].name);
		else
			sim_explore(list[i].name, shutdown_in_the_middle,
			    (void *)(uintptr_t)&list[i].c, 50);
	}
}

int
main(void)
{
	struct sim_scenario faults = {
		.ss_name = "the host may refuse anything",
		.ss_body = under_faults, .ss_seeds = 300, .ss_faults = 1,
	};

	values();
	absurd_configs();
	stack_sizes();
	sim_explore("a boot inside a boot is EBUSY", boots_inside, NULL, 20);
	crowds();
	sim_explore("shutdown before anybody ran", shutdown_at_once, NULL,
	    100);
	sim_explore("shutdown from another CPU", shutdown_elsewhere, NULL,
	    50);
	sim_explore("shutdown with a periodic timer", shutdown_with_timer,
	    NULL, 50);
	sim_explore_with(&faults);
	return tap_done();
}
