/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Spin ports: any number of threads and plain pthreads send and receive.
 * USES lwkt_msgport.c, lwkt_port_foreign.c, lwkt_port_selword.c.
 *
 * THEORY
 * Several CPUs receive from one queue, and an IPI cannot reach a plain pthread.
 * So a spin lock, mp_lock, protects the port.  It is held for a few
 * instructions; a thread holds it in a critical section.  A thread waits by
 * lwkt_tsleep(), a plain pthread in the host.
 *
 * mp_waiters counts the threads that found the queue empty under the lock and
 * have not taken the lock again.  If a message arrives while mp_waiters is not
 * 0, its sender wakes one of these threads (wakeup_one).  This wake-up is one
 * too many if a thread that was woken before has not run yet.  The sender
 * cannot omit it: of several wake-ups on their way to other CPUs, each may wake
 * another thread than the one for which it was sent.
 *
 * A thread that waits on several ports (lwkt_port_wait.c) has an entry on the
 * list mp_watch of each port; the entries lie on its stack.  The sender of a
 * message takes one entry off the list and wakes its thread by the ident.  The
 * sender also wakes a thread of mp_waiters, because it cannot know which of the
 * two is still asleep.  Suppose that the thread of the entry returns with a
 * message of another port, and a message is still queued at this port.  Then
 * that thread wakes the next receiver (spin_unwatch).
 *
 * A pthread cannot wake a thread.  If its message has to wake one, the pthread
 * leaves the message to a CPU (msg_push), which does the whole operation.  This
 * is mp_cpu, the CPU where a thread waited last at the port (but see PS2).
 * Until that CPU has queued the message, later messages of pthreads are left to
 * it as well; otherwise they would overtake the first.
 *
 * INVARIANTS
 * PS1 Only the holder of mp_lock accesses the queues, mp_watch, mp_flags, and
 *    the fields that struct lwkt_port declares after mp_lock.  (Exceptions:
 *    looks_empty() of lwkt_port_wait.c; the host compares mp_flags.)
 * PS2 mp_inflight is the number of messages and replies that were left to
 *    mp_cpu and have not arrived yet.  mp_cpu changes only while mp_inflight is
 *    0.
 *
 * Nothing is sent or woken with the lock held.  Once the replier has released
 * the lock, the memory of the message and of its reply port may be freed; only
 * their addresses are used then, as idents.  It cannot be freed earlier,
 * although the reply is marked done under the lock.  A sender that waits
 * (lwkt_domsg) reads the mark only under the lock.  A sender that sees the mark
 * without the lock (lwkt_checkmsg) must take the reply off the queue under the
 * lock.
 *
 * Source: DragonFly lwkt_msgport.c, spin backend.  DragonFly has no pthreads
 * that use ports.
 */
#include "kern/sleep/synch_var.h"
#include "kern/lock/lock_var.h"
#include "kern/port/port_var.h"

#include <errno.h>
#include <lwkt/synch.h>

COUNTER(contended, "lwkt.port_contended", "waits for the lock of a spin port");

#define MSGF_MP_WAIT	(LWKT_MSGF_MP_WAITTD | LWKT_MSGF_MP_WAITPTH)

/* Take mp_lock.  Any context; spins. */
static void
lock(lwkt_port_t port)
{
	unsigned turn = 0;

	/*
	 * Acquire: pairs with the release in unlock().  The load before keeps
	 * the cache line shared while another CPU holds the lock.
	 */
	while (atomic_load_32(&port->mp_lock) != 0 ||
	    !atomic_cmpset_32(&port->mp_lock, 0, 1))
		machine_pause(turn++);
	if (unlikely(turn != 0) && machine_oncpu() != NULL)
		counter_inc(mygd()->gd_cntbias, contended);
}

/* Release mp_lock. */
static inline void
unlock(lwkt_port_t port)
{
	atomic_store_rel_32(&port->mp_lock, 0);
}

/*
 * Lock the port.  td is the calling thread, which also enters a critical
 * section; NULL if the caller is a plain pthread.
 */
static inline void
port_lock(lwkt_port_t port, lwkt_thread_t td)
{
	if (td != NULL)
		crit_enter_td(td);
	lock(port);
}

