/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * CPUs together, and threads that take or change them, as a program sees
 * them: every function once.
 */
#include <lwkt/cpusync.h>
#include <lwkt/ipiq.h>
#include <lwkt/lwkt.h>

#include "tap.h"

static int ran[2];			/* each by its CPU */

static void
run(void *arg)
{
	ran[lwkt_cpuid()] += *(int *)arg;
}

static void
rendezvous(void)
{
	struct lwkt_cpusync cs;
	int one = 1;

	lwkt_cpusync_simple(lwkt_cpumask_all(), run, &one);
	is_int(ran[0] + ran[1], 2, "every CPU has run the function");
	lwkt_cpusync_quick(lwkt_cpumask_one(1), run, &one);
	lwkt_synchronize_ipiqs("sync");
	is_int(ran[1], 2, "one CPU has run it");
	lwkt_cpusync_init(&cs, lwkt_cpumask_all(), run, &one);
	lwkt_cpusync_interlock(&cs);
	is_int(ran[0] + ran[1], 3, "CPUs that stand still run nothing");
	lwkt_cpusync_deinterlock(&cs);
	is_int(ran[0] + ran[1], 5, "until they are let go");
}

static int retired;

static void
note_retired(struct lwkt_retire *rt)
{
	(void)rt;
	retired = 1;
	lwkt_wakeup(&retired);
}

static void
reclaims(void)
{
	static struct lwkt_retire rt;

	lwkt_retire(&rt, note_retired);
	for (;;) {
		lwkt_tsleep_interlock(&retired, 0);
		if (*(volatile int *)&retired)
			break;
		(void)lwkt_tsleep(&retired, LWKT_PINTERLOCKED, "retire",
		    LWKT_FOREVER);
	}
	lwkt_tsleep_remove();
	ok(1, "what is retired is given back some time");
}

static lwkt_thread_t lender;		/* as the interrupt thread saw it */
static int where = -1;

static void
interrupt(void *arg)
{
	(void)arg;
	lender = lwkt_preempted_proc();
}

static void
supporter(void *arg)
{
	(void)arg;
	lwkt_set_interrupt_support_thread();
	is_int(lwkt_getpri(lwkt_self()), LWKT_PRI_INT_SUPPORT,
	    "a thread makes itself an interrupt thread");
}

static void
interrupts(void)
{
	lwkt_thread_t td;

	ok(lwkt_preempted_proc() == lwkt_self(), "nobody is interrupted");
	if (lwkt_create(interrupt, NULL, &td, NULL,
	    LWKT_INTERRUPT | LWKT_JOINABLE, 0, "intr") != 0)
		lwkt_panic("no thread");
	ok(lender == lwkt_self(), "an interrupt thread takes the CPU at once");
	lwkt_join(td);
	lwkt_create(supporter, NULL, &td, NULL, LWKT_JOINABLE, 0, "support");
	lwkt_join(td);
}

static void
adopt(void *arg)
{
	lwkt_acquire(arg);
	lwkt_schedule(arg);
}

static void
note_where(void *arg)
{
	(void)arg;
	where = lwkt_cpuid();
}

static void
gifts(void)
{
	lwkt_thread_t td;

	if (lwkt_create(note_where, NULL, &td, NULL,
	    LWKT_NOSTART | LWKT_JOINABLE, 0, "gift") != 0)
		lwkt_panic("no thread");
	lwkt_giveaway(td);
	lwkt_send_ipiq(1, adopt, td);
	lwkt_synchronize_ipiqs("gift");
	lwkt_join(td);
	is_int(where, 1, "a thread given away runs where it was taken");
}

static int
body(void *arg)
{
	(void)arg;
	rendezvous();
	reclaims();
	interrupts();
	gifts();
	return 0;
}

int
main(void)
{
	struct lwkt_config cfg = { .lc_ncpus = 2 };

	is_int(lwkt_boot(&cfg, body, NULL), 0, "the kernel ran");
	return tap_done();
}
