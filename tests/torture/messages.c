/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Torture: messages of every kind between threads on real CPUs.
 *
 * Conservation: sent = received = replied; order between a sender and a port
 * that do not move.
 */
#include <lwkt/msgport.h>

#include "core/util.h"
#include "torture/torture.h"

#define CLIENTS		8
#define SERVERS		4
#define WINDOW		16
#define NOMAD		3		/* the client that moves about */

struct request {
	struct lwkt_msg	 r_msg;		/* first */
	uint32_t	 r_client;
	uint32_t	 r_hops;	/* servers still to visit */
	uint64_t	 r_seq;
	int		 r_stop;
};

static struct lwkt_port shared;		/* spin: servers 2 and 3 */
static uint64_t last0[CLIENTS];		/* server 0's */
static struct lwkt_port spin_reply[CLIENTS];
static lwkt_thread_t server_td[SERVERS], client_td[CLIENTS];
static uint64_t sent, received, replied, forwarded, direct, late;
static uint32_t noise_stop;

/* One of five: the servers' own ports, and the one that 2 and 3 share. */
#define PORTS		5

static lwkt_port_t
server_port(uint32_t n)
{
	return n < SERVERS ? lwkt_threadport(server_td[n]) : &shared;
}

static void
check_order(const struct request *q, uint64_t last[CLIENTS])
{
	if ((q->r_msg.ms_flags & LWKT_MSGF_PRIORITY) || q->r_hops != 0 ||
	    q->r_client == NOMAD)
		return;
	check(q->r_seq > last[q->r_client], "client %u: %llu after %llu",
	    q->r_client, (unsigned long long)q->r_seq,
	    (unsigned long long)last[q->r_client]);
	last[q->r_client] = q->r_seq;
}

static int
result_of(const struct request *q)
{
	return (int)(q->r_seq & 0x3f);	/* never LWKT_EASYNC */
}

/* Server 0's work, done by a sender while the server waits. */
static int
serve_direct(lwkt_port_t port, lwkt_msg_t msg)
{
	struct request *q = (struct request *)msg;

	(void)port;
	if (q->r_stop || q->r_hops > 1)
		return LWKT_EASYNC;
	check_order(q, last0);
	ADD(received, 1);
	ADD(direct, 1);
	return result_of(q);
}

/*
 * Reply `done`, if it is not NULL, and receive the next message.  Servers 2 and
 * 3 share a port; sometimes in a hurry.
 */
static struct request *
receive(uint32_t me, struct rng *r, struct request *done)
{
	const lwkt_port_t ports[2] = { lwkt_curport(), &shared };
	struct request *q;

	if (done != NULL && me < 2 && rng_below(r, 2))
		return lwkt_replywait(&done->r_msg, result_of(done), ports[0],
		    0);
	if (done != NULL)
		lwkt_replymsg(&done->r_msg, result_of(done));
	if (rng_below(r, 2) && (q = lwkt_getport(ports[0])) != NULL)
		return q;
	do {
		if (me >= 2)
			q = lwkt_port_select(ports, 2, NULL, 0,
			    rng_below(r, 2) ? LWKT_FOREVER :
			    rng_below(r, 50000));
		else if (rng_below(r, 2))
			q = lwkt_waitport_timed(ports[0], 0,
			    rng_below(r, 50000));
		else
			q = lwkt_waitport(ports[0], 0);
	} while (q == NULL);
	return q;
}

/* Server 0 lets others do its work, 1 moves about. */
static void
server(void *arg)
{
	uint32_t me = (uint32_t)(uintptr_t)arg;
	struct rng r = { torture_seed + 1000 + me };
	struct request *q, *done = NULL;

	for (;;) {
		q = receive(me, &r, done);
		done = NULL;
		if (q->r_stop) {
			lwkt_replymsg(&q->r_msg, 0);
			return;
		}
		if (me == 0)
			check_order(q, last0);
		if (q->r_hops > 1) {
			q->r_hops--;
			ADD(forwarded, 1);
			lwkt_forwardmsg(server_port(1 + rng_below(&r, 4)),
			    &q->r_msg);
		} else {
			ADD(received, 1);
			done = q;
		}
		if (me == 1 && rng_below(&r, 32) == 0)
			lwkt_migratecpu((int)rng_below(&r,
			    (uint32_t)lwkt_ncpus()));
	}
}

