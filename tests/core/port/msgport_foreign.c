/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Plain pthreads, which are no CPUs, send, receive and reply.
 */
#include <lwkt/msgport.h>
#include <pthread.h>
#include <sched.h>

#include "core/util.h"

#define MESSAGES	200
#define PTHREADS	3

struct job {
	struct lwkt_msg	 j_msg;		/* first */
	int		 j_seq;		/* -1: stop */
	int		 j_from;
};

static struct lwkt_port work, second, replies[PTHREADS];
static lwkt_port_t target;
static uint32_t finished, received;
static int last_seq[PTHREADS];

static void
reset(void)
{
	int i;

	STORE(finished, 0);
	STORE(received, 0);
	lwkt_initport_spin(&work);
	for (i = 0; i < PTHREADS; i++) {
		lwkt_initport_spin(&replies[i]);
		last_seq[i] = -1;
	}
	target = &work;
}

static void
pthreads_start(pthread_t *pt, int n, void *(*fn)(void *))
{
	int i, error;

	for (i = 0; i < n; i++) {
		error = pthread_create(&pt[i], NULL, fn,
		    (void *)(uintptr_t)i);
		if (error != 0)
			lwkt_panic("test: pthread_create: %d", error);
	}
}

/* The CPU goes on while they run; joining them blocks it only briefly. */
static void
pthreads_join(pthread_t *pt, int n)
{
	int i;

	while (LOAD(finished) < (uint32_t)n)
		lwkt_sleep_ns(MS / 4);
	for (i = 0; i < n; i++)
		pthread_join(pt[i], NULL);
}

/* Serve a port until -1 comes; on an lwkt thread or a pthread. */
static void
serve(lwkt_port_t port)
{
	struct job *j;
	int seq;

	do {
		j = lwkt_waitport(port, 0);
		seq = j->j_seq;
		if (seq >= 0) {
			check(seq > last_seq[j->j_from], "%d after %d", seq,
			    last_seq[j->j_from]);
			last_seq[j->j_from] = seq;
			ADD(received, 1);
		}
		lwkt_replymsg(&j->j_msg, seq & 0xff);
	} while (seq >= 0);
}

static void
stop_server(lwkt_port_t port)
{
	struct job j = { .j_seq = -1 };

	lwkt_initmsg(&j.j_msg, lwkt_curport(), 0);
	check(lwkt_domsg(port, &j.j_msg, 0) == 0xff, "stop");
}

static void *
pthread_sync_client(void *arg)
{
	struct job j = { .j_from = (int)(uintptr_t)arg };
	int i;

	check(lwkt_self() == NULL && lwkt_cpuid() == -1, "not a CPU");
	lwkt_initmsg(&j.j_msg, &replies[j.j_from], 0);
	for (i = 0; i < MESSAGES; i++) {
		j.j_seq = i;
		check(lwkt_domsg(target, &j.j_msg, 0) == (i & 0xff), "%d", i);
	}
	ADD(finished, 1);
	return NULL;
}

static void *
pthread_async_client(void *arg)
{
	static struct job jobs[PTHREADS][MESSAGES];
	int me = (int)(uintptr_t)arg, i;
	struct job *j;

	for (i = 0; i < MESSAGES; i++) {
		j = &jobs[me][i];
		lwkt_initmsg(&j->j_msg, &replies[me], 0);
		j->j_from = me;
		j->j_seq = i;
		lwkt_sendmsg(target, &j->j_msg);
		if (i % 16 == 0)
			sched_yield();
	}
	for (i = 0; i < MESSAGES; i++) {
		j = lwkt_waitport(&replies[me], 0);
		check(j == &jobs[me][i], "reply %d out of order", i);
		check(lwkt_checkmsg(&j->j_msg), "done");
	}
	ADD(finished, 1);
	return NULL;
}

static void
thread_server(void *arg)
{
	serve(arg != NULL ? arg : lwkt_curport());
}

