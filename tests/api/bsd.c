/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The short names: a program written with them does what it says.
 */
#include <errno.h>
#include <string.h>

#include "tap.h"

#include <lwkt/bsd.h>

static int box;				/* 0: empty */
static int ticks;

static void
filler(void *arg)
{
	box = *(int *)arg;
	wakeup(&box);
}

static void
tick(struct systimer *st, void *arg)
{
	(void)arg;
	if (++ticks == 2) {
		systimer_del(st);
		wakeup_one(&ticks);
	}
}

static int
body(void *arg)
{
	void (*leave)(void) = crit_exit;
	struct systimer st, one;
	struct lwkt_msg msg;
	int seven = 7;
	thread_t td;

	(void)arg;
	ok(curthread != NULL && mycpuid == 0 && ncpus == 1, "who and where");
	if (lwkt_create(filler, &seven, &td, NULL,
	    LWKT_NOSTART | LWKT_JOINABLE, 0, "filler") != 0)
		panic("no thread");
	lwkt_setpri_initial(td, TDPRI_SOFT_NORM);
	is_int(lwkt_getpri(td), TDPRI_SOFT_NORM, "priorities");
	lwkt_schedule(td);
	while (box == 0)
		tsleep(&box, PCATCH, "box", LWKT_FOREVER);
	is_int(box, 7, "tsleep and wakeup");
	lwkt_join(td);

	tsleep_interlock(&box, PDOMAIN_UMTX);
	wakeup_domain(&box, PDOMAIN_UMTX);
	is_int(tsleep(&box, PINTERLOCKED | PDOMAIN_UMTX, "box",
	    LWKT_FOREVER), 0, "the interlock and domains");
	tsleep_interlock(&box, 0);
	tsleep_remove();
	is_int(tsleep(&box, 0, "box", 0), EWOULDBLOCK, "tsleep_remove");

	crit_enter();
	systimer_init_periodic(&st, tick, NULL, 1000000, 0);
	systimer_adjust_periodic(&st, 500000);
	while (ticks < 2)
		tsleep(&ticks, 0, "ticks", LWKT_FOREVER);
	systimer_init_oneshot(&one, tick, NULL, 1000000000);
	systimer_del(&one);
	leave();
	is_int(ticks, 2, "critical sections and timers");

	lwkt_initmsg(&msg, lwkt_curport(), MSGF_PRIORITY);
	ok((msg.ms_flags & (MSGF_DONE | MSGF_PRIORITY)) ==
	    (MSGF_DONE | MSGF_PRIORITY), "flags of messages");
	kprintf("# a line by kprintf");
	return 0;
}

int
main(void)
{
	struct lwkt_config cfg = { .lc_ncpus = 1 };

	is_int(lwkt_boot(&cfg, body, NULL), 0, "the kernel ran");
	return tap_done();
}
