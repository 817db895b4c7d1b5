/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Races of DragonFly's history, of message ports.
 *
 * The numbers are those of docs/races.md, which says for each what breaks it.
 */
#include <lwkt/msgport.h>

#include "core/util.h"

#define NMSGS		TIMES(2000, 40)

static struct lwkt_port spin, done_port;
static struct lwkt_msg msgs[NMSGS];
static uint32_t dropped, received, replied, stop;

static void
count_reply(lwkt_port_t port, lwkt_msg_t msg)
{
	(void)port, (void)msg;
	ADD(replied, 1);
}

static void
fresh(int flags)
{
	int i;

	lwkt_initport_spin(&spin);
	lwkt_initport_replyonly(&done_port, count_reply);
	for (i = 0; i < NMSGS; i++)
		lwkt_initmsg(&msgs[i], &done_port, flags);
	dropped = received = replied = stop = 0;
}

/* Receive and reply until told and nothing is left. */
static void
receive(void *arg)
{
	lwkt_msg_t msg;
	unsigned turn;
	int last;

	(void)arg;
	for (turn = 0;; turn++) {
		last = LOAD(stop) != 0;
		while ((msg = lwkt_getport(&spin)) != NULL) {
			ADD(received, 1);
			lwkt_replymsg(msg, 0);
		}
		if (last)
			return;
		lwkt_yield();
		machine_pause(turn);
	}
}

/*
 * A message is dropped or received: whether it is still queued is asked with
 * the port locked.
 */
static int
race_25(void *arg)
{
	lwkt_thread_t td[2];
	int i;

	(void)arg;
	fresh(LWKT_MSGF_DROPABLE);
	for (i = 0; i < 2; i++)
		td[i] = spawn_on(i + 1, receive, NULL);
	for (i = 0; i < NMSGS; i++) {
		lwkt_sendmsg(&spin, &msgs[i]);
		if (i % 4 == 0)
			lwkt_yield();
		if (lwkt_dropmsg(&msgs[i]) == 0)
			dropped++;
	}
	STORE(stop, 1);
	join_all(td, 2);
	check(dropped + received == NMSGS && replied == received,
	    "%u dropped, %u received, %u replied of %d", dropped, received,
	    replied, NMSGS);
	return 0;
}

/*
 * A send wakes its receiver when it has let go of the port: a wakeup may have
 * to wait for room in a queue of messages, and serve callbacks meanwhile that
 * send to the same port.
 */
static uint32_t next_msg;

static void
send_one(void *arg)
{
	uint32_t i = ADD(next_msg, 1) - 1;

	(void)arg;
	if (i < NMSGS)
		lwkt_sendmsg(&spin, &msgs[i]);
}

static void
flood(void *arg)
{
	int i, me = lwkt_cpuid(), n = lwkt_ncpus();

	(void)arg;
	lwkt_crit_enter();
	for (i = 0; i < TIMES(600, 300); i++) {
		lwkt_send_ipiq((me + 1 + i % (n - 1)) % n, send_one, NULL);
		if (i % 3 == 0)
			send_one(NULL);
	}
	lwkt_crit_exit();
}

static void
wait_and_reply(void *arg)
{
	lwkt_msg_t msg;

	(void)arg;
	while (ADD(received, 1) <= NMSGS) {
		msg = lwkt_waitport(&spin, 0);
		lwkt_replymsg(msg, 0);
	}
}

static int
race_26(void *arg)
{
	lwkt_thread_t rd[4], td[4];
	int i;

	(void)arg;
	if (lwkt_ncpus() == 1)
		return 0;
	fresh(0);
	next_msg = 0;
	for (i = 0; i < 4; i++)
		rd[i] = spawn_on(i, wait_and_reply, NULL);
	for (i = 0; i < 4; i++)
		td[i] = spawn_on(i, flood, NULL);
	join_all(td, 4);
	while (LOAD(next_msg) < NMSGS)
		send_one(NULL);
	join_all(rd, 4);
	check(replied == NMSGS, "%u replied", replied);
	return 0;
}

int
main(void)
{
	sim_explore("race 25: a message is dropped and received", race_25,
	    NULL, 300);
	sim_explore("race 26: a wakeup with the port locked", race_26, NULL,
	    200);
	return tap_done();
}
