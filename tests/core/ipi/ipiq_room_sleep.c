/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A thread that is about to sleep waits for room, and defers the message that
 * brings what it will sleep for: it does not sleep over it.
 */
#include <lwkt/msgport.h>

#include "core/ipi/room.h"

/*
 * A thread with deferred wakeups blocks: the wakeup waits for room, and what
 * the thread waits for is in a ring to it.
 */
struct sleeper {
	void		(*s_block)(struct sleeper *);
	void		(*s_bring)(struct sleeper *);
	lwkt_thread_t	s_td;
	struct lwkt_msg	s_msg;
	lwkt_thread_t	s_other;	/* ends, and is joined */
	uint32_t	s_ready;	/* the rings may be filled */
	uint32_t	s_sent;		/* messages behind the one */
	uint32_t	s_told;		/* what block_told() waits for */
	uint32_t	s_gone;		/* it has gone on */
};

static struct lwkt_port sink;
static char sleeps_on;			/* an ident; its sleeper is on CPU 1 */
static uint32_t asleep;

static void
sleeps(void *arg)
{
	(void)arg;
	lwkt_tsleep_interlock(&sleeps_on, 0);
	STORE(asleep, 1);
	lwkt_tsleep(&sleeps_on, LWKT_PINTERLOCKED, "test", LWKT_FOREVER);
}

static void
block_port(struct sleeper *s)
{
	check(lwkt_waitport(lwkt_curport(), 0) == &s->s_msg, "which message");
	lwkt_replymsg(&s->s_msg, 0);
}

static void
block_port_timed(struct sleeper *s)
{
	lwkt_msg_t msg;

	msg = lwkt_waitport_timed(lwkt_curport(), 0, 3600 * 1000 * MS);
	check(msg == &s->s_msg, "it is not told in an hour");
	lwkt_replymsg(&s->s_msg, 0);
}

static void
bring_msg(struct sleeper *s)
{
	lwkt_sendmsg(lwkt_threadport(s->s_td), &s->s_msg);
}

/* Told by a callback that changes a word and schedules: the cheap sleep. */
static void
block_told(struct sleeper *s)
{
	while (LOAD(s->s_told) == 0)
		(void)lwkt_sleep("test", 0);
}

static void
tell(void *arg)
{
	struct sleeper *s = arg;

	STORE(s->s_told, 1);
	lwkt_schedule(s->s_td);
}

static void
bring_word(struct sleeper *s)
{
	lwkt_send_ipiq(0, tell, s);
}

static void
block_join(struct sleeper *s)
{
	join(s->s_other);
}

static void
bring_end(struct sleeper *s)
{
	STORE(s->s_told, 1);
}

static void
ends_when_told(void *arg)
{
	struct sleeper *s = arg;

	await(&s->s_told, 1);
}

static void
blocks(void *arg)
{
	struct sleeper *s = arg;

	lwkt_crit_enter();
	send_nothing(1, FULL);
	lwkt_wakeup_start_delayed();
	lwkt_wakeup(&sleeps_on);
	STORE(s->s_ready, 1);
	await_deaf(&s->s_sent, FULL);
	s->s_block(s);
	lwkt_wakeup_end_delayed();
	lwkt_crit_exit();
	STORE(s->s_gone, 1);
}

static int
not_slept_over(void *arg)
{
	struct sleeper *s = arg;
	lwkt_thread_t td[2];
	int i;

	s->s_ready = s->s_sent = s->s_told = s->s_gone = asleep = 0;
	lwkt_initport_replyonly_null(&sink);
	lwkt_initmsg(&s->s_msg, &sink, 0);
	td[0] = spawn(sleeps, NULL, 0, 1);
	await(&asleep, 1);
	settle(1, LWKT_PRI_KERN_DAEMON);
	td[1] = deafen();
	s->s_other = spawn(ends_when_told, s, 0, 2);
	s->s_td = spawn(blocks, s, LWKT_NOSTART, 0);
	lwkt_schedule(s->s_td);
	await(&s->s_ready, 1);
	s->s_bring(s);
	for (i = 0; i < FULL + 2; i++) {
		ADD(s->s_sent, 1);
		send_nothing(0, 1);
	}
	STORE(undeaf, 1);
	await(&s->s_gone, 1);
	join(s->s_td);
	STORE(s->s_told, 1);
	if (s->s_block != block_join)
		join(s->s_other);
	join_all(td, 2);
	return 0;
}

static void
explore_sleepers(void)
{
	static struct sleeper port = { block_port, bring_msg, .s_td = NULL };
	static struct sleeper timed = { block_port_timed, bring_msg,
		.s_td = NULL };
	static struct sleeper told = { block_told, bring_word, .s_td = NULL };
	static struct sleeper joins = { block_join, bring_end, .s_td = NULL };

	explore("a message is not slept over by deferred wakeups",
	    not_slept_over, &port, 20, 3);
	explore("nor in a timed wait", not_slept_over, &timed, 20, 3);
	explore("nor is a word in lwkt_sleep", not_slept_over, &told, 20, 3);
	explore("nor the end of a thread", not_slept_over, &joins, 20, 3);
}

int
main(void)
{
	explore_sleepers();
	return tap_done();
}
