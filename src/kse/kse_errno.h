/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * errno of the calling thread, in functions that block.
 *
 * A compiler takes the address of errno once for a function.  After a call that
 * blocks, a thread may be on another CPU, and that address is the errno of the
 * first CPU's current thread.  These functions find the address anew.
 */
#ifndef LWKT_KSE_ERRNO_H
#define LWKT_KSE_ERRNO_H

#include <errno.h>

#include "machine/machine.h"

static inline int
kse_errno(void)
{
	return *mycpu_m()->mc_errnop;
}

static inline void
kse_set_errno(int error)
{
	*mycpu_m()->mc_errnop = error;
}

#endif
