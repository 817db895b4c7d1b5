/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The run queue on one CPU: who runs next.
 */
#include "core/util.h"
#include "kern/sched/sched_var.h"

static struct log trail;

struct letter {
	int	lt_c;
	int	lt_times;
	void	(*lt_between)(void);
};

/* Log a letter so many times, with a call in between. */
static void
writer(void *arg)
{
	const struct letter *lt = arg;
	int i;

	for (i = 0; i < lt->lt_times; i++) {
		if (i > 0)
			lt->lt_between();
		log_add(&trail, lt->lt_c);
	}
}

static int
strict_priority(void *arg)
{
	static const struct { int pri; struct letter lt; } order[] = {
		{ LWKT_PRI_USER_NORM, { 'f', 1, NULL } },
		{ LWKT_PRI_MAX, { 'a', 1, NULL } },
		{ LWKT_PRI_IDLE_WORK, { 'g', 1, NULL } },
		{ LWKT_PRI_INT_MED, { 'c', 1, NULL } },
		{ LWKT_PRI_SOFT_NORM, { 'd', 1, NULL } },
		{ LWKT_PRI_INT_HIGH, { 'b', 1, NULL } },
		{ LWKT_PRI_KERN_USER, { 'e', 1, NULL } },
	};
	lwkt_thread_t td[nitems(order)];
	unsigned i;

	(void)arg;
	trail = (struct log){ 0 };
	for (i = 0; i < nitems(order); i++)
		td[i] = spawn_pri(writer, (void *)(uintptr_t)&order[i].lt,
		    order[i].pri, 0, lwkt_cpuid());
	check(trail.l_len == 0, "lwkt_schedule does not switch");
	for (i = 0; i < nitems(order); i++)
		join(td[i]);
	check(strcmp(trail.l_text, "abcdefg") == 0, "ran %s", trail.l_text);
	return 0;
}

static int
fifo(void *arg)
{
	static const struct letter lt[] = {
		{ 'a', 1, NULL }, { 'b', 1, NULL }, { 'c', 1, NULL },
		{ 'd', 1, NULL }, { 'e', 1, NULL },
	};
	lwkt_thread_t td[nitems(lt)];
	unsigned i;

	trail = (struct log){ 0 };
	for (i = 0; i < nitems(lt); i++)
		td[i] = spawn_pri(writer, (void *)(uintptr_t)&lt[i],
		    *(int *)arg, 0, lwkt_cpuid());
	for (i = nitems(lt); i-- > 0; )
		join(td[i]);
	check(strcmp(trail.l_text, "abcde") == 0, "ran %s", trail.l_text);
	return 0;
}

static int
yield_alternates(void *arg)
{
	static const struct letter lt[] = {
		{ 'a', 3, lwkt_yield }, { 'b', 3, lwkt_yield },
		{ 'c', 3, lwkt_yield },
	};
	lwkt_thread_t td[nitems(lt)];
	unsigned i;

	(void)arg;
	trail = (struct log){ 0 };
	for (i = 0; i < nitems(lt); i++)
		td[i] = spawn_pri(writer, (void *)(uintptr_t)&lt[i],
		    LWKT_PRI_KERN_USER, 0, lwkt_cpuid());
	for (i = 0; i < nitems(lt); i++)
		join(td[i]);
	check(strcmp(trail.l_text, "abcabcabc") == 0, "ran %s", trail.l_text);
	return 0;
}

/*
 * The caller has an equal waiting and no tick came: nothing of the yields
 * that are not meant for equals may let it run.
 */
static int
stays_among_equals(void *arg)
{
	static const struct letter lt = { 'x', 1, NULL };
	void (*const *call)(void) = arg;
	int64_t ticks;
	lwkt_thread_t td;
	int i, ran;

	trail = (struct log){ 0 };
	td = spawn_pri(writer, (void *)(uintptr_t)&lt,
	    lwkt_getpri(lwkt_self()), LWKT_NOSTART, lwkt_cpuid());
	ticks = counter("lwkt.ticks");
	lwkt_schedule(td);
	for (i = 0; i < 10; i++)
		(*call)();
	ran = trail.l_len;
	check(ran == 0 || counter("lwkt.ticks") != ticks,
	    "an equal ran although no tick asked");
	join(td);
	check(trail.l_len == 1, "and it runs in the end");
	return 0;
}

