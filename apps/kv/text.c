/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What clients write: numbers, words and patterns; and the hash of keys.
 *
 * THEORY: an integer has exactly one spelling (no sign +, no leading zero, no
 * space), so that a string stored as a number reads back as the same bytes.
 * Floating point goes through libc.
 *
 * Patterns (KEYS, SCAN, CONFIG GET) know * ? [a-z] [^x] and \ to quote.  On a
 * mismatch only the last star needs to be tried again with one byte more,
 * because an earlier star could not do better: the cost is pattern times
 * string, never exponential, and there is no recursion.
 *
 * The hash is SipHash-2-4 of libsodium, with a secret of 128 bits: a client
 * that does not know it cannot choose keys that fall into one bucket, whatever
 * their lengths, and learns nothing about it from the order of replies.
 *
 * Source: Aumasson and Bernstein, "SipHash: a fast short-input PRF" (2012);
 * xorshift64* from Vigna, "An experimental exploration of Marsaglia's
 * xorshift generators" (2016).
 */
#include "kv.h"

#include <ctype.h>
#include <errno.h>
#include <math.h>
#include <sodium.h>
#include <stdlib.h>

_Static_assert(crypto_shorthash_BYTES == sizeof(uint64_t), "a hash");

static unsigned char secret[crypto_shorthash_KEYBYTES];

bool
kv_arg_i64(const struct kv_arg *a, int64_t *valp)
{
	bool neg = a->a_len > 1 && a->a_p[0] == '-';
	const char *p = a->a_p + neg;
	size_t len = a->a_len - neg;
	uint64_t v = 0;

	/* 19 digits fit into 64 bits. */
	if (len == 0 || len > 19 || (p[0] == '0' && a->a_len > 1))
		return false;
	for (size_t i = 0; i < len; i++) {
		unsigned int digit = (unsigned int)(p[i] - '0');

		if (digit > 9)
			return false;
		v = v * 10 + digit;
	}
	*valp = neg ? (int64_t)-v : (int64_t)v;
	return v <= (uint64_t)INT64_MAX + neg;
}

/* Decimal digits into buf (KV_NUMLEN bytes); how many. */
size_t
kv_fmt_i64(char *buf, int64_t val)
{
	uint64_t v = val < 0 ? -(uint64_t)val : (uint64_t)val;
	char tmp[KV_NUMLEN];
	size_t n = sizeof(tmp);

	do {
		tmp[--n] = (char)('0' + v % 10);
		v /= 10;
	} while (v != 0);
	if (val < 0)
		tmp[--n] = '-';
	memcpy(buf, tmp + n, sizeof(tmp) - n);
	return sizeof(tmp) - n;
}

/* A copy with a NUL for libc; false if no number can be this long. */
static bool
terminated(char buf[static KV_FLOATLEN], const struct kv_arg *a)
{
	if (a->a_len >= KV_FLOATLEN)
		return false;
	memcpy(buf, a->a_p, a->a_len);
	buf[a->a_len] = '\0';
	errno = 0;
	return true;
}

/* The place of a scan: all that strtoul takes, but no space in front. */
bool
kv_arg_cursor(const struct kv_arg *a, uint64_t *valp)
{
	char buf[KV_FLOATLEN], *end;

	if (!terminated(buf, a) || isspace((unsigned char)buf[0]))
		return false;
	*valp = strtoul(buf, &end, 10);
	return *end == '\0' && errno != ERANGE;
}

/* A value: no space in front, not too large or too small. */
static bool
is_value(const struct kv_arg *a, long double val)
{
	return a->a_len > 0 && !isspace((unsigned char)a->a_p[0]) &&
	    !(errno == ERANGE && (isinf(val) || val == 0));
}

/* A value, or an end of a range, for which Redis takes all that strtod does. */
bool
kv_arg_double(const struct kv_arg *a, bool bound, double *valp)
{
	char buf[KV_FLOATLEN], *end;

	if (!terminated(buf, a))
		return false;
	*valp = strtod(buf, &end);
	return end == buf + a->a_len && !isnan(*valp) &&
	    (bound || is_value(a, (long double)*valp));
}

bool
kv_arg_ldouble(const struct kv_arg *a, long double *valp)
{
	char buf[KV_FLOATLEN], *end;

	if (!terminated(buf, a))
		return false;
	*valp = strtold(buf, &end);
	return end == buf + a->a_len && !isnan(*valp) && is_value(a, *valp);
}

/* Does the argument say word, in small letters or capitals? */
bool
kv_arg_is(const struct kv_arg *a, const char *word)
{
	for (size_t i = 0; i < a->a_len; i++) {
		if (word[i] == '\0' ||
		    tolower((unsigned char)a->a_p[i]) != word[i])
			return false;
	}
	return word[a->a_len] == '\0';
}

/*
 * Match c against the set that begins behind '['; the pattern's position
 * behind the set in *pp.  A set that is not closed ends with the pattern.
 */
static bool
in_set(const char **pp, const char *pend, unsigned char c)
{
	const char *p = *pp;
	bool not = p < pend && *p == '^', hit = false;

	for (p += not; p < pend && *p != ']'; p++) {
		unsigned char lo = (unsigned char)*p, hi = lo;

		if (lo == '\\' && pend - p >= 2) {
			lo = hi = (unsigned char)*++p;
		} else if (pend - p >= 3 && p[1] == '-') {
			p += 2;
			hi = (unsigned char)*p;
		}
		hit |= lo <= hi ? lo <= c && c <= hi : hi <= c && c <= lo;
	}
	*pp = p < pend ? p + 1 : p;
	return hit != not;
}

/* Match one byte against the pattern's next item, which is not a star. */
static bool
match_one(const char **pp, const char *pend, char c)
{
	char item = *(*pp)++;

	if (item == '?')
		return true;
	if (item == '[')
		return in_set(pp, pend, (unsigned char)c);
	if (item == '\\' && *pp < pend)
		item = *(*pp)++;
	return item == c;
}

bool
kv_glob(const struct kv_arg *pattern, const char *s, size_t slen)
{
	const char *p = pattern->a_p, *pend = p + pattern->a_len;
	const char *send = s + slen, *star = NULL, *from = NULL;

	while (s < send) {
		const char *next = p;

		if (p < pend && *p == '*') {
			star = ++p;
			from = s;
		} else if (p < pend && match_one(&next, pend, *s)) {
			p = next;
			s++;
		} else if (star != NULL) {
			p = star;
			s = ++from;
		} else {
			return false;
		}
	}
	while (p < pend && *p == '*')
		p++;
	return p == pend;
}

/* Make the secret of this process.  Without it hashes are always the same. */
void
kv_hash_seed(void)
{
	crypto_shorthash_keygen(secret);
}

uint64_t
kv_hash(const void *p, size_t len)
{
	uint64_t hash;

	crypto_shorthash((unsigned char *)&hash, p, len, secret);
	return hash;
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
