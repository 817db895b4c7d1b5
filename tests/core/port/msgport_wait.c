/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Waiting on several ports, and with a limit: no message is missed, none is
 * left where somebody waits for it.
 */
#include <lwkt/msgport.h>

#include "core/util.h"

#define WORKERS		3
#define EACH		4		/* messages to each port */

enum what { W_WORK, W_STOP };

struct job {
	struct lwkt_msg	 j_msg;		/* first */
	enum what	 j_what;
};

static struct lwkt_port shared, other;
static uint32_t got_own, got_shared, leaver_got, interrupts, timeouts;
static lwkt_port_t target;

static void
reset(void)
{
	lwkt_initport_spin(&shared);
	lwkt_initport_spin(&other);
	STORE(got_own, 0);
	STORE(got_shared, 0);
	STORE(leaver_got, 0);
	STORE(interrupts, 0);
	STORE(timeouts, 0);
}

static void
job_init(struct job *j, lwkt_port_t reply, enum what what, int flags)
{
	j->j_what = what;
	lwkt_initmsg(&j->j_msg, reply, flags);
}

/* The first port that has something comes first, whatever came first. */
static int
order_body(void *arg)
{
	lwkt_port_t ports[3] = { lwkt_curport(), &shared, &other };
	struct job j[4];
	int i, which;

	(void)arg;
	reset();
	for (i = 0; i < 3; i++) {
		job_init(&j[i], lwkt_curport(), W_WORK, 0);
		lwkt_sendmsg(ports[2 - i], &j[i].j_msg);
	}
	job_init(&j[3], lwkt_curport(), W_WORK, LWKT_MSGF_PRIORITY);
	lwkt_sendmsg(&other, &j[3].j_msg);
	check(lwkt_port_select(ports, 3, &which, 0, 0) == &j[2], "own");
	check(which == 0, "which %d", which);
	check(lwkt_port_select(ports, 3, &which, 0, LWKT_FOREVER) == &j[1],
	    "shared");
	check(which == 1, "which %d", which);
	check(lwkt_port_select(ports, 3, &which, 0, 0) == &j[3], "priority");
	check(lwkt_port_select(ports, 3, NULL, 0, 0) == &j[0], "other");
	check(lwkt_port_select(ports, 3, &which, 0, 0) == NULL, "empty");
	check(which == -EWOULDBLOCK, "which %d", which);
	check(shared.mp_watch == NULL && other.mp_watch == NULL &&
	    lwkt_curport()->mp_flags == 0, "a request is left");
	return 0;
}

static void
worker(void *arg)
{
	lwkt_port_t ports[2] = { lwkt_curport(), &shared };
	struct job *j;
	int which;

	(void)arg;
	for (;;) {
		j = lwkt_port_select(ports, 2, &which, 0, LWKT_FOREVER);
		if (j->j_what == W_STOP) {
			check(which == 0, "which %d", which);
			lwkt_replymsg(&j->j_msg, 0);
			return;
		}
		if (which == 0)
			ADD(got_own, 1);
		else
			ADD(got_shared, 1);
		lwkt_replymsg(&j->j_msg, which);
	}
}

static void
client(void *arg)
{
	lwkt_port_t own = lwkt_threadport(arg);
	struct job j[2 * EACH];
	int i;

	for (i = 0; i < 2 * EACH; i++) {
		job_init(&j[i], lwkt_curport(), W_WORK, 0);
		lwkt_sendmsg(i % 2 == 0 ? own : &shared, &j[i].j_msg);
	}
	for (i = 0; i < 2 * EACH; i++)
		check(lwkt_waitmsg(&j[i].j_msg, 0) == i % 2, "message %d", i);
	job_init(&j[1], lwkt_curport(), W_WORK, 0);
	check(lwkt_domsg(own, &j[1].j_msg, 0) == 0, "own");
}

static void
stop(lwkt_thread_t td)
{
	struct job j;

	job_init(&j, lwkt_curport(), W_STOP, 0);
	check(lwkt_domsg(lwkt_threadport(td), &j.j_msg, 0) == 0, "stop");
	join(td);
}

