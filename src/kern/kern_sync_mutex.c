/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Everyday mutex, rwlock and bounded queue.
 *
 * THEORY
 * The state of a mutex is its holder: 0, or 1 + the CPU it is on (PTHREAD for
 * a pthread).  Unlock makes it 0 and wakes one waiter, who competes with
 * whoever comes by: a mutex that is used all the time does not wait for threads
 * to be switched in.  Who finds it held by another CPU looks a few times more,
 * for the holder may be about to let go; a holder on the same CPU cannot.
 *
 * Until the waiter that was woken has run, other unlocks only count in MU_WOKEN
 * and wake nobody: on a busy mutex these were many wakeups for each sleep.
 * Every 64th wakes another all the same, for the first may belong to a CPU
 * that has better to do.  The count belongs to the state: a waiter that is in
 * the word and not yet asleep finds the state changed and does not sleep, so it
 * is as good as woken.
 *
 * INVARIANTS
 * U1 mu_owner is the holder's, stored just after taking and cleared just
 *    before releasing.
 * U2 MU_WOKEN != 0 => a waiter was in the word when it became so, and tries to
 *    take the mutex after it has set it to 0: every way out of sync_wait() does
 *    both.  So an unlock that wakes nobody is followed by such a try.
 *
 * Source: Go's sync.Mutex for the choice of throughput before order and for
 * knowing of the woken one; BSD's adaptive mutexes for the looks.
 */
#include <lwkt/sync.h>

#include <errno.h>

#include "kern/lockorder.h"
#include "kern/sync_var.h"

TUNABLE_INT(mutex_spin, "lwkt.mutex_spin", 100, 0, 100000,
    "pauses for a mutex held by another CPU before the thread sleeps");

#define SPIN_MOST	32		/* pauses between two looks */

#define PTHREAD		(LWKT_MAXCPU + 1u)	/* held by a pthread */
#define MU_HOLDER	((uint64_t)0xffff)	/* the state: by whom */
#define MU_WOKEN	((uint64_t)0x3f0000)	/* 0: no waiter is woken */
#define MU_WOKEN_ONE	((uint64_t)0x010000)	/* or unlocks since, modulo */

void
lwkt_mutex_init(struct lwkt_mutex *mu, const char *name)
{
	*mu = (struct lwkt_mutex)LWKT_MUTEX_INITIALIZER(name);
}

static inline uint32_t
my_state(void)
{
	struct mcpu *mc = machine_oncpu();

	return likely(mc != NULL) ? 1 + (uint32_t)mc->mc_cpuid : PTHREAD;
}

/* Take it if nobody has it; *w is the word then, or the one that refused. */
static inline int
try(struct lwkt_mutex *mu, uint32_t me, uint64_t *w)
{
	while (likely((*w & MU_HOLDER) == 0))
		if (likely(atomic_fcmpset_64(&mu->mu_word, w, *w | me)))
			return 1;
	return 0;
}

static inline void
own(struct lwkt_mutex *mu)
{
	atomic_store_ptr(&mu->mu_owner, sync_self());		/* U1 */
	order_took(LK_MUTEX, mu, mu->mu_name);
}

/*
 * The holder runs elsewhere: it may be quick.  Each look takes the line from
 * it, so they get rarer.
 */
static int
spin(struct lwkt_mutex *mu, uint32_t me, uint64_t *w)
{
	int left = mutex_spin, pauses = 1, i;

	for (; left > 0 && (*w & MU_HOLDER) != me; left -= pauses) {
		for (i = 0; i < pauses; i++)
			machine_pause(0);
		if (pauses < SPIN_MOST)
			pauses *= 2;
		*w = atomic_load_64(&mu->mu_word);
		if (try(mu, me, w))
			return 1;
	}
	return 0;
}

/* Wait for a change of the word *w, which refused; *w is the new one. */
static int
wait_change(struct lwkt_mutex *mu, uint64_t *w, int64_t deadline)
{
	int error = sync_wait(&mu->mu_word, sync_state(*w), mu->mu_name,
	    deadline);

	*w = atomic_load_64(&mu->mu_word);
	if (*w & MU_WOKEN)
		*w = atomic_fetchand_64(&mu->mu_word, ~MU_WOKEN) & ~MU_WOKEN;
	return error;						/* U2 */
}

static __lwkt_noinline int
lock_slow(struct lwkt_mutex *mu, uint32_t me, uint64_t w, int64_t timeout_ns)
{
	int64_t deadline = wait_deadline(timeout_ns);
	int error = 0;

	if (lwkt_mutex_owned(mu))
		lwkt_panic("mutex \"%s\" is locked again by its holder",
		    mu->mu_name);
	if (timeout_ns != 0 && spin(mu, me, &w))
		return 0;
	wait_owner(&mu->mu_owner);
	while (error == 0) {
		error = wait_change(mu, &w, deadline);
		if (try(mu, me, &w)) {
			error = 0;
			break;
		}
	}
	wait_owner(NULL);
	return error;
}

void
lwkt_mutex_lock(struct lwkt_mutex *mu)
{
	uint32_t me = my_state();
	uint64_t w = 0;

	order_want(LK_MUTEX, mu, mu->mu_name);
	if (unlikely(!try(mu, me, &w)))
		(void)lock_slow(mu, me, w, LWKT_FOREVER);
	own(mu);
}

