/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Tokens and locks: each error of the program is reported.
 */
#include <lwkt/lock.h>
#include <lwkt/mtx.h>
#include <lwkt/serialize.h>
#include <lwkt/spinlock.h>
#include <lwkt/sync.h>
#include <lwkt/token.h>

#include "api/misuse.h"

static struct lwkt_token token = LWKT_TOKEN_INITIALIZER("coin");
static struct lwkt_spin spin = LWKT_SPIN_INITIALIZER("top");
static struct lwkt_mtx mtx = LWKT_MTX_INITIALIZER("latch");
static struct lwkt_lock lock = LWKT_LOCK_INITIALIZER("bolt", 0, 0);
static struct lwkt_serialize slz = LWKT_SERIALIZE_INITIALIZER;
static struct lwkt_mutex mutex = LWKT_MUTEX_INITIALIZER("door");

static int
token_not_held(void *arg)
{
	(void)arg;
	lwkt_reltoken(&token);
	return 0;
}

static void
keeps_token(void *arg)
{
	(void)arg;
	lwkt_gettoken(&token);
}

static int
exit_with_token(void *arg)
{
	(void)arg;
	return lwkt_join(start(keeps_token, LWKT_JOINABLE, 0));
}

static int
switch_with_spin(void *arg)
{
	(void)arg;
	lwkt_spin_lock(&spin);
	lwkt_switch();
	return 0;
}

static void
keeps_spin(void *arg)
{
	(void)arg;
	lwkt_spin_lock(&spin);
}

static int
exit_with_spin(void *arg)
{
	(void)arg;
	return lwkt_join(start(keeps_spin, LWKT_JOINABLE, 0));
}

/* Another thread has them all, exclusively. */
static int has_all;

static void
takes_all(void *arg)
{
	(void)arg;
	lwkt_mtx_lock(&mtx);
	(void)lwkt_lockmgr(&lock, LWKT_LK_EXCLUSIVE);
	lwkt_serialize_enter(&slz);
	lwkt_mutex_lock(&mutex);
	has_all = 1;
	lwkt_sleep("for ever", 0);
}

static void
others_have_all(void)
{
	(void)start(takes_all, 0, 0);
	while (!has_all)
		lwkt_yield();
}

static int
mtx_not_owned(void *arg)
{
	(void)arg;
	others_have_all();
	lwkt_mtx_unlock(&mtx);
	return 0;
}

static int
lock_not_owned(void *arg)
{
	(void)arg;
	others_have_all();
	return lwkt_lockmgr(&lock, LWKT_LK_RELEASE);
}

static int
serializer_not_owned(void *arg)
{
	(void)arg;
	others_have_all();
	lwkt_serialize_exit(&slz);
	return 0;
}

static int
mutex_not_owned(void *arg)
{
	(void)arg;
	others_have_all();
	lwkt_mutex_unlock(&mutex);
	return 0;
}

static const struct misuse cases[] = {
	{ "releasing a token not held", token_not_held,
	    "thread \"main\" releases token \"coin\"" },
	{ "ending with a token", exit_with_token,
	    "thread \"victim\" exits with token \"coin\"" },
	{ "switching with a spinlock", switch_with_spin,
	    "thread \"main\" blocks with spinlock \"top\" held on cpu 0" },
	{ "ending with a spinlock", exit_with_spin, "thread \"victim\" exits" },
	{ "unlocking another's mtx", mtx_not_owned,
	    "mtx \"latch\" is unlocked by thread \"main\"" },
	{ "releasing another's lock", lock_not_owned,
	    "lock \"bolt\" is released, though not held, by thread \"main\"" },
	{ "leaving another's serializer", serializer_not_owned,
	    "is left by thread \"main\", which does not hold it" },
	{ "unlocking another's mutex", mutex_not_owned,
	    "mutex \"door\" is unlocked by a thread that does not hold it" },
};

int
main(void)
{
	return misuse_run(cases, sizeof(cases) / sizeof(cases[0]));
}
