/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Tiny programs that run on the bare simulated host, without the kernel.
 *
 * A toy is what each CPU does, and a check of what came out.  toy_run makes
 * one schedule of it; toy_hunt makes many in a child process, because a
 * schedule that hangs ends in abort(), and tells which seed failed first.
 */
#ifndef LWKT_TESTS_SIM_TOY_H
#define LWKT_TESTS_SIM_TOY_H

#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "machine/machine.h"
#include "machine/sim/sim.h"
#include "tap.h"

#define TOY_MAXCPU	8
#define TOY_DFS		UINT64_MAX	/* instead of a number of seeds */

struct toy {
	const char	*t_name;
	int		 t_ncpus;
	void		(*t_init)(void);
	void		(*t_cpu)(int cpu);
	int		(*t_good)(void);	/* of the outcome */
};

/* What a hunt found. */
struct catch {
	uint64_t	 c_seed;		/* 0: nothing */
	uint64_t	 c_runs;		/* that ended well */
	int		 c_complete;		/* dfs: nothing was cut off */
	int		 c_signal;		/* it died of, or 0 */
	char		 c_report[65536];	/* what it said on stderr */
};

static const struct toy *toy_now;
static struct mcpu toy_mcpu[TOY_MAXCPU];

static void
toy_cpu_main(struct mcpu *mc)
{
	toy_now->t_cpu(mc->mc_cpuid);
}

/* One schedule: 1 if it ended well. */
static inline int
toy_run(const struct toy *t, uint64_t seed, struct sim_result *sr)
{
	static const struct machine_upcalls up = {
		.mu_cpu_main = toy_cpu_main,
	};
	struct machine_config cfg = {
		.mcf_ncpus = t->t_ncpus, .mcf_seed = seed,
	};
	struct mcpu *mc[TOY_MAXCPU];
	int n, i;

	toy_now = t;
	memset(toy_mcpu, 0, sizeof(toy_mcpu));
	for (i = 0; i < TOY_MAXCPU; i++)
		mc[i] = &toy_mcpu[i];
	if (machine_boot(&cfg, &up, &n) != 0 || n != t->t_ncpus)
		abort();
	t->t_init();
	if (machine_run(mc, n) != 0)
		abort();
	if (sr != NULL)
		sim_result_get(sr);
	machine_shutdown();
	return t->t_good();
}

/* What the child tells as it goes. */
struct toy_progress {
	uint64_t	p_seed;		/* being run; 0: none failed */
	uint64_t	p_runs;
	int		p_complete;	/* dfs: nothing was cut off */
};

/* Seeds first to first + n - 1, or every schedule of an enumeration. */
static inline void
toy_hunt_child(const struct toy *t, uint64_t first, uint64_t n,
    struct toy_progress *p)
{
	if (n == TOY_DFS)
		sim_dfs_begin();
	do {
		p->p_seed = first + p->p_runs;
		if (!toy_run(t, p->p_seed, NULL))
			_exit(1);
		p->p_runs++;
	} while (n == TOY_DFS ? sim_dfs_next() : p->p_runs < n);
	p->p_complete = n == TOY_DFS && sim_dfs_complete();
	p->p_seed = 0;
	_exit(0);
}

/* All the child says. */
static inline void
toy_read(int fd, char *buf, size_t size)
{
	char rest[512];
	size_t len = 0;
	ssize_t got;

	while (len < size - 1 &&
	    (got = read(fd, buf + len, size - 1 - len)) > 0)
		len += (size_t)got;
	while (read(fd, rest, sizeof(rest)) > 0)
		continue;
	close(fd);
}

/* Until one fails. */
static inline struct catch
toy_hunt(const struct toy *t, uint64_t first, uint64_t n)
{
	struct toy_progress *p = mmap(NULL, sizeof(*p),
	    PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	struct catch c = { 0 };
	int fd[2], status;
	pid_t pid;

	if (p == MAP_FAILED || pipe(fd) != 0)
		abort();
	pid = fork();
	if (pid == 0) {
		dup2(fd[1], STDERR_FILENO);
		close(fd[0]);
		toy_hunt_child(t, first, n, p);
	}
	close(fd[1]);
	toy_read(fd[0], c.c_report, sizeof(c.c_report));
	if (pid < 0 || waitpid(pid, &status, 0) != pid)
		abort();
	c.c_seed = p->p_seed;
	c.c_runs = p->p_runs;
	c.c_complete = p->p_complete;
	c.c_signal = WIFSIGNALED(status) ? WTERMSIG(status) : 0;
	munmap(p, sizeof(*p));
	return c;
}

#endif
