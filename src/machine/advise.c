/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Advice on many pieces of memory by one system call.
 *
 * THEORY
 * Stacks are pieces that do not follow each other, so madvise needs a call for
 * each.  Much of the time of such a call is the way into Linux and back.  The
 * system call SYS_process_madvise takes a list of pieces, of a process that a
 * descriptor names.  Since Linux 6.13 a process may give itself any advice in
 * this way.  In place of a descriptor a later Linux takes PIDFD_SELF, which
 * names the calling process.  A real descriptor would not do: in a child of
 * fork it would still name the parent.
 *
 * After a call that fails, this process makes no further one.  On an older
 * Linux, or under a filter of system calls, that is the first call.
 */
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

#include "machine/hostlib.h"
#include "machine/machine.h"

#ifndef SYS_process_madvise
#define SYS_process_madvise	440
#endif
#define PIDFD_SELF		(-10000)

static uint32_t refused;		/* (a) 1: a call has failed */

/*
 * Give the advice on n pieces.  Returns 1; or 0 if Linux has done none or only
 * some of it.  Any host thread; async-signal-safe.
 */
int
lwkt__advise_many(const struct iovec *piece, unsigned n, int advice)
{
	size_t want = 0;
	unsigned i;
	long did;

	if (__atomic_load_n(&refused, __ATOMIC_RELAXED))
		return 0;
	for (i = 0; i < n; i++)
		want += piece[i].iov_len;
	did = syscall(SYS_process_madvise, PIDFD_SELF, piece,
	    (unsigned long)n, advice, 0ul);
	if (did < 0)
		__atomic_store_n(&refused, 1, __ATOMIC_RELAXED);
	return did == (long)want;
}