static int
from_pthreads(void *(*fn)(void *), lwkt_port_t port)
{
	pthread_t pt[PTHREADS];
	lwkt_thread_t td;

	reset();
	td = spawn_on(1, thread_server, port);
	if (port == NULL)
		target = lwkt_threadport(td);
	pthreads_start(pt, PTHREADS, fn);
	pthreads_join(pt, PTHREADS);
	check(received == PTHREADS * MESSAGES, "received %u", received);
	stop_server(target);
	join(td);
	check(work.mp_inflight == 0, "%u in flight", work.mp_inflight);
	return 0;
}

static int
sync_spin_body(void *arg)
{
	(void)arg;
	return from_pthreads(pthread_sync_client, &work);
}

static int
sync_thread_body(void *arg)
{
	(void)arg;
	return from_pthreads(pthread_sync_client, NULL);
}

static int
async_spin_body(void *arg)
{
	(void)arg;
	return from_pthreads(pthread_async_client, &work);
}

static int
async_thread_body(void *arg)
{
	(void)arg;
	return from_pthreads(pthread_async_client, NULL);
}

static void *
pthread_server(void *arg)
{
	(void)arg;
	serve(&work);
	ADD(finished, 1);
	return NULL;
}

static void
thread_client(void *arg)
{
	struct job j = { .j_from = (int)(uintptr_t)arg };
	int i;

	lwkt_initmsg(&j.j_msg, lwkt_curport(), 0);
	for (i = 0; i < MESSAGES / 2; i++) {
		j.j_seq = i;
		check(lwkt_domsg(&work, &j.j_msg, 0) == (i & 0xff), "%d", i);
	}
	/* A spin reply port: the sleeper is woken for a pthread. */
	lwkt_initmsg(&j.j_msg, &replies[j.j_from], 0);
	for (; i < MESSAGES; i++) {
		j.j_seq = i;
		lwkt_sendmsg(&work, &j.j_msg);
		check(lwkt_waitmsg(&j.j_msg, 0) == (i & 0xff), "%d", i);
	}
}

static int
pthread_serves_body(void *arg)
{
	lwkt_thread_t td[PTHREADS];
	pthread_t pt;
	int i;

	(void)arg;
	reset();
	pthreads_start(&pt, 1, pthread_server);
	for (i = 0; i < PTHREADS; i++)
		td[i] = spawn_on(i, thread_client, (void *)(uintptr_t)i);
	join_all(td, PTHREADS);
	stop_server(&work);
	pthreads_join(&pt, 1);
	check(received == PTHREADS * MESSAGES, "received %u", received);
	return 0;
}

static void *
pthread_forwarder(void *arg)
{
	struct job *j;
	int seq;

	(void)arg;
	do {
		j = lwkt_waitport(&work, 0);
		seq = j->j_seq;
		lwkt_forwardmsg(target, &j->j_msg);
	} while (seq >= 0);
	ADD(finished, 1);
	return NULL;
}

/* Thread to pthread to thread and back. */
static int
forward_body(void *arg)
{
	lwkt_thread_t std, ctd;
	pthread_t pt;

	(void)arg;
	reset();
	std = spawn_on(1, thread_server, NULL);
	target = lwkt_threadport(std);
	pthreads_start(&pt, 1, pthread_forwarder);
	ctd = spawn_on(0, thread_client, (void *)0);
	join(ctd);
	stop_server(&work);
	join(std);
	pthreads_join(&pt, 1);
	check(received == MESSAGES, "received %u", received);
	return 0;
}

/* Serve two ports until -1 came to each; on an lwkt thread or a pthread. */
static void
serve_both(lwkt_port_t one, lwkt_port_t other)
{
	const lwkt_port_t ports[2] = { one, other };
	int which, stops = 0, seq;
	struct job *j;

	while (stops < 2) {
		j = lwkt_port_select(ports, 2, &which, 0, LWKT_FOREVER);
		check(j != NULL && j->j_msg.ms_target == ports[which],
		    "port %d", which);
		seq = j->j_seq;
		stops += seq < 0;
		if (seq >= 0)
			ADD(received, 1);
		lwkt_replymsg(&j->j_msg, seq & 0xff);
	}
	check(lwkt_port_select(ports, 2, &which, 0, 0) == NULL &&
	    which == -EWOULDBLOCK, "one is left");
}

