/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Who ends a message: abort against reply, receive, drop and forward; and
 * looks at a message that somebody else has.  Every pair of a target and a
 * reply port that are thread or spin ports.
 *
 * The abort function does what a program does: it sends an IPI after the
 * message.  A receiver that finds LWKT_MSGF_MP_ABORTED set ends it at once;
 * one that has it already gets the IPI.  So an abort is never lost.
 */
#include <lwkt/msgport.h>

#include "core/util.h"

#define HOPS		5
#define ROUNDS		3

struct kinds {
	int	k_target;	/* 1: a spin port */
	int	k_reply;
};

struct request {
	struct lwkt_msg	 r_msg;		/* first */
	int		 r_stop;
	int		 r_hops;
};

/* One server a CPU; what it holds belongs to that CPU. */
struct server {
	lwkt_thread_t	 s_td;
	lwkt_port_t	 s_port;
	int		 s_cpu;
	struct lwkt_port s_spin;
	struct server	*s_next;	/* pass on to, or NULL */
	struct request	*s_held;
	uint32_t	 s_had;		/* messages held so far */
	uint32_t	 s_up;
};

static struct server servers[HOPS];
static struct lwkt_port reply_spin;
static uint32_t aborted, replies, dropped;
static struct request *offered;

static void
server(void *arg)
{
	struct server *s = arg;
	struct request *r;
	int stop;

	STORE(s->s_up, 1);
	lwkt_wakeup(&s->s_up);
	do {
		r = lwkt_waitport(s->s_port, 0);
		stop = r->r_stop;
		if (stop) {
			lwkt_replymsg(&r->r_msg, 0);
		} else if (LOAD(r->r_msg.ms_mpflags) &
		    LWKT_MSGF_MP_ABORTED) {
			ADD(replies, 1);
			lwkt_replymsg(&r->r_msg, EINTR);
		} else if (s->s_next != NULL) {
			lwkt_forwardmsg(s->s_next->s_port, &r->r_msg);
		} else {
			lwkt_crit_enter();
			s->s_held = r;
			lwkt_crit_exit();
			ADD(s->s_had, 1);
			lwkt_wakeup(&s->s_had);
		}
	} while (!stop);
}

static void
server_start(struct server *s, int cpu, int spin, struct server *next)
{
	memset(s, 0, sizeof(*s));
	s->s_cpu = cpu % lwkt_ncpus();
	s->s_next = next;
	lwkt_initport_spin(&s->s_spin);
	s->s_td = spawn(server, s, LWKT_NOSTART, s->s_cpu);
	s->s_port = spin ? &s->s_spin : lwkt_threadport(s->s_td);
	lwkt_schedule(s->s_td);
	await_asleep(&s->s_up, 1);
}

static void
server_stop(struct server *s)
{
	struct request r = { .r_stop = 1 };

	lwkt_initmsg(&r.r_msg, lwkt_curport(), 0);
	check(lwkt_domsg(s->s_port, &r.r_msg, 0) == 0, "stop");
	join(s->s_td);
	check(s->s_held == NULL, "it holds one");
}

/* On a server's CPU: end what it holds; else the next one may. */
static void
end_remote(void *arg1, int n)
{
	struct server *s = &servers[n];
	struct request *r = arg1;

	if (s->s_held == r) {
		s->s_held = NULL;
		ADD(replies, 1);
		lwkt_replymsg(&r->r_msg, EINTR);
	} else if (s->s_next != NULL) {
		n = (int)(s->s_next - servers);
		lwkt_send_ipiq2(s->s_next->s_cpu, end_remote, r, n);
	}
}

static void
abort_first(lwkt_msg_t msg)
{
	ADD(aborted, 1);
	lwkt_send_ipiq2(servers[0].s_cpu, end_remote, msg, 0);
}

static void
reset(const struct kinds *k, int chain)
{
	STORE(aborted, 0);
	STORE(replies, 0);
	STORE(dropped, 0);
	STORE(offered, NULL);
	lwkt_initport_spin(&reply_spin);
	if (chain)
		server_start(&servers[1], 3, k->k_target, NULL);
	server_start(&servers[0], 1, k->k_target,
	    chain ? &servers[1] : NULL);
}

static void
request_init(struct request *r, const struct kinds *k, int flags)
{
	memset(r, 0, sizeof(*r));
	lwkt_initmsg_abortable(&r->r_msg, k->k_reply ? &reply_spin :
	    lwkt_curport(), flags, abort_first);
}

/* IPIs of the abort may still be under way, with the message's address. */
static void
finish(int chain)
{
	lwkt_synchronize_ipiqs("abort");
	lwkt_synchronize_ipiqs("abort");
	server_stop(&servers[0]);
	if (chain)
		server_stop(&servers[1]);
}