int
lwkt_mutex_timedlock(struct lwkt_mutex *mu, int64_t timeout_ns)
{
	uint32_t me = my_state();
	uint64_t w = 0;

	if (timeout_ns != 0)
		order_want(LK_MUTEX, mu, mu->mu_name);
	if (!try(mu, me, &w) && lock_slow(mu, me, w, timeout_ns) != 0)
		return EWOULDBLOCK;
	own(mu);
	return 0;
}

int
lwkt_mutex_trylock(struct lwkt_mutex *mu)
{
	uint64_t w = 0;

	if (!try(mu, my_state(), &w))
		return EBUSY;
	own(mu);
	return 0;
}

void
lwkt_mutex_unlock(struct lwkt_mutex *mu)
{
	uint64_t w, next;

	if (unlikely(!lwkt_mutex_owned(mu)))
		lwkt_panic("mutex \"%s\" is unlocked by another than its "
		    "holder", mu->mu_name);
	order_drop(mu);
	atomic_store_ptr(&mu->mu_owner, 0);			/* U1 */
	w = atomic_load_64(&mu->mu_word);
	do {
		next = w & ~MU_HOLDER;
		if (unlikely((w & SW_WAITERS) != 0))
			next = (next & ~MU_WOKEN) |
			    ((w + MU_WOKEN_ONE) & MU_WOKEN);
	} while (unlikely(!atomic_fcmpset_64(&mu->mu_word, &w, next)));
	if (unlikely((w & SW_WAITERS) != 0) && (w & MU_WOKEN) == 0)
		sync_wake_one(&mu->mu_word, w);			/* U2 */
}

int
lwkt_mutex_owned(struct lwkt_mutex *mu)
{
	return atomic_load_ptr(&mu->mu_owner) == sync_self();
}

/*
 * Readers and writers: a mtx under the names of every day.
 */
void
lwkt_rwlock_init(struct lwkt_rwlock *rw, const char *name)
{
	lwkt_mtx_init(&rw->rw_mtx, name);
}

int
lwkt_rwlock_read(struct lwkt_rwlock *rw, int64_t timeout_ns)
{
	return lwkt_mtx_lock_sh(&rw->rw_mtx, 0, timeout_ns);
}

int
lwkt_rwlock_write(struct lwkt_rwlock *rw, int64_t timeout_ns)
{
	if (lwkt_mtx_owned(&rw->rw_mtx))
		lwkt_panic("rwlock \"%s\" is locked again by thread \"%s\"",
		    rw->rw_mtx.m_name, curthread->td_name);
	return lwkt_mtx_lock_ex(&rw->rw_mtx, 0, timeout_ns);
}

void
lwkt_rwlock_unlock(struct lwkt_rwlock *rw)
{
	lwkt_mtx_unlock(&rw->rw_mtx);
}

/*
 * Bounded queues.
 */
void
lwkt_queue_init(struct lwkt_queue *q, void **slots, unsigned n,
    const char *name)
{
	KASSERTF(n > 0, "queue \"%s\"", name);
	*q = (struct lwkt_queue){ .q_slot = slots, .q_size = n };
	lwkt_mutex_init(&q->q_mutex, name);
	lwkt_cond_init(&q->q_notempty, name);
	lwkt_cond_init(&q->q_notfull, name);
}

int
lwkt_queue_put(struct lwkt_queue *q, void *item, int64_t timeout_ns)
{
	int64_t deadline = wait_deadline(timeout_ns);
	int error = 0;

	lwkt_mutex_lock(&q->q_mutex);
	while (error == 0 && !q->q_closed && q->q_count == q->q_size)
		error = lwkt_cond_wait(&q->q_notfull, &q->q_mutex,
		    wait_left(deadline));
	if (q->q_closed) {
		error = EPIPE;
	} else if (q->q_count < q->q_size) {
		q->q_slot[(q->q_head + q->q_count++) % q->q_size] = item;
		lwkt_cond_signal(&q->q_notempty);
		error = 0;
	}
	lwkt_mutex_unlock(&q->q_mutex);
	return error;
}

int
lwkt_queue_get(struct lwkt_queue *q, void **itemp, int64_t timeout_ns)
{
	int64_t deadline = wait_deadline(timeout_ns);
	int error = 0;

	lwkt_mutex_lock(&q->q_mutex);
	while (error == 0 && !q->q_closed && q->q_count == 0)
		error = lwkt_cond_wait(&q->q_notempty, &q->q_mutex,
		    wait_left(deadline));
	if (q->q_count > 0) {
		*itemp = q->q_slot[q->q_head];
		q->q_head = (q->q_head + 1) % q->q_size;
		q->q_count--;
		lwkt_cond_signal(&q->q_notfull);
		error = 0;
	} else if (q->q_closed) {
		error = EPIPE;
	}
	lwkt_mutex_unlock(&q->q_mutex);
	return error;
}

void
lwkt_queue_close(struct lwkt_queue *q)
{
	lwkt_mutex_lock(&q->q_mutex);
	q->q_closed = 1;
	lwkt_cond_broadcast(&q->q_notempty);
	lwkt_cond_broadcast(&q->q_notfull);
	lwkt_mutex_unlock(&q->q_mutex);
}

unsigned
lwkt_queue_count(struct lwkt_queue *q)
{
	unsigned n;

	lwkt_mutex_lock(&q->q_mutex);
	n = q->q_count;
	lwkt_mutex_unlock(&q->q_mutex);
	return n;
}
