/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Messages that are carried out by their sender: direct functions.
 */
#include "core/port/job.h"

#define CLIENTS		3
#define MESSAGES	5

static struct lwkt_port port;
static lwkt_thread_t owner;
static uint32_t ready, direct, queued, total;
static struct job nested;
static int inside;

/* What the owner would do, with its data: never two of us at once. */
static void
add(void)
{
	check(inside == 0, "%d others inside", inside);
	inside++;
	if (lwkt_self() == owner)
		lwkt_yield();
	inside--;
	total++;
}

static int
direct_fn(lwkt_port_t at, lwkt_msg_t msg)
{
	struct job *j = (struct job *)msg;

	check(at == &port && lwkt_cpuid() == lwkt_getcpu(owner),
	    "on cpu %d", lwkt_cpuid());
	if (j->j_what == W_LATER || j->j_what == W_STOP)
		return LWKT_EASYNC;
	if (j->j_what == W_NEST)
		lwkt_sendmsg(at, &nested.j_msg);
	add();
	direct++;
	return 10;
}

static void
server(void *arg)
{
	struct job *j;
	enum what what;

	(void)arg;
	owner = lwkt_self();
	lwkt_initport_thread(&port, lwkt_self());
	lwkt_port_setdirect(&port, direct_fn);
	STORE(ready, 1);
	lwkt_wakeup(&ready);
	do {
		j = lwkt_waitport(&port, 0);
		what = j->j_what;
		add();
		queued++;
		lwkt_replymsg(&j->j_msg, 20);
	} while (what != W_STOP);
}

static lwkt_thread_t
server_start(int cpu)
{
	lwkt_thread_t td;

	STORE(ready, 0);
	direct = queued = total = 0;
	inside = 0;
	td = spawn_on(cpu, server, NULL);
	await_asleep(&ready, 1);
	return td;
}

static void
server_stop(lwkt_thread_t td)
{
	struct job j;

	job_init(&j, lwkt_curport(), W_STOP, 0);
	check(lwkt_domsg(&port, &j.j_msg, 0) == 20, "stop");
	join(td);
}

/* The owner waits here: no switch.  Its data stay its own. */
static int
here_body(void *arg)
{
	lwkt_thread_t td = server_start(lwkt_cpuid()), self = lwkt_self();
	struct job j, later;
	uint64_t switches;

	(void)arg;
	lwkt_yield();		/* it waits now */
	switches = self->td_switches;
	job_init(&j, lwkt_curport(), W_ADD, 0);
	check(lwkt_domsg(&port, &j.j_msg, 0) == 10, "direct");
	check(lwkt_checkmsg(&j.j_msg) && direct == 1, "%u direct", direct);
	lwkt_sendmsg(&port, &j.j_msg);
	check(lwkt_getport(lwkt_curport()) == &j, "the reply is queued");
	check(j.j_msg.ms_error == 10 && direct == 2, "%u direct", direct);
	check(self->td_switches == switches, "a switch");
	job_init(&later, lwkt_curport(), W_LATER, 0);
	lwkt_sendmsg(&port, &later.j_msg);
	check(lwkt_domsg(&port, &j.j_msg, 0) == 20, "not before another");
	check(lwkt_waitmsg(&later.j_msg, 0) == 20, "declined: queued");
	job_init(&nested, lwkt_curport(), W_ADD, 0);
	job_init(&j, lwkt_curport(), W_NEST, 0);
	check(lwkt_domsg(&port, &j.j_msg, 0) == 10, "direct");
	check(lwkt_waitmsg(&nested.j_msg, 0) == 20, "not inside another");
	server_stop(td);
	return 0;
}

static void
client(void *arg)
{
	struct job j[MESSAGES], *back;
	int i, error;

	(void)arg;
	for (i = 0; i < MESSAGES; i++) {
		job_init(&j[i], lwkt_curport(), i == 2 ? W_LATER : W_ADD, i);
		if (i % 2 == 0) {
			error = lwkt_domsg(&port, &j[i].j_msg, 0);
			check(error == 20 || (error == 10 && i != 2),
			    "error %d", error);
		} else {
			lwkt_sendmsg(&port, &j[i].j_msg);
		}
	}
	for (i = 1; i < MESSAGES; i += 2) {
		back = lwkt_waitport(lwkt_curport(), 0);
		check(back == &j[i], "reply %d out of order", back->j_seq);
	}
}

/* From everywhere: each is carried out once, never two at once. */
static int
everywhere_body(void *arg)
{
	lwkt_thread_t td = server_start(1), ctd[CLIENTS];
	int i;

	(void)arg;
	for (i = 0; i < CLIENTS; i++)
		ctd[i] = spawn_on(i, client, NULL);
	join_all(ctd, CLIENTS);
	server_stop(td);
	check(total == CLIENTS * MESSAGES + 1 && direct + queued == total,
	    "%u: %u direct, %u queued", total, direct, queued);
	return 0;
}

