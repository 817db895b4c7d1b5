/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Numbers, words and patterns that clients write; and the hash of keys.
 *
 * THEORY: an integer has exactly one spelling (no sign +, no leading zero, no
 * space), so that a string stored as a number reads back as the same bytes.
 * Floating point numbers are converted by libc.
 *
 * Patterns (KEYS, SCAN, CONFIG GET) have * ? [a-z] [^x] and \ to quote.  On a
 * mismatch only the last star is tried again with one byte more, because an
 * earlier star could not do better.  So the cost is at most the length of the
 * pattern times that of the string, and there is no recursion.  In long
 * strings, libc searches for the plain bytes that follow a star, which makes
 * the product a sum.  Some patterns still take long (20,000 question marks
 * after a star, in 1 MB).  So a match is made in steps, and other threads may
 * run between them.
 *
 * The hash is SipHash-2-4 of libsodium, with a secret of 128 bits.  A client
 * that does not know the secret cannot choose keys that fall into one bucket,
 * whatever their lengths.  The order of replies tells nothing about the secret.
 *
 * Source: Aumasson and Bernstein, "SipHash: a fast short-input PRF" (2012);
 * xorshift64* from Vigna, "An experimental exploration of Marsaglia's
 * xorshift generators" (2016).
 */
#include "base/kv.h"

#include <ctype.h>
#include <errno.h>
#include <math.h>
#include <sodium.h>
#include <stdlib.h>

#define RUN_MAX		(32 << 10)	/* plain bytes that are searched for */
#define SEARCH_LEN	((size_t)16 << 10) /* bytes to search, or more */
#define SEARCH_MIN	64		/* in fewer, a search takes longer */

_Static_assert(crypto_shorthash_BYTES == sizeof(uint64_t), "a hash");

static unsigned char secret[crypto_shorthash_KEYBYTES];

/* Read an integer.  Returns false if it is none, or too large for *valp. */
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

/* Write decimal digits into buf (KV_NUMLEN bytes); return how many. */
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

/* Copy with a NUL for libc; false if no number can be this long. */
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

/* Read a cursor of SCAN: all that strtoul takes, but no leading space. */
bool
kv_arg_cursor(const struct kv_arg *a, uint64_t *valp)
{
	char buf[KV_FLOATLEN], *end;

	if (!terminated(buf, a) || isspace((unsigned char)buf[0]))
		return false;
	*valp = strtoul(buf, &end, 10);
	return *end == '\0' && errno != ERANGE;
}

/* Return whether this is a value: no leading space, not too large or small. */
static bool
is_value(const struct kv_arg *a, long double val)
{
	return a->a_len > 0 && !isspace((unsigned char)a->a_p[0]) &&
	    !(errno == ERANGE && (isinf(val) || val == 0));
}

/* Read a value; or a bound of a range, where Redis takes all of strtod's. */
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

/* Read a value with more digits. */
bool
kv_arg_ldouble(const struct kv_arg *a, long double *valp)
{
	char buf[KV_FLOATLEN], *end;

	if (!terminated(buf, a))
		return false;
	*valp = strtold(buf, &end);
	return end == buf + a->a_len && !isnan(*valp) && is_value(a, *valp);
}

/* Return whether the argument is this word, in lower or upper case. */
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

/* Begin a match of a pattern and a string. */
void
kv_glob_begin(struct kv_glob *g, const struct kv_arg *pattern, const char *s,
    size_t slen)
{
	*g = (struct kv_glob){
		.g_p = pattern->a_p, .g_pend = pattern->a_p + pattern->a_len,
		.g_s = s, .g_send = s + slen,
	};
}

/* Go past an item that matched the next byte; the next item is at next. */
static void
matched(struct kv_glob *g, const char *next)
{
	g->g_p = next;
	g->g_s++;
}

/*
 * Try the last star at g_from, or at the next place that has the plain bytes
 * that follow the star.  Returns false if there is no such place.
 */
