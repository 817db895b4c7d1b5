/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A mtx used as a spinlock, and what is refused then.
 */
#include "core/lock/mtx.h"

static long spun;

static void
spins(void *arg)
{
	int i;

	(void)arg;
	for (i = 0; i < 20; i++) {
		if (i % 4 == 3) {
			while (lwkt_mtx_spinlock_try(&mtx) != 0)
				lwkt_yield();
		} else {
			lwkt_mtx_spinlock(&mtx);
		}
		lwkt_mtx_spinlock(&mtx);
		check(lwkt_mtx_owned(&mtx) && lwkt_mtx_islocked_ex(&mtx) &&
		    lwkt_mtx_lockrefs(&mtx) == 2, "it is not ours twice");
		check(lwkt_crit_test(lwkt_self()), "in no critical section");
		spun++;
		lwkt_mtx_spinunlock(&mtx);
		lwkt_mtx_spinunlock(&mtx);
		check(!lwkt_mtx_owned(&mtx), "it is still ours");
	}
}

static int
as_a_spinlock(void *arg)
{
	(void)arg;
	fresh();
	spun = 0;
	run_threads(spins, 4);
	check(spun == 80, "%ld", spun);
	check(!lwkt_mtx_islocked(&mtx), "it is not free");
	return 0;
}

static int
spin_blocks_body(void *arg)
{
	(void)arg;
	fresh();
	lwkt_mtx_spinlock(&mtx);
	return lwkt_sleep_ns(1000);
}

static int
spin_mixed_body(void *arg)
{
	(void)arg;
	fresh();
	spawn_on(1, lock_and_keep, NULL);
	await(&locked, 1);
	lwkt_mtx_spinlock(&mtx);
	return 0;
}

static int
spin_own_body(void *arg)
{
	(void)arg;
	fresh();
	lwkt_mtx_lock(&mtx);
	return lwkt_mtx_spinlock_try(&mtx);
}

static int
spin_stranger_body(void *arg)
{
	(void)arg;
	fresh();
	lwkt_mtx_lock(&mtx);
	lwkt_mtx_spinunlock(&mtx);
	return 0;
}

int
main(void)
{
	panics("blocking with one as a spinlock panics", spin_blocks_body,
	    "blocks with spinlock \"m\" held");
	panics("taking one as a spinlock that is held otherwise panics",
	    spin_mixed_body, "while it is held as a sleeping lock");
	panics("the same by its holder", spin_own_body,
	    "which holds it as a sleeping lock");
	panics("unlocking one as a spinlock that is not held so panics",
	    spin_stranger_body, "which does not hold it as a spinlock");
	sim_explore("as a spinlock it excludes", as_a_spinlock, NULL, 200);
	return tap_done();
}
