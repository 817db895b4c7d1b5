/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What clients write: numbers, sizes, words and patterns.
 *
 * THEORY: an integer has exactly one spelling (no sign +, no leading zero, no
 * space), so that a string stored as a number reads back as the same bytes.
 * Floating point goes through libc, with the formats that clients of Redis
 * 7.0 see: 17 significant digits for a double, 17 decimals without trailing
 * zeros for a long double.
 *
 * Patterns (KEYS, SCAN, CONFIG GET) know * ? [a-z] [^x] and \ to quote.  On a
 * mismatch only the last star needs to be tried again with one byte more,
 * because an earlier star could not do better: the cost is pattern times
 * string, never exponential, and there is no recursion.
 */
#include "kv.h"

#include <ctype.h>
#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

bool
kv_parse_i64(const char *p, size_t len, int64_t *valp)
{
	bool neg = len > 1 && p[0] == '-';
	uint64_t v = 0, limit = (uint64_t)INT64_MAX + neg;
	size_t i = neg;

	if (len == 1 && p[0] == '0') {
		*valp = 0;
		return true;
	}
	if (len == 0 || len > 20 || p[i] == '0')
		return false;
	for (; i < len; i++) {
		unsigned int digit = (unsigned int)(p[i] - '0');

		if (digit > 9 || v > (limit - digit) / 10)
			return false;
		v = v * 10 + digit;
	}
	*valp = neg ? (int64_t)-v : (int64_t)v;
	return true;
}

/* A copy with a NUL for strtod; false if no number can be this long. */
static bool
terminated(char buf[static KV_FLOATLEN], const char *p, size_t len)
{
	if (len >= KV_FLOATLEN)
		return false;
	memcpy(buf, p, len);
	buf[len] = '\0';
	errno = 0;
	return true;
}

/* A value: no space in front, not too large or too small. */
bool
kv_parse_double(const char *p, size_t len, double *valp)
{
	return len > 0 && !isspace((unsigned char)p[0]) &&
	    kv_parse_bound(p, len, valp) &&
	    !(errno == ERANGE && (isinf(*valp) || *valp == 0));
}

/* An end of a range, for which Redis takes anything that strtod does. */
bool
kv_parse_bound(const char *p, size_t len, double *valp)
{
	char buf[KV_FLOATLEN], *end;

	if (!terminated(buf, p, len))
		return false;
	*valp = strtod(buf, &end);
	return end == buf + len && !isnan(*valp);
}

bool
kv_parse_ldouble(const char *p, size_t len, long double *valp)
{
	char buf[KV_FLOATLEN], *end;

	if (len == 0 || isspace((unsigned char)p[0]) ||
	    !terminated(buf, p, len))
		return false;
	*valp = strtold(buf, &end);
	return end == buf + len && !isnan(*valp) &&
	    !(errno == ERANGE && (isinf(*valp) || *valp == 0));
}

/* Bytes with a unit: 100, 64k, 10kb, 1gb (k = 1000, kb = 1024). */
bool
kv_parse_size(const char *s, uint64_t *valp)
{
	static const struct {
		const char	*name;
		uint64_t	 factor;
	} units[] = {
		{ "", 1 }, { "b", 1 },
		{ "k", 1000 }, { "kb", 1024 },
		{ "m", 1000000 }, { "mb", 1 << 20 },
		{ "g", 1000000000 }, { "gb", 1 << 30 },
	};
	char *end;
	uint64_t v;

	errno = 0;
	v = strtoull(s, &end, 10);
	if (!isdigit((unsigned char)s[0]) || errno != 0)
		return false;
	for (size_t i = 0; i < KV_COUNT(units); i++) {
		if (kv_ieq(end, strlen(end), units[i].name))
			return !__builtin_mul_overflow(v, units[i].factor,
			    valp);
	}
	return false;
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

/* buf has KV_NUMLEN bytes: 17 digits, sign, point and exponent are 24. */
size_t
kv_fmt_double(char *buf, double val)
{
	if (isinf(val))
		return (size_t)sprintf(buf, val > 0 ? "inf" : "-inf");
	if (val > -1e15 && val < 1e15 && val == (double)(int64_t)val &&
	    !(val == 0 && signbit(val)))
		return kv_fmt_i64(buf, (int64_t)val);
	return (size_t)snprintf(buf, KV_NUMLEN, "%.17g", val);
}

size_t
kv_fmt_ldouble(char *buf, long double val)
{
	size_t n = (size_t)snprintf(buf, KV_FLOATLEN, "%.17Lf", val);

	while (buf[n - 1] == '0')
		n--;
	if (buf[n - 1] == '.')
		n--;
	if (n == 2 && memcmp(buf, "-0", 2) == 0)
		buf[--n - 1] = '0';
	return n;
}

/* Does the text say word, whatever the case? */
bool
kv_ieq(const char *p, size_t len, const char *word)
{
	for (size_t i = 0; i < len; i++) {
		if (word[i] == '\0' || tolower((unsigned char)p[i]) != word[i])
			return false;
	}
	return word[len] == '\0';
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
kv_glob(const char *p, size_t plen, const char *s, size_t slen)
{
	const char *pend = p + plen, *send = s + slen;
	const char *star = NULL, *from = NULL;

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
