/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Waiting on two ports: workers that share their work and can be stopped.
 *
 * All workers take jobs from one spin port.  Each has its own port as well, and
 * looks there first: an order to one worker does not wait for the jobs of all.
 * One worker is told to end early; the others do its share.
 */
#include <lwkt/lwkt.h>
#include <stdio.h>

#define WORKERS	3
#define JOBS	30

struct job {
	struct lwkt_msg	j_msg;		/* first */
	int		j_number;
};

static struct lwkt_port jobs;	/* a spin port: any worker may receive */

static void
worker(void *arg)
{
	const lwkt_port_t ports[] = { lwkt_curport(), &jobs };
	int *done = arg, which;
	struct job *j;

	for (;;) {
		j = lwkt_port_select(ports, 2, &which, 0, LWKT_FOREVER);
		if (which == 0)
			break;		/* an order: end */
		lwkt_sleep_ns(100000);	/* work */
		(*done)++;
		j->j_msg.ms_u.i64 = (int64_t)j->j_number * j->j_number;
		lwkt_replymsg(&j->j_msg, 0);
	}
	lwkt_replymsg(&j->j_msg, 0);
}

static void
send_home(lwkt_thread_t td)
{
	struct lwkt_msg order;

	lwkt_initmsg(&order, lwkt_curport(), 0);
	lwkt_domsg(lwkt_threadport(td), &order, 0);
	lwkt_join(td);
}

static int
factory(void *arg)
{
	int done[WORKERS] = { 0 }, left = JOBS;
	lwkt_thread_t td[WORKERS];
	struct job job[JOBS], *j;
	int64_t sum = 0;

	(void)arg;
	lwkt_initport_spin(&jobs);
	for (int i = 0; i < WORKERS; i++)
		if (lwkt_create(worker, &done[i], &td[i], NULL, LWKT_JOINABLE,
		    LWKT_CPU_ROTATE, "worker %d", i) != 0)
			lwkt_panic("no memory for a thread");
	for (int i = 0; i < JOBS; i++) {
		job[i].j_number = i + 1;
		lwkt_initmsg(&job[i].j_msg, lwkt_curport(), 0);
		lwkt_sendmsg(&jobs, &job[i].j_msg);
	}
	send_home(td[0]);
	while (left > 0) {
		/* If no reply comes for a second, say so and wait again. */
		j = lwkt_waitport_timed(lwkt_curport(), 0, 1000000000);
		if (j == NULL) {
			printf("%d jobs to go\n", left);
			continue;
		}
		sum += j->j_msg.ms_u.i64;
		left--;
	}
	for (int i = 1; i < WORKERS; i++)
		send_home(td[i]);
	printf("the sum of %d squares is %lld; jobs of each worker: %d %d %d\n",
	    JOBS, (long long)sum, done[0], done[1], done[2]);
	return sum != 9455 || done[0] + done[1] + done[2] != JOBS;
}

int
main(void)
{
	struct lwkt_config cfg = { .lc_ncpus = 2 };

	return lwkt_boot(&cfg, factory, NULL);
}
