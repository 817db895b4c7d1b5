/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The parser of requests: however a stream is cut into pieces, and whatever is
 * wrong with it, what comes out is the same; nothing is read twice, nothing
 * leaks.  A deterministic relative of the fuzz target (fuzz_resp.c).
 */
#include "client.h"
#include "proto/proto.h"

#define MAXSTREAM	200000

/* Everything a parser says about a stream, as text. */
static void
note(struct text *t, const struct kv_resp *r)
{
	char num[32];

	for (size_t i = r->r_first; i < r->r_nargs; i++) {
		snprintf(num, sizeof(num), "%zu:", r->r_args[i].a_len);
		text_str(t, num);
		text_add(t, r->r_args[i].a_p, r->r_args[i].a_len);
	}
	text_str(t, ";");
}

static void
done(struct kv_resp *r)
{
	while (!kv_resp_done(r))
		continue;
}

/* Parse a stream in pieces of up to max bytes (0: as large as it goes). */
static char *
parse(const char *p, size_t len, size_t max, uint64_t *seed, bool *badp)
{
	enum kv_resp_what what = KV_RESP_MORE;
	struct text t = { 0 };
	struct kv_resp r;

	text_str(&t, "");
	kv_resp_init(&r);
	while (len > 0 && what != KV_RESP_BAD) {
		size_t room, n;
		char *to = kv_resp_room(&r, &room);

		n = max == 0 ? room : 1 + test_random(seed) % max;
		if (n > room)
			n = room;
		if (n > len)
			n = len;
		memcpy(to, p, n);
		kv_resp_filled(&r, n);
		p += n;
		len -= n;
		while ((what = kv_resp_next(&r)) == KV_RESP_CMD) {
			note(&t, &r);
			if (max != 0 && test_random(seed) % 4 == 0)
				done(&r);
		}
		done(&r);
	}
	*badp = what == KV_RESP_BAD;
	if (*badp)
		text_str(&t, r.r_error);
	kv_resp_free(&r);
	return t.p;
}

static void
check(const char *stream, const char *want)
{
	uint64_t seed = 1;
	char *got;
	bool bad;

	got = parse(stream, strlen(stream), 1, &seed, &bad);
	is_str(got, want, "%.60s", stream);
	free(got);
}

static void
understands_requests(void)
{
	check("*1\r\n$4\r\nPING\r\n", "4:PING;");
	check("*2\r\n$3\r\nGET\r\n$0\r\n\r\n", "3:GET0:;");
	check("*0\r\n*-1\r\nPING\r\n", ";;4:PING;");
	check("\r\n\n  \r\nget  a\tb \n", ";;;3:get1:a1:b;");
	check("set k \"a b\\x41\\n\\\"\"\r\n", "3:set1:k6:a bA\n\";");
	check("set k 'it\\'s'\r\n", "3:set1:k4:it's;");
	check("set k ''\r\n", "3:set1:k0:;");
}

static void
names_errors_as_redis_does(void)
{
	check("*x\r\n", "Protocol error: invalid multibulk length");
	check("*9999999999\r\n", "Protocol error: invalid multibulk length");
	check("*1\r\nfoo\r\n", "Protocol error: expected '$', got 'f'");
	check("*1\r\n$-1\r\n", "Protocol error: invalid bulk length");
	check("*1\r\n$536870913\r\n", "Protocol error: invalid bulk length");
	check("*1\r\n$x\r\n", "Protocol error: invalid bulk length");
	check("set \"a\r\n", "Protocol error: unbalanced quotes in request");
	check("set \"a\"b\r\n",
	    "Protocol error: unbalanced quotes in request");
}

static void
limits_lines(void)
{
	static const char *const begin[] = { "a", "*1", "*1\r\n$1" };
	static const char *const error[] = {
		"too big inline request", "too big mbulk count string",
		"too big bulk count string",
	};
	static char stream[70000];
	uint64_t seed = 1;
	bool bad;

	for (int i = 0; i < 3; i++) {
		size_t n = strlen(begin[i]);
		char *got;

		memset(stream, '1', sizeof(stream));
		memcpy(stream, begin[i], n);
		got = parse(stream, sizeof(stream), 0, &seed, &bad);
		ok(bad && strstr(got, error[i]) != NULL, "%s", error[i]);
		free(got);
	}
}

