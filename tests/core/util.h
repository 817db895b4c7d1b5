/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What the tests of the core share: threads that are joined, logs of what
 * happened in which order, counters, waiting for another CPU.
 */
#ifndef LWKT_TESTS_CORE_UTIL_H
#define LWKT_TESTS_CORE_UTIL_H

#include <lwkt/boot.h>
#include <lwkt/ipiq.h>
#include <lwkt/panic.h>
#include <lwkt/synch.h>
#include <lwkt/thread.h>
#include <errno.h>
#include <signal.h>
#include <string.h>
#include <sys/wait.h>

#include "base/rng.h"
#include "counter.h"
#include "kern/cpu/globaldata.h"
#include "simrun.h"

/* So many times on real CPUs; fewer where each step is simulated. */
#ifdef LWKT_HOST_SIM
#define TIMES(real, sim)	(sim)
#else
#define TIMES(real, sim)	(real)
#endif

#define UTIL			static inline __attribute__((unused))

#define MS			INT64_C(1000000)	/* ns */

/*
 * What several CPUs look at, without choice points.  STORE and ADD are locked
 * instructions: what the CPU stored before is visible then.
 */
#define LOAD(v)			__atomic_load_n(&(v), __ATOMIC_SEQ_CST)
#define STORE(v, x)							\
	(choice_drain(), __atomic_store_n(&(v), (x), __ATOMIC_SEQ_CST))
#define ADD(v, n)							\
	(choice_drain(), __atomic_add_fetch(&(v), (n), __ATOMIC_SEQ_CST))

/*
 * TSan keeps a signal for the fiber it interrupted, until that one calls libc:
 * a tick for a thread that has left the CPU comes late or never.
 */
#define TICKS_COME		(!LWKT_TSAN || TIMES(0, 1))

/* A joinable thread; a failure ends the run. */
UTIL lwkt_thread_t
spawn(void (*fn)(void *), void *arg, int flags, int cpu)
{
	lwkt_thread_t td = NULL;
	int error;

	error = lwkt_create(fn, arg, &td, NULL, flags | LWKT_JOINABLE, cpu,
	    "worker");
	if (error != 0)
		lwkt_panic("test: create: errno %d", error);
	return td;
}

/* The same with a priority. */
UTIL lwkt_thread_t
spawn_pri(void (*fn)(void *), void *arg, int pri, int flags, int cpu)
{
	lwkt_thread_t td = spawn(fn, arg, flags | LWKT_NOSTART, cpu);

	lwkt_setpri_initial(td, pri);
	if ((flags & LWKT_NOSTART) == 0)
		lwkt_schedule(td);
	return td;
}

UTIL void
join(lwkt_thread_t td)
{
	int error = lwkt_join(td);

	check(error == 0, "join: errno %d", error);
}

/* On a CPU, modulo their number; and the end of n of them. */
UTIL lwkt_thread_t
spawn_on(int cpu, void (*fn)(void *), void *arg)
{
	return spawn(fn, arg, 0, cpu % lwkt_ncpus());
}

UTIL void
join_all(lwkt_thread_t *td, int n)
{
	int i;

	for (i = 0; i < n; i++)
		join(td[i]);
}

/* Run fn in n threads, on one CPU after the other, until all have ended. */
UTIL void
run_threads(void (*fn)(void *), int n)
{
	lwkt_thread_t td[8];
	int i;

	if (n > (int)nitems(td))
		lwkt_panic("test: %d threads", n);
	for (i = 0; i < n; i++)
		td[i] = spawn_on(i, fn, NULL);
	join_all(td, n);
}

static void
util_nothing(void *arg)
{
	(void)arg;
}

/* Everything runnable at `pri` or better on a CPU has had its turn. */
UTIL void
settle(int cpu, int pri)
{
	join(spawn_pri(util_nothing, NULL, pri, 0, cpu));
}

/* Another CPU than this one, or this one if it is alone. */
UTIL int
other_cpu(void)
{
	return (lwkt_cpuid() + 1) % lwkt_ncpus();
}

/* Wait for a word that another CPU sets, serving what comes meanwhile. */
UTIL void
await(const uint32_t *word, uint32_t least)
{
	unsigned turn;

	for (turn = 0; atomic_load_acq_32(word) < least; turn++) {
		lwkt_yield();
		machine_pause(turn);
	}
}

/* The same without serving anything. */
UTIL void
await_deaf(const uint32_t *word, uint32_t least)
{
	unsigned turn;

	for (turn = 0; atomic_load_acq_32(word) < least; turn++)
		machine_pause(turn);
}

/* The same asleep; who counts up does a wakeup on the word. */
UTIL void
await_asleep(const uint32_t *word, uint32_t least)
{
	for (;;) {
		lwkt_tsleep_interlock(word, 0);
		if (LOAD(*word) >= least)
			break;
		lwkt_tsleep(word, LWKT_PINTERLOCKED, "await", LWKT_FOREVER);
	}
	lwkt_tsleep_remove();
}

/* What happened, a letter each; written on one CPU only. */
struct log {
	char	l_text[64];
	int	l_len;
};

UTIL void
log_add(struct log *l, int c)
{
	if (l->l_len + 1 < (int)sizeof(l->l_text))
		l->l_text[l->l_len++] = (char)c;
}

/*
 * The test "name": a process that runs body panics, and says `words`.  Call
 * it before anything is booted here.
 */
UTIL void
panics(const char *name, int (*body)(void *), const char *words)
{
	struct lwkt_config cfg = { .lc_ncpus = 2, .lc_seed = 1 };
	char said[16384], rest[4096];
	size_t len = 0;
	ssize_t n;
	int fds[2], status;
	pid_t pid;

	if (pipe(fds) != 0 || (pid = fork()) < 0)
		abort();
	if (pid == 0) {
		dup2(fds[1], STDERR_FILENO);
		close(fds[0]);
		close(fds[1]);
		_exit(lwkt_boot(&cfg, body, NULL) & 1);
	}
	close(fds[1]);
	while ((n = read(fds[0], said + len, sizeof(said) - 1 - len)) > 0)
		len += (size_t)n;
	said[len] = '\0';
	while (read(fds[0], rest, sizeof(rest)) > 0)
		continue;
	close(fds[0]);
	waitpid(pid, &status, 0);
	if (!ok(WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT &&
	    strstr(said, words) != NULL, "%s", name))
		diag("status %#x, said: %.300s", (unsigned)status, said);
}

#endif
