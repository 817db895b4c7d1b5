/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The random generator of the library and its tests: splitmix64.  Each user has
 * a state of its own, one 64-bit word, and seeds it.  A seed gives the same
 * numbers with every compiler.
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

/*
 * Return a random number in [0, n), n > 0.  The probability of each differs
 * from 1/n by less than 2^-32.
 */
static inline uint32_t
rng_below(struct rng *r, uint32_t n)
{
	return (uint32_t)(((rng_next(r) >> 32) * n) >> 32);
}

#endif
