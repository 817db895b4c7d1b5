/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Sending in two steps, sending to this CPU only, and waiting for a reply that
 * is there already.
 */
#include <lwkt/spinlock.h>

#include "core/port/job.h"

static struct lwkt_port port;

/* (race 26 of the history: a message sent under a spinlock) */
static int
prepare_body(void *arg)
{
	lwkt_thread_t td = spawn_on(1, echo, NULL);
	struct lwkt_spin spin;
	struct job j;

	(void)arg;
	lwkt_spin_init(&spin, "test");
	job_init(&j, lwkt_curport(), W_ADD, 0);
	lwkt_spin_lock(&spin);
	lwkt_sendmsg_prepare(lwkt_threadport(td), &j.j_msg);
	check(!lwkt_checkmsg(&j.j_msg), "it is on its way");
	lwkt_spin_unlock(&spin);
	lwkt_sendmsg_start(lwkt_threadport(td), &j.j_msg);
	check(lwkt_waitmsg(&j.j_msg, 0) == 4, "reply");
	end(td);
	return 0;
}

static int
not_prepared_body(void *arg)
{
	struct job j;

	(void)arg;
	job_init(&j, lwkt_curport(), W_ADD, 0);
	lwkt_sendmsg_start(lwkt_curport(), &j.j_msg);
	return 0;
}

static int
oncpu_body(void *arg)
{
	lwkt_thread_t td = spawn_on(lwkt_cpuid(), echo, NULL);
	struct job j;

	(void)arg;
	job_init(&j, lwkt_curport(), W_ADD, 0);
	lwkt_sendmsg_oncpu(lwkt_threadport(td), &j.j_msg);
	check(lwkt_waitmsg(&j.j_msg, 0) == 4, "reply");
	lwkt_initport_spin(&port);
	lwkt_sendmsg_oncpu(&port, &j.j_msg);
	check(lwkt_getport(&port) == &j, "a spin port");
	lwkt_replymsg(&j.j_msg, 0);
	lwkt_waitmsg(&j.j_msg, 0);
	end(td);
	return 0;
}

static int
not_oncpu_body(void *arg)
{
	lwkt_thread_t td = spawn_on(1, echo, NULL);
	struct job j;

	(void)arg;
	job_init(&j, lwkt_curport(), W_ADD, 0);
	lwkt_sendmsg_oncpu(lwkt_threadport(td), &j.j_msg);
	return 0;
}

/* The reply comes before anybody waits. */
static int
unwaited_body(void *arg)
{
	lwkt_port_t reply = arg != NULL ? &port : lwkt_curport();
	lwkt_thread_t td = spawn_on(1, echo, NULL);
	struct job j;

	lwkt_initport_spin(&port);
	job_init(&j, reply, W_ADD, 0);
	lwkt_sendmsg(lwkt_threadport(td), &j.j_msg);
	end(td);		/* and so it has replied */
	while (!lwkt_checkmsg(&j.j_msg))
		lwkt_yield();
	check(lwkt_waitmsg(&j.j_msg, 0) == 4, "reply");
	check(lwkt_getport(reply) == NULL, "it is still queued");
	return 0;
}

int
main(void)
{
	panics("a message that is not prepared panics", not_prepared_body,
	    "is not prepared");
	panics("sendmsg_oncpu to another cpu panics", not_oncpu_body,
	    "from cpu 0");
	sim_explore("prepared under a spinlock, sent after it", prepare_body,
	    NULL, 100);
	sim_explore("sent to this CPU", oncpu_body, NULL, 50);
	sim_explore("a reply before anybody waits", unwaited_body, NULL, 100);
	sim_explore("the same at a spin port", unwaited_body, &port, 100);
	return tap_done();
}
