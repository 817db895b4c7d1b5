/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Joining: who waits for the end of a thread sees all of it, once.
 */
#include "core/util.h"

struct work {
	int	w_blocks;	/* times it goes to sleep before it ends */
	int	w_result;	/* its last store */
};

/* Not running is not gone: it comes back several times. */
static void
work(void *arg)
{
	struct work *w = arg;
	int i;

	for (i = 0; i < w->w_blocks; i++) {
		if (i % 2)
			lwkt_yield();
		else
			lwkt_sleep_ns(1000);
	}
	w->w_result = 42;
}

/*
 * (race 1 of the history: a thread that does not run may only be asleep; race
 * 3: its successor must know whether it was the end before it lets go)
 */
static int
join_sees_the_end(void *arg)
{
	struct work w;
	int i;

	(void)arg;
	for (i = 0; i < 12; i++) {
		w = (struct work){ i % 5, 0 };
		join(spawn(work, &w, 0, i % lwkt_ncpus()));
		check(w.w_result == 42, "joined before the end (%d blocks)",
		    w.w_blocks);
	}
	return 0;
}

static int
join_after_the_end(void *arg)
{
	struct work w[6];
	lwkt_thread_t td[6];
	int i;

	(void)arg;
	for (i = 0; i < 6; i++) {
		w[i] = (struct work){ 0, 0 };
		td[i] = spawn(work, &w[i], 0, i % lwkt_ncpus());
	}
	for (i = 0; i < lwkt_ncpus(); i++)
		settle(i, LWKT_PRI_USER_NORM);
	for (i = 0; i < 6; i++) {
		check(w[i].w_result == 42, "it has ended");
		join(td[i]);
	}
	return 0;
}

static int
join_oneself(void *arg)
{
	int error;

	(void)arg;
	error = lwkt_join(lwkt_self());
	check(error == EDEADLK, "error %d", error);
	return 0;
}

static uint32_t quit;

static void
until_told(void *arg)
{
	(void)arg;
	await(&quit, 1);
}

static int
join_not_joinable(void *arg)
{
	lwkt_thread_t td = NULL;
	int error;

	(void)arg;
	quit = 0;
	error = lwkt_create(until_told, NULL, &td, NULL, LWKT_NOSTART, 0, "t");
	check(error == 0, "create: %d", error);
	lwkt_hold(td);
	lwkt_schedule(td);
	error = lwkt_join(td);
	check(error == EINVAL, "error %d", error);
	atomic_store_rel_32(&quit, 1);
	settle(0, LWKT_PRI_USER_NORM);
	lwkt_rele(td);
	return 0;
}

struct joiner {
	lwkt_thread_t	j_td;
	int		j_error;
};

static void
joiner(void *arg)
{
	struct joiner *j = arg;

	j->j_error = lwkt_join(j->j_td);
}

/* Two want to join: one does, the other is told. */
static int
one_joiner_only(void *arg)
{
	struct joiner j[2];
	lwkt_thread_t td, jt[2];
	int i;

	(void)arg;
	quit = 0;
	td = spawn(until_told, NULL, 0, lwkt_ncpus() - 1);
	lwkt_hold(td);
	for (i = 0; i < 2; i++) {
		j[i] = (struct joiner){ td, -1 };
		jt[i] = spawn(joiner, &j[i], 0, i % lwkt_ncpus());
		settle(i % lwkt_ncpus(), LWKT_PRI_KERN_DAEMON);
	}
	atomic_store_rel_32(&quit, 1);
	join(jt[0]);
	join(jt[1]);
	check(j[0].j_error == 0 && j[1].j_error == EINVAL, "errors %d and %d",
	    j[0].j_error, j[1].j_error);
	lwkt_rele(td);
	return 0;
}

/* Whoever schedules the joiner meanwhile does not end its wait. */
static int
joiner_is_scheduled(void *arg)
{
	struct work w = { 9, 0 };
	struct joiner j = { NULL, -1 };
	lwkt_thread_t jt;
	int i;

	(void)arg;
	j.j_td = spawn(work, &w, LWKT_NOSTART, lwkt_ncpus() - 1);
	jt = spawn(joiner, &j, 0, other_cpu());
	lwkt_hold(jt);
	for (i = 0; i < 10; i++) {
		lwkt_schedule(jt);
		lwkt_yield();
		if (i == 5)
			lwkt_schedule(j.j_td);
	}
	join(jt);
	lwkt_rele(jt);
	check(j.j_error == 0 && w.w_result == 42, "error %d, result %d",
	    j.j_error, w.w_result);
	return 0;
}

/* The joiner moved: it is woken where it is. */
static void
moving_joiner(void *arg)
{
	lwkt_migratecpu(other_cpu());
	joiner(arg);
	lwkt_migratecpu(other_cpu());
}

