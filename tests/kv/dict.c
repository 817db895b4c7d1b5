/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The table: against an array that knows what must be in it, what a scan
 * promises while the table changes, and that random picks are fair.
 */
#include "client.h"
#include "shard/dict.h"

#define NKEYS	20000

static bool present[NKEYS];
static unsigned int seen[NKEYS];

static void
start(struct kv_dict *d)
{
	*d = (struct kv_dict){ .d_keyoff = sizeof(struct kv_node) };
	memset(present, 0, sizeof(present));
	memset(seen, 0, sizeof(seen));
}

static struct kv_node *
find(struct kv_dict *d, uint32_t num)
{
	return kv_dict_find(d, kv_hash(&num, sizeof(num)), &num, sizeof(num));
}

static void
insert(struct kv_dict *d, uint32_t num)
{
	kv_dict_add(d, kv_hash(&num, sizeof(num)), &num, sizeof(num));
	present[num] = true;
}

static void
take_out(struct kv_dict *d, uint32_t num)
{
	struct kv_node *n = find(d, num);

	kv_dict_remove(d, n);
	kv_free(n);
	present[num] = false;
}

static void
empty(struct kv_dict *d)
{
	for (uint32_t i = 0; i < NKEYS; i++) {
		if (present[i])
			take_out(d, i);
	}
}

static void
visit(struct kv_node *n, void *arg)
{
	uint32_t num;

	(void)arg;
	memcpy(&num, n + 1, sizeof(num));
	seen[num]++;
}

static void
visit_and_free(struct kv_node *n, void *arg)
{
	visit(n, arg);
	kv_free(n);
}

/*
 * Is the table in order?  Each key is found, so it is in its bucket; a scan
 * meets as many as are counted, once each; and the buckets are as many as
 * that needs.
 */
static bool
in_order(struct kv_dict *d)
{
	uint64_t cursor = 0;
	int64_t met = 0;

	memset(seen, 0, sizeof(seen));
	do
		cursor = kv_dict_scan(d, cursor, visit, NULL);
	while (cursor != 0);
	for (uint32_t i = 0; i < NKEYS; i++) {
		if ((find(d, i) != NULL) != present[i] ||
		    seen[i] != present[i])
			return false;
		met += seen[i];
	}
	return met == d->d_count && met <= d->d_nbuckets &&
	    (d->d_nbuckets <= 4 || met + 1 >= d->d_nbuckets / 4);
}

static void
finds_what_is_there_and_nothing_else(uint64_t *seed)
{
	struct kv_dict d;
	int wrong = 0;

	start(&d);
	for (int i = 0; i < 400000; i++) {
		uint32_t num = (uint32_t)(test_random(seed) % NKEYS);
		/* Long runs of growing and of shrinking. */
		bool grow = i / 50000 % 2 == 0;
		bool add = test_random(seed) % 8 < (grow ? 7 : 1);

		wrong += (find(&d, num) != NULL) != present[num];
		if (add && !present[num])
			insert(&d, num);
		else if (!add && present[num])
			take_out(&d, num);
		if (i % 20000 == 0)
			wrong += !in_order(&d);
	}
	is_int(wrong, 0, "400000 insertions, removals and searches");
	empty(&d);
	is_int((long long)d.d_count, 0, "an empty table counts 0");
	kv_dict_drain(&d, 1, NULL, NULL);
}

/* Keys below NKEYS/2 stay; others come or go between the steps of a scan. */
static void
scan_while(uint64_t *seed, bool grow, const char *what)
{
	unsigned int missed = 0, twice = 0;
	uint64_t cursor = 0;
	struct kv_dict d;

	start(&d);
	for (uint32_t i = 0; i < NKEYS / 2; i++)
		insert(&d, i);
	for (uint32_t i = NKEYS / 2; !grow && i < NKEYS; i++)
		insert(&d, i);
	do {
		cursor = kv_dict_scan(&d, cursor, visit, NULL);
		for (int i = 0; i < 3; i++) {
			uint32_t num = NKEYS / 2 +
			    (uint32_t)(test_random(seed) % (NKEYS / 2));

			if (grow && !present[num])
				insert(&d, num);
			else if (!grow && present[num])
				take_out(&d, num);
		}
	} while (cursor != 0);
	for (uint32_t i = 0; i < NKEYS / 2; i++) {
		missed += seen[i] == 0;
		twice += seen[i] > 1;
	}
	is_int(missed, 0, "a scan of a table that %s misses nothing", what);
	if (grow)
		is_int(twice, 0, "and meets nothing twice");
	empty(&d);
	kv_dict_drain(&d, 1, NULL, NULL);
}