/* Sent and aborted in one breath: wherever it is then, it ends with EINTR. */
static int
receive_body(void *arg)
{
	const struct kinds *k = arg;
	struct request r;
	int i;

	reset(k, 0);
	request_init(&r, k, 0);
	for (i = 0; i < ROUNDS; i++) {
		lwkt_sendmsg(servers[0].s_port, &r.r_msg);
		if (i == 1)
			lwkt_yield();
		lwkt_abortmsg(&r.r_msg);
		check(lwkt_waitmsg(&r.r_msg, 0) == EINTR, "error %d",
		    r.r_msg.ms_error);
		lwkt_synchronize_ipiqs("round");
	}
	check(LOAD(aborted) == ROUNDS && LOAD(replies) == ROUNDS,
	    "%u aborts, %u replies", LOAD(aborted), LOAD(replies));
	finish(0);
	return 0;
}

/* The same while it is passed on to a second server. */
static int
forward_body(void *arg)
{
	const struct kinds *k = arg;
	struct request r;
	int i;

	reset(k, 1);
	request_init(&r, k, 0);
	for (i = 0; i < ROUNDS; i++) {
		lwkt_sendmsg(servers[0].s_port, &r.r_msg);
		if (i == 1)
			lwkt_yield();
		lwkt_abortmsg(&r.r_msg);
		check(lwkt_waitmsg(&r.r_msg, 0) == EINTR, "error %d",
		    r.r_msg.ms_error);
		lwkt_synchronize_ipiqs("round");
		lwkt_synchronize_ipiqs("round");
	}
	check(LOAD(aborted) == ROUNDS && LOAD(replies) == ROUNDS,
	    "%u aborts, %u replies", LOAD(aborted), LOAD(replies));
	finish(1);
	return 0;
}

/* On the server's CPU. */
static void
replier(void *arg)
{
	struct server *s = arg;
	struct request *r;

	await_asleep(&s->s_had, 1);
	lwkt_crit_enter();
	if ((r = s->s_held) != NULL) {
		s->s_held = NULL;
		ADD(replies, 1);
		lwkt_replymsg(&r->r_msg, 0);
	}
	lwkt_crit_exit();
}

/* Held, and replied while the abort is under way: one end of the two. */
static int
reply_body(void *arg)
{
	const struct kinds *k = arg;
	lwkt_thread_t td;
	struct request r;
	int error;

	reset(k, 0);
	td = spawn_on(1, replier, &servers[0]);
	request_init(&r, k, 0);
	lwkt_sendmsg(servers[0].s_port, &r.r_msg);
	await_asleep(&servers[0].s_had, 1);
	lwkt_abortmsg(&r.r_msg);
	error = lwkt_waitmsg(&r.r_msg, 0);
	check(error == 0 || error == EINTR, "error %d", error);
	check(LOAD(aborted) <= 1 && LOAD(replies) == 1,
	    "%u aborts, %u replies", LOAD(aborted), LOAD(replies));
	join(td);
	finish(0);
	return 0;
}

/* A receiver that drops what it is offered, or takes it. */
static void
dropper(void *arg)
{
	struct server *s = arg;
	struct request *r;

	STORE(s->s_up, 1);
	lwkt_wakeup(&s->s_up);
	while ((r = LOAD(offered)) == NULL)
		lwkt_tsleep(&offered, 0, "offer", MS / 10);
	if (lwkt_dropmsg(&r->r_msg) == 0) {
		ADD(dropped, 1);
		return;
	}
	check(lwkt_waitport(s->s_port, 0) == r, "another message");
	ADD(replies, 1);
	lwkt_replymsg(&r->r_msg, EINTR);
}

/* Dropped and aborted: done once, and the abort finds nothing. */
static int
drop_body(void *arg)
{
	const struct kinds *k = arg;
	struct server *s = &servers[0];
	struct request r;

	STORE(aborted, 0);
	STORE(replies, 0);
	STORE(dropped, 0);
	STORE(offered, NULL);
	lwkt_initport_spin(&reply_spin);
	memset(s, 0, sizeof(*s));
	s->s_cpu = 1 % lwkt_ncpus();
	lwkt_initport_spin(&s->s_spin);
	s->s_td = spawn(dropper, s, LWKT_NOSTART, s->s_cpu);
	s->s_port = k->k_target ? &s->s_spin : lwkt_threadport(s->s_td);
	lwkt_schedule(s->s_td);
	request_init(&r, k, LWKT_MSGF_DROPABLE);
	lwkt_sendmsg(s->s_port, &r.r_msg);
	STORE(offered, &r);
	lwkt_abortmsg(&r.r_msg);
	join(s->s_td);
	while (!lwkt_checkmsg(&r.r_msg))
		lwkt_sleep_ns(1000);
	check(LOAD(dropped) + LOAD(replies) == 1 && LOAD(aborted) <= 1,
	    "%u dropped, %u replies, %u aborts", LOAD(dropped),
	    LOAD(replies), LOAD(aborted));
	check(lwkt_getport(r.r_msg.ms_reply) == (LOAD(replies) ? &r : NULL),
	    "a reply");
	lwkt_synchronize_ipiqs("abort");
	return 0;
}

