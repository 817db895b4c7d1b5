/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The inject queue: how host threads that are no CPU give work to a CPU.
 *
 * THEORY
 * A plain pthread has no ring to any CPU and may not touch what a CPU owns.  It
 * pushes an item on gd_foreignq of the CPU that should do the work, and
 * notifies that CPU as any sender does.  But it interrupts a preemptible thread
 * at once, because a pthread has no timer for a later check (kick.c).  The CPU
 * takes the whole list, which is in reverse order, reverses it and calls the
 * function of each item.  Because the CPU takes the whole list, a reused head
 * does no harm (the ABA problem of a list from which single items are popped).
 *
 * The CPU may execute the item before the pthread has notified the CPU.  The
 * item may for example be the reply after which the program ends the kernel.
 * The pthread would then ring the doorbell of a CPU that is gone.  So the
 * shutdown waits until no pthread is in foreign_push() (foreign_wait).  A push
 * that begins after the kernel has stopped is an error of the program.
 *
 * ORDER
 * FO1 pusher: link, compare-and-set of the head, set RQF_IPIQ; CPU: clear
 *     RQF_IPIQ, then swap the head.  All but the link are locked instructions,
 *     so the pusher of an item that the swap misses sets the bit again.
 *
 * Source: R. K. Treiber's stack of 1986; io_uring's task_work list is reversed
 * the same way.
 */
#include "kern/ipi/ipi_var.h"

#include "base/kassert.h"

COUNTER(done, "lwkt.sync_foreign", "wakeups done on behalf of pthreads");

static uint32_t pushing;	/* (a) host threads in foreign_push() */

/* Work that a pthread waits for, on the stack of the pthread. */
struct foreign_work {
	struct foreign	fw_item;
	void		(*fw_fn)(void *arg, int n);
	void		*fw_arg;
	int		fw_n;
	uint32_t	fw_done;	/* 1: done; written by the CPU */
};

/*
 * Push an item and notify the CPU.  Any host thread; never blocks.  `pushing`
 * is counted down last, because the CPU may execute the item, and then stop,
 * before this function has rung the CPU's doorbell (foreign_wait).
 */
void
foreign_push(int cpu, struct foreign *fo)
{
	struct globaldata *gd;
	uintptr_t head;
	uint32_t old;

	KASSERTF(cpu >= 0 && cpu < lwkt__ncpus, "cpu %d does not "
	    "exist: the kernel has %d CPUs", cpu, lwkt__ncpus);
	(void)atomic_fetchadd_32(&pushing, 1);
	gd = gd_find(cpu);
	head = atomic_load_ptr(&gd->gd_foreignq);
	do {
		fo->fo_next = (struct foreign *)head;
	} while (!atomic_fcmpset_ptr(&gd->gd_foreignq, &head,	/* FO1 */
	    (uintptr_t)fo));
	old = atomic_fetchor_32(&gd->gd_m.mc_reqflags, RQF_IPIQ); /* MQ1 */
	if ((old & (RQF_IPIQ | RQF_SLEEPING)) == RQF_SLEEPING)
		machine_doorbell(&gd->gd_m);
	else if ((old & (RQF_IPIQ | RQF_PREEMPTIBLE)) == RQF_PREEMPTIBLE)
		(void)machine_nmi(&gd->gd_m);	/* pthread: no gd_kick */
	(void)atomic_fetchadd_32(&pushing, (uint32_t)-1);
}

/* Wait until no push is in progress.  Shutdown only; spins. */
void
foreign_wait(void)
{
	unsigned turn = 0;

	while (atomic_load_acq_32(&pushing) != 0)
		machine_pause(turn++);
}

/*
 * Take all items off the inject queue of this CPU and call their functions, in
 * the order of the pushes.  Each next pointer is read before the call, because
 * the function may free its item.  Own CPU, while it executes messages.
 */
void
foreign_drain(struct globaldata *gd)
{
	struct foreign *fo, *next, *list = NULL;

	fo = (struct foreign *)atomic_swap_ptr(&gd->gd_foreignq, 0); /* FO1 */
	for (; fo != NULL; fo = next) {
		next = fo->fo_next;
		fo->fo_next = list;
		list = fo;
	}
	for (fo = list; fo != NULL; fo = next) {
		next = fo->fo_next;
		fo->fo_fn(fo);
	}
}

/*
 * On the target CPU: do the work and wake the pthread.  The pthread may free
 * *fw as soon as it sees fw_done, so only the address is used after that.
 */
static void
work_done(struct foreign *fo)
{
	struct foreign_work *fw = container_of(fo, struct foreign_work,
	    fw_item);
	uint32_t *word = &fw->fw_done;

	counter_inc(mygd()->gd_cntbias, done);
	fw->fw_fn(fw->fw_arg, fw->fw_n);
	atomic_store_rel_32(word, 1);
	machine_foreign_wake(word);
}

/*
 * Let CPU cpu call fn(arg, n) as a callback, and wait until it has.  The caller
 * is a plain pthread; blocks in the host.
 */
void
foreign_do(int cpu, void (*fn)(void *arg, int n), void *arg, int n)
{
	struct foreign_work fw = { .fw_item = { .fo_fn = work_done },
		.fw_fn = fn, .fw_arg = arg, .fw_n = n };

	foreign_push(cpu, &fw.fw_item);
	while (atomic_load_acq_32(&fw.fw_done) == 0)
		machine_foreign_wait(&fw.fw_done, 0);
}