/* Every message to any of the ports is served. */
static int
workers_body(void *arg)
{
	lwkt_thread_t td[WORKERS], ctd[WORKERS];
	int i;

	(void)arg;
	reset();
	for (i = 0; i < WORKERS; i++)
		td[i] = spawn_on(i + 1, worker, NULL);
	for (i = 0; i < WORKERS; i++)
		ctd[i] = spawn_on(i, client, td[i]);
	join_all(ctd, WORKERS);
	check(got_own == WORKERS * (EACH + 1), "own %u", got_own);
	check(got_shared == WORKERS * EACH, "shared %u", got_shared);
	for (i = 0; i < WORKERS; i++)
		stop(td[i]);
	check(shared.mp_watch == NULL, "a request is left");
	return 0;
}

/* Leaves with what comes to its own port, and waits till another got ours. */
static void
leaver(void *arg)
{
	lwkt_port_t ports[2] = { lwkt_curport(), &shared };
	struct job *j;
	int which;

	(void)arg;
	j = lwkt_port_select(ports, 2, &which, 0, LWKT_FOREVER);
	if (which == 0) {
		await_asleep(&got_shared, 1);
	} else {
		STORE(leaver_got, 1);
		ADD(got_shared, 1);
		lwkt_wakeup(&got_shared);
	}
	lwkt_replymsg(&j->j_msg, 0);
	if (which == 1) {
		j = lwkt_waitport(ports[0], 0);
		lwkt_replymsg(&j->j_msg, 0);
	}
}

/* Stays with the shared port. */
static void
stayer(void *arg)
{
	lwkt_port_t ports[2] = { &shared, &other };
	struct job *j = arg != NULL ? lwkt_waitport(&shared, 0) :
	    lwkt_port_select(ports, 2, NULL, 0, LWKT_FOREVER);

	if (j->j_what == W_WORK) {
		ADD(got_shared, 1);
		lwkt_wakeup(&got_shared);
	}
	lwkt_replymsg(&j->j_msg, 0);
}

/*
 * One of two that wait on a port is woken for its message, but leaves with
 * another: the other one gets the message.  arg: it waits on this port alone.
 */
static int
baton_body(void *arg)
{
	lwkt_thread_t ltd, std;
	struct job own, common, end;

	reset();
	job_init(&own, lwkt_curport(), W_WORK, 0);
	job_init(&common, lwkt_curport(), W_WORK, 0);
	job_init(&end, lwkt_curport(), W_STOP, 0);
	std = spawn_on(2, stayer, arg);
	ltd = spawn_on(1, leaver, NULL);
	if (lwkt_time_ns() % 2)
		lwkt_sleep_ns(MS);
	lwkt_sendmsg(&shared, &common.j_msg);
	lwkt_sendmsg(lwkt_threadport(ltd), &own.j_msg);
	check(lwkt_waitmsg(&common.j_msg, 0) == 0, "common");
	check(lwkt_waitmsg(&own.j_msg, 0) == 0, "own");
	join(ltd);
	/* If the leaver had the common one, the other still waits. */
	lwkt_sendmsg(&shared, &end.j_msg);
	if (LOAD(leaver_got))
		check(lwkt_waitmsg(&end.j_msg, 0) == 0, "the last one");
	else
		check(lwkt_getport(&shared) == &end, "nobody waits for it");
	join(std);
	return 0;
}

/* Blocks until all have a message; every other one selects. */
static void
rendezvous(void *arg)
{
	lwkt_port_t ports[2] = { &other, &shared };
	struct job *j = arg != NULL ? lwkt_waitport(&shared, 0) :
	    lwkt_port_select(ports, 2, NULL, 0, LWKT_FOREVER);

	ADD(got_shared, 1);
	lwkt_wakeup(&got_shared);
	await_asleep(&got_shared, 4);
	lwkt_replymsg(&j->j_msg, 0);
}

/* Of those that wait and those that select, each message wakes another one. */
static int
each_wakes_one_body(void *arg)
{
	lwkt_thread_t td[4];
	struct job j[4];
	int i;

	(void)arg;
	reset();
	for (i = 0; i < 4; i++)
		td[i] = spawn_on(i, rendezvous, i % 2 ? &shared : NULL);
	if (lwkt_time_ns() % 2)
		lwkt_sleep_ns(MS);
	for (i = 0; i < 4; i++) {
		job_init(&j[i], lwkt_curport(), W_WORK, 0);
		lwkt_sendmsg(&shared, &j[i].j_msg);
	}
	join_all(td, 4);
	for (i = 0; i < 4; i++)
		lwkt_waitmsg(&j[i].j_msg, 0);
	return 0;
}

