/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Spin ports among lwkt threads: several receivers, any reply port.
 */
#include <lwkt/msgport.h>

#include "core/util.h"

#define WORKERS		4
#define CLIENTS		3
#define MESSAGES	6

enum what { W_WORK, W_HOLD, W_STOP };

struct job {
	struct lwkt_msg	 j_msg;		/* first */
	enum what	 j_what;
	int		 j_worker;
};

static struct lwkt_port work, replies;
static uint32_t received, replied, receipts, aborted, idle, entered;
static struct job *held;

static void
job_init(struct job *j, lwkt_port_t reply, enum what what, int flags)
{
	memset(j, 0, sizeof(*j));
	lwkt_initmsg(&j->j_msg, reply, flags);
	j->j_what = what;
}

static void
worker(void *arg)
{
	struct job *j;

	for (;;) {
		ADD(idle, 1);
		lwkt_wakeup(&idle);
		j = lwkt_waitport(&work, 0);
		ADD(idle, -1);
		if (j->j_what == W_STOP) {
			lwkt_replymsg(&j->j_msg, 0);
			return;
		}
		ADD(received, 1);
		j->j_worker = (int)(uintptr_t)arg;
		if (j->j_what == W_HOLD) {
			STORE(held, j);
			lwkt_wakeup(&held);
		} else {
			lwkt_replymsg(&j->j_msg, 5);
		}
	}
}

static void
workers_start(lwkt_thread_t *td, int n)
{
	int i;

	lwkt_initport_spin(&work);
	lwkt_initport_spin(&replies);
	STORE(received, 0);
	STORE(replied, 0);
	STORE(receipts, 0);
	STORE(aborted, 0);
	STORE(idle, 0);
	STORE(held, NULL);
	for (i = 0; i < n; i++)
		td[i] = spawn_on(i + 1, worker, (void *)(uintptr_t)i);
}

static void
workers_stop(lwkt_thread_t *td, int n)
{
	struct job j;
	int i;

	for (i = 0; i < n; i++) {
		job_init(&j, lwkt_curport(), W_STOP, 0);
		check(lwkt_domsg(&work, &j.j_msg, 0) == 0, "stop");
	}
	join_all(td, n);
	check(lwkt_getport(&work) == NULL && work.mp_waiters == 0,
	    "%u waiters", work.mp_waiters);
}

/* To a spin port, back by a thread port or by a spin port. */
static int
sync_body(void *arg)
{
	lwkt_port_t reply = arg != NULL ? arg : lwkt_curport();
	lwkt_thread_t td;
	struct job j;
	int i;

	workers_start(&td, 1);
	job_init(&j, reply, W_WORK, 0);
	for (i = 0; i < 4; i++)
		check(lwkt_domsg(&work, &j.j_msg, 0) == 5, "error");
	check(lwkt_getport(reply) == NULL, "a reply was queued");
	lwkt_sendmsg(&work, &j.j_msg);
	check(lwkt_waitmsg(&j.j_msg, 0) == 5, "waitmsg");
	check(lwkt_getport(reply) == NULL, "the reply is still queued");
	workers_stop(&td, 1);
	check(received == 5, "received %u", received);
	return 0;
}

static void
client(void *arg)
{
	struct job j[MESSAGES];
	int i;

	(void)arg;
	for (i = 0; i < MESSAGES; i++) {
		job_init(&j[i], &replies, W_WORK, 0);
		if (i % 3 == 0)
			check(lwkt_domsg(&work, &j[i].j_msg, 0) == 5, "sync");
		else
			lwkt_sendmsg(&work, &j[i].j_msg);
	}
	for (i = 0; i < MESSAGES; i++) {
		check(lwkt_waitmsg(&j[i].j_msg, 0) == 5, "error");
		ADD(replied, 1);
	}
}