static int
joiner_moved(void *arg)
{
	struct work w;
	struct joiner j;
	int i;

	(void)arg;
	for (i = 0; i < 6; i++) {
		w = (struct work){ i, 0 };
		j = (struct joiner){ spawn(work, &w, 0, i % lwkt_ncpus()),
		    -1 };
		join(spawn(moving_joiner, &j, 0, LWKT_CPU_ROTATE));
		check(j.j_error == 0 && w.w_result == 42, "error %d",
		    j.j_error);
	}
	return 0;
}

/* In a critical section a join blocks all the same, and keeps the section. */
static int
join_in_section(void *arg)
{
	struct work w = { 3, 0 };

	(void)arg;
	lwkt_crit_enter();
	join(spawn(work, &w, 0, lwkt_cpuid()));
	join(spawn(work, &w, 0, other_cpu()));
	check(curthread->td_critcount == 1, "count %d",
	    curthread->td_critcount);
	lwkt_crit_exit();
	return 0;
}

/*
 * Create, join, let go and move by chance; at the end all that was created
 * has run and nothing is left.
 */
#define STORM		TIMES(3000, 30)

static uint32_t born, died;

static void
mayfly(void *arg)
{
	struct rng r = { (uint64_t)(uintptr_t)arg };

	switch (rng_below(&r, 5)) {
	case 0:
		lwkt_yield();
		break;
	case 1:
		lwkt_migratecpu((int)rng_below(&r, (uint32_t)lwkt_ncpus()));
		break;
	case 2:
		lwkt_sleep_ns(rng_below(&r, 3000));
		break;
	default:
		break;
	}
	atomic_fetchadd_32(&died, 1);
}

static void
storm_one(struct rng *r, lwkt_thread_t *td)
{
	void *arg = (void *)(uintptr_t)rng_next(r);

	atomic_fetchadd_32(&born, 1);
	if (rng_below(r, 4) == 0) {
		if (lwkt_create(mayfly, arg, NULL, NULL, 0, LWKT_CPU_ROTATE,
		    "free") != 0)
			lwkt_panic("test: create");
		return;
	}
	*td = spawn(mayfly, arg, 0, LWKT_CPU_ROTATE);
	if (rng_below(r, 2) == 0) {
		join(*td);
		*td = NULL;
	}
}

static void
storm(void *arg)
{
	struct rng r = { (uint64_t)(uintptr_t)arg };
	lwkt_thread_t td[8] = { NULL };
	unsigned i;
	int n;

	for (n = 0; n < STORM; n++) {
		i = rng_below(&r, nitems(td));
		if (td[i] != NULL)
			join(td[i]);
		td[i] = NULL;
		storm_one(&r, &td[i]);
	}
	for (i = 0; i < nitems(td); i++)
		if (td[i] != NULL)
			join(td[i]);
}

static int
storms(void *arg)
{
	lwkt_thread_t td[8];
	int cpu, n = lwkt_ncpus();
	unsigned turn;

	(void)arg;
	born = died = 0;
	for (cpu = 0; cpu < n; cpu++)
		td[cpu] = spawn(storm, (void *)(uintptr_t)(cpu + 1), 0, cpu);
	for (cpu = 0; cpu < n; cpu++)
		join(td[cpu]);
	while (atomic_load_32(&died) < LOAD(born))
		lwkt_sleep_ns(1000);
	check(LOAD(died) == LOAD(born) && LOAD(born) == (uint32_t)(n * STORM),
	    "%u born, %u died", born, died);
	for (turn = 0; counter("lwkt.threads_exited") + 1 <
	    counter("lwkt.threads_created") && turn < 10000; turn++)
		lwkt_sleep_ns(1000);
	check(counter("lwkt.threads_exited") + 1 ==
	    counter("lwkt.threads_created"), "%d created, %d exited",
	    (int)counter("lwkt.threads_created"),
	    (int)counter("lwkt.threads_exited"));
	return 0;
}

int
main(void)
{
	sim_explore("a join returns after the thread's last store",
	    join_sees_the_end, NULL, 200);
	sim_explore("a thread that has ended is joined at once",
	    join_after_the_end, NULL, 100);
	sim_explore("joining oneself is EDEADLK", join_oneself, NULL, 20);
	sim_explore("joining a thread that is not joinable is EINVAL",
	    join_not_joinable, NULL, 50);
	sim_explore("a second joiner is told EINVAL", one_joiner_only, NULL,
	    200);
	sim_explore("scheduling a joiner does not end its wait",
	    joiner_is_scheduled, NULL, 200);
	sim_explore("a joiner may have come from another CPU", joiner_moved,
	    NULL, 200);
	sim_explore("a join in a critical section", join_in_section, NULL,
	    100);
	sim_explore("all that is created ends, in whatever order", storms,
	    NULL, 100);
	return tap_done();
}
