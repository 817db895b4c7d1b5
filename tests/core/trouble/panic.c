/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Programmer's errors end the process, with a message that names them.
 */
#include "core/child.h"
#include "core/util.h"

static void
blocks(void *arg)
{
	(void)arg;
	lwkt_switch();
	lwkt_sleep_ns(1000);
}

static int
block_in_callback(void *arg)
{
	(void)arg;
	lwkt_deschedule_self();
	lwkt_send_ipiq(lwkt_cpuid(), blocks, NULL);
	return 0;
}

static int
block_in_remote_callback(void *arg)
{
	int cpu = other_cpu();

	(void)arg;
	lwkt_wait_ipiq(cpu, lwkt_send_ipiq(cpu, blocks, NULL));
	return 0;
}

static void
waits(void *arg)
{
	int cpu = *(int *)arg;

	lwkt_wait_ipiq(cpu, lwkt_send_ipiq(cpu, util_nothing, NULL));
}

static int
wait_in_callback(void *arg)
{
	int me = lwkt_cpuid(), cpu = other_cpu();

	(void)arg;
	lwkt_wait_ipiq(cpu, lwkt_send_ipiq(cpu, waits, &me));
	return 0;
}

static int
crit_underflow_body(void *arg)
{
	(void)arg;
	lwkt_crit_enter();
	lwkt_crit_exit();
	lwkt_crit_exit();
	return 0;
}

static void
exits_in_section(void *arg)
{
	(void)arg;
	lwkt_crit_enter();
}

static int
exit_in_section(void *arg)
{
	(void)arg;
	join(spawn(exits_in_section, NULL, 0, 0));
	return 0;
}

static int
setpri_remote(void *arg)
{
	(void)arg;
	lwkt_setpri(spawn(util_nothing, NULL, LWKT_NOSTART, other_cpu()),
	    LWKT_PRI_USER_NORM);
	return 0;
}

static int
setpri_zero(void *arg)
{
	(void)arg;
	lwkt_setpri_self(LWKT_PRI_IDLE);
	return 0;
}

static int
setpri_high(void *arg)
{
	(void)arg;
	lwkt_setpri_self(LWKT_PRI_MAX + 1);
	return 0;
}

static int
setpri_initial_late(void *arg)
{
	lwkt_thread_t td = spawn(util_nothing, NULL, 0, 0);

	(void)arg;
	lwkt_hold(td);
	lwkt_yield();
	lwkt_setpri_initial(td, LWKT_PRI_USER_NORM);
	return 0;
}

static int
ipi_to_nowhere(void *arg)
{
	(void)arg;
	lwkt_send_ipiq(lwkt_ncpus(), util_nothing, NULL);
	return 0;
}

static void
nothing2(void *arg, int n)
{
	(void)arg, (void)n;
}

static int
passive_to_self(void *arg)
{
	(void)arg;
	lwkt_send_ipiq_passive(lwkt_cpuid(), nothing2, NULL, 0);
	return 0;
}

static int
schedule_dead(void *arg)
{
	lwkt_thread_t td = spawn(util_nothing, NULL, 0, lwkt_cpuid());

	(void)arg;
	join(td);
	lwkt_schedule(td);
	return 0;
}

static int
rele_twice(void *arg)
{
	lwkt_thread_t td = spawn(util_nothing, NULL, 0, lwkt_cpuid());

	(void)arg;
	join(td);
	lwkt_rele(td);
	return 0;
}

static int
free_started(void *arg)
{
	lwkt_thread_t td = spawn(util_nothing, NULL, 0, lwkt_cpuid());

	(void)arg;
	lwkt_yield();
	lwkt_free_thread(td);
	return 0;
}

static int
small_stack(void *arg)
{
	static struct lwkt_thread_storage storage;
	static char stack[256];

	(void)arg;
	(void)lwkt_init_thread(&storage, stack, sizeof(stack), 0, 0);
	return 0;
}

static int
plain_panic(void *arg)
{
	(void)arg;
	lwkt_setname("culprit");
	lwkt_panic("the %s is %d", "answer", 42);
}

static const struct {
	const char	*c_name;
	int		(*c_body)(void *);
	const char	*c_says;
} cases[] = {
	{ "a callback that switches", block_in_callback,
	    "blocks in a callback on cpu 0" },
	{ "a callback that switches on another CPU",
	    block_in_remote_callback, "blocks in a callback on cpu 1" },
	{ "a callback that waits for a message", wait_in_callback,
	    "lwkt_wait_ipiq is called in a callback on cpu 1" },
	{ "a section left too often", crit_underflow_body,
	    "left more often than entered by thread \"main\" (count -1)" },
	{ "an exit in a section", exit_in_section,
	    "thread \"worker\" exits in a critical section (count 1)" },
	{ "lwkt_setpri of a thread of another CPU", setpri_remote,
	    "thread \"worker\" belongs to cpu 1, not to the caller's cpu 0" },
	{ "the idle thread's priority", setpri_zero, "priority 0" },
	{ "a priority too high", setpri_high, "priority 32" },
	{ "lwkt_setpri_initial of a thread that has started",
	    setpri_initial_late, "thread \"worker\" has started" },
	{ "a message to no CPU", ipi_to_nowhere, "cpu 2 does not exist" },
	{ "a passive message to oneself", passive_to_self,
	    "cpu 0 sends a passive message to itself" },
	{ "a schedule of a dead thread", schedule_dead,
	    "a dead thread is scheduled (it was \"worker\")" },
	{ "a release too many", rele_twice,
	    "thread \"worker\" is joined or released, but no" },
	{ "lwkt_free_thread of a thread that has started", free_started,
	    "thread \"worker\" has started" },
	{ "a stack too small", small_stack, "stack of 256 bytes" },
	{ "lwkt_panic", plain_panic, "lwkt: panic: the answer is 42" },
};

static void
boot(void *body)
{
	const struct lwkt_config cfg = { .lc_ncpus = 2 };

	(void)lwkt_boot(&cfg, *(int (**)(void *))body, NULL);
}

int
main(void)
{
	static struct child c;
	void *body;
	size_t i;

	for (i = 0; i < nitems(cases); i++) {
		body = (void *)(uintptr_t)&cases[i].c_body;
		child_run(&c, boot, body);
		if (!ok(child_died(&c, SIGABRT) &&
		    child_said(&c, cases[i].c_says), "%s panics",
		    cases[i].c_name))
			child_diag(&c);
	}
	ok(child_said(&c, "thread \"culprit\" (id ") &&
	    child_said(&c, "on cpu 0") && child_said(&c, "#0"),
	    "a panic names thread and CPU and shows a backtrace");
	return tap_done();
}
