/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Limits that have passed: each call that takes one ends at once, whatever
 * negative number a late `deadline - now` gave.  LWKT_FOREVER is -1 alone.
 *
 * Nothing here would ever wake a call that waits, so one that took such a
 * limit for none is a deadlock on the simulated host, and a hang on the real.
 */
#include "core/util.h"

#include <fcntl.h>
#include <lwkt/io.h>
#include <lwkt/lock.h>
#include <lwkt/locksleep.h>
#include <lwkt/mtx.h>
#include <lwkt/msgport.h>
#include <lwkt/serialize.h>
#include <lwkt/spinlock.h>
#include <lwkt/sync.h>
#include <lwkt/sysmsg.h>
#include <poll.h>
#include <sys/socket.h>

#ifdef LWKT_HOST_SIM
#include "machine/sim/sim_io.h"
#define make_pair(fd)	sim_socketpair(fd)
#else
#define make_pair(fd)	socketpair(AF_UNIX, SOCK_STREAM, 0, (fd))
#endif

static const int64_t passed[] = { 0, -2, -3, -1000000000, INT64_MIN };
#define NPASSED		(sizeof(passed) / sizeof(passed[0]))

/* The limit under test, and how often it was obeyed. */
static int64_t limit;

static void
over(int error, const char *call)
{
	check(error == EWOULDBLOCK, "%s with %lld: %d", call, (long long)limit,
	    error);
}

static void
sleeps(void)
{
	struct lwkt_mtx mtx = LWKT_MTX_INITIALIZER("m");
	struct lwkt_spin spin = LWKT_SPIN_INITIALIZER("s");
	struct lwkt_lock lk = LWKT_LOCK_INITIALIZER("l", 0, 0);
	struct lwkt_serialize slz;
	struct lwkt_xwait xw;
	unsigned gen;

	over(lwkt_tsleep(&xw, 0, "x", limit), "tsleep");
	lwkt_tsleep_interlock(&xw, 0);
	over(lwkt_tsleep(&xw, LWKT_PINTERLOCKED | LWKT_PCATCH, "x", limit),
	    "tsleep, interlocked");
	lwkt_tsleep_remove();
	lwkt_xwait_init(&xw);
	gen = lwkt_xgen(&xw);
	over(lwkt_xsleep(&xw, 0, "x", limit, &gen), "xsleep");
	lwkt_spin_lock(&spin);
	over(lwkt_ssleep(&xw, &spin, 0, "x", limit), "ssleep");
	lwkt_spin_unlock(&spin);
	lwkt_mtx_lock(&mtx);
	over(lwkt_mtxsleep(&xw, &mtx, 0, "x", limit), "mtxsleep");
	lwkt_mtx_unlock(&mtx);
	(void)lwkt_lockmgr(&lk, LWKT_LK_EXCLUSIVE);
	over(lwkt_lksleep(&xw, &lk, 0, "x", limit), "lksleep");
	(void)lwkt_lockmgr(&lk, LWKT_LK_RELEASE);
	lwkt_serialize_init(&slz);
	lwkt_serialize_enter(&slz);
	over(lwkt_zsleep(&xw, &slz, 0, "x", limit), "zsleep");
	lwkt_serialize_exit(&slz);
}

static struct lwkt_mtx held_mtx;
static struct lwkt_mutex held_mutex;
static struct lwkt_rwlock held_rw;

/* Of locks that another thread has. */
static void
locks(void *arg)
{
	struct lwkt_mtx_link link;

	(void)arg;
	over(lwkt_mtx_lock_ex(&held_mtx, 0, limit), "mtx_lock_ex");
	over(lwkt_mtx_lock_sh(&held_mtx, 0, limit), "mtx_lock_sh");
	lwkt_mtx_link_init(&link);
	over(lwkt_mtx_lock_ex_link(&held_mtx, &link, 0, limit),
	    "mtx_lock_ex_link");
	lwkt_mtx_link_init(&link);
	over(lwkt_mtx_lock_sh_link(&held_mtx, &link, 0, limit),
	    "mtx_lock_sh_link");
	over(lwkt_mutex_timedlock(&held_mutex, limit), "mutex_timedlock");
	over(lwkt_rwlock_read(&held_rw, limit), "rwlock_read");
	over(lwkt_rwlock_write(&held_rw, limit), "rwlock_write");
}

static void
counted(void)
{
	struct lwkt_mutex mu = LWKT_MUTEX_INITIALIZER("mu");
	struct lwkt_cond cv = LWKT_COND_INITIALIZER("cv");
	struct lwkt_sem se = LWKT_SEM_INITIALIZER(0, "se");
	struct lwkt_waitgroup wg = LWKT_WAITGROUP_INITIALIZER(0, "wg");
	struct lwkt_queue q;
	void *slots[1], *item;

	over(lwkt_sem_wait(&se, limit), "sem_wait");
	lwkt_waitgroup_add(&wg, 1);
	over(lwkt_waitgroup_wait(&wg, limit), "waitgroup_wait");
	lwkt_mutex_lock(&mu);
	over(lwkt_cond_wait(&cv, &mu, limit), "cond_wait");
	lwkt_mutex_unlock(&mu);
	lwkt_queue_init(&q, slots, 1, "q");
	over(lwkt_queue_get(&q, &item, limit), "queue_get");
	check(lwkt_queue_put(&q, &q, limit) == 0, "there is room");
	over(lwkt_queue_put(&q, &q, limit), "queue_put");
}

