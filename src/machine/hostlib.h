/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Building blocks shared by both hosts, in addition to machine.h.
 */
#ifndef LWKT_MACHINE_HOSTLIB_H
#define LWKT_MACHINE_HOSTLIB_H

#include <stddef.h>
#include <sys/mman.h>

/* A thread-local variable, read without a call in a shared library too. */
#define __lwkt_initial_exec	__attribute__((tls_model("initial-exec")))

/* fail.c: once per boot.  Returns 0, or EINVAL if LWKT_FAIL is malformed. */
int	lwkt__fail_boot(void);
/*
 * The host's part of machine_fail, or NULL.  `refused` says whether LWKT_FAIL
 * refuses the call.  The function returns whether the call is refused.
 */
extern int (*lwkt__fail_host)(const char *point, int refused);

/*
 * self.c: the CPU of the calling host thread, or NULL; machine_oncpu() reads
 * it.  Written by the host.  (The simulated host's is in machine.h.)
 */
#ifndef LWKT_HOST_SIM
struct mcpu;
extern __thread struct mcpu *lwkt__tls_mcpu __lwkt_initial_exec;
#endif

/*
 * cxx.c: _boot once per boot.  _globals returns the C++ exception state of the
 * calling host thread, or NULL if no C++ runtime was found at boot.  The first
 * call of _globals on a host thread may allocate.
 */
struct machine_cxx;
void	lwkt__cxx_boot(void);
struct machine_cxx *lwkt__cxx_globals(void);

/*
 * Map memory, all zero, which takes pages only where it is touched.  `prot`:
 * protection besides reading and writing.  Returns NULL if the host refuses.
 */
static inline void *
lwkt__map_zeros(size_t size, int prot)
{
	void *p = mmap(NULL, size, PROT_READ | PROT_WRITE | prot,
	    MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

	if (p == MAP_FAILED)
		return NULL;
	/* Fails only on a host without huge pages. */
	(void)madvise(p, size, MADV_NOHUGEPAGE);
	return p;
}

/*
 * advise.c: give advice (madvise) on n pieces of memory by one system call.
 * Returns 1; or 0 if Linux has done none or only some of it.  Advice may be
 * given twice.
 */
struct iovec;
int	lwkt__advise_many(const struct iovec *piece, unsigned n, int advice);

/* symbol.c: once per boot, before the first backtrace is printed. */
void	lwkt__symbol_boot(void);

#endif
