/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Run a function on bare CPUs of the Linux host, without the kernel above.
 */
#ifndef LWKT_TESTS_UNIT_MACHINE_UTIL_H
#define LWKT_TESTS_UNIT_MACHINE_UTIL_H

#include <dirent.h>
#include <errno.h>
#include <lwkt/types.h>
#include <signal.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>

#include "base/compiler.h"
#include "machine/machine.h"
#include "tap.h"

#define CHECKED		(LWKT_ASAN || LWKT_TSAN)

static struct mcpu mu_cpu[LWKT_MAXCPU];
static void (*mu_fn)(struct mcpu *mc);

static inline void
mu_main(struct mcpu *mc)
{
	mu_fn(mc);
}

/* What a test hears of a fault; a test may look at it in a child. */
static void (*mu_on_fault)(uintptr_t addr, uintptr_t sp, void *ucontext);

static inline void
mu_fault(struct mcpu *mc, const struct machine_fault *mf)
{
	(void)mc;
	if (mu_on_fault != NULL)
		mu_on_fault(mf->mf_addr, mf->mf_sp, mf->mf_ucontext);
}

static const struct machine_upcalls mu_upcalls = {
	.mu_cpu_main = mu_main,
	.mu_fault = mu_fault,
};

/* Boot n CPUs (0: the host's choice), run fn on each, shut down. */
static inline int
on_cpus(int n, void (*fn)(struct mcpu *))
{
	struct machine_config mcf = { .mcf_ncpus = n };
	struct mcpu *mc[LWKT_MAXCPU];
	int error;

	error = machine_boot(&mcf, &mu_upcalls, &n);
	if (error != 0)
		return error;
	memset(mu_cpu, 0, sizeof(mu_cpu));
	for (int i = 0; i < n; i++)
		mc[i] = &mu_cpu[i];
	mu_fn = fn;
	error = machine_run(mc, n);
	machine_shutdown();
	return error;
}

/* What a sender does: set a bit, ring if the CPU sleeps. */
static inline void
mu_send(struct mcpu *mc, uint32_t bit)
{
	if ((atomic_fetchor_32(&mc->mc_reqflags, bit) & RQF_SLEEPING) != 0)
		machine_doorbell(mc);
}

/* Entries of a directory; of /proc/self/fd, one is the reader's own. */
static inline int
mu_count(const char *dir)
{
	DIR *d = opendir(dir);
	int n = 0;

	while (d != NULL && readdir(d) != NULL)
		n++;
	if (d != NULL)
		(void)closedir(d);
	return n;
}

/* Run fn in a child without a core; its status as of waitpid. */
static inline int
mu_child(void (*fn)(void))
{
	struct rlimit none = { 0, 0 };
	int status = -1;
	pid_t pid;

	pid = fork();
	if (pid == 0) {
		(void)setrlimit(RLIMIT_CORE, &none);
		fn();
		_exit(0);
	}
	while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
		continue;
	return status;
}

/* Died by the signal; a checker's handler turns that into an exit. */
static inline int
mu_died(int status, int sig)
{
	if (CHECKED && WIFEXITED(status))
		return WEXITSTATUS(status) != 0;
	return WIFSIGNALED(status) && WTERMSIG(status) == sig;
}

#endif
