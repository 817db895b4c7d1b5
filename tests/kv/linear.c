/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Is every key linearizable?  Several clients set, get, count and delete few
 * keys at once, on 1, 2 and 4 CPUs; some values end by themselves.  For each
 * key there must be an order of all operations in which each takes effect
 * between its request and its reply, and each reply is what one client alone
 * would have got.
 *
 * THEORY: the order is searched for from the front.  An operation can be next
 * if no other one, not yet in the order, ended before it began.  What has been
 * tried, the operations in the order so far and the value after them, is kept,
 * so it is tried once.  That a value ends is an operation, too: of nobody, at
 * some time between the earliest and the latest that the setter allows.
 *
 * Source: Wing and Gong, "Testing and verifying concurrent objects" (1993);
 * the memory of what was tried is Lowe's (2017).
 */
#include "client.h"

#include <pthread.h>

#define CLIENTS		4
#define KEYS		3
#define STEPS		7	/* requests of a client in a round */
#define MAXOPS		60	/* on one key in a round */
#define TRIED		65536	/* a power of two */
#define ABSENT		INT64_MIN
#define MS		1000000

enum what { SET, SETNX, SETXX, GETSET, GETDEL, GET, DEL, ADD, END };

static const char *const names[] = {
	"SET", "SET NX", "SET XX", "GETSET", "GETDEL", "GET", "DEL", "INCRBY",
	"(ends)",
};

struct operation {
	enum what	o_what;
	int64_t		o_arg;		/* value, or what is added */
	int64_t		o_ms;		/* the value ends then; 0: never */
	int64_t		o_result;	/* or ABSENT: nil */
	int64_t		o_begin, o_end;	/* ns since 1970 */
};

/* What happened to one key. */
struct history {
	int		 h_nops;
	bool		 h_full;	/* some are missing: nothing to see */
	struct operation h_ops[MAXOPS];
};

struct tried {
	uint64_t	 t_mask;
	int64_t		 t_value;
	bool		 t_used;
};

static int64_t
now(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_REALTIME, &ts);
	return ts.tv_sec * 1000000000 + ts.tv_nsec;
}

/* The value after an operation; false: its reply would have been another. */
static bool
apply(const struct operation *o, int64_t *valuep)
{
	int64_t old = *valuep;

	switch (o->o_what) {
	case SET:
		*valuep = o->o_arg;
		return true;
	case SETNX:
	case SETXX:
		if ((old == ABSENT) != (o->o_what == SETNX))
			return o->o_result == 0;
		*valuep = o->o_arg;
		return o->o_result == 1;
	case GETSET:
		*valuep = o->o_arg;
		return o->o_result == old;
	case GETDEL:
		*valuep = ABSENT;
		return o->o_result == old;
	case GET:
		return o->o_result == old;
	case DEL:
		*valuep = ABSENT;
		return o->o_result == (old != ABSENT);
	case ADD:
		*valuep = (old == ABSENT ? 0 : old) + o->o_arg;
		return o->o_result == *valuep;
	case END:
		if (old == o->o_arg)
			*valuep = ABSENT;
		return true;
	}
	return false;
}

static int ntried;

/* Was this tried before?  It is now. */
static bool
seen(struct tried *tried, uint64_t mask, int64_t value)
{
	uint64_t h = (mask ^ (uint64_t)value * 0x9e3779b97f4a7c15) *
	    0xd6e8feb86659fd93;

	for (h ^= h >> 32;; h++) {
		struct tried *t = &tried[h % TRIED];

		if (!t->t_used) {
			*t = (struct tried){ mask, value, true };
			ntried++;
			return false;
		}
		if (t->t_mask == mask && t->t_value == value)
			return true;
	}
}

static bool
search(const struct history *h, struct tried *tried, uint64_t mask,
    int64_t value)
{
	int64_t first = INT64_MAX;

	/* With so much to try, it is not known, and no fault. */
	if (mask == (UINT64_C(1) << h->h_nops) - 1 || ntried > TRIED / 2)
		return true;
	if (seen(tried, mask, value))
		return false;
	for (int i = 0; i < h->h_nops; i++) {
		if ((mask >> i & 1) == 0 && h->h_ops[i].o_end < first)
			first = h->h_ops[i].o_end;
	}
	for (int i = 0; i < h->h_nops; i++) {
		int64_t next = value;

		if ((mask >> i & 1) == 0 && h->h_ops[i].o_begin <= first &&
		    apply(&h->h_ops[i], &next) &&
		    search(h, tried, mask | UINT64_C(1) << i, next))
			return true;
	}
	return false;
}

static bool
linearizable(const struct history *h)
{
	static struct tried tried[TRIED];

	memset(tried, 0, sizeof(tried));
	ntried = 0;
	return search(h, tried, 0, ABSENT);
}

static struct operation *
add(struct history *h, enum what what, int64_t arg, int64_t result,
    int64_t begin, int64_t end)
{
	struct operation *o = &h->h_ops[h->h_nops++];

	*o = (struct operation){ what, arg, 0, result, begin, end };
	return o;
}

