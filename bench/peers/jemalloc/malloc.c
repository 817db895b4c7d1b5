/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * malloc and free of jemalloc, which takes the place of the C library's.
 */
#define IMPL	"jemalloc"

#include "../pthread/malloc.c"