/* Undo port_lock(port, td). */
static inline void
port_unlock(lwkt_port_t port, lwkt_thread_t td)
{
	unlock(port);
	if (td != NULL)
		crit_exit_td(td);
}

/* Return the calling thread; NULL for a plain pthread. */
static inline lwkt_thread_t
caller(void)
{
	return machine_oncpu() != NULL ? curthread : NULL;
}

/* Return 1 for the reply of a SYNC message, which is not queued; else 0. */
static inline int
is_sync_reply(uint32_t flags)
{
	return (flags & (LWKT_MSGF_SYNC | LWKT_MSGF_REPLY)) ==
	    (LWKT_MSGF_SYNC | LWKT_MSGF_REPLY);
}

/*
 * Return 1 if a pthread must leave msg to a CPU, else 0.  It must if a thread
 * has to be woken.  It also must if other messages have been left to a CPU and
 * are not queued yet, because msg would overtake them; the reply of a SYNC
 * message is not queued and may overtake.  flags is ms_flags, with REPLY if msg
 * is a reply.  Lock held.
 */
static inline int
needs_cpu(lwkt_port_t port, lwkt_msg_t msg, uint32_t flags)
{
	if (atomic_load_32(&msg->ms_mpflags) & LWKT_MSGF_MP_WAITTD)
		return 1;
	return !is_sync_reply(flags) && (port->mp_inflight != 0 ||
	    port->mp_waiters != 0 || port->mp_watch != NULL);
}

/* What to wake after the lock is released; 0 or NULL: nothing. */
struct spin_wake {
	int		 sw_port_td;	/* 1: a thread of mp_waiters */
	int		 sw_port_pth;	/* 1: pthreads that wait on mp_flags */
	int		 sw_select;	/* 1: all pthreads that select */
	uint32_t	 sw_msg;	/* MP_WAIT* bits of the message */
	const void	*sw_watch;	/* ident of a thread that selects */
};

/* Take pw off the list of its port.  Lock held. */
static void
watch_remove(struct port_watch *pw)
{
	if (pw->pw_next != NULL)
		pw->pw_next->pw_prevp = pw->pw_prevp;
	*pw->pw_prevp = pw->pw_next;
	pw->pw_prevp = NULL;
}

/*
 * Note in sw what to wake for a queued message: one thread of mp_waiters, and
 * one of mp_watch, whose entry is taken off the list.  Lock held.
 */
static void
choose_receiver(lwkt_port_t port, struct spin_wake *sw)
{
	struct port_watch *pw = port->mp_watch;

	sw->sw_port_td = port->mp_waiters != 0;
	if (pw != NULL) {
		watch_remove(pw);
		pw->pw_woken = 1;
		sw->sw_watch = pw->pw_ident;
	}
}

/*
 * Queue msg, which is a request or a reply, and mark a reply done.  The reply
 * of a SYNC message is only marked done.  flags becomes ms_flags, without
 * INTRANSIT.  *sw becomes what to wake.  Lock held.
 */
static void
arrive(lwkt_port_t port, lwkt_msg_t msg, uint32_t flags, struct spin_wake *sw)
{
	*sw = (struct spin_wake){ 0 };
	if (flags & LWKT_MSGF_INTRANSIT) {
		port->mp_inflight--;				/* PS2 */
		flags &= ~(uint32_t)LWKT_MSGF_INTRANSIT;
	}
	if (flags & LWKT_MSGF_REPLY) {
		flags |= LWKT_MSGF_DONE;
		sw->sw_msg = atomic_load_32(&msg->ms_mpflags) & MSGF_MP_WAIT;
		if (sw->sw_msg != 0)
			atomic_clear_32(&msg->ms_mpflags, sw->sw_msg);
		if (flags & LWKT_MSGF_SYNC) {
			msg_setdone(msg, flags);
			return;
		}
	}
	port_enqueue(port, msg, flags);
	choose_receiver(port, sw);
	if (port->mp_flags & (MPF_WAITPTH | MPF_SELECT)) {
		sw->sw_port_pth = (port->mp_flags & MPF_WAITPTH) != 0;
		sw->sw_select = (port->mp_flags & MPF_SELECT) != 0;
		atomic_store_32(&port->mp_flags,
		    port->mp_flags & ~(MPF_WAITPTH | MPF_SELECT));
	}
}

