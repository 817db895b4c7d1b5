/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The short names of BSD kernels, for code that wants them.
 *
 * Include this header after all others: the macros rename every use of these
 * words.  No header of the library includes it.  Two things differ from a BSD
 * kernel.  All time limits are nanoseconds, not ticks: those of tsleep(), of
 * the other sleeps and of locks; where a wait may last for ever, LWKT_FOREVER
 * says so, not 0 (lockinit() still takes 0).  Systimers take nanoseconds, not a
 * frequency.
 */
#ifndef LWKT_BSD_H
#define LWKT_BSD_H

#include <lwkt/lwkt.h>
#include <lwkt/cpusync.h>
#include <lwkt/ipiq.h>
#include <lwkt/lock.h>
#include <lwkt/locksleep.h>
#include <lwkt/malloc.h>
#include <lwkt/lwp.h>
#include <lwkt/mtx.h>
#include <lwkt/serialize.h>
#include <lwkt/spinlock.h>
#include <lwkt/systimer.h>
#include <lwkt/token.h>
#include <lwkt/usched.h>

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
#define crit_exit_noyield(td)	lwkt_crit_exit_noyield()
#define crit_test		lwkt_crit_test
#define crit_enter_hard		lwkt_crit_enter_hard
#define crit_exit_hard		lwkt_crit_exit_hard
#define splz			lwkt_splz
#define splz_check		lwkt_splz
#define lwkt_maybe_splz(td)	lwkt_splz()

#define lwkt_setcpu_self	lwkt_migratecpu
#define lwkt_send_ipiq2_passive	lwkt_send_ipiq_passive
#define lwkt_send_ipiq2_nowait	lwkt_send_ipiq_nowait
#define lwkt_send_ipiq2_mask	lwkt_send_ipiq_mask
#define ipifunc1_t		lwkt_ipifunc1_t
#define ipifunc2_t		lwkt_ipifunc2_t
#define ipifunc3_t		lwkt_ipifunc3_t

#define PCATCH			LWKT_PCATCH
#define PINTERLOCKED		LWKT_PINTERLOCKED
#define PNORESCHED		LWKT_PNORESCHED
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
#define wakeup_oncpu		lwkt_wakeup_oncpu
#define wakeup_oncpu_one	lwkt_wakeup_oncpu_one
#define wakeup_start_delayed	lwkt_wakeup_start_delayed
#define wakeup_end_delayed	lwkt_wakeup_end_delayed
#define ssleep			lwkt_ssleep
#define mtxsleep		lwkt_mtxsleep
#define lksleep			lwkt_lksleep
#define zsleep			lwkt_zsleep
#define xwait			lwkt_xwait
#define xwait_init		lwkt_xwait_init
#define xsleep			lwkt_xsleep
#define xwakeup			lwkt_xwakeup
#define xupdate			lwkt_xupdate

#define ASSERT_LWKT_TOKEN_HELD	LWKT_ASSERT_TOKEN_HELD
#define ASSERT_LWKT_TOKEN_HELD_EXCL LWKT_ASSERT_TOKEN_HELD_EXCL
#define ASSERT_SERIALIZED	LWKT_ASSERT_SERIALIZED
#define ASSERT_NOT_SERIALIZED	LWKT_ASSERT_NOT_SERIALIZED

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
#define MSGF_NORESCHED		LWKT_MSGF_NORESCHED
#define MSGF_USER0		LWKT_MSGF_USER0

#define systimer		lwkt_systimer
#define systimer_init_oneshot	lwkt_systimer_init_oneshot
#define systimer_init_periodic	lwkt_systimer_init_periodic
#define systimer_adjust_periodic lwkt_systimer_adjust_periodic
#define systimer_del		lwkt_systimer_del

#define spin_init		lwkt_spin_init
#define spin_uninit		lwkt_spin_uninit
#define spin_lock		lwkt_spin_lock
#define spin_unlock		lwkt_spin_unlock
#define spin_lock_shared	lwkt_spin_lock_shared
#define spin_unlock_shared	lwkt_spin_unlock_shared
#define spin_unlock_any		lwkt_spin_unlock_any
#define spin_trylock		lwkt_spin_trylock
#define spin_held		lwkt_spin_held
#define spin_access_start	lwkt_spin_access_start
#define spin_access_end		lwkt_spin_access_end
#define spin_lock_update	lwkt_spin_lock_update
#define spin_unlock_update	lwkt_spin_unlock_update
#define spin_access_start_only	lwkt_spin_access_start_only
#define spin_access_end_only	lwkt_spin_access_end_only
#define spin_lock_update_only	lwkt_spin_lock_update_only
#define spin_unlock_update_only lwkt_spin_unlock_update_only
#define spin_lock_upgrade_try	lwkt_spin_lock_upgrade_try