static bool
try_star(struct kv_glob *g)
{
	size_t left = (size_t)(g->g_send - g->g_from), len = g->g_run * 2;
	const char *found = NULL;

	g->g_p = g->g_star;
	g->g_s = g->g_from;
	g->g_search = false;
	if (g->g_run < 2 || left < SEARCH_MIN)
		return true;
	len = len < SEARCH_LEN ? SEARCH_LEN : len;
	len = len < left ? len : left;
	g->g_cost += len / 16;
	found = memmem(g->g_from, len, g->g_star, g->g_run);
	if (found != NULL) {
		g->g_from = found;
		g->g_p = g->g_star + g->g_run;
		g->g_s = found + g->g_run;
		return true;
	}
	g->g_from += len - g->g_run + 1;
	g->g_search = len < left;
	return g->g_search;
}

/* After a mismatch, try the last star with one byte more, if there is one. */
static bool
mismatched(struct kv_glob *g)
{
	if (g->g_star == NULL)
		return false;
	g->g_from++;
	return try_star(g);
}

/* Go past a star; the pattern continues at p. */
static bool
star(struct kv_glob *g, const char *p)
{
	const char *q = p;

	while (q < g->g_pend && q - p < RUN_MAX &&
	    memchr("*?[\\", *q, 4) == NULL)
		q++;
	g->g_run = (size_t)(q - p);
	g->g_cost += g->g_run / 16;
	g->g_star = p;
	g->g_from = g->g_s;
	return try_star(g);
}

/*
 * Compare the next member or range of the set [...] under way.  A set that is
 * not closed ends with the pattern.  Returns false if there is no match.
 */
static bool
set_step(struct kv_glob *g)
{
	const char *p = g->g_set, *pend = g->g_pend;
	unsigned char c = (unsigned char)*g->g_s, lo, hi;

	if (p == pend || *p == ']') {
		g->g_set = NULL;
		if (g->g_hit == g->g_not)
			return mismatched(g);
		matched(g, p < pend ? p + 1 : p);
		return true;
	}
	lo = hi = (unsigned char)*p;
	if (lo == '\\' && pend - p >= 2) {
		lo = hi = (unsigned char)*++p;
	} else if (pend - p >= 3 && p[1] == '-') {
		p += 2;
		hi = (unsigned char)*p;
	}
	g->g_hit |= lo <= hi ? lo <= c && c <= hi : hi <= c && c <= lo;
	g->g_set = p + 1;
	return true;
}

/*
 * Compare the next item of the pattern and the next byte.  Returns false if the
 * whole match has failed.
 */
static bool
item_step(struct kv_glob *g)
{
	const char *p = g->g_p;

	if (p == g->g_pend)
		return mismatched(g);
	switch (*p++) {
	case '*':
		return star(g, p);
	case '?':
		matched(g, p);
		return true;
	case '[':
		g->g_not = p < g->g_pend && *p == '^';
		g->g_set = p + g->g_not;
		g->g_hit = false;
		return true;
	case '\\':
		p += p < g->g_pend;
		break;
	}
	if (p[-1] != *g->g_s)
		return mismatched(g);
	matched(g, p);
	return true;
}

/* Continue a match for some steps, each of which compares at most 16 bytes. */
enum kv_glob_what
kv_glob_run(struct kv_glob *g, unsigned int steps)
{
	for (g->g_cost = 0; g->g_cost < steps; g->g_cost++) {
		if (g->g_s == g->g_send) {
			if (g->g_p == g->g_pend)
				return KV_GLOB_YES;
			if (*g->g_p++ != '*')
				return KV_GLOB_NO;
		} else if (!(g->g_search ? try_star(g) : g->g_set != NULL ?
		    set_step(g) : item_step(g))) {
			return KV_GLOB_NO;
		}
	}
	return KV_GLOB_MORE;
}

/* Make the secret of this process.  Before, the secret is zero. */
void
kv_hash_seed(void)
{
	crypto_shorthash_keygen(secret);
}

/* Return the hash of a key. */
uint64_t
kv_hash(const void *p, size_t len)
{
	uint64_t hash;

	crypto_shorthash((unsigned char *)&hash, p, len, secret);
	return hash;
}

/*
 * Pick one of n numbers, each with the same chance: xorshift64*, whose state is
 * never 0, and the high bits of a 128-bit product.
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
