/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Send and wait, reply and wait: as two calls would do it, in the same order.
 */
#include <lwkt/msgport.h>
#include <lwkt/token.h>

#include "core/util.h"

#define PRI		LWKT_PRI_KERN_USER	/* below the first thread */
#define CLIENTS		4
#define TRIPS		8

struct request {
	struct lwkt_msg	 r_msg;		/* first */
	int		 r_client;
	int		 r_seq;
	int		 r_stop;
};

static struct log seen;
static lwkt_port_t target;

static void
request_init(struct request *r, int client)
{
	memset(r, 0, sizeof(*r));
	lwkt_initmsg(&r->r_msg, lwkt_curport(), 0);
	r->r_client = client;
}

static int
ask(struct request *r)
{
	return lwkt_domsg(target, &r->r_msg, 0);
}

static void
stop(lwkt_thread_t td)
{
	struct request r;

	request_init(&r, 0);
	r.r_stop = 1;
	check(ask(&r) == 0, "stop");
	join(td);
}

struct loop {
	lwkt_port_t	 l_port;	/* NULL: the thread's own */
	int		 l_moves;	/* so messages may change their order */
	int		 l_last[CLIENTS];	/* r_seq of each client */
};

static struct loop loop;

static void
server(void *arg)
{
	struct loop *l = arg;
	lwkt_port_t port = l->l_port != NULL ? l->l_port : lwkt_curport();
	struct request *r = lwkt_replywait(NULL, 0, port, 0);
	int n;

	for (n = 0; !r->r_stop; n++) {
		check((r->r_msg.ms_flags & (LWKT_MSGF_DONE |
		    LWKT_MSGF_QUEUED | LWKT_MSGF_REPLY)) == 0, "flags %#x",
		    r->r_msg.ms_flags);
		check(l->l_moves || r->r_seq > l->l_last[r->r_client],
		    "client %d: %d after %d", r->r_client, r->r_seq,
		    l->l_last[r->r_client]);
		l->l_last[r->r_client] = r->r_seq;
		if (l->l_moves && n % 3 == 2)
			lwkt_migratecpu(n % lwkt_ncpus());
		r = lwkt_replywait(&r->r_msg, r->r_seq, port, 0);
	}
	lwkt_replymsg(&r->r_msg, 0);
}

static lwkt_thread_t
server_start(int cpu, int moves)
{
	lwkt_thread_t td;

	loop = (struct loop){ .l_moves = moves };
	memset(loop.l_last, -1, sizeof(loop.l_last));
	td = spawn_on(cpu, server, &loop);
	target = lwkt_threadport(td);
	return td;
}

static void
client(void *arg)
{
	int me = (int)(uintptr_t)arg, i;
	struct request r, many[3], *back;

	request_init(&r, me);
	for (i = 0; i < TRIPS; i++) {
		r.r_seq = i;
		check(ask(&r) == i, "client %d: error of %d", me, i);
		check(lwkt_checkmsg(&r.r_msg), "done");
	}
	check(lwkt_getport(lwkt_curport()) == NULL, "a reply was queued");
	for (i = 0; i < 3; i++) {
		request_init(&many[i], me);
		many[i].r_seq = TRIPS + i;
		lwkt_sendmsg(target, &many[i].r_msg);
	}
	for (i = 0; i < 3; i++) {
		back = lwkt_waitport(lwkt_curport(), 0);
		check(back->r_msg.ms_error == back->r_seq, "reply");
		if (!loop.l_moves)
			check(back == &many[i], "reply %d", i);
	}
}

/* arg: the server moves. */
static int
all_body(void *arg)
{
	lwkt_thread_t td = server_start(1, arg != NULL), ctd[CLIENTS];
	int i;

	for (i = 0; i < CLIENTS; i++)
		ctd[i] = spawn_on(i, client, (void *)(uintptr_t)i);
	join_all(ctd, CLIENTS);
	stop(td);
	return 0;
}

static int
spin_body(void *arg)
{
	static struct lwkt_port spin;
	lwkt_thread_t td[2], ctd[CLIENTS];
	struct loop l[2];
	struct request r;
	int i;

	(void)arg;
	lwkt_initport_spin(&spin);
	target = &spin;
	memset(l, 0, sizeof(l));
	memset(l[0].l_last, -1, sizeof(l[0].l_last));
	memset(l[1].l_last, -1, sizeof(l[1].l_last));
	for (i = 0; i < 2; i++) {
		l[i].l_port = &spin;
		td[i] = spawn_on(i, server, &l[i]);
	}
	loop.l_moves = 1;	/* two servers: replies in any order */
	for (i = 0; i < CLIENTS; i++)
		ctd[i] = spawn_on(i, client, (void *)(uintptr_t)i);
	join_all(ctd, CLIENTS);
	for (i = 0; i < 2; i++) {
		request_init(&r, 0);
		r.r_stop = 1;
		check(ask(&r) == 0, "stop");
	}
	join_all(td, 2);
	return 0;
}