static void
sender(void *arg)
{
	struct job *j = arg;

	lwkt_sleep_ns(MS);
	lwkt_sendmsg(target, &j->j_msg);
}

/* Time and message race: it is received, or it is still there. */
static int
timeout_body(void *arg)
{
	lwkt_port_t ports[2] = { lwkt_curport(), &shared };
	lwkt_thread_t td;
	struct job j, *got;
	int which, i;

	(void)arg;
	for (i = 0; i < 2; i++) {
		reset();
		target = ports[i];
		job_init(&j, &other, W_WORK, 0);
		td = spawn_on(1, sender, &j);
		got = lwkt_port_select(ports, 2, &which, 0, MS);
		if (got == NULL) {
			check(which == -EWOULDBLOCK, "which %d", which);
			join(td);
			got = lwkt_waitport(target, 0);
		} else {
			check(which == i, "which %d", which);
			join(td);
		}
		check(got == &j, "another message");
		check(shared.mp_watch == NULL, "a request is left");
		lwkt_replymsg(&j.j_msg, 0);
		check(lwkt_getport(&other) == &j, "the reply");
	}
	return 0;
}

/* The same with one port. */
static int
waitport_body(void *arg)
{
	lwkt_port_t ports[2] = { lwkt_curport(), &shared };
	lwkt_thread_t td;
	struct job j, *got;
	int i;

	(void)arg;
	for (i = 0; i < 2; i++) {
		reset();
		target = ports[i];
		check(lwkt_waitport_timed(target, 0, 0) == NULL, "poll");
		check(lwkt_waitport_timed(target, 0, MS / 10) == NULL,
		    "from nobody");
		job_init(&j, &other, W_WORK, 0);
		td = spawn_on(1, sender, &j);
		got = lwkt_waitport_timed(target, 0, MS);
		join(td);
		if (got == NULL)
			got = lwkt_waitport_timed(target, 0, LWKT_FOREVER);
		check(got == &j, "another message");
		check(target->mp_waiters == 0, "%u waiters",
		    target->mp_waiters);
	}
	return 0;
}

static void
slow_server(void *arg)
{
	struct job *j = lwkt_waitport(lwkt_curport(), 0);

	(void)arg;
	lwkt_sleep_ns(MS);
	lwkt_replymsg(&j->j_msg, 7);
}

/* Time and reply race: the reply is taken once, then or later. */
static int
waitmsg_body(void *arg)
{
	lwkt_port_t reply = arg != NULL ? &other : lwkt_curport();
	lwkt_thread_t td;
	struct job j;
	int error;

	reset();
	td = spawn_on(1, slow_server, NULL);
	job_init(&j, reply, W_WORK, 0);
	lwkt_sendmsg(lwkt_threadport(td), &j.j_msg);
	/* The reply may come as the poll says that it has not. */
	error = lwkt_waitmsg_timed(&j.j_msg, 0, 0);
	check(error == 0 || error == EWOULDBLOCK, "polled: %d", error);
	if (error != 0) {
		error = lwkt_waitmsg_timed(&j.j_msg, 0, MS);
		check(error == 0 || error == EWOULDBLOCK, "error %d", error);
	}
	if (error != 0)
		check(lwkt_waitmsg_timed(&j.j_msg, 0, LWKT_FOREVER) == 0,
		    "the reply");
	check(j.j_msg.ms_error == 7, "error %d", j.j_msg.ms_error);
	check(lwkt_getport(reply) == NULL, "the reply is still queued");
	join(td);
	return 0;
}

