/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Threads and boot, as a program sees them: every function once.
 */
#include <errno.h>
#include <lwkt/lwkt.h>
#include <lwkt/thread2.h>
#include <string.h>

#include "tap.h"

static char diary[32];

static void
note(const char *s)
{
	strncat(diary, s, sizeof(diary) - strlen(diary) - 1);
}

static void
note_arg(void *arg)
{
	note(arg);
}

static lwkt_thread_t
start(void (*fn)(void *), void *arg, int flags, int cpu)
{
	lwkt_thread_t td = NULL;
	int error;

	error = lwkt_create(fn, arg, &td, NULL, flags, cpu, "test %s", "td");
	is_int(error, 0, "a thread is created");
	return td;
}

static void
identity(void)
{
	is_str(lwkt_name(lwkt_self()), "main", "the first thread is main");
	is_int(lwkt_cpuid(), 0, "it runs on cpu 0");
	is_int(lwkt_ncpus(), 2, "there are as many CPUs as asked for");
	is_int(lwkt_getpri(lwkt_self()), LWKT_PRI_KERN_DAEMON,
	    "it has a daemon's priority");
	is_int(lwkt_getcpu(lwkt_self()), 0, "lwkt_getcpu agrees");
	lwkt_setname("a name of %d letters and more", 100);
	is_str(lwkt_name(lwkt_self()), "a name of 100 letters a",
	    "a long name is cut");
}

static void
creation_fails(void)
{
	lwkt_thread_t td = lwkt_self();

	is_int(lwkt_create(note_arg, NULL, &td, NULL, 0, 2, "x"), EINVAL,
	    "a CPU that does not exist is refused");
	is_int(lwkt_create(note_arg, NULL, &td, NULL, 0x4000, 0, "x"), EINVAL,
	    "an unknown flag is refused");
	ok(td == lwkt_self(), "a refused creation leaves *tdp alone");
	ok(lwkt_alloc_thread((size_t)1 << 40, 0, 0) == NULL,
	    "a stack of a TB is refused");
	is_int(lwkt_join(lwkt_self()), EDEADLK, "nobody joins himself");
}

static void
life(void)
{
	static struct lwkt_thread_storage storage;
	static char stack[65536] LWKT_ALIGNED(64);
	lwkt_thread_t td, tmpl;

	diary[0] = '\0';
	td = start(note_arg, "a", LWKT_JOINABLE, 0);
	is_str(diary, "", "a new thread waits for its turn");
	lwkt_hold(td);
	is_int(lwkt_join(td), 0, "it is joined");
	is_str(diary, "a", "and has run");
	is_str(lwkt_name(td), "test td", "a held thread keeps its name");
	lwkt_rele(td);

	tmpl = lwkt_alloc_thread(1 << 20, 0, 0);
	is_int(lwkt_create(note_arg, "b", &td, tmpl, LWKT_JOINABLE, 1, "b"),
	    0, "a thread is started on a stack made before");
	ok(td == tmpl, "it is the template");
	is_int(lwkt_getcpu(td), 0, "the template's CPU counts");
	lwkt_join(td);

	tmpl = lwkt_init_thread(&storage, stack, sizeof(stack), 0, 0);
	is_int(lwkt_create(note_arg, "c", &td, tmpl, LWKT_JOINABLE, 0, "c"),
	    0, "a thread is started on the caller's stack");
	lwkt_join(td);
	is_str(diary, "abc", "all three have run");
	lwkt_free_thread(lwkt_alloc_thread(0, 1, 0));
}

static void
exits_early(void *arg)
{
	note(arg);
	lwkt_exit();
	note("not here");
}

static void
yields(void *arg)
{
	for (int i = 0; i < 2; i++) {
		note(arg);
		lwkt_yield();
	}
}