static int
gives_way_to_better(void *arg)
{
	static const struct letter lt = { 'x', 1, NULL };
	void (*const *call)(void) = arg;
	lwkt_thread_t td;

	trail = (struct log){ 0 };
	td = spawn_pri(writer, (void *)(uintptr_t)&lt, LWKT_PRI_SOFT_NORM, 0,
	    lwkt_cpuid());
	check(trail.l_len == 0, "not before the call");
	(*call)();
	check(trail.l_len == 1, "a better thread did not run");
	join(td);
	return 0;
}

static int
ignores_worse(void *arg)
{
	static const struct letter lt = { 'x', 1, NULL };
	void (*const *call)(void) = arg;
	lwkt_thread_t td;
	int i;

	trail = (struct log){ 0 };
	td = spawn_pri(writer, (void *)(uintptr_t)&lt, LWKT_PRI_USER_NORM, 0,
	    lwkt_cpuid());
	for (i = 0; i < 10; i++)
		(*call)();
	check(trail.l_len == 0, "a worse thread ran");
	join(td);
	return 0;
}

struct sleeper {
	uint32_t	s_wakes;	/* times it came back */
	uint32_t	s_quit;
};

static void
sleeper(void *arg)
{
	struct sleeper *s = arg;

	while (atomic_load_acq_32(&s->s_quit) == 0) {
		lwkt_deschedule_self();
		lwkt_switch();
		atomic_store_rel_32(&s->s_wakes, s->s_wakes + 1);
	}
}

static void
sleeper_end(struct sleeper *s, lwkt_thread_t td)
{
	atomic_store_rel_32(&s->s_quit, 1);
	lwkt_schedule(td);
	join(td);
}

static int
schedule_is_idempotent(void *arg)
{
	struct sleeper s = { 0 };
	int cpu = lwkt_cpuid();
	lwkt_thread_t td;

	(void)arg;
	td = spawn_pri(sleeper, &s, LWKT_PRI_KERN_USER, 0, cpu);
	settle(cpu, LWKT_PRI_USER_NORM);
	lwkt_schedule(td);
	lwkt_schedule(td);
	lwkt_schedule(td);
	settle(cpu, LWKT_PRI_USER_NORM);
	check(s.s_wakes == 1, "%u wakes for three schedules", s.s_wakes);
	lwkt_schedule(td);
	settle(cpu, LWKT_PRI_USER_NORM);
	check(s.s_wakes == 2, "%u wakes after a fourth", s.s_wakes);
	sleeper_end(&s, td);
	return 0;
}

static int
schedule_self_undoes(void *arg)
{
	(void)arg;
	lwkt_deschedule_self();
	lwkt_deschedule_self();
	lwkt_schedule_self();
	lwkt_schedule_self();
	lwkt_switch();
	lwkt_deschedule(lwkt_self());
	lwkt_schedule(lwkt_self());
	lwkt_switch();
	return 0;
}

static int
deschedule_takes_off(void *arg)
{
	static const struct letter lt = { 'x', 1, NULL };
	int cpu = lwkt_cpuid();
	lwkt_thread_t td;

	(void)arg;
	trail = (struct log){ 0 };
	td = spawn_pri(writer, (void *)(uintptr_t)&lt, LWKT_PRI_SOFT_NORM, 0,
	    cpu);
	lwkt_deschedule(td);
	lwkt_deschedule(td);
	settle(cpu, LWKT_PRI_USER_NORM);
	check(trail.l_len == 0, "a descheduled thread ran");
	lwkt_schedule(td);
	join(td);
	check(trail.l_len == 1, "it runs when it is scheduled again");
	return 0;
}

static int
setpri_moves_queued(void *arg)
{
	static const struct letter lt[] = {
		{ 'a', 1, NULL }, { 'b', 1, NULL }, { 'c', 1, NULL },
	};
	lwkt_thread_t td[nitems(lt)];
	unsigned i;

	(void)arg;
	trail = (struct log){ 0 };
	for (i = 0; i < nitems(lt); i++)
		td[i] = spawn_pri(writer, (void *)(uintptr_t)&lt[i],
		    LWKT_PRI_KERN_USER, 0, lwkt_cpuid());
	lwkt_setpri(td[2], LWKT_PRI_USER_REAL);
	lwkt_setpri(td[1], LWKT_PRI_SOFT_NORM);
	check(lwkt_getpri(td[1]) == LWKT_PRI_SOFT_NORM, "getpri");
	check(trail.l_len == 0, "setpri does not switch");
	lwkt_yield_quick();
	check(strcmp(trail.l_text, "b") == 0, "ran %s", trail.l_text);
	for (i = 0; i < nitems(lt); i++)
		join(td[i]);
	check(strcmp(trail.l_text, "bac") == 0, "ran %s", trail.l_text);
	return 0;
}

