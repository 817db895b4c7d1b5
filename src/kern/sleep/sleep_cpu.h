/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The part of struct globaldata that belongs to sleep/: sleep queues.
 * The letters of the fields: kern/cpu/globaldata.h.
 */
#ifndef LWKT_KERN_SLEEP_SLEEP_CPU_H
#define LWKT_KERN_SLEEP_SLEEP_CPU_H

struct tslpque;

struct sleep_cpu {
	struct tslpque	*gd_tslpque;	/* (i) table of queues, by slot */
};

#endif