static void
order(void)
{
	lwkt_thread_t td[4];

	diary[0] = '\0';
	td[0] = start(note_arg, "l", LWKT_JOINABLE | LWKT_NOSTART, 0);
	lwkt_setpri_initial(td[0], LWKT_PRI_USER_NORM);
	td[1] = start(yields, "x", LWKT_JOINABLE, 0);
	td[2] = start(yields, "y", LWKT_JOINABLE, 0);
	td[3] = start(exits_early, "h", LWKT_JOINABLE | LWKT_NOSTART, 0);
	lwkt_setpri(td[3], LWKT_PRI_SOFT_NORM);
	lwkt_schedule(td[0]);
	lwkt_schedule(td[3]);
	lwkt_schedule(td[3]);
	for (int i = 0; i < 4; i++)
		lwkt_join(td[i]);
	is_str(diary, "hxyxyl", "high first, equals in turns, low last");

	diary[0] = '\0';
	td[0] = start(note_arg, "h", LWKT_JOINABLE | LWKT_NOSTART, 0);
	lwkt_setpri_initial(td[0], LWKT_PRI_SOFT_NORM);
	lwkt_schedule(td[0]);
	note("m");
	lwkt_yield_quick();
	is_str(diary, "mh", "lwkt_yield_quick lets a better thread run");
	lwkt_join(td[0]);
	lwkt_setpri_self(LWKT_PRI_USER_NORM);
	td[0] = start(note_arg, "d", LWKT_JOINABLE, 0);
	lwkt_user_yield();
	is_str(diary, "mhd", "so does lwkt_user_yield");
	lwkt_setpri_self(LWKT_PRI_KERN_DAEMON);
	lwkt_join(td[0]);
}

static void
wake_arg(void *arg)
{
	note("w");
	lwkt_schedule(arg);
}

static void
scheduling(void)
{
	lwkt_thread_t td;

	diary[0] = '\0';
	td = start(wake_arg, lwkt_self(), LWKT_JOINABLE, 0);
	lwkt_deschedule_self();
	lwkt_switch();
	is_str(diary, "w", "a descheduled thread sleeps until scheduled");
	lwkt_join(td);
	lwkt_deschedule_self();
	lwkt_schedule_self();
	lwkt_switch();
	ok(1, "lwkt_schedule_self takes it back");

	td = start(note_arg, "n", LWKT_JOINABLE, 0);
	lwkt_deschedule(td);
	lwkt_yield();
	is_str(diary, "w", "a descheduled thread does not run");
	lwkt_schedule(td);
	lwkt_join(td);
	is_str(diary, "wn", "until it is scheduled");
}

static void
report_cpu(void *arg)
{
	*(int *)arg = lwkt_cpuid();
}

static void
moves(void)
{
	int cpu[2] = { -1, -1 };
	lwkt_thread_t td[2];

	is_int(lwkt_migratecpu(2), EINVAL, "nobody moves to nowhere");
	is_int(lwkt_migratecpu(1), 0, "the thread moves");
	is_int(lwkt_cpuid(), 1, "it runs on the other CPU");
	lwkt_crit_enter();
	lwkt_crit_enter_quick();
	is_int(lwkt_migratecpu(0), 0, "and back, in a critical section");
	lwkt_crit_exit_quick();
	lwkt_crit_exit();
	for (int i = 0; i < 2; i++)
		td[i] = start(report_cpu, &cpu[i], LWKT_JOINABLE,
		    LWKT_CPU_ROTATE);
	lwkt_join(td[0]);
	lwkt_join(td[1]);
	is_int(cpu[0] + cpu[1], 1, "two threads that rotate take both CPUs");
}

static int
body(void *arg)
{
	is_int(lwkt_boot_result(NULL, NULL, NULL, NULL), EBUSY,
	    "a kernel is not booted inside a kernel");
	identity();
	creation_fails();
	life();
	order();
	scheduling();
	moves();
	return *(int *)arg;
}

int
main(void)
{
	struct lwkt_config cfg = { .lc_ncpus = 2 };
	int value = 42, result = 0;

	ok(lwkt_self() == NULL, "outside there is no thread");
	is_int(lwkt_cpuid(), -1, "and no CPU");
	is_int(lwkt_ncpus(), 0, "and there are none");
	ok(strchr(lwkt_version(), '.') != NULL, "there is a version");
	is_int(lwkt_boot(&cfg, body, &value), 42, "main's value comes back");
	is_int(lwkt_boot_result(&cfg, body, &value, &result), 0,
	    "a second boot works like the first");
	is_int(result, 42, "and gives the value elsewhere");
	cfg.lc_ncpus = LWKT_MAXCPU + 1;
	is_int(lwkt_boot_result(&cfg, body, &value, &result), EINVAL,
	    "too many CPUs are refused");
	is_int(result, 42, "a failed boot leaves *resultp alone");
	is_int(lwkt_ncpus(), 0, "all CPUs are gone");
	return tap_done();
}
