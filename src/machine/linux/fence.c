/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Execute a full fence on every CPU.
 *
 * THEORY
 * membarrier(2) makes each core that runs a host thread of this process execute
 * a full fence before the call returns.  A host thread that does not run has
 * executed one in Linux's context switch.  The call takes about 10 us when
 * other cores are busy.
 */
#include <errno.h>
#include <linux/membarrier.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "machine/linux/host.h"

static int registered;			/* (i) Linux allows the call */

void
lwkt__fence_boot(void)
{
	registered = !machine_fail("membarrier") && syscall(SYS_membarrier,
	    MEMBARRIER_CMD_REGISTER_PRIVATE_EXPEDITED, 0, 0) == 0;
}

int
machine_can_fence_all(void)
{
	return registered;
}

int
machine_fence_all(void)
{
	int saved = errno, ok;

	if (!registered)
		return 0;
	ok = syscall(SYS_membarrier, MEMBARRIER_CMD_PRIVATE_EXPEDITED, 0,
	    0) == 0;
	errno = saved;
	return ok;
}
