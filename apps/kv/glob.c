/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Patterns of KEYS, SCAN and CONFIG GET: * ? [a-z] [^x] and \ to quote.
 *
 * THEORY: on a mismatch only the last star needs to be tried again with one
 * byte more, because an earlier star could not do better.  So the cost is
 * pattern times string, never exponential, and there is no recursion.
 */
#include "kv.h"

#include <ctype.h>
#include <string.h>

/*
 * Match c against the set that begins behind '['; the pattern's position
 * behind the set in *pp.  A set that is not closed ends with the pattern.
 */
static bool
in_set(const char **pp, const char *pend, unsigned char c)
{
	const char *p = *pp;
	bool not = false, hit = false;

	if (p < pend && *p == '^') {
		not = true;
		p++;
	}
	while (p < pend && *p != ']') {
		unsigned char lo, hi;

		if (*p == '\\' && pend - p >= 2) {
			p++;
			lo = hi = (unsigned char)*p;
		} else if (pend - p >= 3 && p[1] == '-') {
			lo = (unsigned char)p[0];
			hi = (unsigned char)p[2];
			if (lo > hi) {
				unsigned char t = lo;

				lo = hi;
				hi = t;
			}
			p += 2;
		} else {
			lo = hi = (unsigned char)*p;
		}
		hit |= lo <= c && c <= hi;
		p++;
	}
	*pp = p < pend ? p + 1 : p;
	return hit != not;
}

/* Match one byte against the pattern's next item, which is not a star. */
static bool
match_one(const char **pp, const char *pend, char c)
{
	const char *p = *pp;

	switch (*p++) {
	case '?':
		*pp = p;
		return true;
	case '[':
		*pp = p;
		return in_set(pp, pend, (unsigned char)c);
	case '\\':
		if (p < pend)
			p++;
		break;
	}
	*pp = p;
	return p[-1] == c;
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

/* Does the text say word (in small letters), whatever the case? */
bool
kv_ieq(const char *p, size_t len, const char *word)
{
	for (size_t i = 0; i < len; i++) {
		if (word[i] == '\0' || tolower((unsigned char)p[i]) != word[i])
			return false;
	}
	return word[len] == '\0';
}
