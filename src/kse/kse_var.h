/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What the files of kse/ share.
 */
#ifndef LWKT_KSE_KSE_VAR_H
#define LWKT_KSE_KSE_VAR_H

#include "machine/machine_io.h"

/* blocking.c */

/* Panic if the caller must not block, in the name of `what`. */
void	kse_assert_may_block(const char *what);
/*
 * Have hf called on a carrier, and wait; returns 0 or -errno.  Thread; blocks
 * the thread only.
 */
int64_t	kse_carry(struct hostfn *hf, int64_t timeout_ns);

#endif
