/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The only random generator of the tree: splitmix64.  Each user seeds its own.
 * The state is one 64-bit word; the numbers are equal on every compiler.
 *
 * Source: S. Vigna, "splitmix64" (the state is a Weyl sequence, the output a
 * mix of it).
 */
#ifndef LWKT_BASE_RNG_H
#define LWKT_BASE_RNG_H

#include <stdint.h>

struct rng {
	uint64_t	r_state;
};

static inline uint64_t
mix64(uint64_t z)
{
	z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
	z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
	return z ^ (z >> 31);
}

static inline uint64_t
rng_next(struct rng *r)
{
	r->r_state += 0x9e3779b97f4a7c15u;
	return mix64(r->r_state);
}

/* Draw a number, uniform in [0, n), n > 0 (bias below 2^-32 for small n). */
static inline uint32_t
rng_below(struct rng *r, uint32_t n)
{
	return (uint32_t)(((rng_next(r) >> 32) * n) >> 32);
}

#endif