/*
 * The order of threads on one CPU.  In the logs c is a client that asks, C one
 * that has its answer, s the server with a request, b a bystander.
 */
static int by_two;		/* send, wait, reply, wait by two calls */

static void
order_server(void *arg)
{
	lwkt_port_t port = lwkt_curport();
	struct request *r = lwkt_waitport(port, 0);

	(void)arg;
	while (!r->r_stop) {
		log_add(&seen, 's');
		if (by_two) {
			lwkt_replymsg(&r->r_msg, 0);
			r = lwkt_waitport(port, 0);
		} else {
			r = lwkt_replywait(&r->r_msg, 0, port, 0);
		}
	}
	lwkt_replymsg(&r->r_msg, 0);
}

static void
order_client(void *arg)
{
	struct request r;

	request_init(&r, 0);
	log_add(&seen, 'c');
	if (arg != NULL)
		lwkt_schedule_noresched(arg);
	if (by_two) {
		lwkt_sendmsg(target, &r.r_msg);
		lwkt_waitmsg(&r.r_msg, 0);
	} else {
		ask(&r);
	}
	log_add(&seen, 'C');
}

static void
bystander(void *arg)
{
	(void)arg;
	log_add(&seen, 'b');
}

/* A server of priority pri, which waits; the log is empty. */
static lwkt_thread_t
order_start(int pri)
{
	lwkt_thread_t td = spawn_pri(order_server, NULL, pri, 0, lwkt_cpuid());

	settle(lwkt_cpuid(), LWKT_PRI_USER_NORM);
	target = lwkt_threadport(td);
	memset(&seen, 0, sizeof(seen));
	return td;
}

static void
order_check(lwkt_thread_t server_td, lwkt_thread_t *td, int n,
    const char *expect)
{
	int i;

	lwkt_crit_enter();	/* all of them, or none */
	for (i = 0; i < n; i++)
		lwkt_schedule(td[i]);
	lwkt_crit_exit();
	join_all(td, n);
	check(strcmp(seen.l_text, expect) == 0, "%s, not %s", seen.l_text,
	    expect);
	stop(server_td);
}

static lwkt_thread_t
order_thread(void (*fn)(void *), void *arg, int pri)
{
	return spawn_pri(fn, arg, pri, LWKT_NOSTART, lwkt_cpuid());
}

/* arg: by two calls.  The same logs in both forms. */
static int
order_body(void *arg)
{
	static const struct {
		int		pri;		/* of the server */
		const char	*expect;
	} alone[] = {
		{ PRI, "csC" }, { PRI + 1, "csC" },
		{ LWKT_PRI_USER_REAL, "csC" },
	}, beside[] = {
		{ PRI, "cbsC" }, { PRI + 1, "csbC" },
		{ LWKT_PRI_USER_REAL, "cbsC" },
	};
	lwkt_thread_t std, td[2];
	int i;

	by_two = arg != NULL;
	for (i = 0; i < 3; i++) {
		std = order_start(alone[i].pri);
		td[0] = order_thread(order_client, NULL, PRI);
		order_check(std, td, 1, alone[i].expect);
		std = order_start(beside[i].pri);
		td[0] = order_thread(order_client, NULL, PRI);
		td[1] = order_thread(bystander, NULL, PRI);
		order_check(std, td, 2, beside[i].expect);
	}
	return 0;
}

/* A client alone in its ring, while a better thread waits for the CPU. */
static int
better_body(void *arg)
{
	lwkt_thread_t std = order_start(PRI), better, td[1];

	by_two = arg != NULL;
	better = order_thread(bystander, NULL, PRI + 1);
	td[0] = order_thread(order_client, better, PRI);
	order_check(std, td, 1, "cbsC");
	join(better);
	return 0;
}

