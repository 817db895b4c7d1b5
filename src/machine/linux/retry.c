/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Repeat calls whose blocking form cannot be ended, until they succeed.
 *
 * THEORY
 * A wait for a child without a pidfd (iocommon.c), and a connect to a unix
 * socket whose backlog is full, have a form that does not wait.  But no event
 * shows when to try again, and their blocking forms cannot be ended.  So one
 * host thread serves all of them: it tries each, sleeps RETRY_NAP_NS, and
 * starts again while there are any.  A thousand such waits cost one host
 * thread.
 *
 * A round tries each operation once, with the lock held, and moves it to the
 * end of the list if it must still wait.  So a cancel finds the operation on
 * the list or complete.  The lock is released between two tries, so a CPU
 * seldom waits for the lock longer than one try takes.
 *
 * INVARIANTS
 * RT1 An operation is on the list (io_prevp set) from submit until a try gave
 *    its result, or a cancel or the end of its CPU took it off.  The list
 *    changes under the lock only.
 */
#include <errno.h>
#include <pthread.h>
#include <time.h>

#include "base/kassert.h"
#include "machine/linux/hostcall.h"

#define RETRY_STACK	(64 * 1024)
#define RETRY_NAP_NS	2000000		/* sleep between two rounds */

/*
 * The list of operations, and the host thread that serves it.  r_lock protects
 * all other fields.  Exception: retry_stop reads r_thread and clears r_runs
 * without the lock, after r_stop was set.
 */
static struct {
	pthread_mutex_t	 r_lock;
	pthread_cond_t	 r_work;
	struct hostio	*r_first;
	struct hostio	**r_lastp;
	unsigned	 r_count;	/* operations on the list */
	pthread_t	 r_thread;
	int		 r_runs;	/* 1: the thread was started */
	int		 r_stop;	/* 1: the thread must end */
} retry = {
	.r_lock = PTHREAD_MUTEX_INITIALIZER,
	.r_work = PTHREAD_COND_INITIALIZER,
	.r_lastp = &retry.r_first,
};

static void
lock(void)
{
	int error = pthread_mutex_lock(&retry.r_lock);

	KASSERTF(error == 0, "the lock of retried calls cannot be taken, error "
	    "%d", error);
}

static void
unlock(void)
{
	int error = pthread_mutex_unlock(&retry.r_lock);

	KASSERTF(error == 0, "the lock of retried calls cannot be released, "
	    "error %d", error);
}

static void
insert(struct hostio *io)
{
	io->io_next = NULL;
	io->io_prevp = retry.r_lastp;
	*retry.r_lastp = io;
	retry.r_lastp = &io->io_next;
	retry.r_count++;
}

static void
take_off(struct hostio *io)
{
	*io->io_prevp = io->io_next;
	if (io->io_next != NULL)
		io->io_next->io_prevp = io->io_prevp;
	else
		retry.r_lastp = io->io_prevp;
	io->io_prevp = NULL;
	retry.r_count--;
}

/*
 * Try the first operation of the list.  If it would still wait, move it to the
 * end, else return it to its CPU.  The caller holds r_lock.
 */
static void
try_first(void)
{
	struct hostio *io = retry.r_first;
	int64_t r = hostcall_try(io);

	take_off(io);
	if (r == -EAGAIN)
		insert(io);
	else
		iocommon_return(io, r);				/* RT1 */
}

static void
nap(void)
{
	struct timespec ts = { 0, RETRY_NAP_NS };

	(void)nanosleep(&ts, NULL);
}

/* The retry thread: make one round after the other, until retry_stop. */
static void *
retry_main(void *arg)
{
	(void)arg;
	lock();
	while (!retry.r_stop) {
		if (retry.r_first == NULL) {
			pthread_cond_wait(&retry.r_work, &retry.r_lock);
			continue;
		}
		for (unsigned n = retry.r_count; n > 0 &&
		    retry.r_first != NULL; n--) {
			try_first();
			unlock();
			lock();
		}
		unlock();
		nap();
		lock();
	}
	unlock();
	return NULL;
}

static int
start(void)
{
	static struct helper helper = {
		.hp_fn = retry_main, .hp_name = "lwkt-retry",
	};
	int error;

	if (retry.r_runs)
		return 0;
	retry.r_stop = 0;
	error = machine_fail("retry.create") ? EAGAIN :
	    lwkt__helper_create(&retry.r_thread, RETRY_STACK, &helper);
	retry.r_runs = error == 0;
	return error;
}

int
retry_submit(struct hostio *io)
{
	int error;

	lock();
	error = start();
	if (error == 0) {
		insert(io);
		(void)pthread_cond_signal(&retry.r_work);
	}
	unlock();
	return error;
}

int
retry_cancel(struct hostio *io)
{
	int waited;

	lock();
	waited = io->io_prevp != NULL;
	if (waited)
		take_off(io);
	unlock();
	return waited;
}

unsigned
retry_drain(struct mcpu *mc)
{
	struct hostio *io, *next;
	unsigned n = 0;

	lock();
	for (io = retry.r_first; io != NULL; io = next) {
		next = io->io_next;
		if (io->io_mc == mc) {
			take_off(io);
			n++;
		}
	}
	unlock();
	return n;
}

void
retry_stop(void)
{
	int runs;

	lock();
	runs = retry.r_runs;
	retry.r_stop = 1;
	(void)pthread_cond_signal(&retry.r_work);
	unlock();
	if (runs)
		(void)pthread_join(retry.r_thread, NULL);
	retry.r_runs = 0;
}
