/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The writer of replies, against a flat copy of what was written: text and
 * large strings in any order, replies appended to others, sent in pieces of
 * any size.  Nothing leaks, and what is large is not copied or moved.
 */
#include "client.h"
#include "proto/proto.h"

#define ROUNDS	300

static struct kv_blob *blobs[2];	/* a large one and a small one */

/* Write something to a reply, and to a flat copy of it. */
static void
say(struct kv_reply *r, struct text *t, uint64_t *seed)
{
	static char bytes[9000];
	size_t len = test_random(seed) % (test_random(seed) % 4 ? 40 : 9000);
	const struct kv_blob *b = blobs[test_random(seed) % 2];
	size_t off = test_random(seed) % 1000;
	char head[64];

	switch (test_random(seed) % 4) {
	case 0:
		kv_say_int(r, (int64_t)len);
		snprintf(head, sizeof(head), ":%zu\r\n", len);
		text_str(t, head);
		break;
	case 1:
		memset(bytes, 'a' + (int)(len % 26), len);
		kv_say_bulk(r, bytes, len);
		snprintf(head, sizeof(head), "$%zu\r\n", len);
		text_str(t, head);
		text_add(t, bytes, len);
		text_str(t, "\r\n");
		break;
	default:
		kv_say_part(r, blobs[b == blobs[1]], off, b->b_len - off);
		snprintf(head, sizeof(head), "$%zu\r\n", b->b_len - off);
		text_str(t, head);
		text_add(t, b->b_data + off, b->b_len - off);
		text_str(t, "\r\n");
		break;
	}
}

/* Send up to max bytes; false: other bytes than those of the flat copy. */
static bool
send_some(struct kv_reply *r, const struct text *t, size_t *sentp, size_t max,
    uint64_t *seed)
{
	const char *p;
	size_t len;

	while (max > 0 && (p = kv_reply_peek(r, &len)) != NULL) {
		size_t n = 1 + test_random(seed) % len;

		n = n < max ? n : max;
		if (len == 0 || *sentp + n > t->len ||
		    memcmp(p, t->p + *sentp, n) != 0)
			return false;
		kv_reply_sent(r, n);
		*sentp += n;
		max -= n;
	}
	return true;
}

static void
says_what_it_is_told(uint64_t *seed)
{
	struct kv_reply r = { 0 }, part = { 0 };
	size_t before = kv_mem_used(), wrong = 0, bytes = 0;

	for (int round = 0; round < ROUNDS; round++) {
		struct text t = { 0 };
		size_t sent = 0;

		text_str(&t, "");
		for (int i = (int)(test_random(seed) % 40); i > 0; i--) {
			bool apart = test_random(seed) % 2;

			for (int k = (int)(test_random(seed) % 9); k > 0; k--)
				say(apart ? &part : &r, &t, seed);
			kv_reply_move(&r, &part);
			wrong += kv_reply_pending(&part) != 0;
			wrong += !send_some(&r, &t, &sent,
			    test_random(seed) % 50000, seed);
			wrong += kv_reply_pending(&r) != t.len - sent;
		}
		if (test_random(seed) % 4 == 0) {
			kv_reply_free(&r);
		} else {
			wrong += !send_some(&r, &t, &sent, SIZE_MAX, seed);
			wrong += sent != t.len;
		}
		wrong += kv_reply_pending(&r) != 0 || r.r_memory > 200000;
		bytes += t.len;
		free(t.p);
	}
	is_int((long long)wrong, 0, "%d replies of %zu KB", ROUNDS,
	    bytes >> 10);
	kv_reply_free(&r);
	kv_reply_free(&part);
	is_int((long long)kv_mem_used(), (long long)before, "nothing leaks");
	ok(r.r_memory == 0 && part.r_memory == 0, "and both know it");
}

/* A long reply: its beginning does not move, it takes what it says. */
static void
long_replies_are_not_moved(void)
{
	struct kv_reply r = { 0 }, all = { 0 };
	size_t before = kv_mem_used(), len, used, steps = 1;
	const char *first;

	kv_say_int(&all, 1);
	for (int i = 0; i < 100000; i++)
		kv_say_bulk(&r, blobs[1]->b_data, 100);
	first = kv_reply_peek(&r, &len);
	for (int i = 0; i < 100000; i++)
		kv_say_bulk(&r, blobs[1]->b_data, 100);
	ok(kv_reply_peek(&r, &len) == first, "more text moves none");
	used = kv_mem_used() - before;
	ok(used >= r.r_pending && used < r.r_pending + r.r_pending / 4 &&
	    r.r_memory <= used && r.r_memory >= r.r_pending,
	    "%zu bytes take %zu", r.r_pending, used);
	kv_reply_move(&all, &r);
	kv_reply_sent(&all, 4);
	ok(kv_reply_peek(&all, &len) == first, "appended as it is");
	while (!kv_reply_free_some(&all))
		steps++;
	is_int((long long)steps, 2, "freed in steps");
	kv_reply_free(&r);
	is_int((long long)kv_mem_used(), (long long)before, "nothing leaks");
}

/* The process's pages in memory. */
static long
pages(void)
{
	long n = -1;
	FILE *f = fopen("/proc/self/statm", "r");

	if (f == NULL || fscanf(f, "%*d %ld", &n) != 1)
		n = -1;
	if (f != NULL)
		fclose(f);
	return n;
}

/* A string of 100 MB that nobody holds is given back bit by bit. */
static void
large_strings_go_in_steps(void)
{
	const size_t size = 100 << 20;
	size_t before = kv_mem_used();
	struct kv_blob *b = kv_blob_new("", 0, size), *c;
	long full, left = 0;
	int steps = 0;

	memset(b->b_data, 'x', size);
	c = kv_blob_new("", 0, 3 << 20);
	kv_blob_unref(kv_blob_ref(b));
	ok(!kv_mem_dirty(), "a string that somebody holds stays");
	kv_blob_unref(b);
	kv_blob_unref(c);
	for (full = pages(); kv_mem_dirty(); steps++) {
		if (steps == 95)
			left = pages();
		kv_mem_sweep();
	}
	ok(steps > 95 && steps < 110, "100 MB and 3 MB in %d steps", steps);
	/* A checker gives back more: its own notes of these bytes. */
	ok(full - left > 90 << 8 && full - left < 120 << 8,
	    "of which 95 gave %ld MB back", (full - left) >> 8);
	is_int((long long)kv_mem_used(), (long long)before, "all of it");
}

int
main(void)
{
	uint64_t seed = test_seed();

	watchdog(60);
	for (int i = 0; i < 2; i++) {
		size_t len = i == 0 ? KV_BIG * 2 : 5000;

		blobs[i] = kv_blob_new("", 0, len);
		memset(blobs[i]->b_data, '0' + i, len);
		blobs[i]->b_len = (uint32_t)len;
	}
	says_what_it_is_told(&seed);
	long_replies_are_not_moved();
	large_strings_go_in_steps();
	return tap_done();
}