static int
setpri_self_gives_way(void *arg)
{
	static const struct letter lt = { 'x', 1, NULL };
	int pri = lwkt_getpri(lwkt_self());
	lwkt_thread_t td;

	(void)arg;
	trail = (struct log){ 0 };
	td = spawn_pri(writer, (void *)(uintptr_t)&lt, LWKT_PRI_KERN_USER, 0,
	    lwkt_cpuid());
	lwkt_yield();
	check(trail.l_len == 0, "a worse thread ran");
	lwkt_setpri_self(LWKT_PRI_USER_NORM);
	check(trail.l_len == 0, "setpri does not switch");
	lwkt_yield_quick();
	check(trail.l_len == 1, "it became the better one");
	lwkt_setpri_self(pri);
	join(td);
	return 0;
}

static int
setpri_of_sleeper(void *arg)
{
	struct sleeper s = { 0 };
	int cpu = lwkt_cpuid();
	lwkt_thread_t td;

	(void)arg;
	td = spawn_pri(sleeper, &s, LWKT_PRI_USER_NORM, 0, cpu);
	settle(cpu, LWKT_PRI_USER_IDLE);
	lwkt_setpri(td, LWKT_PRI_SOFT_NORM);
	lwkt_schedule(td);
	lwkt_yield_quick();
	check(s.s_wakes == 1, "it woke with its new priority");
	sleeper_end(&s, td);
	return 0;
}

static void
holder(void *arg)
{
	uint32_t *word = arg;

	atomic_store_rel_32(&word[0], 1);
	await(&word[1], 1);
}

/* Keep a CPU from running anything worse than `holder` until it is told. */
static int
remote_schedule_is_idempotent(void *arg)
{
	struct sleeper s = { 0 };
	uint32_t word[2] = { 0, 0 };
	int cpu = other_cpu(), i;
	lwkt_thread_t td, h;

	(void)arg;
	if (cpu == lwkt_cpuid())
		return 0;
	td = spawn_pri(sleeper, &s, LWKT_PRI_KERN_USER, 0, cpu);
	settle(cpu, LWKT_PRI_USER_NORM);
	h = spawn_pri(holder, word, LWKT_PRI_SOFT_NORM, 0, cpu);
	await(&word[0], 1);
	for (i = 0; i < 5; i++)
		lwkt_schedule(td);
	lwkt_synchronize_ipiqs("test");
	atomic_store_rel_32(&word[1], 1);
	join(h);
	settle(cpu, LWKT_PRI_USER_NORM);
	check(s.s_wakes == 1, "%u wakes for five schedules", s.s_wakes);
	sleeper_end(&s, td);
	return 0;
}

static void
set_word(void *arg)
{
	atomic_store_rel_32(arg, 1);
}

static int
remote_deschedule(void *arg)
{
	uint32_t word[2] = { 0, 0 }, ran = 0;
	int cpu = other_cpu();
	lwkt_thread_t td, h;

	(void)arg;
	if (cpu == lwkt_cpuid())
		return 0;
	h = spawn_pri(holder, word, LWKT_PRI_SOFT_NORM, 0, cpu);
	await(&word[0], 1);
	td = spawn_pri(set_word, &ran, LWKT_PRI_KERN_USER, 0, cpu);
	lwkt_deschedule(td);
	lwkt_deschedule(td);
	lwkt_synchronize_ipiqs("test");
	atomic_store_rel_32(&word[1], 1);
	join(h);
	settle(cpu, LWKT_PRI_USER_NORM);
	check(atomic_load_32(&ran) == 0, "a descheduled thread ran");
	lwkt_schedule(td);
	join(td);
	check(atomic_load_32(&ran) == 1, "it did not run in the end");
	return 0;
}

