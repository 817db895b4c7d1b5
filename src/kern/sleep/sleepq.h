/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The table of the threads that sleep on an ident: slots, queues and masks.
 * THEORY and INVARIANTS (SY) are in kern_synch.c.
 */
#ifndef LWKT_KERN_SLEEP_SLEEPQ_H
#define LWKT_KERN_SLEEP_SLEEPQ_H

#include "kern/sleep/sleepq_filter.h"
#include "kern/sleep/synch_var.h"

/* A slot of the table of one CPU.  The letters: kern/cpu/globaldata.h. */
struct tslpque {
	LWKT_CACHEALIGN
	TAILQ_HEAD(, lwkt_thread) tq_queue;	/* (c) threads, FIFO */
	struct sleepq_filter tq_filter;	/* (c) writes, others read */
};

CTASSERT(sizeof(struct tslpque) == CACHE_LINE, "one line a slot");

/* (i) Set at boot. */
extern unsigned tslp_log2 __lwkt_hidden;	/* log2 of slots per CPU */
extern unsigned tslp_words __lwkt_hidden;	/* words of one slot's mask */
extern uint64_t *tslp_mask __lwkt_hidden;	/* (a) [slot][word]: CPUs */

/*
 * sleepq.c.  tslp_clean: remove from the filter of tq the idents on which no
 * thread of tq sleeps; if the queue is empty, clear this CPU's bit in the mask.
 * No effect if the queue has too many threads or idents.  tslp_crowded: the
 * filter is full; make room for the new ident of the queue, or let the filter
 * pass any ident.
 */
void	tslp_clean(struct globaldata *gd, struct tslpque *tq, unsigned slot);
void	tslp_crowded(struct tslpque *tq);

static inline unsigned
tslp_slot(const volatile void *ident)
{
	return config_hard ? 0 : sleepq_hash(ident, tslp_log2);
}

static inline uint64_t *
tslp_word(unsigned slot, int cpu)
{
	return &tslp_mask[slot * tslp_words + CPUMASK_WORD(cpu)];
}

/*
 * Make SY2 true for a thread that has just been queued on ident `id`.  If the
 * filter passes id and the mask bit is set, there is nothing to do: the locked
 * instruction that published them also precedes the test of the condition,
 * which comes next (SO1).
 */
static inline void
tslp_publish(struct globaldata *gd, struct tslpque *tq, unsigned slot,
    uintptr_t id)
{
	int cpu = gd->gd_m.mc_cpuid;
	uint64_t *word = tslp_word(slot, cpu);
	int known;

	if (lwkt__ncpus == 1)
		return;
	known = filter_passes(&tq->tq_filter, id);
	if (known && (atomic_load_64(word) & CPUMASK_BIT(cpu)) != 0)
		return;
	if (!known && !filter_add(&tq->tq_filter, id))
		tslp_crowded(tq);
	atomic_set_64(word, CPUMASK_BIT(cpu));			/* SO1 */
}

#endif