/* Values with a time end; the server's clock counts whole milliseconds. */
static void
add_ends(struct history *h)
{
	int n = h->h_nops;

	for (int i = 0; i < n; i++) {
		const struct operation o = h->h_ops[i];

		h->h_full |= o.o_ms > 0 && h->h_nops == MAXOPS;
		if (o.o_ms > 0 && !h->h_full)
			add(h, END, o.o_arg, 0,
			    o.o_begin + (o.o_ms - 1) * MS,
			    o.o_end + (o.o_ms + 1) * MS);
	}
}

/* The checker itself: histories that are right, and that are not. */
static void
checks_histories(void)
{
	struct history h = { 0 };

	add(&h, SET, 1, 0, 0, 10);
	add(&h, GET, 0, 1, 11, 20);
	ok(linearizable(&h), "what was set is read");
	add(&h, GET, 0, ABSENT, 21, 30);
	ok(!linearizable(&h), "it is not gone by itself");
	h.h_nops = 1;
	add(&h, GET, 0, ABSENT, 5, 20);
	add(&h, GET, 0, 1, 6, 20);
	ok(linearizable(&h), "beside the SET both are right");
	h.h_ops[2].o_end = 12;
	h.h_ops[1].o_begin = 13;
	ok(!linearizable(&h), "but not the old one behind the new one");
	h.h_nops = 0;
	add(&h, ADD, 1, 1, 0, 10);
	add(&h, ADD, 1, 1, 0, 10);
	ok(!linearizable(&h), "two INCR do not both reply 1");
	h.h_ops[1].o_result = 2;
	ok(linearizable(&h), "but 1 and 2");
	h.h_nops = 0;
	add(&h, SET, 1, 0, 0, MS)->o_ms = 5;
	add(&h, GET, 0, 1, 3 * MS, 4 * MS);
	add(&h, GET, 0, ABSENT, 5 * MS, 6 * MS);
	add_ends(&h);
	ok(linearizable(&h), "a value is there and ends");
	h.h_nops = 1;
	add(&h, GET, 0, ABSENT, 2 * MS, 3 * MS);
	add_ends(&h);
	ok(!linearizable(&h), "not too early");
	h.h_nops = 1;
	add(&h, GET, 0, 1, 8 * MS, 9 * MS);
	add_ends(&h);
	ok(!linearizable(&h), "and not too late");
}

struct worker {
	pthread_t	 w_thread;
	struct client	 w_client;
	uint64_t	 w_seed;
	int		 w_id, w_rounds;
	int		 w_broken;	/* replies that could not be read */
};

static pthread_barrier_t barrier;
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static struct history histories[KEYS];

/* A reply as a number: an integer or a string of one, OK, or nil. */
static int64_t
number(struct worker *w, bool set)
{
	char *got = client_reply(&w->w_client, 0);
	int64_t n = ABSENT;

	if (got == NULL || got[0] == '-')
		w->w_broken++;
	else if (got[0] == ':' || got[0] == '"')
		n = strtoll(got + 1, NULL, 10);
	else if (got[0] == '+')
		n = 1;
	if (set && n == ABSENT)
		n = 0;
	free(got);
	return n;
}

/* Make up an operation on a key and send it. */
static struct operation
request(struct worker *w, int round, int key, int64_t value)
{
	struct operation o = { .o_arg = value };
	char line[128], name[32], end[32] = "";

	snprintf(name, sizeof(name), "lin:%d:%d", round, key);
	if (key == 0) {		/* a counter */
		o.o_what = test_random(&w->w_seed) % 3 ? ADD : GET;
		o.o_arg = 1 + (int64_t)(test_random(&w->w_seed) % 3);
	} else {
		o.o_what = (enum what)(test_random(&w->w_seed) % ADD);
	}
	if (o.o_what <= SETXX && test_random(&w->w_seed) % 2) {
		o.o_ms = 2 + (int64_t)(test_random(&w->w_seed) % 4);
		snprintf(end, sizeof(end), " PX %ld", (long)o.o_ms);
	}
	if (o.o_what <= SETXX)
		snprintf(line, sizeof(line), "SET %s %ld%s%s", name,
		    (long)value, end, o.o_what == SETNX ? " NX" :
		    o.o_what == SETXX ? " XX" : "");
	else if (o.o_what == GETSET || o.o_what == ADD)
		snprintf(line, sizeof(line), "%s %s %ld", names[o.o_what],
		    name, (long)o.o_arg);
	else
		snprintf(line, sizeof(line), "%s %s", names[o.o_what], name);
	o.o_begin = now();
	client_command(&w->w_client, line);
	return o;
}

static void
keep(int key, struct operation o)
{
	struct history *h = &histories[key];

	pthread_mutex_lock(&lock);
	h->h_full |= h->h_nops == MAXOPS;
	if (!h->h_full)
		h->h_ops[h->h_nops++] = o;
	pthread_mutex_unlock(&lock);
}