/*
 * Wake what sw notes.  The lock is not held.  The memory of port and msg may
 * have been freed: only their addresses are used, as idents.
 */
static void
arrive_wake(lwkt_port_t port, lwkt_msg_t msg, const struct spin_wake *sw)
{
	if (sw->sw_msg & LWKT_MSGF_MP_WAITTD)
		lwkt_wakeup_domain(msg, PDOMAIN_PORT);
	if (sw->sw_msg & LWKT_MSGF_MP_WAITPTH)
		machine_foreign_wake(&msg->ms_mpflags);
	if (sw->sw_port_td)
		lwkt_wakeup_domain_one(port, PDOMAIN_PORT);
	if (sw->sw_watch != NULL)
		lwkt_wakeup_domain_one(sw->sw_watch, PDOMAIN_PORT);
	if (sw->sw_port_pth)
		machine_foreign_wake(&port->mp_flags);
	if (sw->sw_select)
		select_wake_foreign();
}

/*
 * Deliver msg to the port: a reply if flags has REPLY, else a request.  A plain
 * pthread leaves msg to a CPU if necessary; that CPU calls this function again.
 * flags has FOREIGN if the caller is a plain pthread.  Never blocks.
 */
static void
deliver(lwkt_port_t port, lwkt_msg_t msg, uint32_t flags)
{
	lwkt_thread_t td = flags & LWKT_MSGF_FOREIGN ? NULL : curthread;
	struct spin_wake sw;
	int cpu;

	port_lock(port, td);					/* PS1 */
	if (td == NULL && needs_cpu(port, msg, flags)) {
		port->mp_inflight++;				/* PS2 */
		cpu = port->mp_cpu;
		msg_setflags(msg, flags | LWKT_MSGF_INTRANSIT);
		port_unlock(port, td);
		msg_push(cpu, msg);
		return;
	}
	arrive(port, msg, flags, &sw);
	port_unlock(port, td);
	arrive_wake(port, msg, &sw);
}

/*
 * putport: queue msg, after its receipt function, if any, was called, and
 * return LWKT_EASYNC.  Thread, callback or plain pthread; never blocks.
 */
int
spin_putport(lwkt_port_t port, lwkt_msg_t msg)
{
	deliver(port, msg, msg_receipt(port, msg, msg->ms_flags));
	return LWKT_EASYNC;
}

/*
 * replyport: mark msg done, and queue it unless it is SYNC.  Thread, callback
 * or plain pthread; never blocks.
 */
void
spin_replyport(lwkt_port_t port, lwkt_msg_t msg)
{
	deliver(port, msg, msg->ms_flags | LWKT_MSGF_REPLY);
}

/*
 * getport: return the next message, NULL if there is none.  Thread, callback or
 * plain pthread; never blocks.
 */
void *
spin_getport(lwkt_port_t port)
{
	lwkt_thread_t td = caller();
	lwkt_msg_t msg;

	port_lock(port, td);
	msg = port_dequeue(port);
	port_unlock(port, td);
	return msg;
}

/*
 * Release the lock, sleep on ident, take the lock again.  Return the result of
 * lwkt_tsleep(): 0, EWOULDBLOCK or EINTR.  A thread in a critical section.  The
 * interlock comes before unlock(): a wake-up between unlock() and the sleep is
 * not lost.
 */
static int
sleep_unlocked(lwkt_port_t port, const void *ident, int intr,
    const char *wmesg, int64_t deadline)
{
	int error;

	if (port->mp_inflight == 0)
		port->mp_cpu = mycpuid;				/* PS2 */
	lwkt_tsleep_interlock(ident, PDOMAIN_PORT);
	unlock(port);
	error = lwkt_tsleep(ident, PDOMAIN_PORT | LWKT_PINTERLOCKED | intr,
	    wmesg, wait_left(deadline));
	lock(port);
	return error;
}

