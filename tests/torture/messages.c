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
static struct lwkt_port spin_reply[CLIENTS];
static lwkt_thread_t server_td[SERVERS], client_td[CLIENTS];
static uint64_t sent, received, replied, forwarded;
static uint32_t noise_stop;

static lwkt_port_t
server_port(uint32_t n)
{
	return n < 2 ? lwkt_threadport(server_td[n]) : &shared;
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

/* Servers 0 and 1 have their own port, 1 moves about; 2 and 3 share one. */
static void
server(void *arg)
{
	uint32_t me = (uint32_t)(uintptr_t)arg;
	struct rng r = { torture_seed + 1000 + me };
	lwkt_port_t port = me < 2 ? lwkt_curport() : &shared;
	uint64_t last[CLIENTS] = { 0 };
	struct request *q;

	for (;;) {
		q = rng_below(&r, 2) ? lwkt_getport(port) : NULL;
		if (q == NULL)
			q = lwkt_waitport(port, 0);
		if (q->r_stop) {
			lwkt_replymsg(&q->r_msg, 0);
			return;
		}
		if (me == 0)
			check_order(q, last);
		if (q->r_hops > 1) {
			q->r_hops--;
			ADD(forwarded, 1);
			lwkt_forwardmsg(server_port(1 + rng_below(&r, 3)),
			    &q->r_msg);
		} else {
			ADD(received, 1);
			lwkt_replymsg(&q->r_msg, (int)(q->r_seq & 0x7f));
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
	static const int flags[] = { 0, 0, 0, LWKT_MSGF_PRIORITY };
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
	check(q->r_msg.ms_error == (int)(q->r_seq & 0x7f), "error %d of %llu",
	    q->r_msg.ms_error, (unsigned long long)q->r_seq);
	ADD(replied, 1);
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
		(void)lwkt_domsg(server_port(rng_below(&r, 4)), &q[0].r_msg,
		    rng_below(&r, 2) ? LWKT_PCATCH : 0);
		check_reply(&q[0]);
		n = 1 + rng_below(&r, WINDOW);
		for (i = 0; i < n; i++) {
			request_init(&q[i], me, &r, ++seq, 0);
			ADD(sent, 1);
			lwkt_sendmsg(server_port(rng_below(&r, 4)),
			    &q[i].r_msg);
			if (me == NOMAD && rng_below(&r, 16) == 0)
				lwkt_migratecpu((int)rng_below(&r,
				    (uint32_t)lwkt_ncpus()));
		}
		for (i = 0; i < n; i++)
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
	diag("%llu messages, %llu forwards", (unsigned long long)sent,
	    (unsigned long long)forwarded);
	return 0;
}

int
main(int argc, char **argv)
{
	return torture_run(argc, argv, "sent = received = replied", body);
}
