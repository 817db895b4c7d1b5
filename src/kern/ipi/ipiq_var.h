/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The rings between CPUs: a matrix of rings, each with one writer and one
 * reader.  For the files that keep them: lwkt_ipiq.c sends, ipiq_exec.c
 * executes, lwkt_ipiq_room.c waits for room and defers.
 *
 * THEORY
 * Ring (s, t) is written by CPU s alone and read by CPU t alone, so it keeps
 * its order exactly and needs no lock.  ip_windex counts the entries written,
 * ip_rindex the entries taken, ip_xindex the entries executed.  The three wrap
 * around; only their differences have a meaning.  The reader does not need
 * ip_windex: each entry carries a stamp, the value of ip_windex after the entry
 * was written, and the stamp tells that the entry belongs to this turn of the
 * ring.  So a message moves one cache line from CPU to CPU, and the reader
 * never takes the line of the index from a writer that is busy writing.
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
 * target CPU alone, (c) by the CPU that owns it in a critical section.
 */
#ifndef LWKT_KERN_IPI_IPIQ_VAR_H
#define LWKT_KERN_IPI_IPIQ_VAR_H

#include "kern/cpu/crit.h"

#include <lwkt/ipiq.h>

enum {
	IPIQ_SIZE = config_hard ? 8 : 256,	/* power of two */
	IPIQ_MASK = IPIQ_SIZE - 1,
	IPIQ_HIGH = IPIQ_SIZE / 2,	/* a thread that sends waits at this */
	IPIQ_LOW = IPIQ_SIZE / 4,	/* until at most this */
	IPIQ_NESTED_HIGH = IPIQ_SIZE - 3, /* the same for a callback */
	IPIQ_NESTED_LOW = IPIQ_SIZE - 5,
	/* While fewer are deferred, read for every CPU that waits. */
	IPIQ_DEFER_EASY = config_hard ? 256 : 4096,
	/* Debt: more than this sent by a CPU to another and not executed. */
	IPIQ_DEBT = IPIQ_DEFER_EASY,
	/* Power of two; takes memory when used. */
	IPIQ_DEFER_MAX = 1 << 16
};

/* (w:s); lies in one cache line.  The reader may change it to revoke it. */
struct ipiq_entry {
	LWKT_ALIGNED(32)
	void		*ie_fn;
	void		*ie_arg1;
	int		 ie_arg2;
	uint32_t	 ie_nargs;	/* of lwkt_ipifunc1_t, 2_t, 3_t */
	uint32_t	 ie_stamp;	/* ip_windex after it was written */
};

struct lwkt_ipiq {
	LWKT_CACHEALIGN
	uint32_t	 ip_windex;	/* (w:s) written; seen late by others */
	uint32_t	 ip_rcache;	/* (w:s) rindex as last read */
	LWKT_CACHEALIGN
	uint32_t	 ip_rindex;	/* (w:t) taken */
	uint32_t	 ip_xindex;	/* (w:t) executed */
	LWKT_CACHEALIGN
	struct ipiq_entry ip_entry[IPIQ_SIZE];
};

/*
 * The deferred messages, first in, first out.  The next one is in slot
 * df_first % IPIQ_DEFER_MAX; gd_ndeferred slots are in use from there on.
 */
struct ipiq_deferred {
	uint32_t	 df_first;	/* (c), and all below */
	struct {
		struct lwkt_ipiq *df_ring;
		struct ipiq_entry df_entry;
	}		 df_slot[IPIQ_DEFER_MAX];
};

/* The ring from CPU src to the owner of gd. */
static inline struct lwkt_ipiq *
ipiq_from(struct globaldata *gd, int src)
{
	return &gd_find(src)->gd_ipiq[gd->gd_m.mc_cpuid];
}

/* The stamp of the next entry: ip_rindex + 1 once the entry was written. */
static inline const uint32_t *
ipiq_stamp(const struct lwkt_ipiq *ip)
{
	return &ip->ip_entry[ip->ip_rindex & IPIQ_MASK].ie_stamp;
}

/* Return whether the ring has an entry to take; then it may be read (IPO1). */
static inline int
ipiq_ready(const struct lwkt_ipiq *ip)
{
	return atomic_load_acq_32(ipiq_stamp(ip)) == ip->ip_rindex + 1;
}

/* Take the next entry of a ring that has one. */
static inline struct ipiq_entry
ipiq_take(struct lwkt_ipiq *ip)
{
	uint32_t ri = ip->ip_rindex;
	struct ipiq_entry ie = ip->ip_entry[ri & IPIQ_MASK];

	atomic_store_rel_32(&ip->ip_rindex, ri + 1);		/* IPO2 */
	return ie;
}

/* For the sender: entries not taken when it last read rindex. */
static inline uint32_t
ipiq_fill(const struct lwkt_ipiq *ip)
{
	return ip->ip_windex - ip->ip_rcache;
}

/*
 * Call the callback of a message.  It has interrupted no code, so there is no
 * frame to pass.
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

/* lwkt_ipiq.c: make the target look at ring (gd, tgd). */
void	ipiq_remind(struct globaldata *gd, struct globaldata *tgd);

/*
 * lwkt_ipiq_room.c.  Wait, if necessary, until ring (gd, tgd) has room for one
 * more entry.  `open`: the sender was in no section but the send's own, so
 * callbacks may run during the wait.  If it was in one, what must be read is
 * deferred.
 */
void	ipiq_room_slow(struct globaldata *gd, struct globaldata *tgd,
	    struct lwkt_ipiq *ip, int open);

#endif