/* What is queued is served before any client runs again. */
static int
busy_body(void *arg)
{
	lwkt_thread_t std = order_thread(order_server, NULL, PRI), td[3];

	by_two = arg != NULL;
	memset(&seen, 0, sizeof(seen));
	target = lwkt_threadport(std);
	td[0] = order_thread(order_client, NULL, PRI);
	td[1] = order_thread(order_client, NULL, PRI);
	td[2] = order_thread(bystander, NULL, PRI);
	lwkt_schedule(td[0]);
	lwkt_schedule(td[1]);
	settle(lwkt_cpuid(), LWKT_PRI_USER_NORM);
	lwkt_crit_enter();
	lwkt_schedule(std);
	lwkt_schedule(td[2]);
	lwkt_crit_exit();
	join_all(td, 3);
	check(strcmp(seen.l_text, "ccssbCC") == 0, "%s", seen.l_text);
	stop(std);
	return 0;
}

static uint32_t interrupted, answered;

static void
interruptible(void *arg)
{
	lwkt_port_t port = lwkt_curport();
	struct request *r = lwkt_replywait(NULL, 0, port, 0);

	(void)arg;
	check(r->r_seq == 1, "the first");
	check(lwkt_replywait(&r->r_msg, EDOM, port, LWKT_PCATCH) == NULL,
	    "the interrupt");
	ADD(interrupted, 1);
	r = lwkt_replywait(NULL, 0, port, LWKT_PCATCH);
	check(r->r_stop, "the last");
	lwkt_replymsg(&r->r_msg, 0);
}

static int
interrupt_body(void *arg)
{
	lwkt_thread_t td = spawn_on(1, interruptible, NULL);
	struct request r;

	(void)arg;
	STORE(interrupted, 0);
	target = lwkt_threadport(td);
	request_init(&r, 0);
	r.r_seq = 1;
	lwkt_interrupt(td);	/* pending until it waits with LWKT_PCATCH */
	check(ask(&r) == EDOM, "the reply was lost");
	await(&interrupted, 1);
	stop(td);
	return 0;
}

static uint32_t woken;

static void
sleeper(void *arg)
{
	(void)arg;
	lwkt_tsleep(&woken, 0, "woken", LWKT_FOREVER);
	ADD(woken, 1);
	lwkt_wakeup(&answered);
}

static void
delaying_client(void *arg)
{
	struct request r;

	(void)arg;
	request_init(&r, 0);
	lwkt_wakeup_start_delayed();
	lwkt_wakeup(&woken);
	ask(&r);
	lwkt_wakeup_end_delayed();
}

/* It serves after the first sleeper has run, and wakes the second itself. */
static void
delaying_server(void *arg)
{
	lwkt_port_t port = lwkt_curport();
	struct request *r = lwkt_waitport(port, 0);

	while (LOAD(woken) < 1)
		lwkt_tsleep(&answered, 0, "answered", MS);
	*(lwkt_thread_t *)arg = spawn(sleeper, NULL, 0, lwkt_cpuid());
	settle(lwkt_cpuid(), LWKT_PRI_USER_NORM);
	lwkt_wakeup_start_delayed();
	lwkt_wakeup(&woken);
	r = lwkt_replywait(&r->r_msg, 0, port, 0);
	lwkt_wakeup_end_delayed();
	lwkt_replymsg(&r->r_msg, 0);
}

/* A wakeup that was deferred is done before its caller blocks. */
static int
delayed_body(void *arg)
{
	lwkt_thread_t first, second = NULL, std, td;

	(void)arg;
	STORE(woken, 0);
	first = spawn(sleeper, NULL, 0, lwkt_cpuid());
	std = spawn(delaying_server, &second, 0, lwkt_cpuid());
	settle(lwkt_cpuid(), LWKT_PRI_USER_NORM);
	target = lwkt_threadport(std);
	td = spawn(delaying_client, NULL, 0, lwkt_cpuid());
	join(first);
	join(td);
	join(second);
	stop(std);
	return 0;
}

static struct lwkt_token token;

static void
token_server(void *arg)
{
	lwkt_port_t port = lwkt_curport();
	struct request *r = lwkt_waitport(port, 0);

	(void)arg;
	while (!r->r_stop) {
		lwkt_gettoken(&token);
		r->r_seq++;
		r = lwkt_replywait(&r->r_msg, 0, port, 0);
		lwkt_reltoken(&token);
	}
	lwkt_replymsg(&r->r_msg, 0);
}

static void
token_client(void *arg)
{
	struct request r;
	int i;

	(void)arg;
	request_init(&r, 0);
	lwkt_gettoken(&token);
	for (i = 0; i < TRIPS; i++)
		check(ask(&r) == 0, "error");
	lwkt_reltoken(&token);
	check(r.r_seq == TRIPS, "%d", r.r_seq);
}

