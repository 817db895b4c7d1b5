/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Spin ports: any number of threads and plain pthreads send and receive.
 * USES lwkt_msgport.c, lwkt_port_foreign.c, lwkt_port_selword.c.
 *
 * THEORY
 * Several CPUs receive from one queue, and an IPI cannot reach a plain pthread.
 * So a lock protects the port.  It is held for a few instructions; a thread
 * holds it in a critical section.  A thread waits by tsleep, a pthread in the
 * host.
 *
 * mp_waiters counts the threads that found the queue empty under the lock and
 * have not taken the lock again.  A message that finds it nonzero does a
 * wakeup_one.  If a thread that was woken before has not run yet, this wake-up
 * is one too many.  It cannot be saved: wakeups on their way to several CPUs
 * may each wake another thread than the one for which they were sent.
 *
 * A thread that waits on several ports (lwkt_port_wait.c) has an entry on the
 * list mp_watch of each; the entries lie on its stack.  A message takes one
 * entry off the list and wakes its thread by the ident.  It also wakes a thread
 * of mp_waiters, because it cannot know which of the two is still asleep.  If
 * the selecting thread then leaves with a message of another port, and one is
 * still queued here, that thread wakes the next receiver in its place.
 *
 * A pthread cannot wake a thread.  When it would have to, it leaves the message
 * to a CPU (msg_push), the one where a receiver slept last, and that CPU does
 * the whole operation.  Until then later messages of pthreads go the same way;
 * otherwise they would overtake it.
 *
 * INVARIANTS
 * PS1 All fields of the port below mp_lock, its queues, mp_flags and mp_watch:
 *    lock held.
 * PS2 mp_inflight is the number of messages left to mp_cpu and not yet queued.
 *    mp_cpu changes only while mp_inflight is 0.
 *
 * Nothing is sent or woken with the lock held.  Once the replier has released
 * the lock, the message and its reply port may be gone; only their addresses
 * are used then, as idents.  They cannot go earlier, although the reply is
 * marked done under the lock.  A sender that waits (lwkt_domsg) reads the mark
 * only under the lock.  A sender that sees the mark without the lock
 * (lwkt_checkmsg) must take the reply off the queue under the lock.
 *
 * Source: DragonFly lwkt_msgport.c, spin backend; the pthreads are ours.
 */
#include "kern/sleep/synch_var.h"
#include "kern/lock/lock_var.h"
#include "kern/port/port_var.h"

#include <errno.h>
#include <lwkt/synch.h>

COUNTER(contended, "lwkt.port_contended", "waits for the lock of a spin port");

#define MSGF_MP_WAIT	(LWKT_MSGF_MP_WAITTD | LWKT_MSGF_MP_WAITPTH)

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

static inline void
unlock(lwkt_port_t port)
{
	atomic_store_rel_32(&port->mp_lock, 0);
}

/* Lock the port for td, the calling thread; NULL for a plain pthread. */
static inline void
port_lock(lwkt_port_t port, lwkt_thread_t td)
{
	if (td != NULL)
		crit_enter_td(td);
	lock(port);
}

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

/* Note in msg whether its new holder is a plain pthread (PM2). */
static inline void
take(lwkt_msg_t msg, lwkt_thread_t td)
{
	uint32_t flags = msg->ms_flags;

	msg_setflags(msg, td != NULL ?
	    flags & ~(uint32_t)LWKT_MSGF_FOREIGN :
	    flags | LWKT_MSGF_FOREIGN);
}

/* Tell whether this is the reply of a SYNC message, which is not queued. */
static inline int
is_sync_reply(uint32_t flags)
{
	return (flags & (LWKT_MSGF_SYNC | LWKT_MSGF_REPLY)) ==
	    (LWKT_MSGF_SYNC | LWKT_MSGF_REPLY);
}

/* Tell whether msg would wake a thread, or overtake a message left to a CPU. */
static inline int
needs_cpu(lwkt_port_t port, lwkt_msg_t msg, uint32_t flags)
{
	if (atomic_load_32(&msg->ms_mpflags) & LWKT_MSGF_MP_WAITTD)
		return 1;
	return !is_sync_reply(flags) && (port->mp_inflight != 0 ||
	    port->mp_waiters != 0 || port->mp_watch != NULL);
}