static void
request_init(struct request *q, uint32_t me, struct rng *r, uint64_t seq,
    int sync)
{
	static const int flags[] = { 0, 0, LWKT_MSGF_NORESCHED,
	    LWKT_MSGF_PRIORITY };
	lwkt_port_t reply = rng_below(r, 2) ? lwkt_curport() : &spin_reply[me];

	lwkt_initmsg(&q->r_msg, sync ? reply : lwkt_curport(),
	    flags[rng_below(r, 4)]);
	q->r_client = me;
	q->r_seq = seq;
	q->r_hops = rng_below(r, 3) ? 0 : 2 + rng_below(r, 3);
	q->r_stop = 0;
}

static void
check_reply(const struct request *q)
{
	check(q->r_msg.ms_error == result_of(q), "error %d of %llu",
	    q->r_msg.ms_error, (unsigned long long)q->r_seq);
	ADD(replied, 1);
}

/* One of several, with its reply awaited by name, for a time. */
static void
await_one(struct request *q, struct rng *r)
{
	while (lwkt_waitmsg_timed(&q->r_msg, 0, rng_below(r, 20000)) != 0)
		ADD(late, 1);
	check_reply(q);
}

static void
client(void *arg)
{
	uint32_t me = (uint32_t)(uintptr_t)arg, i, n;
	struct rng r = { torture_seed + me };
	struct request q[WINDOW];
	uint64_t seq = 0;

	while (!torture_over()) {
		request_init(&q[0], me, &r, ++seq, 1);
		ADD(sent, 1);
		(void)lwkt_domsg(server_port(rng_below(&r, PORTS)), &q[0].r_msg,
		    rng_below(&r, 2) ? LWKT_PCATCH : 0);
		check_reply(&q[0]);
		n = 1 + rng_below(&r, WINDOW);
		for (i = 0; i < n; i++) {
			request_init(&q[i], me, &r, ++seq, 0);
			ADD(sent, 1);
			lwkt_sendmsg(server_port(rng_below(&r, PORTS)),
			    &q[i].r_msg);
			if (me == NOMAD && rng_below(&r, 16) == 0)
				lwkt_migratecpu((int)rng_below(&r,
				    (uint32_t)lwkt_ncpus()));
		}
		await_one(&q[rng_below(&r, n)], &r);
		for (i = 1; i < n; i++)
			check_reply(lwkt_waitport(lwkt_curport(), 0));
		check(lwkt_getport(lwkt_curport()) == NULL, "one too many");
	}
}

static void
noise(void *arg)
{
	struct rng r = { torture_seed + 99 };

	(void)arg;
	while (!LOAD(noise_stop)) {
		lwkt_interrupt(client_td[rng_below(&r, CLIENTS)]);
		lwkt_schedule(client_td[rng_below(&r, CLIENTS)]);
		lwkt_schedule(server_td[rng_below(&r, SERVERS)]);
		lwkt_sleep_ns(1 + rng_below(&r, 50000));
	}
}

static void
stop_server(uint32_t n)
{
	struct request q = { .r_stop = 1 };

	lwkt_initmsg(&q.r_msg, lwkt_curport(), 0);
	check(lwkt_domsg(server_port(n), &q.r_msg, 0) == 0, "stop");
}

static int
body(void *arg)
{
	lwkt_thread_t ntd;
	uint32_t i;

	(void)arg;
	lwkt_initport_spin(&shared);
	for (i = 0; i < CLIENTS; i++)
		lwkt_initport_spin(&spin_reply[i]);
	for (i = 0; i < SERVERS; i++)
		server_td[i] = spawn(server, (void *)(uintptr_t)i,
		    LWKT_NOSTART, (int)i % lwkt_ncpus());
	memset(last0, 0, sizeof(last0));
	lwkt_port_setdirect(server_port(0), serve_direct);
	for (i = 0; i < SERVERS; i++)
		lwkt_schedule(server_td[i]);
	for (i = 0; i < CLIENTS; i++)
		client_td[i] = spawn_on((int)i, client,
		    (void *)(uintptr_t)i);
	ntd = spawn_on(0, noise, NULL);
	/* They are joined only when nobody names them any more. */
	while (!torture_over())
		lwkt_sleep_ns(10 * MS);
	STORE(noise_stop, 1);
	join(ntd);
	join_all(client_td, CLIENTS);
	for (i = 0; i < SERVERS; i++)
		stop_server(i);
	join_all(server_td, SERVERS);
	check(sent == received && sent == replied,
	    "sent %llu, received %llu, replied %llu", (unsigned long long)sent,
	    (unsigned long long)received, (unsigned long long)replied);
	diag("%llu messages, %llu forwards, %llu direct, %llu waits too short",
	    (unsigned long long)sent, (unsigned long long)forwarded,
	    (unsigned long long)direct, (unsigned long long)late);
	return 0;
}

int
main(int argc, char **argv)
{
	return torture_run(argc, argv, "sent = received = replied", body);
}
