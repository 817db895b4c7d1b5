/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Print the threads: their names, what they wait for, and backtraces.
 *
 * THEORY
 * The threads are found by a scan of the whole arena, so no list has to be
 * intact.  Threads in storage of the program are not found, unless they run.
 * The line about a thread is made of fields that may change meanwhile.
 * Each field was true when it was read, but not all at the same time.  The
 * stack of a thread that does not run is read only while its CPU is stopped or
 * is the caller's CPU: then the thread cannot begin to run (but a HALT_PAUSE
 * ends after 5 s, halt.c, even if the report is not complete).
 *
 * There may be a million threads, and the process may be about to end.  So the
 * numbers of lines, backtraces and frames are limited.
 */
#include "kern/cpu/arena.h"
#include "kern/cpu/globaldata.h"
#include "kern/cpu/token_var.h"
#include "kern/lock/lock_var.h"
#include "kern/port/port_var.h"
#include "kern/trouble/debug_var.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define LINES_MAX	200	/* threads printed, at most */
#define TRACES_MAX	16	/* threads printed with a backtrace */
#define FRAMES_MAX	10	/* frames of such a backtrace */
#define TRACE_FEW	8	/* trace records printed for each CPU */
#define TRACE_MANY	256	/* the same with LWKT_DEBUG=trace */

/* Read a word that its owner may write at this moment. */
static uintptr_t
peek_ptr(const uintptr_t *p)
{
	return __atomic_load_n(p, __ATOMIC_RELAXED);
}

/*
 * Return the token that was refused to td, or that td is about to wait for;
 * NULL if there is none.  The CPU of td may set td_tokwant to NULL meanwhile.
 */
static const struct lwkt_token *
wanted_token(lwkt_thread_t td)
{
	return __atomic_load_n(&td->td_tokwant, __ATOMIC_RELAXED);
}

/* Return 1 if the structure td is in use as a thread, else 0. */
static int
thread_alive(lwkt_thread_t td)
{
	return (td->td_flags & TDF_FREE) == 0 && td->td_cold != NULL;
}

/* Return the state of td as a word. */
static const char *
thread_state(lwkt_thread_t td)
{
	uint32_t flags = td->td_flags;

	if (flags & TDF_RUNNING)
		return flags & TDF_EXITING ? "ending" : "running";
	if (flags & TDF_EXITING)
		return "ended";
	if (flags & TDF_MIGRATING)
		return "migrating";
	if (flags & TDF_RUNQ)
		return wanted_token(td) != NULL ? "waiting" : "runnable";
	if ((flags & TDF_STARTED) == 0)
		return "not started";
	return flags & TDF_TSLEEP_DESCHEDULED ? "sleeping" : "blocked";
}

/*
 * Return the thread whose end joiner waits for; NULL if joiner joins none, or
 * if that thread has ended and joiner has only to run.
 */
static lwkt_thread_t
joined_by(lwkt_thread_t joiner)
{
	lwkt_thread_t td = (lwkt_thread_t)peek_ptr(
	    (const uintptr_t *)&joiner->td_cold->tc_joins);

	return td != NULL && peek_ptr(&td->td_join) == (uintptr_t)joiner ?
	    td : NULL;
}

/*
 * Return the thread that holds tok exclusively; NULL if tok is free or held
 * shared.
 */
static lwkt_thread_t
token_holder(const struct lwkt_token *tok)
{
	uintptr_t ref = peek_ptr(&tok->t_ref);

	return ref != 0 ? ((struct tokref *)ref)->tr_td : NULL;
}

/*
 * Write to buf that a thread waits for tok.  Return the holder of tok, or NULL
 * if it is free or held shared.
 */
static lwkt_thread_t
waits_token(const struct lwkt_token *tok, char *buf, size_t size)
{
	lwkt_thread_t holder = token_holder(tok);

	(void)snprintf(buf, size, " for token \"%s\"%s%s%s", tok->t_name,
	    holder != NULL ? " of thread \"" : "",
	    holder != NULL ? holder->td_name : "",
	    holder != NULL ? "\"" : "");
	return holder;
}