/* Many senders, many receivers, one port each way: nothing gets lost. */
static int
pool_body(void *arg)
{
	lwkt_thread_t td[WORKERS], ctd[CLIENTS];
	int i;

	(void)arg;
	workers_start(td, WORKERS);
	for (i = 0; i < CLIENTS; i++)
		ctd[i] = spawn_on(i, client, NULL);
	join_all(ctd, CLIENTS);
	check(received == CLIENTS * MESSAGES, "received %u", received);
	check(replied == CLIENTS * MESSAGES, "replied %u", replied);
	check(lwkt_getport(&replies) == NULL, "a reply is left");
	workers_stop(td, WORKERS);
	return 0;
}

static void
rendezvous(void *arg)
{
	struct job *j = lwkt_waitport(&work, 0);
	uint32_t n = (uint32_t)(uintptr_t)arg;

	/* Blocks until all have a message: each message must wake another. */
	ADD(entered, 1);
	lwkt_wakeup(&entered);
	await_asleep(&entered, n);
	lwkt_replymsg(&j->j_msg, 0);
}

static int
each_wakes_one_body(void *arg)
{
	lwkt_thread_t td[WORKERS];
	struct job j[WORKERS];
	int i;

	(void)arg;
	lwkt_initport_spin(&work);
	STORE(entered, 0);
	for (i = 0; i < WORKERS; i++)
		td[i] = spawn_on(i, rendezvous, (void *)(uintptr_t)WORKERS);
	if (lwkt_time_ns() % 2)
		lwkt_sleep_ns(MS);
	for (i = 0; i < WORKERS; i++) {
		job_init(&j[i], lwkt_curport(), W_WORK, 0);
		lwkt_sendmsg(&work, &j[i].j_msg);
	}
	join_all(td, WORKERS);
	for (i = 0; i < WORKERS; i++)
		lwkt_waitmsg(&j[i].j_msg, 0);
	return 0;
}

static int
priority_body(void *arg)
{
	static const int flags[] = { 0, LWKT_MSGF_PRIORITY, 0 };
	static const int order[] = { 1, 0, 2 };
	struct job j[3];
	int i;

	(void)arg;
	lwkt_initport_spin(&work);
	for (i = 0; i < 3; i++) {
		job_init(&j[i], &work, W_WORK, flags[i]);
		lwkt_sendmsg(&work, &j[i].j_msg);
	}
	for (i = 0; i < 3; i++)
		check(lwkt_getport(&work) == &j[order[i]], "place %d", i);
	return 0;
}

static void
count_receipt(lwkt_msg_t msg, lwkt_port_t port)
{
	check(msg->ms_target == port, "target");
	ADD(receipts, 1);
}

static int
drop_body(void *arg)
{
	struct job j;

	(void)arg;
	lwkt_initport_spin(&work);
	STORE(receipts, 0);
	job_init(&j, &work, W_WORK, LWKT_MSGF_DROPABLE);
	lwkt_setmsg_receipt(&j.j_msg, count_receipt);
	lwkt_sendmsg(&work, &j.j_msg);
	check(LOAD(receipts) == 1, "%u receipts", LOAD(receipts));
	check(lwkt_dropmsg(&j.j_msg) == 0, "queued");
	check(lwkt_checkmsg(&j.j_msg), "done");
	check(lwkt_dropmsg(&j.j_msg) == ENOENT, "dropped twice");
	check(lwkt_getport(&work) == NULL, "empty");
	return 0;
}

static void
interrupted_worker(void *arg)
{
	struct job *j;
	uint32_t *interrupts = arg;

	while ((j = lwkt_waitport(&work, LWKT_PCATCH)) == NULL)
		ADD(*interrupts, 1);
	lwkt_replymsg(&j->j_msg, 0);
}

/* An interrupted receiver takes no wakeup away from the others. */
static int
interrupt_body(void *arg)
{
	static uint32_t interrupts;
	lwkt_thread_t td[3];
	struct job j[3];
	int i;

	(void)arg;
	STORE(interrupts, 0);
	lwkt_initport_spin(&work);
	for (i = 0; i < 3; i++)
		td[i] = spawn_on(i + 1, interrupted_worker, &interrupts);
	for (i = 0; i < 3; i++) {
		lwkt_interrupt(td[i]);
		job_init(&j[i], lwkt_curport(), W_WORK, 0);
		lwkt_sendmsg(&work, &j[i].j_msg);
		lwkt_interrupt(td[2 - i]);
	}
	join_all(td, 3);
	for (i = 0; i < 3; i++)
		lwkt_waitmsg(&j[i].j_msg, 0);
	check(work.mp_waiters == 0, "%u waiters", work.mp_waiters);
	return 0;
}