static void
one_port(lwkt_port_t port, const char *kind)
{
	struct lwkt_port nobody;	/* receives there */
	struct lwkt_msg msg;

	check(lwkt_waitport_timed(port, 0, limit) == NULL, "waitport_timed, "
	    "%s, %lld", kind, (long long)limit);
	lwkt_initmsg(&msg, port, 0);
	lwkt_initport_spin(&nobody);
	lwkt_sendmsg(&nobody, &msg);
	over(lwkt_waitmsg_timed(&msg, 0, limit), kind);
	lwkt_replymsg(lwkt_getport(&nobody), 0);
	(void)lwkt_waitmsg(&msg, 0);
}

static void
ports(void)
{
	lwkt_port_t both[2] = { lwkt_curport(), NULL };
	struct lwkt_serialize slz;
	struct lwkt_port spin, ser;
	int which = 0;

	lwkt_initport_spin(&spin);
	one_port(lwkt_curport(), "thread port");
	one_port(&spin, "spin port");
	lwkt_serialize_init(&slz);
	lwkt_initport_serialize(&ser, &slz);
	lwkt_serialize_enter(&slz);
	one_port(&ser, "serialize port");
	lwkt_serialize_exit(&slz);
	both[1] = &spin;
	check(lwkt_port_select(both, 2, &which, 0, limit) == NULL &&
	    which == -EWOULDBLOCK, "port_select with %lld: %d",
	    (long long)limit, which);
}

static void
calls(void)
{
	struct lwkt_sysmsg sm;
	int fd[2];
	char c;

	(void)make_pair(fd);
	check(lwkt_recv_timo(fd[0], &c, 1, 0, limit) == -ETIMEDOUT, "recv");
	check(lwkt_read_timo(fd[0], &c, 1, limit) == -ETIMEDOUT, "read");
	check(lwkt_poll(fd[0], POLLIN, limit) == 0, "poll");
	lwkt_sysmsg_recv(&sm, lwkt_curport(), fd[0], &c, 1, 0);
	sm.sm_timeout_ns = limit;
	check(lwkt_dosys(&sm) == -ETIMEDOUT, "a message");
	while (lwkt_send_timo(fd[0], "0123456789abcdef", 16, 0, limit) > 0)
		continue;
	check(lwkt_send_timo(fd[0], &c, 1, 0, limit) == -ETIMEDOUT, "send");
	check(lwkt_write_timo(fd[0], &c, 1, limit) == -ETIMEDOUT, "write");
	lwkt_close(fd[0]);
	lwkt_close(fd[1]);
}

static int
end_at_once(void *arg)
{
	(void)arg;
	lwkt_mtx_init(&held_mtx, "held");
	held_mutex = (struct lwkt_mutex)LWKT_MUTEX_INITIALIZER("held");
	held_rw = (struct lwkt_rwlock)LWKT_RWLOCK_INITIALIZER("held");
	lwkt_mtx_lock(&held_mtx);
	lwkt_mutex_lock(&held_mutex);
	(void)lwkt_rwlock_write(&held_rw, LWKT_FOREVER);
	for (size_t i = 0; i < NPASSED; i++) {
		limit = passed[i];
		sleeps();
		join(spawn_on(1, locks, NULL));
		counted();
		ports();
		calls();
		check(lwkt_sleep_ns(limit) == 0, "sleep_ns");
	}
	lwkt_rwlock_unlock(&held_rw);
	lwkt_mutex_unlock(&held_mutex);
	lwkt_mtx_unlock(&held_mtx);
	return 0;
}

/* A deadline as a limit: never negative, and never one that never comes. */
static int
deadlines(void *arg)
{
	int64_t now = lwkt_time_ns(), left;

	(void)arg;
	for (int64_t late = 0; late < 5; late++)
		check(lwkt_until(now - late) == 0, "%lld ns ago",
		    (long long)late);
	check(lwkt_until(LWKT_FOREVER) == 0 && lwkt_until(INT64_MIN) == 0,
	    "long ago");
	left = lwkt_until(now + 1000000000);
	check(left > 0 && left <= 1000000000, "%lld of a second left",
	    (long long)left);
	check(lwkt_until(INT64_MAX) > 0, "the last of all");
	over(lwkt_tsleep(&now, 0, "x", lwkt_until(now + 20000)), "a sleep");
	check(lwkt_time_ns() >= now + 20000, "until then");
	return 0;
}

int
main(void)
{
	sim_explore("limits that have passed end each call at once",
	    end_at_once, NULL, 20);
	sim_explore("a deadline is a limit", deadlines, NULL, 50);
	return tap_done();
}
