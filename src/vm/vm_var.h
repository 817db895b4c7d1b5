/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What the files of vm/ need of each other and offer upward.
 */
#ifndef LWKT_VM_VM_VAR_H
#define LWKT_VM_VM_VAR_H

#include <stddef.h>

/* The default of lwkt_create, address space of a stack; set before boot. */
void	vm_set_default_stack(size_t size);

#endif
