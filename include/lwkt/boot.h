/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Bring the kernel up in this process, and down again.
 */
#ifndef LWKT_BOOT_H
#define LWKT_BOOT_H

#include <lwkt/types.h>

LWKT_BEGIN_DECLS

/* Zero means the default, so `struct lwkt_config c = {0};` is a good start. */
struct lwkt_config {
	/* 0: LWKT_NCPU, else affinity and cgroup quota */
	int		lc_ncpus;
	/* default stack, bytes; 0: 64 KiB */
	size_t		lc_stksize;
	/* simulated host: the schedule; 0: LWKT_SEED, else 1 */
	uint64_t	lc_seed;
	/* shown by tools; NULL: the program's name */
	const char     *lc_name;
};

/*
 * Start the CPUs, run main(arg) as the first thread (CPU 0, daemon priority),
 * and when it returns stop them all again.  Threads that are still alive then
 * are abandoned where they stand and their stacks freed.
 *
 * Context: a plain pthread; not from an lwkt thread, and one boot at a time in
 * a process (EBUSY).  The caller becomes CPU 0 and gets its affinity and its
 * signal mask back.  Any number of boots may follow each other.
 * Blocks: the calling pthread.
 * Returns: what main returned in *resultp (which may be NULL), and 0, or an
 * errno when the machine could not be brought up (EAGAIN, ENOMEM, EINVAL).
 */
LWKT_API int lwkt_boot_result(const struct lwkt_config *cfg,
    int (*main_fn)(void *), void *arg, int *resultp);

/*
 * The same in the everyday form: returns main's value; a failed boot prints
 * one line to stderr and returns -1.
 */
LWKT_API int lwkt_boot(const struct lwkt_config *cfg, int (*main_fn)(void *),
    void *arg);

/* The library's version, "MAJOR.MINOR.PATCH".  Any context. */
LWKT_API const char *lwkt_version(void);

LWKT_END_DECLS

#endif
