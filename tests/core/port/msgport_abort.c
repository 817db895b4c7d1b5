/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A wait for a message or a reply is interrupted: the abort of a message, and
 * its race with the reply.
 */
#include "core/port/server.h"

static lwkt_port_t target;

/* The receiver ends a held message early. */
static void
abort_reply_remote(void *arg)
{
	struct request *r = arg;

	if (LOAD(held) == r) {
		STORE(held, NULL);
		lwkt_replymsg(&r->r_msg, EINTR);
	}
}

static void
abort_held(lwkt_msg_t msg)
{
	ADD(aborted, 1);
	lwkt_send_ipiq(1 % lwkt_ncpus(), abort_reply_remote, msg);
}

static void
abort_client(void *arg)
{
	int *error = arg;
	struct request r;

	memset(&r, 0, sizeof(r));
	lwkt_initmsg_abortable(&r.r_msg, lwkt_curport(), 0, abort_held);
	r.r_what = W_HOLD;
	*error = lwkt_domsg(target, &r.r_msg, LWKT_PCATCH);
	lwkt_abortmsg(&r.r_msg);	/* done: nothing */
	/* An interrupt that did not end the wait is still there. */
	if (*error == 0)
		check(lwkt_tsleep(&target, LWKT_PCATCH, "left",
		    LWKT_FOREVER) == EINTR, "the interrupt got lost");
}

static int
abort_body(void *arg)
{
	lwkt_thread_t td = server_start(1, NULL), ctd;
	int error = -1;

	(void)arg;
	target = lwkt_threadport(td);
	ctd = spawn_on(2, abort_client, &error);
	while (LOAD(held) == NULL)
		lwkt_tsleep(&held, 0, "held", MS);
	lwkt_interrupt(ctd);
	join(ctd);
	check(error == EINTR, "error %d", error);
	check(LOAD(aborted) == 1, "aborted %u times", LOAD(aborted));
	server_stop(td);
	return 0;
}

static void
reply_held(void *arg)
{
	struct request *r;

	(void)arg;
	lwkt_crit_enter();
	if ((r = LOAD(held)) != NULL) {
		STORE(held, NULL);
		lwkt_replymsg(&r->r_msg, 0);
	}
	lwkt_crit_exit();
}

/* The reply and the abort race; exactly one of them ends the message. */
static int
abort_race_body(void *arg)
{
	lwkt_thread_t td = server_start(1, NULL), ctd, rtd;
	int error = -1;

	(void)arg;
	target = lwkt_threadport(td);
	ctd = spawn_on(2, abort_client, &error);
	while (LOAD(held) == NULL)
		lwkt_tsleep(&held, 0, "held", MS);
	rtd = spawn_on(1, reply_held, NULL);
	lwkt_interrupt(ctd);
	join(ctd);
	join(rtd);
	check(error == EINTR || error == 0, "error %d", error);
	check(LOAD(aborted) <= 1, "aborted %u times", LOAD(aborted));
	server_stop(td);
	return 0;
}

/* A message without an abort function is waited for all the same. */
static int
not_abortable_body(void *arg)
{
	lwkt_thread_t td = server_start(1, NULL);
	struct request r;

	(void)arg;
	request_init(&r, W_ADD, 0);
	r.r_a = 3;
	lwkt_interrupt(lwkt_self());
	check(lwkt_domsg(lwkt_threadport(td), &r.r_msg, LWKT_PCATCH) == 3,
	    "result");
	check(lwkt_waitport(lwkt_curport(), LWKT_PCATCH) == NULL, "pending");
	server_stop(td);
	return 0;
}

static uint32_t ended;		/* waits, by an interrupt */

static void
interrupted_receiver(void *arg)
{
	struct request *r;

	(void)arg;
	while ((r = lwkt_waitport(lwkt_curport(), LWKT_PCATCH)) == NULL ||
	    r->r_what != W_STOP) {
		if (r != NULL)
			lwkt_replymsg(&r->r_msg, 0);
		else
			ADD(ended, 1);
	}
	lwkt_replymsg(&r->r_msg, 0);
}

static int
waitport_interrupt_body(void *arg)
{
	lwkt_thread_t td;
	struct request r;

	(void)arg;
	STORE(ended, 0);
	td = spawn_on(1, interrupted_receiver, NULL);
	request_init(&r, W_ADD, 0);
	lwkt_interrupt(td);
	check(lwkt_domsg(lwkt_threadport(td), &r.r_msg, 0) == 0, "served");
	lwkt_interrupt(td);
	await(&ended, 1);	/* for ever, if none is */
	request_init(&r, W_STOP, 0);
	check(lwkt_domsg(lwkt_threadport(td), &r.r_msg, 0) == 0, "stop");
	join(td);
	return 0;
}

int
main(void)
{
	sim_explore("an interrupt aborts a message", abort_body, NULL, 200);
	sim_explore("abort and reply race", abort_race_body, NULL, 200);
	sim_explore("what is not abortable is waited for",
	    not_abortable_body, NULL, 50);
	sim_explore("an interrupt ends waitport", waitport_interrupt_body,
	    NULL, 100);
	return tap_done();
}