/* A random pipeline, mostly right, into buf; its length. */
static size_t
make_stream(char *buf, uint64_t *seed)
{
	size_t n = 0;
	int commands = 1 + (int)(test_random(seed) % 8);

	while (commands-- > 0) {
		int argc = 1 + (int)(test_random(seed) % 5);

		if (test_random(seed) % 4 == 0) {
			n += (size_t)sprintf(buf + n, "echo 'a b' \"%d\" x\r\n",
			    argc);
			continue;
		}
		n += (size_t)sprintf(buf + n, "*%d\r\n", argc);
		while (argc-- > 0) {
			size_t len = test_random(seed) % 40;

			if (test_random(seed) % 16 == 0)
				len = KV_BIG - 2 + test_random(seed) % 4;
			if (n + len + 100 > MAXSTREAM)
				len = 0;
			n += (size_t)sprintf(buf + n, "$%zu\r\n", len);
			memset(buf + n, 'a' + argc, len);
			n += len;
			n += (size_t)sprintf(buf + n, "\r\n");
			if (n + 200 > MAXSTREAM)
				return n;
		}
	}
	return n;
}

static void
mutate(char *buf, size_t len, uint64_t *seed)
{
	static const char bytes[] = "*$\r\n-0129\"'\\ x";
	int changes = (int)(test_random(seed) % 4);

	while (changes-- > 0 && len > 0)
		buf[test_random(seed) % len] =
		    bytes[test_random(seed) % (sizeof(bytes) - 1)];
}

static void
cuts_do_not_matter(uint64_t *seed)
{
	char *stream = malloc(MAXSTREAM);
	size_t before = kv_mem_used();
	int differ = 0, errors = 0;

	for (int round = 0; round < 3000; round++) {
		size_t len = make_stream(stream, seed);
		bool bad[2];
		char *a, *b;

		mutate(stream, len, seed);
		a = parse(stream, len, 0, seed, &bad[0]);
		b = parse(stream, len, round % 2 ? 7 : 5000, seed, &bad[1]);
		differ += strcmp(a, b) != 0 || bad[0] != bad[1];
		errors += bad[0];
		free(a);
		free(b);
	}
	is_int(differ, 0, "3000 streams, cut in two ways, read the same");
	ok(errors > 100, "%d of them had errors", errors);
	is_int((long long)kv_mem_used(), (long long)before, "nothing leaks");
	free(stream);
}

/* A large value is received where it stays, and memory follows the bytes. */
static void
large_values_are_not_copied(void)
{
	const size_t size = 20 << 20;
	size_t len, got = 0, moved = 0;
	struct kv_resp r;
	struct kv_arg *a;
	char *p, *last = NULL;

	kv_resp_init(&r);
	p = kv_resp_room(&r, &len);
	got = (size_t)sprintf(p, "*2\r\n$3\r\nGET\r\n$%zu\r\n", size);
	kv_resp_filled(&r, got);
	ok(kv_resp_next(&r) == KV_RESP_MORE, "a header alone is no command");
	ok(kv_mem_used() < 4 << 20, "a header alone takes no memory");
	for (got = 0; got < size; got += len) {
		p = kv_resp_room(&r, &len);
		if (len > size - got)
			len = size - got;
		moved += p != last;
		memset(p, 'x', len);
		last = p + len;
		kv_resp_filled(&r, len);
		if (kv_resp_next(&r) != KV_RESP_MORE)
			break;
	}
	is_int((long long)got, (long long)size, "all of it was asked for");
	p = kv_resp_room(&r, &len);
	memcpy(p, "\r\n", 2);
	kv_resp_filled(&r, 2);
	ok(kv_resp_next(&r) == KV_RESP_CMD, "then it is a command");
	a = &r.r_args[r.r_first + 1];
	ok(a->a_blob != NULL && a->a_len == size && a->a_p[size - 1] == 'x',
	    "with the value in a blob of its own");
	ok(moved <= 12, "which moved %zu times while it grew", moved);
	done(&r);
	kv_resp_free(&r);
}