static void
taker(void *arg)
{
	struct server *s = arg;
	struct request *r;

	if ((r = lwkt_getport(s->s_port)) != NULL) {
		ADD(replies, 1);
		lwkt_replymsg(&r->r_msg, 0);
	}
}

static void
spin_dropper(void *arg)
{
	struct server *s = arg;

	(void)s;
	if (lwkt_dropmsg(&offered->r_msg) == 0)
		ADD(dropped, 1);
}

/*
 * (race 25 of the history: whether a message is queued was looked at without
 * its port's lock)  Dropped here, received there: one of the two.
 */
static int
drop_receive_body(void *arg)
{
	struct server *s = &servers[0];
	struct request r = { .r_hops = 0 };
	lwkt_thread_t td[2];

	(void)arg;
	STORE(replies, 0);
	STORE(dropped, 0);
	lwkt_initport_spin(&s->s_spin);
	s->s_port = &s->s_spin;
	lwkt_initmsg(&r.r_msg, lwkt_curport(), LWKT_MSGF_DROPABLE);
	lwkt_sendmsg(s->s_port, &r.r_msg);
	STORE(offered, &r);
	td[0] = spawn_on(1, taker, s);
	td[1] = spawn_on(2, spin_dropper, s);
	join_all(td, 2);
	check(LOAD(dropped) + LOAD(replies) == 1, "%u dropped, %u replies",
	    LOAD(dropped), LOAD(replies));
	while (!lwkt_checkmsg(&r.r_msg))
		lwkt_yield();
	check(lwkt_getport(lwkt_curport()) == (LOAD(replies) ? &r : NULL),
	    "a reply");
	return 0;
}

static struct lwkt_port hall[2];

static void
passer(void *arg)
{
	struct request *r = lwkt_getport(&hall[0]);

	(void)arg;
	if (r != NULL)
		lwkt_forwardmsg(&hall[1], &r->r_msg);
}

/*
 * (race 25 of the history, again)  Dropped while another receiver passes it
 * on: at the one port or the other, or not at all.  The queues stay whole.
 */
static int
drop_forward_body(void *arg)
{
	struct request r[3], *got;
	lwkt_thread_t td[2];
	int i, seen = 0;

	(void)arg;
	STORE(dropped, 0);
	for (i = 0; i < 2; i++)
		lwkt_initport_spin(&hall[i]);
	for (i = 0; i < 3; i++)
		lwkt_initmsg(&r[i].r_msg, lwkt_curport(), LWKT_MSGF_DROPABLE);
	lwkt_sendmsg(&hall[0], &r[0].r_msg);
	STORE(offered, &r[0]);
	td[0] = spawn_on(1, passer, NULL);
	td[1] = spawn_on(2, spin_dropper, NULL);
	join_all(td, 2);
	for (i = 0; i < 2; i++)
		lwkt_sendmsg(&hall[i], &r[i + 1].r_msg);
	for (i = 0; i < 2; i++) {
		while ((got = lwkt_getport(&hall[i])) != NULL) {
			check(got == &r[i + 1] || got == &r[0], "port %d has "
			    "message %d", i, (int)(got - r));
			seen++;
		}
	}
	check(seen + (int)LOAD(dropped) == 3, "%d seen, %u dropped", seen,
	    LOAD(dropped));
	check(lwkt_checkmsg(&r[0].r_msg) == (int)LOAD(dropped), "done");
	return 0;
}

static void
at_once(void *arg)
{
	struct server *s = arg;
	struct request *r;
	int stop;

	do {
		r = lwkt_waitport(s->s_port, 0);
		stop = r->r_stop;
		r->r_hops++;
		lwkt_replymsg(&r->r_msg, r->r_hops);
	} while (!stop);
}

/*
 * (race 25 of the history: flags of one message written by two kinds of port,
 * not atomically)  The sender looks at the flags all the time.
 */
