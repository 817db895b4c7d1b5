/* SPDX-License-Identifier: BSD-2-Clause */
/* Start the kernel in this process, and stop it again. */
#ifndef LWKT_BOOT_H
#define LWKT_BOOT_H

#include <lwkt/types.h>

LWKT_BEGIN_DECLS

/* A member that is 0 means the default: `struct lwkt_config c = {0};`. */
struct lwkt_config {
	/* CPUs; 0: LWKT_NCPU, else what affinity and cgroup quota allow */
	int		lc_ncpus;
	/* bytes of a stack of default size; 0: 64 KiB */
	size_t		lc_stksize;
	/* simulated host: the schedule; 0: LWKT_SEED, else 1 */
	uint64_t	lc_seed;
	/* shown by tools; NULL: the program's name */
	const char     *lc_name;
};

/*
 * Start the CPUs, run main_fn(arg) as the first thread (on CPU 0, with daemon
 * priority), and stop all CPUs when it returns.  Threads that are alive then do
 * not continue; their stacks are freed.  A process may boot any number of
 * times, one boot at a time.
 *
 * Context: a plain pthread, which becomes CPU 0.  Its affinity and its signal
 * mask are restored before the return.
 * Blocks: the calling pthread, until shutdown.
 * Returns: 0, with the value of main_fn in *resultp (resultp may be NULL); or
 * an errno if the boot failed: EBUSY: a kernel runs already, or ran in the
 * parent at a fork; EAGAIN, ENOMEM, EMFILE, ENFILE: refused by the host;
 * EINVAL: a number of CPUs, a stack size or a variable of the environment is
 * not valid.
 */
LWKT_API int lwkt_boot_result(const struct lwkt_config *cfg,
    int (*main_fn)(void *), void *arg, int *resultp);

/*
 * The same with a simpler result: the value of main_fn.  A failed boot prints
 * one line on stderr and returns -1.
 */
LWKT_API int lwkt_boot(const struct lwkt_config *cfg, int (*main_fn)(void *),
    void *arg);

/*
 * Return the library's version, "MAJOR.MINOR.PATCH"; the string belongs to the
 * library.  Context: any.
 */
LWKT_API const char *lwkt_version(void);

LWKT_END_DECLS

#endif
