/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Patterns: against a matcher that simply tries everything, in steps of any
 * length, and that a match that needs many steps takes no more of them than
 * the pattern times the string.
 */
#include "client.h"
#include "base/kv.h"

/* One item of a pattern other than a star, and one byte; where it ends. */
static const char *
item(const char *p, const char *pend, unsigned char c, bool *matchp)
{
	bool not = false, hit = false;

	if (*p == '?') {
		*matchp = true;
		return p + 1;
	}
	if (*p != '[') {
		if (*p == '\\' && pend - p > 1)
			p++;
		*matchp = (unsigned char)*p == c;
		return p + 1;
	}
	if (++p < pend && *p == '^') {
		not = true;
		p++;
	}
	while (p < pend && *p != ']') {
		unsigned char a = (unsigned char)*p, b = a;

		if (*p == '\\' && pend - p > 1) {
			a = b = (unsigned char)*++p;
		} else if (pend - p > 2 && p[1] == '-') {
			b = (unsigned char)p[2];
			p += 2;
		}
		hit = hit || (a <= c && c <= b) || (b <= c && c <= a);
		p++;
	}
	*matchp = hit != not;
	return p < pend ? p + 1 : p;
}

static bool
simple(const char *p, const char *pend, const char *s, const char *send)
{
	const char *next;
	bool match;

	if (p == pend)
		return s == send;
	if (*p == '*')
		return simple(p + 1, pend, s, send) ||
		    (s < send && simple(p, pend, s + 1, send));
	if (s == send)
		return false;
	next = item(p, pend, (unsigned char)*s, &match);
	return match && simple(next, pend, s + 1, send);
}

/* The same by kv_glob_run, so many steps at a time; how many times. */
static bool
in_steps(char *pattern, size_t plen, const char *s, size_t slen,
    unsigned int steps, uint64_t *runsp)
{
	const struct kv_arg a = { pattern, plen, NULL };
	enum kv_glob_what what;
	struct kv_glob g;

	kv_glob_begin(&g, &a, s, slen);
	do {
		what = kv_glob_run(&g, steps);
		(*runsp)++;
	} while (what == KV_GLOB_MORE);
	return what == KV_GLOB_YES;
}

static size_t
make(char *buf, const char *bytes, size_t max, uint64_t *seed)
{
	size_t len = test_random(seed) % max, n = strlen(bytes);

	for (size_t i = 0; i < len; i++)
		buf[i] = bytes[test_random(seed) % n];
	return len;
}

/* Patterns of up to four parts that are in the string, with stars between. */
static size_t
make_long(char *pattern, const char *s, size_t slen, uint64_t *seed)
{
	size_t len = 0, from = 0;

	for (int i = (int)(test_random(seed) % 4); i >= 0; i--) {
		size_t n = test_random(seed) % 40;

		pattern[len++] = '*';
		from += test_random(seed) % 40;
		if (from + n > slen)
			break;
		memcpy(pattern + len, s + from, n);
		if (n > 0 && test_random(seed) % 3 == 0)
			pattern[len + test_random(seed) % n] =
			    "?xab"[test_random(seed) % 4];
		len += n;
		from += n;
	}
	if (test_random(seed) % 2)
		pattern[len++] = '*';
	return len;
}

static void
matches_what_it_should(uint64_t *seed)
{
	int wrong = 0, yes = 0, cut = 0;
	char p[400], s[300];
	uint64_t runs = 0;

	for (int i = 0; i < 200000; i++) {
		size_t slen = make(s, "ab", i % 2 ? 10 : 250, seed);
		size_t plen = i % 2 ? make(p, "ab*?[]^-\\", 12, seed) :
		    make_long(p, s, slen, seed);
		bool want = simple(p, p + plen, s, s + slen);

		yes += want;
		wrong += in_steps(p, plen, s, slen, 1000000, &runs) != want;
		cut += in_steps(p, plen, s, slen,
		    1 + (unsigned int)(test_random(seed) % 4), &runs) != want;
	}
	is_int(wrong, 0, "200000 patterns, of which %d match", yes);
	is_int(cut, 0, "the same in steps of up to four");
	ok(yes > 20000, "many match");
}

static void
takes_bounded_work(void)
{
	const size_t slen = 1 << 20, plen = 20000;
	char *s = malloc(slen), *p = malloc(plen * 2);
	uint64_t runs = 0;
	bool match;

	memset(s, 'a', slen);
	memset(p, 'a', plen * 2);
	p[0] = '*';
	p[plen] = 'b';
	match = in_steps(p, plen + 1, s, slen, 1000, &runs);
	ok(!match && runs < 200,
	    "*aaaa...b in 1 MB of a: %lu thousand steps",
	    (unsigned long)runs);
	for (size_t i = 0; i < plen; i++) {
		p[2 * i] = '*';
		p[2 * i + 1] = i == plen - 1 ? 'b' : 'a';
	}
	runs = 0;
	match = in_steps(p, plen * 2, s, slen, 1000, &runs);
	ok(!match && runs < 5000,
	    "20000 stars: %lu thousand steps", (unsigned long)runs);
	memset(p, '*', plen * 2);
	p[plen * 2 - 1] = 'b';
	runs = 0;
	match = in_steps(p, plen * 2, s, slen, 1000, &runs);
	ok(!match && runs < 5000,
	    "20000 stars in a row: %lu thousand", (unsigned long)runs);
	memset(p, '?', 200);
	p[0] = '*';
	p[199] = 'b';
	runs = 0;
	match = in_steps(p, 200, s, slen / 16, 1000, &runs);
	ok(!match && runs > 10000 &&
	    runs < 14000, "*????...b in 64 KB: %lu thousand, the pattern times "
	    "the string", (unsigned long)runs);
	memset(p, 'x', plen);
	p[0] = '[';
	runs = 0;
	match = in_steps(p, plen, s, 1, 1000, &runs);
	ok(!match && runs >= 19,
	    "a set of 20000 is looked at in steps, too");
	free(s);
	free(p);
}

int
main(void)
{
	uint64_t seed = test_seed();

	watchdog(60);
	matches_what_it_should(&seed);
	takes_bounded_work();
	return tap_done();
}
