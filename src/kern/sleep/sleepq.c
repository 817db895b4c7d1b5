/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The table of the threads that sleep on an ident: its memory, and the cleaning
 * of what it publishes.  THEORY and INVARIANTS (SY) are in kern_synch.c.
 */
#include "kern/sleep/sleepq.h"

TUNABLE_INT(tslp_size, "lwkt.tslp_size", 16384, 16, 1 << 22,
    "slots of each CPU's sleep table, rounded up to a power of two");

/* Threads; a longer queue is not cleaned. */
#define TSLP_CLEAN_MAX	(config_hard ? 3 : 16)

unsigned tslp_log2;
unsigned tslp_words;
uint64_t *tslp_mask;

static size_t
tslp_slots(void)
{
	return config_hard ? 1 : (size_t)1 << tslp_log2;
}

static size_t
tslp_mask_bytes(int ncpus)
{
	return roundup2(sizeof(uint64_t) * tslp_slots() *
	    howmany((size_t)ncpus, 64), (size_t)CACHE_LINE);
}

/*
 * Return the size, in bytes, of the masks and the sleep tables of ncpus CPUs;
 * set tslp_log2.  Boot.
 */
size_t
synch_bytes(int ncpus)
{
	tslp_log2 = 32 - (unsigned)__builtin_clz((unsigned)tslp_size - 1);
	return tslp_mask_bytes(ncpus) +
	    (size_t)ncpus * tslp_slots() * sizeof(struct tslpque);
}

/*
 * Divide mem, which is zero and aligned to a cache line, into the masks and the
 * queues.  A queue is initialised on first use.  Boot, after synch_bytes.
 */
void
synch_place(void *mem, int ncpus)
{
	struct tslpque *tq;
	int cpu;

	tslp_words = howmany((unsigned)ncpus, 64);
	tslp_mask = mem;
	tq = (struct tslpque *)(void *)((char *)mem + tslp_mask_bytes(ncpus));
	for (cpu = 0; cpu < ncpus; cpu++)
		gd_find(cpu)->gd_tslpque = tq + (size_t)cpu * tslp_slots();
}

/*
 * Store the different idents of the queue in id[].  Return their number.
 * Return -1 if there are more than SLEEPQ_IDENTS, or more than TSLP_CLEAN_MAX
 * threads.
 */
static int
tslp_idents(const struct tslpque *tq, uintptr_t id[SLEEPQ_IDENTS])
{
	lwkt_thread_t td;
	int i, n = 0, seen = 0;

	TAILQ_FOREACH(td, &tq->tq_queue, td_sleepq) {
		for (i = 0; i < n; i++)
			if (id[i] == (uintptr_t)td->td_wchan)
				break;
		if (i == SLEEPQ_IDENTS || ++seen > TSLP_CLEAN_MAX)
			return -1;
		if (i == n)
			id[n++] = (uintptr_t)td->td_wchan;
	}
	return n;
}

/*
 * Remove from the filter of tq the idents on which no thread of tq sleeps.  If
 * the queue is empty, clear this CPU's bit in the mask too.  No effect if
 * tslp_idents() returns -1.
 */
void
tslp_clean(struct globaldata *gd, struct tslpque *tq, unsigned slot)
{
	uintptr_t id[SLEEPQ_IDENTS];
	int cpu = gd->gd_m.mc_cpuid, n;

	if ((n = tslp_idents(tq, id)) >= 0)
		filter_keep(&tq->tq_filter, id, n);
	if (n == 0)
		atomic_clear_64(tslp_word(slot, cpu), CPUMASK_BIT(cpu));
}

/*
 * The filter is full, and the queue has a new ident.  Rebuild the filter from
 * the queue.  If tslp_idents() returns -1, let the filter pass any ident.
 */
void
tslp_crowded(struct tslpque *tq)
{
	uintptr_t id[SLEEPQ_IDENTS];
	int n;

	if ((n = tslp_idents(tq, id)) >= 0)
		filter_keep(&tq->tq_filter, id, n);
	else
		filter_any(&tq->tq_filter);
}

/*
 * Take td off its sleep queue, if it is on one.  The filter and the mask stay
 * as they are.  Context: the CPU of td, in a critical or leaf section.
 */
void
synch_leave_queue(lwkt_thread_t td)
{
	struct tslpque *tq;

	if ((td->td_flags & TDF_TSLEEPQ) == 0)
		return;
	tq = &td->td_gd->gd_tslpque[tslp_slot(td->td_wchan)];	/* SY1 */
	TAILQ_REMOVE(&tq->tq_queue, td, td_sleepq);
	td->td_flags &= ~TDF_TSLEEPQ;
	td->td_wchan = NULL;
}

/* Panic if td has TDF_TSLEEPQ but is not on the queue of its ident (SY1). */
void
sleepq_check(lwkt_thread_t td)
{
	lwkt_thread_t at;

	if ((td->td_flags & TDF_TSLEEPQ) == 0)
		return;
	TAILQ_FOREACH(at, &td->td_gd->gd_tslpque[tslp_slot(td->td_wchan)].
	    tq_queue, td_sleepq)
		if (at == td)
			return;
	lwkt_panic("thread \"%s\" is not on the sleep queue of its ident %p, "
	    "cpu %d", td->td_name, (void *)(uintptr_t)td->td_wchan,
	    td->td_gd->gd_m.mc_cpuid);
}
