/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * portselect NCPUS [MESSAGES]: four threads send, each to a spin port of its
 * own, and one waits for messages on all four ports.  All are on one CPU, or
 * the receiver is on CPU 0 and the senders are on CPU 1.
 *
 * A sender has 256 messages.  It sends one again when its reply has come back
 * to the sender's own port.
 */
#include <lwkt/lwkt.h>
#include "bench.h"

#define SENDERS	4
#define DEPTH	256

static struct sender {
	struct lwkt_port port;		/* of the receiver */
	struct lwkt_msg	msg[DEPTH];
	lwkt_thread_t	td;
} sender[SENDERS];
static int64_t n, sum;

static void
send_all(void *arg)
{
	struct sender *self = arg;
	struct lwkt_msg *msg;
	int64_t i;

	for (i = 0; i < n; i++) {
		if (i < DEPTH) {
			msg = &self->msg[i];
			lwkt_initmsg(msg, lwkt_curport(), 0);
		} else
			msg = lwkt_waitport(lwkt_curport(), 0);
		msg->ms_u.i64 = i;
		lwkt_sendmsg(&self->port, msg);
	}
	for (i = n < DEPTH ? n : DEPTH; i > 0; i--)
		lwkt_waitport(lwkt_curport(), 0);
}

static void
receive_all(void)
{
	lwkt_port_t port[SENDERS];
	struct lwkt_msg *msg;

	for (int i = 0; i < SENDERS; i++)
		port[i] = &sender[i].port;
	for (int64_t got = 0; got < SENDERS * n; got++) {
		msg = lwkt_port_select(port, SENDERS, NULL, 0, LWKT_FOREVER);
		sum += msg->ms_u.i64;
		lwkt_replymsg(msg, 0);
	}
}

static int
bench(void *arg)
{
	int64_t begin = bench_now();
	int ncpus = lwkt_ncpus();

	(void)arg;
	for (int i = 0; i < SENDERS; i++) {
		lwkt_initport_spin(&sender[i].port);
		bench_check(lwkt_create(send_all, &sender[i], &sender[i].td,
		    NULL, LWKT_JOINABLE, ncpus - 1, "sender") == 0, "create");
	}
	receive_all();
	for (int i = 0; i < SENDERS; i++)
		lwkt_join(sender[i].td);
	bench_report(ncpus == 1 ? "port-select-4" : "port-select-4-2", "lwkt",
	    (double)(SENDERS * n) * 1e3 / (double)(bench_now() - begin), "M/s");
	bench_check(sum == SENDERS * (n * (n - 1) / 2), "lost messages");
	return (0);
}

int
main(int argc, char **argv)
{
	struct lwkt_config cfg = { .lc_stksize = BENCH_STACK };

	cfg.lc_ncpus = (int)bench_arg(argc, argv, 1, 1);
	n = bench_arg(argc, argv, 2, 500000);
	return (lwkt_boot(&cfg, bench, NULL));
}
