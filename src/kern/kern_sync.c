/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Waiting on a word, for threads and pthreads.
 *
 * THEORY
 * A thread waits by tsleep, a pthread in the host (a futex).  Both count
 * themselves in the word first, so that who changes the state sees them, and
 * then look at the state again; so either the waiter sees the new state or the
 * waker sees the waiter.
 *
 * A pthread cannot wake a thread: it leaves a message to a CPU that does, and
 * waits for that, since the message lies on its stack.  It happens only when a
 * thread really waits, and costs a wake-up of that CPU.
 *
 * INVARIANTS
 * V1 The numbers in the word are those of the waiters between their first and
 *    their last instruction in sync_wait().
 *
 * ORDER
 * Waiter: counted in (locked), queued, looks at the state; waker: changes the
 * state (locked), looks at the numbers in the same word, wakes: Z1 of
 * kern_synch.c for threads, the futex's own look at the word for pthreads.
 *
 * Source: the futex of Linux, for two kinds of waiters.
 */
#include "kern/sync_var.h"

#include <errno.h>
#include <lwkt/synch.h>

#include "kern/port_var.h"

COUNTER(waits, "lwkt.sync_waits", "sleeps of threads for everyday locks");
COUNTER(foreign, "lwkt.sync_foreign", "wakeups done on behalf of pthreads");

/* A wakeup that a pthread leaves to a CPU. */
struct foreign_wake {
	struct lwkt_msg	fw_msg;
	uint64_t	*fw_word;
	int		fw_all;
	uint32_t	fw_done;
};

static __thread char pthread_id;

uintptr_t
sync_pthread(void)
{
	return (uintptr_t)&pthread_id;
}

/* The half of the word with the state: what a futex looks at. */
static inline uint32_t *
low_half(uint64_t *word)
{
	return (uint32_t *)(void *)word;	/* little-endian */
}

static void
wait_pthread(uint64_t *word, uint32_t state)
{
	uint64_t w = atomic_fetchadd_64(word, SW_PTH) + SW_PTH;	/* V1 */

	KASSERTF((w & SW_PTHMASK) != 0, "4096 pthreads wait on %p",
	    (void *)word);
	if (sync_state(w) == state)
		machine_foreign_wait(low_half(word), (uint32_t)w);
	(void)atomic_fetchadd_64(word, -SW_PTH);
}

static int
wait_thread(uint64_t *word, uint32_t state, const char *wmesg,
    int64_t deadline)
{
	lwkt_thread_t td = curthread;
	int error = 0;

	crit_enter_td(td);
	(void)atomic_fetchadd_64(word, SW_TD);			/* V1 */
	lwkt_tsleep_interlock(word, PDOMAIN_SYNC);
	if (sync_state(atomic_load_64(word)) == state) {
		counter_inc(mygd()->gd_cntbias, waits);
		error = lwkt_tsleep(word, PDOMAIN_SYNC | LWKT_PINTERLOCKED,
		    wmesg, wait_left(deadline));
	}
	lwkt_tsleep_remove();
	(void)atomic_fetchadd_64(word, -SW_TD);
	crit_exit_td(td);
	return error;
}

int
sync_wait(uint64_t *word, uint32_t state, const char *wmesg,
    int64_t deadline)
{
	if (machine_oncpu() != NULL)
		return wait_thread(word, state, wmesg, deadline);
	if (deadline == 0)
		return EWOULDBLOCK;
	if (deadline > 0)
		lwkt_panic("\"%s\": a pthread waits with a timeout", wmesg);
	wait_pthread(word, state);
	return 0;
}

static void
wake_threads(uint64_t *word, int all)
{
	if (all)
		lwkt_wakeup_domain(word, PDOMAIN_SYNC);
	else
		lwkt_wakeup_domain_one(word, PDOMAIN_SYNC);
}

/* On the CPU that was asked.  The pthread may go as soon as it is done. */
static int
foreign_wake_put(lwkt_port_t port, lwkt_msg_t msg)
{
	struct foreign_wake *fw = container_of(msg, struct foreign_wake,
	    fw_msg);
	uint32_t *done = &fw->fw_done;

	(void)port;
	counter_inc(mygd()->gd_cntbias, foreign);
	wake_threads(fw->fw_word, fw->fw_all);
	atomic_store_rel_32(done, 1);
	machine_foreign_wake(done);
	return LWKT_EASYNC;
}

static __lwkt_noinline void
wake_by_cpu(uint64_t *word, int all)
{
	static const struct lwkt_port_ops ops = { .putport = foreign_wake_put };
	static struct lwkt_port port = { .mp_ops = &ops };
	struct foreign_wake fw = { .fw_msg = { .ms_target = &port },
		.fw_word = word, .fw_all = all };

	foreign_push(0, &fw.fw_msg);
	while (atomic_load_acq_32(&fw.fw_done) == 0)
		machine_foreign_wait(&fw.fw_done, 0);
}

static void
wake(uint64_t *word, uint64_t old, int all)
{
	if (old >= SW_TD) {
		if (machine_oncpu() != NULL)
			wake_threads(word, all);
		else
			wake_by_cpu(word, all);
	}
	if ((old & SW_PTHMASK) != 0)
		machine_foreign_wake(low_half(word));
}

void
sync_wake_one(uint64_t *word, uint64_t old)
{
	wake(word, old, 0);
}

void
sync_wake_all(uint64_t *word, uint64_t old)
{
	wake(word, old, 1);
}
