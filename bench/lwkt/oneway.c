/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Messages one way, from a thread of CPU 0 to a thread of CPU 1: one value a
 * message, or 64.  At most 1024 messages are under way.
 *
 * The receiver replies to a reply-only port, whose function counts: message i
 * may be used again once i + 1 have come back.
 */
#include <lwkt/lwkt.h>
#include "bench.h"

#define DEPTH	1024
#define BATCH	64

struct parcel {
	_Alignas(64) struct lwkt_msg msg;	/* a single value is in ms_u */
	uint64_t	value[BATCH];
};

static struct parcel parcel[DEPTH];
static struct lwkt_port port, returned;
static uint64_t n, sum, got;
static int batch;
static _Alignas(64) uint64_t nreturned;	/* written by CPU 1 only */

static uint64_t *
values(struct parcel *p)
{
	return (batch == 1 ? (uint64_t *)&p->msg.ms_u.i64 : p->value);
}

static void
count_return(lwkt_port_t rport, lwkt_msg_t msg)
{
	(void)rport, (void)msg;
	__atomic_store_n(&nreturned, nreturned + 1, __ATOMIC_RELEASE);
}

static void
receiver(void *arg)
{
	struct parcel *p;

	(void)arg;
	while (got < n) {
		p = lwkt_waitport(&port, 0);
		for (int i = 0; i < batch; i++)
			sum += values(p)[i];
		got += (uint64_t)batch;
		lwkt_replymsg(&p->msg, 0);
	}
}

static void
send_all(void)
{
	uint64_t sent = 0;

	for (uint64_t i = 0; sent < n; i++) {
		struct parcel *p = &parcel[i % DEPTH];

		while (i - __atomic_load_n(&nreturned, __ATOMIC_ACQUIRE) >=
		    DEPTH)
			lwkt_yield();
		lwkt_initmsg(&p->msg, &returned, 0);
		for (int j = 0; j < batch; j++)
			values(p)[j] = sent++;
		lwkt_sendmsg(&port, &p->msg);
	}
}

static int
bench(void *arg)
{
	lwkt_thread_t td;
	int64_t begin;

	(void)arg;
	bench_check(lwkt_create(receiver, NULL, &td, NULL,
	    LWKT_JOINABLE | LWKT_NOSTART, 1, "receiver") == 0, "create");
	lwkt_initport_thread(&port, td);
	lwkt_initport_replyonly(&returned, count_return);
	lwkt_schedule(td);
	begin = bench_now();
	send_all();
	lwkt_join(td);
	bench_report(batch == 1 ? "msg-oneway" : "msg-oneway-64", "lwkt",
	    (double)n * 1e3 / (double)(bench_now() - begin), "M/s");
	bench_check(got == n && sum == n * (n - 1) / 2, "lost values");
	return (0);
}

int
main(int argc, char **argv)
{
	struct lwkt_config cfg = { .lc_ncpus = 2, .lc_stksize = BENCH_STACK };

	batch = (int)bench_arg(argc, argv, 1, 1);
	bench_check(batch <= BATCH, "at most %d values a message", BATCH);
	n = (uint64_t)bench_arg(argc, argv, 2, 3000000) * (uint64_t)batch;
	return (lwkt_boot(&cfg, bench, NULL));
}
