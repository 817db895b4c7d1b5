/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The rings between CPUs: a matrix of rings, each with one writer and one
 * reader.  Three files use this header: lwkt_ipiq.c sends, ipiq_exec.c
 * executes, lwkt_ipiq_room.c waits for room and defers.
 *
 * THEORY
 * Only CPU s adds entries to ring (s, t), and only CPU t takes them, so the
 * ring keeps their order and needs no lock.  ip_windex counts the entries
 * written, ip_rindex the entries taken, ip_xindex the entries executed.  The
 * three wrap around; only their differences have a meaning.  To take entries,
 * the reader does not need ip_windex: each entry carries a stamp, the value of
 * ip_windex after the entry was written.  If the stamp of the next slot is
 * ip_rindex + 1, the slot has the next entry; otherwise it is unused or still
 * has an old entry, whose stamp is smaller by IPIQ_SIZE.  So a message moves
 * one cache line from CPU to CPU, and taking it does not move the line of
 * ip_windex away from a writer that is busy writing.
 *
 * INVARIANTS
 * IQ1 0 <= windex - rindex <= IPIQ_SIZE, and xindex <= rindex (as
 *     differences).
 *
 * ORDER
 * IPO1 sender: entry, then its stamp (release); reader: stamp (acquire), entry.
 * IPO2 reader: entry copied, then rindex (release); sender: rindex (acquire)
 *     before it writes the slot again.
 *
 * Source: DragonFly lwkt_ipiq.c.  Its race of 2005 (a test for equality with a
 * cached windex, d64a7617dd) is why IQ1's differences are compared by sign.
 *
 * Legend of the fields: (w:s) written by the sending CPU alone, (w:t) by the
 * target CPU alone, (c) by the CPU that owns it, in a critical section.
 */
#ifndef LWKT_KERN_IPI_IPIQ_VAR_H
#define LWKT_KERN_IPI_IPIQ_VAR_H

#include "kern/cpu/crit.h"

#include <lwkt/ipiq.h>

enum {
	IPIQ_SIZE = config_hard ? 8 : 256,	/* power of two */
	IPIQ_MASK = IPIQ_SIZE - 1,
	/* Entries in a ring at which a sender begins, and ends, a wait. */
	IPIQ_HIGH = IPIQ_SIZE / 2,
	IPIQ_LOW = IPIQ_SIZE / 4,
	/* The same while the sender's CPU executes messages (callbacks). */
	IPIQ_NESTED_HIGH = IPIQ_SIZE - 3,
	IPIQ_NESTED_LOW = IPIQ_SIZE - 5,
	/*
	 * A CPU that waits in a section reads for each sender that waits for
	 * room while it has fewer than this many messages deferred.  With this
	 * many or more it reads only for senders whose progress it needs
	 * (lwkt_ipiq_room.c).
	 */
	IPIQ_DEFER_EASY = config_hard ? 256 : 4096,
	/*
	 * A CPU is in debt if another CPU has not executed yet more than this
	 * many of its messages.
	 */
	IPIQ_DEBT = IPIQ_DEFER_EASY,
	/* Slots for deferred messages; power of two.  Unused: no memory. */
	IPIQ_DEFER_MAX = 1 << 16
};

/*
 * A message in a ring; lies in one cache line.  (w:s), but the reader may
 * change ie_fn to revoke the message.
 */
struct ipiq_entry {
	LWKT_ALIGNED(32)
	void		*ie_fn;
	void		*ie_arg1;
	int		 ie_arg2;
	uint32_t	 ie_nargs;	/* ie_fn: lwkt_ipifunc1_t, 2_t, 3_t */
	uint32_t	 ie_stamp;	/* ip_windex after the write */
};