static void
abort_remote(void *arg)
{
	struct job *j = arg;

	if (LOAD(held) == j) {
		STORE(held, NULL);
		lwkt_replymsg(&j->j_msg, EINTR);
	}
}

static void
abort_held(lwkt_msg_t msg)
{
	ADD(aborted, 1);
	lwkt_send_ipiq(1 % lwkt_ncpus(), abort_remote, msg);
}

static void
abort_client(void *arg)
{
	struct job j = { .j_what = W_HOLD };

	lwkt_initmsg_abortable(&j.j_msg, &replies, 0, abort_held);
	*(int *)arg = lwkt_domsg(&work, &j.j_msg, LWKT_PCATCH);
}

static int
abort_body(void *arg)
{
	lwkt_thread_t td, ctd;
	int error = -1;

	(void)arg;
	workers_start(&td, 1);
	ctd = spawn_on(2, abort_client, &error);
	while (LOAD(held) == NULL)
		lwkt_tsleep(&held, 0, "held", MS);
	lwkt_interrupt(ctd);
	join(ctd);
	check(error == EINTR, "error %d", error);
	check(LOAD(aborted) == 1, "aborted %u times", LOAD(aborted));
	workers_stop(&td, 1);
	return 0;
}

/*
 * As soon as the reply has been taken, the message and its reply port are the
 * sender's memory again: nobody touches them any more.
 */
struct briefly {
	struct lwkt_port b_port;
	struct job	 b_job;
};

static void
brief_client(void *arg)
{
	int how = (int)(uintptr_t)arg, i;
	struct briefly b;
	unsigned char *byte = (unsigned char *)&b;
	size_t at;

	for (i = 0; i < TIMES(2000, 20); i++, how = (how + 1) % 3) {
		lwkt_initport_spin(&b.b_port);
		job_init(&b.b_job, &b.b_port, W_WORK, 0);
		if (how == 0) {
			(void)lwkt_domsg(&work, &b.b_job.j_msg, 0);
		} else {
			lwkt_sendmsg(&work, &b.b_job.j_msg);
			while (how == 1 && !lwkt_checkmsg(&b.b_job.j_msg))
				lwkt_yield();
			(void)lwkt_waitmsg(&b.b_job.j_msg, 0);
		}
		memset(&b, 0x5a, sizeof(b));
		machine_pause(0);
		for (at = 0; at < sizeof(b) && byte[at] == 0x5a; at++)
			continue;
		check(at == sizeof(b), "byte %zu was written", at);
	}
}

static int
brief_body(void *arg)
{
	lwkt_thread_t td, client[3];
	int i;

	(void)arg;
	workers_start(&td, 1);
	for (i = 0; i < 3; i++)
		client[i] = spawn_on(i + 1, brief_client,
		    (void *)(uintptr_t)i);
	join_all(client, 3);
	workers_stop(&td, 1);
	return 0;
}

int
main(void)
{
	sim_explore("a spin port serves, a thread port takes the reply",
	    sync_body, NULL, 200);
	sim_explore("spin ports both ways", sync_body, &replies, 200);
	sim_explore("many senders, many receivers, one port", pool_body, NULL,
	    200);
	sim_explore("each message wakes another receiver",
	    each_wakes_one_body, NULL, 200);
	sim_explore("priority messages come first", priority_body, NULL, 20);
	sim_explore("a queued message is dropped, its receipt came",
	    drop_body, NULL, 20);
	sim_explore("interrupted receivers lose no message", interrupt_body,
	    NULL, 200);
	sim_explore("an interrupt aborts a message", abort_body, NULL, 200);
	sim_explore("a reply port is the sender's as soon as it has the reply",
	    brief_body, NULL, 200);
	return tap_done();
}