/* Both hold one token whenever they run. */
static int
token_body(void *arg)
{
	lwkt_thread_t td, ctd[2];

	(void)arg;
	lwkt_token_init(&token, "both");
	td = spawn_on(0, token_server, NULL);
	target = lwkt_threadport(td);
	ctd[0] = spawn_on(0, token_client, NULL);
	ctd[1] = spawn_on(1, token_client, NULL);
	join_all(ctd, 2);
	stop(td);
	return 0;
}

/* A server that takes the CPU at once, and a client that is one. */
static int
interrupt_thread_body(void *arg)
{
	lwkt_thread_t td, ctd[CLIENTS];
	int i;

	(void)arg;
	loop = (struct loop){ 0 };
	memset(loop.l_last, -1, sizeof(loop.l_last));
	td = spawn_pri(server, &loop, LWKT_PRI_INT_MED, LWKT_INTERRUPT, 0);
	target = lwkt_threadport(td);
	for (i = 0; i < CLIENTS; i++)
		ctd[i] = spawn_pri(client, (void *)(uintptr_t)i,
		    i % 2 ? LWKT_PRI_INT_LOW : PRI, i % 2 ? LWKT_INTERRUPT : 0,
		    i / 2 % lwkt_ncpus());
	join_all(ctd, CLIENTS);
	stop(td);
	return 0;
}

static int
not_received_body(void *arg)
{
	struct request r;

	(void)arg;
	request_init(&r, 0);
	lwkt_replywait(&r.r_msg, 0, lwkt_curport(), 0);
	return 0;
}

static void
replies_twice(void *arg)
{
	struct request *r = lwkt_waitport(lwkt_curport(), 0);

	(void)arg;
	lwkt_replymsg(&r->r_msg, 0);
	lwkt_replywait(&r->r_msg, 0, lwkt_curport(), 0);
}

static int
twice_body(void *arg)
{
	struct request r;

	(void)arg;
	target = lwkt_threadport(spawn_on(lwkt_cpuid(), replies_twice, NULL));
	request_init(&r, 0);
	lwkt_sendmsg(target, &r.r_msg);
	lwkt_sleep("for ever", 0);
	return 0;
}

static void
waits_elsewhere(void *arg)
{
	struct request *r = lwkt_waitport(lwkt_curport(), 0);

	lwkt_replywait(&r->r_msg, 0, lwkt_threadport(arg), 0);
}

static int
not_owner_body(void *arg)
{
	struct request r;

	(void)arg;
	target = lwkt_threadport(spawn_on(lwkt_cpuid(), waits_elsewhere,
	    lwkt_self()));
	request_init(&r, 0);
	ask(&r);
	return 0;
}

/* The reply port of the message is another thread's. */
static int
not_reply_owner_body(void *arg)
{
	lwkt_thread_t td = server_start(lwkt_cpuid(), 0);
	struct request r;

	(void)arg;
	request_init(&r, 0);
	lwkt_initmsg(&r.r_msg, lwkt_threadport(td), 0);
	ask(&r);
	return 0;
}

int
main(void)
{
	panics("a message that was not received panics", not_received_body,
	    "not the receiver's");
	panics("a message replied before panics", twice_body,
	    "not the receiver's");
	panics("waiting at another's port panics", not_owner_body,
	    "belongs to thread");
	panics("a reply port of another thread panics", not_reply_owner_body,
	    "belongs to thread");
	sim_explore("a server replies and waits in one call", all_body, NULL,
	    200);
	sim_explore("the server moves about", all_body, &loop, 200);
	sim_explore("two servers at a spin port", spin_body, NULL, 100);
	sim_explore("threads run in the order of their priorities and turns",
	    order_body, NULL, 100);
	sim_explore("by two calls they run in the same order", order_body,
	    &by_two, 100);
	sim_explore("a better thread runs before the receiver", better_body,
	    NULL, 50);
	sim_explore("by two calls it does so too", better_body, &by_two, 50);
	sim_explore("what is queued comes before the clients", busy_body, NULL,
	    50);
	sim_explore("by two calls it comes so too", busy_body, &by_two, 50);
	sim_explore("an interrupt ends the wait and not the reply",
	    interrupt_body, NULL, 100);
	sim_explore("deferred wakeups are done before the wait", delayed_body,
	    NULL, 100);
	sim_explore("both hold a token", token_body, NULL, 100);
	sim_explore("interrupt threads serve and ask", interrupt_thread_body,
	    NULL, 100);
	return tap_done();
}