static void
interrupted(void *arg)
{
	lwkt_port_t ports[2] = { lwkt_curport(), &shared };
	struct job *j;
	int which;

	(void)arg;
	while ((j = lwkt_port_select(ports, 2, &which, LWKT_PCATCH,
	    LWKT_FOREVER)) == NULL) {
		check(which == -EINTR, "which %d", which);
		ADD(interrupts, 1);
	}
	/* One that ended nothing is still there. */
	if (LOAD(interrupts) == 0)
		check(lwkt_port_select(ports, 2, &which, LWKT_PCATCH, MS) ==
		    NULL && which == -EINTR, "the interrupt got lost");
	lwkt_replymsg(&j->j_msg, 0);
}

static int
interrupt_body(void *arg)
{
	lwkt_thread_t td;
	struct job j;

	reset();
	job_init(&j, lwkt_curport(), W_WORK, 0);
	td = spawn_on(1, interrupted, NULL);
	lwkt_interrupt(td);
	lwkt_sendmsg(arg != NULL ? &shared : lwkt_threadport(td), &j.j_msg);
	check(lwkt_waitmsg(&j.j_msg, 0) == 0, "served");
	join(td);
	check(interrupts <= 1, "%u interrupts", interrupts);
	return 0;
}

static void
nomad(void *arg)
{
	lwkt_port_t ports[2] = { lwkt_curport(), &shared };
	struct job *j;
	int cpu = 0, left = (int)(uintptr_t)arg;

	for (; left > 0; left--) {
		lwkt_migratecpu(cpu++ % lwkt_ncpus());
		j = lwkt_port_select(ports, 2, NULL, 0, LWKT_FOREVER);
		lwkt_replymsg(&j->j_msg, 0);
	}
}

/* One that selects moves about; what is on its way follows. */
static int
nomad_body(void *arg)
{
	struct job j[6];
	lwkt_thread_t td;
	int i;

	(void)arg;
	reset();
	td = spawn_on(1, nomad, (void *)6);
	for (i = 0; i < 6; i++) {
		job_init(&j[i], lwkt_curport(), W_WORK, 0);
		lwkt_sendmsg(i % 2 ? &shared : lwkt_threadport(td),
		    &j[i].j_msg);
	}
	for (i = 0; i < 6; i++)
		check(lwkt_waitmsg(&j[i].j_msg, 0) == 0, "message %d", i);
	join(td);
	return 0;
}

static void
nothing(void *arg)
{
	(void)arg;
}

static int
not_owner_body(void *arg)
{
	lwkt_port_t port = lwkt_threadport(spawn(nothing, NULL, LWKT_NOSTART,
	    0));

	(void)arg;
	lwkt_port_select(&port, 1, NULL, 0, 0);
	return 0;
}

static int
no_queue_body(void *arg)
{
	lwkt_port_t port = &shared;

	(void)arg;
	lwkt_initport_panic(&shared);
	lwkt_port_select(&port, 1, NULL, 0, 0);
	return 0;
}

static int
no_port_body(void *arg)
{
	(void)arg;
	lwkt_port_select(NULL, 0, NULL, 0, 0);
	return 0;
}

int
main(void)
{
	panics("selecting another thread's port panics", not_owner_body,
	    "belongs to thread");
	panics("selecting a port that has no queue panics", no_queue_body,
	    "neither a thread port nor a spin port");
	panics("selecting nothing panics", no_port_body, "0 ports");
	sim_explore("the order of the ports counts", order_body, NULL, 20);
	sim_explore("nothing is missed at any of the ports", workers_body,
	    NULL, 200);
	sim_explore("who leaves with another message wakes another that "
	    "selects", baton_body, NULL, 300);
	sim_explore("who leaves with another message wakes one that waits",
	    baton_body, &shared, 300);
	sim_explore("each message wakes one that waits or selects",
	    each_wakes_one_body, NULL, 200);
	sim_explore("a select ends in time, and loses no message",
	    timeout_body, NULL, 200);
	sim_explore("waitport ends in time, and loses no message",
	    waitport_body, NULL, 200);
	sim_explore("waitmsg ends in time, and takes one reply", waitmsg_body,
	    NULL, 200);
	sim_explore("the same at a spin port", waitmsg_body, &other, 200);
	sim_explore("an interrupt ends a select, or stays", interrupt_body,
	    NULL, 200);
	sim_explore("the same with a message to the spin port",
	    interrupt_body, &shared, 200);
	sim_explore("messages follow one that selects and moves", nomad_body,
	    NULL, 200);
	return tap_done();
}