static void *
pthread_selects(void *arg)
{
	(void)arg;
	serve_both(&work, &second);
	check(lwkt_waitport_timed(&work, 0, 0) == NULL, "poll");
	ADD(finished, 1);
	return NULL;
}

static void
thread_selects(void *arg)
{
	(void)arg;
	serve_both(lwkt_curport(), &work);
}

static void
thread_client_both(void *arg)
{
	struct job j = { .j_from = (int)(uintptr_t)arg };
	int i;

	lwkt_initmsg(&j.j_msg, lwkt_curport(), 0);
	for (i = 0; i < MESSAGES; i++) {
		j.j_seq = i;
		check(lwkt_domsg(i % 2 ? &work : &second, &j.j_msg, 0) ==
		    (i & 0xff), "%d", i);
	}
}

/* A pthread waits on two ports; threads send to both. */
static int
pthread_selects_body(void *arg)
{
	lwkt_thread_t td[PTHREADS];
	pthread_t pt;
	int i;

	(void)arg;
	reset();
	lwkt_initport_spin(&second);
	pthreads_start(&pt, 1, pthread_selects);
	for (i = 0; i < PTHREADS; i++)
		td[i] = spawn_on(i, thread_client_both, (void *)(uintptr_t)i);
	join_all(td, PTHREADS);
	stop_server(&work);
	stop_server(&second);
	pthreads_join(&pt, 1);
	check(received == PTHREADS * MESSAGES, "received %u", received);
	return 0;
}

/* A thread that waits on several ports is woken for pthreads. */
static int
thread_selects_body(void *arg)
{
	pthread_t pt[PTHREADS];
	lwkt_thread_t td;

	(void)arg;
	reset();
	td = spawn_on(1, thread_selects, NULL);
	pthreads_start(pt, PTHREADS, pthread_sync_client);
	pthreads_join(pt, PTHREADS);
	check(received == PTHREADS * MESSAGES, "received %u", received);
	stop_server(&work);
	stop_server(lwkt_threadport(td));
	join(td);
	check(work.mp_inflight == 0 && work.mp_watch == NULL,
	    "%u in flight", work.mp_inflight);
	return 0;
}

static void *
pthread_timed(void *arg)
{
	(void)arg;
	lwkt_waitport_timed(&work, 0, MS);
	return NULL;
}

static int
timed_body(void *arg)
{
	pthread_t pt;

	(void)arg;
	reset();
	pthreads_start(&pt, 1, pthread_timed);
	lwkt_sleep_ns(1000 * MS);
	return 0;
}

/* Two pthreads among themselves, with no kernel at all. */
static void
without_kernel(void)
{
	pthread_t client, server;

	reset();
	pthread_create(&server, NULL, pthread_server, NULL);
	pthread_create(&client, NULL, pthread_sync_client, NULL);
	pthread_join(client, NULL);
	{
		struct job j = { .j_seq = -1 };

		lwkt_initmsg(&j.j_msg, &replies[1], 0);
		is_int(lwkt_domsg(&work, &j.j_msg, 0), 0xff,
		    "pthreads use a spin port before boot");
	}
	pthread_join(server, NULL);
	is_int(received, MESSAGES, "and nothing gets lost");
}

/*
 * A port without a queue gives a message to whoever replies it: what was sent
 * by a thread may be replied by a pthread, and the other way round.
 */
static struct lwkt_port putonly, checking;
static struct job passed;
static uint32_t stashed, replied;

static int
stash(lwkt_port_t port, lwkt_msg_t msg)
{
	(void)port;
	check(msg == &passed.j_msg, "another message");
	STORE(stashed, 1);
	return LWKT_EASYNC;
}