/*
 * Write to buf that a thread waits for the reply to msg.  Return the owner of
 * the port that msg was sent to, or NULL.  msg belongs to the waiting thread
 * and has not been replied, so its memory is valid.
 */
static lwkt_thread_t
waits_reply(const struct lwkt_msg *msg, char *buf, size_t size)
{
	lwkt_thread_t owner = port_owner(msg->ms_target);

	(void)snprintf(buf, size, " for the reply to message %p%s%s%s%s",
	    (const void *)msg, msg->ms_flags & LWKT_MSGF_QUEUED ?
	    ", which waits at a port" : "",
	    owner != NULL ? " of thread \"" : "",
	    owner != NULL ? owner->td_name : "", owner != NULL ? "\"" : "");
	return owner;
}

/* Return the thread at addr; NULL if no thread of the arena is there. */
static lwkt_thread_t
thread_at(uintptr_t addr)
{
	uintptr_t off = addr - (uintptr_t)lwkt__arena - lwkt__arena->ah_tdoff;

	return off % sizeof(struct lwkt_thread) == 0 &&
	    off / sizeof(struct lwkt_thread) < thread_count() ?
	    (lwkt_thread_t)addr : NULL;
}

/*
 * Write to buf that td waits for a lock.  Return the owner of the lock, or NULL
 * if no thread owns it.  wait is the value of tc_waitowner that the caller has
 * read; td may set the field to NULL meanwhile.
 */
static lwkt_thread_t
waits_owner(lwkt_thread_t td, const uintptr_t *wait, char *buf, size_t size)
{
	lwkt_thread_t owner = thread_at(peek_ptr(wait) & LOCK_OWNER);

	(void)snprintf(buf, size, " for lock \"%s\"%s%s%s", td->td_wmesg,
	    owner != NULL ? " of thread \"" : "",
	    owner != NULL ? owner->td_name : "", owner != NULL ? "\"" : "");
	return owner;
}

/*
 * Write to buf what td waits for; the empty string if td runs or waits for
 * nothing that is known.  A thread that waits to have its tokens again may have
 * no td_wmesg.  Return the thread that td waits for, or NULL if that is not
 * known.
 */
lwkt_thread_t
thread_waits(lwkt_thread_t td, char *buf, size_t size)
{
	uint32_t flags = td->td_flags;
	const struct lwkt_token *tok = wanted_token(td);
	const uintptr_t *wait;
	lwkt_thread_t other;

	buf[0] = '\0';
	if (flags & (TDF_RUNNING | TDF_EXITING))
		return NULL;
	if (tok != NULL)
		return waits_token(tok, buf, size);
	if (td->td_wmesg == NULL)
		return NULL;
	if (td->td_cold->tc_waitmsg != NULL)
		return waits_reply(td->td_cold->tc_waitmsg, buf, size);
	wait = __atomic_load_n(&td->td_cold->tc_waitowner, __ATOMIC_RELAXED);
	if (wait != NULL)
		return waits_owner(td, wait, buf, size);
	if ((other = joined_by(td)) != NULL)
		(void)snprintf(buf, size, " for the end of thread \"%s\" "
		    "(id %llu)", other->td_name,
		    (unsigned long long)other->td_id);
	else if (flags & TDF_TSLEEPQ)
		(void)snprintf(buf, size, " on \"%s\" at %p", td->td_wmesg,
		    (void *)(uintptr_t)td->td_wchan);
	else
		(void)snprintf(buf, size, " on \"%s\"", td->td_wmesg);
	return other;
}

/* Print one line about td.  The text `what` comes before it. */
void
show_thread(const char *what, lwkt_thread_t td)
{
	char why[160];

	(void)thread_waits(td, why, sizeof(why));
	lwkt_printf("lwkt: %sthread \"%s\" (id %llu) on cpu %d, priority %d, "
	    "%s%s%s", what, td->td_name, (unsigned long long)td->td_id,
	    td->td_gd->gd_m.mc_cpuid, td->td_pri, thread_state(td), why,
	    td->td_ntoks != 0 ? ", has tokens" : "");
}

