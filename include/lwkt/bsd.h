/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The short names of BSD kernels, for code that wants them.
 *
 * Include it after all other headers: the macros rename these words wherever
 * they stand.  Nothing in the library includes it.  Two things differ from a
 * BSD kernel: tsleep() takes nanoseconds, with LWKT_FOREVER for no limit, and
 * systimers take nanoseconds, not a frequency.
 */
#ifndef LWKT_BSD_H
#define LWKT_BSD_H

#include <lwkt/lwkt.h>
#include <lwkt/ipiq.h>
#include <lwkt/systimer.h>

#define thread_t		lwkt_thread_t
#define cpumask_t		lwkt_cpumask_t
#define curthread		lwkt_self()
#define mycpuid			lwkt_cpuid()
#define ncpus			lwkt_ncpus()

#define TDPRI_IDLE_THREAD	LWKT_PRI_IDLE
#define TDPRI_IDLE_WORK		LWKT_PRI_IDLE_WORK
#define TDPRI_USER_SCHEDULER	LWKT_PRI_USER_SCHEDULER
#define TDPRI_USER_IDLE		LWKT_PRI_USER_IDLE
#define TDPRI_USER_NORM		LWKT_PRI_USER_NORM
#define TDPRI_USER_REAL		LWKT_PRI_USER_REAL
#define TDPRI_KERN_LPSCHED	LWKT_PRI_KERN_LPSCHED
#define TDPRI_KERN_USER		LWKT_PRI_KERN_USER
#define TDPRI_KERN_DAEMON	LWKT_PRI_KERN_DAEMON
#define TDPRI_SOFT_NORM		LWKT_PRI_SOFT_NORM
#define TDPRI_SOFT_TIMER	LWKT_PRI_SOFT_TIMER
#define TDPRI_INT_SUPPORT	LWKT_PRI_INT_SUPPORT
#define TDPRI_INT_LOW		LWKT_PRI_INT_LOW
#define TDPRI_INT_MED		LWKT_PRI_INT_MED
#define TDPRI_INT_HIGH		LWKT_PRI_INT_HIGH
#define TDPRI_MAX		LWKT_PRI_MAX

#define crit_enter		lwkt_crit_enter
#define crit_exit		lwkt_crit_exit

#define PCATCH			LWKT_PCATCH
#define PINTERLOCKED		LWKT_PINTERLOCKED
#define PDOMAIN_MASK		LWKT_PDOMAIN_MASK
#define PDOMAIN_UMTX		LWKT_PDOMAIN_UMTX
#define PDOMAIN_XLOCK		LWKT_PDOMAIN_XLOCK
#define tsleep			lwkt_tsleep
#define tsleep_interlock	lwkt_tsleep_interlock
#define tsleep_remove		lwkt_tsleep_remove
#define wakeup			lwkt_wakeup
#define wakeup_one		lwkt_wakeup_one
#define wakeup_n		lwkt_wakeup_n
#define wakeup_domain		lwkt_wakeup_domain
#define wakeup_domain_one	lwkt_wakeup_domain_one
#define wakeup_mycpu		lwkt_wakeup_mycpu
#define wakeup_mycpu_one	lwkt_wakeup_mycpu_one

#define EASYNC			LWKT_EASYNC
#define MSGF_DONE		LWKT_MSGF_DONE
#define MSGF_REPLY		LWKT_MSGF_REPLY
#define MSGF_QUEUED		LWKT_MSGF_QUEUED
#define MSGF_SYNC		LWKT_MSGF_SYNC
#define MSGF_INTRANSIT		LWKT_MSGF_INTRANSIT
#define MSGF_DROPABLE		LWKT_MSGF_DROPABLE
#define MSGF_ABORTABLE		LWKT_MSGF_ABORTABLE
#define MSGF_PRIORITY		LWKT_MSGF_PRIORITY
#define MSGF_RECEIPT		LWKT_MSGF_RECEIPT
#define MSGF_USER0		LWKT_MSGF_USER0

#define systimer		lwkt_systimer
#define systimer_init_oneshot	lwkt_systimer_init_oneshot
#define systimer_init_periodic	lwkt_systimer_init_periodic
#define systimer_adjust_periodic lwkt_systimer_adjust_periodic
#define systimer_del		lwkt_systimer_del

#define panic			lwkt_panic
#define kprintf			lwkt_printf

#endif