static int
check_caller(lwkt_msg_t msg)
{
	check(((msg->ms_flags & LWKT_MSGF_FOREIGN) != 0) ==
	    (lwkt_cpuid() == -1), "flags %#x on CPU %d", msg->ms_flags,
	    lwkt_cpuid());
	return 0;
}

static int
check_put(lwkt_port_t port, lwkt_msg_t msg)
{
	(void)port;
	return check_caller(msg);
}

static void
check_reply(lwkt_port_t port, lwkt_msg_t msg)
{
	(void)port;
	check_caller(msg);
	STORE(replied, 1);
}

static void
stash_reset(void)
{
	STORE(stashed, 0);
	STORE(replied, 0);
	STORE(finished, 0);
	lwkt_initport_putonly(&putonly, stash);
	lwkt_initport_replyonly(&checking, check_reply);
	lwkt_initmsg(&passed.j_msg, &checking, 0);
}

static void *
pthread_sends(void *arg)
{
	(void)arg;
	lwkt_sendmsg(&putonly, &passed.j_msg);
	ADD(finished, 1);
	return NULL;
}

static int
thread_replies_body(void *arg)
{
	pthread_t pt;

	(void)arg;
	stash_reset();
	pthreads_start(&pt, 1, pthread_sends);
	pthreads_join(&pt, 1);
	check(LOAD(stashed) == 1, "stashed");
	lwkt_replymsg(&passed.j_msg, 0);
	check(LOAD(replied) == 1, "replied");
	return 0;
}

static void *
pthread_replies(void *arg)
{
	(void)arg;
	lwkt_replymsg(&passed.j_msg, 0);
	ADD(finished, 1);
	return NULL;
}

static int
pthread_replies_body(void *arg)
{
	pthread_t pt;

	(void)arg;
	stash_reset();
	lwkt_sendmsg(&putonly, &passed.j_msg);
	check(LOAD(stashed) == 1, "stashed");
	pthreads_start(&pt, 1, pthread_replies);
	pthreads_join(&pt, 1);
	check(LOAD(replied) == 1, "replied");
	return 0;
}

static void *
pthread_forwards(void *arg)
{
	(void)arg;
	lwkt_forwardmsg(&second, &passed.j_msg);
	ADD(finished, 1);
	return NULL;
}

static int
pthread_forwards_body(void *arg)
{
	pthread_t pt;

	(void)arg;
	stash_reset();
	lwkt_initport_putonly(&second, check_put);
	lwkt_sendmsg(&putonly, &passed.j_msg);
	pthreads_start(&pt, 1, pthread_forwards);
	pthreads_join(&pt, 1);
	check(LOAD(replied) == 1, "replied");
	return 0;
}

int
main(void)
{
	panics("a pthread that waits with a timeout panics", timed_body,
	    "with a timeout");
	without_kernel();
	sim_explore("pthreads call a thread through a spin port",
	    sync_spin_body, NULL, 0);
	sim_explore("pthreads call a thread through its own port",
	    sync_thread_body, NULL, 0);
	sim_explore("messages of pthreads stay in order, spin port",
	    async_spin_body, NULL, 0);
	sim_explore("messages of pthreads stay in order, thread port",
	    async_thread_body, NULL, 0);
	sim_explore("a pthread serves threads", pthread_serves_body, NULL, 0);
	sim_explore("a pthread forwards", forward_body, NULL, 0);
	sim_explore("a pthread waits on several ports", pthread_selects_body,
	    NULL, 0);
	sim_explore("pthreads call a thread that waits on several ports",
	    thread_selects_body, NULL, 0);
	sim_explore("a thread replies what a pthread gave to a putonly port",
	    thread_replies_body, NULL, 0);
	sim_explore("a pthread replies what a thread gave to a putonly port",
	    pthread_replies_body, NULL, 0);
	sim_explore("a pthread forwards what a thread gave to a putonly port",
	    pthread_forwards_body, NULL, 0);
	return tap_done();
}
