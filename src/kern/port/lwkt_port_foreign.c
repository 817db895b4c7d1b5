/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The way in for pthreads that are no CPU: a list of messages for each CPU.
 *
 * THEORY
 * A plain pthread has no ring to any CPU and may not touch what a CPU owns.  It
 * pushes the message itself, linked by ms_next, on gd_foreignq of the CPU that
 * should do the work and rings as any sender does.  The CPU takes the whole
 * list, which is in reverse order, turns it round and puts or replies each
 * message as if it had been its own.  Taking all at once leaves no room for a
 * reused head (the ABA of a list that is popped).
 *
 * ORDER
 * F1 pusher: link, compare-and-set of the head, set RQF_IPIQ; CPU: clear
 *    RQF_IPIQ, then swap the head.  All are locked instructions, so a message
 *    that the swap misses has set the bit again.
 *
 * Source: R. K. Treiber's stack of 1986; io_uring's task_work list is reversed
 * the same way.
 */
#include "kern/port/port_var.h"

COUNTER(foreign, "lwkt.msg_foreign", "messages left here by plain pthreads");
COUNTER(done, "lwkt.sync_foreign", "wakeups done on behalf of pthreads");

/* Work that a pthread leaves to a CPU. */
struct foreign_work {
	struct lwkt_msg	fw_msg;
	void		(*fw_fn)(void *arg, int n);
	void		*fw_arg;
	int		fw_n;
	uint32_t	fw_done;
};

void
foreign_push(int cpu, lwkt_msg_t msg)
{
	struct globaldata *gd;
	uintptr_t head;
	uint32_t old;

	KASSERTF(cpu >= 0 && cpu < lwkt__ncpus, "cpu %d of %d", cpu,
	    lwkt__ncpus);
	gd = gd_find(cpu);
	head = atomic_load_ptr(&gd->gd_foreignq);
	do {
		msg->ms_next = (lwkt_msg_t)head;
	} while (!atomic_fcmpset_ptr(&gd->gd_foreignq, &head,	/* F1 */
	    (uintptr_t)msg));
	old = atomic_fetchor_32(&gd->gd_m.mc_reqflags, RQF_IPIQ);
	if ((old & (RQF_IPIQ | RQF_SLEEPING)) == RQF_SLEEPING)
		machine_doorbell(&gd->gd_m);
	else if ((old & (RQF_IPIQ | RQF_PREEMPTIBLE)) == RQF_PREEMPTIBLE)
		(void)machine_nmi(&gd->gd_m);	/* we cannot come back */
}

/* A put function of a program's own may answer as late as here. */
static void
foreign_put(lwkt_msg_t msg)
{
	int error = msg->ms_target->mp_ops->putport(msg->ms_target, msg);

	if (error != LWKT_EASYNC) {
		msg_setflags(msg,
		    msg->ms_flags & ~(uint32_t)LWKT_MSGF_INTRANSIT);
		lwkt_replymsg(msg, error);
	}
}

void
foreign_drain(struct globaldata *gd)
{
	lwkt_msg_t msg, next, list = NULL;

	msg = (lwkt_msg_t)atomic_swap_ptr(&gd->gd_foreignq, 0);	/* F1 */
	for (; msg != NULL; msg = next) {
		next = msg->ms_next;
		msg->ms_next = list;
		list = msg;
	}
	for (msg = list; msg != NULL; msg = next) {
		next = msg->ms_next;
		counter_inc(gd->gd_cntbias, foreign);
		msg_setflags(msg,
		    msg->ms_flags & ~(uint32_t)LWKT_MSGF_FOREIGN);
		if (msg->ms_flags & LWKT_MSGF_REPLY)
			msg->ms_reply->mp_ops->replyport(msg->ms_reply, msg);
		else
			foreign_put(msg);
	}
}

/* On the CPU that was asked.  The pthread may go as soon as it is done. */
static int
foreign_work_put(lwkt_port_t port, lwkt_msg_t msg)
{
	struct foreign_work *fw = container_of(msg, struct foreign_work,
	    fw_msg);
	uint32_t *word = &fw->fw_done;

	(void)port;
	counter_inc(mygd()->gd_cntbias, done);
	fw->fw_fn(fw->fw_arg, fw->fw_n);
	atomic_store_rel_32(word, 1);
	machine_foreign_wake(word);
	return LWKT_EASYNC;
}

void
foreign_do(int cpu, void (*fn)(void *arg, int n), void *arg, int n)
{
	static const struct lwkt_port_ops ops = { .putport = foreign_work_put };
	static struct lwkt_port port = { .mp_ops = &ops };
	struct foreign_work fw = { .fw_msg = { .ms_target = &port },
		.fw_fn = fn, .fw_arg = arg, .fw_n = n };

	foreign_push(cpu, &fw.fw_msg);
	while (atomic_load_acq_32(&fw.fw_done) == 0)
		machine_foreign_wait(&fw.fw_done, 0);
}
