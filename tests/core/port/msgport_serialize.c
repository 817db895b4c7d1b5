/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Serialize ports: whoever holds the serializer has the queue.
 */
#include <lwkt/msgport.h>
#include <lwkt/serialize.h>

#include "core/util.h"

#define RECEIVERS	2
#define CLIENTS		3
#define MESSAGES	4

enum what { W_WORK, W_HOLD, W_STOP };

struct job {
	struct lwkt_msg	 j_msg;		/* first */
	enum what	 j_what;
	int		 j_client;
	int		 j_seq;
};

static struct lwkt_serialize sz;
static struct lwkt_port work, replies;
static uint32_t received, aborted, interrupts;
static int inside, last_seq[CLIENTS + 1];
static struct job *held;

static void
reset(void)
{
	int i;

	lwkt_serialize_init(&sz);
	lwkt_initport_serialize(&work, &sz);
	lwkt_initport_serialize(&replies, &sz);
	STORE(received, 0);
	STORE(aborted, 0);
	STORE(interrupts, 0);
	STORE(held, NULL);
	inside = 0;
	for (i = 0; i <= CLIENTS; i++)
		last_seq[i] = -1;
}

static void
job_init(struct job *j, lwkt_port_t reply, enum what what, int seq)
{
	memset(j, 0, sizeof(*j));
	lwkt_initmsg(&j->j_msg, reply, 0);
	j->j_what = what;
	j->j_client = CLIENTS;
	j->j_seq = seq;
}

/* Alone, each time the serializer is held, also after a wait. */
static void
alone(void)
{
	LWKT_ASSERT_SERIALIZED(&sz);
	check(inside == 0, "%d others inside", inside);
	inside++;
	lwkt_yield();
	inside--;
}

static void
receiver(void *arg)
{
	struct job *j;
	enum what what;

	(void)arg;
	lwkt_serialize_enter(&sz);
	do {
		j = lwkt_waitport(&work, 0);
		alone();
		what = j->j_what;
		if (what == W_WORK) {
			check(j->j_seq > last_seq[j->j_client], "%d after %d",
			    j->j_seq, last_seq[j->j_client]);
			last_seq[j->j_client] = j->j_seq;
			ADD(received, 1);
		}
		if (what == W_HOLD) {
			STORE(held, j);
			lwkt_wakeup(&held);
		} else if (j->j_msg.ms_reply == &replies) {
			lwkt_replymsg(&j->j_msg, j->j_seq);
		} else {
			/* Not under our serializer. */
			lwkt_serialize_exit(&sz);
			lwkt_replymsg(&j->j_msg, j->j_seq);
			lwkt_serialize_enter(&sz);
		}
	} while (what != W_STOP);
	lwkt_serialize_exit(&sz);
}

static void
client(void *arg)
{
	struct job j[MESSAGES];
	int me = (int)(uintptr_t)arg, i;

	for (i = 0; i < MESSAGES; i++) {
		job_init(&j[i], i % 3 == 2 ? lwkt_curport() : &replies,
		    W_WORK, i);
		j[i].j_client = me;
		lwkt_serialize_enter(&sz);
		alone();
		if (i % 3 == 0)
			check(lwkt_domsg(&work, &j[i].j_msg, 0) == i, "%d", i);
		else
			lwkt_sendmsg(&work, &j[i].j_msg);
		LWKT_ASSERT_SERIALIZED(&sz);
		lwkt_serialize_exit(&sz);
	}
	for (i = 0; i < MESSAGES; i++) {
		if (i % 3 == 1) {
			lwkt_serialize_enter(&sz);
			check(lwkt_waitmsg(&j[i].j_msg, 0) == i, "%d", i);
			lwkt_serialize_exit(&sz);
		} else if (i % 3 == 2) {
			check(lwkt_waitmsg(&j[i].j_msg, 0) == i, "%d", i);
		}
	}
}

static void
stop(void)
{
	struct job j;

	job_init(&j, &replies, W_STOP, 0);
	lwkt_serialize_enter(&sz);
	check(lwkt_domsg(&work, &j.j_msg, 0) == 0, "stop");
	lwkt_serialize_exit(&sz);
}