/*
 * Send the parser n arguments of a command of more; how many bytes it was
 * given.  False: an argument moved after it had been received.
 */
static bool
send_arguments(struct kv_resp *r, int n, const char *arg, size_t *sentp)
{
	static const char *where[40000];
	bool moved = false;
	size_t room;
	char *p;

	*sentp = 0;
	for (int i = 0; i < n; i++) {
		size_t len = strlen(arg), at = 0;

		while (at < len) {
			p = kv_resp_room(r, &room);
			room = room < len - at ? room : len - at;
			memcpy(p, arg + at, room);
			kv_resp_filled(r, room);
			at += room;
			*sentp += room;
			while (kv_resp_next(r) == KV_RESP_CMD)
				continue;
			done(r);
		}
		where[i] = r->r_args[r->r_nargs - 1].a_p;
		for (int k = i; k >= 0; k = k / 2 - 1)
			moved |= where[k] != r->r_args[
			    r->r_nargs - 1 - (size_t)(i - k)].a_p;
	}
	return !moved;
}

/* However long a request gets, reading goes on where it is. */
static void
long_requests_are_not_moved(void)
{
	static char arg[KV_BIG + 20];
	size_t before = kv_mem_used(), used, sent = 0;
	struct kv_resp r;
	char *p;

	for (size_t len = 10; len < KV_BIG; len += KV_BIG - 11) {
		int head = sprintf(arg, "$%zu\r\n", len);
		int n = len < 100 ? 40000 : 1000;

		memset(arg + head, 'x', len);
		memcpy(arg + head + len, "\r\n", 3);
		kv_resp_init(&r);
		p = kv_resp_room(&r, &used);
		memcpy(p, "*1000000\r\n", 10);
		kv_resp_filled(&r, 10);
		ok(send_arguments(&r, n, arg, &sent), "arguments of %zu bytes "
		    "stay where they were received", len);
		is_int((long long)r.r_nargs, n, "all of them");
		used = kv_mem_used() - before;
		ok(kv_resp_pending(&r) >= sent &&
		    used <= kv_resp_pending(&r) * 2 + (1 << 20),
		    "%zu bytes received, %zu of memory, %zu are known of",
		    sent, used, kv_resp_pending(&r));
		kv_resp_free(&r);
		is_int((long long)kv_mem_used(), (long long)before,
		    "and given back");
	}
}

/* What is given back is given back in steps, however much it is. */
static void
much_is_given_back_in_steps(void)
{
	static char arg[KV_BIG + 20];
	int head = sprintf(arg, "$%u\r\n", KV_BIG), steps = 1;
	struct kv_resp r;
	size_t sent, used;
	char *p;

	memset(arg + head, 'x', KV_BIG);
	memcpy(arg + head + KV_BIG, "\r\n", 3);
	kv_resp_init(&r);
	p = kv_resp_room(&r, &used);
	memcpy(p, "*2000\r\n", 7);
	kv_resp_filled(&r, 7);
	send_arguments(&r, 1000, arg, &sent);
	ok(kv_resp_pending(&r) > 1000 * KV_BIG, "1000 large arguments count");
	kv_resp_stop(&r);
	while (!kv_resp_done(&r))
		steps++;
	ok(steps > 50 && steps < 100, "they went in %d steps", steps);
	kv_resp_free(&r);
}

int
main(void)
{
	uint64_t seed = test_seed();

	watchdog(120);
	understands_requests();
	names_errors_as_redis_does();
	limits_lines();
	cuts_do_not_matter(&seed);
	large_values_are_not_copied();
	long_requests_are_not_moved();
	much_is_given_back_in_steps();
	return tap_done();
}
