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

static struct lwkt_spin spin = LWKT_SPIN_INITIALIZER("spin");
static struct lwkt_mtx mtx = LWKT_MTX_INITIALIZER("mtx");
static struct lwkt_lock lock = LWKT_LOCK_INITIALIZER("lock", 0, 0);
static struct lwkt_serialize slz = LWKT_SERIALIZE_INITIALIZER;

static void
locks_and_sleeps(void)
{
	unsigned gen;
	struct xwait xw;

	spin_lock(&spin);
	is_int(ssleep(&box, &spin, 0, "box", 1000), EWOULDBLOCK, "ssleep");
	ok(spin_held(&spin), "which takes the spinlock again");
	spin_unlock(&spin);
	mtx_lock_ex_quick(&mtx);
	is_int(mtxsleep(&box, &mtx, 0, "box", 1000), EWOULDBLOCK, "mtxsleep");
	mtx_unlock(&mtx);
	mtx_lock_sh_quick(&mtx);
	is_int(mtx_lockrefs(&mtx), 1, "a mtx is shared");
	mtx_unlock_sh(&mtx);
	mtx_spinlock(&mtx);
	is_int(mtx_spinlock_try(&mtx), 0, "a mtx as a spinlock");
	ok(crit_test(curthread), "in a critical section");
	mtx_spinunlock(&mtx);
	mtx_spinunlock(&mtx);
	lockmgr(&lock, LK_EXCLUSIVE);
	is_int(lksleep(&box, &lock, 0, "box", 1000), EWOULDBLOCK, "lksleep");
	lockmgr(&lock, LK_RELEASE);
	lwkt_serialize_enter(&slz);
	is_int(zsleep(&box, &slz, 0, "box", 1000), EWOULDBLOCK, "zsleep");
	ASSERT_SERIALIZED(&slz);
	lwkt_serialize_exit(&slz);
	ASSERT_NOT_SERIALIZED(&slz);
	xwait_init(&xw);
	gen = lwkt_xgen(&xw);
	xupdate(&xw);
	xwakeup(&xw);
	is_int(xsleep(&xw, PNORESCHED, "xw", LWKT_FOREVER, &gen), 0, "xsleep");
	is_int(gen, 2, "counts");
}

static void
count_box(void *arg1, int arg2, void *frame)
{
	ok(arg1 == &box && frame == NULL, "three arguments");
	box += arg2;
}

static void
sections_and_cpus(void)
{
	struct lwkt_token tok = LWKT_TOKEN_INITIALIZER("tok");
	ipifunc3_t fn = count_box;

	crit_enter_hard();
	ok(lwkt_trytoken(&tok), "a token in a hard section");
	ASSERT_LWKT_TOKEN_HELD_EXCL(&tok);
	lwkt_reltoken(&tok);
	crit_exit_hard();
	crit_enter();
	crit_exit_noyield(curthread);
	splz();
	splz_check();
	lwkt_maybe_splz(curthread);
	ok(!crit_test(curthread), "out of critical sections");
	box = 0;
	lwkt_send_ipiq3(mycpuid, fn, &box, 3);
	is_int(box, 3, "lwkt_send_ipiq3");
	is_int(lwkt_setcpu_self(0), 0, "lwkt_setcpu_self");
	wakeup_start_delayed();
	wakeup(&box);
	wakeup_end_delayed();
	wakeup_oncpu(0, &box);
	wakeup_oncpu_one(0, &box);
}

static MALLOC_DEFINE(M_BOX, "box", "boxes");
static MALLOC_DEFINE_OBJ(M_LID, 24, "lid", "lids of boxes");

static void
memory(void)
{
	char *p = kmalloc(10, M_BOX, M_WAITOK | M_ZERO | M_USE_RESERVE);
	struct malloc_type *type = M_BOX;

	is_int(p[9], 0, "M_ZERO");
	p = krealloc(p, 1000, M_BOX, M_INTWAIT);
	kfree(p, M_BOX);
	p = kstrdup("box", type);
	is_str(p, "box", "kstrdup");
	kfree(p, M_BOX);
	p = kmalloc_obj(24, M_LID, M_NOWAIT | M_NULLOK);
	kfree_obj(p, M_LID);
	kmalloc_raise_limit(M_BOX, 100);
	is_int(kmalloc_limit(M_BOX), 100, "kmalloc_limit");
	ok(kmalloc(1000, M_BOX, M_NOWAIT | M_POWEROF2 | M_CACHEALIGN) ==
	    NULL, "a limit");
	kmalloc_set_unlimited(M_BOX);
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
	locks_and_sleeps();
	sections_and_cpus();
	memory();
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
