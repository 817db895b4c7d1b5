/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The port of a thread that ends: what is queued is answered, and no message
 * may follow.
 */
#include "core/port/job.h"

static uint32_t ready;

static void
deserter(void *arg)
{
	struct job *j = lwkt_waitport(lwkt_curport(), 0);
	static struct job mine;		/* it is queued longer than we run */

	(void)arg;
	/* One to oneself, and a reply that nobody takes. */
	job_init(&mine, lwkt_curport(), W_ADD, 0);
	lwkt_sendmsg(lwkt_curport(), &mine.j_msg);
	await_asleep(&ready, 1);
	lwkt_replymsg(&j->j_msg, 0);
}

/* A thread ends with messages in its port: each gets an answer. */
static int
exit_body(void *arg)
{
	struct job first, j[3];
	lwkt_thread_t td;
	int i;

	(void)arg;
	STORE(ready, 0);
	td = spawn_on(1, deserter, NULL);
	job_init(&first, lwkt_curport(), W_ADD, 0);
	lwkt_sendmsg(lwkt_threadport(td), &first.j_msg);
	for (i = 0; i < 3; i++) {
		job_init(&j[i], lwkt_curport(), W_ADD, 0);
		lwkt_sendmsg(lwkt_threadport(td), &j[i].j_msg);
	}
	/* All of them are there when it ends. */
	lwkt_synchronize_ipiqs("test");
	STORE(ready, 1);
	lwkt_wakeup(&ready);
	check(lwkt_waitmsg(&first.j_msg, 0) == 0, "the one it took");
	for (i = 0; i < 3; i++)
		check(lwkt_waitmsg(&j[i].j_msg, 0) == ESRCH, "message %d", i);
	join(td);
	return 0;
}

static void
ends(void *arg)
{
	(void)arg;
}

static int
exited_body(void *arg)
{
	lwkt_thread_t td = spawn_on(lwkt_cpuid(), ends, NULL);
	lwkt_port_t port = lwkt_threadport(td);
	struct job j;

	(void)arg;
	lwkt_hold(td);
	join(td);
	job_init(&j, lwkt_curport(), W_ADD, 0);
	lwkt_sendmsg(port, &j.j_msg);
	return 0;
}

int
main(void)
{
	panics("a message to a thread that has ended panics", exited_body,
	    "which has ended");
	sim_explore("a thread's end answers what is queued", exit_body, NULL,
	    200);
	return tap_done();
}