/* All keys at once: MGET, or MSET, which is atomic on each. */
static void
all_keys(struct worker *w, int round, int64_t value)
{
	bool set = test_random(&w->w_seed) % 2;
	struct operation o = { .o_what = set ? SET : GET, .o_begin = now() };
	int64_t results[KEYS] = { 0 };
	char line[256], *got, *p;

	if (set)
		snprintf(line, sizeof(line), "MSET lin:%d:1 %ld lin:%d:2 %ld",
		    round, (long)value, round, (long)value + 1);
	else
		snprintf(line, sizeof(line), "MGET lin:%d:1 lin:%d:2", round,
		    round);
	client_command(&w->w_client, line);
	got = p = client_reply(&w->w_client, 0);
	o.o_end = now();
	w->w_broken += got == NULL || got[0] == '-';
	for (int key = 1; !set && key < KEYS && p != NULL; key++) {
		p = strpbrk(p + 1, "n\"");
		if (p == NULL)
			break;
		results[key] = *p == 'n' ? ABSENT : strtoll(p + 1, &p, 10);
		p = strpbrk(p, ",]");
	}
	free(got);
	for (int key = 1; key < KEYS; key++) {
		o.o_arg = value + key - 1;
		o.o_result = results[key];
		keep(key, o);
	}
}

/* One request, or two that are under way at once; or one on all keys. */
static void
step(struct worker *w, int round, int64_t value)
{
	int n = 1 + (int)(test_random(&w->w_seed) % 2), keys[2];
	struct operation ops[2];

	if (test_random(&w->w_seed) % 6 == 0) {
		all_keys(w, round, value);
		return;
	}
	for (int i = 0; i < n; i++) {
		keys[i] = (int)(test_random(&w->w_seed) % KEYS);
		ops[i] = request(w, round, keys[i], value + i);
	}
	for (int i = 0; i < n; i++) {
		ops[i].o_result = number(w, ops[i].o_what <= SETXX);
		ops[i].o_end = now();
		keep(keys[i], ops[i]);
	}
	if (test_random(&w->w_seed) % 3 == 0)
		usleep((useconds_t)(test_random(&w->w_seed) % 3000));
}

static void *
work(void *arg)
{
	struct worker *w = arg;

	for (int round = 0; round < w->w_rounds; round++) {
		pthread_barrier_wait(&barrier);
		for (int i = 0; i < STEPS; i++)
			step(w, round, 1000 * (w->w_id + 1) + 10 * i);
		pthread_barrier_wait(&barrier);
		/* The main thread looks at what happened. */
		pthread_barrier_wait(&barrier);
	}
	return NULL;
}

static void
show(const struct history *h)
{
	for (int i = 0; i < h->h_nops; i++) {
		const struct operation *o = &h->h_ops[i];

		diag("%10ld %10ld us %s %ld PX %ld: %ld",
		    (long)((o->o_begin - h->h_ops[0].o_begin) / 1000),
		    (long)((o->o_end - h->h_ops[0].o_begin) / 1000),
		    names[o->o_what], (long)o->o_arg, (long)o->o_ms,
		    o->o_result == ABSENT ? -1 : (long)o->o_result);
	}
}

static void
keys_are_linearizable(const char *cpus, int rounds, uint64_t *seed)
{
	struct server s = server_start((const char *const[]){ "--cpus", cpus,
	    NULL });
	struct worker w[CLIENTS];
	int wrong = 0, broken = 0, unknown = 0;
	long ops = 0;

	pthread_barrier_init(&barrier, NULL, CLIENTS + 1);
	for (int i = 0; i < CLIENTS; i++) {
		w[i] = (struct worker){ .w_client = client_open(s.port),
		    .w_seed = test_random(seed) | 1, .w_id = i,
		    .w_rounds = rounds };
		pthread_create(&w[i].w_thread, NULL, work, &w[i]);
	}
	for (int round = 0; round < rounds; round++) {
		memset(histories, 0, sizeof(histories));
		pthread_barrier_wait(&barrier);
		pthread_barrier_wait(&barrier);
		for (int k = 0; k < KEYS; k++) {
			ops += histories[k].h_nops;
			add_ends(&histories[k]);
			if (!histories[k].h_full &&
			    !linearizable(&histories[k]) && wrong++ == 0)
				show(&histories[k]);
			unknown += histories[k].h_full || ntried > TRIED / 2;
		}
		pthread_barrier_wait(&barrier);
	}
	for (int i = 0; i < CLIENTS; i++) {
		pthread_join(w[i].w_thread, NULL);
		broken += w[i].w_broken;
		client_close(&w[i].w_client);
	}
	is_int(wrong, 0, "%d keys on %s CPUs, %ld operations: each has an "
	    "order", rounds * KEYS, cpus, ops);
	ok(unknown < rounds / 10, "but for %d that were too large", unknown);
	is_int(broken, 0, "every request was answered");
	is_int(server_stop(&s, SIGTERM), 0, "the server ends well");
}

int
main(int argc, char **argv)
{
	int rounds = argc > 1 ? atoi(argv[1]) : 300;
	uint64_t seed = test_seed();

	watchdog(150);
	checks_histories();
	keys_are_linearizable("1", rounds, &seed);
	keys_are_linearizable("2", rounds, &seed);
	keys_are_linearizable("4", rounds, &seed);
	return tap_done();
}