/*
 * Sleep as a thread until a wake-up for a message of the port.  The lock is
 * held on entry and return, and released meanwhile.  The result is that of
 * sleep_unlocked().
 */
static int
wait_td(lwkt_port_t port, int intr, int64_t deadline)
{
	int error;

	port->mp_waiters++;
	error = sleep_unlocked(port, port, intr, "port", deadline);
	port->mp_waiters--;
	return error;
}

/*
 * Wait as a plain pthread until *word changes or a wake-up comes, also a
 * spurious one.  `bit` in *word is set before: it asks the sender or the
 * replier for a wake-up.  The lock is held on entry and return, and released
 * meanwhile.  Return 0, or EWOULDBLOCK at once if the deadline is 0, which
 * means: do not wait.  Other deadlines are not used.
 * The host sleeps only if *word still has the value val, so a wake-up between
 * unlock() and the sleep is not lost.
 */
static int
wait_pthread(lwkt_port_t port, uint32_t *word, uint32_t bit, int64_t deadline)
{
	uint32_t val;

	if (deadline == 0)
		return EWOULDBLOCK;
	val = atomic_fetchor_32(word, bit) | bit;
	unlock(port);
	machine_foreign_wait(word, val);
	lock(port);
	return 0;
}

/*
 * waitport_timed: wait for a message, take it and return it.  Return NULL when
 * the time is over, or a thread is interrupted and flags has LWKT_PCATCH.
 * Thread or plain pthread; may block.
 */
void *
spin_waitport_timed(lwkt_port_t port, int flags, int64_t timeout_ns)
{
	int64_t deadline = wait_deadline(timeout_ns);
	lwkt_thread_t td = caller();
	lwkt_msg_t msg;
	int error = 0;

	port_lock(port, td);
	while ((msg = port_dequeue(port)) == NULL && error == 0) {
		if (td != NULL)
			error = wait_td(port, flags & LWKT_PCATCH, deadline);
		else
			error = wait_pthread(port, &port->mp_flags,
			    MPF_WAITPTH, deadline);
	}
	if (msg != NULL && error == EINTR)
		intr_repost(td);
	port_unlock(port, td);
	return msg;
}

/* waitport: spin_waitport_timed() without a time limit. */
void *
spin_waitport(lwkt_port_t port, int flags)
{
	return spin_waitport_timed(port, flags, LWKT_FOREVER);
}

/*
 * Wait until msg is done, or the deadline has passed.  After an interrupt,
 * abort msg and continue to wait for its reply.  port is the reply port of msg.
 * Its lock is held on entry and return, and released during the wait.  td is
 * the caller, NULL for a plain pthread.  intr is LWKT_PCATCH or 0.  Return
 * EINTR if the wait was interrupted, else 0; the caller tests whether msg is
 * done.
 */
static int
wait_done(lwkt_port_t port, lwkt_msg_t msg, lwkt_thread_t td, int intr,
    int64_t deadline)
{
	int interrupted = 0, error = 0;

	while ((msg_lookflags(msg) & LWKT_MSGF_DONE) == 0 &&
	    error != EWOULDBLOCK) {
		if (td == NULL) {
			error = wait_pthread(port, &msg->ms_mpflags,
			    LWKT_MSGF_MP_WAITPTH, deadline);
			continue;
		}
		atomic_set_32(&msg->ms_mpflags, LWKT_MSGF_MP_WAITTD);
		error = sleep_unlocked(port, msg, intr, "waitmsg", deadline);
		if (error == EINTR) {
			unlock(port);
			lwkt_abortmsg(msg);
			lock(port);
			interrupted = EINTR;
			intr = 0;
		}
	}
	return interrupted;
}

/*
 * waitmsg_timed: wait for the reply of msg.  If it has come, take it off the
 * queue and return 0.  Return EWOULDBLOCK when the time is over.  LWKT_PCATCH
 * in flags has an effect only if msg is abortable: an interrupt then aborts
 * msg.  The interrupt stays pending unless the result of msg is EINTR.
 * Thread or plain pthread; may block.
 */
