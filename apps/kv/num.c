/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Numbers as clients write and read them.
 *
 * THEORY: an integer has exactly one spelling (no sign +, no leading zero, no
 * space), so that a string stored as a number reads back as the same bytes.
 * Floating point goes through libc, with the formats that clients of Redis
 * 7.0 see: 17 significant digits for a double, 17 decimals without trailing
 * zeros for a long double.
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

/* Decimal digits into buf (KV_NUMLEN bytes); how many. */
size_t
kv_fmt_i64(char *buf, int64_t val)
{
	uint64_t v = val < 0 ? -(uint64_t)val : (uint64_t)val;
	char tmp[KV_NUMLEN];
	size_t n = sizeof(tmp), len;

	do {
		tmp[--n] = (char)('0' + v % 10);
		v /= 10;
	} while (v != 0);
	if (val < 0)
		tmp[--n] = '-';
	len = sizeof(tmp) - n;
	memcpy(buf, tmp + n, len);
	return len;
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

	if (memchr(buf, '.', n) != NULL) {
		while (buf[n - 1] == '0')
			n--;
		if (buf[n - 1] == '.')
			n--;
	}
	if (n == 2 && memcmp(buf, "-0", 2) == 0) {
		buf[0] = '0';
		n = 1;
	}
	return n;
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

	if (!isdigit((unsigned char)s[0]))
		return false;
	errno = 0;
	v = strtoull(s, &end, 10);
	if (errno != 0)
		return false;
	for (size_t i = 0; i < sizeof(units) / sizeof(units[0]); i++) {
		if (kv_ieq(end, strlen(end), units[i].name))
			return !__builtin_mul_overflow(v, units[i].factor,
			    valp);
	}
	return false;
}