static void
picks_are_fair(uint64_t *seed)
{
	const uint32_t n = 1300, rounds = 200;	/* 1300: half split */
	double chi2 = 0;
	struct kv_dict d;

	start(&d);
	for (uint32_t i = 0; i < n; i++)
		insert(&d, i);
	for (uint32_t i = 0; i < n * rounds; i++)
		visit(kv_dict_random(&d, seed), NULL);
	for (uint32_t i = 0; i < n; i++) {
		double diff = (double)seen[i] - rounds;

		chi2 += diff * diff / rounds;
	}
	/* 1299 degrees of freedom: mean 1299, deviation 51; 8 of those. */
	ok(chi2 < 1299 + 8 * 51, "random picks are fair (chi2 %.0f)", chi2);
	empty(&d);
	kv_dict_drain(&d, 1, NULL, NULL);
}

/*
 * As if an attacker knew the secret: the first LONG nodes are two chains,
 * which become one when the table shrinks.
 */
static void
long_chains_are_picked(uint64_t *seed)
{
	enum { LONG = 40, ALL = 200, MORE = 3000 };
	unsigned int least = UINT32_MAX, most = 0;
	struct kv_dict d;

	start(&d);
	for (uint32_t i = MORE; i-- > 0;)	/* the long ones last */
		kv_dict_add(&d, i < LONG ? i % 2 * 1024 + 7 :
		    kv_hash(&i, sizeof(i)), &i, sizeof(i));
	for (uint32_t i = ALL; i < MORE; i++)
		take_out(&d, i);
	ok(d.d_nbuckets < 1024, "the table shrinks");
	for (uint32_t i = 0; i < ALL * 400; i++)
		visit(kv_dict_random(&d, seed), NULL);
	for (uint32_t i = 0; i < ALL; i++) {
		least = seen[i] < least ? seen[i] : least;
		most = seen[i] > most ? seen[i] : most;
	}
	/* 400 each, deviation 20. */
	ok(least > 400 - 8 * 20 && most < 400 + 8 * 20,
	    "nodes of a long chain are picked, too: %u to %u times", least,
	    most);
	while (kv_dict_drain(&d, ALL, NULL, NULL) > 0)
		continue;
}

/* Strings whose bytes, as a number, and length have the same sum. */
static void
lengths_do_not_collide(void)
{
	unsigned int same = 0, bytes = 0;
	uint64_t hash[8];

	for (uint64_t sum = 1000; sum < 2000; sum++) {
		for (unsigned int len = 2; len < 8; len++) {
			uint64_t word = sum - len;

			hash[len] = kv_hash(&word, len);
			for (unsigned int i = 2; i < len; i++)
				same += (uint32_t)hash[i] ==
				    (uint32_t)hash[len];
		}
	}
	/* 15,000 pairs, of which one in 2^32 may. */
	ok(same < 2, "strings of different lengths do not collide (%u)", same);
	for (uint32_t i = 0; i < 256; i++) {
		uint64_t a = kv_hash(&i, 1), b = kv_hash(&i, 2);

		bytes += a == b;
	}
	is_int(bytes, 0, "nor do strings and the same with a byte 0");
}

static void
drain_gives_everything_back(void)
{
	size_t before = kv_mem_used();
	unsigned int bad = 0;
	struct kv_dict d;

	start(&d);
	for (uint32_t i = 0; i < NKEYS; i++)
		insert(&d, i);
	ok(kv_mem_used() > before, "buckets take memory");
	while (kv_dict_drain(&d, 100, visit_and_free, NULL) > 0)
		continue;
	for (uint32_t i = 0; i < NKEYS; i++)
		bad += seen[i] != 1;
	is_int(bad, 0, "draining meets every node once");
	is_int((long long)kv_mem_used(), (long long)before,
	    "and gives all memory back");
}

int
main(void)
{
	uint64_t seed = test_seed();

	watchdog(120);
	kv_hash_seed();
	finds_what_is_there_and_nothing_else(&seed);
	scan_while(&seed, true, "grows");
	scan_while(&seed, false, "shrinks");
	picks_are_fair(&seed);
	long_chains_are_picked(&seed);
	lengths_do_not_collide();
	drain_gives_everything_back();
	return tap_done();
}
