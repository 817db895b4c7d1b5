/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The hash of keys: SipHash-1-3 under a secret of this process, so that no
 * client can choose keys that collide; and a small random generator.
 *
 * Source: Aumasson and Bernstein, "SipHash: a fast short-input PRF" (2012);
 * xorshift64* from Vigna, "An experimental exploration of Marsaglia's
 * xorshift generators" (2016).
 */
#include "kv.h"

#include <string.h>
#include <sys/random.h>

static uint64_t secret[2] = { 0x6c776b74, 0x6b76 };

void
kv_hash_seed(void)
{
	if (getrandom(secret, sizeof(secret), 0) != sizeof(secret))
		kv_die("no random numbers from the kernel");
}

static inline uint64_t
rotl(uint64_t x, int n)
{
	return x << n | x >> (64 - n);
}

static inline void
sip_round(uint64_t v[4])
{
	v[0] += v[1];
	v[2] += v[3];
	v[1] = rotl(v[1], 13) ^ v[0];
	v[3] = rotl(v[3], 16) ^ v[2];
	v[0] = rotl(v[0], 32);
	v[2] += v[1];
	v[0] += v[3];
	v[1] = rotl(v[1], 17) ^ v[2];
	v[3] = rotl(v[3], 21) ^ v[0];
	v[2] = rotl(v[2], 32);
}

uint64_t
kv_hash(const void *data, size_t len)
{
	const unsigned char *p = data;
	uint64_t v[4] = {
		secret[0] ^ 0x736f6d6570736575, secret[1] ^ 0x646f72616e646f6d,
		secret[0] ^ 0x6c7967656e657261, secret[1] ^ 0x7465646279746573,
	};
	uint64_t word;
	size_t left = len;

	for (; left >= 8; left -= 8, p += 8) {
		memcpy(&word, p, 8);
		v[3] ^= word;
		sip_round(v);
		v[0] ^= word;
	}
	word = (uint64_t)len << 56;
	for (size_t i = 0; i < left; i++)
		word |= (uint64_t)p[i] << (8 * i);
	v[3] ^= word;
	sip_round(v);
	v[0] ^= word;
	v[2] ^= 0xff;
	for (int i = 0; i < 3; i++)
		sip_round(v);
	return v[0] ^ v[1] ^ v[2] ^ v[3];
}

/*
 * One of n numbers, each as likely: xorshift64*, whose state is never 0, and
 * the high bits of a 128-bit product.
 */
uint64_t
kv_random_below(uint64_t *state, uint64_t n)
{
	uint64_t x = *state;

	x ^= x >> 12;
	x ^= x << 25;
	x ^= x >> 27;
	*state = x;
	return (uint64_t)((unsigned __int128)(x * 0x2545f4914f6cdd1d) * n >>
	    64);
}