/* What to wake after the lock is released. */
struct spin_wake {
	int		 sw_port_td;	/* a thread that sleeps on the port */
	int		 sw_port_pth;	/* pthreads that wait on it */
	int		 sw_select;	/* pthreads that select */
	uint32_t	 sw_msg;	/* MSGF_MP_WAIT bits of the message */
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

/* Choose one thread of each kind of waiter to wake.  Lock held. */
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

/* Queue msg or mark it done, and note in sw what to wake.  Lock held. */
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
			/* Release: pairs with lwkt_checkmsg(). */
			atomic_store_rel_32(&msg->ms_flags, flags);
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

/* Wake what sw notes.  Lock released; port and msg serve as idents only. */
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

/* Deliver a message or a reply to the port, or leave it to a CPU. */
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

int
spin_putport(lwkt_port_t port, lwkt_msg_t msg)
{
	deliver(port, msg, msg_receipt(port, msg, msg->ms_flags));
	return LWKT_EASYNC;
}

void
spin_replyport(lwkt_port_t port, lwkt_msg_t msg)
{
	deliver(port, msg, msg->ms_flags | LWKT_MSGF_REPLY);
}

void *
spin_getport(lwkt_port_t port)
{
	lwkt_thread_t td = caller();
	lwkt_msg_t msg;

	port_lock(port, td);
	msg = port_dequeue(port);
	if (msg != NULL)
		take(msg, td);
	port_unlock(port, td);
	return msg;
}

/*
 * Sleep on ident with the lock released; it is held before and after.  The
 * interlock comes before unlock(): a wake-up sent in between is not lost.
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

/* Sleep as a thread until a message comes.  Lock held, but not meanwhile. */
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
 * Wait as a plain pthread, with the lock released meanwhile.  `bit` in *word
 * tells wakers.  The host sleeps only if *word still has the value val, so a
 * wake-up after unlock() is not lost.
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
	if (msg != NULL) {
		take(msg, td);
		if (error == EINTR)
			intr_repost(td);
	}
	port_unlock(port, td);
	return msg;
}

void *
spin_waitport(lwkt_port_t port, int flags)
{
	return spin_waitport_timed(port, flags, LWKT_FOREVER);
}

/*
 * Wait until the caller's message is done, or the deadline has passed.  After
 * an interrupt, abort the message and wait on for its reply.  The lock is held,
 * but not during the wait.  Return EINTR if interrupted, else 0.
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
	if (done) {
		if (msg->ms_flags & LWKT_MSGF_QUEUED)
			port_remove(port, msg);
		take(msg, td);
	}
	port_unlock(port, td);
	if (interrupted && !(done && msg->ms_error == EINTR))
		intr_repost(td);
	return done ? 0 : EWOULDBLOCK;
}

int
spin_waitmsg(lwkt_msg_t msg, int flags)
{
	(void)spin_waitmsg_timed(msg, flags, LWKT_FOREVER);
	return msg->ms_error;
}

/* Take a message of the port, or arrange a wake-up for the next one. */
lwkt_msg_t
spin_watch(lwkt_port_t port, struct port_watch *pw)
{
	lwkt_thread_t td = caller();
	lwkt_msg_t msg;

	port_lock(port, td);
	if ((msg = port_dequeue(port)) != NULL) {
		take(msg, td);
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
 * Undo spin_watch().  If this port woke the caller and a message is still
 * queued here, wake another receiver: otherwise nothing would wake one for it.
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

/* Tell whether no message is queued here or left to a CPU. */
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

int
spin_dropmsg(lwkt_port_t port, lwkt_msg_t msg)
{
	lwkt_thread_t td = caller();
	int error = ENOENT;

	port_lock(port, td);
	/* A receiver may have it, and change its flags without the lock. */
	if (msg_is_at(msg, port)) {
		port_remove(port, msg);
		take(msg, td);
		msg_setflags(msg, msg->ms_flags | LWKT_MSGF_DONE);
		error = 0;
	}
	port_unlock(port, td);
	return error;
}

/* Tell whether port is a spin port. */
int
port_is_spin(const struct lwkt_port *port)
{
	return port->mp_ops->waitport == spin_waitport;
}
