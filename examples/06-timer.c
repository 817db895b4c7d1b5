/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Time: sleeping, timers that call a function, waits with a limit.
 *
 * The functions of timers run on the CPU that started the timers, in a critical
 * section, in the name of the thread that it runs.  They must be short and must
 * not block.
 */
#include <lwkt/lwkt.h>
#include <lwkt/systimer.h>
#include <errno.h>
#include <stdio.h>

#define MS	((int64_t)1000000)	/* nanoseconds */

struct clockwork {
	struct lwkt_systimer	c_tick;		/* periodic */
	struct lwkt_systimer	c_alarm;	/* once */
	int			c_ticks;
	int			c_rang;
};

static void
tick(struct lwkt_systimer *st, void *arg)
{
	struct clockwork *c = arg;

	(void)st;
	c->c_ticks++;
}

static void
alarm_rings(struct lwkt_systimer *st, void *arg)
{
	struct clockwork *c = arg;

	(void)st;
	lwkt_systimer_del(&c->c_tick);
	c->c_rang = 1;
	lwkt_wakeup(c);
}

static int
timers(void *arg)
{
	struct clockwork c = { .c_ticks = 0 };
	int64_t start = lwkt_time_ns();
	int error;

	(void)arg;
	lwkt_systimer_init_periodic(&c.c_tick, tick, &c, 2 * MS, 0);
	lwkt_systimer_init_oneshot(&c.c_alarm, alarm_rings, &c, 21 * MS);

	/* The alarm cannot ring between the test and the sleep. */
	lwkt_crit_enter();
	while (!c.c_rang)
		lwkt_tsleep(&c, 0, "alarm", LWKT_FOREVER);
	lwkt_crit_exit();
	printf("%d ticks until the alarm, after %lld ms\n", c.c_ticks,
	    (long long)((lwkt_time_ns() - start) / MS));

	/* Nobody wakes this one. */
	error = lwkt_tsleep(&error, 0, "nobody", 5 * MS);
	printf("a wait with a limit: %s\n",
	    error == EWOULDBLOCK ? "time is over" : "woken");

	lwkt_sleep_ns(5 * MS);
	return c.c_ticks < 1 || c.c_ticks > 10 || error != EWOULDBLOCK ||
	    lwkt_time_ns() - start < 31 * MS;
}

int
main(void)
{
	struct lwkt_config cfg = { .lc_ncpus = 1 };

	return lwkt_boot(&cfg, timers, NULL);
}
