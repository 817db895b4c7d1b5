/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A shared object with a computation: part of preempt.c.
 */
#include <stdint.h>

void	object_computes(const volatile uint32_t *until, uint32_t least);

__attribute__((visibility("default"))) void
object_computes(const volatile uint32_t *until, uint32_t least)
{
	while (*until < least)
		continue;
}