/* A message to oneself that would wait for ever. */
static int
self_fn(lwkt_port_t at, lwkt_msg_t msg)
{
	(void)at;
	(void)msg;
	lwkt_sleep_ns(1000);
	direct++;
	return 30;
}

static int
self_body(void *arg)
{
	struct job j;

	(void)arg;
	direct = 0;
	lwkt_initport_thread(&port, lwkt_self());
	lwkt_port_setdirect(&port, self_fn);
	job_init(&j, &port, W_ADD, 0);
	lwkt_sendmsg(&port, &j.j_msg);
	check(direct == 0 && lwkt_getport(&port) == &j, "sent: queued");
	lwkt_replymsg(&j.j_msg, 0);
	check(lwkt_getport(&port) == &j, "the reply");
	check(lwkt_domsg(&port, &j.j_msg, 0) == 30 && direct == 1, "done");
	return 0;
}

/* In the middle of another message the owner is not idle. */
static void
busy_owner(void *arg)
{
	struct job ask, *j;

	owner = lwkt_self();
	lwkt_initport_thread(&port, lwkt_self());
	lwkt_port_setdirect(&port, direct_fn);
	STORE(ready, 1);
	lwkt_wakeup(&ready);
	inside = 1;		/* direct_fn would notice */
	job_init(&ask, &port, W_ADD, 0);
	lwkt_sendmsg(arg, &ask.j_msg);
	check(lwkt_waitmsg(&ask.j_msg, 0) == 0, "asked");
	inside = 0;
	j = lwkt_waitport(&port, 0);
	queued++;
	lwkt_replymsg(&j->j_msg, 20);
}

static int
busy_body(void *arg)
{
	struct job j, *ask;
	lwkt_thread_t td;

	(void)arg;
	STORE(ready, 0);
	direct = queued = 0;
	td = spawn_on(lwkt_cpuid(), busy_owner, lwkt_curport());
	ask = lwkt_waitport(lwkt_curport(), 0);
	job_init(&j, lwkt_curport(), W_ADD, 0);
	lwkt_sendmsg(&port, &j.j_msg);
	lwkt_replymsg(&ask->j_msg, 0);
	check(lwkt_waitmsg(&j.j_msg, 0) == 20, "queued");
	join(td);
	check(direct == 0 && queued == 1, "%u direct", direct);
	return 0;
}

/* A spin port: who would wait does the work, unless somebody waits longer. */
static int
spin_fn(lwkt_port_t at, lwkt_msg_t msg)
{
	check(at == &port && msg->ms_target == at, "the port");
	lwkt_yield();
	ADD(direct, 1);
	return 10;
}

static int
spin_body(void *arg)
{
	struct job first, j;

	(void)arg;
	direct = 0;
	lwkt_initport_spin(&port);
	lwkt_port_setdirect(&port, spin_fn);
	job_init(&j, lwkt_curport(), W_ADD, 0);
	check(lwkt_domsg(&port, &j.j_msg, 0) == 10 && direct == 1, "direct");
	job_init(&first, lwkt_curport(), W_ADD, 0);
	lwkt_sendmsg(&port, &first.j_msg);
	check(direct == 1, "sent: queued");
	lwkt_sendmsg(&port, &j.j_msg);
	check(lwkt_getport(&port) == &first && lwkt_getport(&port) == &j,
	    "in order");
	lwkt_replymsg(&first.j_msg, 0);
	lwkt_replymsg(&j.j_msg, 0);
	return 0;
}

static int
blocking_fn(lwkt_port_t at, lwkt_msg_t msg)
{
	(void)at;
	(void)msg;
	lwkt_yield();
	lwkt_sleep_ns(1000);
	return 0;
}

static int
blocks_body(void *arg)
{
	lwkt_thread_t td = server_start(lwkt_cpuid());
	struct job j;

	(void)arg;
	port.mp_directfn = blocking_fn;
	lwkt_yield();
	job_init(&j, lwkt_curport(), W_ADD, 0);
	lwkt_domsg(&port, &j.j_msg, 0);
	join(td);
	return 0;
}

static int
setdirect_body(void *arg)
{
	(void)arg;
	lwkt_initport_panic(&port);
	lwkt_port_setdirect(&port, direct_fn);
	return 0;
}

int
main(void)
{
	panics("a direct function that blocks panics", blocks_body,
	    "blocked");
	panics("a port that cannot be direct panics", setdirect_body,
	    "neither a thread port nor a spin port");
	sim_explore("an idle owner's message is carried out by its sender",
	    here_body, NULL, 100);
	sim_explore("direct or queued, one at a time, each once",
	    everywhere_body, NULL, 200);
	sim_explore("a thread calls itself", self_body, NULL, 20);
	sim_explore("nothing is done for an owner amid another message",
	    busy_body, NULL, 100);
	sim_explore("the sender to a spin port does the work", spin_body, NULL,
	    20);
	return tap_done();
}