int
spin_waitmsg_timed(lwkt_msg_t msg, int flags, int64_t timeout_ns)
{
	int64_t deadline = wait_deadline(timeout_ns);
	lwkt_port_t port = msg->ms_reply;
	lwkt_thread_t td = caller();
	int intr = 0, interrupted, done;

	port_lock(port, td);
	if (msg_lookflags(msg) & LWKT_MSGF_ABORTABLE)
		intr = flags & LWKT_PCATCH;
	interrupted = wait_done(port, msg, td, intr, deadline);
	done = (msg_lookflags(msg) & LWKT_MSGF_DONE) != 0;
	if (done && (msg->ms_flags & LWKT_MSGF_QUEUED))
		port_remove(port, msg);
	port_unlock(port, td);
	if (interrupted && !(done && msg->ms_error == EINTR))
		intr_repost(td);
	return done ? 0 : EWOULDBLOCK;
}

/* waitmsg: wait for the reply of msg without a time limit; return ms_error. */
int
spin_waitmsg(lwkt_msg_t msg, int flags)
{
	(void)spin_waitmsg_timed(msg, flags, LWKT_FOREVER);
	return msg->ms_error;
}

/*
 * Take the next message and return it.  If there is none, return NULL and
 * arrange a wake-up for the next message that arrives.  A thread passes its
 * entry pw, which is put on mp_watch unless it is there already.  A pthread
 * passes NULL, and MPF_SELECT is set.  Never blocks.
 */
lwkt_msg_t
spin_watch(lwkt_port_t port, struct port_watch *pw)
{
	lwkt_thread_t td = caller();
	lwkt_msg_t msg;

	port_lock(port, td);
	msg = port_dequeue(port);
	if (msg != NULL) {
		if (pw != NULL)
			pw->pw_woken = 0;
	} else if (pw == NULL) {
		atomic_store_32(&port->mp_flags, port->mp_flags | MPF_SELECT);
	} else if (pw->pw_prevp == NULL) {
		if (port->mp_inflight == 0)
			port->mp_cpu = mycpuid;			/* PS2 */
		pw->pw_woken = 0;
		pw->pw_next = port->mp_watch;
		pw->pw_prevp = &port->mp_watch;
		if (pw->pw_next != NULL)
			pw->pw_next->pw_prevp = &pw->pw_next;
		port->mp_watch = pw;
	}
	port_unlock(port, td);
	return msg;
}

/*
 * Take pw off mp_watch.  If a message of this port has taken pw off the list
 * already, it has woken the caller.  If a message is still queued then, wake
 * another receiver: otherwise none would be woken for it.  A thread; never
 * blocks.
 */
void
spin_unwatch(lwkt_port_t port, struct port_watch *pw)
{
	lwkt_thread_t td = caller();
	struct spin_wake sw = { 0 };

	port_lock(port, td);
	if (pw->pw_prevp != NULL)
		watch_remove(pw);
	else if (pw->pw_woken && !port_is_empty(port))
		choose_receiver(port, &sw);
	port_unlock(port, td);
	arrive_wake(port, NULL, &sw);
}

/* Return 1 if no message is queued at the port or left to a CPU, else 0. */
int
spin_idle(lwkt_port_t port)
{
	lwkt_thread_t td = caller();
	int idle;

	port_lock(port, td);
	idle = port_is_empty(port) && port->mp_inflight == 0;
	port_unlock(port, td);
	return idle;
}

/*
 * dropmsg: take the request msg off the queue, mark it done and return 0.
 * Return ENOENT if msg is not queued at the port, or is a reply.  Thread or
 * plain pthread; never blocks.
 */
int
spin_dropmsg(lwkt_port_t port, lwkt_msg_t msg)
{
	lwkt_thread_t td = caller();
	int error = ENOENT;

	port_lock(port, td);
	/* A receiver may have it, and change its flags without the lock. */
	if (msg_is_at(msg, port)) {
		port_remove(port, msg);
		msg_setdone(msg, msg->ms_flags);
		error = 0;
	}
	port_unlock(port, td);
	return error;
}

/* Return 1 if port is a spin port, else 0. */
int
port_is_spin(const struct lwkt_port *port)
{
	return port->mp_ops->waitport == spin_waitport;
}