static int
flags_body(void *arg)
{
	const struct kinds *k = arg;
	struct server *s = &servers[0];
	struct request r;
	int i;

	lwkt_initport_spin(&reply_spin);
	lwkt_initport_spin(&s->s_spin);
	s->s_td = spawn(at_once, s, LWKT_NOSTART, 1 % lwkt_ncpus());
	s->s_port = k->k_target ? &s->s_spin : lwkt_threadport(s->s_td);
	lwkt_schedule(s->s_td);
	request_init(&r, k, 0);
	for (i = 1; i <= ROUNDS; i++) {
		r.r_stop = i == ROUNDS;
		lwkt_sendmsg(s->s_port, &r.r_msg);
		while (!lwkt_checkmsg(&r.r_msg))
			lwkt_yield();
		check(r.r_hops == i && r.r_msg.ms_error == i,
		    "round %d: %d, error %d", i, r.r_hops, r.r_msg.ms_error);
		check(lwkt_waitmsg(&r.r_msg, 0) == i, "the reply");
		check((r.r_msg.ms_flags & (LWKT_MSGF_QUEUED |
		    LWKT_MSGF_INTRANSIT | LWKT_MSGF_DONE |
		    LWKT_MSGF_REPLY)) == (LWKT_MSGF_DONE | LWKT_MSGF_REPLY),
		    "flags %#x", r.r_msg.ms_flags);
	}
	join(s->s_td);
	return 0;
}

/* A link of a chain; arg: its server.  It moves about. */
static void
hop(void *arg)
{
	struct server *s = arg;
	int cpu = s->s_cpu, stop;
	struct request *r;

	do {
		lwkt_migratecpu(++cpu % lwkt_ncpus());
		r = lwkt_waitport(s->s_port, 0);
		stop = r->r_stop;
		r->r_hops++;
		if (s->s_next != NULL)
			lwkt_forwardmsg(s->s_next->s_port, &r->r_msg);
		else
			lwkt_replymsg(&r->r_msg, r->r_hops);
	} while (!stop);
}

/* Through thread and spin ports in turn, whose receivers move. */
static int
chain_body(void *arg)
{
	struct request r[ROUNDS];
	struct server *s;
	int i;

	(void)arg;
	for (i = HOPS - 1; i >= 0; i--) {
		s = &servers[i];
		memset(s, 0, sizeof(*s));
		s->s_cpu = i % lwkt_ncpus();
		s->s_next = i < HOPS - 1 ? s + 1 : NULL;
		lwkt_initport_spin(&s->s_spin);
		s->s_td = spawn(hop, s, LWKT_NOSTART, s->s_cpu);
		s->s_port = i % 2 ? &s->s_spin : lwkt_threadport(s->s_td);
	}
	for (i = 0; i < HOPS; i++)
		lwkt_schedule(servers[i].s_td);
	memset(r, 0, sizeof(r));
	for (i = 0; i < ROUNDS - 1; i++) {
		lwkt_initmsg(&r[i].r_msg, lwkt_curport(), 0);
		lwkt_sendmsg(servers[0].s_port, &r[i].r_msg);
	}
	for (i = 0; i < ROUNDS - 1; i++)
		check(lwkt_waitmsg(&r[i].r_msg, 0) == HOPS, "%d hops",
		    r[i].r_hops);
	r[i].r_stop = 1;
	lwkt_initmsg(&r[i].r_msg, lwkt_curport(), 0);
	check(lwkt_domsg(servers[0].s_port, &r[i].r_msg, 0) == HOPS, "stop");
	for (i = 0; i < HOPS; i++)
		join(servers[i].s_td);
	return 0;
}

static void
explore(const char *what, int (*body)(void *), unsigned seeds)
{
	static const char *const names[] = { "thread port", "spin port" };
	static struct kinds kinds[4];
	char name[96];
	int i;

	for (i = 0; i < 4; i++) {
		kinds[i] = (struct kinds){ i / 2, i % 2 };
		snprintf(name, sizeof(name), "%s: %s, reply to %s", what,
		    names[i / 2], names[i % 2]);
		sim_explore(name, body, &kinds[i], seeds);
	}
}

int
main(void)
{
	explore("abort against reply", reply_body, 100);
	explore("abort against receive", receive_body, 100);
	explore("abort against forward", forward_body, 100);
	explore("abort against drop", drop_body, 100);
	explore("flags looked at from another CPU", flags_body, 50);
	sim_explore("drop against receive", drop_receive_body, NULL, 200);
	sim_explore("drop against forward", drop_forward_body, NULL, 400);
	sim_explore("a chain of forwards, all on the move", chain_body, NULL,
	    200);
	return tap_done();
}
