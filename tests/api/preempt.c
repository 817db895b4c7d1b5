/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Preemptible threads as a program sees them, with the shared library: in its
 * own text, and in an object that it registers.
 */
#include <errno.h>
#include <lwkt/lwkt.h>
#include <lwkt/preempt.h>
#include <lwkt/systimer.h>
#include <string.h>

#include "tap.h"

void	object_computes(const volatile uint32_t *until, uint32_t least);

static volatile uint32_t fired, counted;

static __attribute__((noinline)) void
computes(const volatile uint32_t *until, uint32_t least)
{
	while (*until < least)
		counted = counted + 1;
}

static void
timer_fires(struct lwkt_systimer *st, void *arg)
{
	(void)st, (void)arg;
	fired = fired + 1;
}

static void
own_text(void *arg)
{
	(void)arg;
	computes(&fired, 20);
}

static void
object_text(void *arg)
{
	(void)arg;
	object_computes(&fired, 20);
}

/* Returns if timers fire under fn, which waits for them; else never. */
static void
under_timers(void (*fn)(void *), const char *what)
{
	struct lwkt_systimer st;
	lwkt_thread_t td;

	fired = 0;
	if (lwkt_create(fn, NULL, &td, NULL, LWKT_JOINABLE | LWKT_PREEMPTIBLE,
	    lwkt_cpuid(), "computes") != 0) {
		ok(0, "%s: no thread", what);
		return;
	}
	lwkt_systimer_init_periodic(&st, timer_fires, NULL, 100000, 0);
	lwkt_join(td);
	lwkt_systimer_del(&st);
	ok(fired >= 20, "timers fire under %s", what);
}

static int
body(void *arg)
{
	const void *object = (const void *)(uintptr_t)object_computes;

	(void)arg;
	under_timers(own_text, "the program's own computation");
	is_int(lwkt_preempt_register(object, 0), 0, "an object is registered");
	under_timers(object_text, "the object's");
	is_int(lwkt_preempt_unregister(object, 0), 0, "and taken back");
	is_int(lwkt_preempt_unregister(object, 0), ENOENT, "once");
	is_int(lwkt_preempt_register((const void *)(uintptr_t)lwkt_yield, 0),
	    EINVAL, "the library cannot be registered");
	is_int(lwkt_preempt_register((const void *)(uintptr_t)strlen, 0),
	    EINVAL, "nor libc");
	return 0;
}

int
main(void)
{
	struct lwkt_config cfg = { .lc_ncpus = 1 };

#ifdef __SANITIZE_THREAD__
	skip_all("TSan keeps signals until the next call of libc");
#endif
	ok(lwkt_boot(&cfg, body, NULL) == 0, "boots");
	return tap_done();
}