struct lwkt_ipiq {
	LWKT_CACHEALIGN
	uint32_t	 ip_windex;	/* (w:s) count of entries written */
	uint32_t	 ip_rcache;	/* (w:s) ip_rindex as last read by s */
	LWKT_CACHEALIGN
	uint32_t	 ip_rindex;	/* (w:t) count of entries taken */
	uint32_t	 ip_xindex;	/* (w:t) count of entries executed */
	LWKT_CACHEALIGN
	struct ipiq_entry ip_entry[IPIQ_SIZE];
};

/*
 * The deferred messages, first in, first out.  The next one is in slot
 * df_first % IPIQ_DEFER_MAX; gd_ndeferred slots are in use from there on.
 */
struct ipiq_deferred {
	uint32_t	 df_first;	/* (c) deferred messages executed */
	struct {
		struct lwkt_ipiq *df_ring;
		struct ipiq_entry df_entry;
	}		 df_slot[IPIQ_DEFER_MAX];
};

/* Return the ring from CPU src to the CPU of gd. */
static inline struct lwkt_ipiq *
ipiq_from(struct globaldata *gd, int src)
{
	return &gd_find(src)->gd_ipiq[gd->gd_m.mc_cpuid];
}

/*
 * Return the address of the stamp of the next entry to take.  Its value is
 * ip_rindex + 1 if that entry has been written.
 */
static inline const uint32_t *
ipiq_stamp(const struct lwkt_ipiq *ip)
{
	return &ip->ip_entry[ip->ip_rindex & IPIQ_MASK].ie_stamp;
}

/*
 * Return 1 if the ring has an entry to take, else 0.  For the reader.  After a
 * result of 1 the reader may read the entry (IPO1).
 */
static inline int
ipiq_ready(const struct lwkt_ipiq *ip)
{
	return atomic_load_acq_32(ipiq_stamp(ip)) == ip->ip_rindex + 1;
}

/* Take the next entry; ipiq_ready() has returned 1.  For the reader. */
static inline struct ipiq_entry
ipiq_take(struct lwkt_ipiq *ip)
{
	uint32_t ri = ip->ip_rindex;
	struct ipiq_entry ie = ip->ip_entry[ri & IPIQ_MASK];

	atomic_store_rel_32(&ip->ip_rindex, ri + 1);		/* IPO2 */
	return ie;
}

/*
 * Return how many entries of the ring are not taken yet, or more than that: the
 * reader may have taken some since the sender last read ip_rindex.  For the
 * sender.
 */
static inline uint32_t
ipiq_fill(const struct lwkt_ipiq *ip)
{
	return ip->ip_windex - ip->ip_rcache;
}

/*
 * Call the callback of a message.  The frame that an lwkt_ipifunc3_t gets is
 * always NULL.  A preemptible thread may have been interrupted at an
 * instruction (async_run.c), but its registers are not known here.
 */
static inline void
ipiq_entry_call(const struct ipiq_entry *ie)
{
	int count = crit_count();

	no_unwind();
	if (ie->ie_nargs == 1)
		((lwkt_ipifunc1_t)ie->ie_fn)(ie->ie_arg1);
	else if (ie->ie_nargs == 2)
		((lwkt_ipifunc2_t)ie->ie_fn)(ie->ie_arg1, ie->ie_arg2);
	else
		((lwkt_ipifunc3_t)ie->ie_fn)(ie->ie_arg1, ie->ie_arg2, NULL);
	crit_balance(count, ie->ie_fn);
}

/*
 * lwkt_ipiq.c: make the CPU of tgd read its ring from the CPU of gd, also if
 * the ring holds passive messages only.
 */
void	ipiq_remind(struct globaldata *gd, struct globaldata *tgd);

/*
 * lwkt_ipiq_room.c.  If ring ip, from gd to tgd, is too full, wait until it has
 * room.  `open`: the sender is in no section but the send's own, so callbacks
 * may run during the wait.  Otherwise the messages that must be read during the
 * wait are deferred.
 */
void	ipiq_room_slow(struct globaldata *gd, struct globaldata *tgd,
	    struct lwkt_ipiq *ip, int open);

#endif
