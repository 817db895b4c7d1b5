/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Trace rings: the last KTR_ENTRIES events of each CPU.
 *
 * THEORY
 * Each CPU has a ring, to which no other CPU writes.  In a full ring a new
 * record replaces the oldest one.  A reader on another CPU or in another
 * process reads kr_index before and after it copies records, and drops those
 * that the CPU may have overwritten meanwhile.  An event is recorded if its
 * group is in the mask (LWKT_TRACE=0x..).  By default the mask has only the
 * group KTR_HOST, whose events are too rare to cost time.  On the simulated
 * host it has all groups by default.  There every recorded event also becomes a
 * part of the hash that identifies the schedule.
 */
#ifndef LWKT_BASE_KTR_H
#define LWKT_BASE_KTR_H

#include <stdint.h>

#include "base/compiler.h"
#include "base/config.h"
#include "base/stat_decl.h"

/* Records in a ring: a power of two.  2048 records take 64 KiB. */
#define KTR_ENTRIES	(config_hard ? 64 : 2048)

struct ktr_rec {
	int64_t		 kt_time;	/* machine_time_ns() of the event */
	const struct ktr_event *kt_event;
	uint64_t	 kt_a;		/* the two arguments of ke_fmt */
	uint64_t	 kt_b;
};

struct ktr_ring {
	uint64_t	 kr_index;	/* number of records ever written */
	struct ktr_rec	 kr_rec[KTR_ENTRIES];
};

/* The groups that are recorded if LWKT_TRACE is not set. */
#ifdef LWKT_HOST_SIM
#define KTR_DEFAULT	KTR_ALL
#else
#define KTR_DEFAULT	KTR_HOST
#endif

/* The groups to record, bits of enum ktr_group.  Constant after boot. */
extern uint32_t lwkt__ktr_mask __lwkt_hidden;

#endif
