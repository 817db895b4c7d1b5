/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Requests for a mtx by a link: without a wait, with a callback, aborted.
 */
#include "core/lock/mtx.h"

static int called, call_error;

static void
callback(struct lwkt_mtx_link *link, void *arg, int error)
{
	check(arg == &called, "another argument");
	check(link != NULL, "no link");
	called++;
	call_error = error;
}

static void
async_holder(void *arg)
{
	(void)arg;
	lwkt_mtx_lock(&mtx);
	(void)atomic_fetchadd_32(&next_id, 1);
	while (LOAD(next_id) < 2)
		lwkt_yield();
	lwkt_mtx_unlock(&mtx);
}

static int
async_requests(void *arg)
{
	struct lwkt_mtx_link link;
	lwkt_thread_t td;

	(void)arg;
	fresh();
	called = 0;
	lwkt_mtx_link_init_async(&link, callback, &called);
	check(lwkt_mtx_lock_ex_link(&mtx, &link, 0, LWKT_FOREVER) == 0 &&
	    called == 0, "a free one is had at once, without a call");
	lwkt_mtx_unlock(&mtx);
	td = spawn_on(lwkt_cpuid() + 1, async_holder, NULL);
	await(&next_id, 1);
	lwkt_mtx_link_init_async(&link, callback, &called);
	check(lwkt_mtx_lock_ex_link(&mtx, &link, 0, LWKT_FOREVER) ==
	    EINPROGRESS && !lwkt_mtx_owned(&mtx), "not in progress");
	ADD(next_id, 1);
	join(td);
	check(called == 1 && call_error == 0 && lwkt_mtx_owned(&mtx),
	    "%d calls, error %d", called, call_error);
	lwkt_mtx_unlock(&mtx);
	next_id = 0;
	td = spawn_on(lwkt_cpuid() + 1, async_holder, NULL);
	await(&next_id, 1);
	lwkt_mtx_link_init_async(&link, NULL, NULL);
	check(lwkt_mtx_lock_sh_link(&mtx, &link, 0, LWKT_FOREVER) ==
	    EINPROGRESS, "not in progress");
	ADD(next_id, 1);
	check(lwkt_mtx_wait_link(&mtx, &link, 0, LWKT_FOREVER) == 0,
	    "not had by waiting");
	lwkt_mtx_unlock_sh(&mtx);
	join(td);
	check(mtx.m_lock == 0, "left %#x", mtx.m_lock);
	return 0;
}

static struct lwkt_mtx_link victim_link;
static int victim_error;

static void
victim(void *arg)
{
	ADD(next_id, 1);
	victim_error = arg != NULL ?
	    lwkt_mtx_lock_sh_link(&mtx, &victim_link, 0, LWKT_FOREVER) :
	    lwkt_mtx_lock_ex_link(&mtx, &victim_link, 0, LWKT_FOREVER);
	if (victim_error == 0)
		lwkt_mtx_unlock(&mtx);
}

/* An abort against the grant of the same request: one of them wins. */
static int
abort_against_grant(void *arg)
{
	lwkt_thread_t td;
	int other = lwkt_cpuid() + 1;

	fresh();
	lwkt_mtx_link_init(&victim_link);
	lwkt_mtx_lock(&mtx);
	td = spawn_on(other, victim, arg);
	await_deaf(&next_id, lwkt_ncpus() > 1);
	lwkt_mtx_abort_link(&mtx, &victim_link);
	lwkt_mtx_unlock(&mtx);
	join(td);
	check(victim_error == ENOLCK, "error %d", victim_error);
	/* The other way round: it may have been granted before. */
	lwkt_mtx_link_init(&victim_link);
	lwkt_mtx_lock(&mtx);
	td = spawn_on(other, victim, arg);
	lwkt_yield();
	lwkt_mtx_unlock(&mtx);
	lwkt_mtx_abort_link(&mtx, &victim_link);
	join(td);
	check(victim_error == 0 || victim_error == ENOLCK, "error %d",
	    victim_error);
	/* With a callback. */
	called = 0;
	lwkt_mtx_lock_sh(&mtx, 0, LWKT_FOREVER);
	lwkt_mtx_link_init_async(&victim_link, callback, &called);
	check(lwkt_mtx_lock_ex_link(&mtx, &victim_link, 0, LWKT_FOREVER) ==
	    EINPROGRESS, "not in progress");
	lwkt_mtx_abort_link(&mtx, &victim_link);
	lwkt_mtx_abort_link(&mtx, &victim_link);
	check(called == 1 && call_error == ENOLCK, "%d calls, error %d",
	    called, call_error);
	lwkt_mtx_unlock(&mtx);
	check(mtx.m_lock == 0, "left %#x", mtx.m_lock);
	return 0;
}

int
main(void)
{
	sim_explore("requests that do not wait", async_requests, NULL, 200);
	sim_explore("a request is granted or aborted", abort_against_grant,
	    NULL, 300);
	sim_explore("the same for a shared one", abort_against_grant, &mtx,
	    300);
	return tap_done();
}