#define mtx_init		lwkt_mtx_init
#define mtx_uninit		lwkt_mtx_uninit
#define mtx_lock		lwkt_mtx_lock
#define mtx_lock_ex		lwkt_mtx_lock_ex
#define mtx_lock_sh		lwkt_mtx_lock_sh
#define mtx_lock_ex_try		lwkt_mtx_lock_ex_try
#define mtx_lock_sh_try		lwkt_mtx_lock_sh_try
#define mtx_lock_sh_again	lwkt_mtx_lock_sh_again
#define mtx_unlock		lwkt_mtx_unlock
#define mtx_unlock_ex		lwkt_mtx_unlock_ex
#define mtx_unlock_sh		lwkt_mtx_unlock_sh
#define mtx_lock_ex_quick	lwkt_mtx_lock_ex_quick
#define mtx_lock_sh_quick	lwkt_mtx_lock_sh_quick
#define mtx_lockrefs		lwkt_mtx_lockrefs
#define mtx_spinlock		lwkt_mtx_spinlock
#define mtx_spinlock_try	lwkt_mtx_spinlock_try
#define mtx_spinunlock		lwkt_mtx_spinunlock
#define mtx_upgrade_try		lwkt_mtx_upgrade_try
#define mtx_downgrade		lwkt_mtx_downgrade
#define mtx_owned		lwkt_mtx_owned
#define mtx_islocked		lwkt_mtx_islocked
#define mtx_islocked_ex		lwkt_mtx_islocked_ex
#define mtx_lock_ex_link	lwkt_mtx_lock_ex_link
#define mtx_lock_sh_link	lwkt_mtx_lock_sh_link
#define mtx_link_init		lwkt_mtx_link_init
#define mtx_link_init_async	lwkt_mtx_link_init_async
#define mtx_wait_link		lwkt_mtx_wait_link
#define mtx_abort_link		lwkt_mtx_abort_link
#define mtx_lock_temp_release	lwkt_mtx_lock_temp_release
#define mtx_lock_temp_restore	lwkt_mtx_lock_temp_restore

#define lockmgr			lwkt_lockmgr
#define lockmgr_try		lwkt_lockmgr_try
#define lockinit		lwkt_lockinit
#define lockuninit		lwkt_lockuninit
#define lockstatus		lwkt_lockstatus
#define lockowned		lwkt_lockowned
#define lockcount		lwkt_lockcount
#define LK_SHARED		LWKT_LK_SHARED
#define LK_EXCLUSIVE		LWKT_LK_EXCLUSIVE
#define LK_UPGRADE		LWKT_LK_UPGRADE
#define LK_EXCLUPGRADE		LWKT_LK_EXCLUPGRADE
#define LK_DOWNGRADE		LWKT_LK_DOWNGRADE
#define LK_RELEASE		LWKT_LK_RELEASE
#define LK_CANCEL_BEG		LWKT_LK_CANCEL_BEG
#define LK_CANCEL_END		LWKT_LK_CANCEL_END
#define LK_EXCLOTHER		LWKT_LK_EXCLOTHER
#define LK_NOWAIT		LWKT_LK_NOWAIT
#define LK_SLEEPFAIL		LWKT_LK_SLEEPFAIL
#define LK_CANRECURSE		LWKT_LK_CANRECURSE
#define LK_TIMELOCK		LWKT_LK_TIMELOCK
#define LK_PCATCH		LWKT_LK_PCATCH
#define LK_CANCELABLE		LWKT_LK_CANCELABLE

#define malloc_type		lwkt_malloc_type
#define MALLOC_DEFINE		LWKT_MALLOC_DEFINE
#define MALLOC_DEFINE_OBJ	LWKT_MALLOC_DEFINE_OBJ
#define MALLOC_DECLARE		LWKT_MALLOC_DECLARE
#define kmalloc			lwkt_kmalloc
#define kfree			lwkt_kfree
#define krealloc		lwkt_krealloc
#define kstrdup			lwkt_kstrdup
#define kstrndup		lwkt_kstrndup
#define kmalloc_obj		lwkt_kmalloc_obj
#define kfree_obj		lwkt_kfree_obj
#define kmalloc_limit		lwkt_kmalloc_limit
#define kmalloc_raise_limit	lwkt_kmalloc_raise_limit
#define kmalloc_set_unlimited	lwkt_kmalloc_set_unlimited
#define M_NOWAIT		LWKT_M_NOWAIT
#define M_WAITOK		LWKT_M_WAITOK
#define M_INTWAIT		LWKT_M_WAITOK
#define M_ZERO			LWKT_M_ZERO
#define M_NULLOK		LWKT_M_NULLOK
#define M_POWEROF2		LWKT_M_POWEROF2
#define M_CACHEALIGN		LWKT_M_CACHEALIGN
#define M_USE_RESERVE		0	/* there are no reserves */
#define M_USE_INTERRUPT_RESERVE	0

#define usched			lwkt_usched
#define usched_find		lwkt_usched_find
#define need_user_resched_remote lwkt_usched_resched
#define RTP_PRIO_REALTIME	LWKT_RTP_REALTIME
#define RTP_PRIO_NORMAL		LWKT_RTP_NORMAL
#define RTP_PRIO_IDLE		LWKT_RTP_IDLE
#define RTP_PRIO_MAX		LWKT_RTP_MAX
#define PRIO_MIN		LWKT_NICE_MIN
#define PRIO_MAX		LWKT_NICE_MAX

#define panic			lwkt_panic
#define kprintf			lwkt_printf

#endif
