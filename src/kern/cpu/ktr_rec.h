/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Record a trace event.  If the group of the event is not in the mask, the cost
 * is one test.
 */
#ifndef LWKT_KERN_CPU_KTR_REC_H
#define LWKT_KERN_CPU_KTR_REC_H

#include "kern/cpu/globaldata.h"

void	ktr_record(struct globaldata *gd, const struct ktr_event *ev,
	    uint64_t a, uint64_t b);

/* Return whether events of the group are recorded. */
#define ktr_wanted(group)						\
	unlikely((atomic_peek_32(&lwkt__ktr_mask) &			\
	    (uint32_t)(group)) != 0)

/*
 * Record an event on the calling CPU, gd.  var is the name in the TRACEPOINT of
 * the file, or in a TRACEPOINT_EXTERN.
 */
#define ktr(gd, var, a, b)						\
	do {								\
		if (ktr_wanted(ktr_group_##var))			\
			ktr_record((gd), &ktr_##var, (uint64_t)(a),	\
			    (uint64_t)(b));				\
	} while (0)

#endif
