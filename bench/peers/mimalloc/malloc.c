/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * malloc and free of mimalloc, which takes the place of the C library's.
 */
#define IMPL	"mimalloc"

#include "../pthread/malloc.c"
