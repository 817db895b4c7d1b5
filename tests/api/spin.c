/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Spinlocks, as a program sees them: every function once.
 */
#include <lwkt/lwkt.h>
#include <lwkt/spinlock.h>

#include "tap.h"

#define NADDS	20000

static struct lwkt_spin spin = LWKT_SPIN_INITIALIZER("test");
static long sum;			/* spin */

static void
adder(void *arg)
{
	(void)arg;
	for (int i = 0; i < NADDS; i++) {
		lwkt_spin_lock(&spin);
		sum++;
		lwkt_spin_unlock(&spin);
	}
}

static void
exclusion(void)
{
	lwkt_thread_t td[2];

	for (int i = 0; i < 2; i++)
		if (lwkt_create(adder, NULL, &td[i], NULL, LWKT_JOINABLE, i,
		    "adder %d", i) != 0)
			lwkt_panic("no thread");
	lwkt_join(td[0]);
	lwkt_join(td[1]);
	is_int(sum, 2 * NADDS, "no addition is lost on two CPUs");
}

static void
holding(void)
{
	struct lwkt_spin s;

	lwkt_spin_init(&s, "local");
	lwkt_spin_setrank(&s, 1);
	is_int(lwkt_spin_trylock(&s), 1, "a free one can be taken");
	ok(lwkt_spin_held(&s), "and is held");
	lwkt_spin_unlock(&s);
	ok(!lwkt_spin_held(&s), "and given back");
	lwkt_spin_lock_shared(&s);
	is_int(lwkt_spin_lock_upgrade_try(&s), 1,
	    "the only sharer may upgrade");
	lwkt_spin_unlock_any(&s);
	lwkt_spin_lock_shared(&s);
	lwkt_spin_unlock_shared(&s);
	lwkt_crit_enter();
	lwkt_spin_lock_quick(&s);
	lwkt_spin_unlock_quick(&s);
	lwkt_spin_lock_shared_quick(&s);
	lwkt_spin_unlock_shared_quick(&s);
	lwkt_crit_exit();
	is_int(lwkt_spin_trylock(&s), 1, "it is free after all of them");
	lwkt_spin_unlock(&s);
	lwkt_spin_uninit(&s);
}

static void
updates(void)
{
	unsigned v = lwkt_spin_access_start(&spin);

	is_int(lwkt_spin_access_end(&spin, v), 0, "a quiet read succeeds");
	v = lwkt_spin_access_start(&spin);
	lwkt_spin_lock_update(&spin);
	lwkt_spin_unlock_update(&spin);
	ok(lwkt_spin_access_end(&spin, v) != 0, "one with a change does not");

	lwkt_crit_enter();
	lwkt_spin_lock_update_only(&spin);
	v = lwkt_spin_access_start_only(&spin);
	ok(lwkt_spin_access_inprog(v), "a change is seen while it goes on");
	lwkt_spin_unlock_update_only(&spin);
	ok(lwkt_spin_access_end_only(&spin, v) != 0, "and afterwards");
	lwkt_crit_exit();
}

static int
body(void *arg)
{
	(void)arg;
	exclusion();
	holding();
	updates();
	return 0;
}

int
main(void)
{
	struct lwkt_config cfg = { .lc_ncpus = 2 };

	is_int(lwkt_boot(&cfg, body, NULL), 0, "the kernel ran");
	return tap_done();
}