/* One receiver: order too.  Messages both ways, under the serializer. */
static int
traffic_body(void *arg)
{
	lwkt_thread_t rtd, td[CLIENTS];
	int i;

	(void)arg;
	reset();
	rtd = spawn_on(1, receiver, NULL);
	for (i = 0; i < CLIENTS; i++)
		td[i] = spawn_on(i, client, (void *)(uintptr_t)i);
	join_all(td, CLIENTS);
	check(received == CLIENTS * MESSAGES, "received %u", received);
	stop();
	join(rtd);
	check(work.mp_waiters == 0, "%u waiters", work.mp_waiters);
	return 0;
}

static void
rendezvous(void *arg)
{
	struct job *j;

	(void)arg;
	lwkt_serialize_enter(&sz);
	j = lwkt_waitport(&work, 0);
	lwkt_serialize_exit(&sz);
	ADD(received, 1);
	lwkt_wakeup(&received);
	await_asleep(&received, RECEIVERS);
	lwkt_replymsg(&j->j_msg, 0);
}

static int
each_wakes_one_body(void *arg)
{
	lwkt_thread_t td[RECEIVERS];
	struct job j[RECEIVERS];
	int i;

	(void)arg;
	reset();
	for (i = 0; i < RECEIVERS; i++)
		td[i] = spawn_on(i + 1, rendezvous, NULL);
	for (i = 0; i < RECEIVERS; i++) {
		job_init(&j[i], lwkt_curport(), W_WORK, i);
		lwkt_serialize_enter(&sz);
		lwkt_sendmsg(&work, &j[i].j_msg);
		lwkt_serialize_exit(&sz);
	}
	join_all(td, RECEIVERS);
	for (i = 0; i < RECEIVERS; i++)
		lwkt_waitmsg(&j[i].j_msg, 0);
	return 0;
}

static int
queue_body(void *arg)
{
	static const int flags[] = { 0, LWKT_MSGF_PRIORITY,
	    LWKT_MSGF_DROPABLE };
	struct job j[3];
	int i;

	(void)arg;
	reset();
	lwkt_serialize_enter(&sz);
	for (i = 0; i < 3; i++) {
		job_init(&j[i], &replies, W_WORK, i);
		lwkt_initmsg(&j[i].j_msg, &replies, flags[i]);
		lwkt_sendmsg(&work, &j[i].j_msg);
	}
	check(lwkt_dropmsg(&j[2].j_msg) == 0, "queued");
	check(lwkt_checkmsg(&j[2].j_msg), "done");
	check(lwkt_dropmsg(&j[2].j_msg) == ENOENT, "dropped twice");
	check(lwkt_getport(&work) == &j[1], "the priority message");
	check(lwkt_getport(&work) == &j[0], "the other");
	check(lwkt_getport(&work) == NULL, "empty");
	lwkt_replymsg(&j[1].j_msg, 0);
	lwkt_replymsg(&j[0].j_msg, 3);
	check(lwkt_waitmsg(&j[0].j_msg, 0) == 3, "the second reply");
	check(lwkt_waitport_timed(&replies, 0, MS) == &j[1], "the first");
	check(lwkt_waitport_timed(&replies, 0, MS) == NULL, "and no more");
	lwkt_serialize_exit(&sz);
	return 0;
}

static void
patient(void *arg)
{
	struct job *j;

	(void)arg;
	lwkt_serialize_enter(&sz);
	while ((j = lwkt_waitport(&work, LWKT_PCATCH)) == NULL)
		ADD(interrupts, 1);
	LWKT_ASSERT_SERIALIZED(&sz);
	lwkt_replymsg(&j->j_msg, 0);
	lwkt_serialize_exit(&sz);
}

static int
interrupt_body(void *arg)
{
	lwkt_thread_t td;
	struct job j;

	(void)arg;
	reset();
	td = spawn_on(1, patient, NULL);
	lwkt_interrupt(td);
	job_init(&j, &replies, W_WORK, 0);
	lwkt_serialize_enter(&sz);
	check(lwkt_domsg(&work, &j.j_msg, 0) == 0, "served");
	lwkt_serialize_exit(&sz);
	join(td);
	check(interrupts <= 1, "%u interrupts", interrupts);
	return 0;
}

/* The abort function needs the serializer as anybody does. */
static void
abort_held(lwkt_msg_t msg)
{
	ADD(aborted, 1);
	lwkt_serialize_enter(&sz);
	if (held == (struct job *)msg) {
		held = NULL;
		lwkt_replymsg(msg, EINTR);
	}
	lwkt_serialize_exit(&sz);
}

