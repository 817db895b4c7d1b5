/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * System calls by number as messages, under every schedule: each has its
 * reply; an abort or a time limit leaves either the result or the arguments.
 */
#include "core/util.h"

#include <lwkt/msgport.h>
#include <lwkt/syscall.h>
#include <sys/syscall.h>
#include <unistd.h>

#define US		((int64_t)1000)
#define CALLS		6
#define MSGS		5

/* Several calls of one thread at one time, made in all ways. */
static const struct {
	long	nr, arg;
	int	error;			/* 0: the pid */
} list[MSGS] = {
	{ SYS_fdatasync, -1, EBADF }, { SYS_getpid, 0, 0 },
	{ SYS_fork, 0, ENOSYS }, { SYS_read, -1, EBADF },
	{ 5000, 0, ENOSYS },
};

static void
sender(void *arg)
{
	struct lwkt_callargs ca[MSGS];
	struct lwkt_sysmsg sm[MSGS];

	(void)arg;
	for (int i = 0; i < MSGS; i++) {
		ca[i] = (struct lwkt_callargs){ .ca_arg[0] = list[i].arg };
		lwkt_sysmsg_syscall(&sm[i], lwkt_curport(), list[i].nr,
		    &ca[i]);
		errno = EXDEV;
		lwkt_sendsys(&sm[i]);
		check(errno == EXDEV, "%d: errno %d", i, errno);
	}
	for (int i = MSGS - 1; i >= 0; i--) {
		(void)lwkt_waitmsg(&sm[i].sm_msg, 0);
		check(sm[i].sm_result == 0 && sm[i].sm_msg.ms_error == 0,
		    "%d: not made: %d", i, (int)sm[i].sm_result);
		check(ca[i].ca_call.bc_result == (list[i].error != 0 ?
		    -list[i].error : getpid()), "%d: result %d", i,
		    (int)ca[i].ca_call.bc_result);
	}
}

static int
replies_body(void *arg)
{
	(void)arg;
	run_threads(sender, 4);
	return 0;
}

/* Calls that may be left: the arguments are one of these, released once. */
struct left {
	struct lwkt_callargs l_args;	/* first */
	uint32_t	 l_released;
};

static struct left left[4][CALLS];
static uint32_t results, leaves, released;

static void
release(struct lwkt_blocking_call *bc)
{
	struct left *l = (struct left *)bc;

	ADD(l->l_released, 1);
	ADD(released, 1);
}

/*
 * Count how a call ended; `early` is the errno of one that has not begun.  If
 * it goes on, the structure is no longer ours.
 */
static void
ended(struct left *l, const struct lwkt_sysmsg *sm, int early)
{
	if (sm->sm_result == -EINPROGRESS) {
		ADD(leaves, 1);
		return;
	}
	check(LOAD(l->l_released) == 0, "released, but ours");
	check(sm->sm_result == -early || (sm->sm_result == 0 &&
	    l->l_args.ca_call.bc_result == -EBADF), "result %d",
	    (int)sm->sm_result);
	ADD(results, 1);
}

static struct left *
prepare(struct left *l, struct lwkt_sysmsg *sm)
{
	STORE(l->l_released, 0);
	l->l_args = (struct lwkt_callargs){ .ca_arg[0] = -1,
	    .ca_call.bc_release = release };
	lwkt_sysmsg_syscall(sm, lwkt_curport(), SYS_fdatasync, &l->l_args);
	return l;
}

static void
limited(void *arg)
{
	struct left *l = arg;
	struct lwkt_sysmsg sm;

	for (int i = 0; i < CALLS; i++, l++) {
		(void)prepare(l, &sm);
		sm.sm_timeout_ns = i * i * 2 * US;
		(void)lwkt_dosys(&sm);
		ended(l, &sm, ETIMEDOUT);
	}
}

static void
aborted(void *arg)
{
	struct left *l = arg;
	struct lwkt_sysmsg sm;

	for (int i = 0; i < CALLS; i++, l++) {
		(void)prepare(l, &sm);
		lwkt_sendsys(&sm);
		if (i > 0)
			(void)lwkt_sleep_ns(i * i * 2 * US);
		lwkt_abortmsg(&sm.sm_msg);
		(void)lwkt_waitmsg(&sm.sm_msg, 0);
		ended(l, &sm, ECANCELED);
	}
}

static int
leaves_body(void *arg)
{
	lwkt_thread_t td[4];

	STORE(results, 0);
	STORE(leaves, 0);
	STORE(released, 0);
	for (int i = 0; i < 4; i++)
		td[i] = spawn_on(i, arg != NULL ? aborted : limited, left[i]);
	join_all(td, 4);
	while (LOAD(released) < LOAD(leaves))
		lwkt_sleep_ns(20 * US);
	check(LOAD(results) + LOAD(leaves) == 4 * CALLS, "each ended");
	for (int i = 0; i < 4; i++)
		for (int j = 0; j < CALLS; j++)
			check(LOAD(left[i][j].l_released) <= 1, "once");
	return 0;
}

/* Without bc_release a call that has begun ends by itself only. */
static int
kept_body(void *arg)
{
	struct lwkt_callargs ca = { .ca_arg[0] = -1 };
	struct lwkt_sysmsg sm;

	(void)arg;
	for (int i = 0; i < CALLS; i++) {
		lwkt_sysmsg_syscall(&sm, lwkt_curport(), SYS_fdatasync, &ca);
		lwkt_sendsys(&sm);
		(void)lwkt_sleep_ns(i * 5 * US);
		lwkt_abortmsg(&sm.sm_msg);
		(void)lwkt_waitmsg(&sm.sm_msg, 0);
		check(sm.sm_result == -ECANCELED || (sm.sm_result == 0 &&
		    ca.ca_call.bc_result == -EBADF), "result %d",
		    (int)sm.sm_result);
	}
	return 0;
}

int
main(void)
{
	sim_explore("each call has its reply", replies_body, NULL, 150);
	sim_explore("a limit leaves the result or the arguments", leaves_body,
	    NULL, 200);
	sim_explore("an abort leaves the result or the arguments", leaves_body,
	    &results, 200);
	sim_explore("a call that is kept ends once", kept_body, NULL, 100);
	return tap_done();
}