/* What the user schedulers do: order among equals, queued or not. */
static int
upri_orders_equals(void *arg)
{
	static const struct letter lt[] = {
		{ 'a', 1, NULL }, { 'b', 1, NULL }, { 'c', 1, NULL },
		{ 'd', 1, NULL }, { 'e', 1, NULL },
	};
	static const int upri[nitems(lt)] = { 0, 2, -1, 2, 0 };
	lwkt_thread_t td[nitems(lt)];
	unsigned i;

	(void)arg;
	trail = (struct log){ 0 };
	for (i = 0; i < nitems(lt); i++) {
		td[i] = spawn_pri(writer, (void *)(uintptr_t)&lt[i],
		    LWKT_PRI_KERN_USER, LWKT_NOSTART, lwkt_cpuid());
		lwkt_crit_enter();
		if (i % 2 == 0)
			lwkt_schedule(td[i]);
		sched_setupri(td[i], upri[i]);
		if (i % 2 != 0)
			lwkt_schedule(td[i]);
		lwkt_crit_exit();
	}
	join_all(td, nitems(lt));
	check(strcmp(trail.l_text, "bdaec") == 0, "ran %s", trail.l_text);
	return 0;
}

static void
schedule_noresched(void *arg)
{
	lwkt_schedule_noresched(arg);
}

/* It runs at the next switch; the quick yields do not switch for it. */
static int
noresched_waits(void *arg)
{
	static const struct letter lt = { 'x', 1, NULL };
	int cpu = lwkt_cpuid();
	int64_t ticks;
	lwkt_thread_t td, by = NULL;

	(void)arg;
	trail = (struct log){ 0 };
	td = spawn_pri(writer, (void *)(uintptr_t)&lt, LWKT_PRI_SOFT_NORM,
	    LWKT_NOSTART, cpu);
	ticks = counter("lwkt.ticks");
	if (lwkt_ncpus() == 1) {
		lwkt_schedule_noresched(td);
	} else {
		lwkt_crit_enter();
		by = spawn(schedule_noresched, td, 0, other_cpu());
		while ((td->td_flags & TDF_RUNQ) == 0)
			lwkt_process_ipiq();
		lwkt_crit_exit();
	}
	lwkt_yield_quick();
	lwkt_user_yield();
	check(trail.l_len == 0 || counter("lwkt.ticks") != ticks,
	    "it ran although nobody asked");
	lwkt_switch();
	check(trail.l_len == 1, "a switch did not let it run");
	join(td);
	if (by != NULL)
		join(by);
	return 0;
}

int
main(void)
{
	static int daemon = LWKT_PRI_KERN_DAEMON, user = LWKT_PRI_KERN_USER;
	static void (*quick)(void) = lwkt_yield_quick;
	static void (*useryield)(void) = lwkt_user_yield;
	static void (*sw)(void) = lwkt_switch;
	static void (*yield)(void) = lwkt_yield;

	sim_explore("the best priority runs first", strict_priority, NULL, 50);
	sim_explore("equals run first come first served", fifo, &user, 50);
	sim_explore("so do equals of the caller", fifo, &daemon, 50);
	sim_explore("lwkt_yield goes behind all equals", yield_alternates,
	    NULL, 50);
	sim_explore("lwkt_yield_quick stays before equals",
	    stays_among_equals, &quick, 50);
	sim_explore("lwkt_user_yield stays before equals",
	    stays_among_equals, &useryield, 50);
	sim_explore("lwkt_switch stays before equals", stays_among_equals,
	    &sw, 50);
	sim_explore("lwkt_yield_quick lets a better one run",
	    gives_way_to_better, &quick, 50);
	sim_explore("lwkt_user_yield lets a better one run",
	    gives_way_to_better, &useryield, 50);
	sim_explore("lwkt_switch lets a better one run",
	    gives_way_to_better, &sw, 50);
	sim_explore("lwkt_yield ignores worse threads", ignores_worse, &yield,
	    50);
	sim_explore("lwkt_schedule is idempotent", schedule_is_idempotent,
	    NULL, 50);
	sim_explore("and so on another CPU", remote_schedule_is_idempotent,
	    NULL, 100);
	sim_explore("a thread may put itself back", schedule_self_undoes,
	    NULL, 50);
	sim_explore("lwkt_deschedule takes off the queue",
	    deschedule_takes_off, NULL, 50);
	sim_explore("and so on another CPU", remote_deschedule, NULL, 100);
	sim_explore("lwkt_setpri moves a queued thread", setpri_moves_queued,
	    NULL, 50);
	sim_explore("a lowered caller gives way at its next yield",
	    setpri_self_gives_way, NULL, 50);
	sim_explore("lwkt_setpri of a sleeper counts when it wakes",
	    setpri_of_sleeper, NULL, 50);
	sim_explore("equals run in the order of their upri",
	    upri_orders_equals, NULL, 50);
	sim_explore("lwkt_schedule_noresched waits for a switch",
	    noresched_waits, NULL, 100);
	return tap_done();
}