static void
abort_client(void *arg)
{
	struct job j = { .j_what = W_HOLD };

	lwkt_initmsg_abortable(&j.j_msg, &replies, 0, abort_held);
	lwkt_serialize_enter(&sz);
	*(int *)arg = lwkt_domsg(&work, &j.j_msg, LWKT_PCATCH);
	LWKT_ASSERT_SERIALIZED(&sz);
	lwkt_serialize_exit(&sz);
}

static void
reply_held(void *arg)
{
	struct job *j;

	(void)arg;
	lwkt_serialize_enter(&sz);
	if ((j = held) != NULL) {
		held = NULL;
		lwkt_replymsg(&j->j_msg, 0);
	}
	lwkt_serialize_exit(&sz);
}

/* Abort and reply race. */
static int
abort_body(void *arg)
{
	lwkt_thread_t td, ctd, rtd;
	int error = -1;

	(void)arg;
	reset();
	td = spawn_on(1, receiver, NULL);
	ctd = spawn_on(2, abort_client, &error);
	while (LOAD(held) == NULL)
		lwkt_tsleep(&held, 0, "held", MS);
	rtd = spawn_on(3, reply_held, NULL);
	lwkt_interrupt(ctd);
	join(ctd);
	join(rtd);
	check(error == EINTR || error == 0, "error %d", error);
	check(LOAD(aborted) <= 1, "aborted %u times", LOAD(aborted));
	stop();
	join(td);
	return 0;
}

static void
late_replier(void *arg)
{
	struct job *j;

	(void)arg;
	lwkt_serialize_enter(&sz);
	j = lwkt_waitport(&work, 0);
	lwkt_serialize_exit(&sz);
	lwkt_sleep_ns(MS);
	lwkt_serialize_enter(&sz);
	lwkt_replymsg(&j->j_msg, 5);
	lwkt_serialize_exit(&sz);
}

static int
waitmsg_timed_body(void *arg)
{
	lwkt_thread_t td;
	struct job j;

	(void)arg;
	reset();
	td = spawn_on(1, late_replier, NULL);
	job_init(&j, &replies, W_WORK, 0);
	lwkt_serialize_enter(&sz);
	lwkt_sendmsg(&work, &j.j_msg);
	while (lwkt_waitmsg_timed(&j.j_msg, 0, MS / 2) == EWOULDBLOCK)
		LWKT_ASSERT_SERIALIZED(&sz);
	check(j.j_msg.ms_error == 5, "error %d", j.j_msg.ms_error);
	check(lwkt_getport(&replies) == NULL, "the reply is queued");
	lwkt_serialize_exit(&sz);
	join(td);
	return 0;
}

static int
not_held_body(void *arg)
{
	struct job j;

	(void)arg;
	reset();
	job_init(&j, &replies, W_WORK, 0);
	lwkt_sendmsg(&work, &j.j_msg);
	return 0;
}

static int
get_not_held_body(void *arg)
{
	(void)arg;
	reset();
	lwkt_getport(&work);
	return 0;
}

static int
own_reply_body(void *arg)
{
	struct job j;

	(void)arg;
	reset();
	job_init(&j, lwkt_curport(), W_WORK, 0);
	lwkt_serialize_enter(&sz);
	lwkt_domsg(&work, &j.j_msg, 0);
	return 0;
}

int
main(void)
{
	panics("sending without the serializer panics", not_held_body,
	    "does not hold serializer");
	panics("receiving without the serializer panics", get_not_held_body,
	    "does not hold serializer");
	panics("waiting elsewhere with the serializer held panics",
	    own_reply_body, "which its receiver needs");
	sim_explore("messages both ways, alone and in order", traffic_body,
	    NULL, 200);
	sim_explore("each message wakes another receiver",
	    each_wakes_one_body, NULL, 200);
	sim_explore("priority, drop, reply, limit", queue_body, NULL, 20);
	sim_explore("an interrupt ends waitport", interrupt_body, NULL, 100);
	sim_explore("abort and reply race", abort_body, NULL, 200);
	sim_explore("waitmsg ends in time", waitmsg_timed_body, NULL, 100);
	return tap_done();
}