/*
 * Print the running thread of each other CPU, and its backtrace if the CPU has
 * stopped.  The simulated host has no such backtraces.
 */
void
show_cpus(void)
{
	struct mcpu *self = machine_oncpu();
	void *pcs[BT_MAX];
	struct globaldata *gd;
	int cpu;

	for (cpu = 0; cpu < lwkt__ncpus; cpu++) {
		gd = gd_find(cpu);
		if (&gd->gd_m == self)
			continue;
		lwkt_printf("lwkt: cpu %d%s:", cpu, halt_stopped(cpu) ? "" :
		    " did not answer");
		show_thread("", gd->gd_m.mc_curthread);
		machine_backtrace_print(pcs, halt_backtrace(cpu, pcs));
	}
}

/*
 * Return 1 if the stack of td can be read: td does not run, and cannot begin to
 * run, because its CPU is stopped or is the caller's CPU.
 */
static int
stack_stays(lwkt_thread_t td)
{
	struct mcpu *self = machine_oncpu();

	return (td->td_flags & (TDF_RUNNING | TDF_EXITING | TDF_MIGRATING)) ==
	    0 && (td->td_flags & TDF_STARTED) != 0 &&
	    (&td->td_gd->gd_m == self ||
	    halt_stopped(td->td_gd->gd_m.mc_cpuid));
}

/* Print the threads of the arena, within the limits. */
void
show_threads(void)
{
	uint64_t i, n = thread_count(), lines = 0, traces = 0;
	void *pcs[FRAMES_MAX];
	lwkt_thread_t td;

	for (i = 0; i < n; i++) {
		td = thread_nth(i);
		if (!thread_alive(td) || lines++ >= LINES_MAX)
			continue;
		show_thread("", td);
		if (stack_stays(td) && traces++ < TRACES_MAX)
			machine_backtrace_print(pcs, machine_backtrace(pcs,
			    FRAMES_MAX, td->td_sp, NULL));
	}
	if (lines > LINES_MAX)
		lwkt_printf("lwkt: and %llu more threads",
		    (unsigned long long)(lines - LINES_MAX));
}

/* Print one trace record; print nothing if it was never written. */
static void
show_record(int cpu, const struct ktr_rec *rec)
{
	const struct ktr_event *ev = rec->kt_event;
	char args[96];

	if (ev == NULL)
		return;
	(void)snprintf(args, sizeof(args), ev->ke_fmt,
	    (unsigned long long)rec->kt_a, (unsigned long long)rec->kt_b);
	lwkt_printf("lwkt: trace: cpu %d %lld.%09lld %s %s", cpu,
	    (long long)(rec->kt_time / 1000000000),
	    (long long)(rec->kt_time % 1000000000), ev->ke_name, args);
}

/* Print the last TRACE_FEW or TRACE_MANY trace records of each CPU. */
void
show_trace(void)
{
	const char *debug = getenv("LWKT_DEBUG");
	uint64_t i, end, most = TRACE_FEW;
	const struct ktr_ring *kr;
	int cpu;

	if (debug != NULL && strstr(debug, "trace") != NULL)
		most = TRACE_MANY;
	for (cpu = 0; cpu < lwkt__ncpus; cpu++) {
		kr = gd_find(cpu)->gd_ktr;
		end = __atomic_load_n(&kr->kr_index, __ATOMIC_ACQUIRE);
		for (i = end > most ? end - most : 0; i < end; i++)
			show_record(cpu, &kr->kr_rec[i % KTR_ENTRIES]);
	}
}

/*
 * Print all threads that are found, within the limits above.  Stops the other
 * CPUs meanwhile, for at most 5 s (halt.c), unless they are stopped already.
 * Any context, also a signal handler.
 */
void
lwkt_show_threads(void)
{
	struct mcpu *self = machine_oncpu();
	int mine = halt_others(HALT_PAUSE);

	if (lwkt__ncpus == 0)
		lwkt_printf("lwkt: no kernel is booted, so there are no "
		    "threads");
	if (self != NULL)
		show_thread("", self->mc_curthread);
	show_cpus();
	show_threads();
	if (mine)
		halt_release();
}
